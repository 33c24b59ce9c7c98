package canon

import (
	"slices"
	"strings"
)

// WordSet returns the words of a list, written with blanks between them.
func WordSet(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

var (
	// freeWords carry no claim of their own: a phrase skips them.
	freeWords = WordSet(`a an the this that these those its it's your our my their his her some any very really just simply actually
		basically essentially literally quite pretty rather also still already even exactly only all own itself themselves single
		same whole entire particular certain given actual usual normal new like kind sort of`)

	// funcWords are the function words of English: their share tells sentences from lists.
	funcWords = WordSet(`a an the this that these those it its i you he she we they me him her us them my your his our their mine yours
		who whom whose which what when where why how is are was were be been being am do does did done have has had having
		can could will would shall should may might must not no nor and or but so if then than because as until while of at by
		for with about against between into through during before after above below to from up down in out on off over under
		again further once here there all any both each few more most other some such only own same too very just also never
		always still even ever per via without within upon onto whether though although since unless instead rather yes
		something anything nothing everything someone anyone one ones let lets get gets got getting go goes going gone
		make makes made thing things like say says said know think mean want need needs way well ok okay yeah right
		und der die das ist ein eine man nicht wird es et le la les des est une el los las que en un una`)

	fillers = WordSet("um uh uhm umm er erm ah hmm mm mhm eh hm")

	separators = WordSet("dot dash underscore underscores slash equals hyphen")

	contractions = map[string][2]string{
		"can't": {"can", "not"}, "cannot": {"can", "not"}, "won't": {"will", "not"}, "shan't": {"shall", "not"},
		"ain't": {"is", "not"}, "let's": {"let", "us"}, "it's": {"it", "is"}, "that's": {"that", "is"}, "there's": {"there", "is"},
		"what's": {"what", "is"}, "here's": {"here", "is"}, "who's": {"who", "is"}, "he's": {"he", "is"}, "she's": {"she", "is"},
		"where's": {"where", "is"}, "how's": {"how", "is"}, "when's": {"when", "is"},
		"cant": {"can", "not"}, "wont": {"will", "not"}, "dont": {"do", "not"}, "doesnt": {"does", "not"}, "didnt": {"did", "not"},
		"isnt": {"is", "not"}, "arent": {"are", "not"}, "wasnt": {"was", "not"}, "werent": {"were", "not"}, "hasnt": {"has", "not"},
		"havent": {"have", "not"}, "hadnt": {"had", "not"}, "couldnt": {"could", "not"}, "shouldnt": {"should", "not"},
		"wouldnt": {"would", "not"}, "thats": {"that", "is"}, "theres": {"there", "is"}, "im": {"i", "am"}, "ive": {"i", "have"},
		"youre": {"you", "are"}, "theyre": {"they", "are"}, "youd": {"you", "would"}, "youve": {"you", "have"}, "gonna": {"going", "to"},
		"wanna": {"want", "to"}, "gotta": {"got", "to"},
	}
)

// Languages is the number of other languages whose frequent words are known.
const Languages = 7

// foreignWords are frequent words of other languages that are no English words, each with a bit for every language that
// has it.
var foreignWords = func() map[string]uint8 {
	m := map[string]uint8{}
	for lang, words := range [Languages]string{
		"der das und ist nicht ein eine einen mit für auf wird werden auch sich dass wenn oder aber wie bei nach aus durch über kann sind dann noch nur zu des im von ich mehr weiß", // de
		"le les des est une pour dans que qui pas sur avec ce cette sont par il elle nous vous mais aux du et ne être fait",                                                          // fr
		"el los las una es por con para del que lo como más pero sus está son cuando muy también hay y",                                                                              // es
		"il gli che di è una per con non sono della del dei anche più viene nel alla questo ogni",                                                                                    // it
		"os uma não com para que dos das são mais quando também pelo está isso em ele",                                                                                               // pt
		"het een niet dat wordt zijn voor met ook maar deze naar bij worden",                                                                                                         // nl
		"nie jest się na że jak przez dla który są ale czy tylko",                                                                                                                    // pl
	} {
		for w := range strings.FieldsSeq(words) {
			m[w] |= 1 << lang
		}
	}
	return m
}()

// FunctionWord reports whether a folded word is a function word.
func FunctionWord(word string) bool { return funcWords[word] }

// openContraction returns the two words of a contraction.
func openContraction(w string) (first, second string, ok bool) {
	if p, ok := contractions[w]; ok {
		return p[0], p[1], true
	}
	i := strings.LastIndexByte(w, '\'')
	if i <= 0 {
		return "", "", false
	}
	switch w[i+1:] {
	case "t":
		if strings.HasSuffix(w[:i], "n") {
			return w[:i-1], "not", true
		}
	case "re":
		return w[:i], "are", true
	case "ve":
		return w[:i], "have", true
	case "ll":
		return w[:i], "will", true
	case "d":
		return w[:i], "would", true
	case "m":
		return w[:i], "am", true
	case "s": // possessive or "is": neither carries a claim
		return w[:i], "", true
	}
	return "", "", false
}

// expandContractions opens contractions in place, from the end on.
func (l *Lexicon) expandContractions(in []raw) []raw {
	more, found := 0, false
	for i := range in {
		if in[i].is(isContraction | hasQuotes) {
			found = true
			if in[i].is(isContraction) && in[i].second != "" {
				more++
			}
		}
	}
	if !found {
		return in
	}
	out := slices.Grow(in, more)[:len(in)+more]
	k := len(out)
	for i := range slices.Backward(in) {
		t := out[i]
		first, second := t.first, t.second
		if t.is(isContraction) && second != "" {
			k--
			out[k] = t
			out[k].wordInfo, out[k].brk, out[k].comma, out[k].glued = l.word(second), BreakNone, false, false
		}
		k--
		out[k] = t
		if t.is(isContraction | hasQuotes) {
			out[k].wordInfo = l.word(first)
		}
	}
	return out
}

// dropFillers removes hesitations, doubled words and spoken separators ("dot", "dash dash").
func dropFillers(in []raw) []raw {
	out := in[:0]
	var carry raw
	for i := 0; i < len(in); i++ {
		t := in[i]
		t.brk = max(t.brk, carry.brk)
		t.comma = t.comma || carry.comma
		t.glued = t.glued || carry.glued
		switch {
		case t.locked:
		case t.is(isFiller), t.text == "you" && i+1 < len(in) && in[i+1].text == "know" && in[i+1].brk == BreakNone &&
			(t.comma || i+2 < len(in) && in[i+2].comma || i > 0 && in[i-1].is(isFiller) || i+2 < len(in) && in[i+2].is(isFiller)):
			if t.text == "you" {
				i++
			}
			if t.brk == BreakClause { // ", um," is a pause and no boundary
				t.brk, t.comma = BreakNone, false
			}
			carry = raw{brk: t.brk, comma: t.comma}
			if i+1 < len(in) && in[i+1].brk == BreakClause && in[i+1].comma {
				in[i+1].brk, in[i+1].comma = BreakNone, false
			}
			continue
		case t.is(isSeparator) && i+1 < len(in) && t.brk < BreakSentence:
			carry = raw{glued: true}
			if t.text == "dot" && in[i+1].text == "dot" {
				i++
			}
			continue
		case len(out) > 0 && out[len(out)-1].text == t.text && !(letter(&t) && t.text != "i" && t.text != "a") && !t.isNum && !t.glued &&
			(t.brk == BreakNone || t.comma && t.brk == BreakClause && FunctionWord(t.text)): // "the the", "the, the"
			continue
		}
		carry = raw{}
		out = append(out, t)
	}
	return out
}

// longestSpelling is the number of letters that are taken for one spelled word.
const longestSpelling = 10

// joinLetters joins letters that were spelled out: "u v", "I/O", "F, S".
func (l *Lexicon) joinLetters(in []raw) []raw {
	first := slices.IndexFunc(in, func(t raw) bool { return letter(&t) })
	if first < 0 {
		return in
	}
	out := in[:first]
	for i := first; i < len(in); {
		if !letter(&in[i]) {
			out = append(out, in[i])
			i++
			continue
		}
		j := i + 1
		for j < len(in) && letter(&in[j]) && (in[j].brk == BreakNone || in[j].comma && in[j].brk == BreakClause) {
			j++
		}
		for i < j {
			k := min(j, i+longestSpelling)
			for k-i > 1 && !l.vocabulary[spell(in[i:k])] { // the longest word that the bank knows
				k--
			}
			if k-i == 1 && j-i > 1 && in[i].text != "a" && in[i].text != "i" {
				k = min(j, i+longestSpelling)
			}
			t := in[i]
			if k-i > 1 {
				t.wordInfo, t.end = l.word(spell(in[i:k])), in[k-1].end
			}
			out = append(out, t)
			i = k
		}
	}
	return out
}

func letter(t *raw) bool {
	return !t.locked && len(t.text) == 1 && t.text[0] >= 'a' && t.text[0] <= 'z'
}

func spell(letters []raw) string {
	if len(letters) == 1 {
		return letters[0].text
	}
	var b strings.Builder
	for i := range letters {
		b.WriteString(letters[i].text)
	}
	return b.String()
}
