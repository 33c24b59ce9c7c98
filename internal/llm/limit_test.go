package llm

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLimitBoundsShrinksAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		var refuse atomic.Bool
		l := newLimit(layerFunc(func(ctx context.Context, _ call) (reply, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			sleep(ctx, time.Second)
			if refuse.Load() {
				return reply{}, &Error{Kind: RateLimited}
			}
			return reply{}, nil
		}), 8)
		burst := func(n int) {
			most.Store(0)
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { _, _ = l.complete(t.Context(), call{}) })
			}
			wg.Wait()
		}
		burst(40)
		require.EqualValues(t, 8, most.Load())

		refuse.Store(true)
		burst(8)
		bound, _ := l.totals()
		require.Equal(t, 6, bound, "calls that were under way together shrink it once")
		burst(60)
		bound, _ = l.totals()
		require.Equal(t, 1, bound, "never below one")

		refuse.Store(false)
		burst(60)
		bound, inFlight := l.totals()
		require.Equal(t, 8, bound)
		require.Zero(t, inFlight)
	})
}

func TestLimitFreesTheSlotWhileWaitingToRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &retry{next: newLimit(layerFunc(func(_ context.Context, c call) (reply, error) {
			if c.key == "slow" && c.attempt == 0 {
				return reply{}, &Error{Kind: Unavailable, RetryAfter: 20 * time.Second}
			}
			return reply{}, nil
		}), 1)}
		done := make(chan struct{})
		go func() { defer close(done); _, _ = r.complete(t.Context(), call{key: "slow"}) }()
		synctest.Wait()
		start := time.Now()
		_, err := r.complete(t.Context(), call{key: "fast"})
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		<-done
	})
}

func TestLimitPassesOnASlotNobodyTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(layerFunc(func(ctx context.Context, _ call) (reply, error) {
			sleep(ctx, time.Second)
			return reply{}, nil
		}), 1)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				// Half of them give up in the very moment in which slots come free.
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%2*100)*time.Second)
				defer cancel()
				_, _ = l.complete(ctx, call{})
			})
		}
		wg.Wait()
		_, inFlight := l.totals()
		require.Zero(t, inFlight)
		_, err := l.complete(t.Context(), call{})
		require.NoError(t, err)
	})
}
