package interview

import (
	"cmp"
	"math"
	"slices"
)

// What the steps of an interview are worth, as logarithms of odds. They were set by hand on made-up interviews; what
// is said decides wherever it says much.
const (
	enterQuestion  = -4.5 // the interviewer turns to a question of the bank
	enterOther     = -2.5 // to one that is not in it
	enterSmallTalk = -3.0
	enterAlone     = -10.0 // the candidate turns to another question unasked
	leaveAlone     = -6.0  // or begins to chat
	beginAlone     = -8.0  // or answers what nobody was heard asking
	announced      = 2.0   // "next question"
	asks           = 1.0   // a question mark, an imperative
	asksNot        = -2.0
	follows        = 1.2  // "and what about that?"
	strays         = -2.5 // a follow-up without a word of the question or of what was just said
	stranger       = 0.3  // each content word of what is asked outside the bank that the bank does not have
	familiar       = -0.3 // each that it has
	personal       = 2.0  // "tell me about a time when": in no bank
	recalls        = 0.6  // each word that was said just before
	recallsMost    = 1.8
	chats          = 2.0 // each phrase of small talk
	chatsMost      = 6.0
	rambles        = -0.2 // each content word of a candidate who is not asked anything
	unfounded      = -3.0 // a question that begins with none of its words
	founded        = 1.0  // likeness from which it has some
	// askMost is as much as one sentence can say about which question is asked.
	askMost = 10.0
	// answerWeight takes into account that the words of an answer come in bursts.
	answerWeight = 0.8
	// certainty is the temper of confidence: words are not as independent as their sum makes believe.
	certainty = 0.6
	// asksWithin is the number of sentences that a question takes.
	asksWithin = 3
	// memory is how many content words back a follow-up can refer to.
	memory = 80
	// maxTopics bounds the work for large banks: the questions that the interview is most like.
	maxTopics = 24
	topicSpan = 8 // pieces over which a question is looked for when topics are chosen
)

// topic is a question of the bank by its index, or one of those below.
type topic int

const (
	other     topic = -1 // a question that is not in the bank
	smallTalk topic = -2
)

// label is what a piece is taken for.
type label struct {
	topic topic
	role  role
	// sure is the probability of this label, 0 to 1.
	sure float64
	// cues and content, the number of content words, are what was read of the piece.
	cues
	content int
}

// unit is a piece with all that is read from it.
type unit struct {
	piece
	cues
	words       []string
	ask, answer []float64 // by topic in aligner.topics
	roleOdds    float64   // of the interviewer's voice against the candidate's
	fixed       role      // where labels say so
	unlabelled  bool      // in an interview with labels
	follows     bool
	asks        bool    // here, or in what the same speaker says next
	recalls     float64 // words that were said just before
	outside     float64 // how much it sounds like a question that is not in the bank
}

// aligner finds the most probable course of an interview: for each piece who speaks and about which question. A state
// is a topic and a role, as 2 * index of the topic, plus 1 for the candidate; the steps between them say what interviews
// are like.
type aligner struct {
	units  []unit
	topics []topic // the questions that are looked for, then other and smallTalk
	guess  bool    // no labels: roles are found too
}

// align labels every piece.
func (b *Bank) align(text string, ps []piece, c *cast) []label {
	if len(ps) == 0 {
		return nil
	}
	a := &aligner{units: make([]unit, len(ps)), guess: c.source == RolesFromContent}
	var recent []string
	for i := range ps {
		u := &a.units[i]
		said := text[ps[i].start:ps[i].end]
		u.piece, u.cues, u.words = ps[i], readCues(said), b.content(said)
		u.ask, u.answer = b.likeness(u.words)
		for _, w := range u.words {
			if len(b.words[w]) == 0 {
				u.outside += stranger
			} else {
				u.outside += familiar
			}
		}
		for q, v := range b.quoted(said) {
			u.ask[q] += v
		}
		u.follows = followUp.MatchString(said)
		u.fixed = c.roles[ps[i].speaker]
		u.unlabelled = !a.guess && u.fixed == nobody
		if a.guess {
			u.roleOdds = voice(u)
		}
		for _, w := range distinct(u.words) {
			if slices.Contains(recent, w) {
				u.recalls++
			}
		}
		recent = append(recent, u.words...)
		recent = recent[max(0, len(recent)-memory):]
	}
	for i := range a.units {
		for k := i; k < min(i+asksWithin, len(a.units)) && a.units[k].speaker == a.units[i].speaker; k++ {
			a.units[i].asks = a.units[i].asks || a.units[k].mark || a.units[k].form
		}
	}
	a.choose(len(b.questions))
	return a.run()
}

func distinct(words []string) []string {
	s := slices.Clone(words)
	slices.Sort(s)
	return slices.Compact(s)
}

// choose keeps the questions that some part of the interview is most like.
func (a *aligner) choose(n int) {
	best := make([]float64, n)
	for q := range best {
		sum := 0.0
		for i := range a.units {
			sum += max(a.units[i].ask[q], a.units[i].answer[q])
			if i >= topicSpan {
				sum -= max(a.units[i-topicSpan].ask[q], a.units[i-topicSpan].answer[q])
			}
			best[q] = max(best[q], sum, a.units[i].ask[q])
		}
	}
	for q := range n {
		a.topics = append(a.topics, topic(q))
	}
	slices.SortStableFunc(a.topics, func(x, y topic) int { return cmp.Compare(best[y], best[x]) })
	a.topics = append(a.topics[:min(n, maxTopics)], other, smallTalk)
}

func (a *aligner) states() int { return 2 * len(a.topics) }

func (a *aligner) at(state int) (topic, role) { return a.topics[state/2], voices[state%2] }

var impossible = math.Inf(-1)

// emit is how well a piece fits a state.
func (a *aligner) emit(i, state int) float64 {
	t, r := a.at(state)
	u := &a.units[i]
	score := 0.0
	switch {
	case u.unlabelled && t != smallTalk, u.fixed != nobody && u.fixed != r:
		return impossible
	case a.guess && r == interviewer:
		score = u.roleOdds
		switch {
		case t == smallTalk || !u.claims() || i > 0 && a.units[i-1].next:
		case u.asks:
			score += voiceContext
		default:
			score += voiceClaim
		}
	}
	switch {
	case t == smallTalk && r == candidate:
		return score + min(chats*float64(u.smallTalk), chatsMost) + rambles*float64(len(u.words))
	case t == smallTalk:
		return score + min(chats*float64(u.smallTalk), chatsMost)
	case t == other && r == interviewer:
		return score + u.outside
	case t == other:
		return score
	case r == interviewer && a.guess && u.claims() && u.asks: // perhaps on the way to a question
		return score + (min(u.ask[t], askMost)+min(u.ask[t], answerWeight*u.answer[t]))/2
	case r == interviewer && a.guess && u.claims(): // what a statement is about does not say whose it is
		return score + min(u.ask[t], answerWeight*u.answer[t])
	case r == interviewer:
		return score + min(u.ask[t], askMost)
	}
	return score + answerWeight*u.answer[t]
}

// moves is how probable it is to come to a piece, in parts that are worked out once: [from whom][to whom], and for an
// interviewer [from whom][topic].
type moves struct {
	turn        [2][2]float64
	stay, enter [2][]float64
}

// moves works out how probable the ways to piece i are.
func (a *aligner) moves(i int) moves {
	var m moves
	u, before := &a.units[i], &a.units[i-1]
	for fr := range 2 {
		if a.guess {
			m.turn[fr] = [2]float64{u.turn(before, voices[fr], interviewer), u.turn(before, voices[fr], candidate)}
		}
		for _, t := range a.topics {
			m.stay[fr] = append(m.stay[fr], u.stay(t, voices[fr]))
			enter := u.enter(t)
			if t >= 0 && u.ask[t] < founded && !(i+1 < len(a.units) && a.units[i+1].speaker == u.speaker && a.units[i+1].ask[t] >= founded) {
				enter += unfounded
			}
			if t != smallTalk && voices[fr] == interviewer && before.next {
				enter += announced
			}
			m.enter[fr] = append(m.enter[fr], enter)
		}
	}
	return m
}

// voices are the roles by the last bit of a state.
var voices = [2]role{interviewer, candidate}

// step is how probable it is to come from one state to another.
func (a *aligner) step(m *moves, from, to int) float64 {
	turn := m.turn[from%2][to%2]
	switch {
	case voices[to%2] == candidate:
		return turn + alone(a.topics[from/2], a.topics[to/2])
	case from/2 == to/2:
		return turn + m.stay[from%2][to/2]
	}
	return turn + m.enter[from%2][to/2]
}

// stay is how probable it is that an interviewer goes on about a topic, behind an interviewer's or the candidate's words.
func (u *unit) stay(t topic, behind role) float64 {
	strange := t >= 0 && u.recalls == 0 && len(u.words) > 0 && u.ask[t] < founded
	switch {
	case t >= 0 && u.personal:
		return strays
	case behind == interviewer && strange && (u.mark || u.form):
		return strays / 2
	case behind == interviewer:
		return 0
	}
	score := min(recalls*u.recalls, recallsMost)
	switch {
	case u.follows:
		score += follows
	case strange && u.asks:
		score += strays
	}
	return score
}

// enter is how probable it is that an interviewer begins a question, or to chat, with this piece.
func (u *unit) enter(t topic) float64 {
	score := enterQuestion
	switch t {
	case smallTalk:
		if u.personal {
			return enterSmallTalk - personal
		}
		return enterSmallTalk
	case other:
		score = enterOther
	default:
	}
	if u.next {
		score += announced
	}
	switch {
	case u.personal && t == other:
		score += personal
	case u.personal:
		score -= personal
	}
	if u.asks {
		return score + asks
	}
	return score + asksNot
}

// alone is how probable it is that a candidate comes to a topic without being led there.
func alone(from, to topic) float64 {
	switch {
	case from == to:
		return 0
	case to == smallTalk:
		return leaveAlone
	case from == smallTalk:
		return beginAlone
	}
	return enterAlone
}

// begin is how probable it is to start in a state.
func (a *aligner) begin(state int) float64 {
	t, r := a.at(state)
	switch {
	case t == smallTalk:
		return 0
	case r == candidate:
		return beginAlone
	}
	return a.units[0].enter(t)
}

// run finds the best course (Viterbi) and how probable each of its labels is (forward and backward).
func (a *aligner) run() []label {
	n, m := len(a.units), a.states()
	emits := make([][]float64, n)
	for i := range emits {
		emits[i] = make([]float64, m)
		for s := range m {
			emits[i][s] = a.emit(i, s)
		}
	}
	best, back := table(n, m), make([][]int32, n)
	forward, backward := table(n, m), table(n, m)
	for s := range m {
		best[0][s] = a.begin(s) + emits[0][s]
		forward[0][s] = certainty * best[0][s]
	}
	terms := make([]float64, m)
	for i := 1; i < n; i++ {
		into := a.moves(i)
		back[i] = make([]int32, m)
		for s := range m {
			best[i][s], forward[i][s] = impossible, impossible
			if math.IsInf(emits[i][s], -1) {
				continue
			}
			for f := range m {
				if math.IsInf(best[i-1][f], -1) {
					terms[f] = impossible
					continue
				}
				step := a.step(&into, f, s)
				if v := best[i-1][f] + step; v > best[i][s] {
					best[i][s], back[i][s] = v, int32(f)
				}
				terms[f] = forward[i-1][f] + certainty*step
			}
			best[i][s] += emits[i][s]
			forward[i][s] = logSum(terms) + certainty*emits[i][s]
		}
	}
	for i := n - 2; i >= 0; i-- {
		into := a.moves(i + 1)
		for f := range m {
			if math.IsInf(emits[i][f], -1) {
				backward[i][f] = impossible
				continue
			}
			for s := range m {
				terms[s] = impossible
				if !math.IsInf(emits[i+1][s], -1) {
					terms[s] = certainty*(a.step(&into, f, s)+emits[i+1][s]) + backward[i+1][s]
				}
			}
			backward[i][f] = logSum(terms)
		}
	}
	out := make([]label, n)
	s := 0
	for k := range m {
		if best[n-1][k] > best[n-1][s] {
			s = k
		}
	}
	total := logSum(forward[n-1])
	for i := n - 1; i >= 0; i-- {
		t, r := a.at(s)
		out[i] = label{t, r, math.Exp(min(0, forward[i][s]+backward[i][s]-total)), a.units[i].cues, len(a.units[i].words)}
		if i > 0 {
			s = int(back[i][s])
		}
	}
	return out
}

func table(n, m int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = make([]float64, m)
	}
	return out
}

// logSum is the logarithm of the sum of what the terms are logarithms of.
func logSum(terms []float64) float64 {
	most := slices.Max(terms)
	if math.IsInf(most, -1) {
		return most
	}
	sum := 0.0
	for _, t := range terms {
		sum += math.Exp(t - most)
	}
	return most + math.Log(sum)
}
