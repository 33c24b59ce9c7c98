package report

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/interview"
	"github.com/vivagrader/grader/internal/review"
	"github.com/vivagrader/grader/internal/transcript"
)

// interviewPage is what page/interview.html shows. Texts are as they are shown: names hidden where that is wanted.
type interviewPage struct {
	Title      string
	Number     int
	Candidate  string // empty where unknown or hidden
	Source     string // the file's name, without its folders; empty where hidden
	Roles      string
	Duration   string
	Words      string
	Warnings   []string
	Error      *review.Failure
	Headline   string
	Outcomes   []string
	Questions  []*question
	Categories []category
	Timeline   []segment
	End        string // of the timeline
	Missed     []*point
	Wrong      []*wrong
	Doubts     []doubt
	Anonymous  bool
	Timed      bool // there are quotes that can be played

	file                        string
	tally                       tally
	durationMS                  int
	candidateWords, gradedWords int
}

// category is a row of the chart by category.
type category struct {
	Name      string
	Count     int
	Low, High string
	Bar       *bar
}

// segment is a question on the timeline: per cent from the left.
type segment struct {
	Question *question
	X, Width string
	Middle   string
}

const (
	// shownMissed is the number of missed points that are listed at the top.
	shownMissed = 8
)

func newInterviewPage(iv *asked, file string, o Options) *interviewPage {
	n := newNamer(iv, o.Anonymous)
	p := &interviewPage{Title: n.title, Number: iv.number, Anonymous: o.Anonymous, tally: newTally(), file: file,
		Roles: rolesText[iv.Roles], Warnings: n.texts(iv.Warnings), durationMS: iv.DurationMs, candidateWords: iv.CandidateWords, gradedWords: iv.GradedWords}
	if !o.Anonymous {
		if iv.Source != "" {
			p.Source = path.Base(filepath.ToSlash(iv.Source))
		}
		if len(interview.NameWords(iv.Candidate)) > 0 { // not just "Candidate"
			p.Candidate = iv.Candidate
		}
	}
	if iv.DurationMs > 0 {
		p.Duration = transcript.Clock(iv.DurationMs)
	}
	if iv.CandidateWords > 0 {
		p.Words = fmt.Sprintf("%d of the candidate's %d words stand in a graded answer", iv.GradedWords, iv.CandidateWords)
	}
	if e := iv.Error; e != nil {
		p.Error = &review.Failure{Code: e.Code, Message: n.text(e.Message)}
	}
	for i, l := range iv.lines {
		q := newQuestion(i+1, l, o.Question(l.QuestionID), n)
		p.Questions = append(p.Questions, q)
		p.Wrong = append(p.Wrong, q.Wrong...)
		p.tally.add(q)
		p.Doubts = append(p.Doubts, q.doubts(p)...)
		p.Timed = p.Timed || slices.ContainsFunc(q.points, func(pt *point) bool { return len(pt.Quotes) > 0 && pt.Quotes[0].Timed })
	}
	p.Headline, p.Outcomes = headline(&p.tally), outcomes(&p.tally)
	p.Categories = categories(p.Questions)
	p.timeline()
	p.Missed = worthMost(p.Questions)
	return p
}

var rolesText = map[interview.RoleSource]string{
	interview.RolesFromMap:     "the map file says who speaks",
	interview.RolesFromLabels:  "speaker labels say who speaks",
	interview.RolesFromSpeech:  "who speaks is told by who asks",
	interview.RolesFromContent: "one channel without labels: who speaks is a guess",
}

func headline(t *tally) string {
	if t.scored == 0 {
		return "No question could be scored."
	}
	s := "Mean score " + t.low()
	if t.high() != t.low() {
		s += " to " + t.high()
	}
	return s + " of 100 over " + count(t.scored, "scored question") + "."
}

// outcomes counts what is not a plain score, in words.
func outcomes(t *tally) []string {
	var out []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			out = append(out, "1 "+one)
		case n > 1:
			out = append(out, fmt.Sprintf("%d %s", n, many))
		}
	}
	add(t.lowCoverage, "of them could be decided only in part", "of them could be decided only in part")
	add(t.ungradable, "answer could not be graded", "answers could not be graded")
	add(t.notInBank, "question is not in the bank", "questions are not in the bank")
	add(t.notAnswered, "question was not answered", "questions were not answered")
	add(t.failed, "question failed", "questions failed")
	add(t.doubtful, "doubtful decision to settle", "doubtful decisions to settle")
	add(t.settled, "decision settled by a human", "decisions settled by a human")
	return out
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// categories are the means by category, in the order in which they were asked.
func categories(questions []*question) []category {
	type sums struct {
		low, high float64
		n         int
	}
	var names []string
	byName := map[string]*sums{}
	for _, q := range questions {
		if q.score == nil || q.Category == "" {
			continue
		}
		s, ok := byName[q.Category]
		if !ok {
			s = &sums{}
			byName[q.Category] = s
			names = append(names, q.Category)
		}
		s.low, s.high, s.n = s.low+q.score.Low, s.high+q.score.High, s.n+1
	}
	out := make([]category, len(names))
	for i, name := range names {
		s := byName[name]
		low, high := s.low/float64(s.n), s.high/float64(s.n)
		out[i] = category{Name: name, Count: s.n, Low: mean(s.low, s.n), High: mean(s.high, s.n), Bar: newBar(low, high)}
	}
	return out
}

func newBar(low, high float64) *bar {
	return &bar{Low: figure(low), Range: figure(max(0, high-low))}
}

// timeline places the questions whose times are known.
func (p *interviewPage) timeline() {
	end := p.durationMS
	for _, q := range p.Questions {
		end = max(end, q.endMS)
	}
	if end == 0 {
		return
	}
	percent := func(ms int) string { return figure(100 * float64(ms) / float64(end)) }
	for _, q := range p.Questions {
		if q.endMS > q.startMS {
			p.Timeline = append(p.Timeline, segment{q, percent(q.startMS), percent(q.endMS - q.startMS), percent((q.startMS + q.endMS) / 2)})
		}
	}
	p.End = transcript.Clock(end)
}

// worthMost are the missed and half-met points of the whole interview that weigh most.
func worthMost(questions []*question) []*point {
	var out []*point
	for _, q := range questions {
		for _, p := range q.points {
			if p.decision == grade.Missed || p.decision == grade.PartlyMet {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *point) int {
		return cmp.Or(cmp.Compare(lost(b), lost(a)), cmp.Compare(b.gain, a.gain))
	})
	return out[:min(len(out), shownMissed)]
}

// lost is the weight that a point did not earn.
func lost(p *point) float64 { return float64(p.Weight) * (1 - p.decision.Credit()) }
