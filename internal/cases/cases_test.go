package cases_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/cases"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/rubric"
)

const question = `apiVersion: grader/v1
id: pots
number: 1
category: pots
stage: screen
title: Pots
prompt: "What is a good pot?"
expect_seconds: 30
follow_up: "Why?"
points:
  - {id: round, kind: mechanism, weight: 1, statement: "A pot is round.", check: "round", partial: "roundish"}
misconceptions:
  - {id: flat, statement: "A pot is flat.", why_wrong: "It is not.", check: "flat"}
`

func load(t *testing.T, file string) (*rubric.Question, []cases.Case, error) {
	t.Helper()
	fsys := fstest.MapFS{"bank.yaml": {Data: []byte("apiVersion: grader/v1\nid: b\ntitle: B\nlanguage: en\nversion: 1.0.0\n")}, "pots.yaml": {Data: []byte(question)}}
	if file != "" {
		fsys["pots_test.yaml"] = &fstest.MapFile{Data: []byte(file)}
	}
	b, err := rubric.Open(fsys, "b")
	require.NoError(t, err)
	q, err := b.Question("pots")
	require.NoError(t, err)
	cs, err := cases.Load(q)
	return q, cs, err
}

func TestRun(t *testing.T) {
	t.Parallel()
	q, cs, err := load(t, `question: pots
points:
  round:
    met:
      - "It is round."
      - {text: "it is square", needs: judge}
      - {text: "it is round", needs: judge}
    partial: ["It is roundish."]
    missed: ["It is square."]
    contradicted: ["It is not round."]
misconceptions:
  flat:
    asserted: ["It is flat."]
    rejected: ["It is not flat.", "It is square."]
    absent: ["It is flat."]
answers:
  - name: good
    modality: spoken
    text: "it is round and not flat"
    points: {round: met}
    misconceptions: {flat: rejected}
  - {name: hard, text: "like a ball", points: {round: met}, needs_judge: [round]}
`)
	require.NoError(t, err)
	p, err := check.Compile(q)
	require.NoError(t, err)
	got := map[string]string{}
	ok := map[string]bool{}
	for _, r := range cases.Run(q, p, cs) {
		got[r.Name], ok[r.Name] = r.Got, r.OK
	}
	require.Equal(t, map[string]string{
		"round/met/1": "met", "round/met/2": "missed", "round/met/3": "met", "round/partial/1": "partial", "round/missed/1": "missed",
		"round/contradicted/1": "contradicted", "flat/asserted/1": "asserted", "flat/rejected/1": "rejected", "flat/rejected/2": "absent",
		"flat/absent/1": "asserted", "answer good/round": "met", "answer good/flat": "rejected", "answer hard/round": "missed",
	}, got)
	for name, passed := range ok {
		want := name != "round/met/3" && name != "flat/absent/1" // a judge is not needed any more; asserted where it should not be
		require.Equal(t, want, passed, name)
	}
}

func TestNoCaseFile(t *testing.T) {
	t.Parallel()
	_, cs, err := load(t, "")
	require.NoError(t, err)
	require.Empty(t, cs)
}

func TestMistakesComeAllAtOnce(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]string{
		"question: jugs\npoints:\n  square:\n    met: [x]\nmisconceptions:\n  deep: {}\n": {
			`b/pots_test.yaml:1:1: question is "jugs", the file belongs to "pots" [cases]`,
			`b/pots_test.yaml:3:1: no point "square" in the question [cases]`,
			`b/pots_test.yaml:1:1: no misconception "deep" in the question [cases]`,
		},
		"question: pots\npoints:\n  round:\n    met: [[x], {txt: y}]\n    needs: 1\nanswer: []\n": {
			`b/pots_test.yaml:4:1: a case is a text, or a mapping of text, modality and needs [cases]`,
			`b/pots_test.yaml:4:1: unknown key "txt"; a case has text, modality and needs [cases]`,
			`b/pots_test.yaml:5:1: unknown key "needs" [cases]`,
			`b/pots_test.yaml:6:1: unknown key "answer" [cases]`,
		},
		"question: pots\nanswers:\n  - {name: a, modality: sung, points: {round: good}, misconceptions: {square: absent}}\n": {
			`b/pots_test.yaml:3:1: answer "a" has no text [cases]`,
			`b/pots_test.yaml:3:1: unknown modality "sung"; use typed or spoken [cases]`,
			`b/pots_test.yaml:3:1: answer "a" wants round to be "good"; it can be met, partial, missed, contradicted [cases]`,
			`b/pots_test.yaml:3:1: answer "a" names the misconception "square"; the question has none [cases]`,
		},
		"question: [\n": {`b/pots_test.yaml:1:1: did not find expected node content [cases]`},
	} {
		_, _, err := load(t, file)
		var list diag.List
		require.ErrorAs(t, err, &list)
		var got []string
		for _, d := range list {
			got = append(got, d.String())
		}
		require.ElementsMatch(t, want, got)
	}
}
