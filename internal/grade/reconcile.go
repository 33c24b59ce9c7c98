package grade

import (
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/rubric"
)

// seen is what the keyword witness has to say of a point.
type seen uint8

const (
	seenNothing seen = iota
	seenPart
	seenCapped // a full hit of a kind whose precision is not good enough for MET on keywords alone
	seenFull
	seenAgainst
)

// said is what the judge has to say of it. A judge that was not heard, that gave no verdict on the menu, or that quoted
// words which are not in the answer says nothing.
type said uint8

const (
	saidNothing said = iota
	saidUnknown
	saidMissed
	saidPartial
	saidMet
	saidContradicted
)

type ruling struct {
	decision Decision
	by       Decider
}

// policy is the whole reconciliation: rows are what the checks saw, columns what the judge said.
//
// Without a judge the keywords decide. With one it decides on meaning, with one exception: a full hit is words that can
// be shown, and a judge's "missed" is not, so the hit stands and the disagreement is reported. A contradiction that the
// judge can quote outranks a hit; one that only the checks saw yields to the judge. What neither witness can tell is
// UNKNOWN.
var policy = map[seen]map[said]ruling{
	seenNothing: {
		saidNothing: {Missed, ByCheck}, saidUnknown: {Unknown, ByJudge}, saidMissed: {Missed, ByBoth},
		saidPartial: {PartlyMet, ByJudge}, saidMet: {Met, ByJudge}, saidContradicted: {Contradicted, ByJudge},
	},
	seenPart: {
		saidNothing: {PartlyMet, ByCheck}, saidUnknown: {PartlyMet, ByCheck}, saidMissed: {Missed, ByJudge},
		saidPartial: {PartlyMet, ByBoth}, saidMet: {Met, ByJudge}, saidContradicted: {Contradicted, ByJudge},
	},
	seenCapped: {
		saidNothing: {PartlyMet, ByCheck}, saidUnknown: {PartlyMet, ByCheck}, saidMissed: {Missed, ByJudge},
		saidPartial: {PartlyMet, ByBoth}, saidMet: {Met, ByBoth}, saidContradicted: {Contradicted, ByJudge},
	},
	seenFull: {
		saidNothing: {Met, ByCheck}, saidUnknown: {Met, ByCheck}, saidMissed: {Met, ByCheck},
		saidPartial: {PartlyMet, ByJudge}, saidMet: {Met, ByBoth}, saidContradicted: {Contradicted, ByJudge},
	},
	seenAgainst: {
		saidNothing: {Contradicted, ByCheck}, saidUnknown: {Contradicted, ByCheck}, saidMissed: {Missed, ByJudge},
		saidPartial: {PartlyMet, ByJudge}, saidMet: {Met, ByJudge}, saidContradicted: {Contradicted, ByBoth},
	},
}

func seenBy(f check.Finding, capped bool) seen {
	switch {
	case len(f.Against) > 0:
		return seenAgainst
	case f.Level == check.Full && capped:
		return seenCapped
	case f.Level == check.Full:
		return seenFull
	case f.Level == check.Partial:
		return seenPart
	}
	return seenNothing
}

func saidBy(v *judge.Verdict) said {
	switch {
	case v == nil || v.Unverified:
		return saidNothing
	case v.Verdict == "met":
		return saidMet
	case v.Verdict == "partial":
		return saidPartial
	case v.Verdict == "contradicted":
		return saidContradicted
	case v.Verdict == "missed":
		return saidMissed
	}
	return saidUnknown
}

// point reconciles both witnesses; v is nil when no judge was heard.
func (w *writer) point(q *rubric.Question, i int, f check.Finding, v *judge.Verdict) PointResult {
	p := &q.Points[i]
	saw, says := seenBy(f, slices.Contains(q.Bank.CappedKinds, p.Kind)), saidBy(v)
	r := policy[saw][says]
	res := PointResult{ID: p.ID, Kind: string(p.Kind), Weight: p.Weight, Statement: p.Statement, Decision: r.decision, DecidedBy: r.by,
		Check: CheckWitness{Finding: f.Status.String(), Decision: policy[seenBy(f, false)][saidNothing].decision}}
	if v != nil {
		res.Judge = &JudgeWitness{Verdict: judged(v), Reason: v.Reason, Discarded: v.Unverified}
	}
	res.Evidence = w.pointEvidence(i, f, v, r)
	if res.Decision == PartlyMet || res.Decision == Missed {
		res.Missing = f.Missing
	}
	// what credits or charges needs a quote; without one it is not decided so
	if len(res.Evidence) == 0 && (res.Decision.Credit() > 0 || res.Decision == Contradicted) {
		res.Decision, res.DecidedBy = Missed, ByCheck
	}
	res.Credit = res.Decision.Credit()
	res.Reason = reason(&res, f, saw, says)
	return res
}

func judged(v *judge.Verdict) Decision {
	switch v.Verdict {
	case "met":
		return Met
	case "partial":
		return PartlyMet
	case "missed":
		return Missed
	case "contradicted":
		return Contradicted
	}
	return Unknown
}

// pointEvidence is the quotes of those who decided, and for a credit also those of a check that agrees.
func (w *writer) pointEvidence(i int, f check.Finding, v *judge.Verdict, r ruling) []Evidence {
	var out []Evidence
	if r.decision.Credit() == 0 && r.decision != Contradicted { // what was not said has no quote
		return nil
	}
	if r.by != ByCheck && v != nil && !v.Unverified {
		out = w.quotes(v.Quotes)
	}
	switch {
	case r.decision == Contradicted && r.by != ByJudge:
		out = append(out, w.evidence(w.reading.Against(i))...)
	case r.decision.Credit() > 0 && len(f.Against) == 0 && len(out) == 0:
		best, all := w.reading.Support(i)
		out = append(out, w.evidence(best)...)
		w.credit(all)
	}
	return out
}

// reason says in one sentence why, and where the witnesses disagree.
func reason(p *PointResult, f check.Finding, saw seen, says said) string {
	missing := ""
	if len(f.Missing) > 0 {
		missing = strings.Join(f.Missing, "; ")
	}
	switch {
	case p.Decision == Met && says == saidMissed:
		return "Your words name it; the judge did not find the whole claim in them."
	case p.Decision == Contradicted && saw == seenFull:
		return "You named it, but said the opposite of the claim."
	case p.Decision == Contradicted && p.DecidedBy == ByCheck && f.Level > check.None:
		return "You say it in one place, and in another something that reads as the opposite."
	case p.Decision == Contradicted && p.DecidedBy == ByCheck && f.Status == check.Denied:
		return "This reads as the opposite."
	case p.Decision == Contradicted && f.Status == check.Reversed:
		return "You have it the wrong way round."
	case p.Decision == Contradicted:
		return "You said the opposite."
	case p.Decision == PartlyMet && missing != "" && says != saidPartial:
		return "Not found in your words: " + missing + "."
	case p.Decision == PartlyMet && says == saidPartial && p.Judge.Reason != "":
		return p.Judge.Reason
	case p.Decision == PartlyMet && saw == seenCapped:
		return "The words are there; whether they make the whole claim, keywords alone cannot tell."
	case p.Decision == PartlyMet:
		return "Part of the claim is there."
	case p.Decision == Missed && saw >= seenPart && says == saidMissed && missing != "":
		return "You named part of it, but said nothing about this: " + missing + "."
	case p.Decision == Missed && saw >= seenPart && says == saidMissed:
		return "Words of it are there, but they do not make the claim."
	case p.Decision == Missed && f.Status == check.Hedged:
		return "You brought it up, but not as a claim of your own."
	case p.Decision == Missed && says == saidMissed:
		return "Not said."
	case p.Decision == Missed:
		return "Not found in your words."
	case p.Decision == Unknown:
		return "Neither the keywords nor the judge could tell."
	}
	return ""
}

// misconception: a judge that can show the words decides; otherwise the checks do.
func (w *writer) misconception(m *rubric.Misconception, i int, a check.Assertion, v *judge.Verdict) MisconceptionResult {
	res := MisconceptionResult{ID: m.ID, Decision: NotClaimed}
	switch a.Status {
	case check.Affirmed:
		res.Decision, res.Evidence = Asserted, w.evidence(w.reading.MisconceptionEvidence(i))
	case check.Denied, check.Hedged, check.Reversed:
		res.Decision, res.Evidence = Rejected, w.evidence(a.Evidence)
	default:
	}
	if v != nil && !v.Unverified {
		switch v.Verdict {
		case "asserted":
			res.Decision, res.Evidence = Asserted, w.quotes(v.Quotes)
		case "rejected":
			if res.Decision != Rejected {
				res.Decision, res.Evidence = Rejected, nil
			}
		case "absent":
			res.Decision, res.Evidence = NotClaimed, nil
		}
	}
	if res.Decision == Asserted && len(res.Evidence) == 0 {
		res.Decision = NotClaimed
	}
	if res.Decision == Asserted {
		res.Correction = m.WhyWrong
	}
	return res
}

// applyBreaks: who asserts a misconception has contradicted the points that it breaks, unless the claim itself was made
// elsewhere in the answer or a judge looked at it.
func applyBreaks(c *Critique, q *rubric.Question) {
	for i := range q.Misconceptions {
		if c.Misconceptions[i].Decision != Asserted {
			continue
		}
		for k := range c.Points {
			p := &c.Points[k]
			if slices.Contains(q.Misconceptions[i].Breaks, p.ID) && p.Credit == 0 && p.Decision != Contradicted && p.DecidedBy == ByCheck {
				p.Decision, p.Evidence, p.Reason = Contradicted, c.Misconceptions[i].Evidence, q.Misconceptions[i].WhyWrong
			}
		}
	}
}

func (w *writer) habit(h *rubric.Habit, present, known bool, at []check.Evidence, v *judge.Verdict) HabitResult {
	res := HabitResult{ID: h.ID, Decision: PresenceUnknown}
	if known {
		res.Decision = NotPresent
		if present {
			res.Decision, res.Evidence = Present, w.evidence(at)
		}
	}
	if v != nil {
		switch v.Verdict {
		case "present":
			res.Decision, res.Evidence = Present, w.quotes(v.Quotes)
		case "absent":
			res.Decision, res.Evidence = NotPresent, nil
		}
	}
	if res.Decision == Present {
		res.Advice = h.Advice
	}
	return res
}
