package grade

import (
	"context"
	"errors"

	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/llm"
)

// Judge is the second witness. It reports failures of its endpoint as *llm.Error.
type Judge interface {
	Judge(ctx context.Context, req judge.Request) (judge.Result, error)
}

// Judged is a judge with what receipts say of it.
type Judged struct {
	Judge      Judge
	Endpoint   string
	Model      string
	PromptHash string
	Sample     int // tells repeated judgements of one answer apart
}

// GradeJudged grades one answer with both witnesses. What the gate settles never reaches the judge. A judge that fails
// leaves a keyword critique in state DEGRADED with the reason, and no error: a failure is never a verdict. Errors are
// those of Question, and of ctx when the caller gave up.
func (g *Grader) GradeJudged(ctx context.Context, id string, a Answer, j Judged) (*Critique, error) {
	d, err := g.read(id, a)
	if err != nil {
		return nil, err
	}
	defer d.release()
	if d.reason != "" || d.worthless != "" {
		return d.critique(nil), nil
	}
	modality := a.Modality
	if modality == "" {
		modality = Typed
	}
	verdicts, err := j.Judge.Judge(ctx, judge.Request{Question: d.q, Modality: string(modality), Text: a.Text, Removed: d.gate.spans, Sample: j.Sample})
	var c *Critique
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		c = d.critique(nil)
		c.State, c.Reasons = Degraded, append(c.Reasons, failure(err))
	} else {
		c = d.critique(&verdicts)
	}
	c.Receipt.PromptHash, c.Receipt.JudgeEndpoint, c.Receipt.JudgeModel = j.PromptHash, j.Endpoint, j.Model
	c.Timing.JudgeMillis = float64(verdicts.Elapsed.Microseconds()) / 1000
	c.Timing.Judged, c.Timing.CacheHit = true, verdicts.Cached && err == nil
	c.Timing.Spent, c.Timing.Saved = UsageOf(verdicts.Spent), UsageOf(verdicts.Saved)
	return c, nil
}

// UsageOf converts what a client counted.
func UsageOf(u llm.Usage) Usage {
	return Usage{Requests: u.Requests, InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, Cost: u.Cost, CostKnown: u.CostKnown}
}

// failure names why a judge was not heard.
func failure(err error) Reason {
	var e *llm.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.DeadlineExceeded) {
			return ReasonJudgeTimeout
		}
		return ReasonJudgeUnavailable
	}
	switch e.Kind {
	case llm.Timeout:
		return ReasonJudgeTimeout
	case llm.RateLimited:
		return ReasonJudgeRateLimited
	case llm.Auth, llm.UnknownModel, llm.BadURL:
		return ReasonJudgeRefused
	case llm.BadReply:
		return ReasonJudgeReplyInvalid
	case llm.BudgetSpent:
		return ReasonJudgeBudgetSpent
	default:
		return ReasonJudgeUnavailable
	}
}
