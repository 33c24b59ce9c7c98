package transcript

import (
	"unicode"
	"unicode/utf8"
)

// lookahead is how many letters and digits a word may lie ahead of where it is expected: a text that was corrected by
// hand has other words than the recogniser's list.
const lookahead = 160

// folded is a text reduced to its letters and digits in lower case, with the byte at which each stands.
type folded struct {
	runes []rune
	at    []int
	size  []int
}

func fold(text string) folded {
	f := folded{make([]rune, 0, len(text)), make([]int, 0, len(text)), make([]int, 0, len(text))}
	for i, r := range text {
		if r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			f.runes, f.at, f.size = append(f.runes, unicode.ToLower(r)), append(f.at, i), append(f.size, utf8.RuneLen(r))
		}
	}
	return f
}

func (f folded) matches(pos int, word []rune) bool {
	if pos+len(word) > len(f.runes) {
		return false
	}
	for i, r := range word {
		if f.runes[pos+i] != r {
			return false
		}
	}
	return true
}

// find returns where word stands at pos or later, or -1. What is not right there must be followed by next, so that a
// short word which was taken out of the text does not drag the rest along.
func (f folded) find(pos int, word, next []rune) int {
	if len(word) == 0 {
		return -1
	}
	if f.matches(pos, word) {
		return pos
	}
	for p := pos + 1; p <= pos+lookahead && p < len(f.runes); p++ {
		if f.matches(p, word) && f.matches(p+len(word), next) {
			return p
		}
	}
	return -1
}

// placer finds texts in a text, from left to right.
type placer struct {
	text folded
	pos  int
}

// span returns the bytes at which word stands next, and moves on behind it.
func (p *placer) span(word, next string) (start, end int) {
	w := fold(word).runes
	at := p.text.find(p.pos, w, fold(next).runes)
	if at < 0 {
		return 0, 0
	}
	p.pos = at + len(w)
	last := p.pos - 1
	return p.text.at[at], p.text.at[last] + p.text.size[last]
}

// place gives words and segments their place in the text. Words that the text does not have keep none.
func (t *Transcript) place() {
	text := fold(t.Text)
	words := placer{text: text}
	for i := range t.Words {
		next := ""
		if i+1 < len(t.Words) {
			next = t.Words[i+1].Text
		}
		w := &t.Words[i]
		w.Start, w.End = words.span(w.Text, next)
	}
	segments := placer{text: text}
	for i := range t.Segments {
		s := &t.Segments[i]
		s.Start, s.End = segments.span(s.Text, "")
	}
	t.placeSegmentsByWords()
}

// placeSegmentsByWords finds segments whose text was corrected, by the words that were spoken in their time.
func (t *Transcript) placeSegmentsByWords() {
	for i := range t.Segments {
		s := &t.Segments[i]
		if s.Start != s.End || !s.Known {
			continue
		}
		for k := range t.Words {
			w := &t.Words[k]
			if w.Start == w.End || !w.Known || w.StartMS < s.StartMS || w.EndMS > s.EndMS {
				continue
			}
			if s.Start == s.End {
				s.Start = w.Start
			}
			s.End = max(s.End, w.End)
		}
	}
}
