package llm

import (
	"container/list"
	"context"
	"sync"
)

const (
	limitShrink = 0.75 // what is left of the limit after a 429
	limitGrow   = 2.0  // how many slots come back in the time of one call
)

// limit bounds the calls at once, first come, first served. The bound shrinks when the endpoint limits the rate, at
// most once for the calls that were under way together, and grows back with every call that the endpoint takes.
type limit struct {
	next layer
	most float64

	mu       sync.Mutex
	now      float64
	inFlight int
	epoch    int        // how often the bound has shrunk
	waiting  *list.List // of chan struct{}, closed when a slot is handed over
}

func newLimit(next layer, most int) *limit {
	return &limit{next: next, most: float64(most), now: float64(most), waiting: list.New()}
}

func (l *limit) complete(ctx context.Context, c call) (reply, error) {
	if err := l.acquire(ctx); err != nil {
		return reply{}, err
	}
	epoch := l.currentEpoch()
	var err error
	defer func() { l.release(epoch, err) }()
	rep, err := l.next.complete(ctx, c)
	return rep, err
}

func (l *limit) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	l.mu.Lock()
	if l.waiting.Len() == 0 && l.inFlight < int(l.now) {
		l.inFlight++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	place := l.waiting.PushBack(turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-turn: // the slot came in the same moment: pass it on
		l.inFlight--
		l.handOver()
	default:
		l.waiting.Remove(place)
	}
	return contextError(ctx)
}

func (l *limit) currentEpoch() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

func (l *limit) release(epoch int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	kind := KindUnspecified
	if err != nil {
		kind = asError(err).Kind
	}
	switch {
	case kind == RateLimited && epoch == l.epoch:
		l.now = max(1, l.now*limitShrink)
		l.epoch++
	case err == nil || kind == BadReply:
		l.now = min(l.most, l.now+limitGrow/l.now)
	}
	l.handOver()
}

func (l *limit) handOver() {
	for l.waiting.Len() > 0 && l.inFlight < int(l.now) {
		close(l.waiting.Remove(l.waiting.Front()).(chan struct{}))
		l.inFlight++
	}
}

func (l *limit) totals() (bound, inFlight int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.now), l.inFlight
}
