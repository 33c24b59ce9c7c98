package grade

import (
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
)

// quoteWords is the longest quote, in tokens, that is widened to its clause.
const quoteWords = 28

// writer cuts quotes out of the submitted text.
type writer struct {
	text    string
	gate    *gate
	reading *check.Reading
	index   *index
	// credited are the sentences in which a match behind a credited point begins or ends: they did something, quoted or not.
	credited []bool
}

func newWriter(text string, g *gate, r *check.Reading) *writer {
	return &writer{text: text, gate: g, reading: r, index: newIndex(text, g.ascii), credited: make([]bool, len(r.Text.Sentences))}
}

// evidence quotes the clauses in which the checks matched, in the order of the text, without doubles.
func (w *writer) evidence(found []check.Evidence) []Evidence {
	var out []Evidence
	for _, f := range found {
		first, last := w.clause(f.First, f.Last-1)
		t := w.reading.Text
		span := t.Quote(first, last)
		for i := first; i <= last; i++ { // an alias can put tokens of one span side by side
			span.Start, span.End = min(span.Start, t.Tokens[i].Start), max(span.End, t.Tokens[i].End)
		}
		if w.gate.removed(span) {
			continue
		}
		e := w.index.evidence(span)
		for i := f.First; i < f.Last; i++ {
			if a := t.Tokens[i].Alias; a != nil && a.Misheard {
				e.HeardAs = a.Means
				break
			}
		}
		e.Source = ByCheck
		if !slices.ContainsFunc(out, func(o Evidence) bool { return o.Start <= e.Start && o.End >= e.End }) {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Evidence) int { return a.Start - b.Start })
	return out
}

// quotes are the places that a judge located.
func (w *writer) quotes(spans []canon.Span) []Evidence {
	var out []Evidence
	for _, s := range spans {
		if w.gate.removed(s) {
			continue
		}
		e := w.index.evidence(s)
		e.Source = ByJudge
		out = append(out, e)
	}
	return out
}

// clause widens a match to the clauses that it stands in, as long as the quote stays short.
func (w *writer) clause(first, last int) (int, int) {
	t := w.reading.Text
	from, to := t.Sentences[t.Tokens[first].Sentence], t.Sentences[t.Tokens[last].Sentence]
	if to.Last-from.First <= quoteWords {
		return from.First, to.Last - 1
	}
	start, end := first, last
	for start > from.First && !opensClause(t, start) && last-start < quoteWords {
		start--
	}
	if start > from.First && !opensClause(t, start) { // no clause in reach: the words themselves
		start = max(from.First, first-2)
	}
	for end+1 < to.Last && !opensClause(t, end+1) && end-start < quoteWords {
		end++
	}
	if end+1 < to.Last && !opensClause(t, end+1) {
		end = min(to.Last-1, last+2)
	}
	for start < first && loose[t.Tokens[start].Word] { // no quote begins with "and um"
		start++
	}
	return start, end
}

// opensClause reports whether token i begins a clause: behind punctuation, or, where nobody punctuates, at a word such as
// "so".
func opensClause(t *canon.Text, i int) bool {
	return t.Tokens[i].Break >= canon.BreakClause || clauseWords[t.Tokens[i].Word]
}

var (
	clauseWords = canon.WordSet("so but because and then if when while which")
	loose       = canon.WordSet("so but and then because well okay ok yeah right like")
)

// sentences tells what every sentence of the submitted text did.
func (w *writer) sentences(credited, charged []Evidence) []SentenceRole {
	t := w.reading.Text
	out := make([]SentenceRole, 0, len(t.Sentences)+len(w.gate.spans))
	overlaps := func(evs []Evidence, start, end int) bool {
		return slices.ContainsFunc(evs, func(e Evidence) bool { return e.Start < end && start < e.End })
	}
	for i, s := range t.Sentences {
		e := w.index.evidence(s.Span)
		role := Unmapped
		switch {
		case overlaps(charged, e.Start, e.End):
			role = Charged
		case overlaps(credited, e.Start, e.End) || w.credited[i]:
			role = Credited
		case contentWords(t, s) < 3:
			role = Filler
		}
		out = append(out, SentenceRole{e.Start, e.End, role})
	}
	for _, s := range w.gate.spans {
		e := w.index.evidence(s)
		out = append(out, SentenceRole{e.Start, e.End, Removed})
	}
	slices.SortFunc(out, func(a, b SentenceRole) int { return a.Start - b.Start })
	return out
}

// credit notes the sentences of the matches behind a credited point.
func (w *writer) credit(said []check.Span) {
	tokens := w.reading.Text.Tokens
	for _, m := range said {
		w.credited[tokens[m.First].Sentence], w.credited[tokens[m.Last-1].Sentence] = true, true
	}
}

func contentWords(t *canon.Text, s canon.Sentence) int {
	n := 0
	for i := s.First; i < s.Last; i++ {
		if !t.Tokens[i].Func && !t.Tokens[i].Free {
			n++
		}
	}
	return n
}

// index turns byte offsets into code points and UTF-16 code units.
type index struct {
	text   string
	points []int32 // per byte; nil for ASCII
	units  []int32
}

func newIndex(text string, plainASCII bool) *index {
	x := &index{text: text}
	if plainASCII {
		return x
	}
	x.points, x.units = make([]int32, len(text)+1), make([]int32, len(text)+1)
	var p, u int32
	for i, r := range text {
		size := utf8.RuneLen(r)
		for k := i; k < i+size && k < len(text); k++ {
			x.points[k], x.units[k] = p, u
		}
		p++
		u += int32(utf16.RuneLen(r))
	}
	x.points[len(text)], x.units[len(text)] = p, u
	return x
}

func (x *index) evidence(s canon.Span) Evidence {
	e := Evidence{Quote: x.text[s.Start:s.End], Start: s.Start, End: s.End, StartUTF16: s.Start, EndUTF16: s.End}
	if x.points != nil {
		e.Start, e.End = int(x.points[s.Start]), int(x.points[s.End])
		e.StartUTF16, e.EndUTF16 = int(x.units[s.Start]), int(x.units[s.End])
	}
	return e
}
