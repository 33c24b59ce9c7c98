package check

import (
	"slices"

	"github.com/vivagrader/grader/internal/canon"
)

// before is "first happens before then", in whatever words: "A before B", "B after A", "A, then B", "once A is done, B".
type before struct {
	ops   [2]operand // first, then
	steps int
}

const beforeSteps = 24

var (
	beforeCues = canon.WordSet("before ahead precede precedes preceding preceded prior beat beats beating outrank outranks earlier sooner then prioritized prioritised over")
	afterCues  = canon.WordSet("after follow follows following behind later once waits wait waiting until second last")
	priority   = canon.WordSet("first priority wins win winner precedence immediately")
)

func (n *before) eval(r *Reading) []match {
	as, bs := r.eval(&n.ops[0]), r.eval(&n.ops[1])
	f := r.collect()
	for _, a := range as {
		for _, b := range bs {
			if a.first <= b.last && b.first <= a.last || f.full() {
				continue
			}
			if !r.within(min(a.first, b.first), max(a.last, b.last), n.steps) {
				continue
			}
			if rel, cue := r.relation(a, b); rel != 0 {
				m := r.join(&a, &b)
				if rel < 0 {
					m.flags |= reversed
				}
				if cue >= 0 {
					m.leaves, m.named = r.pair(m.leaves, tokens(cue)), m.named+1
					m.first, m.last = min(m.first, cue), max(m.last, cue)
				}
				f.add(m)
			}
		}
	}
	return f.keep(r)
}

// relation is 1 when the text puts a before b, -1 when it puts b before a, 0 when it does not say; cue is the token
// that says so.
func (r *Reading) relation(a, b match) (rel int, cue int32) {
	x, y, sign := a, b, 1 // x stands first in the text
	if b.first < a.first {
		x, y, sign = b, a, -1
	}
	toks := r.Text.Tokens
	for i := x.last + 1; i <= y.first; i++ {
		if toks[i].Arrow {
			return sign, -1
		}
	}
	// between the two
	for i := x.last + 1; i < y.first; i++ {
		w := toks[i].Word
		next := r.word(int(i)+1, len(toks))
		switch {
		case w == "followed", w == "after" && (next == "that" || next == "which" || next == "those"), w == "afterwards":
			return sign, i
		case w == "before" && (next == "that" || next == "which"):
			return -sign, i
		case w == "over" && !r.hasWord(max(0, int(i)-3), int(i), "priority", "precedence", "wins", "win", "preferred"):
		case beforeCues[w]:
			return sign, i
		case afterCues[w] && w != "second" && w != "last":
			return -sign, i
		case priority[w]:
			return sign, i
		}
	}
	// in front of the two: "before x, y", "after x, y", "once x is done, y"
	for i := x.first - 1; i >= 0 && i >= x.first-4 && toks[i+1].Break < canon.BreakSentence; i-- {
		switch w := toks[i].Word; {
		case w == "before":
			return -sign, i
		case w == "after", w == "once", w == "first":
			return sign, i
		}
	}
	// behind the two: "between x and y, y goes first"
	for i := y.last + 1; int(i) < len(toks) && i <= y.last+4 && toks[i].Break < canon.BreakSentence; i++ {
		switch w := toks[i].Word; {
		case priority[w]:
			return -sign, i
		case w == "second", w == "last", w == "later", w == "afterwards", w == "next":
			return sign, i
		}
	}
	return 0, -1
}

// order is an enumeration in a given order, wherever in the answer its items stand.
type order struct {
	items  []operand
	need   int  // items in order that make a full hit
	cyclic bool // any item can come first
}

// eval returns the longest run of items in order as one match.
func (n *order) eval(r *Reading) []match {
	if res := n.assess(r, false, nil); res.status == Affirmed && res.level == Full {
		return res.best
	}
	return nil
}

func (n *order) assess(r *Reading, _ bool, said *[]match) assessed {
	type mention struct {
		item int
		m    match
	}
	var mentions []mention
	present := 0
	for i := range n.items {
		found := false
		for _, m := range r.eval(&n.items[i]) {
			m.flags |= firmlyListed
			if r.polarity(&m) == Affirmed {
				mentions = append(mentions, mention{i, m})
				found = true
			}
		}
		if found {
			present++
		}
	}
	slices.SortStableFunc(mentions, func(a, b mention) int { return int(a.m.first - b.m.first) })
	rotations := 1
	if n.cyclic {
		rotations = len(n.items)
	}
	var best []int
	for shift := range rotations {
		rank := func(k int) int { return (mentions[k].item + len(n.items) - shift) % len(n.items) }
		length, from := make([]int, len(mentions)), make([]int, len(mentions))
		for k := range mentions {
			length[k], from[k] = 1, -1
			for j := range k {
				if rank(j) < rank(k) && length[j]+1 > length[k] && mentions[j].m.last < mentions[k].m.first &&
					mentions[k].m.first-mentions[j].m.last <= orderReach {
					length[k], from[k] = length[j]+1, j
				}
			}
			if length[k] > len(best) {
				best = best[:0]
				for j := k; j >= 0; j = from[j] {
					best = append(best, j)
				}
			}
		}
	}
	if len(best) == 0 {
		return assessed{}
	}
	all := mentions[best[len(best)-1]].m
	for i := len(best) - 2; i >= 0; i-- {
		all = r.join(&all, &mentions[best[i]].m)
	}
	res := assessed{best: []match{all}}
	switch {
	case len(best) >= n.need:
		res.status, res.level = Affirmed, Full
	case present >= n.need: // all are there, but not in this order
		res.status, res.level = Reversed, None
	case len(best)*2 >= n.need && len(best) >= 2:
		res.status, res.level = Affirmed, Partial
	default:
		return assessed{}
	}
	if said != nil {
		*said = append(*said, all)
	}
	return res
}

// orderReach is the number of tokens between two items of an enumeration.
const orderReach = 70

// atLeast is a number of things out of a list, wherever in the answer they stand.
type atLeast struct {
	need  int
	items []operand
}

func (n *atLeast) eval(r *Reading) []match {
	if res := n.assess(r, false, nil); res.status == Affirmed && res.level == Full {
		return res.best
	}
	return nil
}

func (n *atLeast) assess(r *Reading, _ bool, said *[]match) assessed {
	var res assessed
	hits := 0
	for i := range n.items {
		if got := r.assessAs(&n.items[i], true, said); got.status == Affirmed && got.level == Full {
			hits++
			if len(res.best) < 3 {
				res.best = append(res.best, got.best[0])
			}
		}
	}
	switch {
	case hits >= n.need:
		res.status, res.level = Affirmed, Full
	case n.need >= 2 && hits == n.need-1:
		res.status, res.level = Affirmed, Partial
	default:
		return assessed{}
	}
	slices.SortFunc(res.best, func(a, b match) int { return int(a.first - b.first) })
	return res
}
