package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/llm"
)

type (
	judgeRequest = judge.Request
	judgeResult  = judge.Result
)

var (
	grpcHeader     = grpc.Header
	errUnavailable = &llm.Error{Kind: llm.Unavailable, Message: "gone"}
)

// hang is a judge that never answers.
func hang(ctx context.Context, _ judge.Request) (judge.Result, error) {
	<-ctx.Done()
	return judge.Result{}, &llm.Error{Kind: llm.Timeout, Message: "no reply", Err: ctx.Err()}
}

// wait is a pause that ends with ctx.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// abandoned sends a request whose answer nobody waits for.
func (st *stand) abandoned(ctx context.Context, path, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, st.url+path, strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	if res, err := st.http.Do(req); err == nil {
		_ = res.Body.Close()
	}
}
