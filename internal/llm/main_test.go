package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// layerFunc is a layer for tests.
type layerFunc func(ctx context.Context, c call) (reply, error)

func (f layerFunc) complete(ctx context.Context, c call) (reply, error) { return f(ctx, c) }

// failing is a layer that fails with errs, one after the other, and then answers.
func failing(errs ...*Error) layerFunc {
	var mu sync.Mutex
	n := 0
	return func(context.Context, call) (reply, error) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n <= len(errs) && errs[n-1] != nil {
			return reply{}, errs[n-1]
		}
		return reply{content: "ok"}, nil
	}
}

// never is a layer that hangs until its context is done.
func never(ctx context.Context, _ call) (reply, error) {
	<-ctx.Done()
	return reply{}, contextError(ctx)
}

func kindOf(t *testing.T, err error) Kind {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e.Kind
}

var testSchema = json.RawMessage(`{"type":"object","properties":{"zebra":{"type":"string"},"apple":{"type":"string"}}}`)

// newClient is a client with short lines of set-up and a log in memory.
func newClient(t testing.TB, url string, change func(*Config)) *Client {
	t.Helper()
	cfg := Config{BaseURL: url, Model: "gpt-4o-mini", APIKey: testKey}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

const testKey = "sk-test-0123456789-secret"

func withTimeout(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func question(key string) Request {
	return Request{
		Messages:   []Message{{Role: "system", Content: "be brief"}, {Role: "user", Content: `say "temperature":1e-45 <b>`}},
		SchemaName: "test_1", Schema: testSchema, MaxTokens: 100, Key: key,
	}
}

// logBuffer is a log that tests can read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *logBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
