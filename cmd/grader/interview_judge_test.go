package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/interview"
	"github.com/vivagrader/grader/internal/judge/judgetest"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/rubrics"
)

// interviews writes interviews of the desk's answers into a folder, so many questions in each.
func (d *desk) interviews(questions int) string {
	d.t.Helper()
	bank, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	require.NoError(d.t, err)
	dir := d.path("interviews")
	require.NoError(d.t, os.Mkdir(dir, 0o700))
	var text strings.Builder
	lines := bytes.Split(bytes.TrimSpace(d.read("in.jsonl")), []byte("\n"))
	for i, line := range lines {
		var a struct {
			QuestionID string `json:"question_id"`
			Text       string `json:"text"`
		}
		require.NoError(d.t, json.Unmarshal(line, &a))
		q, err := bank.Question(a.QuestionID)
		require.NoError(d.t, err)
		fmt.Fprintf(&text, "Interviewer: %s\nCandidate: %s\n", q.Prompt, a.Text)
		if i%questions == questions-1 || i == len(lines)-1 {
			d.write(fmt.Sprintf("interviews/%02d.txt", i/questions), []byte(text.String()))
			text.Reset()
		}
	}
	return dir
}

// interviewSummary is what interview --json says, and its exit code.
func (d *desk) interviewSummary(in string, more ...string) (s interview.Summary, stderr string, code int) {
	d.t.Helper()
	stdout, stderr, code := d.run(d.command(append([]string{"interview", in, "--out", d.path("out"), "--json"}, d.judge(more...)...)...))
	if code == 0 {
		require.NoError(d.t, json.Unmarshal([]byte(stdout), &s))
	}
	return s, stderr, code
}

// TestInterviewRetryErrors: the judge dies half-way, and another run judges just what it left.
func TestInterviewRetryErrors(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	calls := atomic.Int32{}
	d, judge := newDesk(t, 35, judgetest.Options{}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "completions") && calls.Add(1) > 12 && down.Load() {
				http.Error(w, `{"error":{"message":"overloaded"}}`, http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	in := d.interviews(5)
	down.Store(true)
	s, _, code := d.interviewSummary(in, "--judge-timeout", "150ms", "--concurrency", "1")
	require.Zero(t, code)
	failed := s.States["DEGRADED"]
	require.Positive(t, failed)
	require.Less(t, failed, s.Questions)
	before := strings.Split(string(d.read("out/results.jsonl")), "\n")
	down.Store(false)
	paid := judge.Calls()
	s, stderr, code := d.interviewSummary(in, "--retry-errors")
	require.Zero(t, code, stderr)
	require.Zero(t, s.States["DEGRADED"])
	require.Equal(t, failed, judge.Calls()-paid)
	for i, line := range strings.Split(string(d.read("out/results.jsonl")), "\n") {
		if strings.Contains(before[i], `"state":"DEGRADED"`) {
			require.Contains(t, line, `"mode":"JUDGE"`)
		} else {
			require.Equal(t, before[i], line)
		}
	}
	s, _, _ = d.interviewSummary(in, "--retry-errors")
	require.True(t, s.Unchanged)
}

func TestInterviewMaxCost(t *testing.T) {
	t.Parallel()
	d, judge := newDesk(t, 35, judgetest.Options{}, nil)
	in := d.interviews(5)
	_, stderr, code := d.interviewSummary(in, "--max-cost", fmt.Sprint(11.5*perCall), "--judge", "required")
	require.Equal(t, exitOther, code)
	require.Regexp(t, `^grader: the highest cost of \$0.0368 is reached \(\$0.0384 spent\), with \d interviews? written; run the same command with --resume to go on\n$`, stderr)
	s, stderr, code := d.interviewSummary(in, "--max-cost", "1", "--resume")
	require.Zero(t, code, stderr)
	require.Equal(t, 7, s.Interviews)
	require.LessOrEqual(t, judge.Calls(), 35+1, "what was paid for is not asked again; one call is the probe")
}
