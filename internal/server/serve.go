package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// hurryBefore is the time before the end of a drain at which nobody may wait for the judge any more, so that answers
// still go out, degraded.
const hurryBefore = 2 * time.Second

// Listeners are where a server listens. A nil listener is not served.
type Listeners struct{ GRPC, HTTP, Admin net.Listener }

// Serve answers until Drain or Close is called, or until a listener breaks, which is its error.
func (s *Server) Serve(l Listeners) error {
	jobs := []func() error{func() error { return s.inner.Serve(s.pipe) }}
	if l.GRPC != nil {
		jobs = append(jobs, func() error { return s.public.Serve(l.GRPC) })
	}
	if l.HTTP != nil {
		jobs = append(jobs, func() error { return s.http.Serve(s.secure(l.HTTP)) })
	}
	if l.Admin != nil {
		jobs = append(jobs, func() error { return s.admin.Serve(l.Admin) })
	}
	s.ready(true)
	failed := make(chan error, len(jobs))
	for _, run := range jobs {
		go func() { failed <- run() }()
	}
	var broken error
	for range jobs {
		if err := <-failed; err != nil && !errors.Is(err, http.ErrServerClosed) && broken == nil {
			broken = err
			go s.Close()
		}
	}
	return broken
}

func (s *Server) secure(l net.Listener) net.Listener {
	if s.cfg.TLS == nil {
		return l
	}
	cfg := s.cfg.TLS.Clone()
	cfg.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(l, cfg)
}

func (s *Server) ready(yes bool) {
	state, level := healthv1.HealthCheckResponse_NOT_SERVING, 0.0
	if yes {
		state, level = healthv1.HealthCheckResponse_SERVING, 1
	}
	s.metrics.ready.Set(level)
	s.health.SetServingStatus("", state)
	s.health.SetServingStatus(graderv1.GraderService_ServiceDesc.ServiceName, state)
	s.readiness.Store(yes)
}

// Drain stops serving: first it is not ready, then it takes no new connections, then it waits for what is under way.
// When the end of ctx is near, answers stop waiting for the judge; what is left then is cut off, and the error is ctx's.
func (s *Server) Drain(ctx context.Context) error {
	s.ready(false)
	if deadline, ok := ctx.Deadline(); ok {
		t := time.AfterFunc(time.Until(deadline)-hurryBefore, s.hurryUp)
		defer t.Stop()
	}
	var work sync.WaitGroup
	var err error
	work.Go(s.public.GracefulStop)
	work.Go(func() { err = s.http.Shutdown(ctx) })
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.cfg.Logger.WarnContext(ctx, "drain took too long; what was left is cut off")
		s.Close()
		<-done
		return ctx.Err()
	}
	s.Close()
	return err
}

func (s *Server) hurryUp() { s.once.Do(func() { close(s.hurry) }) }

// Close ends everything at once.
func (s *Server) Close() {
	s.hurryUp()
	_ = s.http.Close()
	s.public.Stop()
	_ = s.conn.Close()
	s.inner.Stop()
	_ = s.pipe.Close()
	_ = s.admin.Close()
	s.health.Shutdown()
}

// quiet keeps net/http's remarks on bad connections at debug level.
type quiet struct{ slog.Handler }

// Handle drops the level of a record.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	if !q.Enabled(ctx, r.Level) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

func requests() []proto.Message {
	return []proto.Message{&graderv1.GradeAnswerRequest{}, &graderv1.StreamGradeAnswerRequest{}, &graderv1.GradeAudioRequest{}, &graderv1.TranscribeRequest{},
		&graderv1.ListQuestionsRequest{},
		&graderv1.GetQuestionRequest{}, &graderv1.ListBanksRequest{}, &graderv1.GetBankRequest{}}
}
