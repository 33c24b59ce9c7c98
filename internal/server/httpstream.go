package server

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// heartbeat is a comment of an event stream: it keeps proxies from hanging up.
const heartbeat = ": heartbeat\n\n"

// stream forwards events as lines of JSON, or as an event stream where the caller asks for one.
func (h *httpHandler) stream(w http.ResponseWriter, r *http.Request) {
	out := &streamWriter{ResponseWriter: w, rc: http.NewResponseController(w), stall: h.stall}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	events := strings.Contains(r.Header.Get("Accept"), typeSSE)
	r.Header.Del("Accept")
	if events {
		r.Header.Set("Accept", typeSSE)
		stop := out.beat(h.heartbeat)
		defer stop()
	}
	h.gateway.ServeHTTP(out, r)
	out.finish()
}

// streamWriter writes whole events, each within its time, and heartbeats between them.
type streamWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration

	mu      sync.Mutex
	pending []byte // an event that has not been flushed
	began   bool
}

// Write collects an event.
func (s *streamWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, p...)
	return len(p), nil
}

// WriteHeader begins an error.
func (s *streamWriter) WriteHeader(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ResponseWriter.WriteHeader(code)
}

// FlushError sends what was collected.
func (s *streamWriter) FlushError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flush()
}

func (s *streamWriter) flush() error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.stall))
	s.began = true
	_, err := s.ResponseWriter.Write(s.pending)
	s.pending = s.pending[:0]
	if err != nil {
		return err
	}
	return s.rc.Flush()
}

// finish sends what is left: an error is not flushed by the gateway.
func (s *streamWriter) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) > 0 {
		_ = s.flush() // nobody is left to tell
	}
}

// beat sends heartbeats once the stream has begun, until stop is called.
func (s *streamWriter) beat(every time.Duration) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-t.C:
				s.heartbeat()
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

func (s *streamWriter) heartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began && len(s.pending) == 0 {
		s.pending = append(s.pending, heartbeat...)
		_ = s.flush() // the next event meets the error
	}
}
