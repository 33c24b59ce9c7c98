// Package review lets a human settle the doubtful decisions of a file of results, of a batch or of interviews. The
// machine's critique stays as it was written; what the human decided, and the score that follows, stand beside it. The
// main entries are Doubts, which says what is doubtful and why, and Open.
package review

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

// Line is a line of results: of a batch (ID) or of an interview (Interview and what follows), read as far as a reader
// of results needs it.
type Line struct {
	ID string `json:"id"`

	Interview  string  `json:"interview"`
	QuestionID string  `json:"questionId"`
	Outcome    string  `json:"outcome"` // NOT_IN_BANK, NOT_ANSWERED; empty with a critique or an error
	Asked      string  `json:"asked"`
	StartMS    int     `json:"startMs"`
	EndMS      int     `json:"endMs"`
	Confidence float64 `json:"confidence"`

	Critique *Critique `json:"critique"`
	Error    *Failure  `json:"error"`
	Review   *Review   `json:"review"`
}

// Failure is why there is no critique.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Review is what a human settled: decisions by the ids of points and misconceptions, and the score that they and the
// machine's other decisions make. It is the key "review" of a line.
type Review struct {
	Points         map[string]Settled[grade.Decision] `json:"points,omitempty"`
	Misconceptions map[string]Settled[grade.Claim]    `json:"misconceptions,omitempty"`
	Score          *Score                             `json:"score,omitempty"`
}

// Settled is a human's decision: MET, PARTIAL, MISSED or CONTRADICTED on a point, ASSERTED, REJECTED or ABSENT on a
// misconception. It needs no quote.
type Settled[D grade.Decision | grade.Claim] struct {
	Decision D      `json:"decision"`
	Note     string `json:"note,omitempty"`
	Reviewer string `json:"reviewer,omitempty"`
}

// Critique is the critique of the contract, as far as it is read here.
type Critique struct {
	QuestionID     string          `json:"questionId"`
	State          grade.State     `json:"state"`
	Mode           grade.Mode      `json:"mode"`
	Reasons        []grade.Reason  `json:"reasons"`
	Score          *Score          `json:"score"`
	Points         []Point         `json:"points"`
	Misconceptions []Misconception `json:"misconceptions"`
	Habits         []Habit         `json:"habits"`
	Flags          []grade.Flag    `json:"flags"`
	Transcript     *Transcript     `json:"transcript"`
	Delivery       *Delivery       `json:"delivery"`
	Summary        string          `json:"summary"`
	FollowUp       string          `json:"followUp"`
	Receipt        struct {
		BankID       string `json:"bankId"`
		RubricHash   string `json:"rubricHash"`
		AnswerSHA256 string `json:"answerSha256"`
	} `json:"receipt"`
}

// Score is grade.Score as it is written.
type Score struct {
	Value    *float64 `json:"value,omitempty"`
	Low      float64  `json:"low"`
	High     float64  `json:"high"`
	Band     string   `json:"band"`
	Coverage float64  `json:"coverage"`
}

// Point is the machine's decision on a point.
type Point struct {
	ID        string         `json:"id"`
	Kind      string         `json:"kind"`
	Weight    int            `json:"weight"`
	Statement string         `json:"statement"`
	Decision  grade.Decision `json:"decision"`
	DecidedBy grade.Decider  `json:"decidedBy"`
	Witnesses struct {
		Check *struct {
			Finding  string         `json:"finding"`
			Decision grade.Decision `json:"decision"`
		} `json:"check"`
		Judge *struct {
			Verdict   grade.Decision `json:"verdict"`
			Reason    string         `json:"reason"`
			Discarded bool           `json:"discarded"`
		} `json:"judge"`
	} `json:"witnesses"`
	Evidence []Evidence `json:"evidence"`
	Missing  []string   `json:"missing"`
	Reason   string     `json:"reason"`
}

// Evidence is a quote with its place in code points and, where times are known, when it was said.
type Evidence struct {
	Quote   string        `json:"quote"`
	Start   int           `json:"start"`
	End     int           `json:"end"`
	Source  grade.Decider `json:"source"`
	HeardAs string        `json:"heardAs"`
	StartMS *int          `json:"startMs"`
	EndMS   *int          `json:"endMs"`
}

// Misconception is the machine's decision on a wrong claim.
type Misconception struct {
	ID         string      `json:"id"`
	Decision   grade.Claim `json:"decision"`
	Evidence   []Evidence  `json:"evidence"`
	Correction string      `json:"correction"`
}

// Habit is the machine's decision on a habit.
type Habit struct {
	ID       string         `json:"id"`
	Decision grade.Presence `json:"decision"`
	Advice   string         `json:"advice"`
}

// Transcript is what was heard.
type Transcript struct {
	Text string `json:"text"`
}

// Delivery is how it was spoken.
type Delivery struct {
	DurationMS       int      `json:"durationMs"`
	WordCount        int      `json:"wordCount"`
	WordsPerMinute   float64  `json:"wordsPerMinute"`
	Fillers          []Filler `json:"fillers"`
	FillersPerMinute float64  `json:"fillersPerMinute"`
	LongestPauseMS   int      `json:"longestPauseMs"`
	LengthRatio      float64  `json:"lengthRatio"`
}

// Filler is a filler and how often it was said.
type Filler struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// Parse reads a line of results.
func Parse(data []byte) (*Line, error) {
	var l Line
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, fmt.Errorf("not a line of results: %w", err)
	}
	if l.Critique == nil && l.Error == nil && l.Outcome == "" {
		return nil, fmt.Errorf("not a line of results: it has neither a critique nor an error")
	}
	if l.QuestionID == "" && l.Critique != nil {
		l.QuestionID = l.Critique.QuestionID
	}
	return &l, nil
}

// Final is the decision on a point that counts: the human's, else the machine's.
func (l *Line) Final(p *Point) grade.Decision {
	if l.Review != nil {
		if s, ok := l.Review.Points[p.ID]; ok {
			return s.Decision
		}
	}
	return p.Decision
}

// Claims is the decision on a misconception that counts: the human's, else the machine's.
func (l *Line) Claims(m *Misconception) grade.Claim {
	if l.Review != nil {
		if s, ok := l.Review.Misconceptions[m.ID]; ok {
			return s.Decision
		}
	}
	return m.Decision
}

// Score is the score that counts: the one that the human's decisions make, else the machine's. It is nil without one.
func (l *Line) Score() *Score {
	switch {
	case l.Review != nil && l.Review.Score != nil:
		return l.Review.Score
	case l.Critique != nil:
		return l.Critique.Score
	}
	return nil
}

// LowCoverage reports whether too little could be decided for the score to have a value.
func (l *Line) LowCoverage() bool { return l.Score() != nil && l.Score().Value == nil }

// byHuman is who decides where a human did: neither witness, so that nothing stays open.
const byHuman grade.Decider = "HUMAN"

// Graded reports whether q is the very question, by its hash, that the line was graded with: only then can a score be
// computed again.
func (l *Line) Graded(q *rubric.Question) bool {
	return l.Critique != nil && q != nil && l.Critique.Receipt.RubricHash == q.Hash && len(l.Critique.Points) == len(q.Points)
}

// rescore computes the score with changed decisions, if any, in the place of the machine's.
func (l *Line) rescore(q *rubric.Question, changed *Review) *Score {
	r := *l
	r.Review = changed
	c := &grade.Critique{}
	for i := range l.Critique.Points {
		p := &l.Critique.Points[i]
		res := grade.PointResult{ID: p.ID, Weight: p.Weight, Decision: r.Final(p), DecidedBy: p.DecidedBy}
		if j := p.Witnesses.Judge; j != nil {
			res.Judge = &grade.JudgeWitness{Verdict: j.Verdict, Discarded: j.Discarded}
		}
		if changed != nil && changed.Points[p.ID].Decision != "" {
			res.DecidedBy, res.Judge = byHuman, nil
		}
		res.Credit = res.Decision.Credit()
		c.Points = append(c.Points, res)
	}
	for i := range q.Misconceptions {
		m := grade.MisconceptionResult{ID: q.Misconceptions[i].ID, Decision: grade.NotClaimed}
		if k := slices.IndexFunc(l.Critique.Misconceptions, func(o Misconception) bool { return o.ID == m.ID }); k >= 0 {
			m.Decision = r.Claims(&l.Critique.Misconceptions[k])
		}
		c.Misconceptions = append(c.Misconceptions, m)
	}
	s := grade.Rescore(c, q)
	return &Score{Value: s.Value, Low: s.Low, High: s.High, Band: s.Band, Coverage: s.Coverage}
}

// SettlePoint records a human's decision on a point and computes the score again; q is the question that the line was
// graded with.
func (l *Line) SettlePoint(q *rubric.Question, id string, s Settled[grade.Decision]) {
	r := l.review()
	r.Points[id] = s
	r.Score = l.rescore(q, r)
}

// SettleMisconception does the same for a misconception.
func (l *Line) SettleMisconception(q *rubric.Question, id string, s Settled[grade.Claim]) {
	r := l.review()
	r.Misconceptions[id] = s
	r.Score = l.rescore(q, r)
}

func (l *Line) review() *Review {
	if l.Review == nil {
		l.Review = &Review{}
	}
	if l.Review.Points == nil {
		l.Review.Points = map[string]Settled[grade.Decision]{}
	}
	if l.Review.Misconceptions == nil {
		l.Review.Misconceptions = map[string]Settled[grade.Claim]{}
	}
	return l.Review
}

// unsettle takes a human's decision back; without any left, the line has no review.
func (l *Line) unsettle(q *rubric.Question, it Item) {
	r := l.review()
	if it.Misconception {
		delete(r.Misconceptions, it.ID)
	} else {
		delete(r.Points, it.ID)
	}
	r.Score = l.rescore(q, r)
	if len(r.Points)+len(r.Misconceptions) == 0 {
		l.Review = nil
	}
}

// Settled returns what a human decided on an item, and the note; both are empty where nobody did.
func (l *Line) Settled(it Item) (decision, note string) {
	if l.Review == nil {
		return "", ""
	}
	if it.Misconception {
		s := l.Review.Misconceptions[it.ID]
		return string(s.Decision), s.Note
	}
	s := l.Review.Points[it.ID]
	return string(s.Decision), s.Note
}

// Name names the line for people: its id, or interview and question.
func (l *Line) Name() string {
	if l.Interview == "" {
		return l.ID
	}
	return strings.TrimSuffix(l.Interview+"/"+l.QuestionID, "/")
}
