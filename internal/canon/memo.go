package canon

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// wordInfo is everything that a lexicon knows of a folded word, looked up once. The second half depends on the patterns
// and the aliases; it is complete once the lexicon is sealed.
type wordInfo struct {
	text    string
	flags   wordFlags
	foreign uint8 // a bit for each of the other languages that have it

	first, second string  // of a contraction, or the word without quotes in first
	small         float64 // of a number word
	multiplier    float64 // 0 for words that multiply nothing
	unit          Number  // zero for words that are no unit

	aliases  []aliasEntry // that begin with the word, longest first
	parts    []string     // the words that the patterns write it as
	begins   bool         // it can be the first half of a compound
	finished bool
	stem     string
	ids      []int32
}

type wordFlags uint16

const (
	isContraction wordFlags = 1 << iota
	hasQuotes               // at an end
	isFiller
	isSeparator
	isFree
	isFunction
	isAbbreviation
	isOpener      // begins a thought
	isAlone       // no part of a compound
	isNumberWord  // zero to ninety
	beginsNumbers // a number can begin with it
	isVersion     // v20
)

func (w *wordInfo) is(f wordFlags) bool { return w.flags&f != 0 }

func newWordInfo(text string) *wordInfo {
	w := &wordInfo{text: text, foreign: foreignWords[text]}
	for _, x := range [...]struct {
		words map[string]bool
		flag  wordFlags
	}{{fillers, isFiller}, {separators, isSeparator}, {freeWords, isFree}, {funcWords, isFunction}, {abbreviations, isAbbreviation},
		{startsThought, isOpener}, {standsAlone, isAlone}} {
		if x.words[text] {
			w.flags |= x.flag
		}
	}
	if first, second, ok := openContraction(text); ok {
		w.flags |= isContraction
		w.first, w.second = first, second
	} else if w.first = strings.Trim(text, "'"); w.first != text {
		w.flags |= hasQuotes
	}
	if v, ok := smallNumbers[text]; ok {
		w.small = v
		w.flags |= isNumberWord | beginsNumbers
	}
	w.multiplier, w.unit = multipliers[text], units[text]
	if versionFigure(text) {
		w.flags |= isVersion
	}
	if w.multiplier > 0 || w.is(isVersion) {
		w.flags |= beginsNumbers
	}
	return w
}

const (
	// memoLimit bounds the memory of one lexicon: words seen in patterns and answers, in each spelling.
	memoLimit = 10000
	// memoBytes is the length of the longest word that is remembered.
	memoBytes = 64
)

// word returns what is known of a word as written. While a text is read the caller holds the read lock.
func (l *Lexicon) word(written string) *wordInfo {
	w := l.memo[written]
	switch {
	case w == nil || l.sealed && !w.finished:
		return l.learn(written)
	case !l.sealed:
		l.relate(w)
	}
	return w
}

// known returns what is remembered of a word as written, if it was read in this spelling before and as one word.
func (l *Lexicon) known(written string) *wordInfo {
	if w := l.memo[written]; l.sealed && w != nil && w.finished && w.text != "" {
		return w
	}
	return nil
}

func (l *Lexicon) learn(written string) *wordInfo {
	if !l.sealed {
		return l.define(written)
	}
	l.mu.RUnlock()
	l.mu.Lock()
	w := l.define(written)
	l.mu.Unlock()
	l.mu.RLock()
	return w
}

func (l *Lexicon) define(written string) *wordInfo {
	text := fold(written)
	w := l.memo[text]
	if w == nil {
		w = newWordInfo(strings.Clone(text))
	}
	if !w.finished {
		l.relate(w)
		if l.sealed {
			l.finish(w)
		}
	}
	if len(l.memo) < memoLimit && len(written) <= memoBytes {
		l.memo[w.text] = w
		if written != text {
			l.memo[strings.Clone(written)] = w
		}
	}
	return w
}

// relate fills in what depends on the patterns that the lexicon has seen so far.
func (l *Lexicon) relate(w *wordInfo) {
	w.aliases, w.begins, w.parts = l.aliases[w.text], true, nil
	if l.vocabulary[w.text] {
		return
	}
	if parts, ok := l.splits[w.text]; ok {
		w.parts = parts
	} else if single, plural := strings.CutSuffix(w.text, "s"); plural && !l.vocabulary[single] {
		w.parts = l.splits[single]
	}
}

// finish fills in what is known only when the last pattern was added.
func (l *Lexicon) finish(w *wordInfo) {
	if w.stem == "" {
		w.stem = stem(w.text)
	}
	if id, ok := l.stems[w.stem]; ok {
		w.ids = append(w.ids, id)
	}
	for _, p := range l.prefixes {
		if strings.HasPrefix(w.text, p.text) && !slices.Contains(w.ids, p.id) {
			w.ids = append(w.ids, p.id)
		}
	}
	next, found := slices.BinarySearch(l.compounds, w.text)
	if found {
		next++
	}
	w.begins = next < len(l.compounds) && strings.HasPrefix(l.compounds[next], w.text)
	w.finished = true
}

// compoundMin is the length of the shortest compound that is joined.
const compoundMin = 6

// seal ends the adding of patterns.
func (l *Lexicon) seal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealed {
		return
	}
	l.compounds = make([]string, 0, len(l.vocabulary))
	for w := range l.vocabulary {
		if len(w) >= compoundMin-1 { // less the s of a plural
			l.compounds = append(l.compounds, w)
		}
	}
	slices.Sort(l.compounds)
	l.sealed = true
}

// unseal makes the lexicon forget what another pattern can change.
func (l *Lexicon) unseal() {
	if l.sealed {
		l.sealed = false
		clear(l.memo)
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
