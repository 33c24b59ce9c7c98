package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/rubrics"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// strong answers the question event-loop-phases.
const strong = "Timers run first, then pending callbacks, then poll, then check, where setImmediate runs, then close callbacks. 👋 Between callbacks Node drains process.nextTick and then the promise microtasks."

// logBuffer keeps a log for tests to look through.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// stand is a server that listens, with clients.
type stand struct {
	*Server
	grpc  graderv1.GraderServiceClient
	conn  *grpc.ClientConn
	http  *http.Client
	url   string
	addr  string
	admin string
	log   *logBuffer
	stop  func()
}

var shared = sync.OnceValues(func() (*Catalog, error) {
	node, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	if err != nil {
		return nil, err
	}
	tea, err := rubric.Open(os.DirFS("../../cmd/grader/testdata/bank"), "bank")
	if err != nil {
		return nil, err
	}
	return NewCatalog([]*grade.Grader{grade.New(tea, "test"), grade.New(node, "test")})
})

func catalog(t testing.TB) *Catalog {
	c, err := shared()
	require.NoError(t, err)
	return c
}

func listen(t testing.TB) net.Listener {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

func start(t testing.TB, cfg Config) *stand {
	t.Helper()
	st := &stand{log: &logBuffer{}}
	cfg.Version = "test"
	cfg.Logger = slog.New(slog.NewTextHandler(st.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := New(cfg, catalog(t))
	require.NoError(t, err)
	st.Server = s
	l := Listeners{listen(t), listen(t), listen(t)}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	st.conn, err = grpc.NewClient(l.GRPC.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	st.grpc = graderv1.NewGraderServiceClient(st.conn)
	st.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: time.Minute}
	st.addr = l.HTTP.Addr().String()
	st.url, st.admin = "http://"+st.addr, "http://"+l.Admin.Addr().String()
	st.stop = sync.OnceFunc(func() {
		st.http.CloseIdleConnections()
		_ = st.conn.Close()
		s.Close()
		require.NoError(t, <-done)
	})
	t.Cleanup(st.stop)
	return st
}

// response is an HTTP response, read to its end.
type response struct {
	status int
	header http.Header
	body   string
}

func (st *stand) do(t testing.TB, method, path, body string, headers ...string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, st.url+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "-" {
			req.Header.Del(headers[i])
		}
	}
	res, err := st.http.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return response{res.StatusCode, res.Header, string(data)}
}

// errorBody is the form of every error.
type errorBody struct {
	Code    int
	Message string
	Details []struct {
		Type            string `json:"@type"`
		Reason          string
		Domain          string
		Metadata        map[string]string
		FieldViolations []struct{ Field, Description string }
	}
}

func (r response) error(t testing.TB) errorBody {
	t.Helper()
	var e errorBody
	dec := json.NewDecoder(strings.NewReader(r.body))
	require.NoError(t, dec.Decode(&e), r.body)
	require.NotZero(t, e.Code, r.body)
	require.NotEmpty(t, e.Message)
	require.NotEmpty(t, e.Details, r.body)
	require.Equal(t, "type.googleapis.com/google.rpc.ErrorInfo", e.Details[0].Type)
	require.Equal(t, "grader.v1", e.Details[0].Domain)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	return e
}

func lines(body string) []string {
	var out []string
	s := bufio.NewScanner(strings.NewReader(body))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		out = append(out, s.Text())
	}
	return out
}

// answerJSON is the body of a request to grade.
func answerJSON(text string, more ...string) string {
	data, _ := json.Marshal(map[string]string{"text": text})
	return `{"answer":` + string(data) + strings.Join(append([]string{""}, more...), ",") + `}`
}

func textAnswer(text string) *graderv1.Answer {
	return &graderv1.Answer{Content: &graderv1.Answer_Text{Text: text}}
}

// judgeFunc is a judge for tests.
type judgeFunc func(ctx context.Context, req judge.Request) (judge.Result, error)

func (f judgeFunc) Judge(ctx context.Context, req judge.Request) (judge.Result, error) {
	return f(ctx, req)
}

func judged(f judgeFunc) *grade.Judged {
	return &grade.Judged{Judge: f, Endpoint: "http://judge.test/v1", Model: "small", PromptHash: "ab"}
}

// allMissed is a judge's reply without a quote.
func allMissed(_ context.Context, req judge.Request) (judge.Result, error) {
	var r judge.Result
	for _, p := range req.Question.Points {
		r.Points = append(r.Points, judge.Verdict{ID: p.ID, Verdict: "missed", Reason: "not said"})
	}
	return r, nil
}

// metricsText is what the admin address says at /metrics.
func (st *stand) metricsText(t testing.TB) string {
	t.Helper()
	return st.adminGet(t, "/metrics").body
}

func (st *stand) adminGet(t testing.TB, path string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, st.admin+path, nil)
	require.NoError(t, err)
	res, err := st.http.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return response{res.StatusCode, res.Header, string(data)}
}
