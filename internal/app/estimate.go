package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
)

// What an estimate rests on; docs/judges.md says so too.
const (
	// CharsPerToken is for English text and JSON.
	CharsPerToken = 4
	// TokensPerID is one verdict of the reply: an id, a short reason, and a quote for every second one.
	TokensPerID = 45
)

// Estimator stands in for a judge and counts what the judge would have to be asked. It makes no call and writes
// nothing. It is not safe for concurrent use.
type Estimator struct {
	// PricesOf is the date of the price list.
	PricesOf string
	// Asked is the number of answers that needed a judge.
	Asked int

	judge        *judge.Judge
	cached       bool // replies are kept
	price        llm.Price
	priced       bool
	seen         map[string]struct{}
	calls, saved llm.Usage
}

// NewEstimator returns an estimator for the judge that cfg describes. No judge costs nothing.
func NewEstimator(cfg config.Judge) (*Estimator, error) {
	if !cfg.Configured() {
		return &Estimator{calls: llm.Usage{CostKnown: true}, saved: llm.Usage{CostKnown: true}}, nil
	}
	prices := llm.BuiltinPrices()
	if cfg.Prices != "" {
		var err error
		if prices, err = llm.LoadPrices(cfg.Prices); err != nil {
			return nil, err
		}
	}
	// The rung is pinned, so that nothing is learned from the refusals.
	client, err := llm.New(llm.Config{BaseURL: cfg.URL, Model: cfg.Model, CacheDir: cfg.CacheDir, NoCache: cfg.NoCache, Prices: prices,
		Rung: llm.RungText, HTTPClient: &http.Client{Transport: offline{}}})
	if err != nil {
		return nil, err
	}
	e := &Estimator{PricesOf: prices.Date, judge: judge.New(client, nil, judge.Evidence(cfg.Evidence)), cached: !cfg.NoCache, seen: map[string]struct{}{}}
	e.price, e.priced = prices.Of(cfg.Model)
	e.calls.CostKnown, e.saved.CostKnown = e.priced, e.priced
	return e, nil
}

// Usage is what is to be spent, and what the cache saves: what it holds, and will hold when an answer comes again.
func (e *Estimator) Usage() (spent, saved grade.Usage) {
	return grade.UsageOf(e.calls), grade.UsageOf(e.saved)
}

// Judge counts one answer. Its result is empty.
func (e *Estimator) Judge(ctx context.Context, req judge.Request) (judge.Result, error) {
	e.Asked++
	if e.cached {
		if r, err := e.judge.Judge(ctx, req); err == nil && r.Spent.Requests == 0 {
			e.saved = e.saved.Add(r.Saved)
			return judge.Result{}, nil
		}
	}
	p := e.judge.Prompt(req)
	usage := e.firstCall(p, req.Question)
	if _, again := e.seen[p.Key]; again && e.cached {
		e.saved = e.saved.Add(usage)
		return judge.Result{}, nil
	}
	e.seen[p.Key] = struct{}{}
	e.calls = e.calls.Add(usage)
	return judge.Result{}, ctx.Err()
}

// firstCall is what the first call for an answer comes to; few answers need a second one.
func (e *Estimator) firstCall(p llm.Request, q *rubric.Question) llm.Usage {
	var schema bytes.Buffer
	_ = json.Compact(&schema, p.Schema) // it is our own
	chars := schema.Len()
	for _, m := range p.Messages {
		chars += utf8.RuneCountInString(m.Content)
	}
	ids := len(q.Points) + len(q.Misconceptions)
	for i := range q.Bank.Habits {
		if q.Bank.Habits[i].AppliesTo(q) {
			ids++
		}
	}
	u := llm.Usage{Requests: 1, InputTokens: chars / CharsPerToken, OutputTokens: ids * TokensPerID, CostKnown: e.priced}
	u.Cost = e.price.Cost(u)
	return u
}

// offline refuses every call in a way that is not tried again.
type offline struct{}

func (offline) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{Status: "400 Bad Request", StatusCode: http.StatusBadRequest, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: http.NoBody, Request: req}, nil
}
