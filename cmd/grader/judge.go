package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
)

// judgeUse says whether a judge is asked.
type judgeUse string

const (
	judgeAuto     judgeUse = "auto"     // if one is configured
	judgeOff      judgeUse = "off"      //
	judgeRequired judgeUse = "required" // and a failure is one of the command
)

type judgeFlags struct {
	use    string
	config config.Judge
}

func (f *judgeFlags) add(c *cobra.Command) {
	f.addEndpoint(c)
	f.addUse(c)
	c.Flags().IntVar(&f.config.Concurrency, "judge-concurrency", config.DefaultJudgeConcurrency, "answers that are judged at the same time")
}

func (f *judgeFlags) addUse(c *cobra.Command) {
	c.Flags().StringVar(&f.use, "judge", string(judgeAuto), "auto (if one is configured), off or required")
}

// addEndpoint adds the flags that say which judge, but not whether.
func (f *judgeFlags) addEndpoint(c *cobra.Command) {
	c.Flags().StringVar(&f.config.URL, "judge-url", "", "OpenAI-compatible endpoint with its /v1 (GRADER_JUDGE_URL)")
	c.Flags().StringVar(&f.config.Model, "judge-model", "", "model at the endpoint (GRADER_JUDGE_MODEL)")
	c.Flags().DurationVar(&f.config.Timeout, "judge-timeout", config.DefaultJudgeTimeout, "time for one answer, all attempts together")
	f.config.Concurrency = config.DefaultJudgeConcurrency
	c.Flags().StringVar(&f.config.Evidence, "judge-evidence", "quotes", "quotes, or sentences for models that cannot quote")
	c.Flags().BoolVar(&f.config.NoCache, "no-cache", false, "neither read nor write the judge's replies on disk")
	c.Flags().StringVar(&f.config.Prices, "judge-prices", "", "a price list instead of the built-in one")
}

func (f judgeFlags) parseUse() (judgeUse, error) {
	switch use := judgeUse(strings.ToLower(f.use)); use {
	case judgeAuto, judgeOff, judgeRequired:
		return use, nil
	default:
		return "", usagef("unknown --judge %q; use auto, off or required", f.use)
	}
}

// resolve reads the environment and checks everything that can be checked without a call. The use is off when there is
// nothing to ask.
func (f judgeFlags) resolve() (judgeUse, config.Judge, error) {
	use, err := f.parseUse()
	if err != nil || use == judgeOff {
		return use, config.Judge{}, err
	}
	cfg := f.config.WithEnv(os.Getenv)
	if f.config.Concurrency < 1 {
		return "", cfg, usagef("--judge-concurrency must be at least 1")
	}
	if f.config.Timeout <= 0 {
		return "", cfg, usagef("--judge-timeout must be positive, not %s", f.config.Timeout)
	}
	if !cfg.Configured() && use == judgeAuto && f.config.URL == "" && f.config.Model == "" && os.Getenv("GRADER_JUDGE_URL") == "" {
		return judgeOff, cfg, nil
	}
	if err := cfg.Validate(); err != nil {
		return "", cfg, &exitError{exitUsage, err}
	}
	switch {
	case cfg.Model == "" && cfg.URL != "":
		return "", cfg, usagef("the judge at %s needs a model; set --judge-model or GRADER_JUDGE_MODEL", cfg.URL)
	case !cfg.Configured():
		return "", cfg, usagef("--judge required, but none is configured; set --judge-url and --judge-model, or GRADER_JUDGE_URL and GRADER_JUDGE_MODEL")
	}
	if cfg.CacheDir == "" && !cfg.NoCache {
		if dir, err := llm.DefaultCacheDir(); err == nil { // without a home there is no cache on disk
			cfg.CacheDir = dir
		}
	}
	return use, cfg, nil
}

// openJudge builds the judge that the flags ask for; nil means that keywords decide alone.
func (f judgeFlags) openJudge(warn io.Writer) (judgeUse, *app.Judge, error) {
	use, cfg, err := f.resolve()
	if err != nil || use == judgeOff {
		return use, nil, err
	}
	j, err := app.NewJudge(cfg, warnings(warn))
	if err != nil {
		return use, nil, &exitError{exitUsage, err}
	}
	return use, j, nil
}

// warnings is a logger for what a user of the command has to know: a cache that cannot be written, and the like.
func warnings(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// describe adds what of the judge changes results to the settings of a run, and checks that a limit of cost, if there is
// one, can be kept. Whether the judge is required is no setting: it decides when a run starts, and nothing in it.
func (f judgeFlags) describe(settings map[string]string, j *app.Judge, maxCost float64) error {
	if spent, _ := j.Usage(); maxCost > 0 && !spent.CostKnown {
		return usagef("no price is known for the model %q, so --max-cost cannot be kept; give a price list that has it with --judge-prices, or leave --max-cost out", j.Model)
	}
	settings["judge"] = "on"
	settings["judge endpoint"], settings["judge model"] = j.Endpoint, j.Model
	settings["judge prompts"], settings["judge evidence"] = j.PromptHash, f.config.Evidence
	return nil
}

// ready asks the endpoint once, before many answers are sent. Settings that cannot work are bad usage. An endpoint that
// cannot be used now ends the command only if the judge is required; else one line says that keywords decide meanwhile.
func (f judgeFlags) ready(ctx context.Context, w io.Writer, use judgeUse, j *app.Judge) error {
	probing, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()
	err := j.Client.Probe(probing)
	var e *llm.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &e) && e.Permanent():
		return &exitError{exitUsage, fmt.Errorf("the judge at %s cannot be used: %w", j.Endpoint, err)}
	case use == judgeRequired:
		return &exitError{exitJudge, fmt.Errorf("the judge at %s cannot be used now: %w; nothing was graded, grader doctor says what to fix", j.Endpoint, err)}
	}
	fmt.Fprintf(w, "grader: the judge at %s cannot be used now: %v; until it answers, keywords decide alone (DEGRADED)\n", j.Endpoint, err)
	return nil
}

// gradeOne grades with the judge, or without one when j is nil, and keeps the time.
func gradeOne(ctx context.Context, gr *grade.Grader, id string, a grade.Answer, j *app.Judge) (c *grade.Critique, err error) {
	start := time.Now()
	if j == nil {
		c, err = gr.Grade(id, a)
	} else {
		c, err = gr.GradeJudged(ctx, id, a, j.Judged)
	}
	if err != nil {
		return nil, err
	}
	c.Timing.TotalMillis = float64(time.Since(start).Microseconds()) / 1000
	c.Timing.KeywordMillis = max(0, math.Round(1000*(c.Timing.TotalMillis-c.Timing.JudgeMillis))/1000)
	return c, nil
}

// judgeHint is the line under a critique that says who decided and what it cost.
func judgeHint(c *grade.Critique) string {
	switch {
	case c.State == grade.Ungradable:
		return ""
	case c.State == grade.Degraded:
		return fmt.Sprintf("The judge %s failed (%s): keywords decided alone.", c.Receipt.JudgeModel, strings.ToLower(string(c.Reasons[len(c.Reasons)-1])))
	case c.Mode == grade.ModeJudge:
		return fmt.Sprintf("Judged by %s: %s.", c.Receipt.JudgeModel, costLine(c.Timing.Spent, c.Timing.Saved))
	}
	return "Graded by keywords alone: a claim in other words can be missed. A judge reads those: --judge-url and --judge-model."
}

// costLine says what was spent and what the cache saved.
func costLine(spent, saved grade.Usage) string {
	if spent.Requests == 0 && saved.Requests > 0 {
		return fmt.Sprintf("from the cache, %s saved", amount(saved))
	}
	line := fmt.Sprintf("%d calls, %d tokens in, %d out, %s", spent.Requests, spent.InputTokens, spent.OutputTokens, amount(spent))
	if spent.Requests == 1 {
		line = strings.Replace(line, "1 calls", "1 call", 1)
	}
	if saved.Requests > 0 {
		line += ", " + amount(saved) + " saved"
	}
	return line
}

func amount(u grade.Usage) string {
	if !u.CostKnown {
		return "cost unknown"
	}
	return fmt.Sprintf("$%.4f", u.Cost)
}
