package check

import (
	"slices"

	"github.com/vivagrader/grader/internal/canon"
)

// match is one way in which a node fits the text. It holds no pointers: the tokens that it names stand in the arena of
// the reading.
type match struct {
	first, last int32 // tokens, inclusive
	leaves      run   // the tokens that the pattern named; empty for the single token first
	eaten       run   // tokens of negations that the pattern itself asked for
	flags       matchFlags
}

// run is a stretch of the arena.
type run struct{ from, to int32 }

type matchFlags uint8

const (
	reversed     matchFlags = 1 << iota // a relation found the wrong way round
	askedFor                            // a question is what the pattern asks for
	firmlyListed                        // a bare list is what the pattern asks for: an enumeration
)

// node is a compiled expression. The result of eval is sorted by place and must not be changed.
type node interface {
	eval(r *Reading) []match
	// possible reports quickly whether eval can find anything at all.
	possible(r *Reading) bool
}

// composite is a node that weighs its operands one by one over the whole answer.
type composite interface {
	node
	assess(r *Reading) assessed
}

const (
	// maxMatches bounds the ways in which one node can fit one answer.
	maxMatches = 40
	// phraseSlack is the number of other words that a phrase tolerates between two of its words, free words not counted.
	phraseSlack = 1
	// phraseReach is the number of tokens, free ones included, between two words of a phrase.
	phraseReach = 4
	// gapReach is the number of tokens that ".." spans.
	gapReach = 9
	// nearSteps is the distance that "&" spans, from the first token to the last.
	nearSteps = 26
)

// found collects matches on the stack until they are kept.
type found struct {
	n    int
	list [maxMatches]match
}

func (f *found) full() bool { return f.n == maxMatches }

func (f *found) add(m match) {
	if f.n < maxMatches {
		f.list[f.n] = m
		f.n++
	}
}

// keep sorts what was found and moves it to the reading's slab.
func (f *found) keep(r *Reading) []match {
	if f.n == 0 {
		return nil
	}
	ms := f.list[:f.n]
	for i := 1; i < len(ms); i++ { // short and nearly sorted
		for k := i; k > 0 && precedes(ms[k], ms[k-1]); k-- {
			ms[k], ms[k-1] = ms[k-1], ms[k]
		}
	}
	if len(r.slab)+len(ms) > cap(r.slab) {
		r.slab = make([]match, 0, max(slabSize, len(ms)))
	}
	start := len(r.slab)
	r.slab = append(r.slab, ms...)
	return r.slab[start:len(r.slab):len(r.slab)]
}

const slabSize = 512

func precedes(a, b match) bool {
	return a.first < b.first || a.first == b.first && a.last < b.last
}

// leavesOf returns the tokens that the pattern of m named.
func (r *Reading) leavesOf(m *match) []int32 {
	if m.leaves.to == 0 {
		return r.identity[m.first : m.first+1]
	}
	return r.arena[m.leaves.from:m.leaves.to]
}

func (r *Reading) eatenBy(m *match) []int32 { return r.arena[m.eaten.from:m.eaten.to] }

// store puts two lists of tokens into the arena as one run.
func (r *Reading) store(a, b []int32) run {
	from := int32(len(r.arena))
	r.arena = append(append(r.arena, a...), b...)
	return run{from, int32(len(r.arena))}
}

func (r *Reading) join(a, b *match) match {
	m := match{first: min(a.first, b.first), last: max(a.last, b.last), leaves: r.store(r.leavesOf(a), r.leavesOf(b)),
		flags: (a.flags|b.flags)&(reversed|askedFor) | a.flags&b.flags&firmlyListed}
	switch {
	case a.eaten == run{}:
		m.eaten = b.eaten
	case b.eaten == run{}:
		m.eaten = a.eaten
	default:
		m.eaten = r.store(r.eatenBy(a), r.eatenBy(b))
	}
	return m
}

type word struct{ id int32 }

func (n word) possible(r *Reading) bool { return r.slot[n.id] > 0 }

func (n word) eval(r *Reading) []match {
	k := r.slot[n.id]
	if k == 0 {
		return nil
	}
	w := &r.present[k-1]
	if w.matches == nil {
		var f found
		for _, t := range w.tokens {
			f.add(match{first: t, last: t})
		}
		w.matches = f.keep(r)
	}
	return w.matches
}

type number struct {
	min, max float64
	unit     canon.Unit
	anyUnit  bool
}

func (n number) fits(num canon.Number) bool {
	if num.Kilo && n.unit == canon.UnitBytes && !n.anyUnit { // "16k" next to talk of bytes
		num = canon.Number{Value: num.Value / 1000 * 1024, Unit: canon.UnitBytes}
	}
	return (n.anyUnit || num.Unit == n.unit) && num.Value >= n.min && num.Value <= n.max
}

func (n number) possible(r *Reading) bool {
	return slices.ContainsFunc(r.numbers, func(t int32) bool { return n.fits(r.Text.Tokens[t].Num) })
}

func (n number) eval(r *Reading) []match {
	var f found
	for _, t := range r.numbers {
		if n.fits(r.Text.Tokens[t].Num) {
			f.add(match{first: t, last: t})
		}
	}
	return f.keep(r)
}

type set struct{ index int }

func (n set) possible(r *Reading) bool { return len(n.eval(r)) > 0 }

func (n set) eval(r *Reading) []match {
	if !r.setDone[n.index] {
		r.setMemo[n.index] = r.program.sets[n.index].eval(r)
		r.setDone[n.index] = true
	}
	return r.setMemo[n.index]
}

type or []node

func (n or) possible(r *Reading) bool {
	return slices.ContainsFunc(n, func(alt node) bool { return alt.possible(r) })
}

func (n or) eval(r *Reading) []match {
	var f found
	var only []match
	lists := 0
	for _, alt := range n {
		ms := alt.eval(r)
		if len(ms) == 0 {
			continue
		}
		lists++
		only = ms
		for i := range ms {
			f.add(ms[i])
		}
	}
	if lists <= 1 {
		return only
	}
	return f.keep(r)
}

// seq is words one after the other.
type seq struct {
	nodes []node
	slack []int // other words tolerated before nodes[i]; gapReach for ".."
}

func allPossible(r *Reading, nodes []node) bool {
	for _, n := range nodes {
		if !n.possible(r) {
			return false
		}
	}
	return true
}

func (n seq) possible(r *Reading) bool { return allPossible(r, n.nodes) }

func (n seq) eval(r *Reading) []match {
	if !allPossible(r, n.nodes) {
		return nil
	}
	acc := n.nodes[0].eval(r)
	for i, next := range n.nodes[1:] {
		if len(acc) == 0 {
			return nil
		}
		ms := next.eval(r)
		var f found
		for ai := range acc {
			a := &acc[ai]
			for bi := range ms {
				b := &ms[bi]
				if b.first <= a.last {
					continue
				}
				fits, beyond := r.follows(a.last, b.first, n.slack[i+1])
				if beyond || f.full() {
					break
				}
				if fits {
					f.add(r.join(a, b))
				}
			}
		}
		acc = f.keep(r)
	}
	return acc
}

// follows reports whether token b comes soon enough after token a; beyond means that no later token can.
func (r *Reading) follows(a, b int32, slack int) (fits, beyond bool) {
	reach := phraseReach
	if slack == 0 {
		reach = 0
	} else if slack >= gapReach {
		reach = gapReach
	}
	if int(b-a)-1 > reach {
		return false, true
	}
	other := 0
	for t := a + 1; t <= b; t++ {
		if r.Text.Tokens[t].Break >= canon.BreakSentence {
			return false, true
		}
		if t < b && !r.Text.Tokens[t].Free {
			other++
		}
	}
	return other <= slack, false
}

// and is operands close to one another, in any order.
type and struct {
	nodes  []node
	steps  int
	absent []node // "&!": not within the same reach
}

func (n and) possible(r *Reading) bool { return allPossible(r, n.nodes) }

func (n and) eval(r *Reading) []match {
	if !allPossible(r, n.nodes) {
		return nil
	}
	acc := n.nodes[0].eval(r)
	for _, operand := range n.nodes[1:] {
		if len(acc) == 0 {
			return nil
		}
		ms := operand.eval(r)
		var f found
		for ai := range acc {
			a := &acc[ai]
			for bi := range ms {
				b := &ms[bi]
				if f.full() || r.Text.Tokens[b.first].Pos-r.Text.Tokens[a.first].Pos > n.steps {
					break
				}
				if b.first == a.first && b.last == a.last && len(n.nodes) == 2 && slices.Equal(r.leavesOf(a), r.leavesOf(b)) {
					continue
				}
				if r.within(min(a.first, b.first), max(a.last, b.last), n.steps) {
					f.add(r.join(a, b))
				}
			}
		}
		acc = f.keep(r)
	}
	for _, no := range n.absent {
		if ms := no.eval(r); len(ms) > 0 {
			var f found
			for ai := range acc {
				if !slices.ContainsFunc(ms, func(b match) bool { return r.spoils(&acc[ai], &b, n.steps) }) {
					f.add(acc[ai])
				}
			}
			acc = f.keep(r)
		}
	}
	return acc
}

// spoils reports whether an excluded match stands in the reach and the sentences of a.
func (r *Reading) spoils(a, b *match, steps int) bool {
	t := r.Text.Tokens
	return r.within(min(a.first, b.first), max(a.last, b.last), steps) &&
		t[a.first].Sentence <= t[b.last].Sentence && t[b.first].Sentence <= t[a.last].Sentence
}

func (r *Reading) within(first, last int32, steps int) bool {
	return r.Text.Tokens[last].Pos-r.Text.Tokens[first].Pos <= steps
}

// deny is its operand under a negation: "~(network & pool)" is the claim that the network does not use the pool.
type deny struct{ node node }

func (n deny) possible(r *Reading) bool { return len(r.scopes) > 0 && n.node.possible(r) }

func (n deny) eval(r *Reading) []match {
	if !n.possible(r) {
		return nil
	}
	var f found
	for _, m := range n.node.eval(r) {
		if cues := r.negations(&m); len(cues) > 0 {
			m.leaves = r.store(r.leavesOf(&m), nil)
			m.eaten = r.store(r.eatenBy(&m), cues)
			m.first = min(m.first, slices.Min(cues))
			m.last = max(m.last, slices.Max(cues))
			f.add(m)
		}
	}
	return f.keep(r)
}

// question is its operand where it may be asked rather than claimed: clarifying questions.
type question struct{ node node }

func (n question) possible(r *Reading) bool { return n.node.possible(r) }

func (n question) eval(r *Reading) []match {
	var f found
	for _, m := range n.node.eval(r) {
		m.flags |= askedFor
		f.add(m)
	}
	return f.keep(r)
}
