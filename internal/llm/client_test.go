package llm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/llm/llmtest"
)

func TestNewChecksItsConfig(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Config)
		kind   Kind
		says   string
	}{
		"no URL":         {func(c *Config) { c.BaseURL = " " }, BadURL, "no URL"},
		"no scheme":      {func(c *Config) { c.BaseURL = "localhost:11434/v1" }, BadURL, "http://"},
		"no host":        {func(c *Config) { c.BaseURL = "http:///v1" }, BadURL, "name a host"},
		"odd scheme":     {func(c *Config) { c.BaseURL = "ftp://a/v1" }, BadURL, "http://"},
		"not a URL":      {func(c *Config) { c.BaseURL = "http://a b%zz" }, BadURL, "http://"},
		"password":       {func(c *Config) { c.BaseURL = "http://me:" + testKey + "@a/v1" }, BadURL, "password"},
		"query":          {func(c *Config) { c.BaseURL = "http://a/v1?key=" + testKey }, BadURL, "query"},
		"no model":       {func(c *Config) { c.Model = "" }, UnknownModel, "which model"},
		"two keys":       {func(c *Config) { c.APIKey = testKey + "\nX: y" }, Auth, "line breaks"},
		"no price":       {func(c *Config) { c.Model, c.MaxCost = "homemade", 1 }, KindUnspecified, "no price"},
		"negative slots": {func(c *Config) { c.Concurrency = -1 }, KindUnspecified, "concurrency"},
	} {
		cfg := Config{BaseURL: "http://a/v1", Model: "gpt-4o", APIKey: testKey}
		tc.change(&cfg)
		_, err := New(cfg)
		require.ErrorContains(t, err, tc.says, name)
		require.NotContains(t, err.Error(), testKey, name)
		if tc.kind != KindUnspecified {
			require.Equal(t, tc.kind, kindOf(t, err), name)
			require.True(t, asError(err).Permanent(), name)
		}
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.LogValue()), testKey, name)
	}
	at, err := parseAddress(" HTTPS://API.openai.com/v1/chat/completions/ ")
	require.NoError(t, err)
	require.Equal(t, "https://api.openai.com/v1", at.base)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	ok := llmtest.Always(llmtest.Truncated("O"))
	status := func(code int, message string) llmtest.Script { return llmtest.Always(llmtest.Status(code, message)) }
	mine := llmtest.ModelList(testKey, "gpt-4o-mini")
	for name, tc := range map[string]struct {
		models http.HandlerFunc
		chat   llmtest.Script
		kind   Kind
		calls  int
	}{
		"listed, list is guarded":      {mine, ok, KindUnspecified, 0},
		"listed, list is open":         {llmtest.ModelList("", "gpt-4o-mini"), ok, KindUnspecified, 1},
		"listed, open, key refused":    {llmtest.ModelList("", "gpt-4o-mini"), status(401, "no"), Auth, 1},
		"not listed but there":         {llmtest.ModelList(testKey, "other"), ok, KindUnspecified, 1},
		"not listed and not there":     {llmtest.ModelList(testKey, "other"), status(404, "page not found"), UnknownModel, 1},
		"no list":                      {nil, ok, KindUnspecified, 1},
		"no list, one token is no use": {nil, status(400, "max_tokens reached"), KindUnspecified, 1},
		"no list, refused":             {nil, status(403, "no"), Auth, 1},
		"no list, nothing there":       {nil, status(404, "page not found"), BadURL, 1},
		"no list, no model":            {nil, status(404, "model not found"), UnknownModel, 1},
		"no list, web pages":           {nil, llmtest.Always(llmtest.HTML()), BadURL, 1},
		"no list, down":                {nil, status(503, "down"), Unavailable, 1},
		"key refused everywhere":       {llmtest.ModelList("another", "gpt-4o-mini"), status(401, "no"), Auth, 1},
		"reasoning model":              {nil, llmtest.Reasoning(ok), KindUnspecified, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := llmtest.New(t, tc.chat)
			s.Models(tc.models)
			err := newClient(t, s.URL(), nil).Probe(withTimeout(t, 10*time.Second))
			if tc.kind == KindUnspecified {
				require.NoError(t, err)
			} else {
				require.Equal(t, tc.kind, kindOf(t, err))
				require.NotContains(t, err.Error(), testKey)
			}
			require.Equal(t, tc.calls, s.Calls())
		})
	}
}

func TestProbeIsNotRememberedForAnotherKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := llmtest.New(t, func(r llmtest.Request) llmtest.Reply {
		if r.Header.Get("Authorization") != "Bearer "+testKey {
			return llmtest.Status(401, "no")
		}
		return llmtest.Content("OK")
	})
	probe := func(key string) error {
		return newClient(t, s.URL(), func(c *Config) { c.CacheDir, c.APIKey = dir, key }).Probe(withTimeout(t, 10*time.Second))
	}
	require.NoError(t, probe(testKey))
	require.NoError(t, probe(testKey))
	require.Equal(t, 1, s.Calls())
	require.Equal(t, Auth, kindOf(t, probe("sk-other")))
}

func TestMaxCost(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, llmtest.Always(llmtest.Reply{Content: "{}", InputTokens: 1_000_000, OutputTokens: 0, CachedTokens: 500_000}))
	c := newClient(t, s.URL(), func(c *Config) { c.MaxCost = 0.2 })
	for i := range 5 {
		res, err := c.Complete(withTimeout(t, 10*time.Second), question(fmt.Sprint(i)))
		if i < 2 {
			require.NoError(t, err)
			require.InDelta(t, 0.1125, res.Spent.Cost, 1e-9)
			continue
		}
		require.Equal(t, BudgetSpent, kindOf(t, err))
		require.False(t, asError(err).Permanent())
	}
	require.Equal(t, 2, s.Calls())
	res, err := c.Complete(withTimeout(t, 10*time.Second), question("0"))
	require.NoError(t, err, "what is cached still comes")
	require.True(t, res.Cached)
	require.InDelta(t, 0.1125, res.Saved.Cost, 1e-9)
	require.Equal(t, "closed", c.Totals().Breaker)
}

// TestFaults is the bad day of the acceptance: a third of the replies fails in one way or another.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults := []llmtest.Reply{
		llmtest.RateLimited("0.02"), llmtest.Status(500, "oops"), llmtest.Content(""), llmtest.Garbage(),
		llmtest.Truncated(`{"a`), llmtest.Content("no object"), llmtest.Drop(), llmtest.HTML(),
	}
	s := llmtest.New(t, func(llmtest.Request) llmtest.Reply {
		if i := rand.IntN(20); i < len(faults) {
			return faults[i]
		}
		r := llmtest.Content(`{"ok":true}`)
		r.Delay = 2 * time.Millisecond
		return r
	})
	c := newClient(t, s.URL(), nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	spent := Usage{}
	var failed []error
	const n = 400
	for i := range n {
		wg.Go(func() {
			req := question(fmt.Sprint("k", i))
			req.Valid = needsBrace
			res, err := c.Complete(withTimeout(t, time.Minute), req)
			mu.Lock()
			defer mu.Unlock()
			spent = spent.Add(res.Spent)
			if err != nil {
				failed = append(failed, err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, len(failed), 3, "%v", failed)
	totals := c.Totals()
	require.Equal(t, s.Calls(), totals.Spent.Requests, "every call is counted")
	require.Equal(t, totals.Spent.Requests, spent.Requests, "and belongs to somebody")
	require.Equal(t, RungSchema, totals.Rung, "a bad day does not move the ladder")
	require.Equal(t, "closed", totals.Breaker)
	require.Zero(t, totals.InFlight)
	require.LessOrEqual(t, s.MostAtOnce(), 32)
	t.Logf("%d requests, %d calls, outcomes %v, concurrency %d", n, s.Calls(), totals.Outcomes, totals.Concurrency)
}

func TestHangingEndpointHoldsTheDeadline(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, llmtest.Always(llmtest.Reply{Delay: time.Hour}))
	c := newClient(t, s.URL(), nil)
	start := time.Now()
	_, err := c.Complete(withTimeout(t, 200*time.Millisecond), question("k"))
	require.Equal(t, Timeout, kindOf(t, err))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 2*time.Second)
}

func TestKeyIsNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := &logBuffer{}
	s := llmtest.New(t, func(r llmtest.Request) llmtest.Reply {
		leak := r.Header.Get("Authorization")
		return [...]llmtest.Reply{
			llmtest.Status(500, leak), llmtest.RateLimited(""), llmtest.Drop(), llmtest.Status(400, "response_format "+leak), llmtest.Content(leak),
		}[(r.N-1)%5]
	})
	c := newClient(t, s.URL(), func(c *Config) { c.CacheDir, c.Logger = dir, log.logger() })
	var seen strings.Builder
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Millisecond)
		res, err := c.Complete(ctx, question(fmt.Sprint(i)))
		cancel()
		fmt.Fprintf(&seen, "%+v %v %+v\n", res, err, c.Totals())
		for ; err != nil; err = errors.Unwrap(err) {
			fmt.Fprintf(&seen, "%v\n", err)
		}
	}
	fmt.Fprintf(&seen, "%v", readTree(t, dir))
	require.NotContains(t, seen.String()+log.String(), testKey)
	require.NotContains(t, log.String(), "be brief", "prompts are not logged")
}

func TestPrices(t *testing.T) {
	t.Parallel()
	p := BuiltinPrices()
	for model, known := range map[string]bool{
		"gpt-4o-mini": true, "gpt-4o-mini-2024-07-18": true, "openai/gpt-4.1": true, "gpt-5-20250807": true, "gpt-4": false, "gpt-4o-mini-tuned": false, "": false,
	} {
		_, ok := p.Of(model)
		require.Equal(t, known, ok, model)
	}
	path := filepath.Join(t.TempDir(), "prices.json")
	for content, says := range map[string]string{
		`{"date":"2026-11-01","models":{"m":{"input":1,"output":2}}}`:  "",
		`{"date":"soon","models":{}}`:                                  "YYYY-MM-DD",
		`{"date":"2026-11-01","models":{"m":{"input":-1,"output":2}}}`: "below 0",
		`{"date":"2026-11-01","modells":{}}`:                           "modells",
		``:                                                             "EOF",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		prices, err := LoadPrices(path)
		if says != "" {
			require.ErrorContains(t, err, says)
			continue
		}
		require.NoError(t, err)
		m, ok := prices.Of("m")
		require.True(t, ok)
		require.InDelta(t, 3.0, m.Cost(Usage{InputTokens: 1e6, OutputTokens: 1e6}), 1e-9)
	}
	_, err := LoadPrices(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for k := KindUnspecified; k <= Canceled; k++ {
		require.False(t, seen[k.String()])
		seen[k.String()] = true
	}
	require.Equal(t, "unspecified", Kind(99).String())
	for r := RungAuto; r <= RungText; r++ {
		back, err := ParseRung(r.String())
		require.NoError(t, err)
		require.Equal(t, r, back)
	}
	_, err := ParseRung("top")
	require.Error(t, err)
}
