package transcript

import "strings"

// Between returns what is said from startMS to endMS: the words whose middle lies there, with the text from the first
// of them to the word that follows, and the segments cut to it. Without times of words whole segments count, by their
// beginning. Stretches that follow one another share the whole text out among them.
func (t *Transcript) Between(startMS, endMS int) *Transcript {
	out := &Transcript{Language: t.Language, DurationMS: t.DurationMS, Format: t.Format, Doubtful: t.Doubtful}
	inside := func(ms int) bool { return ms >= startMS && ms < endMS }
	var cut cutter
	if t.Timed() {
		for i := range t.Words {
			w := &t.Words[i]
			in := inside((w.StartMS + w.EndMS) / 2)
			if in {
				out.Words = append(out.Words, *w)
			}
			cut.see(w.Start, w.End, in)
		}
	} else {
		for i := range t.Segments {
			s := &t.Segments[i]
			cut.see(s.Start, s.End, s.Known && inside(s.StartMS))
		}
	}
	from, to := cut.bounds(t.Text)
	out.Text = t.Text[from:to]
	for i := range out.Words {
		w := &out.Words[i]
		w.Start, w.End = max(0, w.Start-from), max(0, w.End-from)
	}
	for i := range t.Segments {
		if s, ok := t.segmentWithin(i, from, to); ok {
			out.Segments = append(out.Segments, s)
		}
	}
	return out
}

// cutter finds the part of a text that some of its words or segments make up.
type cutter struct {
	found, closed bool
	seen          bool // something before it
	from, to      int
}

// see takes the next word or segment with its place in the text; it has none where start is end.
func (c *cutter) see(start, end int, in bool) {
	switch {
	case start == end:
		return
	case in && !c.found:
		c.found = true
		if c.seen {
			c.from = start
		}
	case !in && c.found && !c.closed:
		c.closed, c.to = true, start
	case in && c.closed:
		c.closed = false
	}
	c.seen = true
}

// bounds are those of the part without space around it.
func (c *cutter) bounds(text string) (from, to int) {
	if !c.found {
		return 0, 0
	}
	to = len(text)
	if c.closed {
		to = c.to
	}
	part := text[c.from:to]
	from = c.from + len(part) - len(strings.TrimLeft(part, " \n\t"))
	return from, from + len(strings.TrimSpace(part))
}

// segmentWithin is what of a segment stands between two bytes of the text, placed from the first of them.
func (t *Transcript) segmentWithin(i, from, to int) (Segment, bool) {
	s := t.Segments[i]
	start, end := max(s.Start, from), min(s.End, to)
	if start >= end {
		return s, false
	}
	whole := start == s.Start && end == s.End
	for start > from && !isSpace(t.Text[start-1]) { // quotes and full stops belong to the words beside them
		start--
	}
	for end < to && !isSpace(t.Text[end]) {
		end++
	}
	if !whole {
		s.Text, s.Times = strings.TrimSpace(t.Text[start:end]), t.TimesAt(start, end)
	}
	s.Start, s.End = start-from, end-from
	return s, true
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' }
