package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

const (
	headerRequestID = "x-request-id"
	headerRemote    = "x-grader-remote" // set by our own gateway, never taken from outside
	headerCaller    = "x-grader-caller" // told to our own gateway, for its log
)

// ours is the prefix of the methods that are guarded; health and reflection tell nothing.
const ours = "/grader.v1.GraderService/"

// interceptor is the one chain that every rpc passes, whether it came over gRPC or through the gateway.
type interceptor struct {
	transport string // grpc, or http for what the gateway sends
	keys      *keyring
	proxies   proxies
	addresses *addresses
	flight    *flight
	validator protovalidate.Validator
	timeout   time.Duration // for one request
	hearing   time.Duration // how much longer one with a recording may take
	metrics   *metrics
	tracer    trace.Tracer
	log       *slog.Logger
}

func (i *interceptor) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	if !strings.HasPrefix(info.FullMethod, ours) {
		return handler(ctx, req)
	}
	ctx, c := i.begin(ctx, info.FullMethod)
	defer func() {
		if p := recover(); p != nil {
			err = c.panicked(p)
		}
		err = c.end(err)
	}()
	ctx, err = c.admit(ctx)
	if err != nil {
		return nil, err
	}
	defer c.cancel()
	if err := i.validate(req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (i *interceptor) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	if !strings.HasPrefix(info.FullMethod, ours) {
		return handler(srv, ss)
	}
	ctx, c := i.begin(ss.Context(), info.FullMethod)
	defer func() {
		if p := recover(); p != nil {
			err = c.panicked(p)
		}
		err = c.end(err)
	}()
	ctx, err = c.admit(ctx)
	if err != nil {
		return err
	}
	defer c.cancel()
	return handler(srv, &checkedStream{ServerStream: ss, ctx: func() context.Context { return ctx }, validate: i.validate})
}

func (i *interceptor) validate(req any) error {
	if m, ok := req.(proto.Message); ok {
		return i.validator.Validate(m)
	}
	return nil
}

// checkedStream validates what comes in, and has the context of the call.
type checkedStream struct {
	grpc.ServerStream
	ctx      func() context.Context
	validate func(any) error
}

// Context is the stream's context with caller and deadline.
func (s *checkedStream) Context() context.Context { return s.ctx() }

// RecvMsg receives a message that keeps the rules. One that cannot be read is the caller's fault.
func (s *checkedStream) RecvMsg(m any) error {
	err := await(s.ctx(), func() error { return s.ServerStream.RecvMsg(m) })
	if st, ok := status.FromError(err); ok && (st.Code() == codes.Internal || st.Code() == codes.Unimplemented) {
		return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the message cannot be read: %s", st.Message())
	}
	if err != nil {
		return err
	}
	return s.validate(m)
}

// SendMsg sends a message, unless nobody takes it in time.
func (s *checkedStream) SendMsg(m any) error {
	ctx, cancel := context.WithTimeout(s.ctx(), stallTimeout)
	defer cancel()
	return await(ctx, func() error { return s.ServerStream.SendMsg(m) })
}

// await does what may wait for the caller, who must not hold a place for ever by saying or reading nothing. What still
// waits ends with the stream, when the handler returns.
func await(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exchange is one rpc on its way through the chain.
type exchange struct {
	*interceptor
	method string // without the service
	id     string
	caller string
	remote string // address
	start  time.Time
	span   trace.Span
	leave  func()
	cancel context.CancelFunc
	record func(error, *status.Status)
}

func (i *interceptor) begin(ctx context.Context, fullMethod string) (context.Context, *exchange) {
	c := &exchange{interceptor: i, method: strings.TrimPrefix(fullMethod, ours), start: time.Now(), leave: func() {}, cancel: func() {}}
	md, _ := metadata.FromIncomingContext(ctx)
	c.remote = i.remote(ctx, md)
	c.id = requestID(first(md, headerRequestID))
	ctx, c.span = i.startRPC(ctx, md, c.method, c.id)
	c.record = func(cause error, st *status.Status) { c.write(ctx, cause, st) }
	i.metrics.inFlight.Inc()
	return ctx, c
}

// admit says who asks and whether the request may go on, and returns its context.
func (c *exchange) admit(ctx context.Context) (context.Context, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if len(c.keys.callers) > 0 {
		if err := c.addresses.allow(c.remote); err != nil {
			return ctx, c.shed("address", err)
		}
	}
	who, err := c.keys.identify(md)
	if err != nil {
		return ctx, err
	}
	c.caller = who.name
	limited := allow(who.rate)
	c.announce(ctx, who)
	if limited != nil {
		return ctx, c.shed("key", limited)
	}
	if err := c.flight.enter(); err != nil {
		return ctx, c.shed("in_flight", err)
	}
	c.leave = c.flight.leave
	ctx, c.cancel = context.WithTimeout(context.WithValue(ctx, callerKey{}, who), c.allowed())
	return ctx, nil
}

// allowed is the most time for the request.
func (c *exchange) allowed() time.Duration {
	if c.method == "GradeAudio" || c.method == "Transcribe" {
		return c.timeout + c.hearing
	}
	return c.timeout
}

func (c *exchange) shed(why string, err error) error {
	c.metrics.shed.WithLabelValues(why).Inc()
	return err
}

// announce sends the request's id and what is left of the caller's limits.
func (c *exchange) announce(ctx context.Context, who *caller) {
	md := metadata.Pairs(headerRequestID, c.id)
	if c.transport != "grpc" {
		md.Set(headerCaller, who.name)
	}
	if who.rate != nil {
		md.Set("ratelimit-limit", strconv.Itoa(who.rate.Burst()))
		md.Set("ratelimit-remaining", strconv.Itoa(max(0, int(who.rate.Tokens()))))
	}
	if who.budget != nil {
		md.Set("judge-budget-remaining", strconv.Itoa(who.budget.left()))
	}
	_ = grpc.SetHeader(ctx, md) // fails only where there is no stream
}

func (c *exchange) panicked(p any) error {
	c.metrics.panics.Inc()
	return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
}

// end turns the error into what the caller sees, and writes the request down.
func (c *exchange) end(err error) error {
	c.leave()
	c.metrics.inFlight.Dec()
	if err == nil {
		endRPC(c.span, nil)
		c.record(nil, nil)
		return nil
	}
	st, ok := status.FromError(err)
	if !ok || len(st.Details()) == 0 {
		st = toStatus(err)
	}
	endRPC(c.span, st)
	c.record(err, st)
	return st.Err()
}

func (c *exchange) write(ctx context.Context, cause error, st *status.Status) {
	switch {
	case st.Code() == codes.Internal:
		c.log.ErrorContext(ctx, "internal error", slog.String("request_id", c.id), slog.Any("error", cause))
	case reasonOf(st) == graderv1.ErrorReason_SPEECH_FAILED:
		c.log.WarnContext(ctx, "recogniser failed", slog.String("request_id", c.id), slog.Any("error", errors.Unwrap(cause)))
	}
	if c.transport != "grpc" {
		return // the HTTP side writes its own line
	}
	took := time.Since(c.start)
	c.metrics.request("grpc", c.method, st.Code(), took)
	c.log.InfoContext(ctx, "request", slog.String("transport", "grpc"), slog.String("method", c.method), slog.String("code", codeName(st.Code())),
		slog.Float64("duration_ms", millis(took)), slog.String("request_id", c.id), slog.String("address", c.remote), slog.String("key", c.caller))
}

func first(md metadata.MD, name string) string {
	if v := md.Get(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// remote is the address of the caller: of the connection, or what our own gateway or a trusted proxy says.
func (i *interceptor) remote(ctx context.Context, md metadata.MD) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if p.Addr.Network() == "bufconn" {
		return first(md, headerRemote)
	}
	return i.proxies.client(p.Addr.String(), md.Get("x-forwarded-for"), md.Get("forwarded"))
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
