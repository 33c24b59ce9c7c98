package interview

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/transcript"
)

// numbered gives inputs numbers for names, in their order.
func numbered(inputs []Input) []Input {
	out := slices.Clone(inputs)
	width := max(3, len(strconv.Itoa(len(inputs))))
	for i := range out {
		out[i].Name = fmt.Sprintf("interview-%0*d", width, i+1)
	}
	return out
}

// writeKey says which number is whose.
func writeKey(file string, inputs, numbers []Input) error {
	var b bytes.Buffer
	b.WriteString(byteOrderMark)
	w := csv.NewWriter(&b)
	rows := [][]string{{"number", "interview", "source"}}
	for i := range inputs {
		rows = append(rows, []string{numbers[i].Name, inert(inputs[i].Name), inert(inputs[i].Path)})
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return nil
}

// minName is the length in letters of the shortest word that is hidden as a name.
const minName = 3

// plainLabels are words of labels and file names that name nobody.
var plainLabels = []string{"speaker", "channel", "left", "right", "interview", "interviewer", "interviewee", "candidate", "recording", "mock", "audio", "transcript", "session",
	"panel", "recruiter", "moderator", "host", "unknown", "applicant"}

// anonymous puts numbers in the place of the names of speakers, and of words of the file's name that are said as names.
// Other names in what is said are not known, and stay. It returns the new name of the label wanted, too.
func anonymous(t *transcript.Transcript, source, wanted string) (*transcript.Transcript, string) {
	labels := map[string]string{"": ""}
	hidden := map[string]string{}
	for i, s := range t.Speakers() {
		if transcript.SaysCandidate(s) || transcript.SaysInterviewer(s) {
			labels[s] = s
			continue
		}
		labels[s] = fmt.Sprintf("Speaker %d", i+1)
		for _, w := range NameWords(s) {
			hidden[w] = labels[s]
		}
	}
	for _, w := range NameWords(stem(filepath.Base(source))) {
		if _, ok := hidden[w]; !ok && !slices.Contains(words(t.Text), strings.ToLower(w)) {
			hidden[w] = "Someone"
		}
	}
	segments, spoken := slices.Clone(t.Segments), slices.Clone(t.Words)
	for i := range segments {
		segments[i].Speaker, segments[i].Text = labels[segments[i].Speaker], hide(segments[i].Text, hidden)
	}
	for i := range spoken {
		spoken[i].Speaker, spoken[i].Text = labels[spoken[i].Speaker], hide(spoken[i].Text, hidden)
	}
	out, err := transcript.New(hide(t.Text, hidden), segments, spoken)
	if err != nil { // its times were right before
		panic(err)
	}
	out.Language, out.DurationMS, out.Format = t.Language, t.DurationMS, t.Format
	if name, ok := labels[wanted]; ok {
		wanted = name
	}
	return out, wanted
}

// NameWords are the words of a label or file that can be a person's name, as names are written.
func NameWords(s string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if utf8.RuneCountInString(w) >= minName && !slices.Contains(plainLabels, strings.ToLower(w)) {
			first, size := utf8.DecodeRuneInString(w)
			out = append(out, string(unicode.ToUpper(first))+w[size:])
		}
	}
	return out
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !wordRune(r) })
}

// hide replaces words.
func hide(text string, names map[string]string) string {
	if len(names) == 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexFunc(text, func(r rune) bool { return !wordRune(r) })
		switch {
		case end < 0:
			end = len(text)
		case end == 0:
			_, end = utf8.DecodeRuneInString(text)
		}
		if name, ok := names[text[:end]]; ok {
			b.WriteString(name)
		} else {
			b.WriteString(text[:end])
		}
		text = text[end:]
	}
	return b.String()
}
