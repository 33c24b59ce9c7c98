package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"google.golang.org/grpc/codes"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// visit is one HTTP request, as far as log and metrics know it.
type visit struct {
	id     string
	method string // of the rpc; none for anything else
	code   codes.Code
	caller string // the key's name
	remote string // address of the caller
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// observed gives every HTTP request its id, its line in the log and its place in the metrics, and catches panics.
func (h *httpHandler) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		v := &visit{id: requestID(r.Header.Get("X-Request-Id")), method: "none", remote: h.proxies.client(r.RemoteAddr, r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded"))}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		out := &recorder{ResponseWriter: w}
		w.Header().Set("X-Request-Id", v.id)
		defer func() {
			p := recover()
			h.caught(out, r, p)
			h.wrote(r, v, out.status, time.Since(start))
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
		}()
		next.ServeHTTP(out, r)
	})
}

func (h *httpHandler) caught(w *recorder, r *http.Request, p any) {
	if err, ok := p.(error); p == nil || ok && errors.Is(err, http.ErrAbortHandler) {
		return
	}
	h.metrics.panics.Inc()
	h.log.ErrorContext(r.Context(), "internal error", slog.String("request_id", visitOf(r.Context()).id), slog.String("error", fmt.Sprintf("panic: %v\n%s", p, debug.Stack())))
	if w.status == 0 {
		writeError(w, r, refuse(graderv1.ErrorReason_INTERNAL, internalText))
	}
}

func (h *httpHandler) wrote(r *http.Request, v *visit, status int, took time.Duration) {
	h.metrics.request("http", v.method, v.code, took)
	h.log.InfoContext(r.Context(), "request", slog.String("transport", "http"), slog.String("method", v.method), slog.String("code", codeName(v.code)),
		slog.Int("status", status), slog.Float64("duration_ms", millis(took)), slog.String("request_id", v.id), slog.String("address", v.remote), slog.String("key", v.caller))
}

// recorder remembers the status of a response.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (r *recorder) WriteHeader(code int) {
	if r.status == 0 {
		r.status = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write remembers that there was no other status.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
