package check

import (
	"slices"

	"github.com/vivagrader/grader/internal/canon"
)

// scopeKind says what a scope does to the words inside it.
type scopeKind uint8

const (
	negated   scopeKind = iota // not, never, no
	excluded                   // without, instead of, rather than, unlike: not said of the subject, and not denied either
	refuted                    // attributed to others, called a myth, once believed
	retracted                  // taken back: "eight, no, four"
	doubted                    // "not sure whether", "I'd have to look up"
	asked                      // a question
	listed                     // a bare list of terms
)

// scope is a stretch of tokens [from, to) under a cue.
type scope struct {
	kind     scopeKind
	from, to int
	cues     [2]int32
	named    uint8 // of cues
}

// run is a stretch of Reading.covering.
type run struct{ from, to int32 }

// cue returns the tokens that open the scope.
func (s *scope) cue() []int32 { return s.cues[:s.named] }

const (
	maxCover       = 8  // scopes that are told apart on one token
	negationReach  = 12 // tokens that a negation covers at most
	pronounReach   = 6
	exclusionReach = 7
	doubtReach     = 14
	retractReach   = 7
	listTokens     = 20   // a sentence of at least so many tokens
	listShare      = 0.04 // with less than this share of function words is a list
)

var (
	clauseOpeners = canon.WordSet(`but because so which while whereas since though although if when as then that's however instead
		it they you we he she i there that this until unless`)
	modals          = canon.WordSet("should must will would shall")
	finiteVerbs     = canon.WordSet("is are was were will would can could must should has does do")
	auxiliaries     = canon.WordSet("do does did can could will would should must may might need")
	subjectVerbs    = canon.WordSet("go are were do have run use get happen work come live stay wait sit belong need can will")
	thatVerbs       = canon.WordSet("mean imply guarantee ensure show prove know guess suggest require promise notice forget remember find expect like")
	dispensable     = canon.WordSet("needed necessary required involved")
	questionOpeners = canon.WordSet("does do did is are was can could should will would what which when how why where who whether if")
	conjunctions    = canon.WordSet("because so which while whereas although if when unless until")
	pronouns        = canon.WordSet("it they you we he she i there that this")
	sayers          = canon.WordSet("people some many folks somebody someone everyone everybody most others lots candidates they blogs tutorials developers colleagues interviewers juniors guy teammate")
	doubtVerbs      = canon.WordSet("sure certain remember recall know positive")
	doubtObjects    = canon.WordSet("you offhand for whether which if how exactly what when why")
	thinkVerbs      = canon.WordSet("think believe agree buy mean say claim")
	falseBeliefs    = canon.WordSet("answer idea belief assumption notion claim conclusion impression")
	pauseVerbs      = canon.WordSet("wait block pause")
	stopWords       = canon.WordSet("stop stops prevent prevents keep keeps forbid forbids")
	beliefVerbs     = canon.WordSet("think believe assume say claim treat draw confuse see call imagine")
	onlyWords       = canon.WordSet("only just merely simply")
	tagQuestions    = canon.WordSet("right ok okay yeah correct yes no huh know sense")
)

// opinion is what a word makes of a claim that stands beside it.
type opinion uint8

const (
	says opinion = iota + 1
	callsWrong
	callsMyth
)

var opinions = func() map[string]opinion {
	m := map[string]opinion{}
	for _, x := range [...]struct {
		opinion opinion
		words   string
	}{
		{says, "say says said think thinks believe believes believed assume assumes assumed claim claims claimed treat treats mistake confuse told tell tells guess expect expects imagine thought"},
		{callsWrong, "wrong false untrue incorrect nonsense"},
		{callsMyth, "myth belief misconception fallacy misunderstanding rumour rumor misbelief"},
	} {
		for w := range canon.WordSet(x.words) {
			m[w] = x.opinion
		}
	}
	return m
}()

// findScopes marks where the text denies, attributes, takes back, doubts, asks or merely lists.
func (r *Reading) findScopes() {
	for _, s := range r.Text.Sentences {
		r.sentenceScopes(s)
	}
	n := len(r.Text.Tokens)
	r.cover = slices.Grow(r.cover[:0], n)[:n]
	clear(r.cover)
	total := int32(0)
	for i := range r.scopes {
		s := &r.scopes[i]
		r.denials = r.denials || s.kind == negated || s.kind == excluded
		for t := s.from; t < s.to; t++ {
			if c := &r.cover[t]; c.to < maxCover {
				c.to++
				total++
			}
		}
	}
	r.covering = slices.Grow(r.covering[:0], int(total))[:total]
	next := int32(0)
	covered := int32(0)
	for t := range r.cover {
		c := &r.cover[t]
		if c.to > 0 {
			covered++
		}
		r.places[t+1].covered = covered
		c.from, c.to, next = next, next, next+c.to
	}
	for i := range r.scopes {
		s := &r.scopes[i]
		for t := s.from; t < s.to; t++ {
			if c := &r.cover[t]; c.to-c.from < maxCover {
				r.covering[c.to] = uint16(i)
				c.to++
			}
		}
	}
}

// covers returns the scopes over a token, as indices.
func (r *Reading) covers(token int32) []uint16 {
	c := r.cover[token]
	return r.covering[c.from:c.to]
}

func (r *Reading) add(kind scopeKind, from, to int, cue ...int) {
	if from >= to || len(r.scopes) >= 1<<15 {
		return
	}
	s := scope{kind: kind, from: from, to: to}
	for _, c := range cue {
		s.cues[s.named] = int32(c)
		s.named++
	}
	r.scopes = append(r.scopes, s)
}

func (r *Reading) word(i, limit int) string {
	if i < 0 || i >= limit {
		return ""
	}
	return r.Text.Tokens[i].Word
}

func (r *Reading) sentenceScopes(s canon.Sentence) {
	toks := r.Text.Tokens
	inverted := false
	r.wholeSentence(s)
	for i := s.First; i < s.Last; i++ {
		w := toks[i].Word
		at := func(k int) string { return r.word(i+k, s.Last) }
		switch w {
		case "not":
			if !inverted {
				r.notScope(i, s)
			}
		case "never", "nothing", "nobody", "none", "neither", "nor", "hardly":
			if w == "none" && r.hasWord(max(s.First, i-3), i, "policy", "mode", "sched", "with", "set") { // a name
				continue
			}
			if stopWords[at(1)] { // "nothing stops you from"
				continue
			}
			if w == "never" && doubtVerbs[at(1)] {
				r.add(doubted, i+1, r.clauseEnd(i+1, s.Last, 30), i)
				continue
			}
			switch {
			case w == "nothing" && (at(1) == "more" || at(1) == "but" || at(1) == "else") || w == "none" && at(1) == "other":
			case (w == "nothing" || w == "none") && pronouns[at(1)]: // "and if there's none it goes on"
			case w == "nothing" || w == "nobody" || w == "none":
				r.add(negated, i+1, r.clauseEnd(i+1, s.Last, pronounReach), i)
			default:
				r.negate(i, i+1, s)
			}
		case "no":
			r.noScope(i, s)
		case "without":
			// "without X you cannot Y" says that X is needed for Y
			if inverted = r.hasWord(i+2, min(i+20, s.Last), "not", "never", "no"); !inverted && !r.hasWord(max(s.First, i-8), i, "not", "never") {
				r.add(excluded, i+1, r.exclusionEnd(i+1, s.Last), i)
			}
		case "unlike", "excluding", "lacks", "lack", "lacking":
			r.add(excluded, i+1, r.clauseEnd(i+1, s.Last, exclusionReach), i)
		case "instead", "rather":
			if n := at(1); (n == "of" || n == "than") && at(2) != "that" && at(2) != "this" && at(2) != "it" {
				r.add(excluded, i+2, r.clauseEnd(i+2, s.Last, exclusionReach), i, i+1)
			}
		case "opposed":
			if at(1) == "to" {
				r.add(excluded, i+2, r.clauseEnd(i+2, s.Last, exclusionReach), i, i+1)
			}
		case "if":
			if b := r.word(i-2, s.Last); r.word(i-1, s.Last) == "as" && b != "looks" && b != "look" && b != "reads" && b != "read" {
				r.add(excluded, i+1, r.clauseEnd(i+1, s.Last, negationReach), i)
			}
		case "though":
			if r.word(i-1, s.Last) == "as" {
				r.add(excluded, i+1, r.clauseEnd(i+1, s.Last, negationReach), i)
			}
		case "mistake", "error":
			if p := r.word(i-1, s.Last); (p == "common" || p == "frequent" || p == "popular" || p == "typical" || p == "classic") &&
				(at(1) == "to" && beliefVerbs[at(2)] || at(1) == "is" && at(2) == "to" && beliefVerbs[at(3)]) {
				r.add(refuted, i+1, r.restOfSentence(i+1, s.Last), i)
			}
		case "tempting", "temptation", "naive":
			if r.hasWord(i+1, min(i+5, s.Last), "to") {
				r.add(refuted, i+1, r.restOfSentence(i+1, s.Last), i)
			}
		case "idea", "clue":
			if r.word(i-1, s.Last) == "no" {
				r.add(doubted, i+1, r.clauseEnd(i+1, s.Last, 30), i)
			}
		case "forget", "forgot", "wonder", "wondering", "unsure":
			if (w == "wonder" || w == "wondering") && !r.hasWord(max(s.First, i-3), i, "i") {
				continue
			}
			if n := at(1); n == "what" || n == "how" || n == "which" || n == "whether" || n == "if" || n == "the" || n == "when" || n == "why" || n == "where" {
				r.add(doubted, i+1, r.clauseEnd(i+1, s.Last, 30), i)
			}
		case "tell", "say": // "I can't tell you whether"
			if r.word(i-1, s.Last) == "not" && doubtObjects[at(1)] && r.hasWord(max(s.First, i-4), i, "i") {
				r.add(doubted, i+1, r.clauseEnd(i+1, s.Last, 30), i-1, i)
				r.add(doubted, r.clauseStart(i, s.First), i, i-1, i)
			}
		case "hear", "read", "see":
			if w := r.word(i-1, s.Last); (w == "may" || w == "might" || w == "will" || w == "often") && (at(1) == "that" || at(1) == "people") && r.hasWord(max(s.First, i-3), i, "you") {
				r.add(refuted, i+1, r.restOfSentence(i+1, s.Last), i)
			}
		case "look", "lookup":
			if (w == "lookup" || at(1) == "up" || at(2) == "up") && r.hasWord(max(s.First, i-3), i, "to") && r.hasWord(max(s.First, i-5), i, "have", "need") && r.hasWord(max(s.First, i-6), i, "i") {
				r.add(doubted, s.First, i, i)
				r.add(doubted, i+1, r.clauseEnd(i+1, s.Last, 30), i)
			}
		case "heard": // "I've heard that"
			if n := at(1); n != "of" && n != "about" && n != "as" && r.hasWord(max(s.First, i-3), i, "i") {
				r.add(refuted, i+1, r.restOfSentence(i+1, s.Last), i)
			}
		case "contrary":
			r.add(refuted, i+1, r.clauseEnd(i+1, s.Last, negationReach), i)
		case "wait", "sorry", "scratch", "strike", "correction":
			r.correction(i, s)
		}
		switch opinions[w] {
		case callsMyth:
			r.myth(i, s)
		case callsWrong:
			r.wrong(i, s)
		case says:
			r.attribution(i, s)
		}
	}
}

// wholeSentence marks questions and bare lists.
func (r *Reading) wholeSentence(s canon.Sentence) {
	src := r.Text.Source
	if s.End > 0 && s.End <= len(src) && src[s.End-1] == '?' {
		r.question(s)
	}
	if n := s.Last - s.First; n >= listTokens {
		function := 0
		for i := s.First; i < s.Last; i++ {
			if r.Text.Tokens[i].Func {
				function++
			}
		}
		if float64(function) < listShare*float64(n) {
			r.add(listed, s.First, s.Last)
		}
	}
}

const fragmentTokens = 3

// question marks what is asked: the sentence when it opens like a question, else its last clause. "..., right?" asks
// nothing, a fragment ("Disk full?") names what to look at, and so does "I check whether ...?".
func (r *Reading) question(s canon.Sentence) {
	if tagQuestions[r.Text.Tokens[s.Last-1].Word] || s.Last-s.First <= fragmentTokens {
		return
	}
	for i := s.First + 1; i < s.Last; i++ {
		if w := r.Text.Tokens[i].Word; w == "check" || w == "ask" || w == "look" {
			if p := r.Text.Tokens[i-1].Word; p == "i" || p == "we" || p == "you" || p == "then" {
				return
			}
		}
	}
	start := s.First
	if !questionOpeners[r.Text.Tokens[s.First].Word] && !questionOpeners[r.word(s.First+1, s.Last)] {
		for start = s.Last - 1; start > s.First && r.Text.Tokens[start].Break < canon.BreakClause; start-- {
		}
	}
	r.add(asked, start, s.Last)
}

func (r *Reading) notScope(i int, s canon.Sentence) {
	next := r.word(i+1, s.Last)
	before := r.word(i-1, s.Last)
	switch {
	case onlyWords[next] && next != "just" || next == "until" || next == "unless" || before == "why" || before == "or" || next == "a" && r.word(i+2, s.Last) == "number" || before == "if":
		return
	case next == "just" && r.hasWord(i, s.Last, "but", "also", "it"):
		return
	case r.clauseBreak(i+1, s.Last) && i-s.First == 2 && pronouns[r.word(s.First, s.Last)] && (auxiliaries[before] || finiteVerbs[before]): // "They don't."
		r.refutePrevious(i, s)
		return
	case next == "matter" || next == "care":
		r.add(excluded, i+1, r.clauseEnd(i+1, s.Last, negationReach), i)
		return
	case next == "know" && r.hasWord(max(s.First, i-4), i, "people", "folks", "many", "most", "they"): // what they do not know is so
		return
	case doubtVerbs[next] || next == "really" && doubtVerbs[r.word(i+2, s.Last)]:
		to := r.clauseEnd(i+2, s.Last, 30)
		r.add(doubted, i+1, to, i)
		if r.clauseBreak(i+2, s.Last) { // "..., I'm not sure": what stands before it
			start := max(r.clauseStart(i, s.First), i-doubtReach)
			if questionOpeners[r.word(s.First, s.Last)] {
				start = s.First
			}
			r.add(doubted, start, i, i)
		}
		return
	case thinkVerbs[next] || next == "really" && thinkVerbs[r.word(i+2, s.Last)]:
		if next == "agree" {
			r.refutePrevious(i, s)
			return
		}
		r.add(negated, i+1, r.restOfSentence(i+1, s.Last), i)
		return
	case (next == "true" || next == "right" || next == "correct" || next == "the" && r.word(i+2, s.Last) == "case") && !r.hasWord(i, min(i+4, s.Last), "that", "to"):
		r.refutePrevious(i, s)
		return
	case next == "true":
		r.add(refuted, i+1, s.Last, i)
		return
	case next == "right" || next == "correct" || next == "that" || next == "because":
		r.add(refuted, i+1, r.restOfSentence(i+1, s.Last), i)
		return
	case dispensable[next]: // "X is not needed"
		r.add(negated, r.clauseStart(i, s.First), i, i)
	case next == "case":
		return
	case stopWords[next] && r.hasWord(i+2, min(i+5, s.Last), "you", "anyone", "anybody", "us"):
		return
	case next == "like" && (before == "do" || before == "does" || before == "did" || r.hasWord(i+2, min(i+3, s.Last), "that", "this", "it")):
	case before == "and" && next == "so", next == "rarely" || next == "seldom" || next == "uncommon" || next == "uncommonly":
		return
	case next == "like":
		r.add(excluded, i+1, r.restOfSentence(i+1, s.Last), i)
		return
	case (next == "tell" || next == "say") && (before == "can" || before == "could") && r.hasWord(max(s.First, i-3), i, "i"): // doubt, see sentenceScopes
		return
	}
	r.negate(i, i+1, s)
}

// negate opens a negation after the cue. "not ... until" and "not ... unless" assert, so they open none.
func (r *Reading) negate(cue, from int, s canon.Sentence) {
	to := r.clauseEnd(from, s.Last, negationReach)
	if pauseVerbs[r.word(from, s.Last)] { // "does not wait until" denies the wait
		r.add(negated, from, min(to+4, s.Last), cue)
		return
	}
	if w := r.word(to, s.Last); w == "until" || w == "unless" || w == "till" {
		return
	}
	r.add(negated, from, to, cue)
}

func (r *Reading) noScope(i int, s canon.Sentence) {
	next := r.word(i+1, s.Last)
	switch {
	case next == "such" && r.word(i+2, s.Last) == "thing": // no such thing as X
		r.add(negated, i+4, r.clauseEnd(i+4, s.Last, negationReach), i)
		return
	case next == "matter" || next == "problem" || next == "doubt" || next == "idea" || next == "clue":
		return
	case next == "wait" || next == "sorry" || next == "actually" || next == "hang" || next == "hold":
		r.retract(i, s)
		return
	case i > s.First && r.Text.Tokens[i].Comma && r.clauseBreak(i+1, s.Last) && i+1 < s.Last:
		r.retract(i, s)
		return
	case i > s.First && r.Text.Tokens[i].Comma && (next == "it" || next == "that" || next == "i"):
		r.retract(i, s)
		return
	case r.clauseBreak(i+1, s.Last):
		if i+1 == s.Last && i-s.First <= 1 && (i == s.First || r.word(s.First, s.Last) == "well") { // "Well, no."
			r.refutePrevious(i, s)
		}
		return
	}
	r.negate(i, i+1, s)
}

// clauseBreak reports whether a clause ends before token i.
func (r *Reading) clauseBreak(i, limit int) bool {
	return i >= limit || r.Text.Tokens[i].Break >= canon.BreakClause
}

func (r *Reading) hasWord(i, limit int, words ...string) bool {
	for ; i < limit; i++ {
		if slices.Contains(words, r.Text.Tokens[i].Word) {
			return true
		}
	}
	return false
}

// clauseEnd finds the end of the clause that token from stands in, at most reach tokens on.
func (r *Reading) clauseEnd(from, limit, reach int) int {
	for i := from; i < limit; i++ {
		t := &r.Text.Tokens[i]
		switch {
		case i-from >= reach, t.Break >= canon.BreakClause,
			i > from && (t.Word == "and" || t.Word == "nor" || t.Word == "until" || t.Word == "till" || t.Word == "unless"),
			i > from && conjunctions[t.Word], t.Word == "its" && i > from+1 && i+1 < limit && (r.Text.Tokens[i+1].Free || r.Text.Tokens[i+1].Word == "not"),
			i > from && (clauseOpeners[t.Word] || modals[t.Word]) && !(pronouns[t.Word] && r.relative(i-1)) && !r.determiner(i, limit),
			(t.Word == "those" || t.Word == "these") && i > from && subjectVerbs[r.word(i+1, limit)],
			t.Word == "but", (t.Word == "without" || t.Word == "apart" || t.Word == "except" || t.Word == "besides") && i > from:
			return i
		}
	}
	return limit
}

// exclusionEnd is where "without X" stops: at the latest at the verb that X stands before.
func (r *Reading) exclusionEnd(from, limit int) int {
	end := r.clauseEnd(from, limit, exclusionReach)
	for i := from + 1; i < end; i++ {
		if finiteVerbs[r.Text.Tokens[i].Word] {
			return i
		}
	}
	return end
}

// determiner reports whether "that" or "this" stands before its noun, as in "does not use that pool", rather than before
// a clause of its own, as in "does not mean that pools".
func (r *Reading) determiner(i, limit int) bool {
	if w := r.Text.Tokens[i].Word; w != "that" && w != "this" || r.clauseBreak(i+1, limit) {
		return false
	}
	if next := &r.Text.Tokens[i+1]; next.Free || pronouns[next.Word] || finiteVerbs[next.Word] {
		return false
	}
	verb, cue := r.word(i-1, limit), r.word(i-2, limit)
	return (cue == "never" || cue == "not" && auxiliaries[r.word(i-3, limit)]) && !thinkVerbs[verb] && !beliefVerbs[verb] && !thatVerbs[verb]
}

// relative words go on with the clause: "not something that you block".
func (r *Reading) relative(i int) bool {
	switch w := r.Text.Tokens[i].Word; w {
	case "that": // but not "they cannot do that, they have"
		prev := r.word(i-1, i)
		return prev != "do" && prev != "like" && prev != "is" && prev != "of"
	case "give", "gives", "tell", "tells", "let", "lets", "show", "offer", "offers", "make", "makes", "turn", "turns", "get", "keep", "keeps", "help", "take", "move":
		return true
	case "what", "how", "whether", "of", "for", "to", "with", "on", "than", "when", "if", "before", "after", "like", "about", "in":
		return true
	}
	return false
}

func (r *Reading) clauseStart(i, first int) int {
	for i > first && r.Text.Tokens[i].Break < canon.BreakClause && r.Text.Tokens[i].Word != "but" && r.Text.Tokens[i].Word != "and" {
		i--
	}
	return i
}

func (r *Reading) restOfSentence(from, limit int) int {
	for i := from; i < limit; i++ {
		switch r.Text.Tokens[i].Word {
		case "but", "however", "actually", "wait":
			return i
		}
	}
	return limit
}

// refutePrevious is for "that's not true", "I don't agree": it strikes what stands before it, or the sentence before.
func (r *Reading) refutePrevious(i int, s canon.Sentence) {
	start := r.clauseStart(i, s.First)
	if start-s.First >= 3 { // "people say X, that's not true"
		r.add(refuted, s.First, start, i)
		return
	}
	if w := r.Text.Tokens[s.First].Word; i-s.First > 5 && w != "that" && w != "this" && w != "it" && w != "which" {
		r.add(refuted, s.First, i, i) // "the idea that X is not true"
		return
	}
	if k := r.Text.Tokens[s.First].Sentence; k > 0 {
		p := r.Text.Sentences[k-1]
		r.add(refuted, p.First, p.Last, i)
	}
}

func (r *Reading) myth(i int, s canon.Sentence) {
	next := r.word(i+1, s.Last)
	if next == "that" || next == "is" || r.clauseBreak(i+1, s.Last) && i+1 < s.Last && r.Text.Tokens[i+1].Break == canon.BreakClause && i-s.First < 6 {
		r.add(refuted, i+1, r.restOfSentence(i+1, s.Last), i)
		return
	}
	r.refutePrevious(i, s)
}

// wrong handles "that's wrong", "it is wrong to say", "people get that wrong". A result that is wrong refutes nothing.
func (r *Reading) wrong(i int, s canon.Sentence) {
	prev, next := r.word(i-1, s.Last), r.word(i+1, s.Last)
	subject := r.word(i-2, s.Last)
	switch {
	case falseBeliefs[next]: // "the most common wrong answer, that ..."
		r.add(refuted, i+2, r.restOfSentence(i+2, s.Last), i)
	case (next == "to" || next == "that") && (prev == "is" || prev == "be"):
		r.add(refuted, i+1, r.restOfSentence(i+1, s.Last), i)
	case prev == "is" && (subject == "that" || subject == "this" || subject == "which"),
		(prev == "plain" || prev == "just" || prev == "simply" || prev == "flat" || prev == "also") && r.hasWord(max(s.First, i-4), i, "that", "which", "this"):
		r.refutePrevious(i, s)
	}
}

// attribution handles "people say X", "I used to think X", "you would think X".
func (r *Reading) attribution(i int, s canon.Sentence) {
	from := max(s.First, i-6)
	who := false
	for k := from; k < i; k++ {
		w := r.Text.Tokens[k].Word
		if w == "not" || w == "i" && r.Text.Tokens[i].Word != "thought" && r.Text.Tokens[i].Word != "assumed" && r.Text.Tokens[i].Word != "believed" && !r.hasWord(k, i, "used", "once") {
			who = false
			continue
		}
		if sayers[w] && k == i-1 || sayers[w] && k >= i-5 && w != "they" && w != "most" && w != "some" && w != "many" ||
			(w == "some" || w == "many" || w == "most") && k >= i-2 {
			who = true
		}
		if w == "used" && r.word(k+1, s.Last) == "to" || w == "would" && r.hasWord(from, k, "you") || w == "might" && r.hasWord(from, k, "you", "one") {
			who = true
		}
		if k == i-1 && (w == "is" || w == "often" || w == "commonly" || w == "sometimes") && r.word(i+1, s.Last) == "that" && r.hasWord(from, k+1, "it") {
			who = true // "it is often claimed that"
		}
		if w == "i" && (r.Text.Tokens[i].Word == "thought" || r.Text.Tokens[i].Word == "assumed" || r.Text.Tokens[i].Word == "believed") {
			who = true
		}
	}
	if !who {
		return
	}
	if r.Text.Tokens[i].Word == "told" && r.word(i+1, s.Last) == "me" {
		i++
	}
	from = i + 1
	if end := r.restOfSentence(i+1, s.Last); end < s.Last && r.hasWord(s.First, i, "people", "folks", "many", "juniors", "candidates") {
		for from = s.First; !sayers[r.Text.Tokens[from].Word]; from++ { // "people do X and believe Y, but"
		}
	}
	r.add(refuted, from, r.restOfSentence(i+1, s.Last), i)
}

// correction handles "wait, no", "sorry, I mean", "scratch that".
func (r *Reading) correction(i int, s canon.Sentence) {
	w, next := r.Text.Tokens[i].Word, r.word(i+1, s.Last)
	switch {
	case w == "wait" && next == "no", w == "wait" && r.word(i-1, s.Last) == "oh",
		w == "sorry" && (next == "no" || next == "i" || r.Text.Tokens[i].Break >= canon.BreakClause && i > s.First),
		(w == "scratch" || w == "strike") && next == "that", w == "correction":
		r.retract(i, s)
	}
}

// retract takes back the words before token i: of its clause, or of the sentence before when it opens one.
func (r *Reading) retract(i int, s canon.Sentence) {
	if i > s.First {
		start := i - 1
		for start > s.First && i-start < retractReach && r.Text.Tokens[start].Break < canon.BreakClause {
			start--
		}
		r.add(retracted, start, i, i)
		return
	}
	if k := r.Text.Tokens[s.First].Sentence; k > 0 {
		p := r.Text.Sentences[k-1]
		r.add(retracted, max(p.First, p.Last-retractReach), p.Last, i)
	}
}

// polarity says what the text makes of a match: it is denied when an odd number of negations covers half of its words,
// hedged when the words are attributed, taken back, doubted, asked, excluded or merely listed.
func (r *Reading) polarity(m *match) Status {
	if r.places[m.first].covered == r.places[m.last+1].covered {
		return Affirmed
	}
	denied, leaves := 0, r.leavesOf(m)
	for _, leaf := range leaves {
		odd := false
		for _, k := range r.covers(leaf) {
			s := &r.scopes[k]
			if r.eats(m, s) {
				continue
			}
			switch s.kind {
			case negated:
				odd = !odd
			case asked:
				if m.flags&askedFor == 0 {
					return Hedged
				}
			case listed:
				if m.flags&firmlyListed == 0 {
					return Hedged
				}
			default:
				return Hedged
			}
		}
		if odd {
			denied++
		}
	}
	switch {
	case denied == 0:
		return Affirmed
	case 2*denied < len(leaves) || r.Text.Tokens[m.first].Sentence != r.Text.Tokens[m.last].Sentence:
		return Hedged // one word of many, or words of two sentences: not the claim itself is denied
	}
	return Denied
}

// eats reports whether the pattern itself asked for the negation of scope s.
func (r *Reading) eats(m *match, s *scope) bool {
	for _, c := range s.cue() {
		if r.holds(m.leaves, c) || r.holds(m.eaten, c) {
			return true
		}
	}
	return false
}

// negations returns the cues of the scopes that turn m round: negations and exclusions.
func (r *Reading) negations(m *match) []int32 {
	var cues []int32
	for _, leaf := range r.leavesOf(m) {
		for _, k := range r.covers(leaf) {
			s := &r.scopes[k]
			if (s.kind == negated || s.kind == excluded) && !r.eats(m, s) {
				for _, c := range s.cue() {
					if !slices.Contains(cues, c) {
						cues = append(cues, c)
					}
				}
			}
		}
	}
	return cues
}
