package check

import (
	"fmt"
	"strings"

	"github.com/vivagrader/grader/internal/canon"
)

// Trace tells, for people who write checks, what one expression matched in an answer and why it did not.
type Trace struct {
	Expr    string // a short form of the expression
	Status  Status
	Level   Level
	Matches []TraceMatch
	Note    string // why there is no match
	Parts   []Trace
}

// TraceMatch is one match with what the text makes of it.
type TraceMatch struct {
	Quote  string
	Status Status
	Why    string // the cue that denies or hedges it
	Heard  string // the mis-hearing that was replaced inside it
}

// ExplainPoint traces every expression of a point: the parts of its check, then partial, contradicted and name.
func (r *Reading) ExplainPoint(i int) []Trace {
	c := &r.program.points[i]
	var out []Trace
	for k := range c.parts {
		p := &c.parts[k]
		t := r.trace(&p.expr, 0)
		t.Expr = strings.TrimSpace("check " + p.name)
		out = append(out, t)
	}
	for _, x := range []struct {
		name string
		expr *operand
	}{{"partial", &c.partial}, {"contradicted", &c.contradicted}, {"name", &c.name}} {
		if x.expr.node != nil {
			t := r.trace(x.expr, 0)
			t.Expr = x.name
			out = append(out, t)
		}
	}
	return out
}

// ExplainMisconception traces the check of a misconception.
func (r *Reading) ExplainMisconception(i int) []Trace {
	o := &r.program.misconceptions[i]
	if o.node == nil {
		return nil
	}
	t := r.trace(o, 0)
	t.Expr = "check"
	return []Trace{t}
}

const (
	traceDepth   = 4
	traceMatches = 4
)

func (r *Reading) trace(o *operand, depth int) Trace {
	n := o.node
	res := r.assess(o)
	t := Trace{Expr: r.program.describe(n), Status: res.status, Level: res.level}
	ms := r.eval(o)
	for i, m := range ms {
		if i == traceMatches {
			break
		}
		t.Matches = append(t.Matches, r.traceMatch(&m))
	}
	if len(ms) == 0 {
		t.Note = r.why(n)
	}
	if depth >= traceDepth {
		return t
	}
	kids := children(n)
	for i := range kids {
		child := &kids[i]
		if _, isWord := child.node.(*word); isWord && len(r.eval(child)) == 0 {
			continue
		}
		ct := r.trace(child, depth+1)
		if _, alternatives := n.(*or); alternatives && len(ct.Matches) == 0 && !closeCall(r, child.node) {
			continue // the alternatives that did not come near are noise
		}
		t.Parts = append(t.Parts, ct)
	}
	return t
}

// closeCall reports whether at least half the operands of a missed alternative are in the text.
func closeCall(r *Reading, n node) bool {
	kids := children(n)
	found := 0
	for i := range kids {
		if len(r.eval(&kids[i])) > 0 {
			found++
		}
	}
	return len(kids) > 1 && found*2 >= len(kids)
}

func children(n node) []operand {
	switch n := n.(type) {
	case *or:
		return n.alts
	case *anyOf:
		return n.alts
	case *seq:
		return n.nodes
	case *and:
		return n.nodes
	case *deny:
		return n.ops[:]
	case *question:
		return n.ops[:]
	case *before:
		return n.ops[:]
	case *order:
		return n.items
	case *atLeast:
		return n.items
	}
	return nil
}

// why says what is missing of an expression without a match.
func (r *Reading) why(n node) string {
	switch n := n.(type) {
	case *seq, *and, *before:
		var missing []string
		kids := children(n)
		for i := range kids {
			if len(r.eval(&kids[i])) == 0 {
				missing = append(missing, r.program.describe(kids[i].node))
			}
		}
		if len(missing) > 0 {
			return "not in the text: " + strings.Join(missing, "; ")
		}
		if _, phrase := n.(*seq); phrase {
			return "all words are there, but not next to each other in this order"
		}
		if _, rel := n.(*before); rel {
			return "both are there, but nothing near them says which comes first"
		}
		return "all operands are there, but too far apart, or an excluded one (&!) is near"
	case *deny:
		if len(r.eval(&n.ops[0])) > 0 {
			return "said, but not denied"
		}
	}
	return ""
}

func (r *Reading) traceMatch(m *match) TraceMatch {
	span := r.Text.Quote(int(m.first), int(m.last))
	tm := TraceMatch{Quote: r.Text.Source[min(span.Start, span.End):max(span.Start, span.End)], Status: r.polarity(m)}
	if m.flags&reversed != 0 {
		tm.Status = Reversed
	}
	kinds := [...]string{"negated", "excluded", "refuted", "taken back", "doubted", "asked", "listed"}
	for _, leaf := range r.leavesOf(m) {
		for _, k := range r.covers(leaf) {
			s := &r.scopes[k]
			if tm.Why == "" && !r.eats(m, s) {
				tm.Why = kinds[s.kind]
				if s.named > 0 {
					tm.Why += fmt.Sprintf(" by %q", r.Text.Tokens[s.cues[0]].Word)
				}
			}
		}
		if a := r.Text.Tokens[leaf].Alias; a != nil && a.Misheard {
			tm.Heard = fmt.Sprintf("%s heard as %q", a.Means, a.Heard)
		}
	}
	return tm
}

// describe writes an expression in its one-line form, shortened.
func (p *Program) describe(n node) string {
	s := p.format(n)
	if r := []rune(s); len(r) > 90 {
		s = string(r[:87]) + "..."
	}
	return s
}

func (p *Program) format(n node) string {
	list := func(ops []operand, sep string) string {
		parts := make([]string, len(ops))
		for i, k := range ops {
			parts[i] = p.format(k.node)
			if _, alt := k.node.(*or); alt {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, sep)
	}
	switch n := n.(type) {
	case *word:
		return p.lexicon.Spell(n.id)
	case *number:
		return formatNumber(n)
	case *set:
		return "$" + p.setNames[n.index]
	case *or:
		return list(n.alts, " | ")
	case *anyOf:
		return list(n.alts, " | ")
	case *seq:
		return list(n.nodes, " ")
	case *and:
		return list(n.nodes, " & ")
	case *deny:
		return "~(" + p.format(n.ops[0].node) + ")"
	case *question:
		return "asked: " + p.format(n.ops[0].node)
	case *before:
		return p.format(n.ops[0].node) + " before " + p.format(n.ops[1].node)
	case *order:
		return "order: " + list(n.items, ", ")
	case *atLeast:
		return fmt.Sprintf("at least %d of: %s", n.need, list(n.items, ", "))
	}
	return "?"
}

func formatNumber(n *number) string {
	unit := map[canon.Unit]string{canon.UnitBytes: " bytes", canon.UnitMillis: " ms", canon.UnitPercent: " %"}[n.unit]
	switch {
	case n.min < -1e299 && n.max > 1e299:
		return "any number"
	case n.max > 1e299:
		return fmt.Sprintf("at least %g%s", n.min, unit)
	case n.max-n.min > 1e-3*n.max:
		return fmt.Sprintf("%g to %g%s", n.min, n.max, unit)
	}
	return fmt.Sprintf("%g%s", (n.min+n.max)/2, unit)
}
