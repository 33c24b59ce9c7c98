package server

import (
	"errors"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"google.golang.org/grpc/codes"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/speech"
)

// Buckets reach from a keyword grade, a tenth of a millisecond, to a judge that takes its time.
var (
	requestBuckets = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}
	judgeBuckets   = []float64{0.01, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120}
)

// metrics are what the server counts. Labels have few, fixed values: no question, no key, no address.
type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	shed      *prometheus.CounterVec
	panics    prometheus.Counter
	critiques *prometheus.CounterVec
	judgeWait *prometheus.HistogramVec
	speech    *prometheus.HistogramVec
	heard     prometheus.Counter
	reloads   *prometheus.CounterVec
	bank      *prometheus.GaugeVec
	ready     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, version string) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{Name: "grader_requests_total",
			Help: "Requests answered, by transport (grpc, http), method and code. Method is none for HTTP requests that are no rpc."}, []string{"transport", "method", "code"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{Name: "grader_request_seconds", Buckets: requestBuckets,
			Help: "Time to answer a request, streams to their end, by transport and method."}, []string{"transport", "method"}),
		inFlight: f.NewGauge(prometheus.GaugeOpts{Name: "grader_requests_in_flight", Help: "Requests being answered now."}),
		shed: f.NewCounterVec(prometheus.CounterOpts{Name: "grader_requests_shed_total",
			Help: "Requests turned away, by limit: in_flight, key or address."}, []string{"limit"}),
		panics: f.NewCounter(prometheus.CounterOpts{Name: "grader_panics_total", Help: "Requests that ended in a panic, which was caught."}),
		critiques: f.NewCounterVec(prometheus.CounterOpts{Name: "grader_critiques_total",
			Help: "Answers graded, by state (GRADED, DEGRADED, UNGRADABLE) and mode (KEYWORDS, JUDGE)."}, []string{"state", "mode"}),
		judgeWait: f.NewHistogramVec(prometheus.HistogramOpts{Name: "grader_judge_seconds", Buckets: judgeBuckets,
			Help: "Time that an answer was with the judge, all attempts and re-asks together, by outcome: ok, or what went wrong."}, []string{"outcome"}),
		speech: f.NewHistogramVec(prometheus.HistogramOpts{Name: "grader_speech_seconds", Buckets: judgeBuckets,
			Help: "Time that a recording was with the recogniser, all attempts and passes together, by outcome: ok, refused for a recording that is none, or what went wrong."}, []string{"outcome"}),
		heard: f.NewCounter(prometheus.CounterOpts{Name: "grader_speech_recorded_seconds_total", Help: "Length of the recordings that were written down."}),
		reloads: f.NewCounterVec(prometheus.CounterOpts{Name: "grader_bank_reloads_total",
			Help: "Reloads of the banks, by outcome: ok, or failed, which keeps the old ones."}, []string{"outcome"}),
		bank: f.NewGaugeVec(prometheus.GaugeOpts{Name: "grader_bank_questions",
			Help: "Questions of each bank that is served, by bank and version."}, []string{"bank", "version"}),
		ready: f.NewGauge(prometheus.GaugeOpts{Name: "grader_ready", Help: "1 while the server takes requests, 0 before and while it drains."}),
	}
	f.NewGaugeVec(prometheus.GaugeOpts{Name: "grader_build_info", Help: "Always 1; the labels are the version and the Go version."},
		[]string{"version", "goversion"}).WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

func (m *metrics) request(transport, method string, code codes.Code, took time.Duration) {
	m.requests.WithLabelValues(transport, method, codeName(code)).Inc()
	m.seconds.WithLabelValues(transport, method).Observe(took.Seconds())
}

func (m *metrics) graded(c *grade.Critique) {
	m.critiques.WithLabelValues(string(c.State), string(c.Mode)).Inc()
}

func (m *metrics) judged(took time.Duration, err error) {
	m.judgeWait.WithLabelValues(judgeOutcome(err)).Observe(took.Seconds())
}

// judgeOutcome is ok, or the name of what went wrong.
func judgeOutcome(err error) string {
	if err == nil {
		return "ok"
	}
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e.Kind.String()
	}
	return llm.KindUnspecified.String()
}

func (m *metrics) recognised(r *speech.Result, took time.Duration, err error) {
	outcome := "ok"
	e, failed := errors.AsType[*llm.Error](err)
	switch {
	case failed:
		outcome = e.Kind.String()
	case err != nil:
		outcome = "refused"
	default:
		m.heard.Add(float64(r.Transcript.DurationMS) / 1000)
	}
	m.speech.WithLabelValues(outcome).Observe(took.Seconds())
}

func (m *metrics) serving(c *Catalog) {
	m.bank.Reset()
	for _, b := range c.Banks() {
		m.bank.WithLabelValues(b.ID, b.Version).Set(float64(len(b.IDs())))
	}
}

// judgeCollector reads what the judge's client counts, when it is asked.
type judgeCollector struct{ totals func() llm.Totals }

var (
	descAttempts = prometheus.NewDesc("grader_judge_attempts_total", "Attempts at the judge's endpoint, retries included, by outcome: ok, or what went wrong.", []string{"outcome"}, nil)
	descRetries  = prometheus.NewDesc("grader_judge_retries_total", "Attempts after the first.", nil, nil)
	descTokens   = prometheus.NewDesc("grader_judge_tokens_total", "Tokens, by direction (input, output) and account: spent, or saved by the cache.", []string{"direction", "account"}, nil)
	descCost     = prometheus.NewDesc("grader_judge_cost_dollars_total", "Cost by account: spent, or saved by the cache. 0 where the model has no price.", []string{"account"}, nil)
	descCache    = prometheus.NewDesc("grader_judge_cache_hits_total", "Requests that needed no call, by kind: cached, or joined to one under way.", []string{"kind"}, nil)
	descBreaker  = prometheus.NewDesc("grader_judge_breaker_open", "1 while the endpoint is not asked because it was gone, else 0.", nil, nil)
	descFlight   = prometheus.NewDesc("grader_judge_in_flight", "Calls under way at the endpoint.", nil, nil)
	descSlots    = prometheus.NewDesc("grader_judge_concurrency", "Calls that may be under way now. It shrinks when the endpoint limits the rate.", nil, nil)
)

// Describe says nothing, so that a server without a judge has no such metrics.
func (judgeCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the totals once.
func (c judgeCollector) Collect(ch chan<- prometheus.Metric) {
	t := c.totals()
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	level := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	for outcome, n := range t.Outcomes {
		count(descAttempts, float64(n), outcome)
	}
	count(descRetries, float64(t.Retries))
	for account, u := range map[string]llm.Usage{"spent": t.Spent, "saved": t.Saved} {
		count(descTokens, float64(u.InputTokens), "input", account)
		count(descTokens, float64(u.OutputTokens), "output", account)
		count(descCost, u.Cost, account)
	}
	count(descCache, float64(t.CacheHits), "cached")
	count(descCache, float64(t.Joined), "joined")
	open := 0.0
	if t.Breaker == "open" {
		open = 1
	}
	level(descBreaker, open)
	level(descFlight, float64(t.InFlight))
	level(descSlots, float64(t.Concurrency))
}
