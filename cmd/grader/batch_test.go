package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// timing is the only part of a critique that differs between two runs.
var timing = regexp.MustCompile(`"timing":\{.*\}\}\}$`)

// TestBatchKilled kills real processes at random moments and resumes, until one comes to its end: nothing is lost,
// nothing is graded twice, and no line is cut.
func TestBatchKilled(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".jsonl", ".csv"} {
		t.Run(ext, func(t *testing.T) {
			t.Parallel()
			const lines = 3000
			dir := t.TempDir()
			in, out, whole := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out"+ext), filepath.Join(dir, "whole"+ext)
			require.NoError(t, os.WriteFile(in, manyAnswers(lines), 0o600))
			args := func(out string) []string {
				return []string{"batch", "run", "--bank", filepath.Join("testdata", "bank"), "--in", in, "--out", out, "--resume"}
			}
			start := time.Now()
			_ = exec.CommandContext(t.Context(), "grader", args(whole)...).Run() // exit 6: some lines are errors
			took := time.Since(start)

			var kept []byte
			kills := 0
			for ; ; kills++ {
				c := exec.CommandContext(t.Context(), "grader", args(out)...)
				require.NoError(t, c.Start())
				ended := make(chan struct{})
				go func() { _ = c.Wait(); close(ended) }()
				if kills < 8 {
					select {
					case <-time.After(rand.N(took / 4)):
					case <-ended:
					}
					_ = c.Process.Kill()
				}
				<-ended
				if _, err := os.Stat(out); err == nil {
					break
				}
				partial, _ := os.ReadFile(out + ".partial") // missing if it was killed at once
				require.True(t, bytes.HasPrefix(partial, kept), "lines that were written have changed")
				kept = partial[:bytes.LastIndexByte(partial, '\n')+1]
			}
			got, err := os.ReadFile(out)
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(got, kept), "lines that were written have changed")
			want, err := os.ReadFile(whole)
			require.NoError(t, err)
			require.Equal(t, withoutTiming(want), withoutTiming(got))
			require.GreaterOrEqual(t, bytes.Count(got, []byte("\n")), lines)
			t.Logf("%d runs were killed; a whole one takes %s", kills, took)
		})
	}
}

func manyAnswers(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		id := fmt.Sprintf("a%d", i-i%50/49) // every fiftieth is doubled
		fmt.Fprintf(&b, `{"id":%q,"question_id":"black-tea","text":"Number %d: %sand let it steep."}`+"\n", id, i, strings.Repeat("boil the water, ", i%40))
	}
	return b.Bytes()
}

// withoutTiming is output without what differs between two runs.
func withoutTiming(data []byte) string {
	lines := strings.Split(string(data), "\n")
	for i := range lines {
		lines[i] = timing.ReplaceAllString(lines[i], "}}")
	}
	return strings.Join(lines, "\n")
}

// TestBatchInterrupted: Ctrl-C ends with 130, and the line on stderr says how to go on.
func TestBatchInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.jsonl")
	require.NoError(t, os.WriteFile(in, manyAnswers(10), 0o600))
	args := []string{"batch", "run", "--bank", filepath.Join("testdata", "bank"), "--in", "-", "--out", out}
	c := exec.CommandContext(t.Context(), "grader", args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	feed, err := c.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	_, err = feed.Write(manyAnswers(10)) // and no end
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		partial, _ := os.ReadFile(out + ".partial")
		return bytes.Count(partial, []byte("\n")) == 10
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, c.Process.Signal(os.Interrupt))
	require.Error(t, c.Wait())
	require.Equal(t, exitInterrupted, c.ProcessState.ExitCode())
	require.Equal(t, "grader: interrupted, with 10 lines written; run the same command with --resume to go on\n", stderr.String())

	c = exec.CommandContext(t.Context(), "grader", append(args, "--resume", "--json")...)
	c.Stdin = bytes.NewReader(manyAnswers(12))
	stdout, err := c.Output()
	require.NoError(t, err)
	require.Contains(t, string(stdout), `{"lines":12,"kept":10,`)
}
