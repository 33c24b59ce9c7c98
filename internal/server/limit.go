package server

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// maxAddresses bounds the addresses that are remembered.
const maxAddresses = 10000

// shedRetry is what a caller is told to wait when there is too much work.
const shedRetry = time.Second

// allow takes one from a limiter, or says how long to wait.
func allow(l *rate.Limiter) error {
	if l == nil || l.Allow() {
		return nil
	}
	r := l.Reserve()
	wait := r.Delay()
	r.Cancel()
	e := refuse(graderv1.ErrorReason_RATE_LIMITED, "too many requests; wait as long as Retry-After says")
	e.retry = max(wait, time.Millisecond)
	return e
}

// addresses limits each address.
type addresses struct {
	rate Rate

	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

func (a *addresses) allow(addr string) error {
	if a.rate.PerSecond <= 0 || addr == "" {
		return nil
	}
	return allow(a.limiter(addr))
}

func (a *addresses) limiter(addr string) *rate.Limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, ok := a.limiters[addr]
	if ok {
		return l
	}
	if len(a.limiters) >= maxAddresses {
		a.forget()
	}
	l = a.rate.limiter()
	a.limiters[addr] = l
	return l
}

// forget drops the addresses that could ask at full rate again, or all of them where that is none.
func (a *addresses) forget() {
	before := len(a.limiters)
	for addr, l := range a.limiters {
		if l.Tokens() >= float64(l.Burst()) {
			delete(a.limiters, addr)
		}
	}
	if len(a.limiters) == before {
		clear(a.limiters)
	}
}

// flight bounds the work in flight. What is over the bound is turned away at once.
type flight struct {
	most int64
	now  atomic.Int64
}

func (f *flight) enter() error {
	if f.now.Add(1) <= f.most {
		return nil
	}
	f.now.Add(-1)
	e := refuse(graderv1.ErrorReason_OVERLOADED, "the server has as much work as it takes on; try again in a moment")
	e.retry = shedRetry
	return e
}

func (f *flight) leave() { f.now.Add(-1) }
