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
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vivagrader/grader/internal/batch"
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
	json        bool
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
killed or stopped by a full disk goes on with --resume, and nothing is graded twice. A finished FILE is never touched:
running the same command again does nothing.`,
		Example: `  grader batch run --in answers.jsonl --out critiques.jsonl
  grader batch run --in answers.csv --out scores.csv --json
  grader batch run --in answers.jsonl --out critiques.jsonl --resume
  zcat answers.jsonl.gz | grader batch run --in - --out - | gzip > critiques.jsonl.gz`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.concurrency == 0 && !c.Flags().Changed("concurrency") {
				f.concurrency = runtime.GOMAXPROCS(0)
			}
			return g.runBatch(c.Context(), f)
		},
	}
	c.Flags().StringVar(&f.in, "in", "", "the answers: JSON Lines, or CSV by its extension; - for standard input")
	c.Flags().StringVar(&f.out, "out", "", "the results: JSON Lines, or CSV by its extension; - for standard output")
	c.Flags().IntVar(&f.concurrency, "concurrency", 0, "answers graded at a time (default: one for each CPU)")
	c.Flags().BoolVar(&f.resume, "resume", false, "take up what an interrupted run left")
	c.Flags().BoolVar(&f.json, "json", false, "the summary as one JSON object on standard output")
	return c
}

func (g *globals) runBatch(ctx context.Context, f batchFlags) error {
	switch {
	case f.in == "" || f.out == "":
		return usagef("batch run needs --in FILE and --out FILE")
	case f.concurrency < 1 || f.concurrency > maxConcurrency:
		return usagef("--concurrency must be from 1 to %d", maxConcurrency)
	case f.json && f.out == "-":
		return usagef("--json and --out - both write to standard output; give a file as --out")
	}
	graders, err := g.graders()
	if err != nil {
		return err
	}
	settings, err := graders.settings()
	if err != nil {
		return err
	}
	bar := g.progressBar(f.out)
	summary, err := batch.Run(ctx, graders, batch.Config{
		In: f.in, Out: f.out, Stdin: g.in, Stdout: g.out,
		Settings: settings, Concurrency: f.concurrency, Resume: f.resume, Progress: bar.draw,
	})
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

// batchError gives an error its exit code, and says how to go on.
func batchError(err error, f batchFlags, s *batch.Summary) error {
	if _, ok := errors.AsType[*batch.RefusedError](err); ok {
		return &exitError{exitUsage, err}
	}
	code := exitOther
	if errors.Is(err, context.Canceled) {
		code, err = exitInterrupted, fmt.Errorf("interrupted, with %s written", lineCount(s.Lines))
	}
	if _, e := os.Stat(f.out + ".partial"); e == nil {
		err = fmt.Errorf("%w; run the same command with --resume to go on", err)
	}
	return &exitError{code, err}
}

// Grade finds the grader of the question and lets it grade: a graderSet is the batch.Grader of all banks.
func (s graderSet) Grade(_ context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	g, q, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return g.Grade(q.ID, a)
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
		fmt.Fprintf(g.err, " in %s, %.0f/s", duration(s.Seconds), float64(graded)/s.Seconds)
	}
	fmt.Fprintln(g.err)
	for _, state := range []grade.State{grade.Graded, grade.Degraded, grade.Ungradable} {
		if n := s.States[string(state)]; n > 0 || state == grade.Graded {
			row(strings.ToLower(string(state)), "%d", n)
		}
	}
	if len(s.Errors) > 0 {
		row("errors", "%d (%s)", s.ErrorLines(), counts(s.Errors))
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

func lineCount(n int) string {
	if n == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", n)
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
		fmt.Fprintf(&b, ", %.0f/s", float64(graded)/s.Seconds)
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
	line := b.String()
	fmt.Fprintf(p.w, "\r%s\x1b[K", line[:min(len(line), max(p.width-1, 0))])
}

func (p *progressBar) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
