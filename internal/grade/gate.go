package grade

import (
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/rubric"
)

const (
	// minWords is the least number of words of an answer that names no term of the question.
	minWords = 3
	// dumpWords and dumpShare: so many words or more with less than this share of function words are a keyword dump.
	// Measured on dumps: at most 0.04 for 11 of 12; the lowest honest answer had 0.25.
	dumpWords = 20
	dumpShare = 0.10
	// itemWords and claimShare tell a list of terms that holds small words ("for each, for of"): items of so few words on
	// average, and less than this share of words that claims are made with. Measured on dumps: at most 1.7 and 0.03; the
	// tersest honest answers had 3.1 and 0.05.
	itemWords  = 2.2
	claimShare = 0.04
	// echoShare is the share of an answer's content words that stand in the prompt, above which it is an echo.
	echoShare = 0.85
	// foreignShare is the share of another language's function words above which a text is in that language.
	foreignShare = 0.12
	// nativeShare is the share of English function words under which a text is not English if a recogniser says so, too:
	// that of the lowest honest answer.
	nativeShare = 0.25
	// scriptShare is the share of letters outside the Latin script above which a text is not English.
	scriptShare = 0.5
)

// flagEmptied marks an answer of which nothing is left once what speaks to the grader is taken out.
const flagEmptied Flag = "EMPTIED"

// gate is what is settled before any witness is heard.
type gate struct {
	text     string
	language string       // that a recogniser heard; empty where unknown
	masked   string       // text with the removed spans blanked, byte for byte
	spans    []canon.Span // removed
	injected bool
	ascii    bool // the text is
	words    int  // of the masked text
	letters  int
}

func newGate(text string) *gate {
	g := &gate{text: text, masked: text, ascii: ascii(text)}
	g.spans = hostileSpans(text, g.ascii)
	g.injected = len(g.spans) > 0
	if g.injected {
		b := []byte(text)
		for _, s := range g.spans {
			for i := s.Start; i < s.End; i++ {
				b[i] = '\n' // a paragraph's end: nothing is read across it
			}
		}
		g.masked = string(b)
	}
	g.count()
	return g
}

// count counts words and letters.
func (g *gate) count() {
	inWord := false
	for i := 0; i < len(g.masked); {
		b := g.masked[i]
		letter, word, size := b|0x20 >= 'a' && b|0x20 <= 'z', b >= '0' && b <= '9' || b == '\'', 1
		if b >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(g.masked[i:])
			letter, word = unicode.IsLetter(r), unicode.IsDigit(r)
		}
		i += size
		if letter {
			g.letters++
		}
		word = word || letter
		if word && !inWord {
			g.words++
		}
		inWord = word
	}
}

// removed reports whether a span reaches into text that was taken out.
func (g *gate) removed(s canon.Span) bool {
	for _, r := range g.spans {
		if r.Start < s.End && s.Start < r.End {
			return true
		}
	}
	return false
}

// openerMax is more bytes than any opener has in any mix of cases.
const openerMax = 100

// openers announce an answer that does not follow.
var openers = []string{"thought process", "answer", "my answer", "solution", "let's think step by step", "here is my answer", "sure", "ok", "okay", "well"}

// judge says why the text cannot be graded, or that it can and earns nothing.
func (g *gate) judge(q *rubric.Question, asked func() promptWords, r *check.Reading) (Reason, Flag) {
	trimmed := strings.TrimSpace(g.masked)
	if g.injected && g.words < minWords {
		return "", flagEmptied
	}
	switch {
	case trimmed == "":
		return ReasonEmpty, ""
	case g.letters == 0 && g.words == 0:
		return ReasonSymbolsOnly, ""
	case opener(trimmed):
		return ReasonOpenerOnly, ""
	case g.words < minWords && !r.AnyTerm():
		return ReasonTooShort, ""
	case !g.ascii && !latin(g.masked):
		return ReasonUnsupportedLanguage, ""
	}
	t := r.Text
	function := 0
	for i := range t.Tokens {
		if t.Tokens[i].Func {
			function++
		}
	}
	n := len(t.Tokens)
	switch {
	case q.Bank.Language == "en" && (foreign(t) || g.heardOther("en") && float64(function) < nativeShare*float64(n)):
		return ReasonUnsupportedLanguage, ""
	case n >= 6 && function == 0 && !r.AnyTerm() && gibberish(t):
		return ReasonNotLanguage, ""
	case n >= dumpWords && (float64(function) < dumpShare*float64(n) || listing(g.masked, t)):
		return "", FlagKeywordDump
	case echo(asked, t) && earned(q, r) == 0 && !contradicts(q, r): // the prompt itself never hits a check
		return "", FlagEcho
	}
	return "", ""
}

// heardOther reports whether a recogniser heard another language. Alone that proves nothing: accents mislead recognisers.
func (g *gate) heardOther(language string) bool {
	return g.language != "" && !strings.HasPrefix(g.language, language)
}

func opener(s string) bool {
	s = strings.Trim(s, " \n\t.:;,!-*#")
	return len(s) <= openerMax && slices.Contains(openers, strings.ToLower(s))
}

func latin(s string) bool {
	latin, other := 0, 0
	for _, r := range s {
		switch {
		case r < 0x80 || unicode.Is(unicode.Latin, r) || !unicode.IsLetter(r):
			if unicode.IsLetter(r) {
				latin++
			}
		default:
			other++
		}
	}
	return float64(other) <= scriptShare*float64(latin+other)
}

// foreign reports whether the function words are mostly those of one other language.
func foreign(t *canon.Text) bool {
	if len(t.Tokens) < 5 {
		return false
	}
	counts := [canon.Languages]int{}
	best := 0
	for i := range t.Tokens {
		for langs := t.Tokens[i].Foreign; langs != 0; langs &= langs - 1 {
			lang := bits.TrailingZeros8(langs)
			counts[lang]++
			best = max(best, counts[lang])
		}
	}
	if float64(best) <= foreignShare*float64(len(t.Tokens)) {
		return false
	}
	english := 0
	for i := range t.Tokens {
		if t := &t.Tokens[i]; t.Foreign == 0 && canon.FunctionWord(t.Word) {
			english++
		}
	}
	return best > english
}

// gibberish reports whether most words lack a vowel or repeat one another.
func gibberish(t *canon.Text) bool {
	odd := 0
	seen := map[string]bool{}
	for i := range t.Tokens {
		w := t.Tokens[i].Word
		if !strings.ContainsAny(w, "aeiouy") || seen[w] {
			odd++
		}
		seen[w] = true
	}
	return odd*2 > len(t.Tokens)
}

// promptWords is a question's prompt and title, for telling echoes.
type promptWords struct {
	tokens int
	stems  map[string]bool
}

func readPrompt(q *rubric.Question) promptWords {
	t := canon.Read(q.Prompt+" "+q.Title, canon.NewLexicon(nil))
	p := promptWords{len(t.Tokens), map[string]bool{}}
	for i := range t.Tokens {
		p.stems[t.Tokens[i].Stem] = true
	}
	return p
}

// claimWords are what claims are made with: pronouns, auxiliaries, conjunctions.
var claimWords = canon.WordSet(`is are was were be been am it its you i we they he she that this these those there so because
	when if which who can could will would should may might must do does did have has had not no never my your our their
	get gets got make makes go goes run runs`)

// listing reports whether a text is terms between commas, full stops or arrows rather than sentences.
func listing(text string, t *canon.Text) bool {
	claims := 0
	for i := range t.Tokens {
		if claimWords[t.Tokens[i].Word] {
			if claims++; float64(claims) > claimShare*float64(len(t.Tokens)) {
				return false
			}
		}
	}
	words, items := 0, 1
	for field := range strings.FieldsSeq(text) {
		switch {
		case field == "->" || field == "=>" || field == "→":
			items++
			continue
		case strings.ContainsRune(",.;:", rune(field[len(field)-1])):
			items++
		}
		words++
	}
	return float64(words) <= itemWords*float64(items)
}

// contradicts reports whether the checks find the opposite of a point.
func contradicts(q *rubric.Question, r *check.Reading) bool {
	for i := range q.Points {
		if len(r.Point(i).Against) > 0 {
			return true
		}
	}
	return false
}

// echo reports whether the answer does little more than say the question again.
func echo(asked func() promptWords, t *canon.Text) bool {
	if len(t.Tokens) < 4 || len(t.Tokens) > 90 {
		return false
	}
	prompt := asked()
	if len(t.Tokens) > 2*prompt.tokens {
		return false
	}
	content, shared := 0, 0
	for i := range t.Tokens {
		if t.Tokens[i].Func {
			continue
		}
		content++
		if prompt.stems[t.Tokens[i].Stem] {
			shared++
		}
	}
	return content >= 3 && float64(shared) >= echoShare*float64(content)
}
