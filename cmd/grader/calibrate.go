package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/calibrate"
	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

type calibrateFlags struct {
	answers, labels string
	wrongQuestions  bool
	json            bool
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
  grader calibrate --answers answers.jsonl --labels labels.jsonl --wrong-questions --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return g.calibrate(f) },
	}
	c.Flags().StringVar(&f.answers, "answers", "", "JSON Lines: id, question_id, text, modality")
	c.Flags().StringVar(&f.labels, "labels", "", "JSON Lines: id, points, misconceptions, habits")
	c.Flags().BoolVar(&f.wrongQuestions, "wrong-questions", false, "grade each answer under three other questions too")
	c.Flags().BoolVar(&f.json, "json", false, "the report as one JSON object")
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
	WrongQuestions *wrongScores `json:"wrongQuestions,omitempty"`
}

func (g *globals) calibrate(f calibrateFlags) error {
	if f.answers == "" || f.labels == "" {
		return usagef("calibrate needs --answers FILE and --labels FILE")
	}
	graders, err := g.graders()
	if err != nil {
		return err
	}
	answers, err := readLines[labelledAnswer](f.answers)
	if err != nil {
		return err
	}
	labels, err := readLines[labelLine](f.labels)
	if err != nil {
		return err
	}
	byID := map[string]labelLine{}
	for _, l := range labels {
		byID[l.ID] = l
	}
	var items []calibrate.Item
	var misconceptions, habits []calibrate.Claim
	wrong := &wrongScores{}
	unlabelled := 0
	for n, a := range answers {
		l, ok := byID[a.ID]
		if !ok {
			unlabelled++
			continue
		}
		gr, q, err := graders.find(a.QuestionID)
		if err != nil {
			return fmt.Errorf("answer %s: %w", a.ID, err)
		}
		c, err := gr.Grade(q.ID, grade.Answer{Text: a.Text, Modality: grade.Modality(strings.ToUpper(a.Modality))})
		if err != nil {
			return err
		}
		words := len(strings.Fields(a.Text))
		overlap := overlaps(gr.Bank(), q, a.Text)
		for i := range c.Points {
			p := &c.Points[i]
			if label, ok := l.Points[p.ID]; ok {
				items = append(items, calibrate.Item{Answer: a.ID, Question: q.ID, Point: p.ID, Kind: p.Kind, Modality: strings.ToLower(a.Modality),
					Label: label, Decision: strings.ToLower(string(p.Decision)), Words: words, Overlap: overlap[i]})
			}
		}
		for _, m := range c.Misconceptions {
			if label, ok := l.Misconceptions[m.ID]; ok {
				misconceptions = append(misconceptions, calibrate.Claim{Answer: a.ID, Question: q.ID, ID: m.ID, Label: label, Decision: strings.ToLower(string(m.Decision))})
			}
		}
		for _, h := range c.Habits {
			if label, ok := l.Habits[h.ID]; ok {
				habits = append(habits, calibrate.Claim{Answer: a.ID, Question: q.ID, ID: h.ID, Label: label, Decision: strings.ToLower(string(h.Decision))})
			}
		}
		if f.wrongQuestions {
			if err := wrong.add(gr, q.ID, a.Text, n); err != nil {
				return err
			}
		}
	}
	if len(items) == 0 {
		return usagef("no answer of %s has a label in %s; the ids must agree", f.answers, f.labels)
	}
	if unlabelled > 0 {
		fmt.Fprintf(g.err, "grader: %d of %d answers have no labels and are left out\n", unlabelled, len(answers))
	}
	out := calibration{Report: calibrate.Measure(items, misconceptions, habits)}
	if f.wrongQuestions {
		wrong.Mean /= math.Max(1, float64(wrong.Grades))
		out.WrongQuestions = wrong
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

// add grades the text under three other questions, spread over the bank.
func (w *wrongScores) add(gr *grade.Grader, own, text string, n int) error {
	ids := slices.DeleteFunc(gr.Bank().IDs(), func(id string) bool { return id == own })
	for k := range min(3, len(ids)) {
		c, err := gr.Grade(ids[(n*7+k*(len(ids)/3+1))%len(ids)], grade.Answer{Text: text})
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
	fmt.Fprintln(w, "\npoints with most errors (lost: the claim was made and not credited; false: credited and not made)")
	for _, p := range c.Worst {
		fmt.Fprintf(w, "  %s/%s  lost %s  false %s\n", p.Question, p.Point, list(p.Lost), list(p.False))
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
	defer f.Close()
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
