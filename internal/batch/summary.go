package batch

import (
	"maps"
	"math"
	"time"

	"github.com/vivagrader/grader/internal/grade"
)

// Summary is what a batch came to.
type Summary struct {
	// Lines of output there are, and how many of them an earlier run wrote.
	Lines int `json:"lines"`
	Kept  int `json:"kept"`
	// Unchanged means that the output was finished before, and that nothing was done.
	Unchanged bool `json:"unchanged"`
	// States counts critiques by their state, Errors lines without a critique by their code.
	States map[string]int `json:"states"`
	Errors map[string]int `json:"errors"`
	// Scores are those of critiques with a score.value.
	Scores Scores `json:"scores"`
	// Bands counts critiques by their band.
	Bands map[string]int `json:"bands"`
	// Seconds that this run took.
	Seconds float64 `json:"seconds"`
	// Spent is what the judge's calls of this run cost, failed ones included, Saved what the cache spared it. Both are
	// absent without a judge.
	Spent *Usage `json:"spent,omitempty"`
	Saved *Usage `json:"saved,omitempty"`
}

// Usage is what calls of a judge come to, as in critiques. Cost is absent where it is not known.
type Usage struct {
	Requests     int      `json:"requests"`
	InputTokens  int      `json:"inputTokens"`
	OutputTokens int      `json:"outputTokens"`
	Cost         *float64 `json:"cost,omitempty"`
}

// UsageOf converts what a judge counted.
func UsageOf(u grade.Usage) *Usage {
	out := &Usage{Requests: u.Requests, InputTokens: u.InputTokens, OutputTokens: u.OutputTokens}
	if u.CostKnown {
		cost := math.Round(u.Cost*1e6) / 1e6
		out.Cost = &cost
	}
	return out
}

// Scores sums up scores. Mean and median are absent where there is none.
type Scores struct {
	Count  int      `json:"count"`
	Mean   *float64 `json:"mean,omitempty"`
	Median *float64 `json:"median,omitempty"`
}

// ErrorLines is the number of lines without a critique.
func (s *Summary) ErrorLines() int {
	n := 0
	for _, c := range s.Errors {
		n += c
	}
	return n
}

// tally counts lines of output in constant memory.
type tally struct {
	states, errors, bands map[string]int
	total                 int
	scores                [1001]int // by score in tenths
	scored                int
}

func newTally() tally {
	return tally{
		states: map[string]int{string(grade.Graded): 0, string(grade.Degraded): 0, string(grade.Ungradable): 0},
		errors: map[string]int{}, bands: map[string]int{},
	}
}

func (t *tally) clone() tally {
	c := *t
	c.states, c.errors, c.bands = maps.Clone(t.states), maps.Clone(t.errors), maps.Clone(t.bands)
	return c
}

func (t *tally) add(o outcome) {
	t.total++
	if o.code != "" {
		t.errors[o.code]++
		return
	}
	t.states[o.state]++
	if o.band != "" {
		t.bands[o.band]++
	}
	if o.value != nil {
		tenths := int(math.Round(*o.value * 10))
		t.scores[min(max(tenths, 0), len(t.scores)-1)]++
		t.scored++
	}
}

func (t *tally) summary(kept int, took time.Duration) *Summary {
	c := t.clone()
	s := &Summary{Lines: c.total, Kept: kept, States: c.states, Errors: c.errors, Bands: c.bands,
		Scores: Scores{Count: c.scored}, Seconds: math.Round(took.Seconds()*1000) / 1000}
	if c.scored == 0 {
		return s
	}
	sum := 0
	for tenths, n := range c.scores {
		sum += tenths * n
	}
	mean := math.Round(float64(sum)/float64(c.scored)) / 10
	median := float64(c.nth((c.scored-1)/2)+c.nth(c.scored/2)) / 20
	s.Scores.Mean, s.Scores.Median = &mean, &median
	return s
}

// nth is the n-th lowest score in tenths, counted from 0.
func (t *tally) nth(n int) int {
	for tenths, count := range t.scores {
		if n -= count; n < 0 {
			return tenths
		}
	}
	return 0
}
