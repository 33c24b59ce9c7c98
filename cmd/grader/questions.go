package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/wire"
)

type questionsFlags struct {
	rubric   bool
	category string
	stage    string
	json     bool
}

func newQuestions(g *globals) *cobra.Command {
	var f questionsFlags
	c := &cobra.Command{
		Use:     "questions",
		Short:   "List the questions, or show one",
		Example: "  grader questions\n  grader questions list --category streams\n  grader questions show backpressure",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return g.listQuestions(f) },
	}
	flags := func(c *cobra.Command) {
		c.Flags().StringVar(&f.category, "category", "", "only this category")
		c.Flags().StringVar(&f.stage, "stage", "", "only this stage: screen, deep-dive or system-design")
		c.Flags().BoolVar(&f.json, "json", false, "one JSON object a line")
		completeFlag(c, "stage", oneOf("screen", "deep-dive", "system-design"))
	}
	flags(c)
	l := &cobra.Command{Use: "list", Short: "List the questions", Example: "  grader questions list --stage screen", Args: cobra.NoArgs, RunE: c.RunE}
	flags(l)
	s := &cobra.Command{
		Use:     "show QUESTION",
		Short:   "Show one question, without what would give the answer away",
		Example: "  grader questions show backpressure\n  grader questions show backpressure --rubric",
		Args:    cobra.ExactArgs(1),

		ValidArgsFunction: g.completeQuestion(false),
		RunE:              func(_ *cobra.Command, args []string) error { return g.showQuestion(args[0], f) },
	}
	s.Flags().BoolVar(&f.rubric, "rubric", false, "the points, misconceptions and the model answer too")
	s.Flags().BoolVar(&f.json, "json", false, "one JSON object")
	c.AddCommand(l, s)
	return c
}

func (g *globals) listQuestions(f questionsFlags) error {
	banks, err := g.openBanks()
	if err != nil {
		return err
	}
	n := 0
	for _, b := range banks {
		questions, err := b.Questions()
		if err != nil {
			return err
		}
		for _, q := range questions {
			if f.category != "" && q.Category != f.category || f.stage != "" && q.Stage != f.stage {
				continue
			}
			n++
			if f.json {
				if err := g.printQuestion(q, false); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(g.out, "%2d  %-34s %-20s %-13s %s\n", q.Number, q.ID, q.Category, q.Stage, q.Title)
		}
	}
	if n == 0 && (f.category != "" || f.stage != "") {
		return usagef("no question has this category and stage; grader questions lists them all")
	}
	return nil
}

func (g *globals) printQuestion(q *rubric.Question, full bool) error {
	line, err := wire.Marshal(wire.Question(q, full))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(g.out, "%s\n", line)
	return err
}

func (g *globals) showQuestion(id string, f questionsFlags) error {
	graders, err := g.graders()
	if err != nil {
		return err
	}
	_, q, err := graders.find(id)
	if err != nil {
		return err
	}
	if f.json {
		return g.printQuestion(q, f.rubric)
	}
	fmt.Fprintf(g.out, "%s (%s, %s, about %d s)\n\n%s\n", q.Title, q.Category, q.Stage, q.ExpectSeconds, q.Prompt)
	if !f.rubric {
		return nil
	}
	fmt.Fprintln(g.out, "\nPoints")
	for i := range q.Points {
		p := &q.Points[i]
		fmt.Fprintf(g.out, "  %s (%s, weight %d)\n    %s\n", p.ID, p.Kind, p.Weight, p.Statement)
		for _, a := range p.Accept {
			fmt.Fprintf(g.out, "    also: %s\n", a)
		}
	}
	if len(q.Misconceptions) > 0 {
		fmt.Fprintln(g.out, "\nMisconceptions")
	}
	for i := range q.Misconceptions {
		m := &q.Misconceptions[i]
		fmt.Fprintf(g.out, "  %s (severity %d)\n    %s\n    %s\n", m.ID, m.Severity, m.Statement, m.WhyWrong)
	}
	fmt.Fprintf(g.out, "\nFollow-up\n  %s\n", q.FollowUp)
	if q.ModelAnswer != "" {
		fmt.Fprintf(g.out, "\nModel answer\n  %s\n", strings.ReplaceAll(q.ModelAnswer, "\n", "\n  "))
	}
	return nil
}
