package speech

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	// vocabularyNames is the number of names in a prompt at most: recognisers read its last 224 tokens only.
	vocabularyNames = 30
	maxNameRunes    = 40
)

var nameToken = regexp.MustCompile(`-{0,2}[\p{L}_][\p{L}\p{N}_.+-]*`)

// Vocabulary is the prompt that helps a recogniser to spell: the names in the texts, in their order, as a plain list
// ("Node.js interview: libuv, setTimeout."). A list repairs more spellings than a sentence does (docs/speech.md). A name
// is spelled as no word of the language is, or is among the known ones, in lower case. Without names it is empty.
func Vocabulary(topic string, texts []string, known map[string]bool) string {
	var names []string
	for _, s := range texts {
		start := true // of a sentence, where any word has a capital
		for _, at := range nameToken.FindAllStringIndex(s, -1) {
			word := head(strings.TrimRight(s[at[0]:at[1]], ".-+"))
			first := start || at[0] > 0 && strings.ContainsAny(s[at[0]-1:at[0]], `'"(`)
			start = strings.HasSuffix(s[at[0]:at[1]], ".") || at[1] < len(s) && strings.ContainsAny(s[at[1]:at[1]+1], ":?!")
			if (name(word, first) && !slices.Contains(units, word) || known[strings.ToLower(word)]) && !slices.Contains(names, word) && len([]rune(word)) <= maxNameRunes {
				names = append(names, word)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return topic + ": " + strings.Join(names[:min(len(names), vocabularyNames)], ", ") + "."
}

// units are spelled like names and need no help.
var units = []string{"KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "II", "III"}

// head is the name in a compound such as CPU-bound.
func head(word string) string {
	before, after, ok := strings.Cut(strings.TrimLeft(word, "-"), "-")
	if ok && !strings.HasPrefix(word, "-") && name(before, true) && strings.ToLower(after) == after {
		return before
	}
	return word
}

// name reports whether a word is spelled as no word of the language is: capitals or digits inside, a dot, dashes
// before it, underscores; or with a capital where no sentence begins.
func name(word string, first bool) bool {
	letters := 0
	for i, r := range word {
		switch {
		case unicode.IsLetter(r):
			letters++
			if i > 0 && unicode.IsUpper(r) {
				return true
			}
		case i > 0 && (unicode.IsDigit(r) || r == '_' || r == '.'):
			return letters > 0
		}
	}
	r := []rune(word)
	return strings.HasPrefix(word, "--") && letters > 1 || !first && letters > 1 && unicode.IsUpper(r[0])
}
