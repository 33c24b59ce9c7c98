package interview

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/transcript"
)

// piece is the smallest stretch that is given a speaker and a topic: a sentence, or what stands between two pauses.
type piece struct {
	start, end int // bytes of the transcript's text
	at         transcript.Times
	speaker    string
	pauseMS    int  // before it; -1 where unknown
	full       bool // the piece before it ended with a full stop or the like
}

// cutPauseMS is the least pause at which text without punctuation is cut.
const cutPauseMS = 500

// pieces cuts a transcript at changes of speaker, ends of sentences and long pauses.
func pieces(t *transcript.Transcript) []piece {
	cuts := sentenceEnds(t.Text)
	cuts = append(cuts, pauses(t)...)
	stretches := spoken(t)
	for _, s := range stretches {
		cuts = append(cuts, s.start, s.end)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var out []piece
	from := 0
	for _, cut := range append(cuts, len(t.Text)) {
		start, end := trim(t.Text, from, cut)
		from = max(from, cut)
		for _, s := range thoughts(t.Text, start, end) {
			out = append(out, piece{start: s.Start, end: s.End, speaker: speakerAt(stretches, s.Start, s.End)})
		}
	}
	out = join(t.Text, out)
	timed(t, out)
	return out
}

// longPiece is the number of bytes above which nobody has punctuated a stretch.
const longPiece = 300

// thoughts cuts a stretch without punctuation where canon does.
func thoughts(text string, start, end int) []canon.Span {
	switch {
	case start >= end:
		return nil
	case end-start <= longPiece:
		return []canon.Span{{Start: start, End: end}}
	}
	var out []canon.Span
	for _, s := range canon.Read(text[start:end], canon.NewLexicon(nil)).Sentences {
		if n := len(out); n > 0 {
			out[n-1].End = start + s.Start
		}
		out = append(out, canon.Span{Start: start + s.Start, End: end})
	}
	if len(out) > 0 {
		out[0].Start = start
	}
	for i := range out {
		out[i].Start, out[i].End = trim(text, out[i].Start, out[i].End)
	}
	return out
}

// join puts signs without any letter or digit to the piece that they touch, or else to the one before.
func join(text string, in []piece) []piece {
	var out []piece
	for i, p := range in {
		switch {
		case strings.ContainsFunc(text[p.start:p.end], wordRune):
			out = append(out, p)
		case i+1 < len(in) && in[i+1].start == p.end:
			in[i+1].start = p.start
		case len(out) > 0:
			out[len(out)-1].end = p.end
		}
	}
	return out
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// trim returns the stretch without blanks at its ends.
func trim(text string, start, end int) (int, int) {
	s := text[min(start, end):end]
	left := len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace))
	return start + left, start + len(strings.TrimRightFunc(s, unicode.IsSpace))
}

// abbreviations end with a full stop that ends no sentence.
var abbreviations = []string{"e.g.", "i.e.", "vs.", "mr.", "mrs.", "ms.", "dr.", "approx."}

// sentenceEnds are the bytes behind full stops, question and exclamation marks that end a sentence, and line breaks.
func sentenceEnds(text string) []int {
	var out []int
	for i, r := range text {
		switch r {
		case '\n':
			out = append(out, i+1)
		case '.', '!', '?', '…':
			end := i + utf8.RuneLen(r)
			next, _ := utf8.DecodeRuneInString(text[end:])
			if (end == len(text) || unicode.IsSpace(next)) && !(r == '.' && abbreviated(text[:end])) {
				out = append(out, end)
			}
		}
	}
	return out
}

func abbreviated(text string) bool {
	last := text[strings.LastIndexFunc(text, unicode.IsSpace)+1:]
	return slices.Contains(abbreviations, strings.ToLower(last))
}

// pauses are the bytes of words before which nobody speaks for a while.
func pauses(t *transcript.Transcript) []int {
	var out []int
	last := -1
	for i := range t.Words {
		w := &t.Words[i]
		if !w.Known || w.Start == w.End {
			continue
		}
		if last >= 0 && w.StartMS-last >= cutPauseMS {
			out = append(out, w.Start)
		}
		last = max(last, w.EndMS)
	}
	return out
}

// stretch is text of one speaker.
type stretch struct {
	start, end int
	speaker    string
}

// spoken are the stretches whose speaker is known, in the order of the text.
func spoken(t *transcript.Transcript) []stretch {
	var out []stretch
	add := func(start, end int, speaker string) {
		switch n := len(out); {
		case speaker == "" || start >= end:
		case n > 0 && out[n-1].speaker == speaker && !strings.ContainsFunc(t.Text[min(out[n-1].end, start):start], wordRune):
			out[n-1].end = max(out[n-1].end, end)
		default:
			out = append(out, stretch{start, end, speaker})
		}
	}
	for i := range t.Words {
		add(t.Words[i].Start, t.Words[i].End, t.Words[i].Speaker)
	}
	if len(out) == 0 {
		for i := range t.Segments {
			add(t.Segments[i].Start, t.Segments[i].End, t.Segments[i].Speaker)
		}
	}
	slices.SortStableFunc(out, func(a, b stretch) int { return cmp.Compare(a.start, b.start) })
	return out
}

// speakerAt is who says most of a stretch; empty where nobody is known.
func speakerAt(stretches []stretch, start, end int) string {
	i, _ := slices.BinarySearchFunc(stretches, start, func(s stretch, at int) int { return cmp.Compare(s.end, at+1) })
	most, speaker := 0, ""
	for ; i < len(stretches) && stretches[i].start < end; i++ {
		if n := min(end, stretches[i].end) - max(start, stretches[i].start); n > most {
			most, speaker = n, stretches[i].speaker
		}
	}
	return speaker
}

// timed fills in times and pauses. Words give both; segments only where they begin with the piece.
func timed(t *transcript.Transcript, out []piece) {
	c := newClock(t)
	lastEnd := -1
	for i := range out {
		p := &out[i]
		p.at = c.times(p.start, p.end)
		p.pauseMS = -1
		if p.at.Known && lastEnd >= 0 {
			p.pauseMS = max(p.at.StartMS-lastEnd, 0)
		}
		if p.at.Known {
			lastEnd = max(lastEnd, p.at.EndMS)
		}
		p.full = i == 0 || strings.ContainsAny(t.Text[max(out[i-1].start, out[i-1].end-2):p.start], ".!?…\n")
	}
}

// clock finds times by places in the text, in the order of the text.
type clock struct {
	words    []transcript.Word
	segments []transcript.Segment
}

func newClock(t *transcript.Transcript) *clock {
	c := &clock{}
	for _, w := range t.Words {
		if w.Known && w.Start < w.End {
			c.words = append(c.words, w)
		}
	}
	for _, s := range t.Segments {
		if s.Known && s.Start < s.End {
			c.segments = append(c.segments, s)
		}
	}
	slices.SortStableFunc(c.words, func(a, b transcript.Word) int { return cmp.Compare(a.Start, b.Start) })
	slices.SortStableFunc(c.segments, func(a, b transcript.Segment) int { return cmp.Compare(a.Start, b.Start) })
	return c
}

// times are those of the words between two bytes, else of the share of the segments that they stand in.
func (c *clock) times(start, end int) transcript.Times {
	var at transcript.Times
	i, _ := slices.BinarySearchFunc(c.words, start, func(w transcript.Word, at int) int { return cmp.Compare(w.End, at+1) })
	for ; i < len(c.words) && c.words[i].Start < end; i++ {
		if !at.Known {
			at = c.words[i].Times
		}
		at.EndMS = max(at.EndMS, c.words[i].EndMS)
	}
	if at.Known {
		return at
	}
	i, _ = slices.BinarySearchFunc(c.segments, start, func(s transcript.Segment, at int) int { return cmp.Compare(s.End, at+1) })
	for ; i < len(c.segments) && c.segments[i].Start < end; i++ {
		s := &c.segments[i]
		from, to := within(s, max(start, s.Start)), within(s, min(end, s.End))
		if !at.Known {
			at = transcript.Times{StartMS: from, EndMS: to, Known: true}
		}
		at.EndMS = max(at.EndMS, to)
	}
	return at
}

// within guesses when a byte of a segment is said, as if everything in it took the same time.
func within(s *transcript.Segment, at int) int {
	return s.StartMS + (max(s.EndMS, s.StartMS)-s.StartMS)*(at-s.Start)/(s.End-s.Start)
}
