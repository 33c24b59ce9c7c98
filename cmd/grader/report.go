package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/report"
)

func newReport(g *globals) *cobra.Command {
	var anonymous bool
	c := &cobra.Command{
		Use:   "report DIR",
		Short: "Write the reports of interviews again",
		Long: `Write the reports of interviews again, from the results that interview and review left in DIR: a page for each
interview, one over all of them (DIR/report/index.html), and candidates.csv and points.csv beside it. The pages need no
other file and no network, can be printed, and play quotes from a recording that the reader chooses.

With --anonymous numbers stand in the place of candidates' names and file names, in what was said too, and the pages go to
DIR/report-anonymous. Names that neither a speaker's label nor a file's name tells stay: read before you share.`,
		Example: `  grader report results
  grader report results --anonymous`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			graders, err := g.graders()
			if err != nil {
				return err
			}
			index, err := report.Write(args[0], report.Options{Question: graders.question, Anonymous: anonymous})
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, report.ErrResults) {
				return usagef("%s; give the folder that interview wrote", reason(err))
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(g.out, index)
			return err
		},
	}
	c.Flags().BoolVar(&anonymous, "anonymous", false, "numbers in the place of names and file names, for reports that are shared")
	return c
}
