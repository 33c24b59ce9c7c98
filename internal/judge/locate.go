package judge

import (
	"strings"

	"github.com/vivagrader/grader/internal/canon"
)

const (
	// minFuzzyTokens is the shortest quote that is looked for with differences.
	minFuzzyTokens = 4
	// fuzzyShare is the share of a quote's tokens that must stand in the answer, in order.
	fuzzyShare = 0.8
)

// locator finds a judge's quotes in an answer: exactly, then word by word, then with a bounded number of differences.
type locator struct {
	text  string // with removed spans blanked
	canon *canon.Text
	lex   *canon.Lexicon
}

func newLocator(text string) *locator {
	lex := canon.NewLexicon(nil)
	return &locator{text: text, canon: canon.Read(text, lex), lex: lex}
}

// find returns the span of the quote in the original text. A quote without any content word proves nothing and is not
// found.
func (l *locator) find(quote string) (canon.Span, bool) {
	quote = strings.Trim(strings.TrimSpace(quote), "\"'“”…. ")
	q := canon.Read(quote, l.lex)
	if !hasContent(q) {
		return canon.Span{}, false
	}
	if i := strings.Index(l.text, quote); i >= 0 && !splitsWord(l.text, i, i+len(quote)) {
		return canon.Span{Start: i, End: i + len(quote)}, true
	}
	if first, last, ok := l.wordByWord(q.Tokens); ok {
		return l.canon.Quote(first, last), true
	}
	if first, last, ok := l.fuzzy(q.Tokens); ok {
		return l.canon.Quote(first, last), true
	}
	return canon.Span{}, false
}

func hasContent(t *canon.Text) bool {
	for i := range t.Tokens {
		if !t.Tokens[i].Func && !t.Tokens[i].Free {
			return true
		}
	}
	return false
}

// splitsWord reports whether a span begins or ends inside a word.
func splitsWord(s string, from, to int) bool {
	letter := func(b byte) bool {
		return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b >= 0x80
	}
	return from > 0 && letter(s[from-1]) && letter(s[from]) || to < len(s) && letter(s[to-1]) && letter(s[to])
}

func (l *locator) wordByWord(q []canon.Token) (first, last int, ok bool) {
	tokens := l.canon.Tokens
next:
	for i := 0; i+len(q) <= len(tokens); i++ {
		for k := range q {
			if tokens[i+k].Word != q[k].Word {
				continue next
			}
		}
		return i, i + len(q) - 1, true
	}
	return 0, 0, false
}

// fuzzy finds the window in which most of the quote's tokens stand in order. The window is at most a quarter longer than
// the quote, and begins and ends with a shared token.
func (l *locator) fuzzy(q []canon.Token) (first, last int, ok bool) {
	if len(q) < minFuzzyTokens {
		return 0, 0, false
	}
	tokens := l.canon.Tokens
	need := int(fuzzyShare*float64(len(q)) + 0.999)
	reach := len(q) + len(q)/4 + 1
	best := need - 1
	for i := range tokens {
		if tokens[i].Stem != q[0].Stem && tokens[i].Stem != q[1].Stem {
			continue
		}
		shared, at, end := 0, i, i
		for k := range q {
			for j := at; j < len(tokens) && j < i+reach && j <= at+2; j++ {
				if tokens[j].Stem == q[k].Stem {
					shared++
					at, end = j+1, j
					break
				}
			}
		}
		if shared > best {
			best, first, last, ok = shared, i, end, true
		}
	}
	return first, last, ok
}
