package canon

import (
	"slices"
	"strings"
	"sync"
)

// Alias replaces what was said or heard by what was meant: "next stick" by nextTick.
type Alias struct {
	Means    string // as written in the bank
	Heard    string // as listed in the bank
	Misheard bool   // a recogniser's error, worth showing; false for an ordinary spoken form
}

// Lexicon is what the text of one question is read against: the words its patterns use, and the bank's aliases. Build
// it with NewLexicon, add every pattern word with Add, then Read any number of texts; adding and reading must not overlap.
type Lexicon struct {
	aliases    map[string][]aliasEntry // by the first word heard
	vocabulary map[string]bool         // folded pattern words: letters and compounds are joined towards these
	stems      map[string]int32
	prefixes   []prefix
	splits     map[string][]string // "nexttick" -> next, tick

	mu        sync.RWMutex // guards memo, while texts are read
	memo      map[string]*wordInfo
	sealed    bool     // a text was read since the last pattern
	compounds []string // long words of the vocabulary, sorted
	buffers   sync.Pool
	texts     sync.Pool
}

type prefix struct {
	text string
	id   int32
}

type aliasEntry struct {
	heard []string
	means []raw
	alias *Alias
}

// NewLexicon returns an empty lexicon that replaces the given aliases.
func NewLexicon(aliases []Alias) *Lexicon {
	l := &Lexicon{aliases: map[string][]aliasEntry{}, vocabulary: map[string]bool{}, stems: map[string]int32{},
		splits: map[string][]string{}, memo: map[string]*wordInfo{}}
	for i := range aliases {
		a := &aliases[i]
		heard := l.words(a.Heard)
		means := l.read(a.Means)
		if len(heard) == 0 || len(means) == 0 {
			continue
		}
		for j := range means {
			if !means[j].isNum {
				l.vocabulary[means[j].text] = true
			}
		}
		l.learnSplits(means)
		l.aliases[heard[0]] = append(l.aliases[heard[0]], aliasEntry{heard, means, a})
	}
	for _, entries := range l.aliases { // longest first
		slices.SortStableFunc(entries, func(a, b aliasEntry) int { return len(b.heard) - len(a.heard) })
	}
	return l
}

func (l *Lexicon) words(s string) []string {
	tokens, _ := l.scan(nil, s)
	tokens = l.expandContractions(tokens)
	out := make([]string, len(tokens))
	for i := range tokens {
		out[i] = tokens[i].text
	}
	return out
}

// read returns the words of a pattern before any of them is joined.
func (l *Lexicon) read(pattern string) []raw {
	tokens, _ := l.scan(nil, pattern)
	return dropFillers(l.expandContractions(tokens))
}

// Prepare tells the lexicon the words of a pattern, before any Add, so that compounds come out alike in all patterns.
func (l *Lexicon) Prepare(pattern string) {
	l.unseal()
	tokens := l.read(pattern)
	for i := range tokens {
		if !tokens[i].isNum && len(tokens[i].text) > 1 {
			l.vocabulary[tokens[i].text] = true
		}
	}
	// letters that the author spelled out or wrote with a slash are one word: I/O
	for i := 0; i < len(tokens); i++ {
		j := i
		for j < len(tokens) && letter(&tokens[j]) && (j == i || tokens[j].glued) {
			j++
		}
		if j-i > 1 {
			l.vocabulary[spell(tokens[i:j])] = true
			i = j
		}
	}
	l.learnSplits(tokens)
}

func (l *Lexicon) learnSplits(tokens []raw) {
	for i := range tokens {
		var joined strings.Builder
		joined.WriteString(tokens[i].text)
		for j := i + 1; j < len(tokens) && j < i+4; j++ {
			if tokens[j].isNum || tokens[i].isNum || !tokens[j].glued && (len(tokens[j].text) < 2 || tokens[j].is(isFree)) {
				break
			}
			joined.WriteString(tokens[j].text)
			if len(joined.String()) >= 5 {
				if _, ok := l.splits[joined.String()]; !ok {
					parts := make([]string, 0, j-i+1)
					for _, t := range tokens[i : j+1] {
						parts = append(parts, t.text)
					}
					l.splits[joined.String()] = parts
				}
			}
		}
	}
}

// Term is one word of a pattern.
type Term struct {
	ID    int32
	Word  string
	Num   Number
	IsNum bool
	Free  bool
	Glued bool // written as one identifier with the term before it
}

// Add returns the words of a pattern's phrase as Read would see them. A word that ends in * stands for every word that
// begins so.
func (l *Lexicon) Add(phrase string, wildcard bool) []Term {
	l.unseal()
	tokens, _ := l.scan(nil, phrase)
	tokens, _ = l.replaceAliases(l.expandContractions(tokens), nil)
	tokens = l.joinLetters(dropFillers(tokens))
	tokens = l.joinCompounds(l.joinNumbers(tokens), nil)
	out := make([]Term, len(tokens))
	for i := range tokens {
		t := &tokens[i]
		out[i] = Term{ID: NoID, Word: t.text, Num: t.num, IsNum: t.isNum, Free: t.is(isFree), Glued: t.glued}
		switch {
		case wildcard && i == len(tokens)-1:
			text := t.text
			if root, ok := strings.CutSuffix(text, "e"); ok && len(root) >= 4 { // close* means closing too
				text = root
			}
			out[i].ID = int32(l.Size())
			for _, p := range l.prefixes {
				if p.text == text {
					out[i].ID = p.id
				}
			}
			l.prefixes = append(l.prefixes, prefix{text, out[i].ID})
		case t.isNum && t.text != "one":
		default:
			if t.stem == "" {
				t.stem = stem(t.text)
			}
			id, ok := l.stems[t.stem]
			if !ok {
				id = int32(l.Size())
				l.stems[t.stem] = id
			}
			out[i].ID = id
		}
	}
	return out
}

// Size is one more than the highest ID given out.
func (l *Lexicon) Size() int { return len(l.stems) + len(l.prefixes) }

// token writes a word of the text as others see it.
func (r *raw) token() Token {
	t := Token{Start: int(r.start), End: int(r.end), Word: r.text, Stem: r.text, Num: r.num, IsNum: r.isNum, Alias: r.alias, Break: r.brk,
		Comma: r.comma, Arrow: r.arrow, Quoted: r.quoted, Free: r.is(isFree), Func: r.is(isFunction | isFiller), Foreign: r.foreign}
	if !r.isNum || r.text == "one" {
		t.Stem, t.IDs = r.stem, r.ids
	}
	return t
}

// replaceAliases puts what was meant in the place of what was heard; the longest alias wins, and its words are locked. It
// returns the words and the slice that is free then, of in and spare.
func (l *Lexicon) replaceAliases(in, spare []raw) (out, free []raw) {
	next := 0 // in[:next] is in out
	for i := 0; i < len(in); {
		e := aliasAt(in, i)
		if e == nil {
			i++
			continue
		}
		if next == 0 {
			out = spare[:0]
		}
		out = append(out, in[next:i]...)
		last := i + len(e.heard) - 1
		for j := range e.means {
			m, t := &e.means[j], in[i]
			t.end, t.wordInfo, t.num, t.isNum, t.alias, t.locked = in[last].end, l.word(m.text), m.num, m.isNum, e.alias, true
			if j > 0 {
				t.brk, t.comma, t.glued = BreakNone, false, m.glued
			}
			out = append(out, t)
		}
		i = last + 1
		next = i
	}
	if next == 0 {
		return in, spare
	}
	return append(out, in[next:]...), in
}

func aliasAt(in []raw, i int) *aliasEntry {
	entries := in[i].aliases
next:
	for k := range entries {
		e := &entries[k]
		if i+len(e.heard) > len(in) {
			continue
		}
		for j, w := range e.heard {
			if in[i+j].text != w || in[i+j].locked || j > 0 && in[i+j].brk >= BreakSentence {
				continue next
			}
		}
		return e
	}
	return nil
}

// standsAlone are the words that are no part of a compound: "no body" is not nobody.
var standsAlone = WordSet("no not any some every the an")

// joinCompounds writes compounds the way the patterns do: "time out" as timeout, "nexttick" as next tick. It appends to
// out.
func (l *Lexicon) joinCompounds(in, out []raw) []raw {
	for i := 0; i < len(in); i++ {
		t := &in[i]
		if t.isNum {
			out = append(out, *t)
			continue
		}
		if t.begins && i+1 < len(in) {
			if w := l.compound(t, &in[i+1]); w != nil {
				out = append(out, *t)
				joined := &out[len(out)-1]
				joined.wordInfo, joined.end = w, in[i+1].end
				i++
				continue
			}
		}
		if t.parts == nil {
			out = append(out, *t)
			continue
		}
		for j, p := range t.parts {
			u := *t
			u.wordInfo = l.word(p)
			if j > 0 {
				u.brk, u.comma, u.glued = BreakNone, false, true
			}
			out = append(out, u)
		}
	}
	return out
}

// compound returns the word that a and b make together, or nil.
func (l *Lexicon) compound(a, b *raw) *wordInfo {
	var buf [64]byte
	if a.locked != b.locked || b.isNum || b.brk != BreakNone || len(a.text)+len(b.text) > len(buf) || len(a.text) < 2 || len(b.text) < 2 || a.is(isAlone) {
		return nil
	}
	joined := append(append(buf[:0], a.text...), b.text...)
	n := len(joined)
	if n >= compoundMin && (l.vocabulary[string(joined)] || joined[n-1] == 's' && l.vocabulary[string(joined[:n-1])]) {
		return l.word(string(joined))
	}
	return nil
}

// Spell returns the stem, or the beginning with an asterisk, that an ID stands for.
func (l *Lexicon) Spell(id int32) string {
	for s, i := range l.stems {
		if i == id {
			return s
		}
	}
	for _, p := range l.prefixes {
		if p.id == id {
			return p.text + "*"
		}
	}
	return "?"
}
