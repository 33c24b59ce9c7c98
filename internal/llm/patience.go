package llm

import (
	"context"
	"sync"
	"time"
)

const (
	patienceSamples = 32               // how many durations are remembered
	patienceNeeds   = 8                // how many it takes to know what is usual
	patienceFactor  = 4                // times the slowest of them is too long
	patienceLeast   = 10 * time.Second // but never less than this
)

// patience ends an attempt that takes several times longer than the slowest of those before it, so that one connection
// that hangs does not use up the whole deadline. Every further attempt of a request gets twice the time, so that an
// endpoint that has become slow still answers.
type patience struct {
	next layer

	mu   sync.Mutex
	took [patienceSamples]time.Duration
	n    int
}

func (p *patience) complete(ctx context.Context, c call) (reply, error) {
	inner, cancel := ctx, context.CancelFunc(func() {})
	bound := p.bound(c.attempt)
	if bound > 0 {
		inner, cancel = context.WithTimeout(ctx, bound)
	}
	defer cancel()
	start := time.Now()
	rep, err := p.next.complete(inner, c)
	if err == nil {
		p.learn(time.Since(start))
	} else if inner.Err() != nil && ctx.Err() == nil {
		return rep, &Error{Kind: Timeout, Message: "no reply within " + bound.Round(time.Second).String() + ", far longer than usual", Err: inner.Err()}
	}
	return rep, err
}

// bound is 0 where nothing is known yet.
func (p *patience) bound(attempt int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n < patienceNeeds {
		return 0
	}
	var slowest time.Duration
	for _, d := range p.took {
		slowest = max(slowest, d)
	}
	return max(patienceLeast, patienceFactor*slowest) << min(attempt, 8)
}

func (p *patience) learn(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took[p.n%patienceSamples] = d
	p.n++
}
