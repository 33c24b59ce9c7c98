package check

import "slices"

// Dead is an alternative that another one of the same list makes superfluous.
type Dead struct {
	Line, Column int
	Dead, By     string
}

// Redundant lists the alternatives of the question's checks that can never win: doubles, and conjunctions that hold all
// operands of a shorter alternative.
func (p *Program) Redundant() []Dead {
	var out []Dead
	for i := range p.points {
		c := &p.points[i]
		for _, part := range c.parts {
			out = p.redundant(part.expr.node, c.line, c.column, out)
		}
		for _, o := range []operand{c.partial, c.contradicted, c.name} {
			out = p.redundant(o.node, c.line, c.column, out)
		}
	}
	return out
}

func (p *Program) redundant(n node, line, column int, out []Dead) []Dead {
	if n == nil {
		return out
	}
	if n, ok := n.(*or); ok {
		for i, a := range n.alts {
			for j, b := range n.alts {
				if i != j && p.covers(a.node, b.node) && !(j < i && p.covers(b.node, a.node)) {
					out = append(out, Dead{line, column, p.describe(b.node), p.describe(a.node)})
					break
				}
			}
		}
	}
	for _, k := range children(n) {
		out = p.redundant(k.node, line, column, out)
	}
	return out
}

// covers reports whether a matches wherever b does, as far as the form of the two shows.
func (p *Program) covers(a, b node) bool {
	if p.format(a) == p.format(b) {
		return true
	}
	conj, ok := b.(*and)
	if !ok || len(conj.absent) > 0 {
		return false
	}
	operands := []operand{{node: a}}
	if short, ok := a.(*and); ok {
		if len(short.absent) > 0 || short.steps < conj.steps {
			return false
		}
		operands = short.nodes
	}
	return !slices.ContainsFunc(operands, func(x operand) bool {
		return !slices.ContainsFunc(conj.nodes, func(y operand) bool { return p.format(x.node) == p.format(y.node) })
	})
}
