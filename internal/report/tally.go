package report

import (
	"math"
	"slices"
	"strconv"

	"github.com/vivagrader/grader/internal/grade"
)

// bandNames are the bands from the best, as scores name them.
var bandNames = []string{"strong", "solid", "developing", "weak"}

var decisionOrder = []grade.Decision{grade.Met, grade.PartlyMet, grade.Missed, grade.Contradicted, grade.Unknown}

// tally counts what came of questions. What has no score is counted as what it is, and enters no mean.
type tally struct {
	scored, lowCoverage, ungradable, notInBank, notAnswered, failed int

	sumLow, sumHigh float64
	bands           map[string]int
	decisions       map[grade.Decision]int

	misconceptions, doubtful, settled int
}

func newTally() tally {
	return tally{bands: map[string]int{}, decisions: map[grade.Decision]int{}}
}

func (t *tally) add(q *question) {
	switch q.State {
	case stateNotInBank:
		t.notInBank++
	case stateNotAnswered:
		t.notAnswered++
	case stateFailed:
		t.failed++
	case stateUngradable:
		t.ungradable++
	case stateLowCoverage:
		t.lowCoverage++
	}
	if q.score != nil {
		t.scored++
		t.sumLow += q.score.Low
		t.sumHigh += q.score.High
		t.bands[q.score.Band]++
	}
	for _, p := range q.points {
		t.decisions[p.decision]++
		t.second(&p.second)
	}
	for _, w := range slices.Concat(q.Wrong, q.Cleared) {
		t.second(&w.second)
	}
	t.misconceptions += len(q.Wrong)
}

func (t *tally) second(s *second) {
	switch {
	case s.Settled:
		t.settled++
	case s.Doubt != "":
		t.doubtful++
	}
}

// low is the mean of the low ends of scores, empty without a score.
func (t *tally) low() string { return mean(t.sumLow, t.scored) }

func (t *tally) high() string { return mean(t.sumHigh, t.scored) }

func mean(sum float64, n int) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatFloat(math.Round(10*sum/float64(n))/10, 'f', 1, 64)
}

// figure is a score with at most one decimal.
func figure(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
