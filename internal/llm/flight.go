package llm

import (
	"context"
	"sync"
	"time"
)

// flights joins identical requests that are under way. A request belongs to nobody: it goes on for as long as somebody
// waits for it, at most until the deadline of whoever started it.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight
}

type flight struct {
	cancel   context.CancelFunc
	deadline time.Time
	done     chan struct{} // closed when the fields below are final
	rep      reply
	err      error
	panicked any

	// Guarded by flights.mu.
	waiting int
	spent   Usage // until somebody takes it
}

// do returns what work returns, from the call under way for id if there is one. What work spends is added to the spent
// of one of those who waited. Where the starter's time ran out and the caller has more, the caller starts again.
func (fs *flights) do(ctx context.Context, id string, spent *Usage, work func(context.Context, *Usage) (reply, error)) (rep reply, joined bool, err error) {
	for {
		f, started := fs.join(ctx, id, work)
		finished := fs.wait(ctx, id, f)
		if !finished {
			return reply{}, false, contextError(ctx)
		}
		if f.panicked != nil {
			panic(f.panicked)
		}
		fs.takeSpent(f, spent)
		if f.err != nil && asError(f.err).Kind == Canceled && ctx.Err() != nil {
			return f.rep, !started, contextError(ctx) // it was this caller who ended it, for a reason of its own
		}
		if f.err == nil || started || ctx.Err() != nil || !f.endedEarly(ctx) {
			return f.rep, !started, f.err
		}
	}
}

func (fs *flights) join(ctx context.Context, id string, work func(context.Context, *Usage) (reply, error)) (f *flight, started bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.running[id]; f != nil {
		f.waiting++
		return f, false
	}
	f = &flight{done: make(chan struct{}), waiting: 1}
	inner := context.WithoutCancel(ctx)
	if until, ok := ctx.Deadline(); ok {
		f.deadline = until
		inner, f.cancel = context.WithDeadline(inner, until)
	} else {
		inner, f.cancel = context.WithCancel(inner)
	}
	fs.running[id] = f
	go fs.run(inner, id, f, work)
	return f, true
}

func (fs *flights) run(ctx context.Context, id string, f *flight, work func(context.Context, *Usage) (reply, error)) {
	var spent Usage
	defer func() {
		f.panicked = recover() // raised again where somebody can handle it
		f.cancel()
		fs.mu.Lock()
		f.spent = spent
		fs.forget(id, f)
		fs.mu.Unlock()
		close(f.done)
	}()
	f.rep, f.err = work(ctx, &spent)
}

// wait reports false when ctx was done first and others still wait. The last one to leave ends the flight and takes its
// result, which says more than that time is up.
func (fs *flights) wait(ctx context.Context, id string, f *flight) bool {
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
	}
	fs.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	if last {
		fs.forget(id, f)
		// At its own deadline the flight ends by itself, and as a time-out.
		if f.deadline.IsZero() || time.Now().Before(f.deadline) {
			f.cancel()
		}
	}
	fs.mu.Unlock()
	if last {
		<-f.done
	}
	return last
}

// forget lets the next request for id start anew. The caller holds the lock.
func (fs *flights) forget(id string, f *flight) {
	if fs.running[id] == f {
		delete(fs.running, id)
	}
}

func (fs *flights) takeSpent(f *flight, spent *Usage) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if spent != nil {
		*spent = spent.Add(f.spent)
		f.spent = Usage{}
	}
}

// endedEarly reports whether the flight failed in a way that more time could have helped, and ctx has more.
func (f *flight) endedEarly(ctx context.Context) bool {
	until, ok := ctx.Deadline()
	e := asError(f.err)
	return (e.retryable() || e.Kind == Canceled) && !f.deadline.IsZero() && (!ok || until.After(f.deadline))
}
