package config

import (
	"time"
)

// Serve is everything that grader serve can be told. Each setting comes from its default, then the file, then the
// variable GRADER_..., then the flag. The doc tags are the help of the flags and docs/config.md.
type Serve struct {
	GRPCAddr  string   `yaml:"grpc_addr" doc:"address of gRPC; off is none"`
	HTTPAddr  string   `yaml:"http_addr" doc:"address of HTTP; off is none"`
	AdminAddr string   `yaml:"admin_addr" doc:"address of /metrics, /healthz and /readyz; off is none"`
	Banks     []string `yaml:"banks" flag:"bank" own:"true" doc:"folders with a bank of questions, instead of the built-in one"`
	Insecure  bool     `yaml:"insecure" doc:"serve other addresses than loopback without keys or without TLS"`
	Site      bool     `yaml:"site" doc:"serve the page at / and the API page at /docs"`
	Reflect   bool     `yaml:"reflection" doc:"serve gRPC reflection"`
	Pprof     bool     `yaml:"pprof" doc:"serve profiles at /debug/pprof/ of the admin address"`
	Trusted   []string `yaml:"trusted_proxies" doc:"addresses or networks, such as 10.0.0.0/8, of proxies that are believed about the address of their caller (X-Forwarded-For, Forwarded)"`

	Judge    ServeJudge  `yaml:"judge"`
	Speech   ServeSpeech `yaml:"speech"`
	TLS      TLS         `yaml:"tls"`
	Limits   Limits      `yaml:"limits"`
	Timeouts Timeouts    `yaml:"timeouts"`
	CORS     CORS        `yaml:"cors"`
	Trace    Trace       `yaml:"trace"`
	Log      Log         `yaml:"log"`
	Keys     []Key       `yaml:"keys" flag:"-"`
}

// ServeSpeech says which recogniser writes recordings down. Empty is none: recordings are refused.
type ServeSpeech struct {
	URL         string        `yaml:"url" doc:"OpenAI-compatible recogniser with its /v1; else OPENAI_BASE_URL"`
	Model       string        `yaml:"model" doc:"model of the recogniser, such as whisper-1"`
	APIKey      Secret        `yaml:"api_key" flag:"-" doc:"key for the recogniser; else OPENAI_API_KEY"`
	APIKeyFile  string        `yaml:"api_key_file" doc:"file that holds the key for the recogniser"`
	Timeout     time.Duration `yaml:"timeout" doc:"time for one recording, all attempts and passes together; a request that uploads one may take so much longer than timeouts.request"`
	Concurrency int           `yaml:"concurrency" doc:"recordings that are received or written down at once; more are turned away"`
	MaxBytes    int           `yaml:"max_bytes" doc:"largest recording that can be uploaded"`
}

// ServeJudge says which model judges answers. Empty is none: keywords decide.
type ServeJudge struct {
	URL         string        `yaml:"url" doc:"OpenAI-compatible endpoint with its /v1; else OPENAI_BASE_URL"`
	Model       string        `yaml:"model" doc:"model at the endpoint"`
	APIKey      Secret        `yaml:"api_key" flag:"-" doc:"key for the endpoint; else OPENAI_API_KEY"`
	APIKeyFile  string        `yaml:"api_key_file" doc:"file that holds the key for the endpoint"`
	Timeout     time.Duration `yaml:"timeout" doc:"time for one answer, all attempts together"`
	Evidence    string        `yaml:"evidence" doc:"quotes, or sentences for models that cannot quote"`
	Concurrency int           `yaml:"concurrency" doc:"answers that are with the judge at once"`
	CacheDir    string        `yaml:"cache_dir" flag:"cache-dir" doc:"keep the judge's replies, which quote answers, in this folder; else they stay in memory"`
	NoCache     bool          `yaml:"no_cache" flag:"no-cache" doc:"neither read nor write the judge's replies"`
	MaxCost     float64       `yaml:"max_cost" doc:"most US dollars for the judge until the next start; 0 is no limit"`
	Prices      string        `yaml:"prices" doc:"a price list instead of the built-in one"`
}

// TLS is the server's certificate. Both files are read again when they change.
type TLS struct {
	CertFile string `yaml:"cert_file" doc:"certificate with its chain, PEM"`
	KeyFile  string `yaml:"key_file" doc:"private key, PEM"`
}

// Limits bound the work. Rates are for servers with keys only.
type Limits struct {
	InFlight     int     `yaml:"in_flight" doc:"requests at once; more are turned away"`
	KeyRate      float64 `yaml:"key_rate" doc:"requests a second for each key; 0 is no limit"`
	KeyBurst     int     `yaml:"key_burst" doc:"requests that a key may send at once"`
	AddressRate  float64 `yaml:"address_rate" doc:"requests a second from each address, where there are keys; 0 is no limit"`
	AddressBurst int     `yaml:"address_burst" doc:"requests that an address may send at once"`
}

// Timeouts bound the waiting.
type Timeouts struct {
	Request   time.Duration `yaml:"request" doc:"most time for one request"`
	Header    time.Duration `yaml:"header" doc:"for the header of an HTTP request to arrive"`
	Read      time.Duration `yaml:"read" doc:"for a whole HTTP request to arrive; of a recording that is uploaded, for its next piece"`
	Idle      time.Duration `yaml:"idle" doc:"for an HTTP connection without requests"`
	Heartbeat time.Duration `yaml:"heartbeat" doc:"between two heartbeats of an event stream"`
	Drain     time.Duration `yaml:"drain" doc:"for requests under way when the server is told to stop"`
}

// CORS lists the web pages of other hosts that may call.
type CORS struct {
	Origins []string `yaml:"origins" doc:"origins that may call from a browser, such as https://app.example.com; * is all"`
}

// Trace says where traces go.
type Trace struct {
	Endpoint string `yaml:"endpoint" doc:"OpenTelemetry collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; empty is none"`
}

// Log says what is logged. Answers never are.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error"`
	Format string `yaml:"format" doc:"text or json"`
}

// Key is an API key. Only its digest is kept: grader config key makes one.
type Key struct {
	Name        string   `yaml:"name" doc:"name for the log"`
	SHA256      Secret   `yaml:"sha256" doc:"SHA-256 of the key, 64 hexadecimal digits"`
	Scopes      []string `yaml:"scopes" doc:"grade, rubric:read, admin"`
	Detail      string   `yaml:"detail,omitempty" doc:"highest level of detail: SCORE, CANDIDATE or COACH; left out: what the scopes allow"`
	Rate        float64  `yaml:"rate,omitempty" doc:"requests a second; left out: limits.key_rate"`
	Burst       int      `yaml:"burst,omitempty" doc:"requests at once; left out: limits.key_burst"`
	JudgePerDay int      `yaml:"judge_per_day,omitempty" doc:"answers that may be judged in a day (UTC), those from the cache not counted; left out: no bound"`
}

// DefaultServe is what grader serve does when it is told nothing.
func DefaultServe() Serve {
	return Serve{
		GRPCAddr: "127.0.0.1:9090", HTTPAddr: "127.0.0.1:8080", AdminAddr: "127.0.0.1:8081",
		Site: true, Reflect: true,
		Judge:    ServeJudge{Timeout: DefaultJudgeTimeout, Evidence: "quotes", Concurrency: DefaultJudgeConcurrency},
		Speech:   ServeSpeech{Timeout: 5 * time.Minute, Concurrency: 8, MaxBytes: 25_000_000},
		Limits:   Limits{InFlight: 256, KeyRate: 20, KeyBurst: 40, AddressRate: 100, AddressBurst: 200},
		Timeouts: Timeouts{Request: 2 * time.Minute, Header: 5 * time.Second, Read: 30 * time.Second, Idle: 2 * time.Minute, Heartbeat: 15 * time.Second, Drain: 30 * time.Second},
		Log:      Log{Level: "info", Format: "text"},
	}
}

// Off is the address of what is not served.
const Off = "off"

// For returns the judge's settings as everything else takes them.
func (j ServeJudge) For() Judge {
	return Judge{URL: j.URL, Model: j.Model, APIKey: j.APIKey, Timeout: j.Timeout, Evidence: j.Evidence, Concurrency: j.Concurrency,
		CacheDir: j.CacheDir, NoCache: j.NoCache, MaxCost: j.MaxCost, Prices: j.Prices}
}

// For returns the recogniser's settings as everything else takes them.
func (s ServeSpeech) For() Speech {
	return Speech{URL: s.URL, Model: s.Model, APIKey: s.APIKey, Timeout: s.Timeout}
}
