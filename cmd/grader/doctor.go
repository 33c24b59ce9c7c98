package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
)

type doctorFlags struct {
	judge judgeFlags
	calls int
	json  bool
}

func newDoctor(g *globals) *cobra.Command {
	f := doctorFlags{judge: judgeFlags{use: string(judgeRequired)}}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Try the judge's endpoint and say what to fix",
		Long: `Try the judge's endpoint: reach it, find the form of structured output that it takes, and let it judge a probe answer
whose verdicts are known. The last lines recommend how to use it. Nothing is read from or written to the cache.`,
		Example: `  grader doctor --judge-url http://127.0.0.1:8080/v1 --judge-model local
  GRADER_JUDGE_URL=https://api.openai.com/v1 GRADER_JUDGE_MODEL=gpt-4.1-mini grader doctor`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.doctor(c.Context(), f) },
	}
	f.judge.addEndpoint(c)
	c.Flags().IntVar(&f.calls, "calls", 10, "probe answers to judge, 2 to 50")
	c.Flags().BoolVar(&f.json, "json", false, "the diagnosis as one JSON object")
	return c
}

// diagnosis is what doctor finds.
type diagnosis struct {
	Endpoint    string             `json:"endpoint"`
	Model       string             `json:"model"`
	Rung        string             `json:"rung"`
	Replies     int                `json:"replies"`
	Valid       int                `json:"valid"`
	LatencyMS   map[string]float64 `json:"latencyMs"` // p50 and max of one answer, re-asks included
	Same        bool               `json:"same"`      // the same answer got the same verdicts twice
	Right       float64            `json:"right"`     // share of the probe's verdicts that are right
	Located     float64            `json:"located"`   // share of needed quotes that stand in the answer
	TokensIn    int                `json:"tokensIn"`  // of one answer
	TokensOut   int                `json:"tokensOut"`
	Cost        *float64           `json:"cost,omitempty"` // of one answer, US dollars
	Evidence    string             `json:"recommendedEvidence"`
	Timeout     string             `json:"recommendedTimeout"`
	Trustworthy bool               `json:"trustworthy"`
	Advice      []string           `json:"advice"`
}

func (g *globals) doctor(ctx context.Context, f doctorFlags) error {
	if f.calls < 2 || f.calls > 50 {
		return usagef("--calls must be from 2 to 50")
	}
	_, cfg, err := f.judge.resolve()
	if err != nil {
		return err
	}
	cfg.NoCache, cfg.CacheDir = true, ""
	j, err := app.NewJudge(cfg, nil)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	defer j.Client.Close()
	if err := j.Client.Probe(ctx); err != nil {
		var e *llm.Error
		if errors.As(err, &e) && e.Permanent() {
			return &exitError{exitUsage, err}
		}
		return &exitError{exitJudge, fmt.Errorf("the endpoint cannot be used now: %w", err)}
	}
	graders, err := g.graders()
	if err != nil {
		return err
	}
	q, err := firstQuestion(graders)
	if err != nil {
		return err
	}
	d, err := diagnose(ctx, g, q, j, cfg, f.calls)
	if err != nil {
		return err
	}
	if f.json {
		line, err := json.Marshal(d)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	g.printDiagnosis(d)
	return nil
}

func firstQuestion(graders graderSet) (*rubric.Question, error) {
	for _, gr := range graders {
		for _, id := range gr.Bank().IDs() {
			return gr.Bank().Question(id)
		}
	}
	return nil, usagef("the bank has no questions to try the judge with")
}

// probe is an answer whose verdicts are known: it states every other point word for word.
func probe(q *rubric.Question, start int) (text string, met map[string]bool) {
	met = map[string]bool{}
	var said []string
	for i := range q.Points {
		if i%2 == start {
			met[q.Points[i].ID] = true
			said = append(said, q.Points[i].Statement)
		}
	}
	return strings.Join(said, " "), met
}

// examination collects what the probe answers show.
type examination struct {
	latencies               []float64
	verdicts, right         int
	needed, located, failed int
	first                   []string
	same                    bool
	err                     error
}

func diagnose(ctx context.Context, g *globals, q *rubric.Question, j *app.Judge, cfg config.Judge, calls int) (*diagnosis, error) {
	x := &examination{same: true}
	for n := range calls {
		if terminal(g.err) {
			fmt.Fprintf(g.err, "\rprobe answer %d of %d\x1b[K", n+1, calls)
		}
		x.judge(ctx, q, j, n)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if terminal(g.err) {
		fmt.Fprint(g.err, "\r\x1b[K")
	}
	if x.failed == calls {
		return nil, &exitError{exitJudge, fmt.Errorf("no probe answer could be judged: %w", x.err)}
	}
	t := j.Client.Totals()
	d := &diagnosis{Endpoint: cfg.URL, Model: cfg.Model, Rung: t.Rung.String(), Same: x.same, Evidence: cfg.Evidence, Advice: []string{},
		Replies: t.Outcomes["ok"] + t.Outcomes[llm.BadReply.String()], Valid: t.Outcomes["ok"]}
	slices.Sort(x.latencies)
	worst := x.latencies[len(x.latencies)-1]
	d.LatencyMS = map[string]float64{"p50": x.latencies[len(x.latencies)/2], "max": worst}
	d.Right, d.Located = share(x.right, x.verdicts), 1
	if x.needed > 0 {
		d.Located = share(x.located, x.needed)
	}
	judged := calls - x.failed
	d.TokensIn, d.TokensOut = t.Spent.InputTokens/judged, t.Spent.OutputTokens/judged
	if t.Spent.CostKnown {
		cost := t.Spent.Cost / float64(judged)
		d.Cost = &cost
	}
	d.recommend(worst, x.failed)
	return d, nil
}

// judge lets the endpoint judge one of two probe answers; the first two calls ask the same.
func (x *examination) judge(ctx context.Context, q *rubric.Question, j *app.Judge, n int) {
	start := 0
	if n > 1 {
		start = n % 2
	}
	text, met := probe(q, start)
	began := time.Now()
	r, err := j.Judge.Judge(ctx, judge.Request{Question: q, Modality: "TYPED", Text: text, Sample: n})
	if err != nil {
		x.failed++
		x.err = err
		return
	}
	x.latencies = append(x.latencies, float64(time.Since(began).Milliseconds()))
	var verdicts []string
	for _, v := range r.Points {
		verdicts = append(verdicts, v.Verdict)
		x.verdicts++
		credited := v.Verdict == "met" || v.Verdict == "partial"
		if credited == met[v.ID] && v.Verdict != "" {
			x.right++
		}
		if credited || v.Verdict == "contradicted" {
			x.needed++
			if !v.Unverified {
				x.located++
			}
		}
	}
	switch n {
	case 0:
		x.first = verdicts
	case 1:
		x.same = slices.Equal(x.first, verdicts)
	}
}

func share(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

const (
	trustRight   = 0.9 // of verdicts on word-for-word answers; a capable judge gets nearly all
	trustLocated = 0.9 // of quotes
	roomForRetry = 3   // times the slowest answer
)

// recommend turns figures into advice.
func (d *diagnosis) recommend(worstMS float64, failed int) {
	timeout := time.Duration(worstMS*roomForRetry) * time.Millisecond
	d.Timeout = max(config.DefaultJudgeTimeout, timeout.Round(time.Second)).String()
	if d.Located < trustLocated && d.Evidence != "sentences" {
		d.Evidence = "sentences"
		d.Advice = append(d.Advice, fmt.Sprintf("only %.0f %% of its quotes stand in the answer: use --judge-evidence sentences, and run doctor again with it", 100*d.Located))
	}
	if d.Right < trustRight {
		d.Advice = append(d.Advice, fmt.Sprintf("it got %.0f %% of the verdicts on a word-for-word answer right: take a stronger model; keywords alone are more reliable than this one", 100*d.Right))
	}
	if failed > 0 {
		d.Advice = append(d.Advice, fmt.Sprintf("%d probe answers failed: try a longer --judge-timeout or a lower load", failed))
	}
	if d.Valid < d.Replies {
		d.Advice = append(d.Advice, fmt.Sprintf("%d of %d replies were not usable and were asked for again, which costs time and money", d.Replies-d.Valid, d.Replies))
	}
	if !d.Same {
		d.Advice = append(d.Advice, "the same answer got different verdicts: temperature 0 is not honoured, so measure it with calibrate --rerun")
	}
	d.Trustworthy = d.Right >= trustRight && failed == 0
}

func (g *globals) printDiagnosis(d *diagnosis) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(g.out, "%-12s "+format+"\n", append([]any{name}, args...)...)
	}
	row("endpoint", "%s", d.Endpoint)
	row("model", "%s", d.Model)
	row("output", "%s", d.Rung)
	row("replies", "%d of %d usable", d.Valid, d.Replies)
	row("latency", "p50 %.1f s, slowest %.1f s for one answer", d.LatencyMS["p50"]/1000, d.LatencyMS["max"]/1000)
	row("tokens", "%d in, %d out for one answer", d.TokensIn, d.TokensOut)
	if d.Cost != nil {
		row("cost", "$%.4f for one answer", *d.Cost)
	} else {
		row("cost", "unknown: the model is not in the price list (--judge-prices)")
	}
	row("verdicts", "%.0f %% right on word-for-word answers", 100*d.Right)
	row("quotes", "%.0f %% stand in the answer", 100*d.Located)
	row("repeats", "%s", map[bool]string{true: "the same verdicts twice", false: "different verdicts for the same answer"}[d.Same])
	row("use", "--judge-evidence %s --judge-timeout %s", d.Evidence, d.Timeout)
	for _, a := range d.Advice {
		row("advice", "%s", a)
	}
}
