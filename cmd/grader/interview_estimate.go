package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/batch"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/interview"
)

// interviewEstimate is what interviews will ask of a recogniser and a judge.
type interviewEstimate struct {
	*interview.Plan
	Spent    *batch.Usage `json:"spent"` // what the judge is to be sent
	Saved    *batch.Usage `json:"saved"` // what the cache holds of it
	Seconds  float64      `json:"seconds"`
	Endpoint string       `json:"endpoint,omitempty"`
	Model    string       `json:"model,omitempty"`
	PricesOf string       `json:"pricesOf,omitempty"` // the date of the price list
}

// What the time rests on: a recogniser that hears an hour in a quarter of one, and a judge that takes so long.
const (
	recogniserSpeed = 4
	judgeCall       = 5 * time.Second
)

// estimateInterviews goes through the interviews as a run would, and counts instead of asking.
func (g *globals) estimateInterviews(ctx context.Context, f interviewFlags, graders graderSet, bank *interview.Bank, cfg interview.Config) error {
	use, judge, err := f.judge.resolve()
	if err != nil {
		return err
	}
	counter, err := app.NewEstimator(judge)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	grader := batchGrader{graderSet: graders}
	if use != judgeOff {
		grader.judge = &app.Judge{Judged: grade.Judged{Judge: counter}}
	}
	plan, err := interview.Estimate(ctx, bank, grader, cfg)
	if err != nil {
		return interviewError(err, f, &interview.Summary{})
	}
	spent, saved := counter.Usage()
	e := interviewEstimate{Plan: plan, Spent: batch.UsageOf(spent), Saved: batch.UsageOf(saved), Endpoint: judge.URL, Model: judge.Model, PricesOf: counter.PricesOf}
	e.Seconds = plan.AudioMinutes * 60 / recogniserSpeed
	if use != judgeOff {
		e.Seconds += float64(spent.Requests) * judgeCall.Seconds() / f.atATime(plan, judge.Concurrency)
	}
	if f.json {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	g.printInterviewEstimate(&e)
	return nil
}

// atATime is how many answers the judge has at a time: no more than those of the interviews that are under way.
func (f interviewFlags) atATime(p *interview.Plan, most int) float64 {
	interviews := min(cmp.Or(f.concurrency, runtime.GOMAXPROCS(0)), p.Interviews)
	answers := float64(interviews*p.Answers) / float64(max(p.Interviews, 1))
	return max(1, min(float64(most), answers))
}

func (g *globals) printInterviewEstimate(e *interviewEstimate) {
	row := func(name, value, note string) { fmt.Fprintf(g.out, "  %-11s %12s%s\n", name, value, note) }
	fmt.Fprintf(g.out, "%s", plural(e.Interviews, "interview"))
	if e.Model != "" {
		fmt.Fprintf(g.out, ", to be judged by %s at %s", e.Model, e.Endpoint)
	}
	fmt.Fprintln(g.out)
	if e.Recordings > 0 {
		note := fmt.Sprintf("  of audio in %s; a recogniser's price is for a minute", plural(e.Recordings, "recording"))
		if e.UnknownLength > 0 {
			note += fmt.Sprintf(", and %s more whose length is not known", plural(e.UnknownLength, "recording"))
		}
		row("minutes", fmt.Sprintf("%.0f", e.AudioMinutes), note)
	}
	note := ""
	if e.Recordings > 0 {
		note = "  in recordings one for three minutes"
	}
	row("answers", thousands(e.Answers), note)
	if e.Model == "" {
		fmt.Fprintln(g.out, "  no judge is configured, and keywords cost nothing")
	} else {
		row("calls", thousands(e.Spent.Requests), "")
		row("tokens in", thousands(e.Spent.InputTokens), fmt.Sprintf("  about: %d characters each", app.CharsPerToken))
		row("tokens out", thousands(e.Spent.OutputTokens), fmt.Sprintf("  about: %d for each point, misconception and habit", app.TokensPerID))
		row("cached", thousands(e.Saved.Requests), "  "+dollars(e.Saved.Cost)+" saved")
		if e.Spent.Cost == nil {
			row("cost", "unknown", fmt.Sprintf(": the price list of %s has no %s; give one with --judge-prices", e.PricesOf, e.Model))
		} else {
			row("cost", fmt.Sprintf("$%.2f", *e.Spent.Cost), "  about, at the prices of "+e.PricesOf)
		}
	}
	if e.Seconds > 0 {
		row("time", duration(e.Seconds), fmt.Sprintf("  if a recogniser hears %d minutes in one, and a call of the judge takes %s", recogniserSpeed, judgeCall))
	}
	fmt.Fprintln(g.out, "Nothing was sent and nothing was written.")
}
