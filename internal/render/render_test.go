package render_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/render"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/transcript"
)

var update = flag.Bool("update", false, "write golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update to write it")
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestCritique(t *testing.T) {
	t.Parallel()
	b, err := rubric.Open(os.DirFS("testdata/bank"), "bank")
	require.NoError(t, err)
	q, err := b.Question("round-pots")
	require.NoError(t, err)
	g := grade.New(b, "test")
	tests := map[string]struct {
		text  string
		width int
		color bool
		model bool
		hint  string
	}{
		"strong": {text: "A pot is thrown on a wheel, which makes it round. It is fired in a kiln at about 1200 degrees. Cracks come from damp clay.",
			hint: "Graded by keywords alone: a claim in other words can be missed."},
		"mixed":         {text: "So, a round pot is thrown on a wheel. It is fired somewhere. Clay should be damp when it meets the fire. My aunt has a workshop near the old harbour, and she sells bowls on Saturdays. The weather matters, everybody in the trade says so."},
		"colour":        {text: "A round pot is thrown on a wheel. It is fired somewhere. Clay should be damp when it meets the fire.", color: true, width: 60},
		"narrow":        {text: "A round pot is thrown on a wheel. It is fired somewhere. Clay should be damp when it meets the fire.", width: 40, model: true},
		"nothing found": {text: "I would ask my aunt about it, she knows everything about these things."},
		"empty":         {text: ""},
		"misheard":      {text: "it is fired in a killing at about 1200 degrees"},
		"long quote": {text: "It is thrown on a wheel by a person who has done nothing else for thirty years, who learned it from her mother, " +
			"who learned it from hers, and who still gets up at five in the morning to see to it that it comes out round."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := g.Grade("round-pots", grade.Answer{Text: tt.text})
			require.NoError(t, err)
			o := render.Options{Width: tt.width, Color: tt.color, Text: tt.text, Title: q.Title, Hint: tt.hint}
			if tt.model {
				o.ModelAnswer = q.ModelAnswer
			}
			var out bytes.Buffer
			require.NoError(t, render.Critique(&out, c, o))
			golden(t, strings.ReplaceAll(name, " ", "-")+".txt", out.Bytes())
			if !tt.color {
				require.NotContains(t, out.String(), "\x1b")
				limit := tt.width
				if limit == 0 {
					limit = 80
				}
				for line := range strings.Lines(out.String()) {
					require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), limit, line)
				}
			}
			for line := range strings.Lines(out.String()) {
				require.Equal(t, strings.TrimRight(line, " \n"), strings.TrimRight(line, "\n"), "no blanks at the end of a line")
			}
		})
	}
}

// A judge's critique has no "at least", and a range only where something is open.
func TestCritiqueOfAJudge(t *testing.T) {
	t.Parallel()
	half := 50.0
	c := &grade.Critique{
		QuestionID: "round-pots", State: grade.Graded, Mode: grade.ModeJudge, Summary: "1 of 2 points met.",
		Score:  &grade.Score{Value: &half, Low: 50, High: 50, Band: "developing", Coverage: 1},
		Points: []grade.PointResult{{ID: "a", Weight: 1, Statement: "A pot is round.", Decision: grade.Met, Credit: 1, Evidence: []grade.Evidence{{Quote: "it is round", End: 11}}}, {ID: "b", Weight: 1, Statement: "A pot is fired.", Decision: grade.Missed}},
		Flags:  []grade.Flag{grade.FlagUnverifiedQuote},
	}
	var out bytes.Buffer
	require.NoError(t, render.Critique(&out, c, render.Options{}))
	golden(t, "judge.txt", out.Bytes())

	c.Score = &grade.Score{Low: 50, High: 90, Band: "developing", Coverage: 0.6}
	out.Reset()
	require.NoError(t, render.Critique(&out, c, render.Options{}))
	golden(t, "low-coverage.txt", out.Bytes())
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrorComesBack(t *testing.T) {
	t.Parallel()
	require.EqualError(t, render.Critique(failing{}, &grade.Critique{State: grade.Ungradable}, render.Options{}), "disk full")
}

func TestSpoken(t *testing.T) {
	t.Parallel()
	at := 72_000
	tr, err := transcript.New("um we fire it um in a kiln", nil, spokenWords("um we fire it um in a kiln"))
	require.NoError(t, err)
	c := &grade.Critique{State: grade.Graded, Mode: grade.ModeKeywords, Score: &grade.Score{Band: "weak"},
		Points: []grade.PointResult{{ID: "fire", Weight: 1, Statement: "It is fired.", Decision: grade.Met, Credit: 1,
			Evidence: []grade.Evidence{{Quote: "we fire it", StartMS: &at, EndMS: &at}}}},
	}
	c.Hear(tr, 40*time.Second, true)
	var out bytes.Buffer
	require.NoError(t, render.Critique(&out, c, render.Options{Title: "Round pots"}))
	golden(t, "spoken.txt", out.Bytes())
}

// spokenWords are a second each.
func spokenWords(text string) []transcript.Word {
	var out []transcript.Word
	for i, w := range strings.Fields(text) {
		out = append(out, transcript.Word{Text: w, Times: transcript.Times{StartMS: 1000 * i, EndMS: 1000*i + 900, Known: true}})
	}
	return out
}
