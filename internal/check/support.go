package check

// Support returns the places that make the case for the i-th point, one for each part that was found: the tightest ones,
// those with most of the pattern's words in the least text. all are the places of every match that speaks for it.
func (r *Reading) Support(i int) (best []Evidence, all []Span) {
	f := r.point(i)
	return f.tightest, f.said
}

// Against returns the tightest places that contradict the i-th point.
func (r *Reading) Against(i int) []Evidence {
	if o := &r.program.points[i].contradicted; o.node != nil {
		if res := r.weigh(o); res.status == Affirmed {
			return r.tightest(nil, "", o.node, res)
		}
	}
	return r.Point(i).Against
}

// MisconceptionEvidence returns the tightest place where the i-th misconception is asserted.
func (r *Reading) MisconceptionEvidence(i int) []Evidence {
	o := &r.program.misconceptions[i]
	res := r.weigh(o)
	if res.status != Affirmed {
		return nil
	}
	return r.tightest(nil, "", o.node, res)
}

// weigh is assess; what speaks for the expression stands in r.said afterwards.
func (r *Reading) weigh(o *operand) assessed {
	r.said = r.said[:0]
	return r.assessAs(o, false, &r.said)
}

// credit notes the places that speak for a part that was just weighed and is affirmed.
func (f *pointFinding) credit(r *Reading, p *part, res assessed) {
	f.tightest = r.tightest(f.tightest, p.name, p.expr.node, res)
	for _, m := range r.said {
		f.said = append(f.said, Span{int(m.first), int(m.last) + 1})
	}
}

// tightest adds the evidence for an expression that was just weighed and is affirmed. An enumeration stands as a whole.
func (r *Reading) tightest(to []Evidence, part string, n node, res assessed) []Evidence {
	if len(r.said) == 0 { // a denial turned round twice, or an enumeration
		r.said = append(r.said, res.best...)
	}
	switch n.(type) {
	case *order, *atLeast:
		return addEvidence(to, part, res.best)
	}
	top := &r.said[0]
	for i := range r.said {
		if m := &r.said[i]; r.tightness(m) > r.tightness(top) {
			top = m
		}
	}
	return append(to, Evidence{Span{int(top.first), int(top.last) + 1}, part})
}

// tightness grows with the words that a pattern named and falls with the text between them.
func (r *Reading) tightness(m *match) int {
	spread := r.Text.Tokens[m.last].Pos - r.Text.Tokens[m.first].Pos
	return 6*int(m.named) - spread
}
