package interview

import (
	"sync"

	"github.com/vivagrader/grader/internal/grade"
)

// budget keeps a run within its highest cost. Answers that are under way have not been paid yet, so each of them counts
// as much as the calls so far on average; until one is paid, answers go one by one. The cost ends above the limit by
// what one answer takes, and by as much as answers cost more than those before.
type budget struct {
	max   float64 // in US dollars; 0 is no limit
	spent func() grade.Usage

	mu       sync.Mutex
	ended    *sync.Cond
	start    grade.Usage // before the first answer
	begun    bool
	underway int
}

func newBudget(cfg *Config) *budget {
	b := &budget{}
	b.ended = sync.NewCond(&b.mu)
	if cfg.Usage != nil {
		b.max = cfg.MaxCost
		b.spent = func() grade.Usage {
			u, _ := cfg.Usage()
			return u
		}
	}
	return b
}

// used reports whether all is spent.
func (b *budget) used() bool { return b.max > 0 && b.spent().Cost >= b.max }

// begin waits until it is known whether another answer can be paid, and reports whether it can; then end must follow.
func (b *budget) begin() bool {
	if b.max <= 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		u := b.spent()
		if !b.begun {
			b.begun, b.start = true, u
		}
		switch {
		case u.Cost >= b.max:
			return false
		case b.underway == 0 || b.affords(u):
			b.underway++
			return true
		}
		b.ended.Wait()
	}
}

// affords reports whether the answers under way and another one can be expected to stay within the limit.
func (b *budget) affords(u grade.Usage) bool {
	calls := u.Requests - b.start.Requests
	if calls == 0 {
		return false
	}
	call := (u.Cost - b.start.Cost) / float64(calls)
	return u.Cost+call*float64(b.underway+1) <= b.max
}

func (b *budget) end() {
	if b.max <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.underway--
	b.ended.Broadcast()
}
