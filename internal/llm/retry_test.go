package llm

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetryUntilTheDeadline(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{RateLimited, Unavailable, Timeout} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				tries := 0
				r := &retry{next: layerFunc(func(context.Context, call) (reply, error) {
					tries++
					return reply{}, &Error{Kind: kind, Status: 500, Message: "no"}
				})}
				start := time.Now()
				_, err := r.complete(ctx, call{})
				require.Equal(t, kind, kindOf(t, err), "the last failure says more than that time is up")
				require.Contains(t, err.Error(), "attempts)")
				require.LessOrEqual(t, time.Since(start), 30*time.Second)
				require.Greater(t, time.Since(start), 15*time.Second)
				require.InDelta(t, 9, tries, 3, "the waits double")
			})
		})
	}
}

func TestRetryStopsAt(t *testing.T) {
	t.Parallel()
	bad := &Error{Kind: BadReply, Message: "empty"}
	for name, tc := range map[string]struct {
		errs  []*Error
		c     call
		want  Kind
		tries int
	}{
		"three unusable replies": {errs: []*Error{bad, bad, bad, bad}, want: BadReply, tries: 3},
		"a spent quota":          {errs: []*Error{{Kind: RateLimited, final: true}}, want: RateLimited, tries: 1},
		"an open breaker":        {errs: []*Error{{Kind: Unavailable}, {Kind: BreakerOpen}}, want: BreakerOpen, tries: 2},
		"a refused format":       {errs: []*Error{{Kind: Unavailable, refused: refusedFormat}}, c: call{rung: RungSchema, schema: testSchema}, want: Unavailable, tries: 1},
		"a wait beyond the deadline": {
			errs: []*Error{{Kind: RateLimited, RetryAfter: 2 * time.Minute}}, want: RateLimited, tries: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				next, tries := failing(tc.errs...), 0
				r := &retry{next: layerFunc(func(ctx context.Context, c call) (reply, error) { tries++; return next(ctx, c) })}
				_, err := r.complete(ctx, tc.c)
				require.Equal(t, tc.want, kindOf(t, err))
				require.Equal(t, tc.tries, tries)
			})
		})
	}
}

func TestRetryWaitsAsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := &retry{next: failing(&Error{Kind: RateLimited, RetryAfter: 5 * time.Second})}
		start := time.Now()
		_, err := r.complete(ctx, call{})
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), 5*time.Second)
		require.LessOrEqual(t, time.Since(start), 6*time.Second)
		require.EqualValues(t, 1, r.retries.Load())
	})
}

func TestRetryAllowsMoreAfterTruncation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var bounds []int
		r := &retry{next: layerFunc(func(_ context.Context, c call) (reply, error) {
			bounds = append(bounds, c.maxTokens)
			return reply{}, &Error{Kind: BadReply, truncated: true}
		})}
		_, err := r.complete(t.Context(), call{maxTokens: 100})
		require.Equal(t, BadReply, kindOf(t, err))
		require.Equal(t, []int{100, 200, 400}, bounds)
	})
}

func TestBackoffVariesWithinBounds(t *testing.T) {
	t.Parallel()
	e := &Error{Kind: Unavailable}
	seen := map[time.Duration]bool{}
	for attempt := range 100 {
		wait := backoff(attempt, e)
		full := min(backoffMost, backoffFirst<<min(attempt, 16))
		require.GreaterOrEqual(t, wait, full/2)
		require.LessOrEqual(t, wait, full)
		seen[wait] = true
	}
	require.Greater(t, len(seen), 50)
}

func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took := 5 * time.Second
		p := &patience{next: layerFunc(func(ctx context.Context, _ call) (reply, error) {
			if !sleep(ctx, took) {
				return reply{}, contextError(ctx)
			}
			return reply{}, nil
		})}
		for range patienceNeeds {
			_, err := p.complete(t.Context(), call{})
			require.NoError(t, err)
		}
		took = time.Hour
		for attempt, want := range []time.Duration{20 * time.Second, 40 * time.Second} {
			start := time.Now()
			_, err := p.complete(t.Context(), call{attempt: attempt})
			require.Equal(t, Timeout, kindOf(t, err))
			require.Equal(t, want, time.Since(start))
		}
	})
}
