package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/rubrics"
)

// Exit codes, as the help of every command lists them.
const (
	exitOther       = 1
	exitUsage       = 2
	exitUngradable  = 3
	exitJudge       = 4
	exitFindings    = 5
	exitErrorLines  = 6
	exitInterrupted = 130
)

const exitHelp = `
Exit status: 0 done; 1 anything else; 2 bad usage or input; 3 ungradable (single grade); 4 a required judge failed;
5 lint findings or failed cases; 6 a batch that finished with error lines; 130 interrupted.`

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitError is an error with the exit code that it ends the program with. An empty message prints nothing.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// globals are the flags of every command.
type globals struct {
	streams
	banks []string
}

func run(ctx context.Context, s streams, args []string) int {
	root := newRoot(&globals{streams: s})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitCode(ctx, err)
	msg := err.Error()
	if msg == context.Canceled.Error() {
		msg = "interrupted"
	}
	if msg != "" {
		fmt.Fprintf(s.err, "grader: %s\n", msg)
	}
	return code
}

func exitCode(ctx context.Context, err error) int {
	var e *exitError
	var list diag.List
	switch {
	case errors.As(err, &e):
		return e.code
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, rubric.ErrUnknownQuestion), errors.Is(err, rubric.ErrUnknownPoint), errors.Is(err, rubric.ErrNoBank), errors.As(err, &list):
		return exitUsage
	}
	return exitOther
}

// kinds says what a flag takes.
var kinds = map[string]string{"bool": "true or false", "int": "a whole number", "float64": "a number", "duration": "a time such as 30s", "string": "text", "stringArray": "text"}

func newRoot(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:   "grader",
		Short: "Grade spoken or typed interview answers against rubric points",
		Long:  "Grade spoken or typed interview answers against rubric points: every verdict carries a quote from the answer.",
		Example: `  grader questions
  grader grade event-loop-phases answer.txt`,
		Version:       engineVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetIn(g.in)
	root.SetOut(g.out)
	root.SetErr(g.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
			return usagef("--%s cannot be %q: it takes %s; see %s --help", bad.GetFlag().Name, bad.GetValue(), kinds[bad.GetFlag().Value.Type()], c.CommandPath())
		}
		return usagef("%w; see %s --help", err, c.CommandPath())
	})
	root.Flags().Bool("version", false, "print the version of the program")
	root.PersistentFlags().StringArrayVar(&g.banks, "bank", nil, "a folder with a bank of questions, instead of the built-in one (repeatable)")
	root.AddCommand(newExplain(g), newRubric(g), newCalibrate(g), newVersion(g), newGrade(g), newQuestions(g), newDoctor(g), newCache(g))
	root.AddCommand(newBatch(g))
	root.AddCommand(newServe(g), newConfig(g))
	root.AddCommand(newTranscribe(g), newInterview(g), newReport(g), newReview(g))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range allCommands(root) {
		finish(c)
	}
	return root
}

// finish gives a command the exit status list in its help, and an error of its own for wrong arguments.
func finish(c *cobra.Command) {
	if c.Long == "" {
		c.Long = c.Short + "."
	}
	c.Long = strings.TrimSpace(c.Long) + "\n" + exitHelp
	switch {
	case c.Name() == "help":
		c.Example = "  grader help grade"
		c.Args = func(c *cobra.Command, args []string) error {
			if found, rest, err := c.Root().Find(args); err != nil || found == c.Root() && len(rest) > 0 {
				return usagef("no help for %q; grader --help lists the commands", strings.Join(args, " "))
			}
			return nil
		}
	case c.Runnable():
		wrapArgs(c)
	default:
		c.Args, c.RunE = cobra.ArbitraryArgs, func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			advice := ""
			c.SuggestionsMinimumDistance = 2
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				advice = "did you mean " + strings.Join(near, ", ") + "? "
			}
			return usagef("unknown command %q; %ssee %s --help", args[0], advice, c.CommandPath())
		}
	}
	if c.Example == "" {
		c.Example = examples(c)
	}
}

// examples are those of a command's subcommands, or the bare command.
func examples(c *cobra.Command) string {
	var lines []string
	for _, sub := range c.Commands() {
		if line, _, _ := strings.Cut(sub.Example, "\n"); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return "  " + c.CommandPath()
	}
	return strings.Join(lines, "\n")
}

func allCommands(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		out = append(out, allCommands(sub)...)
	}
	return out
}

// wrapArgs makes a wrong number of arguments a usage error.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		switch {
		case err == nil:
			return nil
		case check(c, nil) == nil && check(c, []string{""}) != nil:
			return usagef("%s takes no argument such as %q; see %s --help", c.CommandPath(), args[0], c.CommandPath())
		}
		return usagef("%w; usage: %s", err, c.UseLine())
	}
}

// openBanks opens the banks of --bank, or the built-in one.
func (g *globals) openBanks() ([]*rubric.Bank, error) {
	if len(g.banks) == 0 {
		b, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
		if err != nil {
			return nil, fmt.Errorf("built-in bank: %w", err)
		}
		return []*rubric.Bank{b}, nil
	}
	var out []*rubric.Bank
	for _, dir := range g.banks {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, usagef("--bank %q is no folder; give the folder that holds bank.yaml", dir)
		}
		b, err := rubric.Open(os.DirFS(dir), dir)
		if errors.Is(err, rubric.ErrNoBank) {
			return nil, usagef("--bank %s holds no bank.yaml; give the folder of a bank", dir)
		}
		if err != nil {
			return nil, err
		}
		for _, o := range out {
			if o.ID == b.ID {
				return nil, usagef("two banks have the id %q; change one", b.ID)
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// program finds and compiles a question.
func (s graderSet) program(id string) (*rubric.Question, *check.Program, error) {
	g, q, err := s.find(id)
	if err != nil {
		return nil, nil, err
	}
	return g.Question(q.ID)
}
