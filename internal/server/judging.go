package server

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/llm"
)

const (
	// waitingPerSlot is how many answers may wait for each slot of the judge. More would only wait to be late.
	waitingPerSlot = 3
	// replyMargin is the part of a caller's time that is kept back for telling the result.
	replyMargin = 10 // one tenth, but at most:
	maxMargin   = 250 * time.Millisecond
)

// judgeGate bounds the answers that are with the judge or wait for it, so that a judge that hangs does not take all work
// in flight with it. What is over the bound is degraded at once.
type judgeGate struct {
	slots   chan struct{}
	waiting atomic.Int64
	most    int64
	hurry   <-chan struct{} // closed when nobody may wait for a judge any more
	metrics *metrics
}

func newJudgeGate(slots int, hurry <-chan struct{}, m *metrics) *judgeGate {
	return &judgeGate{slots: make(chan struct{}, slots), most: int64(slots) * waitingPerSlot, hurry: hurry, metrics: m}
}

// gatedJudge is the judge for one request.
type gatedJudge struct {
	gate   *judgeGate
	next   grade.Judge
	model  string
	budget *dayBudget
}

// Judge asks the judge within the caller's time, its budget and the server's bound.
func (j gatedJudge) Judge(ctx context.Context, req judge.Request) (r judge.Result, err error) {
	start := time.Now()
	ctx, span := startSpan(ctx, "judge.Judge", attribute.String("gen_ai.request.model", j.model))
	defer func() { endJudge(span, r, err) }()
	ctx, cancel := inTime(ctx, j.gate.hurry)
	defer cancel()
	if err := j.gate.enter(ctx); err != nil {
		return judge.Result{Elapsed: time.Since(start)}, err
	}
	defer j.gate.leave()
	if !j.budget.take() {
		return judge.Result{}, &llm.Error{Kind: llm.BudgetSpent, Message: "the key's answers for the judge are used up for today"}
	}
	r, err = j.next.Judge(ctx, req)
	if err == nil && r.Cached {
		j.budget.giveBack()
	}
	r.Elapsed = time.Since(start)
	j.gate.metrics.judged(r.Elapsed, err)
	return r, err
}

// inTime leaves time to tell the result, and ends the wait when the server is in a hurry.
func inTime(ctx context.Context, hurry <-chan struct{}) (context.Context, context.CancelFunc) {
	var cancel context.CancelFunc
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(left/replyMargin, maxMargin)))
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	done := ctx.Done()
	go func() {
		select {
		case <-hurry:
			cancel()
		case <-done:
		}
	}()
	return ctx, cancel
}

func (g *judgeGate) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > g.most {
		g.waiting.Add(-1)
		return &llm.Error{Kind: llm.RateLimited, Message: "too many answers wait for the judge"}
	}
	defer g.waiting.Add(-1)
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &llm.Error{Kind: llm.Timeout, Message: "the judge had no time", Err: ctx.Err()}
	}
}

func (g *judgeGate) leave() { <-g.slots }
