// Package docs_test runs the examples in these pages.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/rubric/lint"
)

// block is a fenced block of a page.
type block struct {
	info, text string
	line       int
	heading    string
}

func blocks(t *testing.T, page string) []block {
	t.Helper()
	data, err := os.ReadFile(page)
	require.NoError(t, err)
	var out []block
	var open *block
	heading := ""
	for i, line := range strings.Split(string(data), "\n") {
		switch {
		case open != nil && line == "```":
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &block{info: strings.TrimPrefix(line, "```"), line: i + 1, heading: heading}
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		}
	}
	require.Nil(t, open, "%s: a block is not closed", page)
	return out
}

const bankYAML = `apiVersion: grader/v1
id: pots
title: Pots
language: en
version: 1.0.0
`

// baseQuestion is what the examples put their keys into.
var baseQuestion = []string{
	"apiVersion: grader/v1", "id: round-pots", "number: 1", "category: pots", "stage: screen", "title: Pots",
	`prompt: "How do you make a good pot?"`, "expect_seconds: 30", `follow_up: "Why?"`,
	`points: [{id: round, kind: flag, weight: 1, statement: "A pot is round.", check: "round"}]`,
	`model_answer: "A good pot is round."`,
}

// with replaces the top-level keys of base that an example has.
func with(base []string, example string) string {
	var out []string
	for _, line := range base {
		key, _, _ := strings.Cut(line, ":")
		if !strings.HasPrefix(example, key+":") && !strings.Contains(example, "\n"+key+":") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n") + "\n" + example
}

func openBank(bank, question string) (*rubric.Bank, error) {
	return rubric.Open(fstest.MapFS{"bank.yaml": {Data: []byte(bank)}, "round-pots.yaml": {Data: []byte(question)}}, "pots")
}

func TestCheckExamples(t *testing.T) {
	t.Parallel()
	n := 0
	for _, b := range blocks(t, "rubric-format.md") {
		if b.info != "yaml check" {
			continue
		}
		n++
		var doc yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(b.text), &doc), "line %d", b.line)
		point := yaml.Node{Kind: yaml.MappingNode}
		question := yaml.Node{Kind: yaml.MappingNode}
		texts := map[string]string{}
		for i := 0; i < len(doc.Content[0].Content); i += 2 {
			k, v := doc.Content[0].Content[i], doc.Content[0].Content[i+1]
			switch k.Value {
			case "texts":
				require.NoError(t, v.Decode(&texts))
			case "sets":
				question.Content = append(question.Content, k, v)
			default:
				point.Content = append(point.Content, k, v)
			}
		}
		var head map[string]any
		require.NoError(t, yaml.Unmarshal([]byte("id: p\nkind: flag\nweight: 1\nstatement: x\n"), &head))
		for key, value := range head {
			var kn, vn yaml.Node
			require.NoError(t, kn.Encode(key))
			require.NoError(t, vn.Encode(value))
			point.Content = append(point.Content, &kn, &vn)
		}
		var key yaml.Node
		require.NoError(t, key.Encode("points"))
		question.Content = append(question.Content, &key, &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{&point}})
		example, err := yaml.Marshal(&question)
		require.NoError(t, err)
		bank, err := openBank(bankYAML, with(baseQuestion, string(example)))
		require.NoError(t, err)
		q, err := bank.Question("round-pots")
		require.NoError(t, err, "line %d", b.line)
		p, err := check.Compile(q)
		require.NoError(t, err, "line %d", b.line)
		require.NotEmpty(t, texts, "line %d", b.line)
		got := map[string]string{}
		for text := range texts {
			f := p.Read(canon.Read(text, p.Lexicon())).Point(0)
			got[text] = map[check.Level]string{check.None: "missed", check.Partial: "partial", check.Full: "met"}[f.Level]
			if len(f.Against) > 0 {
				got[text] = "contradicted"
			}
		}
		if diff := cmp.Diff(texts, got); diff != "" {
			t.Errorf("rubric-format.md:%d (-page +got):\n%s", b.line, diff)
		}
	}
	require.Greater(t, n, 10)
}

var position = regexp.MustCompile(`^[^:]+:\d+:\d+: `)

func TestLintExamples(t *testing.T) {
	t.Parallel()
	all := blocks(t, "rubric-rules.md")
	documented := map[string]bool{}
	for i, b := range all {
		if b.info != "yaml lint" && b.info != "yaml lint-bank" {
			continue
		}
		documented[b.heading] = true
		require.Less(t, i+1, len(all))
		require.Equal(t, "text", all[i+1].info, "line %d: the messages are missing", b.line)
		bank, question := bankYAML, with(baseQuestion, b.text)
		if b.info == "yaml lint-bank" {
			bank, question = bankYAML+b.text, with(baseQuestion, "")
		}
		var found diag.List
		opened, err := openBank(bank, question)
		if err == nil {
			found, err = lint.Bank(opened, nil)
			require.NoError(t, err)
		} else {
			require.ErrorAs(t, err, &found)
		}
		var got []string
		for _, d := range found {
			if d.Rule == b.heading {
				got = append(got, position.ReplaceAllString(d.String(), ""))
			}
		}
		want := strings.Split(strings.TrimSpace(all[i+1].text), "\n")
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rubric-rules.md:%d (-page +got):\n%s\nall: %v", b.line, diff, found)
		}
	}
	data, err := os.ReadFile("rubric-rules.md")
	require.NoError(t, err)
	for id := range ruleIDs(t) {
		if !documented[id] {
			require.Contains(t, string(data), "\n### "+id+"\n", "the rule %s has no section", id)
		}
	}
}

var ruleCall = regexp.MustCompile(`(?:errorf\([^"\n]*|\.add\([^"\n]*)"([a-z]+(?:-[a-z]+)*)", "`)

// ruleIDs are the rules in the source.
func ruleIDs(t *testing.T) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, pattern := range []string{"../internal/rubric/*.go", "../internal/rubric/lint/*.go", "../internal/check/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			data, err := os.ReadFile(f)
			require.NoError(t, err)
			for _, m := range ruleCall.FindAllStringSubmatch(string(data), -1) {
				ids[m[1]] = true
			}
		}
	}
	require.Greater(t, len(ids), 20)
	return ids
}

// The worked example of scoring.md: its table and its figures.
func TestScoringExample(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("scoring.md")
	require.NoError(t, err)
	page := string(data)
	text := regexp.MustCompile(`--text "([^"]+)"`).FindStringSubmatch(page)
	require.Len(t, text, 2)
	b, err := rubric.Open(os.DirFS("../examples/http-caching"), "bank")
	require.NoError(t, err)
	c, err := grade.New(b, "test").Grade("conditional-requests", grade.Answer{Text: text[1]})
	require.NoError(t, err)
	rows := regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| `([A-Z]+)` \\| ([0-9.]+) \\|$").FindAllStringSubmatch(page, -1)
	require.Len(t, rows, len(c.Points))
	for i, p := range c.Points {
		require.Equal(t, p.ID, rows[i][1])
		require.Equal(t, string(p.Decision), rows[i][2], p.ID)
		require.Equal(t, map[float64]string{0: "0", 1.5: "1.5", 3: "3"}[p.Credit*float64(p.Weight)], rows[i][3], p.ID)
	}
	require.Contains(t, page, "W = 11")
	require.InDelta(t, 22.7, *c.Score.Value, 0)
	require.InDelta(t, 22.7, c.Score.Low, 0)
	require.InDelta(t, 50, c.Score.High, 0)
	require.Equal(t, "weak", c.Score.Band)
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md") {
		data, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
			require.NoError(t, err, "%s links to %s", page, m[1])
		}
	}
}
