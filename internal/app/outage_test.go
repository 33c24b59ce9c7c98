package app

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/judge/judgetest"
)

// What the judge's endpoint does.
const (
	works = iota
	hangs
	fails
)

// outageLog is what callers got while the judge was in each state.
type outageLog struct {
	mu    sync.Mutex
	took  [3][]time.Duration
	modes [3]map[string]int
}

func (l *outageLog) add(state int, took time.Duration, mode string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.modes[state] == nil {
		l.modes[state] = map[string]int{}
	}
	l.took[state] = append(l.took[state], took)
	l.modes[state][mode]++
}

// TestJudgeOutage: while the judge hangs and then fails, under load, every answer comes in time and degraded; when it is
// back, so are judged answers, without a restart.
func TestJudgeOutage(t *testing.T) {
	t.Parallel()
	var state atomic.Int32
	judge := judgetest.New(nil, judgetest.Options{})
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch state.Load() {
		case hangs:
			_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice that the caller hung up
			<-r.Context().Done()
		case fails:
			http.Error(w, "gone", http.StatusServiceUnavailable)
		default:
			judge.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(endpoint.Close)
	r := run(t, teaBank, settings(func(c *config.Serve) {
		c.Judge.URL, c.Judge.Model, c.Judge.Timeout = endpoint.URL+"/v1", "label-judge", outageBudget
	}))

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log outageLog
	var judged atomic.Int64
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				before, start := state.Load(), time.Now()
				code, body := r.grade(t, fmt.Sprintf(`{"answer":{"text":"boiling water is what tea needs, says caller %d for the time %d"}}`, i, n))
				took := time.Since(start)
				mode := fmt.Sprint(code)
				for _, m := range []string{"DEGRADED", "JUDGE"} {
					if strings.Contains(body, `"state":"`+m+`"`) || strings.Contains(body, `"mode":"`+m+`"`) {
						mode = m
					}
				}
				if mode == "JUDGE" {
					judged.Add(1)
				}
				if state.Load() == before { // else it saw both
					log.add(int(before), took, mode)
				}
				wait(ctx, 5*time.Millisecond)
			}
		})
	}
	again := func() { // judged answers come
		t.Helper()
		before := judged.Load()
		require.Eventually(t, func() bool { return judged.Load() > before+20 }, 30*time.Second, 10*time.Millisecond)
	}
	again()
	for _, s := range []int32{hangs, fails} {
		state.Store(s)
		wait(ctx, outage/2)
	}
	state.Store(works)
	back := time.Now()
	again()
	t.Logf("judged again %s after the judge was back", time.Since(back).Round(time.Millisecond))
	stop()
	work.Wait()

	for _, s := range []int{hangs, fails} {
		slices.Sort(log.took[s])
		longest := log.took[s][len(log.took[s])-1]
		t.Logf("state %d: %v, p50 %s, longest %s", s, log.modes[s], log.took[s][len(log.took[s])/2], longest)
		require.Less(t, longest, outageBudget+2*time.Second, "answers come in time")
		require.Equal(t, []string{"DEGRADED"}, slices.Collect(maps.Keys(log.modes[s])), "and every one comes")
	}
	r.client.CloseIdleConnections() // one that was never used would hold the drain up
	r.stop()
	require.NoError(t, <-r.done)
}

// wait is a pause that ends with ctx.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
