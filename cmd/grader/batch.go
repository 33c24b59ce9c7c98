package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/batch"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/grade"
)

func newBatch(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "batch", Short: "Grade a file of answers"}
	c.AddCommand(newBatchRun(g))
	return c
}

type batchFlags struct {
	in, out     string
	concurrency int
	resume      bool
	retryErrors bool
	estimate    bool
	maxCost     float64
	json        bool
	judge       judgeFlags
	server      serverFlags
}

// maxConcurrency is more than any endpoint allows, and far from what memory does.
const maxConcurrency = 4096

func newBatchRun(g *globals) *cobra.Command {
	var f batchFlags
	c := &cobra.Command{
		Use:   "run --in FILE --out FILE",
		Short: "Grade a file of answers into a file of critiques",
		Long: `Grade a file of answers into a file of critiques, one line for every input line that is not blank, in the same order.

Input lines are JSON objects: {"id": "a1", "question_id": "event-loop-phases", "text": "...", "modality": "spoken"};
modality may be left out (typed), other fields are ignored. A file whose name ends in .csv is CSV with a header of the
same names. Output lines are {"id": "a1", "critique": {...}} or {"id": "a1", "error": {"code": "...", "message": "..."}},
with the number of the input line as "line" where the id is missing or doubled. Output to a .csv file is a table with
one row for each answer.

While it runs, results are in FILE.partial; FILE.meta.json says what they were made from. A run that was interrupted,
killed, stopped by a full disk or by --max-cost goes on with --resume, and nothing is graded twice. A finished FILE is
never touched: running the same command again does nothing.

With --server, a grader server grades, with its own banks and judge. While it is away or has too much to do, answers wait
for it, two minutes at most; then the run stops and can be taken up.

With a judge, --estimate says what it will cost before anything is sent, and --max-cost stops in time: no answer is begun
once so much is spent, those under way are finished and written, and the exit status is 1. Answers that the judge failed
on are results, graded by keywords alone and marked DEGRADED; --retry-errors grades them again.`,
		Example: `  grader batch run --in answers.jsonl --out critiques.jsonl
  grader batch run --in answers.csv --out scores.csv --json
  grader batch run --in answers.jsonl --out critiques.jsonl --resume
  grader batch run --in answers.jsonl --judge required --estimate
  grader batch run --in answers.jsonl --out critiques.jsonl --judge required --max-cost 5
  grader batch run --in answers.jsonl --out critiques.jsonl --retry-errors
  grader batch run --in answers.jsonl --out critiques.jsonl --server grader.example.com:9090
  zcat answers.jsonl.gz | grader batch run --in - --out - | gzip > critiques.jsonl.gz`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.runBatch(c.Context(), f, c.Flags().Changed) },
	}
	c.Flags().StringVar(&f.in, "in", "", "the answers: JSON Lines, or CSV by its extension; - for standard input")
	c.Flags().StringVar(&f.out, "out", "", "the results: JSON Lines, or CSV by its extension; - for standard output")
	c.Flags().IntVar(&f.concurrency, "concurrency", 0, fmt.Sprintf("answers graded at a time (default: one for each CPU, %d with a judge)", config.DefaultJudgeConcurrency))
	c.Flags().BoolVar(&f.resume, "resume", false, "take up what an interrupted run left")
	c.Flags().BoolVar(&f.retryErrors, "retry-errors", false, "grade again the lines that are DEGRADED or failed for a reason that may pass")
	c.Flags().BoolVar(&f.estimate, "estimate", false, "say what the judge will cost; send and write nothing")
	c.Flags().Float64Var(&f.maxCost, "max-cost", 0, "begin no answer once this run has spent so many US dollars")
	c.Flags().BoolVar(&f.json, "json", false, "the summary as one JSON object on standard output")
	f.judge.addEndpoint(c)
	f.judge.addUse(c)
	f.server.add(c)
	return c
}

// check refuses what cannot be meant.
func (f batchFlags) check(given func(flag string) bool) error {
	switch {
	case f.in == "" || f.out == "" && !f.estimate:
		return usagef("batch run needs --in FILE and --out FILE")
	case given("concurrency") && (f.concurrency < 1 || f.concurrency > maxConcurrency):
		return usagef("--concurrency must be from 1 to %d", maxConcurrency)
	case given("max-cost") && !(f.maxCost > 0): // not a number neither
		return usagef("--max-cost must be more than 0 US dollars")
	case f.json && f.out == "-" && !f.estimate:
		return usagef("--json and --out - both write to standard output; give a file as --out")
	case f.retryErrors && f.in == "-":
		return usagef("--retry-errors reads the answers twice; give them as a file, not as standard input")
	}
	return nil
}

func (g *globals) runBatch(ctx context.Context, f batchFlags, given func(flag string) bool) error {
	if err := f.check(given); err != nil {
		return err
	}
	cfg := batch.Config{
		In: f.in, Out: f.out, Stdin: g.in, Stdout: g.out,
		Concurrency: f.concurrency, Resume: f.resume, RetryErrors: f.retryErrors, MaxCost: f.maxCost,
	}
	server, remote, err := f.server.resolve(given)
	switch {
	case err != nil:
		return err
	case remote:
		return g.runRemoteBatch(ctx, f, cfg, server)
	}
	graders, err := g.graders()
	if err != nil {
		return err
	}
	if given("concurrency") {
		f.judge.config.Concurrency = f.concurrency
	}
	if f.estimate {
		return g.estimateBatch(ctx, f, graders)
	}
	use, j, err := f.judge.openJudge(g.err)
	if err != nil {
		return err
	}
	if cfg.Settings, err = graders.settings(); err != nil {
		return err
	}
	cfg.Settings["judge"] = "off"
	if j != nil {
		defer j.Client.Close()
		if err := f.addJudge(g, &cfg, use, j); err != nil {
			return err
		}
	}
	return g.runBatchWith(ctx, f, batchGrader{graders, j}, cfg)
}

// runRemoteBatch has a server grade. What it says of itself decides whether a run can be taken up.
func (g *globals) runRemoteBatch(ctx context.Context, f batchFlags, cfg batch.Config, server config.Remote) error {
	use, err := f.judge.parseUse()
	if err != nil {
		return err
	}
	r, err := dial(server, use, g.err)
	if err != nil {
		return err
	}
	defer r.close()
	if cfg.Settings, err = r.settings(ctx); err != nil {
		return err
	}
	if cfg.Settings["judge"] == "on" {
		cfg.Usage = r.usage
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = config.DefaultJudgeConcurrency
	}
	return g.runBatchWith(ctx, f, r, cfg)
}

func (g *globals) runBatchWith(ctx context.Context, f batchFlags, grader batch.Grader, cfg batch.Config) error {
	bar := g.progressBar(f.out)
	cfg.Progress = bar.draw
	summary, err := batch.Run(ctx, grader, cfg)
	bar.clear()
	if err != nil {
		return batchError(err, f, summary)
	}
	if err := g.printSummary(f, summary); err != nil {
		return err
	}
	if n := summary.ErrorLines(); n > 0 && !summary.Unchanged {
		return &exitError{exitErrorLines, fmt.Errorf("%d of %d lines could not be graded (%s); their messages are in the output: correct the lines and run them as a new batch",
			n, summary.Lines, counts(summary.Errors))}
	}
	return nil
}

// addJudge says what the judge adds to a batch.
func (f batchFlags) addJudge(g *globals, cfg *batch.Config, use judgeUse, j *app.Judge) error {
	if err := f.judge.describe(cfg.Settings, j, f.maxCost); err != nil {
		return err
	}
	cfg.Concurrency = f.judge.config.Concurrency
	cfg.Usage = j.Usage
	cfg.Ready = func(ctx context.Context) error { return f.judge.ready(ctx, g.err, use, j) }
	return nil
}

// batchError gives an error its exit code, and says how to go on.
func batchError(err error, f batchFlags, s *batch.Summary) error {
	exit, ok := errors.AsType[*exitError](err)
	stop, stopped := errors.AsType[*batch.StopError](err)
	if ok && !stopped { // of the judge: nothing was begun
		return err
	}
	if _, ok := errors.AsType[*batch.RefusedError](err); ok {
		return &exitError{exitUsage, err}
	}
	code := exitOther
	switch {
	case stopped:
		err = fmt.Errorf("%w; %s written", stop.Err, lineCount(s.Lines))
		if ok {
			code = exit.code
		}
	case errors.Is(err, context.Canceled):
		code, err = exitInterrupted, fmt.Errorf("interrupted, with %s written", lineCount(s.Lines))
	case errors.Is(err, batch.ErrMaxCost):
		err = fmt.Errorf("the highest cost of $%g is reached ($%.4f spent), with %s written", f.maxCost, *s.Spent.Cost, lineCount(s.Lines))
	}
	if _, e := os.Stat(f.out + ".partial"); e == nil && !f.resume {
		return &exitError{code, fmt.Errorf("%w; run the same command with --resume to go on", err)}
	} else if _, r := os.Stat(f.out + ".retry"); e == nil || r == nil {
		return &exitError{code, fmt.Errorf("%w; run the same command again to go on", err)}
	}
	return &exitError{code, err}
}

// batchGrader is the batch.Grader of all banks, with a judge or nil.
type batchGrader struct {
	graderSet
	judge *app.Judge
}

// Grade finds the grader of the question and lets it grade.
func (b batchGrader) Grade(ctx context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	g, q, err := b.find(id)
	if err != nil {
		return nil, err
	}
	return gradeOne(ctx, g, q.ID, a, b.judge)
}

// settings describes what decides the results: engine and banks. It compiles every question, so that a mistake in a
// bank shows before anything is graded.
func (s graderSet) settings() (map[string]string, error) {
	out := map[string]string{"engine version": engineVersion()}
	var ids []string
	var mistakes diag.List
	for _, g := range s {
		sum := sha256.New()
		for _, id := range g.Bank().IDs() {
			q, _, err := g.Question(id)
			var l diag.List
			switch {
			case errors.As(err, &l):
				mistakes = append(mistakes, l...)
			case err != nil:
				return nil, err
			default:
				fmt.Fprintln(sum, id, q.Hash)
			}
		}
		ids = append(ids, g.Bank().ID)
		out["bank "+g.Bank().ID] = hex.EncodeToString(sum.Sum(nil))
	}
	out["banks"] = strings.Join(ids, " ")
	return out, mistakes.Err()
}

func (g *globals) printSummary(f batchFlags, s *batch.Summary) error {
	if s.Unchanged {
		fmt.Fprintf(g.err, "grader: %s is finished already; nothing was graded again\n", f.out)
	}
	if f.json {
		line, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(g.err, "  %-11s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprint(g.err, lineCount(s.Lines))
	if s.Kept > 0 && !s.Unchanged {
		fmt.Fprintf(g.err, ", %d of them from an earlier run", s.Kept)
	}
	if graded := s.Lines - s.Kept; graded > 0 && s.Seconds > 0 {
		fmt.Fprintf(g.err, " in %s, %s", duration(s.Seconds), rate(float64(graded)/s.Seconds))
	}
	fmt.Fprintln(g.err)
	for _, state := range []grade.State{grade.Graded, grade.Degraded, grade.Ungradable} {
		advice := ""
		if state == grade.Degraded {
			advice = " (the judge failed, keywords decided; --retry-errors grades them again)"
		}
		if n := s.States[string(state)]; n > 0 || state == grade.Graded {
			row(strings.ToLower(string(state)), "%d%s", n, advice)
		}
	}
	if len(s.Errors) > 0 {
		row("errors", "%d (%s)", s.ErrorLines(), counts(s.Errors))
	}
	if s.Spent != nil {
		row("spent", "%s", usage(s.Spent, "call"))
		row("saved", "%s", usage(s.Saved, "cached reply"))
	}
	if s.Scores.Mean != nil {
		row("score", "mean %.1f, median %.1f", *s.Scores.Mean, *s.Scores.Median)
		row("bands", "%s", bands(s.Bands))
	}
	return nil
}

// counts lists what was counted, the most frequent first.
func counts(m map[string]int) string {
	names := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(names, func(a, b string) int { return m[b] - m[a] })
	for i, n := range names {
		names[i] = fmt.Sprintf("%s %d", n, m[n])
	}
	return strings.Join(names, ", ")
}

func bands(m map[string]int) string {
	var out []string
	for _, b := range []string{"strong", "solid", "developing", "weak"} {
		out = append(out, fmt.Sprintf("%s %d", b, m[b]))
	}
	return strings.Join(out, ", ")
}

func lineCount(n int) string { return plural(n, "line") }

// plural is a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// usage is what calls came to, for people.
func usage(u *batch.Usage, thing string) string {
	return fmt.Sprintf("%s, %d tokens in, %d out, %s", plural(u.Requests, thing), u.InputTokens, u.OutputTokens, dollars(u.Cost))
}

// dollars is a cost, or that it is not known.
func dollars(cost *float64) string {
	if cost == nil {
		return "cost unknown"
	}
	return fmt.Sprintf("$%.4f", *cost)
}

// rate is so many a second; a judge on the desk needs more than a second for one.
func rate(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return fmt.Sprintf("%.0f/s", perSecond)
}

// duration is so many seconds for people.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// progressBar is a line on a terminal that is drawn over and over; elsewhere it is nothing.
type progressBar struct {
	w          io.Writer
	width      int
	firstShare float64
	drawn      bool
}

const barWidth = 20

// progressBar draws on standard error if that is a terminal and no results are shown there.
func (g *globals) progressBar(out string) *progressBar {
	if !terminal(g.err) || os.Getenv("TERM") == "dumb" || out == "-" && terminal(g.out) {
		return &progressBar{}
	}
	width, _, err := term.GetSize(int(g.err.(*os.File).Fd()))
	if err != nil {
		width = 80
	}
	return &progressBar{w: g.err, width: width}
}

func (p *progressBar) draw(s *batch.Summary, share float64) {
	if p.w == nil {
		return
	}
	if !p.drawn {
		p.drawn, p.firstShare = true, share
	}
	var b strings.Builder
	if share >= 0 {
		full := int(share * barWidth)
		fmt.Fprintf(&b, "[%s%s] %3.0f%%  ", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*share)
	}
	b.WriteString(lineCount(s.Lines))
	if graded := s.Lines - s.Kept; graded > 0 && s.Seconds > 0 {
		fmt.Fprintf(&b, ", %s", rate(float64(graded)/s.Seconds))
		if now := share - p.firstShare; now > 0 {
			left := time.Duration(s.Seconds * (1 - share) / now * float64(time.Second))
			fmt.Fprintf(&b, ", %s left", left.Round(time.Second))
		}
	}
	fmt.Fprintf(&b, ": %d graded", s.States[string(grade.Graded)])
	if n := s.States[string(grade.Degraded)]; n > 0 {
		fmt.Fprintf(&b, ", %d degraded", n)
	}
	if n := s.States[string(grade.Ungradable)]; n > 0 {
		fmt.Fprintf(&b, ", %d ungradable", n)
	}
	if n := s.ErrorLines(); n > 0 {
		fmt.Fprintf(&b, ", %d errors", n)
	}
	if s.Spent != nil {
		fmt.Fprintf(&b, "; %d tokens, %s", s.Spent.InputTokens+s.Spent.OutputTokens, dollars(s.Spent.Cost))
		if s.Saved.Requests > 0 && s.Saved.Cost != nil {
			fmt.Fprintf(&b, " (%s saved)", dollars(s.Saved.Cost))
		}
	}
	line := b.String()
	fmt.Fprintf(p.w, "\r%s\x1b[K", line[:min(len(line), max(p.width-1, 0))])
}

func (p *progressBar) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
