package llm

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Config says which model to ask, and how. BaseURL and Model are required.
type Config struct {
	// BaseURL is where chat/completions hangs, such as https://api.openai.com/v1 or http://127.0.0.1:8801/v1. Azure's
	// deployments are told by the api-version in the query: https://NAME.openai.azure.com/?api-version=2024-10-21, with
	// the deployment as the model.
	BaseURL string
	Model   string
	// APIKey is sent as a bearer token; empty sends none.
	APIKey string
	// Concurrency is the most calls at once. Default 32.
	Concurrency int
	// CacheDir is where replies are kept; see DefaultCacheDir. Empty keeps a bounded number in memory.
	CacheDir string
	// CacheBytes bounds the cache on disk. Default 512 MiB.
	CacheBytes int64
	// NoCache neither reads nor writes replies.
	NoCache bool
	// MaxCost in US dollars stops new calls once it is reached; calls under way are finished. 0 is no limit. New fails
	// if there is a limit and no price for the model.
	MaxCost float64
	// Prices replaces the built-in price list; nil keeps it.
	Prices *Prices
	// Temperature of the sampling. nil is 0; a negative value sends none.
	Temperature *float64
	// Rung pins one rung of the ladder of structured output. RungAuto finds the best one.
	Rung Rung
	// HTTPClient makes the calls, without following redirects. nil is one of its own.
	HTTPClient *http.Client
	// Logger gets changes of state only, never prompts or replies. nil discards.
	Logger *slog.Logger
}

const (
	defaultConcurrency = 32
	defaultCacheBytes  = 512 << 20
)

// String shows the configuration without its key, and without what a wrong URL may hold.
func (c Config) String() string {
	at, err := parseAddress(c.BaseURL)
	if err != nil {
		at.base = "<invalid>"
	}
	return fmt.Sprintf("llm.Config{BaseURL: %q, Model: %q}", at.base, c.Model)
}

// GoString is String, so that %#v does not show the key either.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// New checks cfg and returns a client. It makes no call; see Client.Probe. Errors are *Error with a permanent kind
// where the endpoint's address, model or key cannot be right.
func New(cfg Config) (*Client, error) {
	at, err := parseAddress(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	cfg.APIKey = strings.TrimSpace(cfg.APIKey)
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = defaultConcurrency
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Prices == nil {
		cfg.Prices = BuiltinPrices()
	}
	if _, known := cfg.Prices.Of(cfg.Model); cfg.MaxCost > 0 && !known {
		return nil, fmt.Errorf("no price is known for the model %q, so a highest cost cannot be kept: add it to a price file", cfg.Model)
	}
	return assemble(cfg, at), nil
}

func (c Config) validate() error {
	switch {
	case strings.TrimSpace(c.Model) == "":
		return &Error{Kind: UnknownModel, Message: "no model is named: say which model to ask"}
	case strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return &Error{Kind: Auth, Message: "the key holds spaces or line breaks: give the key alone"}
	case c.Concurrency < 0:
		return fmt.Errorf("concurrency must be > 0, not %d", c.Concurrency)
	case c.CacheBytes < 0:
		return fmt.Errorf("cache size must be > 0, not %d", c.CacheBytes)
	case c.MaxCost < 0:
		return fmt.Errorf("highest cost must be > 0, not %g", c.MaxCost)
	case c.Rung < RungAuto || c.Rung > RungText:
		return fmt.Errorf("unknown rung %d", c.Rung)
	}
	return nil
}

// address is a checked base URL.
type address struct {
	base       string // without a trailing slash, query or user
	host       string
	apiVersion string // Azure's, else empty
}

func parseAddress(raw string) (address, error) {
	bad := func(why string) (address, error) {
		return address{}, &Error{Kind: BadURL, Message: why}
	}
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return bad("no URL of an endpoint is given: it looks like https://api.openai.com/v1")
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return bad("the endpoint's URL must start with http:// or https:// and name a host, like http://127.0.0.1:11434/v1")
	}
	if u.User != nil {
		return bad("the endpoint's URL holds a user or password: take it out and give the key on its own")
	}
	at := address{host: u.Host, apiVersion: u.Query().Get("api-version")}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/chat/completions")
	if at.apiVersion != "" {
		if len(u.Query()) > 1 { // a key in the query would reach receipts
			return bad("the endpoint's URL may hold api-version and nothing else behind the ?: give the key on its own")
		}
		u.Path, _, _ = strings.Cut(u.Path, "/openai")
	} else if u.RawQuery != "" {
		return bad("the endpoint's URL holds a query: give it without everything from the ? on")
	}
	at.base = u.Scheme + "://" + strings.ToLower(u.Host) + strings.TrimRight(u.EscapedPath(), "/")
	return at, nil
}
