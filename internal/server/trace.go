package server

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge"
)

// scope is the instrumentation scope of the server's spans.
const scope = "github.com/vivagrader/grader/internal/server"

// traceHeaders carry the caller's span (W3C Trace Context).
var traceHeaders = propagation.TraceContext{}

// tracerOf returns what starts the span of an rpc. Spans below it come from its provider, so that nothing is made where
// tracing is off. Attributes name the question, the outcome and the costs, and hold no text.
func tracerOf(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer(scope)
}

// startRPC starts the span of an rpc, below the caller's span if it sent one.
func (i *interceptor) startRPC(ctx context.Context, md metadata.MD, method, id string) (context.Context, trace.Span) {
	ctx = traceHeaders.Extract(ctx, incoming(md))
	return i.tracer.Start(ctx, ours[1:]+method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		semconv.RPCSystemNameGRPC, attribute.String("grader.transport", i.transport), attribute.String("grader.request_id", id)))
}

// incoming reads the metadata of a request.
type incoming metadata.MD

// Get returns the first value of a key.
func (m incoming) Get(key string) string { return first(metadata.MD(m), key) }

// Set does nothing: requests are only read.
func (incoming) Set(string, string) {}

// Keys lists nothing: the format asks by name.
func (incoming) Keys() []string { return nil }

// passTrace hands the caller's span on from HTTP to the rpc.
func passTrace(md metadata.MD, r *http.Request) {
	for _, name := range traceHeaders.Fields() {
		if v := r.Header.Get(name); v != "" {
			md.Set(name, v)
		}
	}
}

// endRPC ends the span of an rpc. Only what is the server's fault is an error of the span.
func endRPC(span trace.Span, st *status.Status) {
	span.SetAttributes(semconv.RPCResponseStatusCode(codeName(st.Code())))
	switch st.Code() {
	case codes.Internal, codes.Unknown, codes.DataLoss, codes.Unavailable, codes.DeadlineExceeded:
		span.SetStatus(otelcodes.Error, reasonOf(st).String())
	default:
	}
	span.End()
}

// startSpan starts a span below that of the rpc.
func startSpan(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	return trace.SpanFromContext(ctx).TracerProvider().Tracer(scope).Start(ctx, name, trace.WithAttributes(attributes...))
}

// endGrade ends the span of a critique. After a panic there is neither critique nor error.
func endGrade(span trace.Span, c *grade.Critique, err error) {
	if err != nil {
		span.SetStatus(otelcodes.Error, reasonOf(toStatus(err)).String())
	} else if c != nil {
		span.SetAttributes(attribute.String("grader.state", string(c.State)), attribute.String("grader.mode", string(c.Mode)))
	}
	span.End()
}

// endJudge ends the span of an answer's time with the judge.
func endJudge(span trace.Span, r judge.Result, err error) {
	span.SetAttributes(attribute.Bool("grader.judge.cached", r.Cached), attribute.Int("gen_ai.usage.input_tokens", r.Spent.InputTokens), attribute.Int("gen_ai.usage.output_tokens", r.Spent.OutputTokens))
	if err != nil {
		span.SetStatus(otelcodes.Error, judgeOutcome(err))
	}
	span.End()
}

// endSpeech ends the span of a recording's time with the recogniser.
func endSpeech(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(otelcodes.Error, judgeOutcome(err))
	}
	span.End()
}
