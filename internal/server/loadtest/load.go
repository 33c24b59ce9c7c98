package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// call asks once. Clients have numbers, so that they can share connections.
type call func(ctx context.Context, client int) error

// path is a way to ask the grader, and the same way to ask the echo server.
type path struct {
	name  string
	calls [2]call // grader, echo
}

// turns measures both in turns and returns the medians.
func turns(rounds int, measure func(call) (float64, error), p path) (grader, echo float64, err error) {
	var seen [2][]float64
	for range rounds {
		for k, c := range p.calls {
			v, err := measure(c)
			if err != nil {
				return 0, 0, err
			}
			seen[k] = append(seen[k], v)
		}
	}
	return median(seen[0]), median(seen[1]), nil
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// flood lets every client ask again as soon as it has its answer, and returns the answers a second.
func flood(ctx context.Context, c call, clients int, turn time.Duration) (float64, error) {
	var work sync.WaitGroup
	var answers atomic.Int64
	var failed firstError
	start := time.Now()
	for client := range clients {
		work.Go(func() {
			for time.Since(start) < turn && failed.none() {
				failed.keep(c(ctx, client))
				answers.Add(1)
			}
		})
	}
	work.Wait()
	return float64(answers.Load()) / time.Since(start).Seconds(), failed.err
}

// latencies of one turn.
type latencies struct{ p50, p99 time.Duration }

// waiting bounds the requests that are under way or late.
const waiting = 512

// steady asks at a fixed rate, whether answers come or not. A request that starts late has waited since it was due.
func steady(ctx context.Context, c call, rate float64, turn time.Duration) (latencies, error) {
	var work sync.WaitGroup
	var next atomic.Int64
	var failed firstError
	n := int64(rate * turn.Seconds())
	took := make([]time.Duration, n)
	start := time.Now()
	for client := range waiting {
		work.Go(func() {
			for i := next.Add(1) - 1; i < n && failed.none(); i = next.Add(1) - 1 {
				due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
				pause(ctx, time.Until(due))
				failed.keep(c(ctx, client))
				took[i] = time.Since(due)
			}
		})
	}
	work.Wait()
	slices.Sort(took)
	return latencies{p50: took[n/2], p99: took[n*99/100]}, failed.err
}

// middle is the turn with the median p99.
func middle(turns []latencies) latencies {
	slices.SortFunc(turns, func(a, b latencies) int { return cmp.Compare(a.p99, b.p99) })
	return turns[len(turns)/2]
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// firstError keeps the first error of many goroutines.
type firstError struct {
	once   sync.Once
	failed atomic.Bool
	err    error
}

func (f *firstError) none() bool { return !f.failed.Load() }

func (f *firstError) keep(err error) {
	if err != nil {
		f.once.Do(func() { f.err = err; f.failed.Store(true) })
	}
}
