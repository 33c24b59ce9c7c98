package grade

import (
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/rubric"
)

// rule is one row of the policy: what the checks saw, and what is decided of it when no judge is heard.
type rule struct {
	against bool
	level   check.Level
	capped  bool // the kind's keyword precision is not good enough for MET
	decide  Decision
}

// policy is read from the top; the first row that fits decides. A contradiction outranks a hit.
var policy = []rule{
	{against: true, level: check.None, decide: Contradicted},
	{against: true, level: check.Partial, decide: Contradicted},
	{against: true, level: check.Full, decide: Contradicted},
	{level: check.Full, capped: true, decide: PartlyMet},
	{level: check.Full, decide: Met},
	{level: check.Partial, decide: PartlyMet},
	{level: check.Partial, capped: true, decide: PartlyMet},
	{level: check.None, decide: Missed},
	{level: check.None, capped: true, decide: Missed},
}

func reconcile(f check.Finding, capped bool) Decision {
	against := len(f.Against) > 0
	for _, r := range policy {
		if r.against == against && r.level == f.Level && (against || r.capped == capped) {
			return r.decide
		}
	}
	return Missed
}

func (w *writer) point(q *rubric.Question, i int, f check.Finding) PointResult {
	p := &q.Points[i]
	capped := slices.Contains(q.Bank.CappedKinds, p.Kind)
	res := PointResult{ID: p.ID, Kind: string(p.Kind), Weight: p.Weight, Statement: p.Statement, DecidedBy: ByCheck,
		Decision: reconcile(f, capped), Check: CheckWitness{Finding: f.Status.String(), Decision: reconcile(f, false)}}
	res.Credit = res.Decision.Credit()
	switch res.Decision {
	case Contradicted:
		res.Evidence = w.evidence(f.Against)
		res.Reason = "You said the opposite."
		if f.Status == check.Reversed {
			res.Reason = "You have it the wrong way round."
		}
	case Met:
		res.Evidence = w.evidence(f.Support)
	case PartlyMet:
		res.Evidence, res.Missing = w.evidence(f.Support), f.Missing
		switch {
		case len(f.Missing) > 0:
			res.Reason = "Not found in your words: " + strings.Join(f.Missing, "; ") + "."
		case f.Level == check.Full:
			res.Reason = "The words are there; whether they make the whole claim, keywords alone cannot tell."
		default:
			res.Reason = "Part of the claim is there."
		}
	default:
		res.Missing = f.Missing
		res.Reason = "Not found in your words."
		if f.Status == check.Hedged {
			res.Reason = "You brought it up, but not as a claim of your own."
		}
	}
	// a decision that credits or charges needs a quote; without one it is not made
	if len(res.Evidence) == 0 && (res.Credit > 0 || res.Decision == Contradicted) {
		res.Decision, res.Credit, res.Reason = Missed, 0, "Not found in your words."
	}
	return res
}

func (w *writer) misconception(m *rubric.Misconception, a check.Assertion) MisconceptionResult {
	res := MisconceptionResult{ID: m.ID, Decision: NotClaimed}
	switch a.Status {
	case check.Affirmed:
		if res.Evidence = w.evidence(a.Evidence); len(res.Evidence) > 0 {
			res.Decision, res.Correction = Asserted, m.WhyWrong
		}
	case check.Denied, check.Hedged, check.Reversed:
		res.Decision, res.Evidence = Rejected, w.evidence(a.Evidence)
	}
	return res
}

// applyBreaks: who asserts a misconception has contradicted the points that it breaks, unless the claim itself was made
// elsewhere in the answer.
func applyBreaks(c *Critique, q *rubric.Question) {
	for i := range q.Misconceptions {
		if c.Misconceptions[i].Decision != Asserted {
			continue
		}
		for k := range c.Points {
			p := &c.Points[k]
			if slices.Contains(q.Misconceptions[i].Breaks, p.ID) && p.Credit == 0 && p.Decision != Contradicted {
				p.Decision, p.Evidence, p.Reason = Contradicted, c.Misconceptions[i].Evidence, q.Misconceptions[i].WhyWrong
			}
		}
	}
}

func (w *writer) habit(c *Critique, h *rubric.Habit, present, known bool, at []check.Evidence) HabitResult {
	res := HabitResult{ID: h.ID, Decision: PresenceUnknown}
	if known {
		res.Decision = NotPresent
		if present {
			res.Decision, res.Advice, res.Evidence = Present, h.Advice, w.evidence(at)
		}
	}
	return res
}
