package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	// exportTimeout bounds one attempt to send a batch of spans, exportPatience all attempts.
	exportTimeout  = 5 * time.Second
	exportPatience = 15 * time.Second
	// flushTimeout bounds the sending of the last spans, after the drain.
	flushTimeout = 3 * time.Second
	// tracesPath is where collectors take spans.
	tracesPath = "/v1/traces"
)

// newTraces sends spans to a collector over OTLP/HTTP, in batches and in the background: what cannot be sent is dropped.
// The exporter heeds OTEL_EXPORTER_OTLP_HEADERS, the provider OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES.
func newTraces(ctx context.Context, endpoint, version string, log *slog.Logger) (*sdktrace.TracerProvider, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("trace.endpoint: %w", err)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = tracesPath
	}
	e, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: exportTimeout, MaxElapsedTime: exportPatience}))
	if err != nil {
		return nil, fmt.Errorf("trace.endpoint: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("grader"), semconv.ServiceVersion(version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe the service for traces: %w", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(&exporter{SpanExporter: e, log: log}), sdktrace.WithResource(about)), nil
}

// exporter says once that spans are lost, and once that they are not any more.
type exporter struct {
	sdktrace.SpanExporter
	log    *slog.Logger
	broken atomic.Bool
}

// ExportSpans sends a batch. It reports no error: nobody but the log could do anything about it.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.broken.Swap(true):
		e.log.WarnContext(ctx, "traces are lost: the collector does not take them", slog.String("error", err.Error()))
	case err == nil && e.broken.Swap(false):
		e.log.InfoContext(ctx, "traces are sent again")
	}
	return nil
}

// flush sends the last spans.
func (a *App) flush(ctx context.Context) {
	if a.traces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := a.traces.Shutdown(ctx); err != nil {
		a.opts.Logger.WarnContext(ctx, "the last traces are lost", slog.String("error", err.Error()))
	}
}
