package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/report"
	"github.com/vivagrader/grader/internal/review"
	"github.com/vivagrader/grader/internal/rubric"
)

type reviewFlags struct {
	answers, labels, reviewer string
	list, json                bool
}

func newReview(g *globals) *cobra.Command {
	var f reviewFlags
	c := &cobra.Command{
		Use:   "review RESULTS",
		Short: "Settle doubtful decisions by hand",
		Long: `Settle the doubtful decisions of batch run or interview by hand: what neither witness could tell, what the witnesses
disagree on, quotes of the judge that are not in the answer, what keywords alone charge, and half credit that is a close
call. Each is shown with the answer; one key decides, and each decision is saved at once. The machine's decision stays
beside it, the score is computed again, and reports that are there are written again.

RESULTS is what batch run wrote as JSON Lines, or the folder of interview. At a terminal press a key; otherwise standard
input holds a line for each decision that is asked for: a key, and behind it a note if you like.`,
		Example: `  grader review out
  grader review results.jsonl --answers answers.jsonl --labels labels.jsonl
  grader review results.jsonl --list`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return g.review(c.Context(), args[0], f) },
	}
	c.Flags().StringVar(&f.answers, "answers", "", "the input of the batch, to show the answers (those of interviews are in the results)")
	c.Flags().StringVar(&f.labels, "labels", "", "write what is settled to a new file, as labels for calibrate")
	c.Flags().StringVar(&f.reviewer, "reviewer", "", "your name, written beside your decisions")
	c.Flags().BoolVar(&f.list, "list", false, "print what is doubtful and decide nothing")
	c.Flags().BoolVar(&f.json, "json", false, "the list as JSON, one object a line")
	return c
}

func (g *globals) review(ctx context.Context, name string, f reviewFlags) error {
	graders, err := g.graders()
	if err != nil {
		return err
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		name = filepath.Join(name, report.ResultsFile)
	}
	if f.list || f.json {
		if f.labels != "" {
			return usagef("--list decides nothing; leave out --labels, or --list")
		}
		file, err := review.Read(name, graders.question)
		if err != nil {
			return reviewError(err)
		}
		return g.listDoubts(file, f.json)
	}
	if f.labels != "" {
		if _, err := os.Lstat(f.labels); !errors.Is(err, fs.ErrNotExist) {
			return usagef("%s exists already; give --labels a new file", f.labels)
		}
	}
	answers, err := readAnswers(f.answers)
	if err != nil {
		return err
	}
	file, err := review.Open(name, graders.question)
	if err != nil {
		return reviewError(err)
	}
	width, color := terminalStyle(g.out)
	s := review.Session{File: file, Answers: answers, Reviewer: f.reviewer, Console: g.console(), Out: g.out, Width: width, Color: color}
	done, err := s.Run(ctx)
	if errors.Is(err, context.Canceled) {
		err = &exitError{exitInterrupted, errors.New("interrupted; what was decided is saved, run the same command to go on")}
	}
	return errors.Join(err, g.reviewed(file, graders, done, answers, f), file.Close())
}

// question returns a question, or nil where no bank has it.
func (s graderSet) question(id string) *rubric.Question {
	if id == "" {
		return nil
	}
	_, q, err := s.find(id)
	if err != nil {
		return nil
	}
	return q
}

func readAnswers(name string) (review.Answers, error) {
	if name == "" {
		return review.Answers{}, nil
	}
	answers, err := review.ReadAnswers(name)
	if err != nil {
		return nil, usagef("read --answers: %s; give the input of the batch", reason(err))
	}
	return answers, nil
}

// reviewError gives an error of the results its exit code, and says what to do.
func reviewError(err error) error {
	switch {
	case errors.Is(err, review.ErrBusy):
		return &exitError{exitOther, err}
	case errors.Is(err, fs.ErrPermission):
		return usagef("%s; review needs to write beside the results, --list does not", reason(err))
	}
	return usagef("%s; give the results of batch run as JSON Lines, or the folder of interview", reason(err))
}

// reviewed writes what follows from the decisions: reports and labels.
func (g *globals) reviewed(file *review.File, graders graderSet, done review.Outcome, answers review.Answers, f reviewFlags) error {
	fmt.Fprintf(g.err, "grader: %s saved, %s left to settle\n", plural(done.Saved, "decision"), plural(done.Left, "doubtful decision"))
	outdated(g, file)
	if done.Saved > 0 {
		if err := g.writeReports(file.Dir(), graders); err != nil {
			return fmt.Errorf("the decisions are saved, the reports are not: %w", err)
		}
	}
	if f.labels == "" {
		return nil
	}
	n, err := file.Labels(f.labels, answers)
	if err != nil {
		return fmt.Errorf("the decisions are saved, the labels are not: %w", err)
	}
	fmt.Fprintf(g.err, "grader: %s of labels written to %s\n", lineCount(n), f.labels)
	return nil
}

func outdated(g *globals, file *review.File) {
	if file.Outdated > 0 {
		fmt.Fprintf(g.err, "grader: %s with doubtful decisions left out: graded with other rubrics than the bank has now; grade again\n", plural(file.Outdated, "answer"))
	}
}

// writeReports writes the reports again that a folder of interviews has.
func (g *globals) writeReports(dir string, graders graderSet) error {
	for _, anonymous := range []bool{false, true} {
		folder := report.Folder
		if anonymous {
			folder = report.AnonymousFolder
		}
		if _, err := os.Stat(filepath.Join(dir, folder)); err != nil {
			continue
		}
		index, err := report.Write(dir, report.Options{Question: graders.question, Anonymous: anonymous})
		if err != nil {
			return err
		}
		fmt.Fprintf(g.err, "grader: %s written again\n", index)
	}
	return nil
}

// listedDoubt is a line of review --json.
type listedDoubt struct {
	Line          int             `json:"line"`
	ID            string          `json:"id"`
	QuestionID    string          `json:"questionId"`
	Point         string          `json:"point,omitempty"`
	Misconception string          `json:"misconception,omitempty"`
	Decision      string          `json:"decision"`
	Reasons       []review.Reason `json:"reasons"`
	Why           string          `json:"why"`
	Settled       string          `json:"settled,omitempty"`
	Note          string          `json:"note,omitempty"`
}

func (g *globals) listDoubts(file *review.File, asJSON bool) error {
	for _, it := range file.Items {
		l, _, d, err := file.Line(it)
		if err != nil {
			return err
		}
		row := listedDoubt{Line: file.Number(it), ID: l.Name(), QuestionID: l.QuestionID, Reasons: d.Reasons, Why: d.Why()}
		if it.Misconception {
			row.Misconception, row.Decision = it.ID, string(d.Misconception.Decision)
		} else {
			row.Point, row.Decision = it.ID, string(d.Point.Decision)
		}
		row.Settled, row.Note = l.Settled(it)
		if err := g.printDoubt(row, asJSON); err != nil {
			return err
		}
	}
	outdated(g, file)
	return nil
}

func (g *globals) printDoubt(row listedDoubt, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	settled := ""
	if row.Settled != "" {
		settled = ", settled: " + row.Settled
	}
	_, err := fmt.Fprintf(g.out, "%s  %s%s  %s%s\n    %s\n", review.Clean(row.ID), row.Point, row.Misconception, row.Decision, settled, row.Why)
	return err
}
