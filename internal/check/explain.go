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
	for _, p := range c.parts {
		t := r.trace(p.node, 0)
		t.Expr = strings.TrimSpace("check " + p.name)
		out = append(out, t)
	}
	for _, x := range []struct {
		name string
		node node
	}{{"partial", c.partial}, {"contradicted", c.contradicted}, {"name", c.name}} {
		if x.node != nil {
			t := r.trace(x.node, 0)
			t.Expr = x.name
			out = append(out, t)
		}
	}
	return out
}

// ExplainMisconception traces the check of a misconception.
func (r *Reading) ExplainMisconception(i int) []Trace {
	n := r.program.misconceptions[i]
	if n == nil {
		return nil
	}
	t := r.trace(n, 0)
	t.Expr = "check"
	return []Trace{t}
}

const (
	traceDepth   = 4
	traceMatches = 4
)

func (r *Reading) trace(n node, depth int) Trace {
	res := r.assess(n)
	t := Trace{Expr: r.program.describe(n), Status: res.status, Level: res.level}
	ms := n.eval(r)
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
	for _, child := range children(n) {
		if _, isWord := child.(*word); isWord && len(child.eval(r)) == 0 {
			continue
		}
		ct := r.trace(child, depth+1)
		if _, alternatives := n.(*or); alternatives && len(ct.Matches) == 0 && !closeCall(r, child) {
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
	for _, k := range kids {
		if len(k.eval(r)) > 0 {
			found++
		}
	}
	return len(kids) > 1 && found*2 >= len(kids)
}

func children(n node) []node {
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
		return []node{n.node}
	case *question:
		return []node{n.node}
	case *before:
		return []node{n.first, n.then}
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
		for _, k := range children(n) {
			if len(k.eval(r)) == 0 {
				missing = append(missing, r.program.describe(k))
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
		if len(n.node.eval(r)) > 0 {
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
	list := func(ns []node, sep string) string {
		parts := make([]string, len(ns))
		for i, k := range ns {
			parts[i] = p.format(k)
			if _, alt := k.(*or); alt {
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
		return "~(" + p.format(n.node) + ")"
	case *question:
		return "asked: " + p.format(n.node)
	case *before:
		return p.format(n.first) + " before " + p.format(n.then)
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
