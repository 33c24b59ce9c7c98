package llm

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLayers holds every layer to what they have in common: see the comment of layer.
func TestLayers(t *testing.T) {
	discard := slog.New(slog.DiscardHandler)
	prices := BuiltinPrices()
	layers := map[string]func(next layer) layer{
		"validity": func(next layer) layer { return &validity{next: next} },
		"meter":    func(next layer) layer { return newMeter(next, prices, "gpt-4o", 0) },
		"patience": func(next layer) layer { return &patience{next: next} },
		"limit":    func(next layer) layer { return newLimit(next, 32) },
		"breaker":  func(next layer) layer { return newBreaker(next, discard) },
		"retry":    func(next layer) layer { return &retry{next: next} },
		"dialect":  func(next layer) layer { return newDialect(next, "m", &notes{}, discard) },
		"ladder":   func(next layer) layer { return newLadder(next, RungAuto, &notes{}, discard) },
		"cache":    func(next layer) layer { return testCache(next) },
		"all": func(next layer) layer {
			low := newLimit(&patience{next: newMeter(&validity{next: next}, prices, "m", 0)}, 32)
			high := newDialect(&retry{next: newBreaker(low, discard)}, "m", &notes{}, discard)
			return testCache(newLadder(high, RungAuto, &notes{}, discard))
		},
	}
	for name, build := range layers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runSuite(t, build)
		})
	}
}

func testCache(next layer) *cache {
	return newCache(next, Config{Model: "m"}, address{base: "http://x/v1"}, func(u Usage) Usage { u.CostKnown = true; return u })
}

func runSuite(t *testing.T, build func(layer) layer) {
	in := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
	ask := func() call { return newCall(question("k"), &Usage{}) }

	in("a reply comes through", func(t *testing.T) {
		rep, err := build(failing()).complete(t.Context(), ask())
		require.NoError(t, err)
		require.Equal(t, "ok", rep.content)
	})
	in("a permanent failure comes through at once", func(t *testing.T) {
		start := time.Now()
		_, err := build(failing(&Error{Kind: Auth, Status: 401})).complete(t.Context(), ask())
		require.Equal(t, Auth, kindOf(t, err))
		require.Zero(t, time.Since(start))
	})
	in("nothing is asked when the context is done already", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		asked := false
		_, err := build(layerFunc(func(ctx context.Context, _ call) (reply, error) {
			asked = true
			return reply{}, contextError(ctx)
		})).complete(ctx, ask())
		require.Equal(t, Canceled, kindOf(t, err))
		require.False(t, asked && ctx.Err() == nil)
	})
	in("cancelling ends a call that hangs", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := build(layerFunc(never)).complete(ctx, ask())
		require.Equal(t, Canceled, kindOf(t, err))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(start))
	})
	in("the deadline ends a call that hangs", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := build(layerFunc(never)).complete(ctx, ask())
		require.Equal(t, Timeout, kindOf(t, err))
		require.Equal(t, time.Second, time.Since(start))
	})
	in("the caller's messages stay as they are", func(t *testing.T) {
		c := ask()
		before := append([]Message(nil), c.messages...)
		_, err := build(failing(&Error{Kind: BadRequest, refused: refusedTemperature}, &Error{Kind: BadRequest, refused: refusedFormat})).complete(t.Context(), c)
		_ = err // a layer that cannot help passes it on
		require.Equal(t, before, c.messages)
	})
	in("many at once", func(t *testing.T) {
		l := build(layerFunc(func(ctx context.Context, c call) (reply, error) {
			if !sleep(ctx, time.Millisecond) {
				return reply{}, contextError(ctx)
			}
			return reply{content: c.key}, nil
		}))
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				c := ask()
				c.key = string(rune('a' + i%20))
				rep, err := l.complete(t.Context(), c)
				if err != nil || rep.content != c.key {
					t.Errorf("got %q, %v", rep.content, err)
				}
			})
		}
		wg.Wait()
	})
}
