package app

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/judge/judgetest"
)

// collector takes spans over OTLP/HTTP.
type collector struct {
	mu    sync.Mutex
	sent  []*tracev1.ResourceSpans
	paths map[string]bool
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	data, err := io.ReadAll(body)
	var req collectorv1.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(data, &req) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, req.ResourceSpans...)
	c.paths[r.URL.Path] = true
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// spans are those that came, and everything about them as text.
func (c *collector) spans() (all []*tracev1.Span, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.sent {
		text += r.String()
		for _, s := range r.ScopeSpans {
			all = append(all, s.Spans...)
		}
	}
	return all, text
}

func TestTracesReachTheCollector(t *testing.T) {
	t.Parallel()
	const answer = "Frankly boiling water is all that anybody needs here."
	took := &collector{paths: map[string]bool{}}
	at := httptest.NewServer(took)
	defer at.Close()
	judge := judgetest.New([]judgetest.Labels{{QuestionID: "black-tea", Text: answer, Points: map[string]string{}}}, judgetest.Options{})
	var calls atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && calls.Add(1) == 1 {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		judge.ServeHTTP(w, r)
	}))
	defer endpoint.Close()
	r := run(t, teaBank, settings(func(c *config.Serve) {
		c.Trace.Endpoint = at.URL
		c.Judge.URL, c.Judge.Model = endpoint.URL+"/v1", "label-judge"
	}))
	code, body := r.grade(t, `{"answer":{"text":"`+answer+`"}}`)
	require.Equal(t, 200, code, body)
	require.Contains(t, body, `"mode":"JUDGE"`)
	r.stop()
	require.NoError(t, <-r.done)

	all, text := took.spans()
	require.Equal(t, map[string]bool{"/v1/traces": true}, took.paths)
	require.Contains(t, text, `string_value:"grader"`)
	names := map[string]string{}
	for _, s := range all {
		names[hex.EncodeToString(s.SpanId)] = s.Name
	}
	parents := map[string]int{}
	for _, s := range all {
		parents[s.Name+" < "+names[hex.EncodeToString(s.ParentSpanId)]+" "+s.Status.GetMessage()]++
	}
	require.Equal(t, map[string]int{
		"grader.v1.GraderService/GradeAnswer <  ":                  1,
		"grade.GradeJudged < grader.v1.GraderService/GradeAnswer ": 1,
		"judge.Judge < grade.GradeJudged ":                         1,
		"llm.attempt < judge.Judge unavailable":                    1,
		"llm.attempt < judge.Judge ":                               1,
	}, parents)
	for _, secret := range []string{answer, "Frankly", "anybody needs", "must be boiling", endpoint.URL} {
		require.NotContains(t, text, secret)
	}
}

// TestDeadCollector: nobody waits for a collector that is gone, or that hangs.
func TestDeadCollector(t *testing.T) {
	t.Parallel()
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice that the caller hung up
		<-r.Context().Done()
	}))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, at := range map[string]*httptest.Server{"gone": gone, "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(at.CloseClientConnections)
			r := run(t, teaBank, settings(func(c *config.Serve) { c.Trace.Endpoint = at.URL }))
			for range 100 {
				code, _ := r.grade(t, `{"answer":{"text":"boiling water"}}`)
				require.Equal(t, 200, code)
			}
			stopping := time.Now()
			r.stop()
			require.NoError(t, <-r.done)
			require.Less(t, time.Since(stopping), flushTimeout+5*time.Second)
			require.Equal(t, 1, strings.Count(r.log.String(), "traces are lost"), r.log.String())
		})
	}
	t.Cleanup(hangs.Close)
}
