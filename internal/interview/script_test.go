package interview

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/transcript"
)

// line is a turn of a made-up interview and what is true of it. A script has one on each line: who speaks and why, the
// question's id where there is one, and the words. I, I2 are interviewers who chat, Q and F ask and follow up, A
// answers, C is the candidate chatting; "-" is a question that is not in the bank. In an answer {all} stands for an
// answer to the question, {1/2} for its first half.
type line struct {
	speaker  string
	kind     Kind
	question string
	text     string
}

func (l line) candidate() bool { return l.speaker == "C" }

// readScript reads a script of testdata/scripts. answer gives the answer to a question.
func readScript(t testing.TB, file string, answer func(question string) string) []line {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var out []line
	for row := range strings.Lines(string(data)) {
		row = strings.TrimSpace(row)
		if row == "" || strings.HasPrefix(row, "#") {
			continue
		}
		code, rest, _ := strings.Cut(row, " ")
		l := line{speaker: "I" + strings.TrimLeft(code, "ICQFA"), kind: SmallTalk, text: rest}
		switch code[0] {
		case 'Q', 'F', 'A':
			l.kind = map[byte]Kind{'Q': Asks, 'F': FollowsUp, 'A': Answers}[code[0]]
			l.question, l.text, _ = strings.Cut(rest, " ")
		}
		if code[0] == 'A' || code[0] == 'C' {
			l.speaker = "C"
		}
		if strings.HasPrefix(l.text, "{") {
			l.text = share(answer(l.question), strings.Trim(l.text, "{}"))
		}
		out = append(out, l)
	}
	return out
}

// share is the n-th of m parts of a text, cut at sentences.
func share(text, which string) string {
	text = strings.Join(strings.Fields(text), " ")
	a, b, ok := strings.Cut(which, "/")
	if !ok {
		return text
	}
	n, _ := strconv.Atoi(a)
	m, _ := strconv.Atoi(b)
	sentences := strings.SplitAfter(text, ". ")
	return strings.TrimSpace(strings.Join(sentences[(n-1)*len(sentences)/m:n*len(sentences)/m], ""))
}

// labelled writes an interview as text with labels.
func labelled(lines []line, names map[string]string) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%s: %s\n", names[l.speaker], l.text)
	}
	return b.String()
}

// bare is an interview as a recogniser without speakers hears it: words with times, sentences, and pauses that mark
// some changes of speaker and other places as well.
func bare(t testing.TB, lines []line, seed uint64) *transcript.Transcript {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var words []transcript.Word
	var texts []string
	at := 400
	for _, l := range lines {
		for w := range strings.FieldsSeq(l.text) {
			long := 120 + 45*len(w)
			words = append(words, transcript.Word{Text: w, Times: transcript.Times{StartMS: at, EndMS: at + long, Known: true}})
			at += long + 20
			if strings.ContainsAny(w[len(w)-1:], ".?!,") && r.IntN(3) == 0 {
				at += 200 + r.IntN(500)
			}
		}
		if r.IntN(8) > 0 {
			at += 300 + r.IntN(500)
		}
		texts = append(texts, l.text)
	}
	out, err := transcript.New(strings.Join(texts, " "), nil, words)
	require.NoError(t, err)
	return out
}

// right counts the candidate's words and those that a course gives to the right question, chat to none.
func right(t testing.TB, lines []line, c *Course) (all, good int, wrong map[string]int) {
	t.Helper()
	wrong = map[string]int{}
	var truth []line // of each word of the transcript
	for _, l := range lines {
		for range strings.FieldsSeq(l.text) {
			truth = append(truth, l)
		}
	}
	got := make([]string, 0, len(truth))
	at := 0
	for i, w := range strings.Fields(c.Transcript.Text) {
		start := at + strings.Index(c.Transcript.Text[at:], w)
		at = start + len(w)
		label := "chat"
		for k := range c.Turns {
			if u := &c.Turns[k]; u.Start <= start && start < u.End {
				label = called(u.Role == "candidate", u.Kind, u.Question)
			}
		}
		got = append(got, label)
		require.Less(t, i, len(truth))
	}
	require.Len(t, got, len(truth))
	for i, l := range truth {
		want := called(l.candidate(), l.kind, strings.TrimPrefix(l.question, "-"))
		if l.candidate() {
			all++
			if got[i] == want {
				good++
			} else {
				wrong[want+" as "+got[i]]++
			}
		} else if strings.HasPrefix(got[i], "answer") {
			wrong["interviewer's as "+got[i]]++
		}
	}
	return all, good, wrong
}

func called(candidate bool, kind Kind, question string) string {
	switch {
	case kind == SmallTalk:
		return "chat"
	case !candidate:
		return "question"
	case question == "":
		return "answer to another"
	}
	return "answer to " + question
}
