package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/calibrate"
	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

type calibrateFlags struct {
	answers, labels string
	wrongQuestions  bool
	json            bool
	judge           judgeFlags
	rerun           bool
	mutate          bool
}

func newCalibrate(g *globals) *cobra.Command {
	var f calibrateFlags
	c := &cobra.Command{
		Use:   "calibrate --answers FILE --labels FILE",
		Short: "Measure decisions against labelled answers",
		Long: `Measure decisions against labelled answers, with the trivial baselines beside them.

Balanced F1 is the mean of the F1 of "met or partial" and of "not met"; strict counts met alone. The interval is a
bootstrap over answers. Baselines get the threshold that suits these very answers best, which flatters them.`,
		Example: `  grader calibrate --answers answers.jsonl --labels labels.jsonl
  grader calibrate --answers answers.jsonl --labels labels.jsonl --wrong-questions --json
  grader calibrate --answers answers.jsonl --labels labels.jsonl --judge required --rerun`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.calibrate(c.Context(), f) },
	}
	c.Flags().StringVar(&f.answers, "answers", "", "JSON Lines: id, question_id, text, modality")
	c.Flags().StringVar(&f.labels, "labels", "", "JSON Lines: id, points, misconceptions, habits")
	c.Flags().BoolVar(&f.wrongQuestions, "wrong-questions", false, "grade each answer under three other questions too")
	c.Flags().BoolVar(&f.rerun, "rerun", false, "judge every answer twice and compare the judge with itself")
	c.Flags().BoolVar(&f.mutate, "mutate", false, "edit the answers so that the right verdict is known, and count who notices")
	c.Flags().BoolVar(&f.json, "json", false, "the report as one JSON object")
	f.judge.add(c)
	return c
}

type labelledAnswer struct {
	ID         string `json:"id"`
	QuestionID string `json:"question_id"`
	Text       string `json:"text"`
	Modality   string `json:"modality"`
}

type labelLine struct {
	ID             string            `json:"id"`
	Points         map[string]string `json:"points"`
	Misconceptions map[string]string `json:"misconceptions"`
	Habits         map[string]string `json:"habits"`
}

// wrongScores is what answers earn under questions that they do not answer.
type wrongScores struct {
	Grades int     `json:"grades"`
	Mean   float64 `json:"mean"`
	Above5 int     `json:"above5"`
	Max    float64 `json:"max"`
}

type calibration struct {
	calibrate.Report
	Judge          *judgedReport `json:"judge,omitempty"`
	Mutants        []mutantRow   `json:"mutants,omitempty"`
	WrongQuestions *wrongScores  `json:"wrongQuestions,omitempty"`
}

func (g *globals) calibrate(ctx context.Context, f calibrateFlags) error {
	if f.answers == "" || f.labels == "" {
		return usagef("calibrate needs --answers FILE and --labels FILE")
	}
	graders, err := g.graders()
	if err != nil {
		return err
	}
	samples, err := g.labelled(graders, f)
	if err != nil {
		return err
	}
	use, j, err := f.judge.openJudge(g.err)
	if err != nil {
		return err
	}
	if f.rerun && j == nil {
		return usagef("--rerun compares a judge with itself; configure one with --judge-url and --judge-model")
	}
	if j != nil {
		if err := f.judge.ready(ctx, g.err, use, j); err != nil {
			return err
		}
	}
	if err := gradeSamples(ctx, samples, j, 0, f.judge.config.Concurrency); err != nil {
		return err
	}
	out := calibration{Report: calibrate.Measure(points(samples, together), misconceptionClaims(samples), habitClaims(samples))}
	if j != nil {
		out.Judge = judgeReport(samples, j)
	}
	if f.rerun {
		if err := out.Judge.again(ctx, samples, j, f.judge.config.Concurrency); err != nil {
			return err
		}
	}
	if f.wrongQuestions {
		if out.WrongQuestions, err = wrongQuestions(ctx, samples, j); err != nil {
			return err
		}
	}
	if f.mutate {
		if out.Mutants, err = mutationRows(ctx, samples, j, f.judge.config.Concurrency); err != nil {
			return err
		}
	}
	if f.json {
		line, err := json.Marshal(out)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	printCalibration(g.out, out)
	return nil
}

// sample is one labelled answer with what came of it.
type sample struct {
	labelledAnswer
	labels   labelLine
	grader   *grade.Grader
	question *rubric.Question
	critique *grade.Critique
}

// labelled reads both files and joins them by id.
func (g *globals) labelled(graders graderSet, f calibrateFlags) ([]*sample, error) {
	answers, err := readLines[labelledAnswer](f.answers)
	if err != nil {
		return nil, err
	}
	labels, err := readLines[labelLine](f.labels)
	if err != nil {
		return nil, err
	}
	byID := map[string]labelLine{}
	for _, l := range labels {
		byID[l.ID] = l
	}
	var out []*sample
	for _, a := range answers {
		l, ok := byID[a.ID]
		if !ok {
			continue
		}
		gr, q, err := graders.find(a.QuestionID)
		if err != nil {
			return nil, fmt.Errorf("answer %s: %w", a.ID, err)
		}
		out = append(out, &sample{labelledAnswer: a, labels: l, grader: gr, question: q})
	}
	if len(out) == 0 {
		return nil, usagef("no answer of %s has a label in %s; the ids must agree", f.answers, f.labels)
	}
	if n := len(answers) - len(out); n > 0 {
		fmt.Fprintf(g.err, "grader: %d of %d answers have no labels and are left out\n", n, len(answers))
	}
	return out, nil
}

// gradeSamples grades all samples, as many at a time as the judge takes.
func gradeSamples(ctx context.Context, samples []*sample, j *app.Judge, run, concurrency int) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(concurrency)
	for _, s := range samples {
		work.Go(func() (err error) {
			s.critique, err = gradeOne(ctx, s.grader, s.question.ID, s.answer(), j.Sample(run))
			return err
		})
	}
	return work.Wait()
}

func (s *sample) answer() grade.Answer {
	return grade.Answer{Text: s.Text, Modality: grade.Modality(strings.ToUpper(s.Modality))}
}

// points makes an item of every labelled point; witness says whose decision counts.
func points(samples []*sample, witness func(*grade.PointResult) grade.Decision) []calibrate.Item {
	var items []calibrate.Item
	for _, s := range samples {
		words := len(strings.Fields(s.Text))
		overlap := overlaps(s.grader.Bank(), s.question, s.Text)
		for i := range s.critique.Points {
			p := &s.critique.Points[i]
			if label, ok := s.labels.Points[p.ID]; ok {
				items = append(items, calibrate.Item{Answer: s.ID, Question: s.question.ID, Point: p.ID, Kind: p.Kind, Modality: strings.ToLower(s.Modality),
					Label: label, Decision: strings.ToLower(string(witness(p))), Words: words, Overlap: overlap[i]})
			}
		}
	}
	return items
}

func together(p *grade.PointResult) grade.Decision { return p.Decision }

func keywordsAlone(p *grade.PointResult) grade.Decision { return p.Check.Decision }

func judgeAlone(p *grade.PointResult) grade.Decision {
	if p.Judge == nil || p.Judge.Discarded {
		return p.Decision
	}
	return p.Judge.Verdict
}

func misconceptionClaims(samples []*sample) []calibrate.Claim {
	var out []calibrate.Claim
	for _, s := range samples {
		for _, m := range s.critique.Misconceptions {
			if label, ok := s.labels.Misconceptions[m.ID]; ok {
				out = append(out, calibrate.Claim{Answer: s.ID, Question: s.question.ID, ID: m.ID, Label: label, Decision: strings.ToLower(string(m.Decision))})
			}
		}
	}
	return out
}

func habitClaims(samples []*sample) []calibrate.Claim {
	var out []calibrate.Claim
	for _, s := range samples {
		for _, h := range s.critique.Habits {
			if label, ok := s.labels.Habits[h.ID]; ok {
				out = append(out, calibrate.Claim{Answer: s.ID, Question: s.question.ID, ID: h.ID, Label: label, Decision: strings.ToLower(string(h.Decision))})
			}
		}
	}
	return out
}

// judgedReport is the judge beside the keywords, on the same answers.
type judgedReport struct {
	Rows       []calibrate.Row `json:"rows"`
	States     map[string]int  `json:"states"`
	Unknown    int             `json:"unknownPoints"`
	Discarded  int             `json:"discardedVerdicts"`
	Points     int             `json:"points"`
	Spent      grade.Usage     `json:"spent"`
	Saved      grade.Usage     `json:"saved"`
	Rerun      bool            `json:"rerun"`
	RerunSame  float64         `json:"rerunSame"`  // share of verdicts that came out the same
	RerunKappa float64         `json:"rerunKappa"` // of met or partial, between the two runs
}

func judgeReport(samples []*sample, j *app.Judge) *judgedReport {
	r := &judgedReport{States: map[string]int{}}
	for _, w := range []struct {
		name    string
		witness func(*grade.PointResult) grade.Decision
	}{{"keywords alone", keywordsAlone}, {"judge alone", judgeAlone}, {"together", together}} {
		r.Rows = append(r.Rows, calibrate.Compare(w.name, points(samples, w.witness))...)
	}
	for _, s := range samples {
		r.States[string(s.critique.State)]++
		for i := range s.critique.Points {
			p := &s.critique.Points[i]
			r.Points++
			if p.Decision == grade.Unknown {
				r.Unknown++
			}
			if p.Judge != nil && p.Judge.Discarded {
				r.Discarded++
			}
		}
	}
	r.Spent, r.Saved = j.Usage()
	return r
}

// again judges every sample once more and compares the judge with itself.
func (r *judgedReport) again(ctx context.Context, samples []*sample, j *app.Judge, concurrency int) error {
	first := map[string]grade.Decision{}
	for _, s := range samples {
		for i := range s.critique.Points {
			if p := &s.critique.Points[i]; p.Judge != nil {
				first[s.ID+"/"+p.ID] = p.Judge.Verdict
			}
		}
	}
	if err := gradeSamples(ctx, samples, j, 1, concurrency); err != nil {
		return err
	}
	var items []calibrate.Item
	for _, s := range samples {
		for i := range s.critique.Points {
			p := &s.critique.Points[i]
			if before, ok := first[s.ID+"/"+p.ID]; ok && p.Judge != nil {
				items = append(items, calibrate.Item{Answer: s.ID, Label: strings.ToLower(string(before)), Decision: strings.ToLower(string(p.Judge.Verdict))})
			}
		}
	}
	r.Rerun = true
	r.RerunSame, r.RerunKappa = calibrate.Agreement(items)
	r.Spent, r.Saved = j.Usage()
	return nil
}

// wrongQuestions grades every answer under three questions that it does not answer.
func wrongQuestions(ctx context.Context, samples []*sample, j *app.Judge) (*wrongScores, error) {
	w := &wrongScores{}
	for n, s := range samples {
		if err := w.add(ctx, s, n, j); err != nil {
			return nil, err
		}
	}
	w.Mean /= math.Max(1, float64(w.Grades))
	return w, nil
}

// add grades the text under three other questions, spread over the bank.
func (w *wrongScores) add(ctx context.Context, s *sample, n int, j *app.Judge) error {
	ids := slices.DeleteFunc(s.grader.Bank().IDs(), func(id string) bool { return id == s.question.ID })
	for k := range min(3, len(ids)) {
		c, err := gradeOne(ctx, s.grader, ids[(n*7+k*(len(ids)/3+1))%len(ids)], s.answer(), j)
		if err != nil {
			return err
		}
		if c.Score == nil || c.Score.Value == nil {
			continue
		}
		w.Grades++
		w.Mean += *c.Score.Value
		if *c.Score.Value > 5 {
			w.Above5++
		}
		w.Max = math.Max(w.Max, *c.Score.Value)
	}
	return nil
}

// overlaps is the baseline of word overlap: the share of each statement's words, weighted by their rarity among the
// bank's statements, that the answer holds.
func overlaps(b *rubric.Bank, q *rubric.Question, text string) []float64 {
	df, n := documentFrequency(b)
	held := map[string]bool{}
	for _, t := range canon.Read(text, canon.NewLexicon(nil)).Tokens {
		held[t.Stem] = true
	}
	out := make([]float64, len(q.Points))
	for i := range q.Points {
		sum, all := 0.0, 0.0
		for _, t := range canon.Read(q.Points[i].Statement, canon.NewLexicon(nil)).Tokens {
			if t.Func {
				continue
			}
			idf := math.Log(float64(n+1) / float64(df[t.Stem]+1))
			all += idf
			if held[t.Stem] {
				sum += idf
			}
		}
		if all > 0 {
			out[i] = sum / all
		}
	}
	return out
}

var frequencies = map[*rubric.Bank]map[string]int{}

func documentFrequency(b *rubric.Bank) (df map[string]int, n int) {
	questions, err := b.Questions()
	if err != nil {
		return nil, 0
	}
	for _, q := range questions {
		n += len(q.Points)
	}
	if df := frequencies[b]; df != nil {
		return df, n
	}
	df = map[string]int{}
	for _, q := range questions {
		for i := range q.Points {
			seen := map[string]bool{}
			for _, t := range canon.Read(q.Points[i].Statement, canon.NewLexicon(nil)).Tokens {
				if !seen[t.Stem] {
					seen[t.Stem] = true
					df[t.Stem]++
				}
			}
		}
	}
	frequencies[b] = df
	return df, n
}

func printCalibration(w io.Writer, c calibration) {
	fmt.Fprintf(w, "%d answers\n\n%-24s %6s %8s %15s %7s %6s %6s %6s %6s\n", c.Answers, "", "items", "bal. F1", "95 %", "strict", "kappa", "prec.", "recall", "AUC")
	for _, r := range append(slices.Clone(c.Rows), c.Baselines...) {
		name, interval := r.Name, fmt.Sprintf("%.2f to %.2f", r.Low, r.High)
		if slices.ContainsFunc(c.Baselines, func(b calibrate.Row) bool { return b.Name == r.Name }) {
			name, interval = "baseline "+r.Name, ""
		}
		fmt.Fprintf(w, "%-32s %5d %7.3f %13s %7.3f %6.2f %6.2f %6.2f %6.2f\n", name, r.Items, r.BalancedF1, interval, r.StrictF1, r.Kappa, r.Precision, r.Recall, r.AUC)
	}
	printJudge(w, c.Judge)
	fmt.Fprintf(w, "\n%-24s %9s %10s %8s\n", "full hits by kind", "hits", "precision", "Wilson")
	for _, k := range c.Kinds {
		fmt.Fprintf(w, "%-24s %9d %10.2f %8.2f\n", k.Kind, k.FullHits, k.Precision, k.WilsonLower)
	}
	fmt.Fprintf(w, "\ncontradicted: %d labelled, %d of them credited, %d recognised; %d claimed\n", c.ContradictedLabels, c.ContradictedCredited, c.ContradictedFound, c.ContradictedClaimed)
	for _, row := range []struct {
		name string
		r    calibrate.ClaimRow
	}{{"misconceptions asserted", c.Misconceptions}, {"habits present", c.Habits}} {
		fmt.Fprintf(w, "%-24s %d of %d labelled; precision %.2f, recall %.2f, F1 %.2f\n", row.name, row.r.Positive, row.r.Items, row.r.Precision, row.r.Recall, row.r.F1)
	}
	if x := c.WrongQuestions; x != nil {
		fmt.Fprintf(w, "under wrong questions    %d grades, mean score %.1f, above 5: %d, highest %.1f\n", x.Grades, x.Mean, x.Above5, x.Max)
	}
	if len(c.Worst) == 0 {
		return
	}
	printMutants(w, c.Mutants)
	fmt.Fprintln(w, "\npoints with most errors (lost: the claim was made and not credited; false: credited and not made)")
	for _, p := range c.Worst {
		fmt.Fprintf(w, "  %s/%s  lost %s  false %s\n", p.Question, p.Point, list(p.Lost), list(p.False))
	}
}

func printJudge(w io.Writer, r *judgedReport) {
	if r == nil {
		return
	}
	fmt.Fprintln(w)
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%-32s %5d %7.3f %13s %7.3f %6.2f %6.2f %6.2f %6.2f\n", row.Name, row.Items, row.BalancedF1, fmt.Sprintf("%.2f to %.2f", row.Low, row.High), row.StrictF1, row.Kappa, row.Precision, row.Recall, row.AUC)
	}
	fmt.Fprintf(w, "states: %s; unknown %d and discarded %d of %d points\n", counts(r.States), r.Unknown, r.Discarded, r.Points)
	fmt.Fprintf(w, "judge: %s\n", costLine(r.Spent, r.Saved))
	if r.Rerun {
		fmt.Fprintf(w, "judge against itself: %.1f %% of verdicts the same, kappa %.2f\n", 100*r.RerunSame, r.RerunKappa)
	}
}

func list(ids []string) string {
	if len(ids) == 0 {
		return "-"
	}
	return strings.Join(ids, ",")
}

// readLines decodes a file of JSON Lines; unknown fields are ignored.
func readLines[T any](name string) ([]T, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("%s; give a file of JSON Lines", reason(err))
	}
	defer func() { _ = f.Close() }() // read only
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, usagef("%s is a folder; give a file of JSON Lines", name)
	}
	var out []T
	s := bufio.NewScanner(f)
	s.Buffer(nil, 4<<20)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\uFEFF"))
		if line == "" {
			continue
		}
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			return nil, usagef("%s:%d: not a JSON object of the expected form: %v", name, n, err)
		}
		out = append(out, v)
	}
	if err := s.Err(); err != nil {
		return nil, usagef("%s: %v", name, err)
	}
	return out, nil
}
