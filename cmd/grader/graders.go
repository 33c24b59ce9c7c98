package main

import (
	"errors"
	"strings"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

// graderSet finds the grader of a question among the banks.
type graderSet []*grade.Grader

func (g *globals) graders() (graderSet, error) {
	banks, err := g.openBanks()
	if err != nil {
		return nil, err
	}
	out := make(graderSet, len(banks))
	for i, b := range banks {
		out[i] = grade.New(b, engineVersion())
	}
	return out, nil
}

// find returns the grader and the question for an id, bare or with its bank's id before it. Without any, the error is
// that of the bank with the nearest ids.
func (s graderSet) find(id string) (*grade.Grader, *rubric.Question, error) {
	var unknown *rubric.UnknownQuestionError
	for _, g := range s {
		if prefix, _, ok := strings.Cut(id, "/"); ok && prefix != g.Bank().ID && len(s) > 1 {
			continue
		}
		q, err := g.Bank().Question(id)
		if u, ok := errors.AsType[*rubric.UnknownQuestionError](err); ok {
			if unknown == nil || len(unknown.Nearest) == 0 {
				unknown = u
			}
			continue
		}
		return g, q, err
	}
	if unknown == nil {
		unknown = &rubric.UnknownQuestionError{ID: id}
	}
	return nil, nil, unknown
}
