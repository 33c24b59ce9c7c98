// Package cases runs the examples that stand beside a bank's questions: short texts and whole answers with the
// decisions that the keyword witness must reach, before any cap. It prints nothing. The main entry is Run.
package cases

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/rubric"
)

// NeedsJudge marks a case that keywords cannot decide: it documents what is left to a judge, and fails once keywords
// can.
const NeedsJudge = "judge"

// Case is one text and what is expected of it.
type Case struct {
	Question string
	Name     string
	Text     string
	Target   string // point or misconception id
	Want     string // met, partial, missed, contradicted; asserted, rejected, absent
	Needs    string // empty, or NeedsJudge
	Line     int
}

// Result is a case with what came of it.
type Result struct {
	Case
	Got string
	OK  bool
}

type file struct {
	Question       string                   `yaml:"question"`
	Points         map[string]snippets      `yaml:"points"`
	Misconceptions map[string]misconception `yaml:"misconceptions"`
	Answers        []answer                 `yaml:"answers"`
}

type snippets struct {
	Met          []snippet `yaml:"met"`
	Partial      []snippet `yaml:"partial"`
	Missed       []snippet `yaml:"missed"`
	Contradicted []snippet `yaml:"contradicted"`
}

type misconception struct {
	Asserted []snippet `yaml:"asserted"`
	Rejected []snippet `yaml:"rejected"`
	Absent   []snippet `yaml:"absent"`
}

type snippet struct {
	Text     string
	Modality string
	Needs    string
	Line     int
}

// UnmarshalYAML reads a plain text, or a mapping of text, modality and needs.
func (s *snippet) UnmarshalYAML(n *yaml.Node) error {
	s.Line = n.Line
	if n.Kind == yaml.ScalarNode {
		s.Text = n.Value
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return mistakeAt(n, "a case is a text, or a mapping of text, modality and needs")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		v := n.Content[i+1].Value
		switch n.Content[i].Value {
		case "text":
			s.Text = v
		case "modality":
			s.Modality = v
		case "needs":
			if v != NeedsJudge {
				return mistakeAt(n.Content[i], "needs can only be %s", NeedsJudge)
			}
			s.Needs = v
		default:
			return mistakeAt(n.Content[i], "unknown key %q; a case has text, modality and needs", n.Content[i].Value)
		}
	}
	return nil
}

// mistakeAt is an error that the YAML library collects with the others.
func mistakeAt(n *yaml.Node, format string, args ...any) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: ", n.Line) + fmt.Sprintf(format, args...)}}
}

type answer struct {
	Name           string            `yaml:"name"`
	Modality       string            `yaml:"modality"`
	Text           string            `yaml:"text"`
	Points         map[string]string `yaml:"points"`
	Misconceptions map[string]string `yaml:"misconceptions"`
	Judge          []string          `yaml:"needs_judge"` // points and misconceptions that keywords get wrong here
	line           int
}

// UnmarshalYAML remembers the line.
func (a *answer) UnmarshalYAML(n *yaml.Node) error {
	type plain answer
	if err := n.Decode((*plain)(a)); err != nil {
		return err
	}
	a.line = n.Line
	return nil
}

// Load reads the cases of a question; a question without a case file has none.
func Load(q *rubric.Question) ([]Case, error) {
	name := q.ID + "_test.yaml"
	data, err := fs.ReadFile(q.Bank.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}
	var f file
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var list diag.List
	bad := func(line int, format string, args ...any) {
		list = append(list, diag.Diagnostic{File: q.Bank.Path(name), Line: max(line, 1), Column: 1, Rule: "cases", Severity: diag.Error, Message: fmt.Sprintf(format, args...)})
	}
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		for _, m := range yamlMistakes(err) {
			bad(m.line, "%s", m.text)
		}
		return nil, list
	}
	if f.Question != q.ID {
		bad(1, "question is %q, the file belongs to %q", f.Question, q.ID)
	}
	var out []Case
	add := func(target, want string, ss []snippet) {
		for i, s := range ss {
			if strings.TrimSpace(s.Text) == "" {
				bad(s.Line, "a case of %s is empty; write the answer", target)
			}
			checkModality(bad, s.Line, s.Modality)
			out = append(out, Case{q.ID, fmt.Sprintf("%s/%s/%d", target, want, i+1), s.Text, target, want, s.Needs, s.Line})
		}
	}
	for i := range q.Points {
		id := q.Points[i].ID
		s := f.Points[id]
		delete(f.Points, id)
		add(id, "met", s.Met)
		add(id, "partial", s.Partial)
		add(id, "missed", s.Missed)
		add(id, "contradicted", s.Contradicted)
	}
	for i := range q.Misconceptions {
		id := q.Misconceptions[i].ID
		s := f.Misconceptions[id]
		delete(f.Misconceptions, id)
		add(id, "asserted", s.Asserted)
		add(id, "rejected", s.Rejected)
		add(id, "absent", s.Absent)
	}
	for _, id := range slices.Sorted(maps.Keys(f.Points)) {
		bad(lineOf(data, id), "no point %q in the question", id)
	}
	for _, id := range slices.Sorted(maps.Keys(f.Misconceptions)) {
		bad(lineOf(data, id), "no misconception %q in the question", id)
	}
	for _, a := range f.Answers {
		if strings.TrimSpace(a.Text) == "" {
			bad(a.line, "answer %q has no text", a.Name)
		}
		checkModality(bad, a.line, a.Modality)
		for _, kind := range []struct {
			name    string
			targets map[string]string
			has     func(id string) bool
			wants   []string
		}{
			{"point", a.Points, func(id string) bool { _, err := q.Point(id); return err == nil }, pointWants},
			{"misconception", a.Misconceptions, func(id string) bool {
				return slices.ContainsFunc(q.Misconceptions, func(m rubric.Misconception) bool { return m.ID == id })
			}, claimWants},
		} {
			for _, id := range sortedKeys(kind.targets) {
				switch want := kind.targets[id]; {
				case !kind.has(id):
					bad(a.line, "answer %q names the %s %q; the question has none", a.Name, kind.name, id)
				case !slices.Contains(kind.wants, want):
					bad(a.line, "answer %q wants %s to be %q; it can be %s", a.Name, id, want, strings.Join(kind.wants, ", "))
				}
				c := Case{q.ID, "answer " + a.Name + "/" + id, a.Text, id, kind.targets[id], "", a.line}
				if slices.Contains(a.Judge, id) {
					c.Needs = NeedsJudge
				}
				out = append(out, c)
			}
		}
	}
	return out, list.Err()
}

// The decisions that a case can want.
var (
	pointWants = []string{"met", "partial", "missed", "contradicted"}
	claimWants = []string{"asserted", "rejected", "absent"}
)

func checkModality(bad func(int, string, ...any), line int, modality string) {
	if modality != "" && modality != "typed" && modality != "spoken" {
		bad(line, "unknown modality %q; use typed or spoken", modality)
	}
}

type mistake struct {
	line int
	text string
}

var (
	yamlLine    = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)
	yamlUnknown = regexp.MustCompile(`^field (\S+) not found in type .*$`)
)

// yamlMistakes takes an error of the YAML library apart, in the words of a person who writes cases.
func yamlMistakes(err error) []mistake {
	texts := []string{err.Error()}
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok {
		texts = typed.Errors
	}
	var out []mistake
	for _, t := range texts {
		m := yamlLine.FindStringSubmatch(strings.ReplaceAll(t, "\n", " "))
		line, _ := strconv.Atoi(m[1])
		out = append(out, mistake{line, yamlUnknown.ReplaceAllString(m[2], `unknown key "$1"`)})
	}
	return out
}

// lineOf is the line on which a mapping key stands first.
func lineOf(data []byte, key string) int {
	for i, line := range strings.Split(string(data), "\n") {
		if strings.TrimSpace(line) == key+":" {
			return i + 1
		}
	}
	return 1
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Run decides every case with the keyword checks alone.
func Run(q *rubric.Question, p *check.Program, cs []Case) []Result {
	out := make([]Result, len(cs))
	var last string
	var reading *check.Reading
	for i, c := range cs {
		if reading == nil || c.Text != last {
			reading, last = p.Read(canon.Read(c.Text, p.Lexicon())), c.Text
		}
		r := Result{Case: c, Got: decide(q, reading, c.Target)}
		r.OK = passes(c.Want, r.Got)
		if c.Needs == NeedsJudge {
			r.OK = !r.OK
		}
		out[i] = r
	}
	return out
}

// passes: what is not asserted costs nothing, whether it was rejected or left out.
func passes(want, got string) bool {
	return want == got || want == "rejected" && got == "absent" || want == "absent" && got == "rejected"
}

func decide(q *rubric.Question, r *check.Reading, target string) string {
	if i, err := q.Point(target); err == nil {
		f := r.Point(i)
		switch {
		case len(f.Against) > 0:
			return "contradicted"
		case f.Level == check.Full:
			return "met"
		case f.Level == check.Partial:
			return "partial"
		}
		return "missed"
	}
	for i := range q.Misconceptions {
		if q.Misconceptions[i].ID == target {
			switch r.Misconception(i).Status {
			case check.Affirmed:
				return "asserted"
			case check.Absent:
				return "absent"
			default:
				return "rejected"
			}
		}
	}
	return "unknown target"
}
