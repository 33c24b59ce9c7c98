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

	mu   sync.RWMutex
	memo map[string]memoEntry
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

type memoEntry struct {
	stem string
	ids  []int32
}

// memoLimit bounds the memory of one lexicon: words seen in answers, with their stems.
const memoLimit = 20000

// NewLexicon returns an empty lexicon that replaces the given aliases.
func NewLexicon(aliases []Alias) *Lexicon {
	l := &Lexicon{aliases: map[string][]aliasEntry{}, vocabulary: map[string]bool{}, stems: map[string]int32{},
		splits: map[string][]string{}, memo: map[string]memoEntry{}}
	for i := range aliases {
		a := &aliases[i]
		heard := words(a.Heard)
		means, _ := scan(a.Means)
		means = dropFillers(expandContractions(means))
		if len(heard) == 0 || len(means) == 0 {
			continue
		}
		for j := range means {
			if !means[j].isNum {
				l.vocabulary[means[j].word] = true
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

func words(s string) []string {
	tokens, _ := scan(s)
	tokens = expandContractions(tokens)
	out := make([]string, len(tokens))
	for i := range tokens {
		out[i] = tokens[i].word
	}
	return out
}

// Prepare tells the lexicon the words of a pattern, before any Add, so that compounds come out alike in all patterns.
func (l *Lexicon) Prepare(pattern string) {
	tokens, _ := scan(pattern)
	tokens = dropFillers(expandContractions(tokens))
	for i := range tokens {
		if !tokens[i].isNum && len(tokens[i].word) > 1 {
			l.vocabulary[tokens[i].word] = true
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
		joined := tokens[i].word
		for j := i + 1; j < len(tokens) && j < i+4; j++ {
			if tokens[j].isNum || tokens[i].isNum || len(tokens[j].word) < 2 && !tokens[j].glued || freeWords[tokens[j].word] && !tokens[j].glued {
				break
			}
			joined += tokens[j].word
			if len(joined) >= 5 {
				if _, ok := l.splits[joined]; !ok {
					parts := make([]string, 0, j-i+1)
					for _, t := range tokens[i : j+1] {
						parts = append(parts, t.word)
					}
					l.splits[joined] = parts
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
	tokens, _ := scan(phrase)
	tokens = l.replaceAliases(expandContractions(tokens))
	tokens = joinLetters(dropFillers(tokens), l)
	tokens = l.joinCompounds(joinNumbers(tokens))
	out := make([]Term, len(tokens))
	for i, t := range tokens {
		out[i] = Term{ID: NoID, Word: t.word, Num: t.num, IsNum: t.isNum, Free: freeWords[t.word], Glued: t.glued}
		switch {
		case wildcard && i == len(tokens)-1:
			if root, ok := strings.CutSuffix(t.word, "e"); ok && len(root) >= 4 { // close* means closing too
				t.word = root
			}
			out[i].ID = int32(len(l.stems) + len(l.prefixes))
			for _, p := range l.prefixes {
				if p.text == t.word {
					out[i].ID = p.id
				}
			}
			l.prefixes = append(l.prefixes, prefix{t.word, out[i].ID})
		case t.isNum && t.word != "one":
		default:
			s := stem(t.word)
			id, ok := l.stems[s]
			if !ok {
				id = int32(len(l.stems) + len(l.prefixes))
				l.stems[s] = id
			}
			out[i].ID = id
		}
	}
	return out
}

// Size is one more than the highest ID given out.
func (l *Lexicon) Size() int { return len(l.stems) + len(l.prefixes) }

func (l *Lexicon) token(r *raw) Token {
	t := Token{Start: r.start, End: r.end, Word: r.word, Num: r.num, IsNum: r.isNum, Alias: r.alias, Break: r.brk, Comma: r.comma, Arrow: r.arrow,
		Quoted: r.quoted, Free: freeWords[r.word], Func: funcWords[r.word] || fillers[r.word]}
	if r.isNum && r.word != "one" {
		t.Stem = r.word
		return t
	}
	e := l.lookup(r.word)
	t.Stem, t.IDs = e.stem, e.ids
	return t
}

func (l *Lexicon) lookup(word string) memoEntry {
	l.mu.RLock()
	e, ok := l.memo[word]
	l.mu.RUnlock()
	if ok {
		return e
	}
	e.stem = stem(word)
	if id, ok := l.stems[e.stem]; ok {
		e.ids = append(e.ids, id)
	}
	for _, p := range l.prefixes {
		if strings.HasPrefix(word, p.text) && !slices.Contains(e.ids, p.id) {
			e.ids = append(e.ids, p.id)
		}
	}
	l.mu.Lock()
	if len(l.memo) < memoLimit {
		l.memo[strings.Clone(word)] = e
	}
	l.mu.Unlock()
	return e
}

// replaceAliases puts what was meant in the place of what was heard; the longest alias wins, and its words are locked.
func (l *Lexicon) replaceAliases(in []raw) []raw {
	var out []raw
	for i := 0; i < len(in); {
		e := l.aliasAt(in, i)
		if e == nil {
			if out != nil {
				out = append(out, in[i])
			}
			i++
			continue
		}
		if out == nil {
			out = append(make([]raw, 0, len(in)+8), in[:i]...)
		}
		last := i + len(e.heard) - 1
		for j, m := range e.means {
			t := in[i]
			t.end, t.word, t.num, t.isNum, t.alias, t.locked = in[last].end, m.word, m.num, m.isNum, e.alias, true
			if j > 0 {
				t.brk, t.comma, t.glued = BreakNone, false, m.glued
			}
			out = append(out, t)
		}
		i = last + 1
	}
	if out == nil {
		return in
	}
	return out
}

func (l *Lexicon) aliasAt(in []raw, i int) *aliasEntry {
	entries := l.aliases[in[i].word]
next:
	for k := range entries {
		e := &entries[k]
		if i+len(e.heard) > len(in) {
			continue
		}
		for j, w := range e.heard {
			if in[i+j].word != w || in[i+j].locked || j > 0 && in[i+j].brk >= BreakSentence {
				continue next
			}
		}
		return e
	}
	return nil
}

// standsAlone are the words that are no part of a compound: "no body" is not nobody.
var standsAlone = set("no not any some every the an")

// joinCompounds writes compounds the way the patterns do: "time out" as timeout, "nexttick" as next tick.
func (l *Lexicon) joinCompounds(in []raw) []raw {
	var buf [64]byte
	out := make([]raw, 0, len(in)+4)
	for i := 0; i < len(in); i++ {
		t := in[i]
		if t.isNum {
			out = append(out, t)
			continue
		}
		if i+1 < len(in) && t.locked == in[i+1].locked && !in[i+1].isNum && in[i+1].brk == BreakNone && len(t.word)+len(in[i+1].word) <= len(buf) && len(t.word) > 1 && len(in[i+1].word) > 1 && !standsAlone[t.word] {
			b := append(append(buf[:0], t.word...), in[i+1].word...)
			if len(b) >= 6 && (l.vocabulary[string(b)] || b[len(b)-1] == 's' && l.vocabulary[string(b[:len(b)-1])]) {
				t.word, t.end = string(b), in[i+1].end
				out = append(out, t)
				i++
				continue
			}
		}
		parts, ok := l.splits[t.word]
		if !ok || l.vocabulary[t.word] {
			if single, plural := strings.CutSuffix(t.word, "s"); plural && !l.vocabulary[t.word] && !l.vocabulary[single] {
				parts, ok = l.splits[single]
			} else {
				ok = false
			}
		}
		if !ok {
			out = append(out, t)
			continue
		}
		for j, p := range parts {
			u := t
			u.word = p
			if j > 0 {
				u.brk, u.comma, u.glued = BreakNone, false, true
			}
			out = append(out, u)
		}
	}
	return out
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
