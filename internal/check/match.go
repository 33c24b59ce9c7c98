package check

import (
	"cmp"
	"slices"

	"github.com/vivagrader/grader/internal/canon"
)

// match is one way in which a node fits the text: the tokens that it consists of.
type match struct {
	first, last int32   // tokens, inclusive
	leaves      []int32 // the tokens that the pattern named
	eaten       []int32 // tokens of negations that the pattern itself asked for
	reversed    bool    // a relation found the wrong way round
	firm        bool    // an enumeration: a bare list is what it asks for
}

// node is a compiled expression.
type node interface {
	eval(r *Reading) []match
}

// composite is a node that weighs its operands one by one over the whole answer.
type composite interface {
	node
	assess(r *Reading) assessed
}

const (
	// maxMatches bounds the ways in which one node can fit one answer.
	maxMatches = 48
	// phraseSlack is the number of other words that a phrase tolerates between two of its words, free words not counted.
	phraseSlack = 1
	// phraseReach is the number of tokens, free ones included, between two words of a phrase.
	phraseReach = 4
	// gapReach is the number of tokens that ".." spans.
	gapReach = 9
	// nearSteps is the distance that "&" spans, from the first token to the last.
	nearSteps = 26
)

type word struct{ id int32 }

func (n word) eval(r *Reading) []match {
	tokens := r.postings[n.id]
	if len(tokens) == 0 {
		return nil
	}
	out := make([]match, len(tokens))
	for i, t := range tokens {
		out[i] = match{first: t, last: t, leaves: tokens[i : i+1 : i+1]}
	}
	return out
}

type number struct {
	min, max float64
	unit     canon.Unit
	anyUnit  bool
}

func (n number) eval(r *Reading) []match {
	var out []match
	for i, t := range r.numbers {
		num := r.Text.Tokens[t].Num
		if (n.anyUnit || num.Unit == n.unit) && num.Value >= n.min && num.Value <= n.max {
			out = append(out, match{first: t, last: t, leaves: r.numbers[i : i+1 : i+1]})
		}
	}
	return out
}

type set struct{ index int }

func (n set) eval(r *Reading) []match {
	if !r.setDone[n.index] {
		r.setMemo[n.index] = r.program.sets[n.index].eval(r)
		r.setDone[n.index] = true
	}
	return r.setMemo[n.index]
}

type or []node

func (n or) eval(r *Reading) []match {
	var out []match
	for _, alt := range n {
		ms := alt.eval(r)
		if len(ms) == 0 {
			continue
		}
		if out == nil {
			out = ms[:len(ms):len(ms)]
			continue
		}
		out = append(out, ms...)
	}
	return tidy(out)
}

// seq is words one after the other.
type seq struct {
	nodes []node
	slack []int // other words tolerated before nodes[i]; gapReach for ".."
}

func (n seq) eval(r *Reading) []match {
	acc := n.nodes[0].eval(r)
	for i, next := range n.nodes[1:] {
		if len(acc) == 0 {
			return nil
		}
		ms := next.eval(r)
		if len(ms) == 0 {
			return nil
		}
		var out []match
		for _, a := range acc {
			j, _ := slices.BinarySearchFunc(ms, a.last+1, func(m match, t int32) int { return cmp.Compare(m.first, t) })
			for ; j < len(ms) && len(out) < maxMatches; j++ {
				b := ms[j]
				if b.first <= a.last {
					continue
				}
				fits, beyond := r.follows(a.last, b.first, n.slack[i+1])
				if beyond {
					break
				}
				if fits {
					out = append(out, join(a, b))
				}
			}
		}
		acc = tidy(out)
	}
	return acc
}

// follows reports whether token b comes soon enough after token a; beyond means that no later token can.
func (r *Reading) follows(a, b int32, slack int) (fits, beyond bool) {
	reach := phraseReach
	if slack == 0 {
		reach = 1
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

func (n and) eval(r *Reading) []match {
	lists := make([][]match, len(n.nodes))
	for i, operand := range n.nodes {
		lists[i] = operand.eval(r)
		if len(lists[i]) == 0 {
			return nil
		}
	}
	acc := lists[0]
	for _, ms := range lists[1:] {
		var out []match
		for _, a := range acc {
			for _, b := range ms {
				if len(out) >= maxMatches {
					break
				}
				if b.first == a.first && b.last == a.last && len(n.nodes) == 2 && sameLeaves(a, b) {
					continue
				}
				if r.within(min(a.first, b.first), max(a.last, b.last), n.steps) {
					out = append(out, join(a, b))
				}
			}
		}
		if acc = tidy(out); len(acc) == 0 {
			return nil
		}
	}
	for _, no := range n.absent {
		ms := no.eval(r)
		if len(ms) == 0 {
			continue
		}
		acc = slices.DeleteFunc(slices.Clone(acc), func(a match) bool {
			return slices.ContainsFunc(ms, func(b match) bool {
				return r.within(min(a.first, b.first), max(a.last, b.last), n.steps) &&
					r.Text.Tokens[a.first].Sentence <= r.Text.Tokens[b.last].Sentence &&
					r.Text.Tokens[b.first].Sentence <= r.Text.Tokens[a.last].Sentence
			})
		})
	}
	return acc
}

func sameLeaves(a, b match) bool { return slices.Equal(a.leaves, b.leaves) }

func (r *Reading) within(first, last int32, steps int) bool {
	return r.Text.Tokens[last].Pos-r.Text.Tokens[first].Pos <= steps
}

// deny is its operand under a negation: "~(network & pool)" is the claim that the network does not use the pool.
type deny struct{ node node }

func (n deny) eval(r *Reading) []match {
	var out []match
	for _, m := range n.node.eval(r) {
		if cues := r.negations(m); len(cues) > 0 {
			m.eaten = append(slices.Clip(m.eaten), cues...)
			m.first = min(m.first, slices.Min(cues))
			m.last = max(m.last, slices.Max(cues))
			out = append(out, m)
		}
	}
	return tidy(out)
}

func join(a, b match) match {
	leaves := make([]int32, 0, len(a.leaves)+len(b.leaves))
	leaves = append(append(leaves, a.leaves...), b.leaves...)
	m := match{first: min(a.first, b.first), last: max(a.last, b.last), leaves: leaves, reversed: a.reversed || b.reversed, firm: a.firm && b.firm}
	if len(a.eaten)+len(b.eaten) > 0 {
		m.eaten = append(slices.Clone(a.eaten), b.eaten...)
	}
	return m
}

// tidy sorts by place and keeps the shortest of those that begin at one token and end at one token.
func tidy(ms []match) []match {
	if len(ms) < 2 {
		return ms
	}
	sorted := slices.IsSortedFunc(ms, compareMatches)
	if !sorted {
		ms = slices.Clone(ms)
		slices.SortStableFunc(ms, compareMatches)
	}
	if len(ms) > maxMatches {
		ms = ms[:maxMatches]
	}
	return ms
}

func compareMatches(a, b match) int {
	return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
}
