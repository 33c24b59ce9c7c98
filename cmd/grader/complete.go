package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completeQuestion offers question ids as the first argument, and files as the second one where there can be one.
func (g *globals) completeQuestion(files bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			if files && len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		banks, err := g.once().openBanks()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var out []cobra.Completion
		for _, b := range banks {
			for _, id := range b.IDs() {
				if !strings.HasPrefix(id, start) {
					continue
				}
				title := ""
				if q, err := b.Question(id); err == nil {
					title = q.Title
				}
				out = append(out, cobra.CompletionWithDesc(id, title))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// once is g with every bank once: cobra reads the flags twice when it completes.
func (g *globals) once() *globals {
	out := *g
	out.banks = nil
	for _, b := range g.banks {
		if !slices.Contains(out.banks, b) {
			out.banks = append(out.banks, b)
		}
	}
	return &out
}

// completePoint offers the points and misconceptions of the question that stands before the flag.
func (g *globals) completePoint(_ *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	graders, err := g.once().graders()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	_, q, err := graders.find(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []cobra.Completion
	add := func(id, statement string) {
		if strings.HasPrefix(id, start) {
			out = append(out, cobra.CompletionWithDesc(id, statement))
		}
	}
	for i := range q.Points {
		add(q.Points[i].ID, q.Points[i].Statement)
	}
	for i := range q.Misconceptions {
		add(q.Misconceptions[i].ID, q.Misconceptions[i].Statement)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeFlag registers what a flag of a command can be.
func completeFlag(c *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil { // only if the flag is not there
		panic(err)
	}
}

func oneOf(values ...cobra.Completion) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}
