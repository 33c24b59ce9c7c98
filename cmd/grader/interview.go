package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/batch"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/interview"
	"github.com/vivagrader/grader/internal/report"
)

type interviewFlags struct {
	out, mapFile, speaker, key string
	concurrency                int
	resume, retryErrors        bool
	estimate                   bool
	anonymous, json            bool
	maxCost                    float64
	judge                      judgeFlags
	speech                     speechFlags
}

func newInterview(g *globals) *cobra.Command {
	var f interviewFlags
	c := &cobra.Command{
		Use:   "interview FILE|DIR... --out DIR",
		Short: "Grade recordings or transcripts of whole interviews",
		Long: `Grade whole interviews: find who asks and who answers, which question of the bank was asked when, and grade what the
candidate said to each. FILE is a transcript (VTT, SRT, text with speaker labels, or the JSON of a recogniser) or a
recording (wav, flac, mp3, ogg; m4a, mp4 and webm with ffmpeg), which --speech-url writes down first. In a folder every
such file is an interview; a recording with a transcript of the same name beside it is read from the transcript.

The folder --out gets results.jsonl, a line for each question that was asked, interviews.jsonl, a line for each file, and
report/index.html, pages to read (report writes them again); transcripts of recordings are kept in transcripts/. A question
that is not in the bank is NOT_IN_BANK. While it runs, the names end in .partial. A run that was interrupted, killed,
stopped by a full disk or by --max-cost goes on with --resume. --retry-errors tries again what is DEGRADED because the
judge failed, and recordings and answers with an error that may pass; everything else stays as it is.

--map FILE.csv writes down how the interview was understood, a row for each turn. Correct role, kind or question_id in a
spreadsheet and run again with the same --map and another --out: the map is obeyed.`,
		Example: `  grader interview interviews/ --out results
  grader interview ann.vtt --out results --map ann.csv
  grader interview interviews/ --out results --judge required --estimate
  grader interview interviews/ --out results --anonymous --key who-is-who.csv
  grader interview interviews/ --out results --resume
  grader interview interviews/ --out results --retry-errors`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return g.interview(c.Context(), args, f, c.Flags().Changed)
		},
	}
	c.Flags().StringVar(&f.out, "out", "", "the folder for the results")
	c.Flags().StringVar(&f.mapFile, "map", "", "a CSV file that says which turn is what: written if it is not there, else read and obeyed")
	c.Flags().StringVar(&f.speaker, "speaker", "", "who of the speakers is the candidate, in all interviews")
	c.Flags().IntVar(&f.concurrency, "concurrency", 0, "interviews at a time (default: one for each CPU)")
	c.Flags().BoolVar(&f.resume, "resume", false, "take up what an interrupted run left")
	c.Flags().BoolVar(&f.retryErrors, "retry-errors", false, "grade again what is DEGRADED or failed for a reason that may pass")
	c.Flags().BoolVar(&f.estimate, "estimate", false, "say what it will cost and how long it will take; send and write nothing")
	c.Flags().Float64Var(&f.maxCost, "max-cost", 0, "begin no answer that would carry this run over so many US dollars")
	c.Flags().BoolVar(&f.anonymous, "anonymous", false, "put numbers in the place of names and file names in all that is written")
	c.Flags().StringVar(&f.key, "key", "", "with --anonymous: write a CSV file that says which number is whose")
	c.Flags().BoolVar(&f.json, "json", false, "the summary as one JSON object on standard output")
	f.judge.add(c)
	f.speech.add(c)
	return c
}

// check refuses what cannot be meant.
func (f interviewFlags) check(given func(flag string) bool) error {
	switch {
	case f.out == "" && !f.estimate:
		return usagef("interview needs --out DIR for its results")
	case given("concurrency") && (f.concurrency < 1 || f.concurrency > maxConcurrency):
		return usagef("--concurrency must be from 1 to %d", maxConcurrency)
	case given("max-cost") && !(f.maxCost > 0): // not a number neither
		return usagef("--max-cost must be more than 0 US dollars")
	case f.key != "" && !f.anonymous:
		return usagef("--key goes with --anonymous; without it names are in the results")
	}
	return nil
}

func (g *globals) interview(ctx context.Context, paths []string, f interviewFlags, given func(flag string) bool) error {
	if err := f.check(given); err != nil {
		return err
	}
	graders, err := g.graders()
	if err != nil {
		return err
	}
	bank, err := graders.interviewBank()
	if err != nil {
		return err
	}
	inputs, err := interview.Find(paths, f.out)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	cfg := interview.Config{Inputs: inputs, Out: f.out, Map: f.mapFile, Speaker: f.speaker, Anonymous: f.anonymous, Key: f.key,
		Concurrency: f.concurrency, Resume: f.resume, RetryErrors: f.retryErrors, MaxCost: f.maxCost}
	if f.estimate {
		return g.estimateInterviews(ctx, f, graders, bank, cfg)
	}
	use, j, err := f.judge.openJudge(g.err)
	if err != nil {
		return err
	}
	if cfg.Settings, err = graders.settings(); err != nil {
		return err
	}
	if err := f.addSpeech(&cfg); err != nil {
		return err
	}
	cfg.Settings["judge"] = "off"
	if j != nil {
		defer j.Client.Close()
		if err := f.addJudge(g, &cfg, use, j); err != nil {
			return err
		}
	}
	bar := g.interviewBar()
	cfg.Progress = bar.draw
	s, err := interview.Run(ctx, bank, batchGrader{graders, j}, cfg)
	bar.clear()
	if err != nil {
		if errors.Is(err, interview.ErrMaxCost) {
			spent, _ := j.Usage()
			err = fmt.Errorf("the highest cost of $%g is reached ($%.4f spent), with %s written", f.maxCost, spent.Cost, plural(s.Interviews, "interview"))
		}
		return interviewError(err, f, s)
	}
	index, err := f.report(graders, s)
	if err != nil {
		return err
	}
	if err := g.printInterviews(f, s, j, index); err != nil {
		return err
	}
	if n := s.Failed(); n > 0 && !s.Unchanged {
		return &exitError{exitErrorLines, fmt.Errorf("%s (%s), with messages in %s and results.jsonl beside it: --retry-errors tries again what may pass; correct the others and run those files with another --out",
			plural(n, "error"), counts(s.Errors), filepath.Join(f.out, "interviews.jsonl"))}
	}
	return nil
}

// interviewBank reads the questions of all banks.
func (s graderSet) interviewBank() (*interview.Bank, error) {
	var all []interview.Question
	var mistakes diag.List
	for _, g := range s {
		for _, id := range g.Bank().IDs() {
			q, err := g.Bank().Question(id)
			if l, ok := errors.AsType[diag.List](err); ok {
				mistakes = append(mistakes, l...)
				continue
			}
			if err != nil {
				return nil, err
			}
			if len(s) > 1 {
				id = g.Bank().ID + "/" + id
			}
			all = append(all, interview.Question{ID: id, Question: q})
		}
	}
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	return interview.NewBank(all), nil
}

// addSpeech adds the recogniser, if there is a recording.
func (f interviewFlags) addSpeech(cfg *interview.Config) error {
	needed := false
	for i := range cfg.Inputs {
		needed = needed || cfg.Inputs[i].Audio
	}
	if !needed {
		return nil
	}
	client, err := f.speech.open()
	if err != nil {
		return err
	}
	known := f.speech.config.WithEnv(os.Getenv)
	cfg.Recogniser, cfg.Timeout = client, known.Timeout
	cfg.Settings["speech endpoint"], cfg.Settings["speech model"] = known.URL, known.Model
	return nil
}

// addJudge says what the judge adds.
func (f interviewFlags) addJudge(g *globals, cfg *interview.Config, use judgeUse, j *app.Judge) error {
	if err := f.judge.describe(cfg.Settings, j, f.maxCost); err != nil {
		return err
	}
	cfg.Answers = f.judge.config.Concurrency
	cfg.Usage = j.Usage
	cfg.Ready = func(ctx context.Context) error { return f.judge.ready(ctx, g.err, use, j) }
	return nil
}

// interviewError gives an error its exit code, and says how to go on.
func interviewError(err error, f interviewFlags, s *interview.Summary) error {
	if _, ok := errors.AsType[*exitError](err); ok { // of the judge: nothing was begun
		return err
	}
	if _, ok := errors.AsType[*interview.RefusedError](err); ok {
		return &exitError{exitUsage, err}
	}
	if _, ok := errors.AsType[diag.List](err); ok {
		return &exitError{exitUsage, err}
	}
	code := exitOther
	if errors.Is(err, context.Canceled) {
		code, err = exitInterrupted, fmt.Errorf("interrupted, with %s written", plural(s.Interviews, "interview"))
	}
	if f.resume {
		return &exitError{code, fmt.Errorf("%w; run the same command again to go on", err)}
	}
	return &exitError{code, fmt.Errorf("%w; run the same command with --resume to go on", err)}
}

// report writes the pages over the results, unless nothing has changed since they were written.
func (f interviewFlags) report(graders graderSet, s *interview.Summary) (index string, err error) {
	folder := report.Folder
	if f.anonymous {
		folder = report.AnonymousFolder
	}
	index = filepath.Join(f.out, folder, "index.html")
	if _, err := os.Stat(index); err == nil && s.Unchanged {
		return index, nil
	}
	return report.Write(f.out, report.Options{Question: graders.question, Anonymous: f.anonymous})
}

func (g *globals) printInterviews(f interviewFlags, s *interview.Summary, j *app.Judge, index string) error {
	if s.Unchanged {
		fmt.Fprintf(g.err, "grader: %s is finished already; nothing was graded again\n", f.out)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(g.err, "grader: %s\n", n)
	}
	var spent, saved *batch.Usage
	if j != nil && !s.Unchanged {
		a, b := j.Usage()
		spent, saved = batch.UsageOf(a), batch.UsageOf(b)
	}
	if f.json {
		line, err := json.Marshal(struct {
			*interview.Summary
			Spent *batch.Usage `json:"spent,omitempty"`
			Saved *batch.Usage `json:"saved,omitempty"`
		}{s, spent, saved})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(g.err, "  %-13s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(g.err, "%s, %s", plural(s.Interviews, "interview"), plural(s.Questions, "question"))
	if s.Kept > 0 && !s.Unchanged {
		fmt.Fprintf(g.err, ", %d from an earlier run", s.Kept)
	}
	if s.Interviews > s.Kept {
		fmt.Fprintf(g.err, " in %s", duration(s.Seconds))
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
	for _, o := range []interview.Outcome{interview.NotInBank, interview.NotAnswered} {
		if n := s.Outcomes[string(o)]; n > 0 {
			row(strings.ToLower(strings.ReplaceAll(string(o), "_", " ")), "%d", n)
		}
	}
	if len(s.Errors) > 0 {
		row("errors", "%d (%s)", s.Failed(), counts(s.Errors))
	}
	if s.CandidateWords > 0 {
		row("words", "%s of candidates, %.0f %% of them in graded answers", thousands(s.CandidateWords), 100*float64(s.GradedWords)/float64(s.CandidateWords))
	}
	if s.Warnings > 0 {
		row("warnings", "%d, which stand in the report", s.Warnings)
	}
	if spent != nil {
		row("spent", "%s", usage(spent, "call"))
		row("saved", "%s", usage(saved, "cached reply"))
	}
	if index != "" {
		row("report", "%s", index)
	}
	return nil
}

// interviewBar is a line on a terminal that is drawn over and over; elsewhere it is nothing.
type interviewBar struct {
	w     io.Writer
	width int
	drawn bool
}

func (g *globals) interviewBar() *interviewBar {
	if !terminal(g.err) || os.Getenv("TERM") == "dumb" {
		return &interviewBar{}
	}
	width, _, err := term.GetSize(int(g.err.(*os.File).Fd()))
	if err != nil {
		width = 80
	}
	return &interviewBar{w: g.err, width: width}
}

func (p *interviewBar) draw(s *interview.Summary, left interview.Left) {
	if p.w == nil {
		return
	}
	p.drawn = true
	var b strings.Builder
	full := int(left.Share * barWidth)
	fmt.Fprintf(&b, "[%s%s] %3.0f%%  %d of %d interviews", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*left.Share,
		s.Interviews, s.Interviews+left.Interviews)
	if left.Audio > 0 {
		fmt.Fprintf(&b, ", %.0f min of audio left", left.Audio.Minutes())
	}
	if left.Share > 0 && left.Interviews > 0 {
		fmt.Fprintf(&b, ", %s left", (time.Duration(float64(left.Took) * (1 - left.Share) / left.Share)).Round(time.Second))
	}
	fmt.Fprintf(&b, ": %s words of candidates", thousands(s.CandidateWords))
	if n := s.Failed(); n > 0 {
		fmt.Fprintf(&b, ", %s", plural(n, "error"))
	}
	line := b.String()
	fmt.Fprintf(p.w, "\r%s\x1b[K", line[:min(len(line), max(p.width-1, 0))])
}

func (p *interviewBar) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
