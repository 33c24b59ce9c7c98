package interview

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
)

// Kind says what a turn is for.
type Kind string

// The kinds.
const (
	Asks      Kind = "question"
	FollowsUp Kind = "follow-up"
	Answers   Kind = "answer"
	SmallTalk Kind = "small-talk"
)

// Turn is what one speaker says about one thing without a break: a row of the map.
type Turn struct {
	Start, End int // bytes of the transcript's text
	transcript.Times
	Speaker string
	Role    string // interviewer, candidate, or empty where nobody knows
	Kind    Kind
	// Question is the id of the question that the turn belongs to; empty for small talk, and for a question that is
	// not in the bank.
	Question string
	// Confidence in all of this, 0 to 1.
	Confidence float64
}

// Course is an interview from beginning to end.
type Course struct {
	Transcript *transcript.Transcript
	Turns      []Turn
	Candidate  string // the candidate's label
	Roles      RoleSource
	Warnings   []string
	// Doubts are the stretches where speech may be missing or wrong.
	Doubts []speech.Doubt
}

// Follow finds the course of an interview: who speaks, and about which question. wanted is the candidate's label where
// a human gives it. The error wraps ErrNoCandidate.
func (b *Bank) Follow(t *transcript.Transcript, wanted string) (*Course, error) {
	ps := pieces(t)
	cast, err := castOf(t.Text, ps, wanted)
	if err != nil {
		return nil, err
	}
	c := &Course{Transcript: t, Candidate: cast.candidate, Roles: cast.source}
	labels := b.align(t.Text, ps, cast)
	c.Turns = b.turns(t.Text, ps, labels)
	switch cast.source {
	case RolesFromContent:
		c.warn("the transcript names no speakers: who asks and who answers is a guess from what is said; check it with --map")
	case RolesFromSpeech:
		c.warn("no label says who the candidate is: %s answers most and asks least; give --speaker if that is wrong", cast.candidate)
	case RolesFromLabels, RolesFromMap:
	}
	return c, c.check()
}

func (c *Course) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

// check refuses an interview without a candidate and warns of what makes its results doubtful.
func (c *Course) check() error {
	said, asked, answers, timed := 0, 0, 0, true
	for i := range c.Turns {
		t := &c.Turns[i]
		timed = timed && t.Known
		switch {
		case t.Role == candidate.String():
			said += c.words(t)
			if t.Kind == Answers {
				answers++
			}
		case t.Kind == Asks:
			asked++
		}
	}
	switch {
	case said == 0:
		return fmt.Errorf("%w: nobody answers; give the whole transcript, or say who is the candidate with --speaker", ErrNoCandidate)
	case asked == 0 && answers == 0:
		c.warn("no question of the bank was found: nothing is graded; say with --map which turn asks what")
	case asked == 0:
		c.warn("nobody is heard asking: which question the words answer is a guess; check it with --map")
	}
	if !timed {
		c.warn("the transcript has no times, or not everywhere")
	}
	return nil
}

func (c *Course) words(t *Turn) int {
	return len(strings.Fields(c.Transcript.Text[t.Start:t.End]))
}

// stage is what is known while turns are told apart.
type stage struct {
	text    string
	pieces  []piece
	labels  []label
	asked   map[topic]bool
	open    topic // what was asked last
	answers int   // words of the candidate since the last question outside the bank
}

// asOne gives what an interviewer says on the way to a question, and nobody answers, to that question ("Imagine a service
// under load. How do you find the hot code?").
func asOne(labels []label) {
	answered := map[topic]bool{}
	for i := range labels {
		if labels[i].role == candidate {
			answered[labels[i].topic] = true
		}
	}
	for i := len(labels) - 2; i >= 0; i-- {
		l, next := &labels[i], &labels[i+1]
		if l.role == interviewer && next.role == interviewer && l.topic >= 0 && !answered[l.topic] && next.topic != smallTalk {
			l.topic = next.topic
		}
	}
}

// turns joins pieces of one kind into turns.
func (b *Bank) turns(text string, ps []piece, labels []label) []Turn {
	asOne(labels)
	s := &stage{text: text, pieces: ps, labels: labels, asked: map[topic]bool{}, open: smallTalk}
	kinds := make([]Kind, len(ps))
	for i := 0; i < len(ps); {
		j := i + 1
		for j < len(ps) && labels[j].topic == labels[i].topic && labels[j].role == labels[i].role {
			j++
		}
		s.kinds(kinds, i, j)
		i = j
	}
	var out []Turn
	weights := 0.0
	for i := range ps {
		t := Turn{Start: ps[i].start, End: ps[i].end, Times: ps[i].at, Speaker: ps[i].speaker, Role: labels[i].role.String(), Kind: kinds[i], Confidence: labels[i].sure}
		if q := labels[i].topic; q >= 0 && t.Kind != SmallTalk {
			t.Question = b.questions[q].ID
		}
		weight := float64(len(strings.Fields(text[t.Start:t.End])))
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.Speaker == t.Speaker && last.Role == t.Role && last.Kind == t.Kind && last.Question == t.Question {
				last.End = t.End
				last.EndMS, last.Known = max(last.EndMS, t.EndMS), last.Known && t.Known
				last.Confidence = (last.Confidence*weights + t.Confidence*weight) / max(weights+weight, 1)
				weights += weight
				continue
			}
		}
		out, weights = append(out, t), weight
	}
	for i := range out {
		out[i].Confidence = math.Round(100*out[i].Confidence) / 100
	}
	return out
}

// minStatement is the number of content words from which what an interviewer says without asking is more than a nod.
const minStatement = 4

// kinds says what the pieces from i to j, of one voice about one topic, are for.
func (s *stage) kinds(kinds []Kind, i, j int) {
	t := s.labels[i].topic
	switch {
	case t == smallTalk:
		fill(kinds[i:j], SmallTalk)
		return
	case s.labels[i].role == candidate:
		kind := Answers
		if s.listens(i, j) && (i == 0 || kinds[i-1] == SmallTalk || !s.labels[i-1].mark) {
			kind = SmallTalk
		}
		fill(kinds[i:j], kind)
		for k := i; k < j; k++ {
			s.answers += len(strings.Fields(s.said(k)))
		}
		return
	}
	first, asks, content, announces := i, false, 0, false
	for ; first < j; first++ { // "Right, good. Second question."
		l := &s.labels[first]
		announces = announces || l.next
		if l.mark || l.form || !l.background && l.content > 0 {
			break
		}
	}
	for k := first; k < j; k++ {
		l := &s.labels[k]
		asks = asks || l.mark || l.form
		announces = announces || l.next
		content += len(strings.Fields(s.said(k)))
	}
	fill(kinds[i:first], SmallTalk)
	switch {
	case first == j:
	case t == other && (s.open != other || s.answers > 0 && asks && (announces || !followUp.MatchString(s.said(first)))):
		s.answers = 0
		s.open = t
		fill(kinds[first:j], Asks)
	case t != other && !s.asked[t]:
		s.asked[t], s.open = true, t
		fill(kinds[first:j], Asks)
	case asks || content >= 2*minStatement:
		s.open = t
		fill(kinds[first:j], FollowsUp)
	default:
		fill(kinds[first:j], SmallTalk)
	}
}

func (s *stage) said(i int) string { return s.text[s.pieces[i].start:s.pieces[i].end] }

// listens reports whether the pieces are only signs of listening.
func (s *stage) listens(i, j int) bool {
	for k := i; k < j; k++ {
		if !s.labels[k].background {
			return false
		}
	}
	return true
}

func fill(kinds []Kind, k Kind) {
	for i := range kinds {
		kinds[i] = k
	}
}

// Asked is a question that was asked in an interview, and what was said to it.
type Asked struct {
	Question string // empty for one that is not in the bank
	Text     string // what the interviewer said to ask it
	// Answer is the candidate's part, nil where the candidate says nothing; its text has a paragraph for each stretch.
	Answer         *transcript.Transcript
	StartMS, EndMS int // both 0 where no times are known
	Confidence     float64
	Words          int // of the answer
	Doubtful       bool
}

// Questions are the questions that were asked, in the order in which they first were. A question that is taken up again
// later is one.
func (c *Course) Questions() ([]Asked, error) {
	groups := map[string][]int{}
	var order []string
	open, outside := "", 0
	for i := range c.Turns {
		t := &c.Turns[i]
		if t.Kind == SmallTalk {
			continue
		}
		key := t.Question
		switch {
		case key == "" && t.Kind == Asks: // every one outside the bank is one of its own
			outside++
			open = fmt.Sprintf("\x00%d", outside)
			key = open
		case key == "":
			key = open
		case t.Kind == Asks:
			open = key
		}
		if key == "" {
			continue // an answer before any question
		}
		if _, ok := groups[key]; !ok {
			order = append(order, key)
		}
		groups[key] = append(groups[key], i)
	}
	var out []Asked
	for _, key := range order {
		a, err := c.asked(groups[key])
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(key, "\x00") {
			a.Question = key
		}
		out = append(out, a)
	}
	return out, nil
}

// asked puts the turns of one question together.
func (c *Course) asked(turns []int) (Asked, error) {
	a := Asked{}
	var questions []string
	var answers []Turn
	weights, known := 0, true
	for k, i := range turns {
		t := &c.Turns[i]
		n := c.words(t)
		a.Confidence += t.Confidence * float64(n)
		weights += n
		known = known && t.Known
		if k == 0 {
			a.StartMS = t.StartMS
		}
		a.EndMS = max(a.EndMS, t.EndMS)
		if t.Role == candidate.String() {
			answers = append(answers, *t)
			a.Words += n
		} else {
			questions = append(questions, oneLine(c.Transcript.Text[t.Start:t.End]))
		}
	}
	a.Text = strings.Join(questions, " ")
	a.Confidence = math.Round(100*a.Confidence/float64(max(weights, 1))) / 100
	if !known {
		a.StartMS, a.EndMS = 0, 0
	}
	if len(answers) == 0 {
		return a, nil
	}
	var err error
	if a.Answer, err = part(c.Transcript, answers, c.follows); err != nil {
		return a, err
	}
	a.Doubtful = speech.Unsure(a.Answer)
	for _, d := range c.Doubts {
		a.Doubtful = a.Doubtful || slices.ContainsFunc(answers, func(t Turn) bool { return t.Known && d.StartMS < t.EndMS && t.StartMS < d.EndMS })
	}
	return a, nil
}

// follows reports whether the interviewer asks something between two turns.
func (c *Course) follows(a, b *Turn) bool {
	for i := range c.Turns {
		if t := &c.Turns[i]; t.Start >= a.End && t.End <= b.Start && (t.Kind == Asks || t.Kind == FollowsUp) {
			return true
		}
	}
	return false
}

// part is the transcript of some turns. What is said before and behind a question are paragraphs.
func part(t *transcript.Transcript, turns []Turn, apart func(a, b *Turn) bool) (*transcript.Transcript, error) {
	var text strings.Builder
	var segments []transcript.Segment
	var words []transcript.Word
	for i := range turns {
		u := &turns[i]
		switch {
		case i == 0:
		case apart(&turns[i-1], u):
			text.WriteString("\n\n")
		default:
			text.WriteString(" ")
		}
		said := t.Text[u.Start:u.End]
		text.WriteString(said)
		s := transcript.Segment{Text: said, Times: u.Times, Speaker: u.Speaker}
		for k := range t.Segments { // what the recogniser trusts of it
			if o := &t.Segments[k]; o.Start < u.End && u.Start < o.End {
				s.Confidence, s.Quality = lower(s.Confidence, o.Confidence), worse(s.Quality, o.Quality)
			}
		}
		segments = append(segments, s)
		for k := range t.Words {
			w := &t.Words[k]
			if inside(w, u) {
				words = append(words, *w)
			}
		}
	}
	out, err := transcript.New(text.String(), segments, words)
	if err != nil {
		return nil, err
	}
	out.Language, out.Format = t.Language, t.Format
	return out, nil
}

// inside reports whether a word belongs to a turn: by its place, or else by its time.
func inside(w *transcript.Word, t *Turn) bool {
	if w.Start < w.End {
		return w.Start >= t.Start && w.End <= t.End
	}
	return w.Known && t.Known && w.StartMS >= t.StartMS && w.EndMS <= t.EndMS
}

func lower(a, b *float64) *float64 {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

func worse(a, b *transcript.Quality) *transcript.Quality {
	if a == nil || b != nil && b.AvgLogprob < a.AvgLogprob {
		return b
	}
	return a
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
