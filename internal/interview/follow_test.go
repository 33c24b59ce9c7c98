package interview

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/rubrics"
)

// builtIn reads the built-in bank once for all tests.
var builtIn = sync.OnceValues(func() (*Bank, error) {
	b, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	if err != nil {
		return nil, err
	}
	var all []Question
	for _, id := range b.IDs() {
		q, err := b.Question(id)
		if err != nil {
			return nil, err
		}
		all = append(all, Question{id, q})
	}
	return NewBank(all), nil
})

func nodeBank(t testing.TB) *Bank {
	t.Helper()
	b, err := builtIn()
	require.NoError(t, err)
	return b
}

// modelAnswer is what the bank itself would say.
func (b *Bank) modelAnswer(id string) string { return b.question(id).ModelAnswer }

func follow(t *testing.T, b *Bank, text string) *Course {
	t.Helper()
	tr, err := transcript.Parse([]byte(text))
	require.NoError(t, err)
	c, err := b.Follow(tr, "")
	require.NoError(t, err)
	return c
}

// TestFollowScripts follows made-up interviews with the bank's model answers: by labels, by names, and without any.
func TestFollowScripts(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	files, err := filepath.Glob("testdata/*/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, tt := range []struct {
		name  string
		read  func(lines []line, i int) *transcript.Transcript
		roles RoleSource
		least float64 // share of the candidate's words that belong where they are put
		stray int     // the interviewers' words that are graded in an interview, at most, on average
	}{
		{"labels", func(lines []line, _ int) *transcript.Transcript {
			return parsed(t, labelled(lines, map[string]string{"I": "Interviewer", "I2": "Interviewer 2", "C": "Candidate"}))
		}, RolesFromLabels, 0.95, 0},
		{"names", func(lines []line, _ int) *transcript.Transcript {
			return parsed(t, labelled(lines, map[string]string{"I": "Dana Smith", "I2": "Aisha", "C": "Joe"}))
		}, RolesFromSpeech, 0.95, 0},
		{"nothing", func(lines []line, i int) *transcript.Transcript { return bare(t, lines, uint64(i)) }, RolesFromContent, 0.9, 25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all, good, stray := 0, 0, 0
			for i, f := range files {
				lines := readScript(t, f, b.modelAnswer)
				c, err := b.Follow(tt.read(lines, i), "")
				require.NoError(t, err)
				require.Equal(t, tt.roles, c.Roles, f)
				n, ok, wrong := right(t, lines, c)
				all, good = all+n, good+ok
				for what, words := range wrong {
					if strings.HasPrefix(what, "interviewer's") {
						stray += words
					}
				}
				t.Logf("%s: %d of %d words, %v", filepath.Base(f), ok, n, wrong)
			}
			require.GreaterOrEqual(t, float64(good), tt.least*float64(all))
			require.LessOrEqual(t, stray, tt.stray*len(files))
		})
	}
}

func parsed(t *testing.T, text string) *transcript.Transcript {
	t.Helper()
	tr, err := transcript.Parse([]byte(text))
	require.NoError(t, err)
	return tr
}

func TestQuestionsKeepTheirFollowUps(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	c := follow(t, b, `Interviewer: Hi, thanks for coming. Shall we start?
Candidate: Sure, go ahead.
Interviewer: First question. People say Node has just one thread. Is that right?
Candidate: My JavaScript runs on one thread, but libuv has a pool of four threads underneath.
Interviewer: Mm-hm.
Candidate: File system calls go to that pool.
Interviewer: And what if those four are not enough?
Candidate: I set UV_THREADPOOL_SIZE before the process starts.
Interviewer: Next one. What do you do to relax at the weekend?
Candidate: I bake bread and repair old bicycles with my daughter in our garden shed.
Interviewer: Last one. An exception escapes every handler in a running Node server. What does Node do?
Interviewer: Thanks, that's all from me. Bye.
Candidate: Bye.
`)
	require.Equal(t, "Candidate", c.Candidate)
	asked, err := c.Questions()
	require.NoError(t, err)
	require.Len(t, asked, 3)
	require.Equal(t, "is-node-single-threaded", asked[0].Question)
	require.Equal(t, "People say Node has just one thread. Is that right? And what if those four are not enough?", strings.TrimPrefix(asked[0].Text, "First question. "))
	require.Equal(t, "My JavaScript runs on one thread, but libuv has a pool of four threads underneath. File system calls go to that pool.\n\nI set UV_THREADPOOL_SIZE before the process starts.", asked[0].Answer.Text)
	require.Empty(t, asked[1].Question)
	require.Contains(t, asked[1].Text, "What do you do to relax")
	require.Equal(t, "uncaught-exception", asked[2].Question)
	require.Nil(t, asked[2].Answer, "nobody answered")
	for _, a := range asked {
		require.NotContains(t, a.Text, "Mm-hm")
	}
}

func TestAnswerKeepsTimesAndSpeaker(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	c := follow(t, b, `WEBVTT

00:00:01.000 --> 00:00:05.000
<v Interviewer>People say Node has just one thread. Is that right?</v>

00:00:06.000 --> 00:00:10.000
<v Candidate>My JavaScript runs on one thread in one isolate.</v>

00:00:11.000 --> 00:00:12.000
<v Interviewer>And how many of those are there?</v>

00:00:13.000 --> 00:00:15.000
<v Candidate>Four threads by default.</v>
`)
	asked, err := c.Questions()
	require.NoError(t, err)
	require.Len(t, asked, 1)
	a := asked[0]
	require.Equal(t, []int{1000, 15000}, []int{a.StartMS, a.EndMS})
	at := strings.Index(a.Answer.Text, "Four threads")
	require.Equal(t, transcript.Times{StartMS: 13000, EndMS: 15000, Known: true}, a.Answer.TimesAt(at, at+12))
	require.Equal(t, []string{"Candidate"}, a.Answer.Speakers())
}

func TestWhoIsTheCandidate(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	talk := func(asks, says string) string {
		return asks + ": People say Node has just one thread. Is that right? What would you argue?\n" +
			says + ": My JavaScript runs on one thread in one isolate. The process has more of them, libuv keeps a pool of four.\n" +
			asks + ": And when that is not enough, what do you do?\n" +
			says + ": I make the pool larger with an environment variable, before the process starts.\n"
	}
	for _, tt := range []struct {
		name, text, wanted, want string
		source                   RoleSource
	}{
		{"labels", talk("Interviewer", "Interviewee"), "", "Interviewee", RolesFromLabels},
		{"one label", talk("Recruiter", "Ann"), "", "Ann", RolesFromLabels},
		{"names", talk("Bob", "Ann"), "", "Ann", RolesFromSpeech},
		{"numbers", talk("Speaker 1", "Speaker 0"), "", "Speaker 0", RolesFromSpeech},
		{"channels", talk("Left", "Right"), "", "Right", RolesFromSpeech},
		{"letters", talk("A", "B"), "", "B", RolesFromSpeech},
		{"questions and answers", talk("Q", "A"), "", "A", RolesFromLabels},
		{"one label for both", talk("Speaker 0", "Speaker 0"), "", "", RolesFromContent},
		{"by hand", talk("Bob", "Ann"), "Bob", "Bob", RolesFromLabels},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := b.Follow(parsed(t, tt.text), tt.wanted)
			require.NoError(t, err)
			require.Equal(t, tt.want, c.Candidate)
			require.Equal(t, tt.source, c.Roles)
		})
	}
}

func TestNoCandidate(t *testing.T) {
	t.Parallel()
	b := nodeBank(t)
	for _, tt := range []struct{ name, text, wanted, says string }{
		{"only the interviewer", "Interviewer: What is the event loop?\nInterviewer: Hello?\n", "", "only Interviewer speaks"},
		{"nobody of that name", "Bob: What is it?\nAnn: A loop.\nBob: Why?\n", "Eve", `nobody is called "Eve"; the speakers are Bob, Ann`},
		{"no names at all", "So what is the event loop? It has phases.", "Eve", "no speaker is named"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := b.Follow(parsed(t, tt.text), tt.wanted)
			require.ErrorIs(t, err, ErrNoCandidate)
			require.ErrorContains(t, err, tt.says)
		})
	}
}
