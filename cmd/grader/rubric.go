package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/rubric/lint"
)

func newRubric(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "rubric", Short: "Lint the bank and run its cases"}
	c.AddCommand(newRubricLint(g), newRubricTest(g))
	return c
}

type lintFlags struct {
	filter string
	format string
	json   bool
}

func newRubricLint(g *globals) *cobra.Command {
	var f lintFlags
	c := &cobra.Command{
		Use:   "lint",
		Short: "Report mistakes in rubric files, all of them at once",
		Example: `  grader rubric lint
  grader rubric lint --bank examples/http-caching --format github`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return g.lint(f) },
	}
	c.Flags().StringVar(&f.filter, "filter", "", "only questions whose id contains this")
	c.Flags().StringVar(&f.format, "format", "text", "text, json or github")
	c.Flags().BoolVar(&f.json, "json", false, "the same as --format json")
	completeFlag(c, "format", oneOf("text", "json", "github"))
	return c
}

func (g *globals) lint(f lintFlags) error {
	if f.json {
		f.format = "json"
	}
	if f.format != "text" && f.format != "json" && f.format != "github" {
		return usagef("unknown --format %q; use text, json or github", f.format)
	}
	banks, err := g.openBanks()
	var list diag.List
	if l, ok := errors.AsType[diag.List](err); ok {
		list = l
	} else if err != nil {
		return err
	}
	questions := 0
	for _, b := range banks {
		want := matching(f.filter)
		for _, id := range b.IDs() {
			if want(id) {
				questions++
			}
		}
		found, err := lint.Bank(b, want)
		if err != nil {
			return err
		}
		list = append(list, found...)
	}
	if len(banks) > 0 && questions == 0 {
		return noneMatches(f.filter)
	}
	for _, d := range list {
		switch f.format {
		case "json":
			line, err := json.Marshal(d)
			if err != nil {
				return err
			}
			fmt.Fprintf(g.out, "%s\n", line)
		case "github":
			fmt.Fprintf(g.out, "::%s file=%s,line=%d,col=%d::%s [%s]\n", d.Severity, d.File, d.Line, d.Column, d.Message, d.Rule)
		default:
			fmt.Fprintln(g.out, d)
		}
	}
	if len(list) > 0 {
		return &exitError{exitFindings, fmt.Errorf("%s; each line above says where and what to do", plural(len(list), "lint finding"))}
	}
	if f.format == "text" {
		fmt.Fprintf(g.out, "%s, no findings\n", plural(questions, "question"))
	}
	return nil
}

func noneMatches(filter string) error {
	if filter == "" {
		return usagef("the bank holds no questions; add one as ID.yaml beside bank.yaml")
	}
	return usagef("no question's id contains %q; grader questions lists them", filter)
}
