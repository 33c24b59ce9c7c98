package canon

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// raw is a token on its way through the stages.
type raw struct {
	*wordInfo
	start, end int32
	num        Number
	alias      *Alias
	brk        Break
	comma      bool
	glued      bool // nothing but an identifier's separator stands before it
	quoted     bool
	arrow      bool // an arrow or a greater-than sign stands before it
	isNum      bool
	locked     bool // written by an alias: no stage changes it any more
}

// hiddenRune reports characters that a reader does not see: they hide text from people, or words from checks.
func hiddenRune(r rune) bool {
	switch {
	case r >= 0xE0000 && r <= 0xE007F, // tags
		r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, // bidirectional controls
		r >= 0x200B && r <= 0x200F, r == 0x2060, r == 0xFEFF, r == 0x00AD, r == 0x061C, r == 0x180E:
		return true
	}
	return false
}

// HiddenRune reports zero-width, tag and bidirectional control characters.
func HiddenRune(r rune) bool { return hiddenRune(r) }

// wordByte tells the ASCII letters and digits.
var wordByte = func() (table [256]bool) {
	for b := range table {
		table[b] = b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
	}
	return table
}()

func wordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return wordByte[r]
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r)
}

// abbreviations end with a full stop that ends no sentence.
var abbreviations = WordSet("eg ie etc vs cf approx e g")

// scan cuts the text into folded words, identifiers into their parts. It appends them to tokens.
func (l *Lexicon) scan(tokens []raw, s string) (_ []raw, hidden int) {
	if cap(tokens) == 0 {
		tokens = make([]raw, 0, len(s)/5+4)
	}
	brk, comma, glue, quoted, arrow := BreakNone, false, false, false, false
	sepStart, lineStart := 0, 0
	for i := 0; i < len(s); {
		if s[i] == ' ' {
			i++
			continue
		}
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			// emoji joiners and variation selectors are part of what people see
			if hiddenRune(r) {
				hidden++
				i += size
				continue
			}
		}
		if !wordRune(r) {
			i += size
			switch r {
			case '.', '!', '?', '…':
				for r == '.' && i < len(s) && s[i] == '.' { // "for...of" ends nothing
					i++
				}
				end := i >= len(s) || sentenceEnds(s[i:])
				if end && (r != '.' || len(tokens) == 0 || !tokens[len(tokens)-1].is(isAbbreviation)) {
					brk = max(brk, BreakSentence)
				}
			case '\n':
				switch {
				case i < len(s) && (s[i] == '\n' || s[i] == '\r'):
					brk = max(brk, BreakParagraph)
				case !wrapped(s, lineStart, i):
					brk = max(brk, BreakSentence)
				}
				lineStart = i
			case ',', '、', '，':
				brk, comma = max(brk, BreakClause), true
			case ';', ':', '(', ')', '[', ']', '{', '}', '—', '–', '→', '|', '>':
				brk = max(brk, BreakClause)
				arrow = arrow || r == '→' || r == '>'
			case '-':
				if i >= 2 && s[i-2] == ' ' && i < len(s) && s[i] == ' ' {
					brk = max(brk, BreakClause)
				}
			case '"', '“', '”', '«', '»':
				quoted = !quoted
				if r == '“' || r == '«' {
					quoted = true
				}
				if r == '”' || r == '»' {
					quoted = false
				}
			case '%':
				if n := len(tokens); n > 0 && tokens[n-1].isNum && (int(tokens[n-1].end) == i-1 || int(tokens[n-1].end) == i-2 && s[i-2] == ' ') {
					tokens[n-1].num.Unit, tokens[n-1].end = UnitPercent, int32(i)
				}
			}
			continue
		}
		glue = len(tokens) > 0 && (sepStart == i || s[sepStart] != ' ' && separatorOnly(s[sepStart:i]))
		start := i
		for i < len(s) {
			if wordByte[s[i]] {
				i++
				continue
			}
			if s[i] == ' ' {
				break
			}
			r, size = utf8.DecodeRuneInString(s[i:])
			if hiddenRune(r) {
				hidden++
				i += size
				continue
			}
			if (r == '\'' || r == '’' || r == 'ʼ') && i+size < len(s) {
				next, _ := utf8.DecodeRuneInString(s[i+size:])
				if unicode.IsLetter(next) && i > start {
					i += size
					continue
				}
			}
			if (r == '.' || r == ',') && i > start && isDigit(s[i-1]) && i+1 < len(s) && isDigit(s[i+1]) && allDigits(s[start:i]) {
				if r == '.' || thousands(s[i+1:]) {
					i += size
					continue
				}
			}
			if !wordRune(r) {
				break
			}
			i += size
		}
		tokens = l.appendWord(tokens, s, start, i, raw{brk: brk, comma: comma, glued: glue && brk < BreakSentence, quoted: quoted, arrow: arrow})
		brk, comma, arrow, sepStart = BreakNone, false, false, i
	}
	return tokens, hidden
}

// wrapColumns is the length from which a line is taken for one that an editor wrapped.
const wrapColumns = 60

// wrapped reports whether the line break before s[at] is an editor's: the text goes on in lower case behind it, or the
// line was long and no list item begins.
func wrapped(s string, lineStart, at int) bool {
	rest := strings.TrimLeft(s[at:], " \t")
	if rest == "" {
		return false
	}
	next, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsLower(next) || at-lineStart >= wrapColumns && unicode.IsLetter(next)
}

// sentenceEnds reports whether what follows a full stop begins something new.
func sentenceEnds(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsSpace(r) || r == '"' || r == '”' || r == ')' || r == '\'' || r == '*' || r > 0x2E80
}

func separatorOnly(sep string) bool {
	if sep == "" {
		return true
	}
	for _, r := range sep {
		switch r {
		case '.', '_', '-', '/', '#', '@', '=', ':', '+', '`', '\'':
		case '(', ')':
		default:
			if !hiddenRune(r) {
				return false
			}
		}
	}
	return true
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && s[i] != ',' && s[i] != '.' {
			return false
		}
	}
	return true
}

// thousands reports whether a comma inside figures is followed by a group of exactly three.
func thousands(s string) bool {
	return len(s) >= 3 && isDigit(s[0]) && isDigit(s[1]) && isDigit(s[2]) && (len(s) == 3 || !isDigit(s[3]))
}

// appendWord folds s[start:end] and cuts it at camelCase humps; the first part carries the marks of proto.
func (l *Lexicon) appendWord(tokens []raw, s string, start, end int, proto raw) []raw {
	w := s[start:end]
	if isDigit(w[0]) {
		proto.num, proto.isNum = scanFigure(w)
	} else if known := l.known(w); known != nil {
		proto.wordInfo, proto.start, proto.end = known, int32(start), int32(end)
		return append(tokens, proto)
	}
	from := 0
	if !proto.isNum && ascii(w) {
		for i := 1; i < len(w); i++ {
			if !hump(w, i) {
				continue
			}
			if from == 0 && writtenUnit(w) { // KiB is no camelCase
				break
			}
			proto.wordInfo, proto.start, proto.end = l.word(w[from:i]), int32(start+from), int32(start+i)
			tokens = append(tokens, proto)
			proto.brk, proto.comma, proto.glued, proto.arrow = BreakNone, false, true, false
			from = i
		}
	}
	proto.wordInfo, proto.start, proto.end = l.word(w[from:]), int32(start+from), int32(end)
	if proto.text == "" { // nothing but hidden characters
		return tokens
	}
	return append(tokens, proto)
}

// hump reports whether a new part of an identifier begins at w[i]: fooBar, HTTPServer.
func hump(w string, i int) bool {
	upper := func(b byte) bool { return b >= 'A' && b <= 'Z' }
	lower := func(b byte) bool { return b >= 'a' && b <= 'z' }
	if !upper(w[i]) {
		return false
	}
	if lower(w[i-1]) {
		// plural acronyms and names such as IDs, libUV, macOS stay whole enough: they are split here and joined as compounds
		return true
	}
	return upper(w[i-1]) && i+1 < len(w) && lower(w[i+1]) && w[i+1:] != "s"
}

// fold brings letters of any width and case to one form (Unicode NFKC, lower case) and drops hidden characters.
func fold(w string) string {
	if ascii(w) {
		return strings.ToLower(w)
	}
	w = norm.NFKC.String(w)
	var b strings.Builder
	for _, r := range w {
		switch {
		case hiddenRune(r), r == utf8.RuneError:
		case r == '’' || r == 'ʼ':
			b.WriteByte('\'')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}
