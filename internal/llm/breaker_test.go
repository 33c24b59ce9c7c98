package llm

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// breakerAt is a breaker over an endpoint whose state the test sets; every call takes a second.
func breakerAt(state *error, calls *int) *breaker {
	log := &logBuffer{}
	return newBreaker(layerFunc(func(ctx context.Context, _ call) (reply, error) {
		*calls++
		sleep(ctx, time.Second)
		return reply{}, *state
	}), log.logger())
}

func TestBreakerOpensForAnEndpointThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var state error = &Error{Kind: Unavailable, Message: "refused"}
		calls := 0
		b := breakerAt(&state, &calls)
		for range breakerRow {
			_, err := b.complete(t.Context(), call{})
			require.Equal(t, Unavailable, kindOf(t, err))
		}
		start := time.Now()
		_, err := b.complete(t.Context(), call{})
		require.Equal(t, BreakerOpen, kindOf(t, err))
		require.Contains(t, err.Error(), "refused")
		require.Zero(t, time.Since(start))
		require.Equal(t, breakerRow, calls)

		sleep(t.Context(), breakerWait)
		probed := make(chan error)
		go func() { _, err := b.complete(t.Context(), call{}); probed <- err }()
		synctest.Wait()
		require.Equal(t, "half_open", b.state())
		_, err = b.complete(t.Context(), call{})
		require.Equal(t, BreakerOpen, kindOf(t, err), "one call at a time finds out")
		require.Equal(t, Unavailable, kindOf(t, <-probed))
		require.Equal(t, "open", b.state())

		sleep(t.Context(), breakerWait)
		state = nil
		_, err = b.complete(t.Context(), call{})
		require.NoError(t, err)
		require.Equal(t, "closed", b.state())
	})
}

func TestBreakerStaysShut(t *testing.T) {
	t.Parallel()
	for name, every20th := range map[string]error{
		"a success now and then":           nil,
		"a 429 now and then":               &Error{Kind: RateLimited},
		"a malformed reply now and then":   &Error{Kind: BadReply},
		"a refused request now and then":   &Error{Kind: BadRequest},
		"one refused key among the others": &Error{Kind: Auth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var state error
				calls := 0
				b := breakerAt(&state, &calls)
				for i := range 4 * breakerRow {
					state = &Error{Kind: Unavailable}
					if i%breakerRow == breakerRow-1 {
						state = every20th
					}
					_, err := b.complete(t.Context(), call{})
					require.False(t, err != nil && kindOf(t, err) == BreakerOpen)
				}
				require.Equal(t, "closed", b.state())
			})
		})
	}
}

func TestBreakerNeedsTimeAsWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(layerFunc(func(context.Context, call) (reply, error) { return reply{}, &Error{Kind: Unavailable} }), (&logBuffer{}).logger())
		for range 5 * breakerRow {
			_, err := b.complete(t.Context(), call{})
			require.Equal(t, Unavailable, kindOf(t, err))
		}
		sleep(t.Context(), breakerSilent)
		_, _ = b.complete(t.Context(), call{})
		require.Equal(t, "open", b.state())
	})
}

func TestBreakerRepeatsARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var state error = &Error{Kind: Auth, Status: 401}
		calls := 0
		b := breakerAt(&state, &calls)
		for range 100 {
			_, err := b.complete(t.Context(), call{})
			require.Equal(t, Auth, kindOf(t, err))
		}
		require.Equal(t, refusedRow, calls)
	})
}

func TestBreakerOutlivesACanceledProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var state error = &Error{Kind: Timeout}
		calls := 0
		b := breakerAt(&state, &calls)
		for range breakerRow {
			_, _ = b.complete(t.Context(), call{})
		}
		sleep(t.Context(), breakerWait)
		state = &Error{Kind: Canceled}
		_, _ = b.complete(t.Context(), call{})
		require.Equal(t, "open", b.state())
		state = nil
		_, err := b.complete(t.Context(), call{})
		require.NoError(t, err, "the next one may try at once")
	})
}
