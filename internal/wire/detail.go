package wire

import (
	"fmt"
	"slices"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// Reduce leaves in a critique what the level of detail holds, in place, and returns it. It is the one place where
// something is taken out: COACH is everything, CANDIDATE what a learner needs after answering, SCORE nothing of the
// rubric. Any other level counts as SCORE.
func Reduce(c *graderv1.Critique, level graderv1.Detail_Value) *graderv1.Critique {
	switch level {
	case graderv1.Detail_COACH:
	case graderv1.Detail_CANDIDATE:
		reduceToCandidate(c)
	default:
		reduceToScore(c)
	}
	return c
}

func reduceToCandidate(c *graderv1.Critique) {
	for _, p := range c.Points {
		ReducePoint(p, graderv1.Detail_CANDIDATE)
	}
	c.Misconceptions = slices.DeleteFunc(c.Misconceptions, func(m *graderv1.MisconceptionDecision) bool {
		return m.Decision != graderv1.MisconceptionDecision_ASSERTED
	})
	c.Habits = slices.DeleteFunc(c.Habits, func(h *graderv1.HabitDecision) bool {
		return h.Decision != graderv1.HabitDecision_PRESENT
	})
	if c.State == graderv1.Critique_UNGRADABLE { // nobody has answered yet
		c.FollowUp = ""
	}
}

// ReducePoint leaves in a point what the level of detail holds, in place, and returns it; nil for SCORE, which holds no
// points.
func ReducePoint(p *graderv1.PointDecision, level graderv1.Detail_Value) *graderv1.PointDecision {
	switch level {
	case graderv1.Detail_COACH:
	case graderv1.Detail_CANDIDATE:
		p.Witnesses = nil
	default:
		return nil
	}
	return p
}

func reduceToScore(c *graderv1.Critique) {
	c.Summary = scoreSummary(c)
	c.Points, c.Misconceptions, c.Habits, c.Sentences = nil, nil, nil, nil
	c.Transcript, c.Delivery, c.NextSteps, c.FollowUp = nil, nil, nil, ""
}

// scoreSummary says in figures what the full summary says in the rubric's words.
func scoreSummary(c *graderv1.Critique) string {
	if c.State == graderv1.Critique_UNGRADABLE {
		return c.Summary // says only what is wrong with the text
	}
	met, partly := 0, 0
	for _, p := range c.Points {
		switch p.Decision {
		case graderv1.PointDecision_MET:
			met++
		case graderv1.PointDecision_PARTIAL:
			partly++
		default:
		}
	}
	if partly > 0 {
		return fmt.Sprintf("%d of %d points met, %d partly.", met, len(c.Points), partly)
	}
	return fmt.Sprintf("%d of %d points met.", met, len(c.Points))
}
