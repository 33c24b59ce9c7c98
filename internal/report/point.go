package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/review"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/transcript"
)

// group is the points of one decision.
type group struct {
	Title  string
	Points []*point
}

// point is one point of a question.
type point struct {
	ID, Kind  string
	Anchor    string
	Weight    int
	Statement string
	Verdict   string // in words
	Class     string
	Quotes    []quote
	Missing   []string
	Reason    string
	Gain      string // what full credit would add to the score of the question
	Question  *question
	second

	decision, machine grade.Decision
	decidedBy         grade.Decider
	reasons           []string
	gain              float64
}

// wrong is a wrong claim with its correction.
type wrong struct {
	ID, Claim  string
	Anchor     string
	Severity   int
	Quotes     []quote
	Correction string
	Question   *question
	second
}

// second is what there is to say about a decision beside it: doubt, or what a human settled.
type second struct {
	Doubt    string // why it is doubtful; empty where it is not
	Settled  bool
	Machine  string // what the machine said, in words, where a human settled it
	Note     string
	Reviewer string
}

// open reports whether a human should still look at it.
func (s *second) open() bool { return s.Doubt != "" && !s.Settled }

// doubt is a doubtful decision that nobody settled, with the link to its place.
type doubt struct {
	Candidate, Link, Anchor string
	Question                *question
	Statement, Verdict, Why string
	Weight                  int
}

// quote is words of the answer, with the time where it is known.
type quote struct {
	Text, HeardAs string
	Timed         bool
	Clock         string
	Start, End    string // in seconds, for the player

	startMS int
}

func newPoint(q *question, l *review.Line, p *review.Point, doubts map[any]review.Doubt, all float64, n namer) *point {
	final := l.Final(p)
	out := &point{ID: p.ID, Anchor: fmt.Sprintf("q%d-%s", q.Number, p.ID), Kind: strings.ToLower(strings.ReplaceAll(p.Kind, "_", "-")),
		Weight: p.Weight, Statement: p.Statement, Verdict: verdicts[final], Class: strings.ToLower(string(final)), Quotes: quotes(p.Evidence, n),
		Missing: p.Missing, Reason: n.text(p.Reason), Question: q, decision: final, machine: p.Decision, decidedBy: p.DecidedBy}
	out.gain = 100 * (1 - final.Credit()) * float64(p.Weight) / all
	out.Gain = figure(out.gain)
	if c := p.Witnesses.Check; final == grade.Unknown || final == grade.Missed && c != nil && c.Finding == check.Absent.String() {
		out.Reason = "" // the verdict says it
	}
	if d, ok := doubts[p]; ok {
		out.Doubt, out.reasons = d.Why(), reasonCodes(d)
	}
	if l.Review == nil {
		return out
	}
	if s, ok := l.Review.Points[p.ID]; ok {
		out.settle(strings.ToLower(verdicts[p.Decision]), s.Note, s.Reviewer, n)
		if s.Decision != p.Decision {
			out.Missing, out.Reason = nil, ""
		}
	}
	return out
}

// groups sort the points for a reader: what was wrong first, then what counted, then what was missed.
func groups(points []*point, mode grade.Mode) []group {
	missed := "Missed: a strong answer also says"
	if mode == grade.ModeKeywords {
		missed = "Not found in the words: a strong answer also says"
	}
	order := []struct {
		decision grade.Decision
		title    string
	}{
		{grade.Contradicted, "Put right"}, {grade.Met, "What counted"}, {grade.PartlyMet, "Half there"},
		{grade.Missed, missed}, {grade.Unknown, "Could not be decided"},
	}
	var out []group
	for _, o := range order {
		g := group{Title: o.title}
		for _, p := range points {
			if p.decision == o.decision {
				g.Points = append(g.Points, p)
			}
		}
		slices.SortStableFunc(g.Points, func(a, b *point) int { return b.Weight - a.Weight })
		if len(g.Points) > 0 {
			out = append(out, g)
		}
	}
	return out
}

func quotes(evidence []review.Evidence, n namer) []quote {
	var out []quote
	for _, e := range evidence {
		q := quote{Text: n.text(e.Quote), HeardAs: n.text(e.HeardAs)}
		if e.StartMS != nil {
			q.Timed, q.startMS, q.Clock, q.Start = true, *e.StartMS, transcript.Clock(*e.StartMS), seconds(*e.StartMS)
			if e.EndMS != nil {
				q.End = seconds(*e.EndMS)
			}
		}
		out = append(out, q)
	}
	return out
}

func seconds(ms int) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

// newWrong is a wrong claim in the rubric's words.
func newWrong(q *question, l *review.Line, m *review.Misconception, rub *rubric.Question, doubts map[any]review.Doubt, n namer) *wrong {
	w := &wrong{ID: m.ID, Claim: m.ID, Anchor: fmt.Sprintf("m%d-%s", q.Number, m.ID), Severity: 1, Quotes: quotes(m.Evidence, n),
		Correction: m.Correction, Question: q}
	if rub != nil {
		for i := range rub.Misconceptions {
			if o := &rub.Misconceptions[i]; o.ID == m.ID {
				w.Claim, w.Severity = o.Statement, o.Severity
			}
		}
	}
	if d, ok := doubts[m]; ok {
		w.Doubt = d.Why()
	}
	if l.Review != nil {
		if s, ok := l.Review.Misconceptions[m.ID]; ok {
			w.settle(strings.ToLower(string(m.Decision)), s.Note, s.Reviewer, n)
		}
	}
	return w
}

func (s *second) settle(machine, note, reviewer string, n namer) {
	s.Settled, s.Machine, s.Note = true, machine, n.text(note)
	if n.label == "" {
		s.Reviewer = reviewer
	}
}

// doubts are the decisions on which nobody has settled a doubt.
func (q *question) doubts(p *interviewPage) []doubt {
	var out []doubt
	for _, w := range q.Wrong {
		if w.open() {
			out = append(out, doubt{p.Title, pagesFolder + "/" + p.file + "#" + w.Anchor, w.Anchor, q, w.Claim, "Wrong claim", w.Doubt, w.Severity})
		}
	}
	for _, pt := range q.points {
		if pt.open() {
			out = append(out, doubt{p.Title, pagesFolder + "/" + p.file + "#" + pt.Anchor, pt.Anchor, q, pt.Statement, pt.Verdict, pt.Doubt, pt.Weight})
		}
	}
	return out
}

var verdicts = map[grade.Decision]string{grade.Met: "Met", grade.PartlyMet: "Partly met", grade.Missed: "Missed",
	grade.Contradicted: "Contradicted", grade.Unknown: "Undecided"}
