package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
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

// speed is how a turn went: answers a second, and the server's time on a CPU for each.
type speed struct {
	answers float64
	cpu     time.Duration
}

// median is the turn with the median of the answers, with the median of the CPU time.
func median(turns []speed) speed {
	slices.SortFunc(turns, func(a, b speed) int { return cmp.Compare(a.cpu, b.cpu) })
	cpu := turns[len(turns)/2].cpu
	slices.SortFunc(turns, func(a, b speed) int { return cmp.Compare(a.answers, b.answers) })
	return speed{turns[len(turns)/2].answers, cpu}
}

// flood lets every client ask again as soon as it has its answer.
func flood(ctx context.Context, c call, server, clients int, turn time.Duration) (speed, error) {
	var work sync.WaitGroup
	var answers atomic.Int64
	var failed firstError
	before, err := cpuOf(server)
	if err != nil {
		return speed{}, err
	}
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
	took := time.Since(start)
	after, err := cpuOf(server)
	if err != nil {
		return speed{}, err
	}
	n := answers.Load()
	return speed{float64(n) / took.Seconds(), (after - before) / time.Duration(n)}, failed.err
}

// ticks a second is how Linux counts the CPU time of a process.
const ticks = 100

// cpuOf is the time that a process has spent on CPUs, in its own code and in the kernel.
func cpuOf(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of a server (Linux only): %w", err)
	}
	_, rest, _ := strings.Cut(string(data), ") ") // behind the name, which may hold anything
	fields := strings.Fields(rest)
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, fmt.Errorf("read the CPU time of a server: %q", data)
	}
	u, uErr := strconv.Atoi(fields[user])
	s, sErr := strconv.Atoi(fields[system])
	return time.Duration(u+s) * time.Second / ticks, errors.Join(uErr, sErr)
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
