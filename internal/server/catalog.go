package server

import (
	"errors"
	"slices"
	"strings"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

// Catalog is the banks that are served, loaded and compiled as a whole. It never changes: a reload swaps it.
type Catalog struct {
	graders   []*grade.Grader // by the id of the bank
	questions []*rubric.Question
	version   string // tells page tokens of two catalogs apart
}

// NewCatalog loads and compiles every question of the graders' banks. Mistakes of all files come together as a
// diag.List.
func NewCatalog(graders []*grade.Grader) (*Catalog, error) {
	c := &Catalog{graders: slices.Clone(graders)}
	slices.SortFunc(c.graders, func(a, b *grade.Grader) int { return strings.Compare(a.Bank().ID, b.Bank().ID) })
	var mistakes diag.List
	for _, g := range c.graders {
		questions, err := g.Bank().Questions()
		if l, ok := errors.AsType[diag.List](err); ok {
			mistakes = append(mistakes, l...)
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, q := range questions {
			_, _, err := g.Question(q.ID)
			if l, ok := errors.AsType[diag.List](err); ok {
				mistakes = append(mistakes, l...)
			} else if err != nil {
				return nil, err
			}
			c.version += q.Hash[:8]
		}
		c.questions = append(c.questions, questions...)
	}
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Banks returns the banks by their ids.
func (c *Catalog) Banks() []*rubric.Bank {
	out := make([]*rubric.Bank, len(c.graders))
	for i, g := range c.graders {
		out[i] = g.Bank()
	}
	return out
}

func (c *Catalog) grader(bank string) (*grade.Grader, error) {
	for _, g := range c.graders {
		if g.Bank().ID == bank {
			return g, nil
		}
	}
	return nil, refuse(graderv1.ErrorReason_BANK_NOT_FOUND, "unknown bank %q; GET /v1/banks lists them", bank)
}

// find returns a question with its grader. The bank is given apart, before the id, or not at all.
func (c *Catalog) find(bank, id string) (*grade.Grader, *rubric.Question, error) {
	if prefix, rest, ok := strings.Cut(id, "/"); ok {
		if bank != "" && bank != prefix {
			return nil, nil, badField(graderv1.ErrorReason_BANK_MISMATCH, "question_id", "the bank is "+bank+", the question id says "+prefix)
		}
		bank, id = prefix, rest
	}
	if bank != "" {
		g, err := c.grader(bank)
		if err != nil {
			return nil, nil, err
		}
		q, err := g.Bank().Question(id)
		return g, q, err
	}
	return c.findAnywhere(id)
}

func (c *Catalog) findAnywhere(id string) (*grade.Grader, *rubric.Question, error) {
	var found *grade.Grader
	var question *rubric.Question
	unknown := &rubric.UnknownQuestionError{ID: id}
	for _, g := range c.graders {
		q, err := g.Bank().Question(id)
		if e, ok := errors.AsType[*rubric.UnknownQuestionError](err); ok {
			if len(unknown.Nearest) == 0 {
				unknown = e
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if found != nil {
			return nil, nil, badField(graderv1.ErrorReason_QUESTION_AMBIGUOUS, "question_id", "both "+found.Bank().ID+" and "+g.Bank().ID+" have it; name the bank")
		}
		found, question = g, q
	}
	if found == nil {
		return nil, nil, unknown
	}
	return found, question, nil
}
