package server

import (
	"context"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
)

// stream sends the critique by keywords, then the points that both witnesses have decided, then the whole critique. The
// judge gives all its verdicts in one reply, so the points come together.
func (j *job) stream(ctx context.Context, send func(*graderv1.StreamGradeAnswerResponse) error) (*grade.Critique, error) {
	first, err := j.keywords(ctx)
	if err != nil {
		return nil, err
	}
	err = send(&graderv1.StreamGradeAnswerResponse{Event: &graderv1.StreamGradeAnswerResponse_Preliminary{Preliminary: j.critique(first)}})
	if err != nil {
		return nil, err
	}
	last := first
	if j.judged != nil {
		if last, err = j.grade(ctx); err != nil {
			return nil, err
		}
	}
	c := j.critique(last)
	for _, p := range c.GetPoints() { // none with detail SCORE
		if err := send(&graderv1.StreamGradeAnswerResponse{Event: &graderv1.StreamGradeAnswerResponse_Point{Point: p}}); err != nil {
			return nil, err
		}
	}
	return last, send(&graderv1.StreamGradeAnswerResponse{Event: &graderv1.StreamGradeAnswerResponse_Critique{Critique: c}})
}
