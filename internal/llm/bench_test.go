package llm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/llm/llmtest"
)

// BenchmarkOwnTime is one call at a time with a prompt of the judge's size and the cache on disk. Our own time is from
// Complete to its return, less the time in which the HTTP request was out. Budget: p99 below 5 ms. For comparison stand
// the same figures of the time out, which is none of ours: they tell how busy the machine was.
func BenchmarkOwnTime(b *testing.B) {
	s := llmtest.New(b, llmtest.Always(llmtest.Content(`{"points":[]}`)))
	out := &stopwatch{next: newTransport(1)}
	c := newClient(b, s.URL(), func(c *Config) { c.CacheDir, c.HTTPClient = b.TempDir(), &http.Client{Transport: out} })
	prompt := string(bytes.Repeat([]byte("word "), 2000))
	var own, away []time.Duration
	n := 0
	for b.Loop() {
		req := Request{Messages: []Message{{Role: "system", Content: "judge"}, {Role: "user", Content: prompt}}, SchemaName: "s", Schema: testSchema, MaxTokens: 500, Key: fmt.Sprint(n)}
		n++
		start := time.Now()
		_, err := c.Complete(context.Background(), req)
		own = append(own, time.Since(start)-out.took)
		away = append(away, out.took)
		require.NoError(b, err)
	}
	for name, took := range map[string][]time.Duration{"own": own, "out": away} {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"-p99-ms")
	}
}

// stopwatch measures one request at a time, from its start to the headers of its reply.
type stopwatch struct {
	next *http.Transport
	took time.Duration
}

func (s *stopwatch) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	res, err := s.next.RoundTrip(req)
	s.took = time.Since(start)
	return res, err
}

func (s *stopwatch) CloseIdleConnections() { s.next.CloseIdleConnections() }

// BenchmarkCacheHit is a reply from the disk.
func BenchmarkCacheHit(b *testing.B) {
	s := llmtest.New(b, llmtest.Always(llmtest.Content(`{"points":[]}`)))
	c := newClient(b, s.URL(), func(c *Config) { c.CacheDir = b.TempDir() })
	for b.Loop() {
		_, err := c.Complete(context.Background(), question("k"))
		require.NoError(b, err)
	}
	require.Equal(b, 1, s.Calls())
}

// BenchmarkAgainstBareLoop compares the client with 32 workers that post the same bodies through net/http and do
// nothing else, on an endpoint that takes 200 ms. Budget: 1.05 times.
func BenchmarkAgainstBareLoop(b *testing.B) {
	const workers, requests = 32, 640
	s := llmtest.New(b, func(llmtest.Request) llmtest.Reply {
		r := llmtest.Content(`{"points":[]}`)
		r.Delay = 200 * time.Millisecond
		return r
	})
	var bare, ours time.Duration
	n := 0
	for b.Loop() {
		n++
		bare += spread(workers, requests, bareCall(b, s.URL()))
		c := newClient(b, s.URL(), func(c *Config) { c.CacheDir = b.TempDir() })
		ours += spread(workers, requests, func(i int) {
			_, err := c.Complete(context.Background(), question(fmt.Sprint(n, "/", i)))
			if err != nil {
				b.Error(err)
			}
		})
		c.Close()
	}
	b.ReportMetric(ours.Seconds()/bare.Seconds(), "times-bare")
	b.ReportMetric(bare.Seconds()/float64(n), "bare-s")
}

func spread(workers, n int, do func(i int)) time.Duration {
	start := time.Now()
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return time.Since(start)
}

func bareCall(b *testing.B, url string) func(int) {
	client := &http.Client{Transport: newTransport(32)}
	b.Cleanup(client.CloseIdleConnections)
	body := fmt.Appendf(nil, `{"model":"m","messages":[{"role":"user","content":"say it"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":%s,"strict":true}}}`, testSchema)
	return func(int) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/chat/completions", bytes.NewReader(body))
		require.NoError(b, err)
		res, err := client.Do(req)
		require.NoError(b, err)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}
