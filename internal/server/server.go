// Package server is the service: the rpcs of grader.v1.GraderService over gRPC, the same over HTTP through a gateway in
// the process, and what guards them. Policy stands in interceptors and in the tables of keys, limits and errors; methods
// convert in, call the grader, convert out. It stores nothing and logs no answer. The main entry is New.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"buf.build/go/protovalidate"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/test/bufconn"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/speech"
)

// Config says how to serve. Zero values are defaults.
type Config struct {
	// Version of the engine.
	Version string
	// Judge is the second witness; nil grades by keywords. JudgeTotals is what its client counts, for metrics; it may be
	// nil.
	Judge       *grade.Judged
	JudgeTotals func() llm.Totals
	// Speech writes recordings down; nil refuses them. SpeechTimeout bounds that for one recording (5 min), SpeechSlots the
	// recordings that are received or written down at once (8), MaxAudio the bytes of one that is uploaded (25 MB).
	Speech        *speech.Client
	SpeechTimeout time.Duration
	SpeechSlots   int
	MaxAudio      int
	// Keys that may call. None: anybody may do everything but administer.
	Keys []Key
	// PerKey is the limit of keys that have none of their own, PerAddress that of every address. Both are for servers
	// with keys only; zero is no limit.
	PerKey, PerAddress Rate
	// InFlight bounds the work at once (256), JudgeSlots the answers that are with the judge (32).
	InFlight, JudgeSlots int
	// RequestTimeout bounds one request (2 min), HeaderTimeout and ReadTimeout its arrival over HTTP (5 s, 30 s; of an
	// upload, its next piece), IdleTimeout a connection without requests (2 min).
	RequestTimeout, HeaderTimeout, ReadTimeout, IdleTimeout time.Duration
	// Heartbeat is the pause between the heartbeats of event streams (15 s).
	Heartbeat time.Duration
	// Origins that may read over CORS, such as https://app.example.com; * is all.
	Origins []string
	// TrustedProxies are the peers that are believed about the address of their caller (X-Forwarded-For, Forwarded).
	TrustedProxies []netip.Prefix
	// NoSite leaves out the page at / and the API page; NoReflection the reflection service.
	NoSite, NoReflection bool
	// TLS for gRPC and HTTP; nil is none.
	TLS *tls.Config
	// Pprof serves profiles on the admin address.
	Pprof bool
	// Traces makes the spans; nil is none.
	Traces trace.TracerProvider
	// Logger gets one line a request. nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	number := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	duration := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	number(&c.InFlight, 256)
	number(&c.JudgeSlots, 32)
	number(&c.SpeechSlots, 8)
	number(&c.MaxAudio, 25_000_000)
	duration(&c.SpeechTimeout, 5*time.Minute)
	duration(&c.RequestTimeout, 2*time.Minute)
	duration(&c.HeaderTimeout, 5*time.Second)
	duration(&c.ReadTimeout, 30*time.Second)
	duration(&c.IdleTimeout, 2*time.Minute)
	duration(&c.Heartbeat, 15*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	if o, ok := originsValid(c.Origins); !ok {
		return fmt.Errorf("origin %q is none; it looks like https://app.example.com", o)
	}
	if c.InFlight < 0 || c.JudgeSlots < 0 || c.SpeechSlots < 0 || c.MaxAudio < 0 {
		return errors.New("bounds must be positive")
	}
	return nil
}

const (
	// maxMessageBytes of a gRPC request: 3 MiB of audio and something around it.
	maxMessageBytes = 4 << 20
	// maxHeaderBytes of a request.
	maxHeaderBytes = 16 << 10
	// streamsPerConnection bounds what one connection can ask at once.
	streamsPerConnection = 256
	// handshakeTimeout bounds a new gRPC connection.
	handshakeTimeout = 10 * time.Second
	// pipeBytes is the buffer of the connection between gateway and service.
	pipeBytes = 1 << 20
	// stallTimeout bounds one write to a slow reader.
	stallTimeout = 30 * time.Second
)

// Server is the service, before and while it listens.
type Server struct {
	cfg      Config
	service  *service
	metrics  *metrics
	registry *prometheus.Registry
	health   *health.Server
	public   *grpc.Server // on a socket
	inner    *grpc.Server // for the gateway
	pipe     *bufconn.Listener
	conn     *grpc.ClientConn
	http     *http.Server
	admin    *http.Server
	hurry    chan struct{}
	once     sync.Once // closes hurry

	readiness atomic.Bool
}

// rules are the contract's rules, compiled once for all servers of the process: they never change, and the library's
// parser must not run twice at once.
var rules = sync.OnceValues(func() (protovalidate.Validator, error) {
	return protovalidate.New(protovalidate.WithMessages(requests()...), protovalidate.WithDisableLazy())
})

// New builds a server for a catalog. It does not listen yet.
func New(cfg Config, catalog *Catalog) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	validator, err := rules()
	if err != nil {
		return nil, fmt.Errorf("compile the rules of the contract: %w", err)
	}
	s := &Server{cfg: cfg, registry: prometheus.NewRegistry(), health: health.NewServer(), hurry: make(chan struct{})}
	s.metrics = newMetrics(s.registry, cfg.Version)
	if cfg.JudgeTotals != nil {
		s.registry.MustRegister(judgeCollector{cfg.JudgeTotals})
	}
	s.service = &service{judge: cfg.Judge, gate: newJudgeGate(cfg.JudgeSlots, s.hurry, s.metrics), metrics: s.metrics}
	if cfg.Speech != nil {
		s.service.speech = &recogniser{client: cfg.Speech, timeout: cfg.SpeechTimeout, most: cfg.MaxAudio, flight: flight{most: int64(cfg.SpeechSlots)}, hurry: s.hurry, metrics: s.metrics}
	}
	s.Swap(catalog)
	chain := interceptor{keys: newKeyring(cfg.Keys, cfg.PerKey), proxies: cfg.TrustedProxies, addresses: &addresses{rate: cfg.PerAddress, limiters: map[string]*rate.Limiter{}},
		flight: &flight{most: int64(cfg.InFlight)}, validator: validator, timeout: cfg.RequestTimeout, hearing: cfg.SpeechTimeout, metrics: s.metrics, tracer: tracerOf(cfg.Traces), log: cfg.Logger}
	s.public = s.newGRPC(chain, "grpc")
	s.inner = s.newGRPC(chain, "http")
	s.pipe = bufconn.Listen(pipeBytes)
	if err := s.newHTTP(); err != nil {
		return nil, err
	}
	s.admin = s.newAdmin()
	return s, nil
}

func (s *Server) newGRPC(chain interceptor, transport string) *grpc.Server {
	chain.transport = transport
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(chain.unary), grpc.StreamInterceptor(chain.stream),
		grpc.MaxRecvMsgSize(maxMessageBytes), grpc.WaitForHandlers(true),
	}
	if transport == "grpc" {
		options = append(options, grpc.MaxConcurrentStreams(streamsPerConnection), grpc.MaxHeaderListSize(maxHeaderBytes), grpc.ConnectionTimeout(handshakeTimeout),
			grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}))
		if s.cfg.TLS != nil {
			options = append(options, grpc.Creds(credentials.NewTLS(s.cfg.TLS)))
		}
	}
	g := grpc.NewServer(options...)
	graderv1.RegisterGraderServiceServer(g, s.service)
	if transport == "grpc" {
		healthv1.RegisterHealthServer(g, s.health)
		if !s.cfg.NoReflection {
			reflection.Register(g)
		}
	}
	return g
}

func (s *Server) newHTTP() error {
	conn, err := grpc.NewClient("passthrough:///pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.pipe.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes)))
	if err != nil {
		return fmt.Errorf("connect the gateway: %w", err)
	}
	s.conn = conn
	gateway, err := newGateway(context.Background(), conn)
	if err != nil {
		return fmt.Errorf("build the gateway: %w", err)
	}
	h := &httpHandler{gateway: gateway, client: graderv1.NewGraderServiceClient(conn), maxAudio: s.cfg.MaxAudio, uploadTimeout: s.cfg.RequestTimeout + s.cfg.SpeechTimeout, pieceTimeout: s.cfg.ReadTimeout,
		proxies: s.cfg.TrustedProxies, origins: s.cfg.Origins, heartbeat: s.cfg.Heartbeat, stall: stallTimeout, tls: s.cfg.TLS != nil, metrics: s.metrics, log: s.cfg.Logger}
	if !s.cfg.NoSite {
		h.site = site{judge: s.cfg.Judge != nil, speech: s.cfg.Speech != nil}
	}
	s.http = &http.Server{Handler: h.handler(), ReadHeaderTimeout: s.cfg.HeaderTimeout, ReadTimeout: s.cfg.ReadTimeout, IdleTimeout: s.cfg.IdleTimeout,
		WriteTimeout: s.cfg.RequestTimeout + stallTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(quiet{s.cfg.Logger.Handler()}, slog.LevelDebug)}
	return nil
}

// Swap serves another catalog from now on. Requests under way end with the old one.
func (s *Server) Swap(c *Catalog) {
	s.service.catalog.Store(c)
	s.metrics.serving(c)
}

// Reloaded counts a reload of the banks.
func (s *Server) Reloaded(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	s.metrics.reloads.WithLabelValues(outcome).Inc()
}

// Registry holds the server's metrics, for those of the process to be added.
func (s *Server) Registry() *prometheus.Registry { return s.registry }
