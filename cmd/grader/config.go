package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func newConfig(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Show and check the configuration of serve"}
	c.AddCommand(newConfigPrint(g), newConfigCheck(g), newConfigKey(g))
	return c
}

func newConfigPrint(g *globals) *cobra.Command {
	f := &serveFlags{}
	var asJSON bool
	c := &cobra.Command{
		Use:     "print",
		Short:   "Print the configuration that serve would use, without its secrets",
		Long:    "Print the configuration that serve would use with the same flags, variables and file, as a file and without its secrets.",
		Example: "  grader config print --config grader.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := f.load(g)
			if err != nil {
				return err
			}
			text, err := cfg.YAML()
			if err != nil {
				return err
			}
			if asJSON {
				return g.printYAMLAsJSON(text)
			}
			_, err = g.out.Write(text)
			return err
		},
	}
	f.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func (g *globals) printYAMLAsJSON(text []byte) error {
	var v map[string]any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return err
	}
	enc := json.NewEncoder(g.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func newConfigCheck(g *globals) *cobra.Command {
	f := &serveFlags{}
	var asJSON bool
	c := &cobra.Command{
		Use:     "check",
		Short:   "Say everything that is wrong with the configuration of serve",
		Example: "  grader config check --config grader.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := g.newApp(f); err != nil {
				return err
			}
			if asJSON {
				fmt.Fprintln(g.out, `{"ok":true}`)
				return nil
			}
			fmt.Fprintln(g.out, "the configuration is good")
			return nil
		},
	}
	f.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func newConfigKey(g *globals) *cobra.Command {
	var name string
	var asJSON bool
	c := &cobra.Command{
		Use:   "key",
		Short: "Make an API key, and the lines for it in the configuration",
		Long: `Make an API key, and the lines for it in the configuration. The key is shown once: give it to who will use it. The
configuration holds its digest only.`,
		Example: "  grader config key --name frontend",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			secret := "gk_" + rand.Text()
			digest := sha256.Sum256([]byte(secret))
			if asJSON {
				line, err := json.Marshal(map[string]string{"name": name, "key": secret, "sha256": hex.EncodeToString(digest[:])})
				if err != nil {
					return err
				}
				fmt.Fprintf(g.out, "%s\n", line)
				return nil
			}
			fmt.Fprintf(g.out, "# the key, shown once: %s\nkeys:\n  - name: %s\n    sha256: %s\n    scopes: [grade]\n", secret, name, hex.EncodeToString(digest[:]))
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "frontend", "the key's name in the log")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}
