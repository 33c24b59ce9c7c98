package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/llm"
)

func newCache(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "cache", Short: "Show or clear the judge's replies on disk (they hold quotes from answers)"}
	c.AddCommand(&cobra.Command{
		Use:     "path",
		Short:   "Print the folder",
		Example: "  grader cache path",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := llm.DefaultCacheDir()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(g.out, dir)
			return err
		},
	}, &cobra.Command{
		Use:     "clear",
		Short:   "Remove every reply",
		Example: "  grader cache clear",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := llm.DefaultCacheDir()
			if err != nil {
				return err
			}
			files, bytes, err := llm.ClearCache(dir)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(g.out, "removed %d files, %.1f MB\n", files, float64(bytes)/(1<<20))
			return err
		},
	})
	return c
}
