package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/review"
)

const (
	// shownHardest is the number of points, questions and misconceptions that are listed.
	shownHardest = 15
	// shownDoubts is the number of doubtful decisions that are listed: those that weigh most.
	shownDoubts = 200
	// histogramBins are ten points of score wide.
	histogramBins = 10
)

// cohort counts all interviews. It grows with interviews and questions, never with answers.
type cohort struct {
	total          tally
	bins           [histogramBins]int
	candidates     []candidate
	questions      map[string]*questionCount
	points         map[string]*pointCount
	misconceptions map[string]*misconceptionCount
	doubts         []doubt
	trouble        []trouble
}

// candidate is a row of the table of candidates.
type candidate struct {
	Number            int
	Name, Label, Page string
	Low, High         string
	Bar               *bar
	Asked, Scored     int
	Wrong, Doubtful   int
	Outcomes          []string
	Warnings          int
	Error             *review.Failure
	low               float64
}

type questionCount struct {
	ID, Title, Category string
	Count               int
	Low, High           string
	Bar                 *bar

	low, high float64
}

type pointCount struct {
	Statement, Question   string
	Weight                int
	Met, Partial, Missed  int
	Contradicted, Unknown int
	Count                 int
	Share                 string // of the credit that could be earned

	credit float64
	id     string
}

type misconceptionCount struct {
	Claim, Question, Correction string
	Count                       int

	id string
}

// trouble is what has no score, and why.
type trouble struct{ Candidate, Link, Question, Text string }

func newCohort() *cohort {
	return &cohort{total: newTally(), questions: map[string]*questionCount{}, points: map[string]*pointCount{}, misconceptions: map[string]*misconceptionCount{}}
}

func (c *cohort) add(p *interviewPage) {
	t := &p.tally
	row := candidate{Number: p.Number, Name: p.Title, Label: p.Candidate, Page: pagesFolder + "/" + p.file, Low: t.low(), High: t.high(),
		Asked: len(p.Questions), Scored: t.scored,
		Wrong: t.misconceptions, Doubtful: t.doubtful, Warnings: len(p.Warnings), Error: p.Error, low: -1}
	if t.scored > 0 {
		row.low = t.sumLow / float64(t.scored)
		row.Bar = newBar(row.low, t.sumHigh/float64(t.scored))
	}
	c.candidates = append(c.candidates, row)
	if p.Error != nil {
		c.trouble = append(c.trouble, trouble{p.Title, row.Page, "the whole interview", p.Error.Message})
	}
	c.keep(p.Doubts)
	for _, q := range p.Questions {
		c.total.add(q)
		c.question(q)
		link := fmt.Sprintf("%s#q%d", row.Page, q.Number)
		if q.StateText != "" && q.State != stateDegraded {
			c.trouble = append(c.trouble, trouble{p.Title, link, q.Title, q.StateText})
		}
		for _, pt := range q.points {
			c.point(q, pt)
		}
		for _, w := range q.Wrong {
			key := q.ID + "\x00" + w.ID
			m, ok := c.misconceptions[key]
			if !ok {
				m = &misconceptionCount{Claim: w.Claim, Question: q.Title, Correction: w.Correction, id: key}
				c.misconceptions[key] = m
			}
			m.Count++
		}
	}
}

func (c *cohort) question(q *question) {
	if q.score == nil {
		return
	}
	c.bins[min(int(q.score.Low/(100/histogramBins)), histogramBins-1)]++
	n, ok := c.questions[q.ID]
	if !ok {
		n = &questionCount{ID: q.ID, Title: q.Title, Category: q.Category}
		c.questions[q.ID] = n
	}
	n.Count++
	n.low += q.score.Low
	n.high += q.score.High
}

func (c *cohort) point(q *question, p *point) {
	key := q.ID + "\x00" + p.ID
	n, ok := c.points[key]
	if !ok {
		n = &pointCount{Statement: p.Statement, Question: q.Title, Weight: p.Weight, id: key}
		c.points[key] = n
	}
	n.Count++
	n.credit += p.decision.Credit()
	switch p.decision {
	case grade.Met:
		n.Met++
	case grade.PartlyMet:
		n.Partial++
	case grade.Missed:
		n.Missed++
	case grade.Contradicted:
		n.Contradicted++
	default:
		n.Unknown++
	}
}

// keep keeps the doubts that weigh most.
func (c *cohort) keep(doubts []doubt) {
	c.doubts = append(c.doubts, doubts...)
	if len(c.doubts) >= 2*shownDoubts {
		c.doubts = slices.Clone(heaviest(c.doubts))
	}
}

func heaviest(doubts []doubt) []doubt {
	slices.SortStableFunc(doubts, func(a, b doubt) int { return b.Weight - a.Weight })
	return doubts[:min(len(doubts), shownDoubts)]
}

// cohortPage is what page/cohort.html shows.
type cohortPage struct {
	Anonymous      bool
	Interviews     int
	Headline       string
	Outcomes       []string
	Histogram      []bin
	Bands          []bandCount
	Candidates     []candidate
	Questions      []*questionCount
	Points         []*pointCount
	Misconceptions []*misconceptionCount
	Doubts         []doubt
	MoreDoubts     int
	Trouble        []trouble
}

// bin is a bar of the histogram: per cent of the width and of the height.
type bin struct {
	From           int
	Label          string
	Count          int
	X, Y, Height   string
	Middle, LabelY string
}

type bandCount struct {
	Name  string
	Count int
	Share string
}

func (c *cohort) page(anonymous bool) *cohortPage {
	p := &cohortPage{Anonymous: anonymous, Interviews: len(c.candidates), Headline: headline(&c.total), Outcomes: outcomes(&c.total),
		Candidates: c.candidates, Trouble: c.trouble, Doubts: heaviest(c.doubts)}
	p.MoreDoubts = c.total.doubtful - len(p.Doubts)
	slices.SortStableFunc(p.Candidates, func(a, b candidate) int { return cmp.Compare(b.low, a.low) })
	p.Histogram = c.histogram()
	for _, name := range bandNames {
		b := bandCount{Name: name, Count: c.total.bands[name]}
		if c.total.scored > 0 {
			b.Share = figure(100 * float64(b.Count) / float64(c.total.scored))
		}
		p.Bands = append(p.Bands, b)
	}
	for _, id := range slices.Sorted(maps.Keys(c.questions)) {
		q := c.questions[id]
		low := q.low / float64(q.Count)
		q.Low, q.High, q.Bar = mean(q.low, q.Count), mean(q.high, q.Count), newBar(low, q.high/float64(q.Count))
		p.Questions = append(p.Questions, q)
	}
	slices.SortStableFunc(p.Questions, func(a, b *questionCount) int {
		return cmp.Compare(a.low/float64(a.Count), b.low/float64(b.Count))
	})
	for _, id := range slices.Sorted(maps.Keys(c.points)) {
		pt := c.points[id]
		pt.Share = figure(100 * pt.credit / float64(pt.Count))
		p.Points = append(p.Points, pt)
	}
	slices.SortStableFunc(p.Points, func(a, b *pointCount) int {
		return cmp.Or(cmp.Compare(a.credit/float64(a.Count), b.credit/float64(b.Count)), cmp.Compare(b.Count, a.Count), cmp.Compare(b.Weight, a.Weight))
	})
	p.Points = p.Points[:min(len(p.Points), shownHardest)]
	for _, id := range slices.Sorted(maps.Keys(c.misconceptions)) {
		p.Misconceptions = append(p.Misconceptions, c.misconceptions[id])
	}
	slices.SortStableFunc(p.Misconceptions, func(a, b *misconceptionCount) int { return b.Count - a.Count })
	p.Misconceptions = p.Misconceptions[:min(len(p.Misconceptions), shownHardest)]
	return p
}

func (c *cohort) histogram() []bin {
	most := max(1, slices.Max(c.bins[:]))
	const tallest = 75.0 // per cent of the height; figures stand above, labels below
	out := make([]bin, histogramBins)
	for i, n := range c.bins {
		height := tallest * float64(n) / float64(most)
		from, to := i*100/histogramBins, (i+1)*100/histogramBins
		out[i] = bin{From: from, Label: fmt.Sprintf("%d–%d", from, to), Count: n, X: figure(float64(from) + 0.5), Middle: figure(float64(from+to) / 2),
			Y: figure(85 - height), Height: figure(height), LabelY: figure(83 - height)}
	}
	return out
}
