package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/report"
	"github.com/vivagrader/grader/internal/review"
	"github.com/vivagrader/grader/internal/wire"
)

// interviewFolder is what interview leaves of one candidate who says two doubtful things, with its reports.
func interviewFolder(t *testing.T, g graderSet) string {
	t.Helper()
	dir := t.TempDir()
	c, err := g[0].Grade("black-tea", grade.Answer{Text: "Never use boiling water. Milk goes in first.", Modality: grade.Spoken})
	require.NoError(t, err)
	critique, err := wire.Marshal(wire.Critique(c))
	require.NoError(t, err)
	line := fmt.Sprintf(`{"interview":"ann","questionId":"black-tea","asked":"Tea?","startMs":0,"endMs":9000,"confidence":1,"critique":%s}`+"\n", critique)
	require.NoError(t, os.WriteFile(filepath.Join(dir, report.ResultsFile), []byte(line), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, report.InterviewsFile), []byte(`{"interview":"ann","source":"ann.vtt","questions":1}`+"\n"), 0o600))
	for _, anonymous := range []bool{false, true} {
		_, err := report.Write(dir, report.Options{Question: g.question, Anonymous: anonymous})
		require.NoError(t, err)
	}
	return dir
}

func TestReviewWritesReportsAgain(t *testing.T) {
	t.Parallel()
	bank := filepath.Join("testdata", "bank")
	g, err := (&globals{banks: []string{bank}}).graders()
	require.NoError(t, err)
	dir := interviewFolder(t, g)
	page := func(folder, name string) string {
		data, err := os.ReadFile(filepath.Join(dir, folder, "interviews", name))
		require.NoError(t, err)
		return string(data)
	}
	require.NotContains(t, page(report.Folder, "ann.html"), "Settled by")

	var out, errs bytes.Buffer
	code := run(t.Context(), streams{strings.NewReader("absent\nmissed quotes others\n"), &out, &errs}, []string{"review", dir, "--bank", bank, "--reviewer", "Ruth"})
	require.Zero(t, code, errs.String())
	require.Contains(t, errs.String(), "grader: 2 decisions saved, 0 doubtful decisions left to settle\n")
	require.Contains(t, page(report.Folder, "ann.html"), "Settled by Ruth; the machine said: contradicted. “quotes others”")
	require.Contains(t, page(report.Folder, "ann.html"), "Not claimed after all")
	require.Contains(t, page(report.AnonymousFolder, "candidate-1.html"), "Settled by a human; the machine said: contradicted. “quotes others”")
	require.NotContains(t, page(report.AnonymousFolder, "candidate-1.html"), "Ruth")
}

func TestReviewWaitsForInterview(t *testing.T) {
	t.Parallel()
	bank := filepath.Join("testdata", "bank")
	g, err := (&globals{banks: []string{bank}}).graders()
	require.NoError(t, err)
	dir := interviewFolder(t, g)
	lock := flock.New(filepath.Join(dir, ".lock"))
	locked, err := lock.TryLock()
	require.NoError(t, err)
	require.True(t, locked)
	var out, errs bytes.Buffer
	require.Equal(t, exitOther, run(t.Context(), streams{strings.NewReader("x\n"), &out, &errs}, []string{"review", dir, "--bank", bank}))
	require.Equal(t, "grader: another grader is working on these results; wait until it has ended\n", errs.String())
	require.NoError(t, lock.Close())
}

func TestKeysAtATerminal(t *testing.T) {
	t.Parallel()
	decide := []review.Choice{{Key: 'm', Word: "met"}, {Key: 'x', Word: "missed"}}
	walk := []review.Choice{{Key: 's', Word: "skip"}, {Key: 'q', Word: "quit"}}
	tests := []struct {
		name, typed, choice, note string
		err                       error
	}{
		{"a key", "m", "met", "", nil},
		{"keys that mean nothing", "z\x1b[Ax", "missed", "", nil},
		{"Enter", "\r", "skip", "", nil},
		{"a note and a key", "nsays it, later\nm", "met", "says it, later", nil},
		{"Ctrl-C", "\x03m", "", "", context.Canceled},
		{"Ctrl-D", "\x04m", "", "", io.EOF},
		{"the terminal is gone", "", "", "", io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw, out := 0, &bytes.Buffer{}
			k := &keys{in: newKeyboard(strings.NewReader(tt.typed)), out: out, raw: func() (func(), error) {
				raw++
				return func() { raw-- }, nil
			}}
			choice, note, err := k.Ask(t.Context(), decide, walk)
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.choice, choice)
			require.Equal(t, tt.note, note)
			require.Zero(t, raw, "the terminal is left as it was found")
			require.Contains(t, out.String(), "m met, x missed | s skip, q quit, n note > ")
		})
	}
}

func TestKeysEndWithTheContext(t *testing.T) {
	t.Parallel()
	silent, _ := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := &keys{in: newKeyboard(silent), out: io.Discard, raw: func() (func(), error) { return func() {}, nil }}
	_, _, err := k.Ask(ctx, nil, nil)
	require.ErrorIs(t, err, context.Canceled)
}
