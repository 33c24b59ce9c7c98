package review

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

// Doubt is a decision that a human should look at, with everything that makes it doubtful: on a point or on a
// misconception, the other is nil.
type Doubt struct {
	Point         *Point
	Misconception *Misconception
	Reasons       []Reason
}

// Reason is what makes a decision doubtful.
type Reason string

// The reasons.
const (
	// Undecided: neither witness could tell.
	Undecided Reason = "UNKNOWN"
	// Unverified: the judge quoted words that are not in the answer, and was not believed.
	Unverified Reason = "UNVERIFIED_QUOTE"
	// Disagreement: one witness credits what the other does not, or sees the opposite where the other does not.
	Disagreement Reason = "WITNESSES_DISAGREE"
	// KeywordContradiction: keywords alone read the words as the opposite, or as a misconception. Of what keywords take
	// for a wrong claim, three in ten are none (grader calibrate on labelled answers).
	KeywordContradiction Reason = "CONTRADICTED_BY_KEYWORDS"
	// Capped: a full hit of the keywords that is half credit only because its kind is not precise enough.
	Capped Reason = "CAPPED_KIND"
	// BandEdge: half credit by one witness, in an answer close to a band's edge, that changes the band a step up or down.
	BandEdge Reason = "BAND_EDGE"
)

// Doubts lists the doubtful decisions of a line, misconceptions before points, settled ones included. q is the question
// or nil; what needs the rubric that the line was graded with (BandEdge) is left out without it.
func Doubts(l *Line, q *rubric.Question) []Doubt {
	if l.Critique == nil {
		return nil
	}
	var out []Doubt
	for i := range l.Critique.Misconceptions {
		if m := &l.Critique.Misconceptions[i]; m.Decision == grade.Asserted && !slices.ContainsFunc(m.Evidence, byJudge) {
			out = append(out, Doubt{Misconception: m, Reasons: []Reason{KeywordContradiction}})
		}
	}
	for i := range l.Critique.Points {
		p := &l.Critique.Points[i]
		reasons := doubtsOf(p)
		if p.Decision == grade.PartlyMet && p.DecidedBy != grade.ByBoth && l.Graded(q) && l.bandTurns(q, p) {
			reasons = append(reasons, BandEdge)
		}
		if len(reasons) > 0 {
			out = append(out, Doubt{Point: p, Reasons: reasons})
		}
	}
	return out
}

func byJudge(e Evidence) bool { return e.Source == grade.ByJudge }

func doubtsOf(p *Point) []Reason {
	var out []Reason
	check, judge := p.Witnesses.Check, p.Witnesses.Judge
	heard := judge != nil && !judge.Discarded
	if p.Decision == grade.Unknown {
		out = append(out, Undecided)
	}
	if judge != nil && judge.Discarded {
		out = append(out, Unverified)
	}
	if check != nil && heard && disagree(check.Decision, judge.Verdict) {
		out = append(out, Disagreement)
	}
	if p.Decision == grade.Contradicted && p.DecidedBy == grade.ByCheck && !heard {
		out = append(out, KeywordContradiction)
	}
	if p.Decision == grade.PartlyMet && p.DecidedBy == grade.ByCheck && check != nil && check.Decision == grade.Met {
		out = append(out, Capped)
	}
	return out
}

// disagree reports whether two witnesses cannot both be right. Keywords that are silent where the judge reads a claim
// are no disagreement, nor are half and full credit.
func disagree(check, judge grade.Decision) bool {
	switch {
	case judge == grade.Unknown:
		return false
	case check == grade.Contradicted || judge == grade.Contradicted:
		return check != judge
	}
	return check.Credit() > 0 && judge.Credit() == 0
}

// bandMargin is the distance in points of score from the edge of a band that makes an answer a close call.
const bandMargin = 5

// bandTurns reports whether the answer is close to the edge of a band and gets over it when the point earns all or
// nothing.
func (l *Line) bandTurns(q *rubric.Question, p *Point) bool {
	s := l.rescore(q, nil)
	at, band := s.Low, s.Band
	if s.Value != nil {
		at = *s.Value
	}
	b := q.Bank.Bands
	if !slices.ContainsFunc([]float64{b.Developing, b.Solid, b.Strong}, func(edge float64) bool { return math.Abs(at-edge) <= bandMargin }) {
		return false
	}
	return slices.ContainsFunc([]grade.Decision{grade.Met, grade.Missed}, func(d grade.Decision) bool {
		step := &Review{Points: map[string]Settled[grade.Decision]{p.ID: {Decision: d}}}
		return l.rescore(q, step).Band != band
	})
}

// Why says in a sentence or two what makes the decision doubtful.
func (d *Doubt) Why() string {
	parts := make([]string, len(d.Reasons))
	for i, r := range d.Reasons {
		parts[i] = d.why(r)
	}
	return strings.Join(parts, " ")
}

func (d *Doubt) why(r Reason) string {
	switch r {
	case Undecided:
		return "Neither the keywords nor the judge could tell."
	case Unverified:
		return fmt.Sprintf("The judge says %s, but quotes words that are not in the answer.", word(d.Point.Witnesses.Judge.Verdict))
	case Disagreement:
		return fmt.Sprintf("The keywords say %s, the judge says %s.", word(d.Point.Witnesses.Check.Decision), word(d.Point.Witnesses.Judge.Verdict))
	case KeywordContradiction:
		if d.Misconception != nil {
			return "Keywords alone read this as the claim."
		}
		return "Keywords alone read this as the opposite."
	case Capped:
		return "All the words are there; keywords alone are not sure enough with this kind of point for full credit."
	case BandEdge:
		return "The band hangs on this half credit."
	}
	return string(r)
}

var words = map[grade.Decision]string{grade.Met: "met", grade.PartlyMet: "partial", grade.Missed: "missed",
	grade.Contradicted: "contradicted", grade.Unknown: "unknown"}

func word(d grade.Decision) string { return words[d] }
