package interview

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/speech"
)

// weather grades well, or in bad weather: some questions DEGRADED, some with an error, the others well all the same.
type weather struct {
	keywords
	degraded, failed string
	bad              atomic.Bool
	graded           atomic.Int32
}

func (w *weather) Grade(ctx context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	w.graded.Add(1)
	if w.bad.Load() && id == w.failed {
		return nil, &llm.Error{Kind: llm.Unavailable}
	}
	c, err := w.keywords.Grade(ctx, id, a)
	if err == nil && w.bad.Load() && id == w.degraded {
		c.State = grade.Degraded
	}
	return c, err
}

// Transcribe hears what the recording's bytes say, in good weather.
func (w *weather) Transcribe(ctx context.Context, audio []byte, vocabulary string) (*speech.Result, error) {
	if w.bad.Load() {
		return nil, &llm.Error{Kind: llm.Unavailable}
	}
	return (&fakeEar{}).Transcribe(ctx, audio, vocabulary)
}

// stormy is a finished output in which an answer is DEGRADED, one has an error, a recording could not be written down
// and one interview can never be read.
func stormy(t *testing.T) (*weather, Config) {
	t.Helper()
	b := nodeBank(t)
	in := folderOf(t, b, map[string]string{"empty.vtt": "WEBVTT\n",
		"talk.wav": "People say Node has just one thread. Is that right? What would you argue? I would say that my JavaScript runs on one thread in one isolate, and libuv keeps a pool of four native threads."})
	w := &weather{keywords: newKeywords(), degraded: b.questions[3].ID, failed: b.questions[6].ID} // of two and three
	cfg := configOf(t, in, t.TempDir())
	cfg.Recogniser, cfg.Map = w, filepath.Join(cfg.Out, "map.csv")
	w.bad.Store(true)
	s, err := Run(t.Context(), b, w, cfg)
	require.NoError(t, err)
	w.bad.Store(false)
	require.Equal(t, map[string]int{"UNAVAILABLE": 2, "INVALID_ARGUMENT": 1}, s.Errors)
	require.Equal(t, 1, s.States["DEGRADED"])
	w.graded.Store(0)
	return w, cfg
}

// calm is what the same interviews give when nothing fails.
func calm(t *testing.T, w *weather, cfg Config) map[string]string {
	t.Helper()
	cfg.Out, cfg.RetryErrors = t.TempDir(), false
	cfg.Map = filepath.Join(cfg.Out, "map.csv")
	_, err := Run(t.Context(), nodeBank(t), w, cfg)
	require.NoError(t, err)
	return files(t, cfg.Out)
}

func TestRetryGradesAgainWhatMayPass(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	w, cfg := stormy(t)
	cfg.RetryErrors = true
	asked := false
	cfg.Ready = func(context.Context) error { asked = true; return nil }
	s, err := Run(t.Context(), b, w, cfg)
	require.NoError(t, err)
	require.True(t, asked)
	require.Equal(t, 7, s.Interviews)
	require.Equal(t, 4, s.Kept)
	require.Equal(t, map[string]int{"INVALID_ARGUMENT": 1}, s.Errors)
	require.Zero(t, s.States["DEGRADED"])
	require.EqualValues(t, 3, w.graded.Load(), "one answer in each of the two interviews, and one of the recording")
	got := files(t, cfg.Out)
	require.Equal(t, calm(t, w, cfg), got)

	asked = false
	for _, retry := range []bool{true, false} {
		cfg.RetryErrors = retry
		s, err = Run(t.Context(), b, w, cfg)
		require.NoError(t, err)
		require.True(t, s.Unchanged)
		require.Equal(t, got, files(t, cfg.Out))
	}
	require.False(t, asked, "there was nothing to do")
}

// TestRetryKeepsOtherLines: lines that are not graded again are copied, not written anew; what a human settled is one.
func TestRetryKeepsOtherLines(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	w, cfg := stormy(t)
	name := filepath.Join(cfg.Out, resultsFile)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	for i, l := range lines {
		if strings.Contains(l, `"DEGRADED"`) {
			lines[i] = strings.Replace(l, "{", `{"review":{"points":{}},`, 1)
		} else if !strings.Contains(l, `"UNAVAILABLE"`) {
			lines[i] = strings.Replace(l, "{", "{ ", 1)
		}
	}
	require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "")+"\n"), 0o600))
	cfg.RetryErrors = true
	s, err := Run(t.Context(), b, w, cfg)
	require.NoError(t, err)
	require.Equal(t, 1, s.States["DEGRADED"])
	got := files(t, cfg.Out)[resultsFile]
	for _, l := range lines {
		if l = strings.TrimSpace(l); !strings.Contains(l, `"UNAVAILABLE"`) {
			require.Contains(t, got, l+"\n")
		}
	}
	require.NotContains(t, got, "UNAVAILABLE")
}

// TestRetryIsTakenUpFromAnyMoment makes of a finished retry what a process that was killed would have left.
func TestRetryIsTakenUpFromAnyMoment(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	w, cfg := stormy(t)
	before := files(t, cfg.Out)
	cfg.RetryErrors = true
	_, err := Run(t.Context(), b, w, cfg)
	require.NoError(t, err)
	after := files(t, cfg.Out)
	lines, ends, err := readJournal(filepath.Join(cfg.Out, journalFile))
	require.NoError(t, err)
	journal, err := os.ReadFile(filepath.Join(cfg.Out, journalFile))
	require.NoError(t, err)
	begun := slices.IndexFunc(lines, func(l journalLine) bool { return l.Retry > 0 })
	require.Equal(t, 7, lines[begun].Retry)
	names := []string{resultsFile, interviewsFile, "map.csv"}
	for done := begun; done < len(lines); done++ {
		for _, how := range []string{"whole", "torn", "files lost", "results reviewed", "half renamed"} {
			finished := done == len(lines)-1
			if finished != (how == "half renamed") {
				continue
			}
			t.Run(fmt.Sprintf("%d lines %s", done-begun, how), func(t *testing.T) {
				torn := ""
				if how == "torn" {
					torn = "half of a li"
				}
				again := cfg
				again.Out = t.TempDir()
				again.Map = filepath.Join(again.Out, "map.csv")
				put := func(name, data string) {
					path := filepath.Join(again.Out, filepath.FromSlash(name))
					require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
					require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
				}
				put(journalFile, strings.ReplaceAll(string(journal[:ends[done]]), cfg.Out, again.Out)+torn)
				for i, name := range names {
					put(name, before[name])
					switch {
					case finished && i > 0:
						put(name+partialSuffix, after[name])
					case finished: // has its name already
						put(name, after[name])
					case how != "files lost":
						put(name+partialSuffix, after[name][:lines[done].Sizes[i]]+torn)
					}
				}
				if how == "results reviewed" {
					put(resultsFile, strings.Replace(before[resultsFile], "{", "{ ", 1))
				}
				if !finished {
					again.RetryErrors = false
					_, err := Run(t.Context(), b, w, again)
					require.ErrorContains(t, err, "--retry-errors was interrupted")
					again.RetryErrors, again.Resume = done%2 == 0, done%2 == 1
				}
				_, err := Run(t.Context(), b, w, again)
				require.NoError(t, err)
				got := files(t, again.Out)
				if how == "results reviewed" {
					require.True(t, strings.HasPrefix(got[resultsFile], "{ "), "the copy is of the file that is there")
					got[resultsFile] = strings.Replace(got[resultsFile], "{ ", "{", 1)
				}
				delete(got, "transcripts/talk.json")
				want := map[string]string{".lock": ""}
				for _, name := range names {
					want[name] = after[name]
				}
				require.Equal(t, want, got)
			})
		}
	}
}

// TestRetryOfAnInterruptedRun: what is missing comes first, then what an earlier run failed on, and nothing else.
func TestRetryOfAnInterruptedRun(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	w, cfg := stormy(t)
	want := calm(t, w, cfg)
	lines, ends, err := readJournal(filepath.Join(cfg.Out, journalFile))
	require.NoError(t, err)
	const done = 6 // interviews: all but two.txt, the last one
	require.NoError(t, os.Truncate(filepath.Join(cfg.Out, journalFile), ends[done]))
	for i, name := range []string{resultsFile, interviewsFile, "map.csv"} {
		path := filepath.Join(cfg.Out, name)
		require.NoError(t, os.Rename(path, path+partialSuffix))
		require.NoError(t, os.Truncate(path+partialSuffix, lines[done].Sizes[i]))
	}
	cfg.RetryErrors = true
	_, err = Run(t.Context(), b, w, cfg)
	require.ErrorContains(t, err, "add --resume")
	cfg.Resume = true
	w.graded.Store(0)
	s, err := Run(t.Context(), b, w, cfg)
	require.NoError(t, err)
	require.EqualValues(t, 3, w.graded.Load(), "of two, which was missing; of three and the recording, which failed")
	require.Equal(t, 7, s.Interviews)
	require.Equal(t, want, files(t, cfg.Out))
}

func TestRetryLeavesWhatCannotBeTried(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	w, cfg := stormy(t)
	w.bad.Store(true)
	before := files(t, cfg.Out)
	cfg.RetryErrors = true
	s, err := Run(t.Context(), b, w, cfg)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"UNAVAILABLE": 2, "INVALID_ARGUMENT": 1}, s.Errors)
	require.Equal(t, before, files(t, cfg.Out))
	cfg.Ready = func(context.Context) error { return context.DeadlineExceeded }
	_, err = Run(t.Context(), b, w, cfg)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, before, files(t, cfg.Out), "a judge that is away leaves nothing behind")
}
