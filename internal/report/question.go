package report

import (
	"cmp"
	"fmt"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/interview"
	"github.com/vivagrader/grader/internal/render"
	"github.com/vivagrader/grader/internal/review"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/transcript"
)

// The states of a question: those of critiques, and why there is none.
const (
	stateDegraded    = string(grade.Degraded)
	stateUngradable  = string(grade.Ungradable)
	stateLowCoverage = string(grade.ReasonLowCoverage)
	stateNotInBank   = string(interview.NotInBank)
	stateNotAnswered = string(interview.NotAnswered)
	stateFailed      = "FAILED"
)

// question is one question that was asked.
type question struct {
	Number     int
	ID         string // empty where it is not in the bank
	Title      string
	Category   string
	State      string
	StateText  string // empty for a plain graded one
	Asked      string
	Span       string // m:ss to m:ss
	Confidence string // empty where it is sure
	Score      string // the whole score in words
	Bar        *bar
	Band       string
	Summary    string
	Notes      []string // flags and the like
	Groups     []group
	Wrong      []*wrong
	Cleared    []*wrong // which the machine took for wrong and a human did not
	Advice     []string // habits
	Delivery   []string
	FollowUp   string
	Text       []piece

	score          *review.Score
	points         []*point
	startMS, endMS int
}

// bar is a score as the figures of a chart: per cent from the left.
type bar struct{ Low, Range string }

// piece is a stretch of the answer: plain, credited or charged.
type piece struct {
	Text, Class string
}

const (
	// sureConfidence is the confidence from which a match of question and words is not worth a remark: 98 of 100 such are
	// right (docs/interview.md).
	sureConfidence = 0.6
)

func newQuestion(number int, l *review.Line, rub *rubric.Question, n namer) *question {
	q := &question{Number: number, ID: l.QuestionID, Asked: n.text(l.Asked), startMS: l.StartMS, endMS: l.EndMS}
	q.Title = cmp.Or(q.ID, "A question that is not in the bank")
	if rub != nil {
		q.Title, q.Category = rub.Title, rub.Category
	}
	if l.EndMS > l.StartMS {
		q.Span = transcript.Clock(l.StartMS) + "–" + transcript.Clock(l.EndMS)
	}
	if l.Confidence < sureConfidence && l.Outcome != stateNotInBank {
		q.Confidence = fmt.Sprintf("%.0f %%", 100*l.Confidence)
	}
	q.State = state(l)
	q.StateText = stateText(l, q.State, n)
	if c := l.Critique; c != nil {
		q.critique(l, c, rub, n)
	}
	return q
}

func state(l *review.Line) string {
	switch {
	case l.Error != nil:
		return stateFailed
	case l.Critique == nil:
		return l.Outcome
	case l.LowCoverage():
		return stateLowCoverage
	}
	return string(l.Critique.State)
}

func stateText(l *review.Line, state string, n namer) string {
	switch state {
	case stateFailed:
		return "Failed, not graded: " + n.text(l.Error.Message)
	case stateNotInBank:
		return "Not in the bank: nothing here was graded."
	case stateNotAnswered:
		return "Not answered: the candidate said nothing to it."
	case stateUngradable:
		return "Not graded: " + l.Critique.Summary
	case stateLowCoverage:
		return fmt.Sprintf("No full score: only %.0f %% of the weight could be decided.", 100*l.Score().Coverage)
	case stateDegraded:
		return "The judge failed; keywords decided alone."
	}
	return ""
}

func (q *question) critique(l *review.Line, c *review.Critique, rub *rubric.Question, n namer) {
	q.FollowUp = c.FollowUp
	if q.score = l.Score(); q.score != nil {
		q.Score, q.Band, q.Bar = scoreText(q.score), q.score.Band, newBar(q.score.Low, q.score.High)
		if c.Mode == grade.ModeKeywords {
			q.Band = "at least " + q.Band
		}
		q.Summary = summary(l)
	}
	for _, f := range c.Flags {
		if text := render.Flag(f); text != "" {
			q.Notes = append(q.Notes, text)
		}
	}
	all := 0
	for i := range c.Points {
		all += c.Points[i].Weight
	}
	doubts := map[any]review.Doubt{}
	for _, d := range review.Doubts(l, rub) {
		if d.Misconception != nil {
			doubts[d.Misconception] = d
		} else {
			doubts[d.Point] = d
		}
	}
	for i := range c.Points {
		q.points = append(q.points, newPoint(q, l, &c.Points[i], doubts, float64(all), n))
	}
	q.Groups = groups(q.points, c.Mode)
	for i := range c.Misconceptions {
		m := &c.Misconceptions[i]
		switch claimed := l.Claims(m) == grade.Asserted; {
		case claimed:
			q.Wrong = append(q.Wrong, newWrong(q, l, m, rub, doubts, n))
		case m.Decision == grade.Asserted:
			q.Cleared = append(q.Cleared, newWrong(q, l, m, rub, doubts, n))
		}
	}
	for _, h := range c.Habits {
		if h.Decision == grade.Present {
			q.Advice = append(q.Advice, h.Advice)
		}
	}
	q.Delivery = delivery(c.Delivery)
	if c.Transcript != nil {
		q.Text = pieces(c.Transcript.Text, l, c, n)
	}
}

func scoreText(s *review.Score) string {
	if s.High > s.Low {
		return figure(s.Low) + " to " + figure(s.High)
	}
	return figure(s.Low)
}

// summary is the critique's own, or, where a human changed decisions, a count of what they are now.
func summary(l *review.Line) string {
	if l.Review == nil {
		return l.Critique.Summary
	}
	met, partly := 0, 0
	for i := range l.Critique.Points {
		switch l.Final(&l.Critique.Points[i]) {
		case grade.Met:
			met++
		case grade.PartlyMet:
			partly++
		default:
		}
	}
	return fmt.Sprintf("%d of %d points met, %d partly, with the decisions of a human.", met, len(l.Critique.Points), partly)
}

// delivery says how it was spoken, and what to work on.
func delivery(d *review.Delivery) []string {
	if d == nil {
		return nil
	}
	t := transcript.Delivery{DurationMS: d.DurationMS, WordCount: d.WordCount, WordsPerMinute: d.WordsPerMinute,
		FillersPerMinute: d.FillersPerMinute, LongestPauseMS: d.LongestPauseMS, LengthRatio: d.LengthRatio}
	for _, f := range d.Fillers {
		t.Fillers = append(t.Fillers, transcript.FillerCount(f))
	}
	return append([]string{t.String()}, t.Advice()...)
}

// pieces cut the answer at the quotes that decided something. Where quotes overlap, what is charged shows.
func pieces(text string, l *review.Line, c *review.Critique, n namer) []piece {
	runes := []rune(text)
	class := make([]string, len(runes))
	mark := func(evidence []review.Evidence, name string) {
		for _, e := range evidence {
			for i := max(0, e.Start); i < min(e.End, len(runes)); i++ {
				class[i] = name
			}
		}
	}
	for i := range c.Points {
		if p := &c.Points[i]; l.Final(p).Credit() > 0 {
			mark(p.Evidence, "credited")
		}
	}
	for i := range c.Points {
		if p := &c.Points[i]; l.Final(p) == grade.Contradicted {
			mark(p.Evidence, "charged")
		}
	}
	for i := range c.Misconceptions {
		if m := &c.Misconceptions[i]; l.Claims(m) == grade.Asserted {
			mark(m.Evidence, "charged")
		}
	}
	var out []piece
	for from := 0; from < len(runes); {
		to := from + 1
		for to < len(runes) && class[to] == class[from] {
			to++
		}
		out = append(out, piece{n.text(string(runes[from:to])), class[from]})
		from = to
	}
	return out
}
