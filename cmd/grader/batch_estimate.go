package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/batch"
	"github.com/vivagrader/grader/internal/grade"
)

// estimate is what a batch will ask of a judge.
type estimate struct {
	Lines    int          `json:"lines"`
	Errors   int          `json:"errors"`  // lines that cannot be graded
	Settled  int          `json:"settled"` // answers that need no judge
	Spent    *batch.Usage `json:"spent"`   // what is to be sent
	Saved    *batch.Usage `json:"saved"`   // what the cache holds, or will hold when an answer comes again
	Endpoint string       `json:"endpoint,omitempty"`
	Model    string       `json:"model,omitempty"`
	PricesOf string       `json:"pricesOf,omitempty"` // the date of the price list
}

// estimateBatch goes through the input as a batch would, and counts instead of asking.
func (g *globals) estimateBatch(ctx context.Context, f batchFlags, graders graderSet) error {
	use, cfg, err := f.judge.resolve()
	if err != nil {
		return err
	}
	judge, err := app.NewEstimator(cfg)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	out := estimate{Endpoint: cfg.URL, Model: cfg.Model, PricesOf: judge.PricesOf}
	grader := batchGrader{graderSet: graders}
	if use != judgeOff {
		grader.judge = &app.Judge{Judged: grade.Judged{Judge: judge}}
	}
	lines, bad, err := batch.Each(batch.Config{In: f.in, Stdin: g.in}, func(id string, a grade.Answer) error {
		asked := judge.Asked
		switch _, err := grader.Grade(ctx, id, a); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			out.Errors++
		case judge.Asked == asked:
			out.Settled++
		}
		return nil
	})
	if _, ok := errors.AsType[*batch.RefusedError](err); ok {
		return &exitError{exitUsage, err}
	}
	if err != nil {
		return err
	}
	out.Lines, out.Errors = lines, out.Errors+bad
	spent, saved := judge.Usage()
	out.Spent, out.Saved = batch.UsageOf(spent), batch.UsageOf(saved)
	if f.json {
		line, err := json.Marshal(out)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	g.printEstimate(f, &out)
	return nil
}

func (g *globals) printEstimate(f batchFlags, e *estimate) {
	row := func(name string, n int, note string) {
		fmt.Fprintf(g.out, "  %-11s %12s%s\n", name, thousands(n), note)
	}
	if e.Model == "" {
		fmt.Fprintf(g.out, "%s in %s: no judge is configured, and keywords cost nothing\n", lineCount(e.Lines), f.in)
		return
	}
	fmt.Fprintf(g.out, "%s in %s, to be judged by %s at %s\n", lineCount(e.Lines), f.in, e.Model, e.Endpoint)
	row("calls", e.Spent.Requests, "")
	row("tokens in", e.Spent.InputTokens, fmt.Sprintf("  about: %d characters each", app.CharsPerToken))
	row("tokens out", e.Spent.OutputTokens, fmt.Sprintf("  about: %d for each point, misconception and habit", app.TokensPerID))
	row("cached", e.Saved.Requests, "  "+dollars(e.Saved.Cost)+" saved")
	row("no judge", e.Settled, "  empty, too short, off topic or the like")
	row("errors", e.Errors, "  cannot be graded")
	if e.Spent.Cost == nil {
		fmt.Fprintf(g.out, "  cost             unknown: the price list of %s has no %s; give one with --judge-prices\n", e.PricesOf, e.Model)
	} else {
		fmt.Fprintf(g.out, "  cost        %12s  about, at the prices of %s\n", fmt.Sprintf("$%.2f", *e.Spent.Cost), e.PricesOf)
	}
	fmt.Fprintln(g.out, "Nothing was sent. Second questions, retries and hidden reasoning come on top; a provider's prompt cache takes off.")
}

// thousands groups the digits of a number.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
