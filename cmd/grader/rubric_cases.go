package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/cases"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/rubric"
)

type casesFlags struct {
	filter   string
	coverage bool
	json     bool
	summary  bool
}

func newRubricTest(g *globals) *cobra.Command {
	var f casesFlags
	c := &cobra.Command{
		Use:   "test",
		Short: "Run the cases that stand beside the questions, offline",
		Example: `  grader rubric test
  grader rubric test --filter event-loop --coverage`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return g.runCases(f) },
	}
	c.Flags().StringVar(&f.filter, "filter", "", "only questions, or QUESTION/CASE names, that contain this")
	c.Flags().BoolVar(&f.coverage, "coverage", false, "list the points without a met or a missed case")
	c.Flags().BoolVar(&f.json, "json", false, "one object a line for every case")
	c.Flags().BoolVar(&f.summary, "summary", false, "a line for every point instead of one for every failed case")
	return c
}

func matching(filter string) func(string) bool {
	return func(s string) bool { return strings.Contains(s, filter) }
}

type tally struct{ run, failed, judge int }

func (g *globals) runCases(f casesFlags) error {
	graders, err := g.graders()
	if err != nil {
		return err
	}
	var total tally
	questions := 0
	for _, gr := range graders {
		b := gr.Bank()
		for _, id := range b.IDs() {
			if q, _, _ := strings.Cut(f.filter, "/"); !strings.Contains(id, q) {
				continue
			}
			questions++
			q, p, err := graders.program(b.ID + "/" + id)
			if err != nil {
				return err
			}
			if err := g.questionCases(q, p, f, &total); err != nil {
				return err
			}
		}
	}
	if question, _, one := strings.Cut(f.filter, "/"); questions == 0 {
		return noneMatches(question)
	} else if one && total.run == 0 {
		return usagef("no case's name contains %q; a name is QUESTION/TARGET/DECISION/NUMBER, as --json shows", f.filter)
	}
	if total.failed > 0 {
		return &exitError{exitFindings, fmt.Errorf("%d of %d cases failed; grader explain shows why a check did or did not match", total.failed, total.run)}
	}
	if !f.json {
		fmt.Fprintf(g.out, "%d cases passed, %d of them left to a judge\n", total.run, total.judge)
	}
	return nil
}

func (g *globals) questionCases(q *rubric.Question, p *check.Program, f casesFlags, total *tally) error {
	cs, err := cases.Load(q)
	if err != nil {
		return err
	}
	results := cases.Run(q, p, cs)
	if f.summary {
		g.summary(q, results)
	}
	for _, r := range results {
		name := q.ID + "/" + r.Name
		if strings.Contains(f.filter, "/") && !strings.Contains(name, f.filter) {
			continue
		}
		total.run++
		if r.Needs == cases.NeedsJudge {
			total.judge++
		}
		if !r.OK {
			total.failed++
		}
		switch {
		case f.json:
			line, err := json.Marshal(map[string]any{"question": r.Question, "name": r.Name, "line": r.Line, "target": r.Target, "want": r.Want, "got": r.Got, "needs": r.Needs, "ok": r.OK})
			if err != nil {
				return err
			}
			fmt.Fprintf(g.out, "%s\n", line)
		case !r.OK && !f.summary:
			if r.Needs == cases.NeedsJudge {
				fmt.Fprintf(g.out, "%s:%d: %s: keywords decide this one now (%s); remove \"needs: judge\"\n", q.Bank.Path(q.ID+"_test.yaml"), r.Line, r.Name, r.Got)
				continue
			}
			fmt.Fprintf(g.out, "%s:%d: %s: want %s, got %s: %s\n", q.Bank.Path(q.ID+"_test.yaml"), r.Line, r.Name, r.Want, r.Got, shorten(r.Text, 160))
		}
	}
	if f.coverage {
		g.coverage(q, results)
	}
	return nil
}

// coverage: a statement is a met case and its denial a missed one, which lint runs for every point.
func (g *globals) coverage(q *rubric.Question, results []cases.Result) {
	for i := range q.Points {
		met, missed := 1, 1
		for _, r := range results {
			if r.Target == q.Points[i].ID {
				switch r.Want {
				case "met":
					met++
				case "missed", "contradicted":
					missed++
				}
			}
		}
		fmt.Fprintf(g.out, "%-60s %3d met %3d missed\n", q.ID+"/"+q.Points[i].ID, met, missed)
	}
}

// summary prints for every target how many cases of each expectation pass.
func (g *globals) summary(q *rubric.Question, results []cases.Result) {
	type key struct{ target, want string }
	count, ok := map[key]int{}, map[key]int{}
	var targets []string
	for _, r := range results {
		k := key{r.Target, r.Want}
		if count[key{r.Target, ""}] == 0 {
			targets = append(targets, r.Target)
		}
		count[key{r.Target, ""}]++
		count[k]++
		if r.OK {
			ok[k]++
		}
	}
	for _, t := range targets {
		fmt.Fprintf(g.out, "%-66s", q.ID+"/"+t)
		for _, w := range []string{"met", "partial", "missed", "contradicted", "asserted", "rejected", "absent"} {
			if n := count[key{t, w}]; n > 0 {
				fmt.Fprintf(g.out, " %s %d/%d", w, ok[key{t, w}], n)
			}
		}
		fmt.Fprintln(g.out)
	}
}
