package server

import (
	"context"
	"fmt"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/internal/wire"
)

// gradeOptions are what every way of grading is asked with, beside the answer.
type gradeOptions interface {
	GetBank() string
	GetQuestionId() string
	GetJudge() graderv1.JudgeUse_Value
	GetDetail() graderv1.Detail_Value
}

// job is a request to grade, with everything about it decided.
type job struct {
	grader     *grade.Grader
	question   *rubric.Question
	answer     grade.Answer
	transcript *transcript.Transcript // nil for text
	doubtful   bool                   // the transcript
	hearing    time.Duration          // with the recogniser
	judged     *grade.Judged          // nil: by keywords
	required   bool
	detail     graderv1.Detail_Value
}

// job decides everything but the answer.
func (s *service) job(ctx context.Context, req gradeOptions) (*job, error) {
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
	j := &job{grader: g, question: q, detail: detail}
	return j, s.chooseJudge(j, req.GetJudge(), who)
}

// answered is the job of a request that holds its answer.
func (s *service) answered(ctx context.Context, req gradeOptions, a *graderv1.Answer) (*job, error) {
	j, err := s.job(ctx, req)
	if err != nil {
		return nil, err
	}
	if audio := a.GetAudio(); audio != nil {
		if err := s.speech.enter(); err != nil {
			return nil, err
		}
		defer s.speech.flight.leave()
		r, took, err := s.speech.hear(ctx, audio.GetContent(), j.question)
		if err != nil {
			return nil, err
		}
		return j, j.heard(r, took)
	}
	return j, j.read(a)
}

// read takes a text or a transcript as the answer.
func (j *job) read(a *graderv1.Answer) (err error) {
	j.answer, j.transcript, err = wire.Answer(a)
	switch {
	case err != nil:
		return badField(graderv1.ErrorReason_INVALID_FIELD, "answer.transcript", err.Error())
	case len(j.answer.Text) > grade.MaxTextBytes:
		return badField(graderv1.ErrorReason_INVALID_FIELD, "answer.transcript", fmt.Sprintf("the words together must be at most %d bytes", grade.MaxTextBytes))
	case j.transcript != nil:
		j.doubtful = j.transcript.Doubtful || speech.Unsure(j.transcript)
		j.answer.Language = transcript.LanguageTag(j.transcript.Language)
		j.answer.Unintelligible = speech.Unintelligible(j.transcript, j.question.Bank.Language)
	}
	return nil
}

func (s *service) chooseJudge(j *job, use graderv1.JudgeUse_Value, who *caller) error {
	j.required = use == graderv1.JudgeUse_REQUIRED
	switch {
	case j.required && s.judge == nil:
		return refuse(graderv1.ErrorReason_JUDGE_NOT_CONFIGURED, "no judge is configured; ask for judge AUTO or OFF")
	case s.judge == nil || use == graderv1.JudgeUse_OFF:
		return nil
	}
	judged := *s.judge
	judged.Judge = gatedJudge{gate: s.gate, next: s.judge.Judge, model: s.judge.Model, budget: who.budget}
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
		return want, refuse(graderv1.ErrorReason_DETAIL_NOT_ALLOWED, "the key gives no more detail than %s; ask for that, or leave detail out", c.highest)
	}
	return want, nil
}

// keywords grades without a judge.
func (j *job) keywords(ctx context.Context) (c *grade.Critique, err error) {
	start := time.Now()
	_, span := startSpan(ctx, "grade.Grade", j.named())
	defer func() { endGrade(span, c, err) }()
	c, err = j.grader.Grade(j.question.ID, j.answer)
	if err != nil {
		return nil, err
	}
	return j.finish(c, start), nil
}

// grade grades as the request wants it.
func (j *job) grade(ctx context.Context) (c *grade.Critique, err error) {
	if j.judged == nil {
		return j.keywords(ctx)
	}
	start := time.Now()
	ctx, span := startSpan(ctx, "grade.GradeJudged", j.named())
	defer func() { endGrade(span, c, err) }()
	c, err = j.grader.GradeJudged(ctx, j.question.ID, j.answer, *j.judged)
	if err != nil {
		return nil, err
	}
	if j.required && c.State == grade.Degraded {
		return nil, j.failed(c)
	}
	return j.finish(c, start), nil
}

// named is the question, for a span.
func (j *job) named() attribute.KeyValue {
	return attribute.String("grader.question", j.question.Bank.ID+"/"+j.question.ID)
}

// failed is the error for a degraded critique where the judge is required. The judge's reason is the last one.
func (j *job) failed(c *grade.Critique) error {
	e := judgeFailed(c.Reasons[len(c.Reasons)-1])
	if e.reason == graderv1.ErrorReason_JUDGE_BUDGET_SPENT {
		e.retry = untilTomorrow(time.Now())
	}
	return e
}

// finish adds what the transcript knows, and the time that it took.
func (j *job) finish(c *grade.Critique, start time.Time) *grade.Critique {
	if j.transcript != nil {
		c.Hear(j.transcript, time.Duration(j.question.ExpectSeconds)*time.Second, j.doubtful)
	}
	took := time.Since(start)
	c.Timing.SpeechMillis, c.Timing.TotalMillis = millis(j.hearing), millis(j.hearing+took)
	c.Timing.KeywordMillis = math.Round(max(0, millis(took)-c.Timing.JudgeMillis)*1000) / 1000
	return c
}

// critique converts a critique at the level of detail that the caller gets.
func (j *job) critique(c *grade.Critique) *graderv1.Critique {
	return wire.Reduce(wire.Critique(c), j.detail)
}
