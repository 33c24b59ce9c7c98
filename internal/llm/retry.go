package llm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	backoffFirst = 200 * time.Millisecond
	backoffMost  = 8 * time.Second
	// badReplyTries is how many unusable replies are taken on one rung before the ladder gets its turn.
	badReplyTries = 3
	// truncatedGrowth bounds how much longer a reply may get than was asked for, after it was cut off.
	truncatedGrowth = 4
)

// retry tries again until the deadline of the context, with waits that double and vary, and no sooner than the endpoint
// asks for. When the time left is too short for the wait, it gives up at once. Unusable replies are asked for again
// after a short wait only: they are no sign of load.
type retry struct {
	next    layer
	retries atomic.Int64
}

func (r *retry) complete(ctx context.Context, c call) (reply, error) {
	var last *Error
	longest := c.maxTokens * truncatedGrowth
	bad := 0
	for c.attempt = 0; ; c.attempt++ {
		rep, err := r.next.complete(ctx, c)
		if err == nil {
			return rep, nil
		}
		e := asError(err)
		if ctx.Err() != nil {
			return rep, contextError(ctx).because(last)
		}
		last = e
		if e.Kind == BadReply {
			bad++
		}
		if !e.retryable() || bad >= badReplyTries || c.asksForLess(e) {
			return rep, gaveUp(e, c.attempt)
		}
		if e.truncated {
			c.maxTokens = min(2*c.maxTokens, longest)
		}
		wait := backoff(c.attempt, e)
		if until, ok := ctx.Deadline(); ok && time.Until(until) <= wait {
			return rep, gaveUp(e, c.attempt)
		}
		r.retries.Add(1)
		if !sleep(ctx, wait) {
			return rep, contextError(ctx).because(last)
		}
	}
}

// asksForLess reports whether the endpoint failed because of the form of the request, which is the ladder's to change.
func (c call) asksForLess(e *Error) bool {
	return e.refused == refusedFormat && c.rung != RungText && len(c.schema) > 0
}

func gaveUp(e *Error, attempt int) *Error {
	if attempt == 0 {
		return e
	}
	with := *e
	with.Message = fmt.Sprintf("%s (after %d attempts)", e.Message, attempt+1)
	return &with
}

// backoff is between half and all of a time that doubles, or a little more than the endpoint asked for, so that the
// requests that were refused together do not come back together.
func backoff(attempt int, e *Error) time.Duration {
	first := backoffFirst
	if e.Kind == BadReply {
		first /= 4
	}
	full := min(backoffMost, first<<min(attempt, 16))
	wait := full/2 + rand.N(full/2+1)
	if e.RetryAfter > 0 {
		wait = max(wait, e.RetryAfter+rand.N(min(e.RetryAfter/10, time.Second)+1))
	}
	return wait
}

// sleep reports false when ctx was done first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
