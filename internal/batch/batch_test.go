package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/rubrics"
)

// TestRun grades testdata/<case>.<in> and compares with testdata/<case>.golden.<out>.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"lines.jsonl", "table.csv"} {
		content, err := os.ReadFile(filepath.Join("testdata", in))
		require.NoError(t, err)
		for _, out := range []string{"out.jsonl", "out.csv"} {
			t.Run(in+" to "+out, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, in, out, string(content))
				b.mustRun()
				name, _, _ := strings.Cut(in, ".")
				golden := filepath.Join("testdata", name+".golden"+filepath.Ext(out))
				if *update {
					require.NoError(t, os.WriteFile(golden, []byte(b.output()), 0o600))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(string(want), b.output()))
				require.ElementsMatch(t, []string{in, out, out + metaSuffix}, slices.Collect(maps.Keys(snapshot(t, b.dir))))
			})
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(100)+`{"id":"a0","question_id":"tea","text":"again"}`+"\n")
	s := b.mustRun()
	require.Equal(t, 101, s.Lines)
	require.Equal(t, map[string]int{"GRADED": 89, "DEGRADED": 0, "UNGRADABLE": 1}, s.States)
	require.Equal(t, map[string]int{"NOT_FOUND": 10, "INVALID_ARGUMENT": 1}, s.Errors)
	require.Equal(t, 11, s.ErrorLines())
	require.Equal(t, 89, s.Scores.Count)
	sum, n := 0, 0
	for i := range 100 {
		if i%10 != 7 && i%97 != 0 {
			sum, n = sum+i%97, n+1
		}
	}
	require.InDelta(t, float64(sum)/float64(n), *s.Scores.Mean, 0.05)
	require.InDelta(t, 47.5, *s.Scores.Median, 1)
	require.Equal(t, 89, s.Bands["weak"]+s.Bands["developing"]+s.Bands["solid"]+s.Bands["strong"])
}

func TestSameBytesAtAnyConcurrency(t *testing.T) {
	t.Parallel()
	var want string
	for _, n := range []int{1, 2, 7, 64} {
		b := newBench(t, "in.jsonl", "out.jsonl", answers(1000))
		b.cfg.Concurrency = n
		b.mustRun()
		if want == "" {
			want = b.output()
		}
		require.Equal(t, want, b.output(), "concurrency %d", n)
	}
	require.Equal(t, 1000, strings.Count(want, "\n"))
}

func TestEmptyInput(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]string{"out.jsonl": "", "out.csv": csvHeader + "\n"} {
		for _, content := range []string{"", "\n \n\n", "\uFEFF"} {
			b := newBench(t, "in.jsonl", out, content)
			require.Zero(t, b.mustRun().Lines)
			require.Equal(t, want, b.output())
			require.True(t, b.mustRun().Unchanged)
		}
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(20))
	b.mustRun()
	want := b.output()
	var out bytes.Buffer
	b.cfg.In, b.cfg.Out, b.cfg.Stdin, b.cfg.Stdout = "-", "-", strings.NewReader(answers(20)), &out
	b.mustRun()
	require.Equal(t, want, out.String())

	b.cfg.Out = os.DevNull // exists, and is no file
	b.cfg.Stdin = strings.NewReader(answers(20))
	require.Equal(t, 20, b.mustRun().Lines)
}

func TestEngineFaultsAreErrorsOfTheirLine(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", `{"id":"1","question_id":"broken","text":"x"}
{"id":"2","question_id":"faulty","text":"x"}
{"id":"3","question_id":"tea","text":"x"}`)
	s := b.mustRun()
	require.Equal(t, map[string]int{"INTERNAL": 2}, s.Errors)
	require.Contains(t, b.output(), `{"id":"1","error":{"code":"INTERNAL","message":"the engine failed on this answer: no such thing; please report it"}}`)
	require.Contains(t, b.output(), `{"id":"2","error":{"code":"INTERNAL","message":"the bank cannot be read"}}`)
	require.Contains(t, b.output(), `{"id":"3","critique":`)
}

// TestResumeFromEveryByte cuts the partial output everywhere, as a killed process or a full disk may.
func TestResumeFromEveryByte(t *testing.T) {
	t.Parallel()
	content := "\n" + answers(12) + "broken\n\n" + `{"id":"a3","question_id":"tea","text":"doubled"}` + "\n\n"
	for _, out := range []string{"out.jsonl", "out.csv"} {
		t.Run(out, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "in.jsonl", out, content)
			first := b.mustRun()
			whole := b.output()
			require.Equal(t, 14, first.Lines)
			finished, err := os.ReadFile(b.cfg.Out + metaSuffix)
			require.NoError(t, err)
			step := max(1, len(whole)/300)
			for size := 0; size <= len(whole); size += step {
				require.NoError(t, os.Remove(b.cfg.Out))
				b.write(b.cfg.Out+metaSuffix, string(finished))
				b.write(b.cfg.Out+partialSuffix, whole[:size])
				b.cfg.Resume = true
				s := b.mustRun()
				require.Equal(t, whole, b.output(), "cut at %d", size)
				kept := completeLines(whole[:size], isCSV(out))
				require.Equal(t, kept, s.Kept, "cut at %d", size)
				require.Equal(t, first.States, s.States)
				require.Equal(t, first.Errors, s.Errors)
				require.Equal(t, first.Scores, s.Scores)
				require.LessOrEqual(t, int(b.g.calls.Load()), 14-kept, "an answer was graded again")
			}
		})
	}
}

func completeLines(s string, csv bool) int {
	n := strings.Count(s, "\n")
	if csv {
		n = max(0, n-1)
	}
	return n
}

// TestInterrupt stops a run in the middle, several times, and takes it up.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	const lines = 3000
	b := newBench(t, "in.jsonl", "out.jsonl", answers(lines))
	plain := newBench(t, "in.jsonl", "out.jsonl", answers(lines))
	plain.mustRun()
	total := 0
	for stop := 100; ; stop += 400 {
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int32
		b.g.calls.Store(0)
		b.g.hook = func(ctx context.Context, _ string, _ grade.Answer) error {
			if int(n.Add(1)) == stop {
				cancel()
			}
			return ctx.Err()
		}
		s, err := Run(ctx, b.g, b.cfg)
		cancel()
		require.GreaterOrEqual(t, s.Lines, s.Kept)
		total += s.Lines - s.Kept
		b.cfg.Resume = true
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		require.NoFileExists(t, b.cfg.Out)
		kept, err := os.ReadFile(b.cfg.Out + partialSuffix)
		require.NoError(t, err)
		require.Equal(t, s.Lines, bytes.Count(kept, []byte("\n")))
		require.True(t, strings.HasPrefix(plain.output(), string(kept)))
	}
	require.Equal(t, lines, total)
	require.Equal(t, plain.output(), b.output())
}

// TestInterruptedReaderSaysSo: its end must not be taken for the end of the input.
func TestInterruptedReaderSaysSo(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(3))
	in, err := openInput(b.cfg)
	require.NoError(t, err)
	defer in.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rd := newReader(in, &earlier{})
	pending := make(chan *job)
	rd.read(ctx, pending, make(chan *job))
	require.ErrorIs(t, rd.err, context.Canceled)
	_, open := <-pending
	require.False(t, open)
}

// TestFailedWrite: the meta file may be ahead of the output, never behind.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(50))
	b.mustRun()
	whole := b.output()
	require.NoError(t, os.Remove(b.cfg.Out))

	in, err := openInput(b.cfg)
	require.NoError(t, err)
	defer in.close()
	out, _, err := openSink(t.Context(), b.cfg, in)
	require.NoError(t, err)
	disk := out.(*target)
	at := make([]mark, 50)
	for i := range at {
		rec, err := in.source.next()
		require.NoError(t, err)
		at[i] = rec.at
	}
	lines := strings.SplitAfter(whole, "\n")
	require.NoError(t, disk.write([]byte(strings.Join(lines[:20], "")), at[19]))
	good := disk.file
	disk.file, err = os.Open(os.DevNull) // refuses to be written
	require.NoError(t, err)
	require.ErrorContains(t, disk.write([]byte(strings.Join(lines[20:40], "")), at[39]), "write "+b.cfg.Out+partialSuffix)
	require.NoError(t, good.Close())

	b.cfg.Resume = true
	s := b.mustRun()
	require.Equal(t, 20, s.Kept)
	require.Equal(t, whole, b.output())
}

func TestFinishedIsNotGradedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(30))
	first := b.mustRun()
	before, err := os.Stat(b.cfg.Out)
	require.NoError(t, err)
	for _, resume := range []bool{false, true} {
		b.cfg.Resume = resume
		s := b.mustRun()
		require.True(t, s.Unchanged)
		require.Equal(t, first.States, s.States)
		require.Zero(t, b.g.calls.Load())
		after, err := os.Stat(b.cfg.Out)
		require.NoError(t, err)
		require.True(t, os.SameFile(before, after))
		require.Equal(t, before.ModTime(), after.ModTime())
	}
	b.cfg.In, b.cfg.Stdin = "-", strings.NewReader(answers(30))
	require.True(t, b.mustRun().Unchanged)
}

// TestRefused: nothing is touched, and the reason says what to do.
func TestRefused(t *testing.T) {
	t.Parallel()
	interrupted := func(b *bench) {
		b.cfg.Concurrency = 1
		ctx, cancel := context.WithCancel(b.t.Context())
		var n atomic.Int32
		b.g.hook = func(ctx context.Context, _ string, _ grade.Answer) error {
			if n.Add(1) == 20 {
				cancel()
			}
			return ctx.Err()
		}
		_, err := Run(ctx, b.g, b.cfg)
		require.ErrorIs(b.t, err, context.Canceled)
		b.g.hook, b.cfg.Resume = nil, true
	}
	tests := []struct {
		name  string
		setup func(b *bench)
		want  string
	}{
		{"no input", func(b *bench) { b.cfg.In += "x" }, "no such file"},
		{"the input is a folder", func(b *bench) { b.cfg.In = b.dir }, "is a folder"},
		{"the output is a folder", func(b *bench) { b.cfg.Out = b.dir }, "is a folder"},
		{"the output's folder is missing", func(b *bench) { b.cfg.Out = filepath.Join(b.dir, "no", "out.jsonl") }, "no such file"},
		{"input and output are the same", func(b *bench) { b.cfg.Out = b.cfg.In }, "is the input file"},
		{"by another path", func(b *bench) {
			b.cfg.Out = filepath.Join(b.dir, ".", "x", "..", "in.jsonl")
			require.NoError(b.t, os.Mkdir(filepath.Join(b.dir, "x"), 0o700))
		}, "is the input file"},
		{"by a symbolic link", func(b *bench) { require.NoError(b.t, os.Symlink(b.cfg.In, b.cfg.Out)) }, "is the input file"},
		{"by a hard link", func(b *bench) { require.NoError(b.t, os.Link(b.cfg.In, b.cfg.Out)) }, "is the input file"},
		{"the input is the partial file", func(b *bench) { require.NoError(b.t, os.Link(b.cfg.In, b.cfg.Out+partialSuffix)) }, "is the input file"},
		{"the input is the meta file", func(b *bench) { require.NoError(b.t, os.Link(b.cfg.In, b.cfg.Out+metaSuffix)) }, "is the input file"},
		{"standard input is the output", func(b *bench) {
			f, err := os.Open(b.cfg.In)
			require.NoError(b.t, err)
			b.t.Cleanup(func() { _ = f.Close() })
			b.cfg.Out, b.cfg.In, b.cfg.Stdin = b.cfg.In, "-", f
		}, "is the input file"},
		{"standard output is the input", func(b *bench) {
			f, err := os.OpenFile(b.cfg.In, os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(b.t, err)
			b.t.Cleanup(func() { _ = f.Close() })
			b.cfg.Out, b.cfg.Stdout = "-", f
		}, "standard output is the input file"},
		{"resume of standard output", func(b *bench) { b.cfg.Out, b.cfg.Stdout, b.cfg.Resume = "-", io.Discard, true }, "cannot be resumed"},
		{"resume of a device", func(b *bench) { b.cfg.Out, b.cfg.Resume = os.DevNull, true }, "cannot be resumed"},
		{"the output exists", func(b *bench) { b.write(b.cfg.Out, "mine") }, "exists already"},
		{"the output exists, resume", func(b *bench) { b.write(b.cfg.Out, "mine"); b.cfg.Resume = true }, "no " + "%s" + " says what it was made from"},
		{"the finished output was changed", func(b *bench) { b.mustRun(); b.write(b.cfg.Out, b.output()+"x") }, "is not as it was"},
		{"finished, another input", func(b *bench) { b.mustRun(); b.write(b.cfg.In, answers(41)) }, "was made from another input"},
		{"finished, other settings", func(b *bench) { b.mustRun(); b.cfg.Settings["engine version"] = "2" }, "engine version has changed (was 1, is 2)"},
		{"interrupted, without resume", func(b *bench) { interrupted(b); b.cfg.Resume = false }, "add --resume"},
		{"interrupted, the first line changed", func(b *bench) { interrupted(b); b.write(b.cfg.In, " "+answers(40)) }, "has changed: its first"},
		{"interrupted, shorter input", func(b *bench) { interrupted(b); b.write(b.cfg.In, answers(2)) }, "has changed: its first"},
		{"interrupted, empty input", func(b *bench) { interrupted(b); b.write(b.cfg.In, "") }, "has changed: its first"},
		{"interrupted, another setting more", func(b *bench) { interrupted(b); b.cfg.Settings["bank tea"] = strings.Repeat("ab", 32) }, "bank tea has changed (was absent, is abababababab)"},
		{"interrupted, a setting less", func(b *bench) { interrupted(b); delete(b.cfg.Settings, "engine version") }, "engine version has changed (was 1, is absent)"},
		{"interrupted, no meta file", func(b *bench) { interrupted(b); require.NoError(b.t, os.Remove(b.cfg.Out+metaSuffix)) }, "cannot be resumed without"},
		{"interrupted, broken meta file", func(b *bench) { interrupted(b); b.write(b.cfg.Out+metaSuffix, "{") }, "cannot be resumed without"},
		{"CSV without a header", func(b *bench) { b.cfg.In += ".csv"; b.write(b.cfg.In, "") }, "is empty; the first line must name the columns"},
		{"CSV without a column", func(b *bench) { b.cfg.In += ".csv"; b.write(b.cfg.In, "id,text\n1,x\n") }, `has no column "question_id"`},
		{"CSV with semicolons", func(b *bench) { b.cfg.In += ".csv"; b.write(b.cfg.In, "id;question_id;text\n") }, `has no column "id"`},
		{"CSV with a column twice", func(b *bench) { b.cfg.In += ".csv"; b.write(b.cfg.In, "id,text,question_id,Text\n") }, `the column "text" twice`},
		{"CSV with a broken header", func(b *bench) { b.cfg.In += ".csv"; b.write(b.cfg.In, "id,\"text\nx\n") }, "a quoted field is not closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "in.jsonl", "out.jsonl", answers(40))
			tt.setup(b)
			before := snapshot(t, b.dir)
			_, err := b.run()
			var refused *RefusedError
			require.ErrorAs(t, err, &refused)
			if strings.Contains(tt.want, "%s") {
				tt.want = fmt.Sprintf(tt.want, b.cfg.Out+metaSuffix)
			}
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n")
			require.Zero(t, b.g.calls.Load())
			require.Empty(t, cmp.Diff(before, snapshot(t, b.dir)))
		})
	}
}

// snapshot is the content of all files of a folder.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if data, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil {
			out[e.Name()] = string(data)
		}
	}
	return out
}

// TestResumeGrown: what was not read yet may change.
func TestResumeGrown(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(40))
	ctx, cancel := context.WithCancel(t.Context())
	b.g.hook = func(_ context.Context, _ string, a grade.Answer) error {
		if len(a.Text) == 20 {
			cancel()
		}
		return ctx.Err()
	}
	b.cfg.Concurrency = 1
	_, err := Run(ctx, b.g, b.cfg)
	require.ErrorIs(t, err, context.Canceled)
	b.write(b.cfg.In, answers(60))
	b.g.hook, b.cfg.Resume = nil, true
	require.Equal(t, 60, b.mustRun().Lines)
}

// TestBoundedWindow: one slow answer does not let the others pile up.
func TestBoundedWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var slow atomic.Bool
		g := &fake{hook: func(_ context.Context, _ string, a grade.Answer) error {
			if a.Text == "x" && slow.CompareAndSwap(false, true) {
				<-release
			}
			return nil
		}}
		var out bytes.Buffer
		done := make(chan error)
		go func() {
			_, err := Run(t.Context(), g, Config{In: "-", Out: "-", Stdin: strings.NewReader(answers(5000)), Stdout: &out, Concurrency: 2})
			done <- err
		}()
		synctest.Wait()
		require.LessOrEqual(t, int(g.calls.Load()), minWindow+4)
		require.GreaterOrEqual(t, int(g.calls.Load()), minWindow-4)
		close(release)
		require.NoError(t, <-done)
		require.Equal(t, 5000, bytes.Count(out.Bytes(), []byte("\n")))
	})
}

// TestInterruptWhileReading: standard input may never end.
func TestInterruptWhileReading(t *testing.T) {
	t.Parallel()
	in, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, "unused", "out.jsonl", "")
	b.cfg.In, b.cfg.Stdin = "-", in
	b.cfg.Progress = func(s *Summary, share float64) {
		require.Less(t, share, 0.0)
		if s.Lines == 20 {
			cancel()
		}
	}
	go func() { _, _ = io.WriteString(feed, answers(20)) }()
	s, err := Run(ctx, b.g, b.cfg)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 20, s.Lines)

	b.cfg.Stdin, b.cfg.Resume, b.cfg.Progress = strings.NewReader(answers(30)), true, nil
	s = b.mustRun()
	require.Equal(t, 30, s.Lines)
	require.Equal(t, 20, s.Kept)
}

func TestReadErrorKeepsWhatWasGraded(t *testing.T) {
	t.Parallel()
	b := newBench(t, "unused", "out.jsonl", "")
	b.cfg.In, b.cfg.Stdin = "-", io.MultiReader(strings.NewReader(answers(20)), &failing{})
	s, err := b.run()
	require.ErrorContains(t, err, "read standard input: the cable is out")
	require.Equal(t, 20, s.Lines)
	require.FileExists(t, b.cfg.Out+partialSuffix)
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("the cable is out") }

// bankGrader is the built-in bank behind the interface of this package.
type bankGrader struct{ *grade.Grader }

func (b bankGrader) Grade(_ context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	return b.Grader.Grade(id, a)
}

// ready has its critiques already.
type ready map[string]grade.Critique

func (r ready) Grade(_ context.Context, id string, _ grade.Answer) (*grade.Critique, error) {
	c := r[id]
	return &c, nil
}

// BenchmarkRun measures answers a second: with the engine on model answers, and of this package alone on critiques that
// are ready. DESIGN 7 wants 3,000 on two cores.
func BenchmarkRun(b *testing.B) {
	bank, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	require.NoError(b, err)
	questions, err := bank.Questions()
	require.NoError(b, err)
	engine, critiques := bankGrader{grade.New(bank, "bench")}, ready{}
	var lines bytes.Buffer
	for n := range 2000 {
		q := questions[n%len(questions)]
		text, err := json.Marshal(q.ModelAnswer)
		require.NoError(b, err)
		fmt.Fprintf(&lines, `{"id":"a%d","question_id":%q,"text":%s}`+"\n", n, q.ID, text)
		if n < len(questions) {
			c, err := engine.Grade(b.Context(), q.ID, grade.Answer{Text: q.ModelAnswer})
			require.NoError(b, err)
			critiques[q.ID] = *c
		}
	}
	for _, bb := range []struct {
		name string
		g    Grader
	}{{"keywords", engine}, {"overhead", critiques}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				s, err := Run(b.Context(), bb.g, Config{In: "-", Out: "-", Stdin: bytes.NewReader(lines.Bytes()), Stdout: io.Discard})
				require.NoError(b, err)
				n += s.Lines
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "answers/s")
		})
	}
}

// TestStop: a grader that says that nothing can be graded any more ends the run, which goes on from there later.
func TestStop(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(500))
	b.mustRun()
	want := b.output()
	b = newBench(t, "in.jsonl", "out.jsonl", answers(500))
	b.cfg.Concurrency = 8
	b.g.hook = func(context.Context, string, grade.Answer) error {
		if b.g.calls.Load() > 100 {
			return fmt.Errorf("wrapped: %w", &StopError{errors.New("the server is gone")})
		}
		return nil
	}
	_, err := b.run()
	var stop *StopError
	require.ErrorAs(t, err, &stop)
	require.EqualError(t, err, "the server is gone")
	b.g.hook, b.cfg.Resume = nil, true
	b.mustRun()
	require.Equal(t, want, b.output())
}

func TestLineErrorsKeepTheirCode(t *testing.T) {
	t.Parallel()
	b := newBench(t, "in.jsonl", "out.jsonl", answers(1))
	b.g.hook = func(context.Context, string, grade.Answer) error {
		return fmt.Errorf("here: %w", &LineError{code.Code_RESOURCE_EXHAUSTED, "too\nmuch"})
	}
	b.mustRun()
	require.Contains(t, b.output(), `"error":{"code":"RESOURCE_EXHAUSTED","message":"here: too much"}`)
}
