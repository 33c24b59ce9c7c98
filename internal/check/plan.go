package check

import (
	"encoding/binary"
	"math"
	"slices"
)

// operand is an expression with its number in the plan. What is known of it is looked up by the number alone: most
// expressions cannot fit an answer, and are never touched.
type operand struct {
	node node
	id   int32
}

func operands(nodes []node) []operand {
	out := make([]operand, len(nodes))
	for i, n := range nodes {
		out[i].node = n
	}
	return out
}

// plan is every expression of a program, behind those that it is made of, as what has to be there for it to fit. It is
// run through once for each answer, so it lies in one piece. Expressions that are written alike are one.
type plan struct {
	steps   []step
	needs   []int32
	numbers []*number
	written map[string]operand // while the plan is made: the first expression of each form
}

// step is one expression: what it needs stands in plan.needs.
type step struct {
	kind     stepKind
	from, to int32
}

type stepKind uint8

const (
	anyOperand stepKind = iota
	allOperands
	denied   // its only operand, where the text denies something
	anyWord  // needs are word IDs
	anyValue // needs is a place in plan.numbers
)

// add numbers an expression and those that it is made of. Sets are what their names stand for.
func (p *plan) add(o *operand, sets []operand) {
	all := func(lists ...[]operand) {
		for _, ops := range lists {
			for i := range ops {
				p.add(&ops[i], sets)
			}
		}
	}
	switch n := o.node.(type) {
	case nil:
	case *set:
		p.add(&sets[n.index], sets)
		o.id = sets[n.index].id
	case *word:
		p.put(o, "word", anyWord, []int32{n.id})
	case words:
		p.put(o, "words", anyWord, n)
	case *number:
		unit := uint64(n.unit)
		if n.anyUnit {
			unit = math.MaxUint64
		}
		if p.put(o, "number", anyValue, []int32{int32(len(p.numbers))}, math.Float64bits(n.min), math.Float64bits(n.max), unit) {
			p.numbers = append(p.numbers, n)
		}
	case *or:
		all(n.alts, n.joined)
		p.put(o, "or", anyOperand, ids(n.joined), params(ids(n.alts))...)
	case *anyOf:
		all(n.alts, n.joined)
		p.put(o, "any", anyOperand, ids(n.joined), params(ids(n.alts))...)
	case *seq:
		all(n.nodes)
		p.put(o, "seq", allOperands, ids(n.nodes), params(n.slack)...)
	case *and:
		all(n.nodes, n.absent)
		p.put(o, "and", allOperands, ids(n.nodes), append(params(ids(n.absent)), uint64(n.steps))...)
	case *before:
		all(n.ops[:])
		p.put(o, "before", allOperands, ids(n.ops[:]), uint64(n.steps))
	case *deny:
		all(n.ops[:])
		p.put(o, "deny", denied, ids(n.ops[:]))
	case *question:
		all(n.ops[:])
		p.put(o, "question", anyOperand, ids(n.ops[:]))
	case *order:
		all(n.items)
		cyclic := uint64(0)
		if n.cyclic {
			cyclic = 1
		}
		p.put(o, "order", anyOperand, ids(n.items), uint64(n.need), cyclic)
	case *atLeast:
		all(n.items)
		p.put(o, "atLeast", anyOperand, ids(n.items), uint64(n.need))
	}
}

// put gives an expression its number, and reports whether no other one is written alike: form, needs and parameters tell.
func (p *plan) put(o *operand, form string, kind stepKind, needs []int32, parameters ...uint64) bool {
	key := append([]byte(form), 0)
	if kind != anyValue {
		for _, k := range needs {
			key = binary.LittleEndian.AppendUint32(key, uint32(k))
		}
	}
	for _, k := range append(parameters, uint64(len(needs))) {
		key = binary.LittleEndian.AppendUint64(key, k)
	}
	if first, ok := p.written[string(key)]; ok {
		*o = first
		return false
	}
	o.id = int32(len(p.steps))
	p.written[string(key)] = *o
	from := len(p.needs)
	p.needs = append(p.needs, needs...)
	p.steps = append(p.steps, step{kind, int32(from), int32(len(p.needs))})
	return true
}

func ids(ops []operand) []int32 {
	out := make([]int32, len(ops))
	for i := range ops {
		out[i] = ops[i].id
	}
	return out
}

func params[T int | int32](values []T) []uint64 {
	out := make([]uint64, len(values))
	for i, v := range values {
		out[i] = uint64(v)
	}
	return out
}

// Of an expression a reading knows that it cannot fit, or nothing yet, or where its matches are: Reading.state holds one
// more than their place in Reading.results.
const (
	noMatches = -1
	notLooked = 0
)

// prepare finds the expressions that cannot fit, for want of words.
func (r *Reading) prepare(p *plan) {
	r.state = slices.Grow(r.state[:0], len(p.steps))[:len(p.steps)]
	state, slot := r.state, r.slot
	for id, s := range p.steps {
		fits, needs := false, p.needs[s.from:s.to]
		switch s.kind {
		case anyOperand:
			for _, k := range needs {
				if fits = state[k] == notLooked; fits {
					break
				}
			}
		case allOperands:
			fits = true
			for _, k := range needs {
				if fits = state[k] == notLooked; !fits {
					break
				}
			}
		case anyWord:
			for _, k := range needs {
				if fits = slot[k] > 0; fits {
					break
				}
			}
		case denied:
			fits = r.denials && state[needs[0]] == notLooked
		case anyValue:
			fits = r.mentionsNumber(p.numbers[needs[0]])
		}
		state[id] = notLooked
		if !fits {
			state[id] = noMatches
		}
	}
}

// eval returns the matches of an expression, in the order of the text. They must not be changed.
func (r *Reading) eval(o *operand) []match {
	switch k := r.state[o.id]; k {
	case noMatches:
		return nil
	case notLooked:
	default:
		return r.results[k-1]
	}
	ms := o.node.eval(r)
	if len(ms) == 0 {
		r.state[o.id] = noMatches
		return nil
	}
	r.results = append(r.results, ms)
	r.state[o.id] = int32(len(r.results))
	return ms
}
