package interview

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/transcript"
)

const twoQuestions = `Interviewer: People say Node has just one thread. Is that right?
Candidate: =My JavaScript runs on one thread; underneath there is a pool of threads.
Interviewer: An exception escapes every handler in a running Node server. What does Node do by default?
Candidate: It prints the stack and exits with code 1.
`

// mapOf writes the map of an interview and returns its text.
func mapOf(t *testing.T, b *Bank, text string) (string, *transcript.Transcript) {
	t.Helper()
	tr := parsed(t, text)
	c, err := b.Follow(tr, "")
	require.NoError(t, err)
	rows, err := mapRows("ann", c)
	require.NoError(t, err)
	return string(mapHeader()) + string(rows), tr
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "map.csv")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestMapReadsBackWhatItWrote(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	text, tr := mapOf(t, b, twoQuestions)
	require.Contains(t, text, ",'=My JavaScript", "a spreadsheet must not run it")
	for _, tt := range []struct {
		name string
		as   func(string) string
	}{
		{"as it is", func(s string) string { return s }},
		{"line breaks of Windows", func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }},
		{"no byte order mark", func(s string) string { return strings.TrimPrefix(s, byteOrderMark) }},
		{"semicolons", func(s string) string {
			lines := strings.Split(s, "\n")
			for i, l := range lines {
				if q := strings.IndexByte(l, '"'); q >= 0 {
					lines[i] = strings.ReplaceAll(l[:q], ",", ";") + l[q:]
				} else {
					cells := strings.SplitN(l, ",", len(mapColumns))
					lines[i] = strings.Join(cells, ";")
					if strings.Contains(cells[len(cells)-1], ";") {
						cells[len(cells)-1] = `"` + cells[len(cells)-1] + `"`
						lines[i] = strings.Join(cells, ";")
					}
				}
			}
			return strings.Join(lines, "\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := b.ReadMap(writeFile(t, tt.as(text)))
			require.NoError(t, err)
			want, err := b.Follow(tr, "")
			require.NoError(t, err)
			got, err := m.Course("ann", tr)
			require.NoError(t, err)
			require.Equal(t, RolesFromMap, got.Roles)
			for i := range want.Turns {
				want.Turns[i].Confidence = 1
			}
			require.Equal(t, want.Turns, got.Turns)
		})
	}
}

func TestMapIsObeyed(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	text, tr := mapOf(t, b, twoQuestions)
	for _, tt := range []struct {
		name     string
		from, to string
		want     []string // question and answer of each line
	}{
		{"another question", "question,is-node-single-threaded", "question,libuv-thread-pool",
			[]string{"libuv-thread-pool: ", "is-node-single-threaded: =My JavaScript", "uncaught-exception: It prints"}},
		{"not in the bank", "is-node-single-threaded", "", []string{": =My JavaScript", "uncaught-exception: It prints"}},
		{"a follow-up after all", "question,uncaught-exception", "follow-up,is-node-single-threaded",
			[]string{"is-node-single-threaded: =My JavaScript", "uncaught-exception: It prints"}},
		{"small talk after all", "candidate,answer,uncaught-exception", "candidate,small-talk,", []string{"is-node-single-threaded: =My JavaScript", "uncaught-exception: "}},
		{"the bank is named", "question,is-node-single-threaded", "question,nodejs/is-node-single-threaded", []string{"is-node-single-threaded: =My JavaScript", "uncaught-exception: It prints"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			corrected := strings.ReplaceAll(text, tt.from, tt.to)
			require.NotEqual(t, text, corrected)
			m, err := b.ReadMap(writeFile(t, corrected))
			require.NoError(t, err)
			c, err := m.Course("ann", tr)
			require.NoError(t, err)
			asked, err := c.Questions()
			require.NoError(t, err)
			require.Len(t, asked, len(tt.want))
			for i, a := range asked {
				id, answer, _ := strings.Cut(tt.want[i], ": ")
				require.Equal(t, id, a.Question)
				if answer == "" {
					require.Nil(t, a.Answer)
					continue
				}
				require.True(t, strings.HasPrefix(a.Answer.Text, answer), a.Answer.Text)
				require.InDelta(t, 1, a.Confidence, 0)
			}
		})
	}
}

func TestMapRowsCanBeCutAndLeftOut(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	tr := parsed(t, twoQuestions)
	m, err := b.ReadMap(writeFile(t, `interview,role,kind,question_id,text
ann,interviewer,question,is-node-single-threaded,People say Node has just one thread. Is that right?
ann,candidate,answer,,My JavaScript runs on one thread
ann,candidate,answer,libuv-thread-pool,underneath there is a pool of threads
`))
	require.NoError(t, err)
	c, err := m.Course("ann", tr)
	require.NoError(t, err)
	asked, err := c.Questions()
	require.NoError(t, err)
	require.Len(t, asked, 2)
	require.Equal(t, "=My JavaScript runs on one thread;", asked[0].Answer.Text)
	require.Equal(t, "underneath there is a pool of threads.", asked[1].Answer.Text)
}

func TestMistakesInMapsAreAllNamed(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	_, err := b.ReadMap(writeFile(t, `interview,role,kind,question_id,text
ann,interviewer,query,,What?
ann,boss,question,,What?
ann,interviewer,answer,,What?
ann,candidate,question,,What?
ann,candidate,answer,event-loop-phase,What?
,candidate,answer,,What?
`))
	require.Error(t, err)
	for _, want := range []string{
		`map.csv:2:1: kind "query" is none; use question, follow-up, answer or small-talk`,
		`map.csv:3:1: role "boss" is none; use interviewer or candidate`,
		`map.csv:4:1: only the candidate answers`,
		`map.csv:5:1: only an interviewer asks`,
		`map.csv:6:1: no question has the id "event-loop-phase"; did you mean event-loop-phases?`,
		`map.csv:7:1: the row does not say which interview it belongs to`,
	} {
		require.ErrorContains(t, err, want)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"no column": {"interview,kind,question_id,text\n", `map.csv:1:1: the map has no column "role"`},
		"empty":     {"", "map.csv:1:1: the map is empty"},
		"no CSV":    {"interview,role,kind,question_id,text\nann,\"candidate,answer,,What?\n", "map.csv:2:1: not CSV"},
	} {
		_, err := b.ReadMap(writeFile(t, tt.text))
		require.ErrorContains(t, err, tt.want, name)
	}
	m, err := b.ReadMap(writeFile(t, "interview,role,kind,question_id,text\nann,candidate,answer,,Words that nobody said\n"))
	require.NoError(t, err)
	_, err = m.Course("ann", parsed(t, twoQuestions))
	require.ErrorContains(t, err, "map.csv:2:1: these words do not stand here in the transcript of ann")
}

func TestInertCells(t *testing.T) {
	t.Parallel()
	for _, cell := range []string{"", "plain", "=1+1", "'=1+1", "''quoted", "'tis true", "-5", "@all", " +1", "+", "＝cmd", "it's"} {
		made := inert(cell)
		require.Equal(t, cell, active(made), made)
		first := strings.TrimLeft(made, " ")
		require.False(t, first != "" && strings.ContainsRune(formulas, []rune(first)[0]), made)
	}
}

func FuzzInert(f *testing.F) {
	f.Add("'=x")
	f.Fuzz(func(t *testing.T, cell string) {
		require.Equal(t, cell, active(inert(cell)))
	})
}
