package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/llm"
)

func newServe(g *globals) *cobra.Command {
	f := &serveFlags{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API over gRPC and HTTP, and a page to try it",
		Long: `Serve the API over gRPC and HTTP, and a page to try it at /. Without a judge, answers are graded by keywords.

Each flag has a variable (--http-addr: GRADER_HTTP_ADDR) and a place in a YAML file; docs/config.md lists them all. A
flag wins over its variable, a variable over the file. SIGTERM drains: the service is no longer ready, takes nothing new
and finishes what is under way. SIGHUP reads the banks again, whole or not at all.`,
		Example: `  grader serve
  grader serve --judge-url http://127.0.0.1:11434/v1 --judge-model qwen2.5:7b
  grader serve --config grader.yaml --http-addr 0.0.0.0:443`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.serve(c.Context(), f) },
	}
	f.add(c)
	return c
}

// serveFlags are the settings that were given as flags, as text by name.
type serveFlags struct {
	file  string
	given map[string]string
}

func (f *serveFlags) add(c *cobra.Command) {
	f.given = map[string]string{}
	c.Flags().StringVar(&f.file, "config", "", "a YAML file with settings ("+config.FileVariable+")")
	for _, field := range config.Fields() {
		if field.Flag == "" || field.Own {
			continue
		}
		v := &settingValue{field: field, given: f.given}
		flag := c.Flags().VarPF(v, field.Flag, "", field.Doc)
		if field.Kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
}

// load puts the settings together. --bank belongs to every command, and wins over the file.
func (f *serveFlags) load(g *globals) (config.Serve, error) {
	cfg, err := config.Load(config.Sources{File: f.file, Getenv: os.Getenv, Flags: f.given})
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return cfg, usagef("the configuration has mistakes:\n  %s", strings.Join(problems, "\n  "))
	}
	if len(g.banks) == 0 {
		g.banks = cfg.Banks
	}
	cfg.Banks = g.banks
	return cfg, err
}

// settingValue is one setting as a flag.
type settingValue struct {
	field config.Field
	given map[string]string
	value string
}

var _ pflag.Value = (*settingValue)(nil)

// String is the value that was given, or the default.
func (v *settingValue) String() string {
	if v.value == "" {
		return v.field.Default
	}
	return v.value
}

// Set keeps the value if it is one. A list may be given in parts.
func (v *settingValue) Set(s string) error {
	if err := v.field.Check(s); err != nil {
		return err
	}
	if v.field.Kind == "stringArray" && v.value != "" {
		s = v.value + "," + s
	}
	v.value, v.given[v.field.Flag] = s, s
	return nil
}

// Type is the kind of the value.
func (v *settingValue) Type() string { return v.field.Kind }

// gcPercent is how much the heap grows between two collections, in per cent of what is in use. A grade keeps nothing, so
// the default of 100 collects several times a second under load, which costs a seventh of the throughput; 400 costs some
// dozens of megabytes. GOGC in the environment wins.
const gcPercent = 400

func (g *globals) serve(ctx context.Context, f *serveFlags) error {
	a, err := g.newApp(f)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	reload := make(chan struct{}, 1)
	defer onHangup(reload)()
	stop := context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) }) // a second signal ends at once
	defer stop()
	return serveError(a.Run(ctx, reload))
}

// newApp builds the service. Everything that is wrong then is wrong with the configuration.
func (g *globals) newApp(f *serveFlags) (*app.App, error) {
	cfg, err := f.load(g)
	if err != nil {
		return nil, err
	}
	a, err := app.New(app.Options{Config: cfg, Version: engineVersion(), Open: g.openBanks, Logger: newLogger(g.err, cfg.Log), Ready: g.announce})
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return a, nil
}

// onHangup passes SIGHUP on, and returns how to stop that.
func onHangup(reload chan<- struct{}) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangup:
				select {
				case reload <- struct{}{}:
				default: // one is waiting already
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(done)
	}
}

// serveError gives settings of the judge that cannot work their exit code.
func serveError(err error) error {
	if e, ok := errors.AsType[*llm.Error](err); ok && e.Permanent() {
		return usagef("the judge cannot be used: %w", err)
	}
	if errors.Is(err, context.Canceled) {
		return nil // told to stop before it was ready
	}
	return err
}

// announce is the line that says that the service is ready.
func (g *globals) announce(w app.Where) {
	var parts []string
	scheme := "http"
	if w.TLS {
		scheme = "https"
	}
	for _, at := range [][2]string{{"grpc ", w.GRPC}, {"http " + scheme + "://", w.HTTP}, {"admin http://", w.Admin}} {
		if at[1] != "" {
			parts = append(parts, at[0]+at[1])
		}
	}
	for _, b := range w.Banks {
		parts = append(parts, fmt.Sprintf("bank %s %s (%d questions)", b.ID, b.Version, len(b.IDs())))
	}
	judge := "no judge: keywords decide"
	if w.Judge != "" {
		judge = "judge " + w.Judge
	}
	if w.Speech != "" {
		judge += ", recogniser " + w.Speech
	}
	fmt.Fprintf(g.err, "grader: ready: %s, %s\n", strings.Join(parts, ", "), judge)
}

func newLogger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // was checked
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
