package llm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/llm/llmtest"
)

func TestSecondRunMakesNoCall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := llmtest.New(t, func(r llmtest.Request) llmtest.Reply {
		return llmtest.Content(fmt.Sprintf(`{"n":%d}`, r.N))
	})
	run := func() (replies []string, t2 Totals) {
		c := newClient(t, s.URL(), func(c *Config) { c.CacheDir = dir })
		require.NoError(t, c.Probe(t.Context()))
		for i := range 10 {
			res, err := c.Complete(withTimeout(t, 10*time.Second), question(fmt.Sprint("k", i)))
			require.NoError(t, err)
			replies = append(replies, res.Content)
		}
		return replies, c.Totals()
	}
	first, spent := run()
	calls, lists := s.Calls(), s.Lists()
	second, saved := run()
	require.Equal(t, first, second)
	require.Equal(t, calls, s.Calls())
	require.Equal(t, lists, s.Lists(), "the probe is remembered too")
	require.Equal(t, 10, saved.CacheHits)
	require.Equal(t, Usage{CostKnown: true}, saved.Spent)
	require.InDelta(t, spent.Spent.Cost*10/11, saved.Saved.Cost, 1e-9)

	for path, data := range readTree(t, dir) {
		require.NotContains(t, data, testKey, path)
	}
}

func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	}))
	return files
}

func TestCacheIdentity(t *testing.T) {
	t.Parallel()
	warm := 0.5
	base := Config{BaseURL: "http://a/v1", Model: "m"}
	id := func(cfg Config, req Request) string {
		at, err := parseAddress(cfg.BaseURL)
		require.NoError(t, err)
		return newCache(nil, cfg, at, nil).id(newCall(req, nil))
	}
	same := id(base, question("k"))
	for name, other := range map[string]string{
		"endpoint":    id(Config{BaseURL: "http://b/v1", Model: "m"}, question("k")),
		"model":       id(Config{BaseURL: "http://a/v1", Model: "n"}, question("k")),
		"temperature": id(Config{BaseURL: "http://a/v1", Model: "m", Temperature: &warm}, question("k")),
		"key":         id(base, question("l")),
		"schema":      id(base, Request{Key: "k", Schema: []byte(`{"type":"string"}`)}),
	} {
		require.NotEqual(t, same, other, name)
	}
	spaced := question("k")
	spaced.Schema = []byte(" " + strings.Replace(string(testSchema), ":", ": ", 1))
	spaced.Messages = append(spaced.Messages, Message{Role: "user", Content: "nonce"})
	spaced.MaxTokens = 7
	require.Equal(t, same, id(Config{BaseURL: "http://A/v1/", Model: "m", APIKey: "x", Rung: RungText, Concurrency: 3}, spaced))
}

func TestNeverCached(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	for name, tc := range map[string]struct {
		next   layerFunc
		change func(*call)
		calls  int
	}{
		"without a key":    {failing(), func(c *call) { c.key = "" }, 3},
		"errors":           {failing(&Error{Kind: BadReply}, &Error{Kind: Unavailable}), func(*call) {}, 3},
		"good ones, once":  {failing(), func(*call) {}, 1},
		"no longer valid":  {failing(), func(c *call) { c.valid = func(string) error { return bad } }, 3},
		"valid and cached": {failing(), func(c *call) { c.valid = func(string) error { return nil } }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			l := testCache(layerFunc(func(ctx context.Context, c call) (reply, error) { calls++; return tc.next(ctx, c) }))
			for range 3 {
				c := newCall(question("k"), &Usage{})
				tc.change(&c)
				_, _ = l.complete(t.Context(), c)
			}
			require.Equal(t, tc.calls, calls)
		})
	}
}

func TestNoCacheStillJoins(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, llmtest.Always(llmtest.Content("{}")))
	dir := t.TempDir()
	c := newClient(t, s.URL(), func(c *Config) { c.CacheDir, c.NoCache = dir, true })
	for range 2 {
		_, err := c.Complete(withTimeout(t, 10*time.Second), question("k"))
		require.NoError(t, err)
	}
	require.Equal(t, 2, s.Calls())
	require.Empty(t, readTree(t, dir))
}

func TestSingleFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		l := testCache(layerFunc(func(ctx context.Context, c call) (reply, error) {
			calls++
			*c.spent = c.spent.Add(Usage{Requests: 1, CostKnown: true})
			if !sleep(ctx, 10*time.Second) {
				return reply{}, contextError(ctx)
			}
			return reply{content: "ok", usage: Usage{Requests: 1, CostKnown: true}}, nil
		}))
		var wg sync.WaitGroup
		spent := make([]Usage, 5)
		shared := 0
		var mu sync.Mutex
		for i := range spent {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if i == 0 { // whoever started it leaves first
					time.AfterFunc(time.Second, cancel)
				} else {
					sleep(ctx, 100*time.Millisecond)
				}
				start := time.Now()
				rep, err := l.complete(ctx, newCall(question("k"), &spent[i]))
				if i == 0 {
					if asError(err).Kind != Canceled || time.Since(start) != time.Second {
						t.Errorf("the one who left: %v after %v", err, time.Since(start))
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if err != nil || rep.content != "ok" {
					t.Errorf("%d: %v", i, err)
				}
				if rep.shared {
					shared++
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, calls)
		require.Equal(t, 4, shared)
		sum := Usage{}
		for _, u := range spent {
			sum = sum.Add(u)
		}
		require.Equal(t, 1, sum.Requests, "somebody pays, once")
	})
}

func TestSingleFlightEndsWithTheLastToLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		l := testCache(layerFunc(func(ctx context.Context, _ call) (reply, error) {
			<-ctx.Done()
			close(ended)
			return reply{}, contextError(ctx)
		}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _, _ = l.complete(ctx, newCall(question("k"), nil)) })
		}
		wg.Wait()
		<-ended
	})
}

func TestSingleFlightStartsAgainForThoseWithMoreTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testCache(layerFunc(func(ctx context.Context, _ call) (reply, error) {
			if !sleep(ctx, 10*time.Second) {
				return reply{}, contextError(ctx)
			}
			return reply{content: "ok"}, nil
		}))
		ask := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_, err := l.complete(ctx, newCall(question("k"), nil))
			return err
		}
		short := make(chan error)
		go func() { short <- ask(5 * time.Second) }()
		synctest.Wait()
		long := make(chan error)
		go func() { long <- ask(30 * time.Second) }()
		require.Equal(t, Timeout, kindOf(t, <-short))
		require.NoError(t, <-long)
	})
}

func TestPanicInValidReachesTheCaller(t *testing.T) {
	t.Parallel()
	l := testCache(layerFunc(func(context.Context, call) (reply, error) { panic("broken") }))
	require.PanicsWithValue(t, "broken", func() { _, _ = l.complete(t.Context(), newCall(question("k"), nil)) })
}

func TestMemoryStoreIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemoryStore()
	for i := range 100 {
		m.put(t.Context(), fmt.Sprint(i), entry{Content: strings.Repeat("x", 1<<20)})
	}
	require.LessOrEqual(t, m.bytes, memoryBytes)
	_, ok := m.get("99")
	require.True(t, ok)
	_, ok = m.get("0")
	require.False(t, ok)
}
