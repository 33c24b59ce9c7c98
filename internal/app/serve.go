package app

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/server"
	"github.com/vivagrader/grader/internal/speech"
)

// probeTimeout bounds the question to the judge at the start.
const probeTimeout = 5 * time.Second

// Options are what a service is built from.
type Options struct {
	Config config.Serve
	// Version of the engine.
	Version string
	// Open reads the banks, from their files each time.
	Open func() ([]*rubric.Bank, error)
	// Logger gets one line a request and a state change.
	Logger *slog.Logger
	// Ready is told, once, where the service listens.
	Ready func(Where)
}

// Where is where a service listens, and what it serves. An address is empty where it is off.
type Where struct {
	GRPC, HTTP, Admin string
	TLS               bool // of gRPC and HTTP
	Banks             []*rubric.Bank
	Judge, Speech     string // model at endpoint, empty for none
}

// App is the service: New builds it, Run starts it, serves and stops it.
type App struct {
	opts   Options
	judge  *Judge
	server *server.Server
	cert   *certificate
	traces *sdktrace.TracerProvider // nil: off
	served chan error
	where  Where
}

// New builds the service. It makes no call and opens no socket. Errors are those of the configuration and of the banks.
func New(opts Options) (*App, error) {
	a := &App{opts: opts, served: make(chan error, 1)}
	catalog, err := a.catalog()
	if err != nil {
		return nil, err
	}
	a.where.Banks = catalog.Banks()
	cfg := opts.Config
	serve := server.Config{
		Version: opts.Version, PerKey: server.Rate{PerSecond: cfg.Limits.KeyRate, Burst: cfg.Limits.KeyBurst},
		PerAddress: server.Rate{PerSecond: cfg.Limits.AddressRate, Burst: cfg.Limits.AddressBurst},
		InFlight:   cfg.Limits.InFlight, JudgeSlots: cfg.Judge.Concurrency, SpeechTimeout: cfg.Speech.Timeout,
		SpeechSlots: cfg.Speech.Concurrency, MaxAudio: cfg.Speech.MaxBytes, RequestTimeout: cfg.Timeouts.Request, HeaderTimeout: cfg.Timeouts.Header,
		ReadTimeout: cfg.Timeouts.Read, IdleTimeout: cfg.Timeouts.Idle, Heartbeat: cfg.Timeouts.Heartbeat, Origins: cfg.CORS.Origins,
		NoSite: !cfg.Site, NoReflection: !cfg.Reflect, Pprof: cfg.Pprof, Logger: opts.Logger,
	}
	if serve.TrustedProxies, err = cfg.Proxies(); err != nil {
		return nil, err
	}
	if serve.Keys, err = keys(cfg.Keys); err != nil {
		return nil, err
	}
	if j := cfg.Judge.For(); j.Configured() {
		if a.judge, err = NewJudge(j, opts.Logger); err != nil {
			return nil, err
		}
		serve.Judge, serve.JudgeTotals = &a.judge.Judged, a.judge.Client.Totals
		a.where.Judge = j.Model + " at " + j.URL
	}
	if s := cfg.Speech.For(); s.Configured() {
		serve.Speech = speech.New(speech.Config{URL: s.URL, Model: s.Model, APIKey: s.APIKey.Reveal()})
		a.where.Speech = s.Model + " at " + s.URL
	}
	if serve.TLS, err = a.tls(); err != nil {
		return nil, err
	}
	a.where.TLS = serve.TLS != nil
	if cfg.Trace.Endpoint != "" {
		if a.traces, err = newTraces(context.Background(), cfg.Trace.Endpoint, opts.Version, opts.Logger); err != nil {
			return nil, err
		}
		serve.Traces = a.traces
	}
	if a.server, err = server.New(serve, catalog); err != nil {
		return nil, err
	}
	a.server.Registry().MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return a, nil
}

// catalog opens the banks and compiles all of them.
func (a *App) catalog() (*server.Catalog, error) {
	banks, err := a.opts.Open()
	if err != nil {
		return nil, err
	}
	graders := make([]*grade.Grader, len(banks))
	for i, b := range banks {
		graders[i] = grade.New(b, a.opts.Version)
	}
	return server.NewCatalog(graders)
}

func keys(list []config.Key) ([]server.Key, error) {
	out := make([]server.Key, len(list))
	for i, k := range list {
		out[i] = server.Key{Name: k.Name, Detail: k.Detail, Rate: k.Rate, Burst: k.Burst, JudgePerDay: k.JudgePerDay}
		digest, err := hex.DecodeString(k.SHA256.Reveal())
		if err != nil || len(digest) != len(out[i].SHA256) {
			return nil, fmt.Errorf("keys[%d].sha256: must be 64 hexadecimal digits", i)
		}
		copy(out[i].SHA256[:], digest)
		for _, s := range k.Scopes {
			out[i].Scopes = append(out[i].Scopes, server.Scope(s))
		}
	}
	return out, nil
}

func (a *App) tls() (*tls.Config, error) {
	files := a.opts.Config.TLS
	if files.CertFile == "" {
		return nil, nil
	}
	cert, err := newCertificate(files.CertFile, files.KeyFile, a.opts.Logger)
	if err != nil {
		return nil, err
	}
	a.cert = cert
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get}, nil
}

// Start asks the judge whether its settings can be right, opens the sockets and serves.
func (a *App) Start(ctx context.Context) error {
	if err := a.probe(ctx); err != nil {
		return err
	}
	var l server.Listeners
	var where [3]string
	for i, at := range []struct {
		to   *net.Listener
		addr string
	}{{&l.GRPC, a.opts.Config.GRPCAddr}, {&l.HTTP, a.opts.Config.HTTPAddr}, {&l.Admin, a.opts.Config.AdminAddr}} {
		if at.addr == config.Off {
			continue
		}
		socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.addr)
		if err != nil {
			closeAll(l)
			a.server.Close()
			return fmt.Errorf("listen: %w; choose another address", err)
		}
		*at.to, where[i] = socket, socket.Addr().String()
	}
	a.where.GRPC, a.where.HTTP, a.where.Admin = where[0], where[1], where[2]
	go func() { a.served <- a.server.Serve(l) }()
	if a.opts.Ready != nil {
		a.opts.Ready(a.where)
	}
	return nil
}

// probe waits a moment for the judge. One that does not answer is no reason not to start.
func (a *App) probe(ctx context.Context) error {
	if a.judge == nil {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := a.judge.Probe(within)
	if within.Err() != nil && ctx.Err() == nil {
		err = nil
	}
	if err != nil {
		a.server.Close()
	}
	return err
}

func closeAll(l server.Listeners) {
	for _, s := range []net.Listener{l.GRPC, l.HTTP, l.Admin} {
		if s != nil {
			_ = s.Close()
		}
	}
}

// Reload reads the banks and the certificate again: whole, or not at all.
func (a *App) Reload(ctx context.Context) error {
	if a.cert != nil {
		a.cert.reload(ctx)
	}
	c, err := a.catalog()
	a.server.Reloaded(err)
	if err != nil {
		a.opts.Logger.ErrorContext(ctx, "bank not reloaded, the old one stays", slog.String("error", err.Error()))
		return err
	}
	a.server.Swap(c)
	a.opts.Logger.InfoContext(ctx, "bank reloaded", slog.String("banks", names(c.Banks())))
	return nil
}

func names(banks []*rubric.Bank) string {
	list := make([]string, len(banks))
	for i, b := range banks {
		list[i] = b.ID + " " + b.Version
	}
	return strings.Join(list, ", ")
}

// Stop drains the service within the time that the configuration gives it.
func (a *App) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.opts.Config.Timeouts.Drain)
	defer cancel()
	err := a.server.Drain(ctx)
	if a.judge != nil {
		a.judge.Client.Close()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were still under way after %s and were cut off; raise --timeouts-drain", a.opts.Config.Timeouts.Drain)
	}
	return errors.Join(err, <-a.served)
}

// Run serves until ctx is done, then drains. Each value on reload reads the banks again.
func (a *App) Run(ctx context.Context, reload <-chan struct{}) error {
	defer a.flush(ctx)
	if err := a.Start(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-reload:
			_ = a.Reload(ctx) // it has said why
		case err := <-a.served:
			return fmt.Errorf("serve: %w", err)
		case <-ctx.Done():
			a.opts.Logger.InfoContext(ctx, "draining", slog.Duration("at_most", a.opts.Config.Timeouts.Drain))
			return a.Stop(context.WithoutCancel(ctx))
		}
	}
}
