package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/batch"
	"github.com/vivagrader/grader/internal/judge/judgetest"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/rubrics"
)

// judgeKey must show up in no output, no log and no file.
const judgeKey = "sk-secret-4711-do-not-print"

// perCall is what a call of the label judge costs: 2,000 tokens in at $1, 600 out at $2 a million.
const perCall = (2000*1 + 600*2) / 1e6

// desk is a folder with answers, and what the command needs to have them judged.
type desk struct {
	t   testing.TB
	dir string
	in  string
	env []string
	url string
}

// newDesk writes n answers and serves a judge that knows them, behind wrap if there is one.
func newDesk(t testing.TB, n int, o judgetest.Options, wrap func(http.Handler) http.Handler) (*desk, *judgetest.Server) {
	t.Helper()
	lines, labels := knownAnswers(t, n)
	judge := judgetest.New(labels, o)
	var h http.Handler = judge
	if wrap != nil {
		h = wrap(judge)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	d := &desk{t: t, dir: t.TempDir(), url: srv.URL + "/v1"}
	d.in = d.write("in.jsonl", lines)
	d.write("prices.json", []byte(`{"date":"2026-01-31","models":{"label-judge":{"input":1,"output":2}}}`))
	d.env = append(os.Environ(), "HOME="+d.dir, "XDG_CACHE_HOME="+d.path("cache"), "XDG_CONFIG_HOME="+d.path("config"), "GRADER_JUDGE_API_KEY="+judgeKey)
	t.Cleanup(d.requireNoKey)
	return d, judge
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) write(name string, content []byte) string {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(d.path(name), content, 0o600))
	return d.path(name)
}

func (d *desk) read(name string) []byte {
	d.t.Helper()
	data, err := os.ReadFile(d.path(name))
	require.NoError(d.t, err)
	return data
}

// batch is the command for a batch of the desk's answers with the desk's judge.
func (d *desk) batch(out string, more ...string) *exec.Cmd {
	args := append([]string{"batch", "run", "--in", d.in, "--out", d.path(out)}, d.judge(more...)...)
	return d.command(args...)
}

func (d *desk) judge(more ...string) []string {
	return append([]string{"--judge-url", d.url, "--judge-model", "label-judge", "--judge-prices", d.path("prices.json")}, more...)
}

func (d *desk) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(d.t.Context(), "grader", args...)
	c.Env = d.env
	return c
}

// run runs a command to its end.
func (d *desk) run(c *exec.Cmd) (stdout, stderr string, code int) {
	d.t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(d.t, err)
	}
	require.NotContains(d.t, out.String()+errs.String(), judgeKey)
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// summary runs a batch that has to end with 0.
func (d *desk) summary(out string, more ...string) batch.Summary {
	d.t.Helper()
	stdout, stderr, code := d.run(d.batch(out, append(more, "--json")...))
	require.Zero(d.t, code, stderr)
	var s batch.Summary
	require.NoError(d.t, json.Unmarshal([]byte(stdout), &s))
	return s
}

// requireNoKey looks into every file of the desk: answers, results, cache and configuration.
func (d *desk) requireNoKey() {
	_ = filepath.WalkDir(d.dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err == nil && bytes.Contains(data, []byte(judgeKey)) {
			d.t.Errorf("%s holds the key", name)
		}
		return nil
	})
}

// knownAnswers are answers to the questions of the built-in bank, each of which states two of three points word for word.
func knownAnswers(t testing.TB, n int) (lines []byte, labels []judgetest.Labels) {
	t.Helper()
	bank, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	require.NoError(t, err)
	questions, err := bank.Questions()
	require.NoError(t, err)
	for i := range n {
		q := questions[i%len(questions)]
		l := judgetest.Labels{QuestionID: q.ID, Points: map[string]string{}, Quotes: map[string]string{}}
		said := []string{fmt.Sprintf("This is what I know after %d years.", i)}
		for k := range q.Points {
			if p := &q.Points[k]; (k+i/len(questions))%3 != 2 {
				said = append(said, p.Statement)
				l.Points[p.ID], l.Quotes[p.ID] = "met", p.Statement
			}
		}
		l.Text = strings.Join(said, " ")
		labels = append(labels, l)
		line, err := json.Marshal(map[string]string{"id": fmt.Sprintf("a%d", i), "question_id": q.ID, "text": l.Text})
		require.NoError(t, err)
		lines = append(append(lines, line...), '\n')
	}
	return lines, labels
}

type outLine struct {
	ID       string
	Critique *struct {
		State, Mode string
		Points      []struct{ Decision, DecidedBy string }
	}
}

// results are the lines of out.jsonl.
func (d *desk) results() []outLine {
	d.t.Helper()
	var out []outLine
	for line := range bytes.Lines(d.read("out.jsonl")) {
		var l outLine
		require.NoError(d.t, json.Unmarshal(line, &l))
		out = append(out, l)
	}
	return out
}

// TestBatchJudged: what a judged batch costs is known before and after, and the second run costs nothing.
func TestBatchJudged(t *testing.T) {
	t.Parallel()
	d, judge := newDesk(t, 105, judgetest.Options{}, nil)
	stdout, stderr, code := d.run(d.batch("unused", "--estimate", "--json"))
	require.Zero(t, code, stderr)
	var before estimate
	require.NoError(t, json.Unmarshal([]byte(stdout), &before))
	require.Equal(t, 105, before.Lines)
	require.Equal(t, 105, before.Spent.Requests+before.Settled)
	require.Positive(t, *before.Spent.Cost)
	require.Zero(t, judge.Calls())
	require.NoFileExists(t, d.path("unused.meta.json"))
	require.NoDirExists(t, d.path("cache"))
	require.NoDirExists(t, d.path("config"))

	s := d.summary("one.jsonl", "--judge", "required")
	require.Equal(t, map[string]int{"GRADED": 105, "DEGRADED": 0, "UNGRADABLE": 0}, s.States)
	require.Equal(t, judge.Calls(), s.Spent.Requests)
	require.Equal(t, before.Spent.Requests+1, judge.Calls(), "one asks whether the key is right, as strangers see the list of models too")
	require.InDelta(t, float64(before.Spent.Requests)*perCall, *s.Spent.Cost, 1e-6)
	require.Zero(t, *s.Saved.Cost)

	calls := judge.Calls()
	again := d.summary("two.jsonl", "--judge", "required")
	require.Equal(t, calls, judge.Calls(), "the cache answers")
	require.Zero(t, again.Spent.Requests)
	require.Zero(t, *again.Spent.Cost)
	require.Equal(t, before.Spent.Requests, again.Saved.Requests)
	require.InDelta(t, *s.Spent.Cost, *again.Saved.Cost, 1e-9)
	require.Equal(t, withoutTiming(d.read("one.jsonl")), withoutTiming(d.read("two.jsonl")))

	stdout, stderr, code = d.run(d.batch("unused", "--estimate", "--json"))
	require.Zero(t, code, stderr)
	var after estimate
	require.NoError(t, json.Unmarshal([]byte(stdout), &after))
	require.Zero(t, after.Spent.Requests)
	require.InDelta(t, *again.Saved.Cost, *after.Saved.Cost, 1e-9)

	require.True(t, d.summary("one.jsonl", "--judge", "auto").Unchanged, "auto and required give the same lines")
	for _, other := range [][]string{{"--judge", "off"}, {"--judge-model", "gpt-4o"}, {"--judge-evidence", "sentences"}} {
		_, stderr, code = d.run(d.batch("one.jsonl", other...))
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, "was made with other settings: judge")
	}
	_, stderr, _ = d.run(d.batch("three.jsonl", "--judge-prices", ""))
	require.Regexp(t, `saved +\d+ cached replies, \d+ tokens in, \d+ out, cost unknown`, stderr)
}

// TestBatchFaults: seven of ten calls fail in one way or another, and every answer is judged all the same.
func TestBatchFaults(t *testing.T) {
	t.Parallel()
	const answers = 210
	d, judge := newDesk(t, answers, judgetest.Options{Fault: 0.1, Seed: 7}, nil)
	clean, _ := newDesk(t, answers, judgetest.Options{}, nil)
	start := time.Now()
	s := d.summary("out.jsonl", "--judge", "required")
	took := time.Since(start)
	clean.summary("out.jsonl", "--judge", "required")
	require.GreaterOrEqual(t, float64(s.States["GRADED"]), 0.98*answers)
	want := clean.results()
	points, unknown, other := 0, 0, 0
	for i, l := range d.results() {
		require.NotNil(t, l.Critique, "every line has a critique")
		require.Equal(t, want[i].ID, l.ID)
		if l.Critique.Mode != "JUDGE" {
			continue
		}
		for k, p := range l.Critique.Points {
			points++
			switch w := want[i].Critique.Points[k]; {
			case p.Decision == "UNKNOWN":
				unknown++
			case p.Decision != w.Decision && p.DecidedBy != "CHECK":
				other++
			}
		}
	}
	require.LessOrEqual(t, float64(unknown), 0.01*float64(points))
	require.Zero(t, other, "no other decision differs")
	t.Logf("%d answers, %d calls, %s: %v, %d of %d points unknown", answers, judge.Calls(), took.Round(time.Millisecond), s.States, unknown, points)
}

// TestBatchHanging: the deadline holds, and keywords decide.
func TestBatchHanging(t *testing.T) {
	t.Parallel()
	d, _ := newDesk(t, 35, judgetest.Options{Hang: true}, nil)
	start := time.Now()
	s := d.summary("out.jsonl", "--judge", "required", "--judge-timeout", "1s") // the probe finds the model in the list
	require.Less(t, time.Since(start), 20*time.Second)
	require.Equal(t, 35, s.States["DEGRADED"]+s.States["GRADED"])
	require.GreaterOrEqual(t, s.States["DEGRADED"], 30)

	_, stderr, code := d.run(d.command(append([]string{"grade", "event-loop-phases", "--text", "The poll phase waits for input and output."}, d.judge("--judge", "required", "--judge-timeout", "300ms")...)...))
	require.Equal(t, exitJudge, code)
	require.Contains(t, stderr, "judge_timeout")
}

// TestBatchJudgeStart: what cannot work ends the batch before it begins, what may pass does not.
func TestBatchJudgeStart(t *testing.T) {
	t.Parallel()
	echo := func(status int) func(http.Handler) http.Handler { // an endpoint that repeats the key
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"error":{"message":"not for %s"}}`, r.Header.Get("Authorization"))
			})
		}
	}
	cases := []struct {
		name string
		wrap func(http.Handler) http.Handler
		args []string
		code int
		says string
	}{
		{"no URL", nil, []string{"--judge-url", "localhost"}, exitUsage, `judge URL "localhost" is none`},
		{"refused key", echo(http.StatusUnauthorized), nil, exitUsage, "cannot be used: "},
		{"forbidden", echo(http.StatusForbidden), nil, exitUsage, "cannot be used: "},
		{"unknown model", echo(http.StatusNotFound), nil, exitUsage, "cannot be used: "},
		{"server error", echo(http.StatusInternalServerError), []string{"--judge-timeout", "300ms"}, 0, "until it answers, keywords decide alone"},
		{"server error, required", echo(http.StatusInternalServerError), []string{"--judge", "required"}, exitJudge, "cannot be used now: "},
		{"nobody there", nil, []string{"--judge-url", "http://127.0.0.1:1/v1", "--judge-timeout", "300ms"}, 0, "until it answers, keywords decide alone"},
		{"nobody there, required", nil, []string{"--judge-url", "http://127.0.0.1:1/v1", "--judge", "required"}, exitJudge, "nothing was graded"},
		{"no price", nil, []string{"--judge-model", "some-model", "--max-cost", "1"}, exitUsage, `no price is known for the model "some-model"`},
		{"no limit", nil, []string{"--max-cost", "0"}, exitUsage, "--max-cost must be more than 0"},
		{"no judge", nil, []string{"--judge-url", "", "--judge-model", "", "--judge", "required"}, exitUsage, "none is configured"},
		{"no use", nil, []string{"--judge", "maybe"}, exitUsage, `unknown --judge "maybe"`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d, judge := newDesk(t, 3, judgetest.Options{}, tc.wrap)
			_, stderr, code := d.run(d.batch("out.jsonl", tc.args...))
			require.Equal(t, tc.code, code, stderr)
			require.Contains(t, stderr, tc.says)
			require.NotContains(t, strings.TrimSuffix(strings.Split(stderr, "\n")[0], "\n"), "\n")
			require.Zero(t, judge.Calls())
			if code != 0 {
				require.Equal(t, 1, strings.Count(stderr, "\n"), "one line says what to do")
				require.NoFileExists(t, d.path("out.jsonl.meta.json"))
			} else {
				require.Len(t, d.results(), 3)
			}
		})
	}
}

// TestBatchMaxCost: the batch stops in time, says how to go on, and goes on.
func TestBatchMaxCost(t *testing.T) {
	t.Parallel()
	d, judge := newDesk(t, 70, judgetest.Options{Delay: 5 * time.Millisecond}, nil)
	_, stderr, code := d.run(d.batch("out.jsonl", "--max-cost", fmt.Sprint(10*perCall), "--concurrency", "4"))
	require.Equal(t, exitOther, code)
	require.Regexp(t, `^grader: the highest cost of \$0.032 is reached \(\$0.0\d+ spent\), with \d+ lines written; run the same command with --resume to go on\n$`, stderr)
	require.LessOrEqual(t, judge.Calls(), 10+4)
	partial := bytes.Count(d.read("out.jsonl.partial"), []byte("\n"))
	require.GreaterOrEqual(t, partial, judge.Calls()-1, "what was paid for is written, apart from the probe")

	s := d.summary("out.jsonl", "--max-cost", "1", "--resume")
	require.Equal(t, 70, s.Lines)
	require.Equal(t, partial, s.Kept)
	require.LessOrEqual(t, judge.Calls(), 70+1)
}

// TestBatchRetryErrors: a bad hour of the endpoint leaves DEGRADED lines, and another run judges just those.
func TestBatchRetryErrors(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	calls, down := 0, true
	d, judge := newDesk(t, 70, judgetest.Options{}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			calls++
			fail := down && calls > 20 && strings.HasSuffix(r.URL.Path, "completions")
			mu.Unlock()
			if fail {
				http.Error(w, `{"error":{"message":"overloaded"}}`, http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	s := d.summary("out.jsonl", "--judge-timeout", "150ms", "--concurrency", "2")
	failed := s.States["DEGRADED"]
	require.Positive(t, failed)
	before := strings.Split(string(d.read("out.jsonl")), "\n")
	mu.Lock()
	down = false
	mu.Unlock()
	paid := judge.Calls()
	s = d.summary("out.jsonl", "--retry-errors")
	require.Zero(t, s.States["DEGRADED"])
	require.Equal(t, 70-failed, s.Kept)
	require.Equal(t, failed, judge.Calls()-paid)
	for i, line := range strings.Split(string(d.read("out.jsonl")), "\n") {
		if !strings.Contains(before[i], `"state":"DEGRADED"`) {
			require.Equal(t, before[i], line)
		}
	}
	require.True(t, d.summary("out.jsonl", "--retry-errors").Unchanged)
}

// TestBatchJudgedKilled kills a judged batch at random moments: each resume goes on from what is written, and no answer
// that is written is paid for again. Without a cache, which would hide it.
func TestBatchJudgedKilled(t *testing.T) {
	t.Parallel()
	const answers, kills = 600, 20
	var mu sync.Mutex
	written, again := map[string]bool{}, []string{}
	d, judge := newDesk(t, answers, judgetest.Options{Delay: 40 * time.Millisecond}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			mu.Lock()
			if text := askedFor(body); written[text] {
				again = append(again, text)
			}
			mu.Unlock()
			next.ServeHTTP(w, r)
		})
	})
	texts := map[string]string{}
	for line := range strings.Lines(string(d.read("in.jsonl"))) {
		var a labelledAnswer
		require.NoError(t, json.Unmarshal([]byte(line), &a))
		texts[a.ID] = a.Text
	}
	killed := 0
	for finished := false; !finished; {
		c := d.batch("out.jsonl", "--judge", "required", "--no-cache", "--concurrency", "8", "--resume")
		require.NoError(t, c.Start())
		ended := make(chan struct{})
		go func() { _ = c.Wait(); close(ended) }()
		if killed < kills { // at some time after it has begun
			for calls := judge.Calls(); judge.Calls() == calls && !closed(ended); {
				<-time.After(time.Millisecond)
			}
			<-time.After(20*time.Millisecond + rand.N(200*time.Millisecond))
			_ = c.Process.Kill()
			killed++
		}
		<-ended
		mu.Lock()
		for _, name := range []string{"out.jsonl.partial", "out.jsonl"} {
			data, err := os.ReadFile(d.path(name))
			finished = err == nil && name == "out.jsonl"
			whole := data[:bytes.LastIndexByte(data, '\n')+1]
			for line := range bytes.Lines(whole) {
				var l outLine
				require.NoError(t, json.Unmarshal(line, &l))
				written[texts[l.ID]] = true
			}
		}
		mu.Unlock()
	}
	lines := d.results()
	require.Len(t, lines, answers)
	for i, l := range lines {
		require.Equal(t, fmt.Sprintf("a%d", i), l.ID)
		require.Equal(t, "GRADED", l.Critique.State)
	}
	require.Empty(t, again, "paid for again")
	t.Logf("%d kills, %d calls for %d answers", killed, judge.Calls(), answers)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// askedFor is the answer in a request to the judge.
func askedFor(body []byte) string {
	var req struct{ Messages []struct{ Content string } }
	if json.Unmarshal(body, &req) != nil || len(req.Messages) < 2 {
		return ""
	}
	lines := strings.Split(req.Messages[1].Content, "\n")
	var a struct{ Answer struct{ Text string } }
	if len(lines) < 3 || json.Unmarshal([]byte(lines[2]), &a) != nil {
		return ""
	}
	return a.Answer.Text
}
