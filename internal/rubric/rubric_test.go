package rubric_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/rubric"
)

const goodBank = `apiVersion: grader/v1
id: pots
title: Pots
language: en
version: 1.0.0
`

const goodQuestion = `apiVersion: grader/v1
id: round-pots
number: 1
category: pots
stage: screen
title: Pots
prompt: "What is a good pot?"
expect_seconds: 30
follow_up: "Why?"
points:
  - id: round
    kind: mechanism
    weight: 2
    statement: "A pot is round."
    accept: ["It has no corners.", "Corners left out, as long as it is a pot."]
    accept_rules: [2]
    check: "round"
misconceptions:
  - id: flat
    statement: "A pot is flat."
    why_wrong: "It is round."
    severity: 2
    breaks: [round]
    check: "flat"
`

func open(bank string, questions map[string]string) (*rubric.Bank, error) {
	fsys := fstest.MapFS{"bank.yaml": {Data: []byte(bank)}}
	for name, text := range questions {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return rubric.Open(fsys, "bank")
}

func TestQuestion(t *testing.T) {
	t.Parallel()
	b, err := open(goodBank, map[string]string{"round-pots.yaml": goodQuestion, "round-pots_test.yaml": "question: round-pots\n", "notes.txt": "x"})
	require.NoError(t, err)
	require.Equal(t, []string{"round-pots"}, b.IDs())
	require.Equal(t, rubric.Bands{Developing: 40, Solid: 60, Strong: 80}, b.Bands)

	q, err := b.Question("round-pots")
	require.NoError(t, err)
	same, err := b.Question("pots/round-pots")
	require.NoError(t, err)
	require.Same(t, q, same)
	require.Equal(t, 2, q.Weight())
	require.Equal(t, []int{2}, q.Points[0].AcceptRules)
	require.Equal(t, []string{"round"}, q.Misconceptions[0].Breaks)
	require.Len(t, q.Hash, 64)

	other, err := open(goodBank+"terms: [pot]\n", map[string]string{"round-pots.yaml": goodQuestion})
	require.NoError(t, err)
	o, err := other.Question("round-pots")
	require.NoError(t, err)
	require.NotEqual(t, q.Hash, o.Hash, "the hash covers bank.yaml")
}

func TestUnknownQuestionNamesTheNearest(t *testing.T) {
	t.Parallel()
	b, err := open(goodBank, map[string]string{"round-pots.yaml": goodQuestion, "square-pots.yaml": goodQuestion, "bowls.yaml": goodQuestion})
	require.NoError(t, err)
	for id, want := range map[string][]string{
		"round-pot": {"round-pots", "square-pots"}, "Square-Pots": {"square-pots", "round-pots"}, "bowl": {"bowls"}, "zzz": nil,
		"": nil, strings.Repeat("pot-", 1000): {"round-pots", "square-pots"},
	} {
		_, err := b.Question(id)
		require.ErrorIs(t, err, rubric.ErrUnknownQuestion)
		var u *rubric.UnknownQuestionError
		require.ErrorAs(t, err, &u)
		require.Equal(t, want, u.Nearest, id)
	}
}

func TestNoBank(t *testing.T) {
	t.Parallel()
	_, err := rubric.Open(fstest.MapFS{}, "nowhere")
	require.ErrorIs(t, err, rubric.ErrNoBank)
}

func findings(t *testing.T, err error) []string {
	t.Helper()
	var list diag.List
	require.ErrorAs(t, err, &list)
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s:%d:%d %s [%s]", strings.TrimPrefix(d.File, "bank/"), d.Line, d.Column, d.Message, d.Rule))
	}
	return out
}

func TestBankMistakesComeAllAtOnceWithTheirPlaces(t *testing.T) {
	t.Parallel()
	_, err := open(`apiVersion: grader/v2
id: My Bank
language: en
version: 1.0.0
bands: {developing: 60, solid: 40, strong: 80, best: 90}
capped_kinds: [flag, shape]
sets:
  Bad-Name: "x"
  twice: "x"
  twice: "y"
spoken:
  kiln: [killing, kill n]
  kettle: [kill n]
  oven: hot
misheard: [a]
terms: pot
habits:
  - id: h
    statement: ""
    recognise: "x"
    applies_to: {stage: [screen]}
extra: 1
`, nil)
	want := []string{
		`bank.yaml:1:1 "title" is missing; add it [missing-key]`,
		`bank.yaml:1:13 apiVersion must be grader/v1 [api-version]`,
		`bank.yaml:2:5 an id has lower-case letters, digits and single dashes, not "My Bank" [id]`,
		`bank.yaml:5:8 bands must rise: developing < solid < strong <= 100 [bands]`,
		`bank.yaml:5:48 unknown key "best"; known here: developing, solid, strong [unknown-key]`,
		`bank.yaml:6:22 unknown kind "shape"; there are function, flag, tool, number, failure-mode, mechanism, tradeoff, remedy, constraint [kind]`,
		`bank.yaml:8:3 a set's name has lower-case letters, digits and underscores, not "Bad-Name" [set-name]`,
		`bank.yaml:10:3 set "twice" stands here twice; remove one [double-key]`,
		`bank.yaml:13:12 "kill n" already stands for "kiln"; one thing heard has one meaning [alias]`,
		`bank.yaml:14:9 "oven" must be a list of what is heard [type]`,
		`bank.yaml:15:11 "misheard" must map what is meant to a list of what is heard [type]`,
		`bank.yaml:16:8 "terms" must be a list of texts [type]`,
		`bank.yaml:18:5 "advice" is missing; add it [missing-key]`,
		`bank.yaml:19:16 "statement" is empty [empty]`,
		`bank.yaml:21:18 unknown key "stage"; known here: stages, categories, questions [unknown-key]`,
		`bank.yaml:22:1 unknown key "extra"; known here: apiVersion, id, title, description, language, version, bands, capped_kinds, habits, spoken, misheard, sets, terms [unknown-key]`,
	}
	if diff := cmp.Diff(want, findings(t, err)); diff != "" {
		t.Error(diff)
	}
}

func TestQuestionMistakesComeAllAtOnceWithTheirPlaces(t *testing.T) {
	t.Parallel()
	b, err := open(goodBank, map[string]string{"round-pots.yaml": `apiVersion: grader/v1
id: pots
number: many
category: [pots]
stage: morning
title: Pots
title: Jugs
prompt: "What is a good pot?"
expect_seconds: 5
points:
  - id: round
    kind: shape
    weight: 4
    accept: ["x", ""]
    accept_rules: [3]
  - id: round
    kind: flag
    weight: 1
    statement: "x"
  - just text
misconceptions:
  - id: flat
    statement: "A pot is flat."
    why_wrong: "It is round."
    severity: 3
    breaks: [rond]
`})
	require.NoError(t, err)
	_, err = b.Question("round-pots")
	want := []string{
		`round-pots.yaml:1:1 "follow_up" is missing; add it [missing-key]`,
		`round-pots.yaml:2:5 the id "pots" differs from the file's name; ids are public, rename the file [id]`,
		`round-pots.yaml:3:9 "number" must be a whole number from 1 to 100000 [range]`,
		`round-pots.yaml:4:11 "category" must be text [type]`,
		`round-pots.yaml:5:8 unknown stage "morning"; there are screen, deep-dive, system-design [stage]`,
		`round-pots.yaml:7:1 key "title" stands here twice; remove one [double-key]`,
		`round-pots.yaml:9:17 "expect_seconds" must be a whole number from 10 to 3600 [range]`,
		`round-pots.yaml:11:5 "statement" is missing; add it [missing-key]`,
		`round-pots.yaml:12:11 unknown kind "shape"; there are function, flag, tool, number, failure-mode, mechanism, tradeoff, remedy, constraint [kind]`,
		`round-pots.yaml:13:13 "weight" must be a whole number from 1 to 3 [range]`,
		`round-pots.yaml:14:19 every entry of "accept" must be text [type]`,
		`round-pots.yaml:15:20 accept_rules lists lines of accept, counted from 1, not "3" [range]`,
		`round-pots.yaml:16:5 point "round" stands here twice; ids are unique within a question [double-id]`,
		`round-pots.yaml:20:5 expected a mapping with the keys id, kind, weight, statement, accept, notes, accept_rules, check, partial, contradicted, name [type]`,
		`round-pots.yaml:25:15 "severity" must be a whole number from 1 to 2 [range]`,
		`round-pots.yaml:26:14 no point "rond" in this question [breaks]`,
	}
	if diff := cmp.Diff(want, findings(t, err)); diff != "" {
		t.Error(diff)
	}
	draft, err := b.Draft("round-pots")
	require.Error(t, err)
	require.NotNil(t, draft, "a linter can go on with what could be read")
}

func TestUnreadableYAML(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"title: \"Pots\n":          `bank.yaml:2:1 not readable as YAML: `,
		"id: x\n\tversion: 1\n":    `bank.yaml:2:1 not readable as YAML: `,
		"":                         `bank.yaml:1:1 expected a mapping of keys at the top of the file [yaml]`,
		"- a\n":                    `bank.yaml:1:1 expected a mapping of keys at the top of the file [yaml]`,
		"id: *nothing\n":           `bank.yaml:1:1 not readable as YAML: `,
		"id: x\n---\nid: y\n":      `bank.yaml:1:1 "apiVersion" is missing`,
		"id: \xff\xfe\n":           `bank.yaml:1:1 not readable as YAML: `,
		strings.Repeat("[", 20000): `bank.yaml:1:1 not readable as YAML: `,
	} {
		_, err := open(text, nil)
		got := findings(t, err)
		require.True(t, strings.HasPrefix(got[0], want), "%.40q\ngot  %s\nwant %s", text, got[0], want)
	}
}

func TestOneDocumentAFile(t *testing.T) {
	t.Parallel()
	_, err := open(goodBank+"---\nid: other\n", nil)
	require.Equal(t, []string{"bank.yaml:6:1 a file holds one document; remove what stands behind --- [yaml]"}, findings(t, err))
}

func TestQuestionsReportsAllFiles(t *testing.T) {
	t.Parallel()
	b, err := open(goodBank, map[string]string{"b.yaml": "id: b\n", "a.yaml": "id: a\n", "round-pots.yaml": goodQuestion})
	require.NoError(t, err)
	_, err = b.Questions()
	var list diag.List
	require.ErrorAs(t, err, &list)
	files := map[string]bool{}
	for _, d := range list {
		files[d.File] = true
	}
	require.Equal(t, map[string]bool{"bank/a.yaml": true, "bank/b.yaml": true}, files)
}

// FuzzLoad holds that any file loads or comes back as diagnostics with a place, and never panics.
func FuzzLoad(f *testing.F) {
	f.Add(goodBank, goodQuestion)
	f.Add("id: x", "points: [{id: a}]")
	f.Add("sets: {a: [b, {near: [c]}]}\nbands: 3", "sets: {a: &x [*x]}\npoints:\n- check: {parts: {}}\n")
	f.Add("habits: [1]\nspoken: {a: b}", "misconceptions: {a: b}\npoints: null\n? [a]\n: b\n")
	f.Add("\xff", "!!binary x")
	f.Add("<<: {id: x}", "id: &a {<<: *a}")
	f.Fuzz(func(t *testing.T, bank, question string) {
		sound := func(err error) {
			var list diag.List
			if err == nil {
				return
			}
			require.ErrorAs(t, err, &list)
			require.NotEmpty(t, list)
			for _, d := range list {
				require.Positive(t, d.Line, d.String())
				require.Positive(t, d.Column, d.String())
				require.NotEmpty(t, d.Message)
			}
		}
		_, err := open(bank, nil)
		sound(err)
		b, err := open(goodBank, map[string]string{"q.yaml": question})
		require.NoError(t, err)
		_, err = b.Question("q")
		sound(err)
	})
}
