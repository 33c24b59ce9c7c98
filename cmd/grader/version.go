package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by release builds.
var version string

// engineVersion is the version in receipts: the release's, else the module's, else the commit's.
func engineVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func newVersion(g *globals) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of the program and of its banks",
		Example: "  grader version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			banks, err := g.openBanks()
			if err != nil {
				return err
			}
			ids := map[string]string{}
			for _, b := range banks {
				ids[b.ID] = b.Version
			}
			if asJSON {
				line, err := json.Marshal(map[string]any{"version": engineVersion(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "banks": ids})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(g.out, "%s\n", line)
				return err
			}
			fmt.Fprintf(g.out, "grader %s (%s, %s/%s)\n", engineVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			for _, b := range banks {
				fmt.Fprintf(g.out, "bank %s %s\n", b.ID, b.Version)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}
