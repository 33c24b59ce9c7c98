package check

import (
	"math/bits"
	"slices"

	"github.com/vivagrader/grader/internal/canon"
)

// match is one way in which a node fits the text. It holds no pointers.
type match struct {
	first, last int32  // tokens, inclusive
	leaves      tokens // that the pattern named
	eaten       tokens // of negations that the pattern itself asked for
	named       uint16 // how many leaves there are
	flags       matchFlags
}

// tokens is a list of tokens as matches carry it: one token, or a pair of two lists, which stands in Reading.pairs.
// Joining two matches is so cheap because nothing is copied; polarity is the one to walk the pairs, and seldom has to.
type tokens int32

const noTokens tokens = -1

// pair is the list of a's tokens and then b's.
func (r *Reading) pair(a, b tokens) tokens {
	if a == noTokens {
		return b
	}
	if b == noTokens {
		return a
	}
	r.pairs = append(r.pairs, [2]tokens{a, b})
	return noTokens - tokens(len(r.pairs))
}

// list appends the tokens to out.
func (r *Reading) list(t tokens, out []int32) []int32 {
	for t < noTokens {
		p := &r.pairs[noTokens-1-t]
		out = r.list(p[0], out)
		t = p[1]
	}
	if t == noTokens {
		return out
	}
	return append(out, int32(t))
}

// leavesOf returns the tokens that the pattern of m named. They stay valid until the next call.
func (r *Reading) leavesOf(m *match) []int32 {
	r.leaves = r.list(m.leaves, r.leaves[:0])
	return r.leaves
}

// holds reports whether the list has a token.
func (r *Reading) holds(t tokens, token int32) bool {
	for t < noTokens {
		p := &r.pairs[noTokens-1-t]
		if r.holds(p[0], token) {
			return true
		}
		t = p[1]
	}
	return t == tokens(token)
}

// at is the match of a single word.
func at(token int32) match {
	return match{first: token, last: token, leaves: tokens(token), eaten: noTokens, named: 1}
}

type matchFlags uint8

const (
	reversed     matchFlags = 1 << iota // a relation found the wrong way round
	askedFor                            // a question is what the pattern asks for
	firmlyListed                        // a bare list is what the pattern asks for: an enumeration
)

// node is a compiled expression. eval finds its matches, in the order of the text; Reading.eval remembers them.
type node interface {
	eval(r *Reading) []match
}

// composite is a node that weighs its operands one by one over the whole answer.
type composite interface {
	node
	assess(r *Reading, firm bool, said *[]match) assessed
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

// found collects matches at the end of the reading's slab. Nothing else may be evaluated between collect and keep.
type found []match

// collect makes room for the matches of one node.
func (r *Reading) collect() found {
	if cap(r.slab)-len(r.slab) < maxMatches {
		r.slab = make([]match, 0, max(slabSize, 2*cap(r.slab))) // results go on pointing into the old one
	}
	return found(r.slab[len(r.slab) : len(r.slab) : len(r.slab)+maxMatches])
}

func (f found) full() bool { return len(f) == maxMatches }

func (f *found) add(m match) {
	if len(*f) < maxMatches {
		*f = append(*f, m)
	}
}

// keep sorts what was found and leaves it in the slab.
func (f found) keep(r *Reading) []match {
	for i := 1; i < len(f); i++ { // short and nearly sorted
		if precedes(&f[i], &f[i-1]) {
			f.insert(i)
		}
	}
	return f.keepSorted(r)
}

// keepSorted leaves what was found in order in the slab.
func (f found) keepSorted(r *Reading) []match {
	r.slab = r.slab[:len(r.slab)+len(f)]
	return slices.Clip(f)
}

// insert moves f[i] to its place among those before it, which are sorted.
func (f found) insert(i int) {
	m, k := f[i], i
	for ; k > 0 && precedes(&m, &f[k-1]); k-- {
		f[k] = f[k-1]
	}
	f[k] = m
}

const slabSize = 1024

func precedes(a, b *match) bool {
	return a.first < b.first || a.first == b.first && a.last < b.last
}

func (r *Reading) join(a, b *match) match {
	return match{first: min(a.first, b.first), last: max(a.last, b.last), leaves: r.pair(a.leaves, b.leaves), eaten: r.pair(a.eaten, b.eaten),
		named: a.named + b.named, flags: (a.flags|b.flags)&(reversed|askedFor) | a.flags&b.flags&firmlyListed}
}

type word struct{ id int32 }

func (n *word) eval(r *Reading) []match {
	f := r.collect()
	for _, t := range r.present[r.slot[n.id]-1].tokens {
		f.add(at(t))
	}
	return f.keepSorted(r)
}

type number struct {
	min, max float64
	unit     canon.Unit
	anyUnit  bool
}

func (n *number) fits(num canon.Number) bool {
	if num.Kilo && n.unit == canon.UnitBytes && !n.anyUnit { // "16k" next to talk of bytes
		num = canon.Number{Value: num.Value / 1000 * 1024, Unit: canon.UnitBytes}
	}
	return (n.anyUnit || num.Unit == n.unit) && num.Value >= n.min && num.Value <= n.max
}

// mentionsNumber reports whether the text holds a figure that fits.
func (r *Reading) mentionsNumber(n *number) bool {
	return slices.ContainsFunc(r.numbers, func(t int32) bool { return n.fits(r.Text.Tokens[t].Num) })
}

func (n *number) eval(r *Reading) []match {
	f := r.collect()
	for _, t := range r.numbers {
		if n.fits(r.Text.Tokens[t].Num) {
			f.add(at(t))
		}
	}
	return f.keepSorted(r)
}

type set struct{ index int }

func (n *set) eval(r *Reading) []match { return r.eval(&r.program.sets[n.index]) }

// words is a group of words, by ID, of which any will do.
type words []int32

// count is how many matches there are in all.
func (n words) count(r *Reading) (total int) {
	for _, id := range n {
		if k := r.slot[id]; k > 0 {
			total += int(r.present[k-1].count)
		}
	}
	return total
}

// eval marks the tokens and collects what is marked, which sorts them on the way.
func (n words) eval(r *Reading) []match {
	marked, marks := r.marked, r.marks
	for _, id := range n {
		if k := r.slot[id]; k > 0 {
			for _, t := range r.present[k-1].tokens {
				marked[uint32(t)/64] |= 1 << (uint32(t) % 64)
				marks[t]++
			}
		}
	}
	f := r.collect()
	for k, set := range marked {
		for ; set != 0; set &= set - 1 {
			t := int32(64*k + bits.TrailingZeros64(set))
			for range marks[t] {
				f.add(at(t))
			}
			marks[t] = 0
		}
		marked[k] = 0
	}
	return f.keepSorted(r)
}

// or is alternatives.
type or struct {
	alts   []operand // as written
	joined []operand // the same with words that stand side by side as groups: what eval looks for
}

func (n *or) eval(r *Reading) []match {
	base := len(r.lists)
	if total := r.evalAll(n.joined); total > maxMatches { // then it is their order as written that says which ones are kept
		r.lists = r.lists[:base]
		r.evalAll(n.alts)
	}
	lists := r.lists[base:]
	r.lists = r.lists[:base]
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0]
	}
	f := r.collect()
	for _, ms := range lists {
		f = append(f, ms[:min(len(ms), maxMatches-len(f))]...)
	}
	return f.keep(r)
}

// evalAll puts the matches of the expressions on the stack, until there are more than enough, and counts them.
func (r *Reading) evalAll(ops []operand) (total int) {
	for i := range ops {
		o := &ops[i]
		if r.state[o.id] == noMatches {
			continue
		}
		if group, ok := o.node.(words); ok && group.count(r) > maxMatches {
			return maxMatches + 1
		}
		if ms := r.eval(o); len(ms) > 0 {
			r.lists = append(r.lists, ms)
			if total += len(ms); total >= maxMatches {
				break
			}
		}
	}
	return total
}

// seq is words one after the other.
type seq struct {
	nodes []operand
	slack []int // other words tolerated before nodes[i]; gapReach for ".."
}

// setsFit reports whether every set among the operands has matches. Others need those as well, so they are looked at first.
func (r *Reading) setsFit(ops []operand) bool {
	for i := range ops {
		if _, ok := ops[i].node.(*set); ok && len(r.eval(&ops[i])) == 0 {
			return false
		}
	}
	return true
}

func (n *seq) eval(r *Reading) []match {
	if !r.setsFit(n.nodes) {
		return nil
	}
	acc := r.eval(&n.nodes[0])
	for i := 1; i < len(n.nodes); i++ {
		if len(acc) == 0 {
			return nil
		}
		ms := r.eval(&n.nodes[i])
		f := r.collect()
		from := 0 // no match before it begins behind a
		for ai := range acc {
			a := &acc[ai]
			for from < len(ms) && ms[from].first <= a.first {
				from++
			}
			for bi := from; bi < len(ms); bi++ {
				b := &ms[bi]
				if b.first <= a.last {
					continue
				}
				fits, beyond := r.follows(a.last, b.first, n.slack[i])
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
	reach := int32(phraseReach)
	if slack == 0 {
		reach = 0
	} else if slack >= gapReach {
		reach = gapReach
	}
	if b-a-1 > reach || r.places[a].sentence != r.places[b].sentence {
		return false, true
	}
	if slack == phraseSlack && b-a > 1 { // "timers, pending callbacks" is no timer callback
		for t := a + 1; t <= b; t++ {
			if r.Text.Tokens[t].Break >= canon.BreakClause {
				return false, false
			}
		}
	}
	return int(r.places[b].content-r.places[a+1].content) <= slack, false
}

// and is operands close to one another, in any order.
type and struct {
	nodes  []operand
	steps  int
	absent []operand // "&!": not within the same reach
}

func (n *and) eval(r *Reading) []match {
	if !r.setsFit(n.nodes) {
		return nil
	}
	acc := r.eval(&n.nodes[0])
	for i := 1; i < len(n.nodes); i++ {
		if len(acc) == 0 {
			return nil
		}
		ms := r.eval(&n.nodes[i])
		f := r.collect()
		from := 0 // all matches before it begin too far before a
		for ai := range acc {
			a := &acc[ai]
			for from < len(ms) && r.pos(a.first)-r.pos(ms[from].first) > n.steps {
				from++
			}
			for bi := from; bi < len(ms); bi++ {
				b := &ms[bi]
				if f.full() || r.pos(b.first)-r.pos(a.first) > n.steps {
					break
				}
				if b.first == a.first && b.last == a.last && len(n.nodes) == 2 && r.sameLeaves(a, b) {
					continue
				}
				if r.within(min(a.first, b.first), max(a.last, b.last), n.steps) {
					f.add(r.join(a, b))
				}
			}
		}
		acc = f.keep(r)
	}
	for i := range n.absent {
		if ms := r.eval(&n.absent[i]); len(ms) > 0 {
			f := r.collect()
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

func (r *Reading) sameLeaves(a, b *match) bool {
	return a.leaves == b.leaves || a.named == b.named && a.named > 1 && slices.Equal(r.leavesOf(a), r.list(b.leaves, nil))
}

// spoils reports whether an excluded match stands in the reach and the sentences of a.
func (r *Reading) spoils(a, b *match, steps int) bool {
	t := r.Text.Tokens
	return r.within(min(a.first, b.first), max(a.last, b.last), steps) &&
		t[a.first].Sentence <= t[b.last].Sentence && t[b.first].Sentence <= t[a.last].Sentence
}

func (r *Reading) within(first, last int32, steps int) bool {
	return r.pos(last)-r.pos(first) <= steps
}

func (r *Reading) pos(token int32) int { return int(r.places[token].pos) }

// deny is its operand under a negation: "~(network & pool)" is the claim that the network does not use the pool.
type deny struct{ ops [1]operand }

func (n *deny) eval(r *Reading) []match {
	ms := r.eval(&n.ops[0])
	f := r.collect()
	for _, m := range ms {
		if cues := r.negations(&m); len(cues) > 0 {
			for _, cue := range cues {
				m.eaten = r.pair(m.eaten, tokens(cue))
			}
			m.first = min(m.first, slices.Min(cues))
			m.last = max(m.last, slices.Max(cues))
			f.add(m)
		}
	}
	return f.keep(r)
}

// question is its operand where it may be asked rather than claimed: clarifying questions.
type question struct{ ops [1]operand }

func (n *question) eval(r *Reading) []match {
	ms := r.eval(&n.ops[0])
	f := r.collect()
	for _, m := range ms {
		m.flags |= askedFor
		f.add(m)
	}
	return f.keep(r)
}
