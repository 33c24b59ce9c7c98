package check

import "slices"

// Support returns the places that make the case for the i-th point, one for each part that was found: the tightest ones,
// those with most of the pattern's words in the least text. all are the places of every match that speaks for it.
func (r *Reading) Support(i int) (best []Evidence, all []Span) {
	c := &r.program.points[i]
	for _, p := range c.parts {
		best, all = r.support(p.node, p.name, best, all)
	}
	if len(best) == 0 && c.partial != nil {
		best, all = r.support(c.partial, "", best, all)
	}
	return best, all
}

// Against returns the tightest places that contradict the i-th point.
func (r *Reading) Against(i int) []Evidence {
	c := &r.program.points[i]
	var out []Evidence
	if c.contradicted != nil {
		out, _ = r.support(c.contradicted, "", nil, nil)
	}
	if len(out) == 0 {
		out = r.Point(i).Against
	}
	return out
}

// MisconceptionEvidence returns the tightest place where the i-th misconception is asserted.
func (r *Reading) MisconceptionEvidence(i int) []Evidence {
	out, _ := r.support(r.program.misconceptions[i], "", nil, nil)
	return out
}

func (r *Reading) support(n node, part string, best []Evidence, all []Span) ([]Evidence, []Span) {
	res := r.assess(n)
	if res.status != Affirmed {
		return best, all
	}
	ms := r.affirmed(n, false, r.affirms[:0])
	r.affirms = ms
	if len(ms) == 0 { // a denial turned round twice, or an enumeration
		ms = res.best
	}
	all = slices.Grow(all, len(ms))
	for _, m := range ms {
		all = append(all, Span{int(m.first), int(m.last) + 1})
	}
	switch n.(type) {
	case order, atLeast:
		best = append(best, evidence(part, res.best)...)
		return best, all
	}
	top := ms[0]
	for _, m := range ms[1:] {
		if r.tightness(&m) > r.tightness(&top) {
			top = m
		}
	}
	return append(best, evidence(part, []match{top})...), all
}

// affirmed collects the affirmed matches of all alternatives.
func (r *Reading) affirmed(n node, firm bool, out []match) []match {
	switch n := n.(type) {
	case or:
		for _, alt := range n {
			out = r.affirmed(alt, firm, out)
		}
		return out
	case anyOf:
		for _, alt := range n {
			out = r.affirmed(alt, firm, out)
		}
		return out
	case atLeast:
		for _, item := range n.items {
			out = r.affirmed(item, true, out)
		}
		return out
	case order:
		return append(out, n.assess(r).best...)
	}
	for _, m := range n.eval(r) {
		if firm {
			m.flags |= firmlyListed
		}
		if s := r.polarity(&m); s == Affirmed && m.flags&reversed == 0 || s == Denied && m.flags&reversed != 0 {
			out = append(out, m)
		}
	}
	return out
}

// tightness grows with the words that a pattern named and falls with the text between them.
func (r *Reading) tightness(m *match) int {
	spread := r.Text.Tokens[m.last].Pos - r.Text.Tokens[m.first].Pos
	return 6*len(r.leavesOf(m)) - spread
}
