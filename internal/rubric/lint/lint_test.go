package lint_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/rubric/lint"
)

const bankYAML = "apiVersion: grader/v1\nid: pots\ntitle: Pots\nlanguage: en\nversion: 1.0.0\n"

func question(id string, n int, noun, check string) string {
	return fmt.Sprintf(`apiVersion: grader/v1
id: %[1]s
number: %[2]d
category: pots
stage: screen
title: Pots
prompt: "What is special here?"
expect_seconds: 30
follow_up: "Why?"
points:
  - {id: noun, kind: mechanism, weight: 1, statement: "A %[3]s wants clay.", check: %[4]q}
model_answer: "A %[3]s wants clay."
`, id, n, noun, check)
}

// The other rules have an example each in docs/rubric-rules.md, which a test there runs.
func TestTooLoose(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{"bank.yaml": {Data: []byte(bankYAML)}}
	for i, noun := range []string{"pot", "jug", "bowl", "dish", "vase", "cup"} {
		check := noun + " & clay"
		if noun == "vase" {
			check = "clay"
		}
		fsys[noun+".yaml"] = &fstest.MapFile{Data: []byte(question(noun, i+1, noun, check))}
	}
	b, err := rubric.Open(fsys, "pots")
	require.NoError(t, err)
	found, err := lint.Bank(b, nil)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "pots/vase.yaml:11:5: the check of noun hits 5 of 5 other questions' model answers, among them bowl, cup, dish [too-loose]", found[0].String())

	found, err = lint.Bank(b, func(id string) bool { return id == "cup" })
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestMistakesOfFilesAndChecksTogether(t *testing.T) {
	t.Parallel()
	b, err := rubric.Open(fstest.MapFS{
		"bank.yaml": {Data: []byte(bankYAML + "sets: {bad: \"(\"}\n")},
		"a.yaml":    {Data: []byte(question("a", 1, "pot", "pot & $none") + "extra: 1\n")},
		"b.yaml":    {Data: []byte("title: [\n")},
	}, "pots")
	require.NoError(t, err)
	found, err := lint.Bank(b, nil)
	require.NoError(t, err)
	var got []string
	for _, d := range found {
		got = append(got, fmt.Sprintf("%s:%d [%s]", d.File, d.Line, d.Rule))
	}
	require.Equal(t, []string{"pots/a.yaml:11 [expression]", "pots/a.yaml:13 [unknown-key]", "pots/b.yaml:1 [yaml]", "pots/bank.yaml:6 [expression]"}, got)
}

func TestNegatedDeniesEverySentence(t *testing.T) {
	t.Parallel()
	require.Equal(t, "It is not true that a pot is round. It is not true that clay cracks! ", lint.Negated("A pot is round. Clay cracks!"))
}
