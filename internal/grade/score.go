package grade

import (
	"math"
	"slices"

	"github.com/vivagrader/grader/internal/rubric"
)

const (
	// minCoverage is the share of the weight that must be decided for a score to have a value.
	minCoverage = 0.80
	// essentialWeight is the weight whose contradiction caps the band at solid.
	essentialWeight = 3
)

// score counts in half points of weight:
//
//	W all weight, E earned, U weight of UNKNOWN points, D = W - U, C charges (at most W/4)
//	value = 100 max(0, E-C) / D, absent under 80 % coverage
//	low   = 100 max(0, E-C) / W      high = 100 max(0, E+U'-C) / W
//
// U' is what could still have been earned: UNKNOWN points, points whose verdict was discarded for its quote and, when no
// judge was heard, points on which the checks are silent.
func score(c *Critique, q *rubric.Question) {
	all, earned, unknown, open := 0, 0, 0, 0
	contradictedEssential := false
	for i := range c.Points {
		p := &c.Points[i]
		all += 2 * p.Weight
		earned += int(2*p.Credit) * p.Weight
		if p.Decision == Unknown {
			unknown += 2 * p.Weight
			open += 2 * p.Weight
		} else if p.Decision == Missed && p.DecidedBy == ByCheck && (p.Judge == nil || p.Judge.Discarded) {
			open += 2 * p.Weight
		}
		contradictedEssential = contradictedEssential || p.Decision == Contradicted && p.Weight >= essentialWeight
	}
	net := earned - min(2*charges(c, q), all/4)
	decided := all - unknown
	s := &Score{Low: percent(max(0, net), all), High: min(100, percent(max(0, net+open), all)), Coverage: round(float64(decided)/float64(all), 2)}
	rank := s.Low
	if float64(decided) >= minCoverage*float64(all) {
		v := percent(max(0, net), decided)
		s.Value, rank = &v, v
	} else {
		c.Reasons = append(c.Reasons, ReasonLowCoverage)
	}
	if contradictedEssential {
		rank = min(rank, q.Bank.Bands.Strong-0.1)
	}
	s.Band = q.Bank.Bands.Name(rank)
	c.Score = s
}

// Rescore computes the score of decisions of which some were changed after grading, as Grade would. Of c it reads the
// points' weight, decision, credit, decider and judge, and the decisions on misconceptions; both in the order of q.
func Rescore(c *Critique, q *rubric.Question) *Score {
	score(c, q)
	return c.Score
}

// charges is the weight lost to wrong claims. A contradicted point and the misconception that breaks it are one claim;
// weight-1 points cost nothing.
func charges(c *Critique, q *rubric.Question) int {
	sum := 0
	var counted []string
	for i := range c.Misconceptions {
		if c.Misconceptions[i].Decision == Asserted {
			sum += q.Misconceptions[i].Severity
			counted = append(counted, q.Misconceptions[i].Breaks...)
		}
	}
	for i := range c.Points {
		if p := &c.Points[i]; p.Decision == Contradicted && p.Weight > 1 && !slices.Contains(counted, p.ID) {
			sum++
		}
	}
	return sum
}

func percent(part, whole int) float64 { return round(100*float64(part)/float64(whole), 1) }

func round(v float64, decimals int) float64 {
	f := math.Pow10(decimals)
	return math.Round(v*f) / f
}
