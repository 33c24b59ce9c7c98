package server

import (
	"context"
	"fmt"
	"math"
	"time"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/wire"
)

// gradeRequest is what both ways of grading are asked with.
type gradeRequest interface {
	GetBank() string
	GetQuestionId() string
	GetAnswer() *graderv1.Answer
	GetJudge() graderv1.JudgeUse_Value
	GetDetail() graderv1.Detail_Value
}

// job is a request to grade, with everything about it decided.
type job struct {
	grader     *grade.Grader
	question   string
	answer     grade.Answer
	transcript *graderv1.Transcript
	judged     *grade.Judged // nil: by keywords
	required   bool
	detail     graderv1.Detail_Value
}

func (s *service) job(ctx context.Context, req gradeRequest) (*job, error) {
	who := callerOf(ctx)
	if err := who.may(ScopeGrade); err != nil {
		return nil, err
	}
	detail, err := who.detail(req.GetDetail())
	if err != nil {
		return nil, err
	}
	g, q, err := s.catalog.Load().find(req.GetBank(), req.GetQuestionId())
	if err != nil {
		return nil, err
	}
	j := &job{grader: g, question: q.ID, detail: detail, transcript: req.GetAnswer().GetTranscript()}
	if j.answer, err = readAnswer(req.GetAnswer()); err != nil {
		return nil, err
	}
	return j, s.chooseJudge(j, req.GetJudge(), who)
}

func readAnswer(a *graderv1.Answer) (grade.Answer, error) {
	if a.GetAudio() != nil {
		return grade.Answer{}, refuse(reasonSpeechUnset, "no recogniser is configured; send text or a transcript")
	}
	out := wire.Answer(a)
	if len(out.Text) > grade.MaxTextBytes {
		return out, badField(reasonInvalidField, "answer.transcript", fmt.Sprintf("the words together must be at most %d bytes", grade.MaxTextBytes))
	}
	return out, nil
}

func (s *service) chooseJudge(j *job, use graderv1.JudgeUse_Value, who *caller) error {
	j.required = use == graderv1.JudgeUse_REQUIRED
	switch {
	case j.required && s.judge == nil:
		return refuse(reasonJudgeUnset, "no judge is configured; ask for judge AUTO or OFF")
	case s.judge == nil || use == graderv1.JudgeUse_OFF:
		return nil
	}
	judged := *s.judge
	judged.Judge = gatedJudge{gate: s.gate, next: s.judge.Judge, budget: who.budget}
	j.judged = &judged
	return nil
}

// detail is the level that the caller gets, or why not.
func (c *caller) detail(want graderv1.Detail_Value) (graderv1.Detail_Value, error) {
	switch {
	case want == graderv1.Detail_UNSPECIFIED:
		return min(graderv1.Detail_CANDIDATE, c.highest), nil
	case want == graderv1.Detail_COACH && c.may(ScopeRubricRead) != nil:
		return want, c.may(ScopeRubricRead)
	case want > c.highest:
		return want, refuse(reasonDetail, "the key gives no more detail than %s", c.highest)
	}
	return want, nil
}

// keywords grades without a judge.
func (j *job) keywords() (*grade.Critique, error) {
	start := time.Now()
	c, err := j.grader.Grade(j.question, j.answer)
	return timed(c, start), err
}

// grade grades as the request wants it.
func (j *job) grade(ctx context.Context) (*grade.Critique, error) {
	if j.judged == nil {
		return j.keywords()
	}
	start := time.Now()
	c, err := j.grader.GradeJudged(ctx, j.question, j.answer, *j.judged)
	if err != nil {
		return nil, err
	}
	if j.required && c.State == grade.Degraded {
		return nil, j.failed(c)
	}
	return timed(c, start), nil
}

// failed is the error for a degraded critique where the judge is required. The judge's reason is the last one.
func (j *job) failed(c *grade.Critique) error {
	e := judgeFailed(c.Reasons[len(c.Reasons)-1])
	if e.reason == reasonJudgeBudget {
		e.retry = untilTomorrow(time.Now())
	}
	return e
}

func timed(c *grade.Critique, start time.Time) *grade.Critique {
	if c != nil {
		c.Timing.TotalMillis = float64(time.Since(start).Microseconds()) / 1000
		c.Timing.KeywordMillis = math.Round(max(0, c.Timing.TotalMillis-c.Timing.JudgeMillis)*1000) / 1000
	}
	return c
}

// critique converts a critique at the level of detail that the caller gets.
func (j *job) critique(c *grade.Critique) *graderv1.Critique {
	return wire.Reduce(wire.WithTranscript(wire.Critique(c), j.transcript), j.detail)
}
