// Package canon reads an answer: it turns typed or spoken text into canonical tokens, each with the span of the
// original text that it stands for. Typed "process.nextTick", spoken "process dot next tick" and a recogniser's
// "process next stick" come out as the same tokens, so that checks need one spelling only.
//
// It is pure: no clock, no I/O, no knowledge of questions beyond the Lexicon it is given. The main entry is Read.
package canon

import (
	"slices"
	"unicode/utf8"
)

// Break tells what separates a token from the one before it.
type Break uint8

// The breaks, from none to the strongest.
const (
	BreakNone Break = iota
	BreakClause
	BreakSentence
	BreakParagraph
)

// Steps that a boundary adds to the distance between two tokens, on top of one step a token.
const (
	sentenceSteps  = 4
	paragraphSteps = 8
)

// NoID is the ID of a token that no pattern of the lexicon speaks of.
const NoID int32 = -1

// Unit is what a number counts.
type Unit uint8

// The units. Values are normalised: bytes (1 KB = 1024), milliseconds, per cent.
const (
	UnitNone Unit = iota
	UnitBytes
	UnitMillis
	UnitPercent
)

// Number is a figure, normalised to the base of its unit.
type Number struct {
	Value float64
	Unit  Unit
	Kilo  bool // said with a bare k: "16k" can mean 16,000 or 16 KB
}

// Token is one canonical word of the text.
type Token struct {
	Start, End int    // bytes of the original text; several tokens can share a span
	Word       string // folded, spelled as in the text or as its alias
	Stem       string // what patterns compare
	IDs        []int32
	Num        Number
	IsNum      bool
	Alias      *Alias // the mis-hearing that was replaced, if any
	Break      Break  // what stands before the token
	Free       bool   // articles and light adverbs: a phrase skips them
	Func       bool   // function word, for telling language from lists
	Foreign    uint8  // a bit for each of the other languages that have the word
	Comma      bool   // a comma stood before it
	Arrow      bool   // an arrow or a greater-than sign stood before it
	Quoted     bool   // inside double quotes
	Sentence   int    // index into Text.Sentences
	Pos        int    // distance coordinate in steps
}

// Span is a half-open byte range of the original text.
type Span struct{ Start, End int }

// Sentence is a stretch of text that ends with a full stop, a line break or, in unpunctuated transcripts, before a
// word such as "so" that begins the next thought.
type Sentence struct {
	Span
	First, Last int // tokens [First, Last)
}

// Text is an answer as read.
type Text struct {
	Source    string
	Tokens    []Token
	Sentences []Sentence
	Hidden    int // zero-width, tag and bidirectional characters that were dropped
	Words     int // words as written, fillers included

	lex *Lexicon
}

// Read turns source into canonical tokens under the words and aliases of lex. Invalid UTF-8 is skipped. Equal input
// gives equal output; Read is safe for concurrent use.
func Read(source string, lex *Lexicon) *Text {
	b := lex.begin()
	defer lex.end(b)
	words, hidden := lex.scan(b.words[:0], source)
	t, ok := lex.texts.Get().(*Text)
	if !ok {
		t = &Text{lex: lex}
	}
	t.Source, t.Hidden, t.Words = source, hidden, len(words)
	words = lex.expandContractions(words)
	words, spare := lex.replaceAliases(words, b.spare)
	words = lex.joinLetters(dropFillers(words))
	words = lex.joinNumbers(words)
	b.words, b.spare = words, lex.joinCompounds(words, spare[:0])
	t.Tokens = slices.Grow(t.Tokens, len(b.spare))
	for i := range b.spare {
		t.Tokens = append(t.Tokens, b.spare[i].token())
	}
	t.cutSentences()
	return t
}

// Release hands the memory of the text back to its lexicon. Nobody may use the text afterwards.
func (t *Text) Release() {
	t.Source, t.Tokens, t.Sentences = "", t.Tokens[:0], t.Sentences[:0]
	t.lex.texts.Put(t)
}

// buffers are what the stages of one Read work in.
type buffers struct{ words, spare []raw }

func (l *Lexicon) begin() *buffers {
	l.mu.RLock()
	if !l.sealed {
		l.mu.RUnlock()
		l.seal()
		l.mu.RLock()
	}
	if b, ok := l.buffers.Get().(*buffers); ok {
		return b
	}
	return &buffers{}
}

func (l *Lexicon) end(b *buffers) {
	l.mu.RUnlock()
	l.buffers.Put(b)
}

// Quote returns the original text between the first and the last of the given tokens (inclusive).
func (t *Text) Quote(first, last int) Span {
	return Span{Start: t.Tokens[first].Start, End: t.Tokens[last].End}
}

// startsThought are the words before which a long unpunctuated stretch is cut.
var startsThought = WordSet("so but and also because then um well okay ok or if when which")

const (
	softSentenceMin = 12 // tokens before a soft cut is looked for
	softSentenceMax = 45 // stretches up to this long are left whole
	sentenceMax     = 90 // tokens of a sentence at most, wherever it has to be cut
)

func (t *Text) cutSentences() {
	n := len(t.Tokens)
	for first := 0; first < n; {
		last := first + 1
		for last < n && t.Tokens[last].Break < BreakSentence {
			last++
		}
		t.cutLong(first, last)
		first = last
	}
	pos := 0
	for s, sent := range t.Sentences {
		if s > 0 {
			switch t.Tokens[sent.First].Break {
			case BreakSentence:
				pos += sentenceSteps
			case BreakParagraph:
				pos += paragraphSteps
			default:
			}
		}
		for i := sent.First; i < sent.Last; i++ {
			t.Tokens[i].Sentence, t.Tokens[i].Pos = s, pos
			pos++
		}
	}
}

// cutLong appends tokens [first, last) as one sentence, or as several when nobody punctuated them.
func (t *Text) cutLong(first, last int) {
	for last-first > softSentenceMax {
		cut := 0
		for i := first + softSentenceMin; i < last-softSentenceMin/2 && i < first+softSentenceMax; i++ {
			if t.Tokens[i].Break == BreakClause || startsThought[t.Tokens[i].Word] {
				cut = i
				break
			}
		}
		if cut == 0 {
			if last-first <= sentenceMax {
				break
			}
			cut = first + sentenceMax
		}
		t.addSentence(first, cut)
		first = cut
	}
	t.addSentence(first, last)
}

func (t *Text) addSentence(first, last int) {
	span := Span{t.Tokens[first].Start, t.Tokens[first].End}
	for i := first; i < last; i++ {
		span.Start = min(span.Start, t.Tokens[i].Start)
		span.End = max(span.End, t.Tokens[i].End)
	}
	// the full stop belongs to the sentence
	for span.End < len(t.Source) {
		r, size := utf8.DecodeRuneInString(t.Source[span.End:])
		if r != '.' && r != '!' && r != '?' && r != ')' && r != '"' && r != '”' {
			break
		}
		span.End += size
	}
	t.Sentences = append(t.Sentences, Sentence{Span: span, First: first, Last: last})
}
