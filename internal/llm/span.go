package llm

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startAttempt starts the span of one attempt at the endpoint, below the caller's span; without one it makes none. Spans
// hold no text of requests or replies.
func startAttempt(ctx context.Context, c call) (context.Context, trace.Span) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer("github.com/vivagrader/grader/internal/llm")
	return tracer.Start(ctx, "llm.attempt", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.Int("grader.judge.attempt", c.attempt+1), attribute.String("grader.judge.rung", c.rung.String())))
}

// endAttempt ends the span with its outcome, ok or the name of a Kind, and with what it used.
func endAttempt(span trace.Span, outcome string, u Usage) {
	span.SetAttributes(attribute.String("grader.judge.outcome", outcome),
		attribute.Int("gen_ai.usage.input_tokens", u.InputTokens), attribute.Int("gen_ai.usage.output_tokens", u.OutputTokens))
	if outcome != "ok" {
		span.SetStatus(codes.Error, outcome)
	}
	span.End()
}
