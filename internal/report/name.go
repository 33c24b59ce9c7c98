package report

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/interview"
)

// namer says what an interview is called, and rewrites texts: in an anonymous report names become numbers.
type namer struct {
	title  string   // of the interview
	hidden []string // longest first
	label  string   // what stands in their place; empty where nothing is hidden
}

func newNamer(iv *asked, anonymous bool) namer {
	if !anonymous {
		return namer{title: iv.Interview}
	}
	label := fmt.Sprintf("Candidate %d", iv.number)
	return namer{title: label, label: label, hidden: hiddenNames(iv)}
}

// minName is the length in letters of the shortest name that is hidden.
const minName = 3

// hiddenNames are the names of an interview as they can stand in texts: label and file as they are, and their words.
// A word of the file's name is taken for a person's only if the interview does not use it in lower case, so that
// "event-loop.ogg" hides no event loop.
func hiddenNames(iv *asked) []string {
	var all strings.Builder
	for _, l := range iv.lines {
		all.WriteString(l.Asked + "\n")
		if c := l.Critique; c != nil && c.Transcript != nil {
			all.WriteString(c.Transcript.Text + "\n")
		}
	}
	spoken := all.String()
	names := []string{iv.Source, path.Base(iv.Source), iv.Interview, path.Base(iv.Interview)}
	if len(interview.NameWords(iv.Candidate)) > 0 {
		names = append(names, iv.Candidate)
		names = append(names, interview.NameWords(iv.Candidate)...)
	}
	for _, w := range interview.NameWords(iv.Interview) {
		if !containsWord(spoken, strings.ToLower(w)) {
			names = append(names, w)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return utf8.RuneCountInString(n) < minName || n == "." || n == "/" })
	slices.SortFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(names)
}

// text hides the names in s.
func (n namer) text(s string) string {
	for _, name := range n.hidden {
		s = replaceWord(s, name, n.label)
	}
	return s
}

func (n namer) texts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = n.text(s)
	}
	return out
}

func containsWord(s, word string) bool { return nextWord(s, word, 0) >= 0 }

func replaceWord(s, word, with string) string {
	var b strings.Builder
	for {
		i := nextWord(s, word, 0)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i] + with)
		s = s[i+len(word):]
	}
}

// nextWord finds word in s from an offset where no letter or digit stands at either side.
func nextWord(s, word string, from int) int {
	for from <= len(s) {
		i := strings.Index(s[from:], word)
		if i < 0 {
			return -1
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+len(word):])
		if !wordRune(before) && !wordRune(after) {
			return i
		}
		from = i + len(word)
	}
	return -1
}

func wordRune(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

// pageNames gives every interview a file of its own, also where file systems do not tell upper from lower case.
type pageNames struct{ taken map[string]bool }

// maxPageName keeps file names short enough for every file system.
const maxPageName = 80

func (p *pageNames) next(iv *asked, anonymous bool) string {
	if p.taken == nil {
		p.taken = map[string]bool{}
	}
	base := slug(iv.Interview)
	if anonymous || base == "" {
		base = fmt.Sprintf("candidate-%d", iv.number)
	}
	name := base + ".html"
	for n := 2; p.taken[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s-%d.html", base, n)
	}
	p.taken[strings.ToLower(name)] = true
	return name
}

// slug keeps letters, digits, dots inside and underscores; everything else becomes a dash.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, s)
	for len(s) > maxPageName {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.Trim(s, "-.")
}
