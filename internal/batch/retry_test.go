package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
)

// mixed is an input of n lines: of ten, three need the judge, one is a fault of the engine, and one has no question.
func mixed(n int) string {
	var b strings.Builder
	for i := range n {
		question, text := "tea", strings.Repeat("x", i%97+1)
		switch i % 10 {
		case 2, 3, 8:
			text = "j" + text
		case 5:
			question = "faulty"
		case 7:
			question = "coffee"
		}
		fmt.Fprintf(&b, `{"id":"a%d, \"so\"","question_id":%q,"text":%q}`+"\n", i, question, text)
	}
	return b.String()
}

// failedRun is a bench whose output was finished while the judge was down.
func failedRun(t *testing.T, ext string, lines int) *bench {
	t.Helper()
	b := newBench(t, "in.jsonl", "out"+ext, mixed(lines))
	b.g.down.Store(true)
	s := b.mustRun()
	require.Equal(t, 3*lines/10, s.States["DEGRADED"])
	b.g.down.Store(false)
	b.cfg.RetryErrors = true
	return b
}

// requireRetried: what could pass was graded again, and all other lines are byte for byte as before.
func requireRetried(t *testing.T, before, after string) {
	t.Helper()
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	require.Len(t, is, len(was))
	changed := 0
	for i := range was {
		if strings.Contains(was[i], "DEGRADED") {
			require.NotContains(t, is[i], "DEGRADED")
			require.Contains(t, is[i], "GRADED")
			changed++
			continue
		}
		require.Equal(t, was[i], is[i])
	}
	require.Positive(t, changed)
}

func TestRetryErrors(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".jsonl", ".csv"} {
		t.Run(ext, func(t *testing.T) {
			t.Parallel()
			b := failedRun(t, ext, 100)
			before := b.output()
			s := b.mustRun()
			require.Equal(t, 40, int(b.g.calls.Load()), "30 degraded ones and 10 faults")
			require.Equal(t, 100, s.Lines)
			require.Equal(t, 60, s.Kept)
			require.False(t, s.Unchanged)
			require.Equal(t, map[string]int{"DEGRADED": 0, "GRADED": 80, "UNGRADABLE": 0}, s.States)
			require.Equal(t, map[string]int{"INTERNAL": 10, "NOT_FOUND": 10}, s.Errors)
			requireRetried(t, before, b.output())
			require.NoFileExists(t, b.cfg.Out+retrySuffix)
			require.NoFileExists(t, b.cfg.Out+partialSuffix)

			b.cfg.RetryErrors = false
			s = b.mustRun()
			require.True(t, s.Unchanged, "the new output is a finished one")
			require.Equal(t, 80, s.States["GRADED"])
		})
	}
}

// TestRetryGoesOn ends retries after each number of answers; nothing that was written is graded again.
func TestRetryGoesOn(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".jsonl", ".csv"} {
		t.Run(ext, func(t *testing.T) {
			t.Parallel()
			b := failedRun(t, ext, 100)
			before := b.output()
			b.cfg.Concurrency = 1
			graded := 0
			for end := 1; ; end++ {
				ctx, cancel := context.WithCancel(t.Context())
				n := 0
				b.g.hook = func(context.Context, string, grade.Answer) error {
					if n++; n > end {
						cancel()
						return ctx.Err()
					}
					return nil
				}
				s, err := Run(ctx, b.g, b.cfg)
				graded += min(n, end)
				cancel()
				if err == nil {
					break
				}
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, before, b.output(), "the output changes when all is done")
				require.Equal(t, 60+graded, s.Lines)
				f, err := os.OpenFile(b.cfg.Out+retrySuffix, os.O_APPEND|os.O_WRONLY, 0)
				require.NoError(t, err)
				_, err = f.WriteString(`{"id":"half a li`)
				require.NoError(t, errors.Join(err, f.Close()))
			}
			require.Equal(t, 40, graded)
			requireRetried(t, before, b.output())
		})
	}
}

// TestRetryKilledAtTheEnd: between the meta file and the output, the output is the old one and the meta file speaks of
// the new one.
func TestRetryKilledAtTheEnd(t *testing.T) {
	t.Parallel()
	b := failedRun(t, ".jsonl", 50)
	before := b.output()
	b.mustRun()
	after := b.output()
	require.NoError(t, os.Rename(b.cfg.Out, b.cfg.Out+partialSuffix))
	b.write(b.cfg.Out, before)
	b.write(b.cfg.Out+retrySuffix, "a leftover\n")
	b.cfg.RetryErrors = false
	require.True(t, b.mustRun().Unchanged)
	require.Equal(t, after, b.output())
	b.cfg.RetryErrors = true
	require.Equal(t, 45, b.mustRun().Kept, "the faults are tried again, the leftover is not read")
	require.Equal(t, after, b.output())
}

// TestRetryWithResume grades what is missing, then again what an earlier run left.
func TestRetryWithResume(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", mixed(100))
	b.g.down.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	b.g.hook = func(context.Context, string, grade.Answer) error {
		if b.g.calls.Load() > 50 {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	_, err := Run(ctx, b.g, b.cfg)
	require.ErrorIs(t, err, context.Canceled)
	b.g.hook = nil
	b.cfg.RetryErrors = true
	_, err = b.run()
	require.ErrorContains(t, err, "add --resume")
	b.g.down.Store(false)
	b.cfg.Resume = true
	s := b.mustRun()
	require.Equal(t, 100, s.Lines)
	require.Equal(t, 80, s.States["GRADED"])
	require.Equal(t, 100, bytes.Count([]byte(b.output()), []byte("\n")))
}

func TestRetryRefused(t *testing.T) {
	t.Parallel()
	b := failedRun(t, ".jsonl", 20)
	before := b.output()
	b.cfg.Ready = func(context.Context) error { return errors.New("no judge") }
	_, err := b.run()
	require.EqualError(t, err, "no judge")
	_, err = os.Stat(b.cfg.Out + retrySuffix)
	require.ErrorIs(t, err, fs.ErrNotExist)

	b.cfg.Ready = nil
	b.write(b.cfg.In, mixed(21))
	_, err = b.run()
	require.ErrorContains(t, err, "has changed")
	require.Equal(t, before, b.output())
	require.Zero(t, b.g.calls.Load())

	b.write(b.cfg.In, "{}\n")
	b.cfg.In, b.cfg.Stdin = "-", strings.NewReader(mixed(20))
	_, err = b.run()
	require.ErrorContains(t, err, "give the answers as a file")
}

// TestMaxCost: what is begun is finished and written, without a gap, and the rest goes on with more money.
func TestMaxCost(t *testing.T) {
	t.Parallel()
	for _, out := range []string{"out.jsonl", "out.csv"} {
		b := newBench(t, "in.jsonl", out, answers(200))
		begun := 0
		b.cfg.Usage = func() (spent, saved grade.Usage) {
			n := int(b.g.calls.Load())
			return grade.Usage{Requests: n, Cost: float64(n) / 100, CostKnown: true}, grade.Usage{CostKnown: true}
		}
		b.cfg.MaxCost = 0.5
		s, err := b.run()
		require.ErrorIs(t, err, ErrMaxCost)
		begun += int(b.g.calls.Load())
		require.Equal(t, begun, s.Lines, "all that was begun is written")
		require.GreaterOrEqual(t, begun, 50)
		require.LessOrEqual(t, begun, 50+b.cfg.Concurrency)
		require.InDelta(t, 0.5, *s.Spent.Cost, 0.05)

		b.cfg.Resume, b.cfg.MaxCost = true, 100
		s = b.mustRun()
		require.Equal(t, 200, begun+int(b.g.calls.Load()), "nothing is graded twice")
		require.Equal(t, 200, s.Lines)
		require.Equal(t, begun, s.Kept)
	}
}

// TestReady: it is asked before anything is touched, and not when there is nothing to do.
func TestReady(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(20))
	asked := 0
	b.cfg.Ready = func(context.Context) error { asked++; return errors.New("no judge") }
	before := snapshot(t, b.dir)
	_, err := b.run()
	require.EqualError(t, err, "no judge")
	require.Equal(t, before, snapshot(t, b.dir))
	require.Zero(t, b.g.calls.Load())
	b.cfg.Ready = func(context.Context) error { asked++; return nil }
	b.mustRun()
	require.Equal(t, 2, asked)
	b.mustRun()
	require.Equal(t, 2, asked)
}
