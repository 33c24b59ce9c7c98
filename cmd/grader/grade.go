package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/render"
	"github.com/vivagrader/grader/internal/wire"
)

type gradeFlags struct {
	text        string
	spoken      bool
	modelAnswer bool
	json        bool
	judge       judgeFlags
	voice       spokenFlags
	server      serverFlags
}

func newGrade(g *globals) *cobra.Command {
	var f gradeFlags
	c := &cobra.Command{
		Use:   "grade QUESTION [FILE|-]",
		Short: "Grade one answer and print the critique",
		Long: `Grade one answer and print the critique. The answer comes from --text, from a file, or from standard input; at a
terminal without any of these you are asked for it. Spoken answers are recordings, transcripts, or recorded on the spot.

With --server, a grader server grades, with its own banks, judge and recogniser; what is printed is the same.`,
		Example: `  grader grade event-loop-phases answer.txt
  grader grade event-loop-phases --text "Timers first, then pending callbacks, poll, check and close."
  pbpaste | grader grade event-loop-phases - --json
  grader grade event-loop-phases --record
  GRADER_SERVER_KEY=... grader grade event-loop-phases answer.txt --server grader.example.com:9090`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: g.completeQuestion(true),
		RunE: func(c *cobra.Command, args []string) error {
			return g.grade(c.Context(), args, f, c.Flags().Changed)
		},
	}
	c.Flags().StringVar(&f.text, "text", "", "the answer itself")
	c.Flags().BoolVar(&f.spoken, "spoken", false, "the answer is a transcript of speech")
	c.Flags().BoolVar(&f.modelAnswer, "model-answer", false, "print a model answer after the critique")
	c.Flags().BoolVar(&f.json, "json", false, "the critique as one JSON object")
	f.judge.add(c)
	f.voice.add(c)
	f.server.add(c)
	return c
}

func (g *globals) grade(ctx context.Context, args []string, f gradeFlags, given func(flag string) bool) error {
	e, use, err := g.engine(f.judge, &f.voice.speech, f.server, given)
	if err != nil {
		return err
	}
	defer e.close()
	q, err := e.question(ctx, args[0], f.modelAnswer)
	if err != nil {
		return err
	}
	a, err := g.submission(ctx, e, args[1:], f, given("text"), q.Prompt)
	if err != nil {
		return err
	}
	c, err := e.grade(ctx, q, a)
	if err != nil {
		return err
	}
	text := a.answer.Text
	if c.Transcript != nil {
		text = c.Transcript.Text
	}
	if err := g.printCritique(c, q.Title, q.ModelAnswer, text, f); err != nil {
		return err
	}
	if c.State == grade.Ungradable {
		return &exitError{exitUngradable, fmt.Errorf("not graded: %s Give an answer in words to: %s", c.Summary, q.Prompt)}
	}
	if use == judgeRequired && c.State == grade.Degraded {
		return &exitError{exitJudge, fmt.Errorf("the judge at %s failed (%s); the critique above rests on keywords alone; grader doctor says what to fix", c.Receipt.JudgeEndpoint, strings.ToLower(string(c.Reasons[len(c.Reasons)-1])))}
	}
	return nil
}

// submission reads the answer, or asks for it.
func (g *globals) submission(ctx context.Context, e engine, args []string, f gradeFlags, textGiven bool, prompt string) (*submission, error) {
	switch {
	case f.voice.given() && (textGiven || len(args) > 0):
		return nil, usagef("give the answer once: --text, a file, --audio, --transcript or --record")
	case f.voice.given():
		return g.spoken(ctx, e, &f.voice, prompt)
	}
	text, err := g.answerText(args, f.text, textGiven, prompt+"\n\nType your answer")
	a := grade.Answer{Text: text, Modality: grade.Typed}
	if f.spoken {
		a.Modality = grade.Spoken
	}
	return &submission{answer: a}, err
}

func (g *globals) printCritique(c *grade.Critique, title, model, text string, f gradeFlags) error {
	if f.json {
		line, err := wire.Marshal(wire.Critique(c))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	o := render.Options{Title: title, Text: text}
	o.Width, o.Color = terminalStyle(g.out)
	if f.modelAnswer {
		o.ModelAnswer = model
	}
	o.Hint = judgeHint(c)
	return render.Critique(g.out, c, o)
}

func terminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalStyle is the width of a terminal and whether it wants colour: NO_COLOR (no-color.org) says no.
func terminalStyle(w io.Writer) (width int, color bool) {
	if !terminal(w) {
		return 0, false
	}
	width, _, err := term.GetSize(int(w.(*os.File).Fd()))
	if err != nil {
		width = 0
	}
	return width, os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
