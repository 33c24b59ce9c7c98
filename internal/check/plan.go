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
}

// planner makes a plan.
type planner struct {
	plan
	sets  []operand
	first map[string]operand // of each form, the first expression
	form  []byte             // of the one that is being added
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

// add numbers expressions and those that they are made of. Sets are what their names stand for.
func (p *planner) add(ops []operand) {
	for i := range ops {
		p.addOne(&ops[i])
	}
}

func (p *planner) addOne(o *operand) {
	switch n := o.node.(type) {
	case nil:
	case *set:
		p.add(p.sets[n.index : n.index+1])
		o.id = p.sets[n.index].id
	case *word:
		p.write("word", uint64(n.id))
		p.put(o, anyWord, nil, n.id)
	case words:
		p.write("words")
		for _, id := range n {
			p.write("", uint64(id))
		}
		p.put(o, anyWord, nil, n...)
	case *number:
		unit := uint64(n.unit)
		if n.anyUnit {
			unit = math.MaxUint64
		}
		p.write("number", math.Float64bits(n.min), math.Float64bits(n.max), unit)
		if p.put(o, anyValue, nil, int32(len(p.numbers))) {
			p.numbers = append(p.numbers, n)
		}
	case *or:
		p.add(n.alts)
		p.add(n.joined)
		p.write("or")
		p.writeAll(n.alts)
		p.put(o, anyOperand, n.joined)
	case *anyOf:
		p.add(n.alts)
		p.add(n.joined)
		p.write("any")
		p.writeAll(n.alts)
		p.put(o, anyOperand, n.joined)
	case *seq:
		p.add(n.nodes)
		p.write("seq")
		p.writeAll(n.nodes)
		for _, slack := range n.slack {
			p.write("", uint64(slack))
		}
		p.put(o, allOperands, n.nodes)
	case *and:
		p.add(n.nodes)
		p.add(n.absent)
		p.write("and", uint64(n.steps), uint64(len(n.absent)))
		p.writeAll(n.absent)
		p.writeAll(n.nodes)
		p.put(o, allOperands, n.nodes)
	case *before:
		p.add(n.ops[:])
		p.write("before", uint64(n.steps))
		p.writeAll(n.ops[:])
		p.put(o, allOperands, n.ops[:])
	case *deny:
		p.add(n.ops[:])
		p.write("deny")
		p.writeAll(n.ops[:])
		p.put(o, denied, n.ops[:])
	case *question:
		p.add(n.ops[:])
		p.write("question")
		p.writeAll(n.ops[:])
		p.put(o, anyOperand, n.ops[:])
	case *order:
		p.add(n.items)
		p.write("order", uint64(n.need))
		if n.cyclic {
			p.write("cyclic")
		}
		p.writeAll(n.items)
		p.put(o, anyOperand, n.items)
	case *atLeast:
		p.add(n.items)
		p.write("at least", uint64(n.need))
		p.writeAll(n.items)
		p.put(o, anyOperand, n.items)
	}
}

// write adds to the form of an expression, which tells it from all others.
func (p *planner) write(name string, parameters ...uint64) {
	p.form = append(p.form, name...)
	for _, k := range parameters {
		p.form = binary.LittleEndian.AppendUint64(append(p.form, ' '), k)
	}
}

func (p *planner) writeAll(ops []operand) {
	for i := range ops {
		p.write("", uint64(ops[i].id))
	}
}

// put gives the expression that was written its number, and reports whether it is the first one of its form. It needs
// operands or other things.
func (p *planner) put(o *operand, kind stepKind, ops []operand, others ...int32) bool {
	first, ok := p.first[string(p.form)]
	if ok {
		*o = first
		p.form = p.form[:0]
		return false
	}
	o.id = int32(len(p.steps))
	p.first[string(p.form)] = *o
	p.form = p.form[:0]
	from := len(p.needs)
	for i := range ops {
		p.needs = append(p.needs, ops[i].id)
	}
	p.needs = append(p.needs, others...)
	p.steps = append(p.steps, step{kind, int32(from), int32(len(p.needs))})
	return true
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
