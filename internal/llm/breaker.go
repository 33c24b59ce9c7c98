package llm

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	breakerRow    = 20               // failures in a row, and
	breakerSilent = 10 * time.Second // this long without a success open the breaker
	breakerWait   = 5 * time.Second  // until one call may try again
	refusedRow    = 5                // refusals of key, model or URL in a row open it as well
)

// breaker refuses calls at once while the endpoint is gone: time-outs, broken connections and server errors in a row,
// for a while, without anything else in between. A 429, a malformed reply or a refused request is a sign of life. It
// also stops asking an endpoint that keeps refusing the key or the model, and repeats that refusal instead. After a
// short wait one call at a time may find out whether things are better.
type breaker struct {
	next layer
	log  *slog.Logger

	mu      sync.Mutex
	row     int       // failures since the last sign of life
	refused int       // refusals since the last success
	since   time.Time // of the last success; at first of the first failure
	open    bool
	opened  time.Time
	probing bool
	last    *Error
}

func newBreaker(next layer, log *slog.Logger) *breaker {
	return &breaker{next: next, log: log}
}

func (b *breaker) complete(ctx context.Context, c call) (reply, error) {
	if ctx.Err() != nil {
		return reply{}, contextError(ctx)
	}
	probing, err := b.enter()
	if err != nil {
		return reply{}, err
	}
	settled := false
	defer func() {
		if !settled { // a panic below must not leave the breaker half open
			b.leave(ctx, probing, &Error{Kind: Canceled})
		}
	}()
	rep, err := b.next.complete(ctx, c)
	settled = true
	if err != nil {
		b.leave(ctx, probing, asError(err))
		return rep, err
	}
	b.leave(ctx, probing, nil)
	return rep, nil
}

func (b *breaker) enter() (probing bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return false, nil
	}
	if !b.probing && time.Since(b.opened) >= breakerWait {
		b.probing = true
		return true, nil
	}
	if b.last.Permanent() {
		return false, b.last
	}
	return false, &Error{Kind: BreakerOpen, Message: "the endpoint did not answer for a while, so it was not asked; last: " + b.last.Message}
}

func (b *breaker) leave(ctx context.Context, probing bool, err *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probing {
		b.probing = false
	}
	switch {
	case err == nil:
		b.since, b.row, b.refused = time.Now(), 0, 0
		b.shut(ctx)
	case err.Kind == Canceled || err.Kind == BudgetSpent: // says nothing about the endpoint
	case err.Kind == Unavailable || err.Kind == Timeout:
		b.fail(ctx, probing, err)
	case err.Permanent():
		b.row = 0
		b.refused++
		if b.refused >= refusedRow || probing {
			b.trip(ctx, err)
		}
	default:
		b.row = 0
		if probing {
			b.refused = 0
			b.shut(ctx)
		}
	}
}

func (b *breaker) fail(ctx context.Context, probing bool, err *Error) {
	if b.since.IsZero() {
		b.since = time.Now()
	}
	b.row++
	if probing || b.row >= breakerRow && time.Since(b.since) >= breakerSilent {
		b.trip(ctx, err)
	}
}

func (b *breaker) trip(ctx context.Context, err *Error) {
	if !b.open {
		b.log.WarnContext(ctx, "llm breaker opened", slog.String("kind", err.Kind.String()), slog.Int("status", err.Status))
	}
	b.open, b.opened, b.last = true, time.Now(), err
}

func (b *breaker) shut(ctx context.Context) {
	if b.open {
		b.log.InfoContext(ctx, "llm breaker closed")
	}
	b.open = false
}

// state is closed, open or half_open.
func (b *breaker) state() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open:
		return "closed"
	case b.probing:
		return "half_open"
	default:
		return "open"
	}
}
