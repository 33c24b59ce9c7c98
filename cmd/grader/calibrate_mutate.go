package main

import (
	"context"
	"fmt"
	"io"
	"regexp"

	"golang.org/x/sync/errgroup"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/mutate"
	"github.com/vivagrader/grader/internal/rubric"
)

// mutantRow is how many mutants of a kind a witness noticed, or, for edits that change nothing, sat through.
type mutantRow struct {
	Kind     mutate.Kind `json:"kind"`
	Mutants  int         `json:"mutants"`
	Keywords int         `json:"keywords"`           // right by keywords alone
	Together *int        `json:"together,omitempty"` // right with the judge
}

// mutant is one edited answer of one point.
type mutant struct {
	mutate.Mutant
	sample   *sample
	point    int
	keywords grade.Decision
	together grade.Decision
}

var ordered = regexp.MustCompile(`(?i)\b(?:before|after|ahead|order|first|beat)\b`)

// mutants edits every labelled answer at the points that are labelled met, that keywords find, and that rest on one quote.
func mutants(samples []*sample) []*mutant {
	var out []*mutant
	for _, s := range samples {
		c, err := s.grader.Grade(s.question.ID, s.answer())
		if err != nil {
			continue
		}
		for i := range c.Points {
			p := &c.Points[i]
			if s.labels.Points[p.ID] != "met" || p.Decision != grade.Met || len(p.Evidence) != 1 {
				continue
			}
			kind := rubric.Kind(p.Kind)
			name := kind == rubric.KindFunction || kind == rubric.KindFlag || kind == rubric.KindTool
			for _, m := range mutate.Of(s.Text, byteSpan(s.Text, p.Evidence[0]), name, kind == rubric.KindNumber) {
				if m.Kind == mutate.OrderSwap && !ordered.MatchString(p.Statement) {
					continue
				}
				out = append(out, &mutant{Mutant: m, sample: s, point: i})
			}
		}
	}
	return out
}

// byteSpan turns code points into bytes.
func byteSpan(text string, e grade.Evidence) canon.Span {
	r := []rune(text)
	return canon.Span{Start: len(string(r[:e.Start])), End: len(string(r[:e.End]))}
}

// right reports whether a decision on the mutant is the one that the edit asks for.
func (m *mutant) right(d grade.Decision) bool {
	switch m.Kind {
	case mutate.NameDeleted:
		return d != grade.Met
	case mutate.NameSpoken, mutate.Attack:
		return d == grade.Met
	default:
		return d.Credit() == 0
	}
}

// mutationRows grades all mutants and counts by kind.
func mutationRows(ctx context.Context, samples []*sample, j *app.Judge, concurrency int) ([]mutantRow, error) {
	all := mutants(samples)
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(concurrency)
	for _, m := range all {
		work.Go(func() error {
			a := m.sample.answer()
			a.Text = m.Text
			c, err := gradeOne(ctx, m.sample.grader, m.sample.question.ID, a, j)
			if err != nil {
				return err
			}
			p := &c.Points[m.point]
			m.keywords, m.together = p.Decision, p.Decision
			if p.Judge != nil {
				m.keywords = p.Check.Decision
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	var rows []mutantRow
	for _, k := range mutate.Kinds() {
		row, together := mutantRow{Kind: k}, 0
		for _, m := range all {
			if m.Kind != k {
				continue
			}
			row.Mutants++
			if m.right(m.keywords) {
				row.Keywords++
			}
			if m.right(m.together) {
				together++
			}
		}
		if j != nil {
			row.Together = &together
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func printMutants(w io.Writer, rows []mutantRow) {
	if rows == nil {
		return
	}
	fmt.Fprintf(w, "\n%-24s %8s %10s %10s\n", "mutants noticed", "mutants", "keywords", "together")
	for _, r := range rows {
		together := "-"
		if r.Together != nil {
			together = percentOf(*r.Together, r.Mutants)
		}
		fmt.Fprintf(w, "%-24s %8d %10s %10s\n", r.Kind, r.Mutants, percentOf(r.Keywords, r.Mutants), together)
	}
}

func percentOf(n, all int) string {
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(all))
}
