package transcript

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A text that was corrected by hand has other words than the recogniser's list.
const (
	// lookahead is how many letters a word may lie ahead of where it is expected, if the next word follows it there.
	lookahead = 160
	// certain is how many letters in a row, of a word and those after it, may lie anywhere ahead.
	certain = 24
	// farTries bounds the searches of a whole text that find nothing: there is one for each word that was replaced.
	farTries = 500
)

// folded is a text reduced to its letters and digits in lower case, with the place of each byte of that in the text.
type folded struct {
	text       string
	start, end []int
}

func fold(text string) folded {
	var b strings.Builder
	var f folded
	for i, r := range text {
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			continue
		}
		n, _ := b.WriteRune(unicode.ToLower(r))
		for range n {
			f.start, f.end = append(f.start, i), append(f.end, i+utf8.RuneLen(r))
		}
	}
	f.text = b.String()
	return f
}

// letters are the letters and digits of texts in a row, those after the first only as far as it takes to be certain.
func letters(texts ...string) string {
	var b strings.Builder
	for _, t := range texts {
		if b.Len() >= certain {
			break
		}
		b.WriteString(fold(t).text)
	}
	return b.String()
}

// placer finds texts in a text, from left to right.
type placer struct {
	text   folded
	pos    int
	missed int // searches of the whole text
}

// span returns the bytes at which text stands next, and moves on behind it; after is what comes after it. Where text is
// not right there, a short word that was taken out must not drag the rest along.
func (p *placer) span(text string, after []string) (start, end int) {
	word := fold(text).text
	if word == "" {
		return 0, 0
	}
	at := p.find(word, after)
	if at < 0 {
		return 0, 0
	}
	p.pos += at + len(word)
	return p.text.start[p.pos-len(word)], p.text.end[p.pos-1]
}

// find returns how far ahead the word stands, or -1.
func (p *placer) find(word string, after []string) int {
	rest := p.text.text[p.pos:]
	if strings.HasPrefix(rest, word) {
		return 0
	}
	pair := word
	if len(after) > 0 {
		pair += fold(after[0]).text
	}
	if at := strings.Index(rest[:min(len(rest), lookahead+len(pair))], pair); at >= 0 {
		return at
	}
	row := word + letters(after...)
	if len(row) < certain || p.missed == farTries {
		return -1
	}
	at := strings.Index(rest, row)
	if at < 0 {
		p.missed++
	}
	return at
}

// place gives words and segments their place in the text. Words that the text does not have keep none.
func (t *Transcript) place() {
	text := fold(t.Text)
	words := placer{text: text}
	said := make([]string, len(t.Words))
	for i := range t.Words {
		said[i] = t.Words[i].Text
	}
	for i := range t.Words {
		w := &t.Words[i]
		w.Start, w.End = words.span(w.Text, said[i+1:])
	}
	segments := placer{text: text}
	for i := range t.Segments {
		s := &t.Segments[i]
		s.Start, s.End = segments.span(s.Text, nil)
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

// Finder finds texts in a text, each behind the one before. Case, blanks and punctuation do not count.
type Finder struct {
	text folded
	pos  int
}

// NewFinder returns a finder that begins at the start of the text.
func NewFinder(text string) *Finder { return &Finder{text: fold(text)} }

// Next returns the bytes at which said stands next, half-open; false if it stands nowhere behind what was found before.
func (f *Finder) Next(said string) (start, end int, ok bool) {
	word := fold(said).text
	at := strings.Index(f.text.text[f.pos:], word)
	if word == "" || at < 0 {
		return 0, 0, false
	}
	f.pos += at + len(word)
	return f.text.start[f.pos-len(word)], f.text.end[f.pos-1], true
}
