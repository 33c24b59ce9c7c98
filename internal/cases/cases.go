// Package cases runs the examples that stand beside a bank's questions: short texts and whole answers with the
// decisions that the keyword witness must reach, before any cap. It prints nothing. The main entry is Run.
package cases

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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
	for i := 0; i+1 < len(n.Content); i += 2 {
		v := n.Content[i+1].Value
		switch n.Content[i].Value {
		case "text":
			s.Text = v
		case "modality":
			s.Modality = v
		case "needs":
			if v != NeedsJudge {
				return fmt.Errorf("line %d: needs can only be %s", n.Line, NeedsJudge)
			}
			s.Needs = v
		default:
			return fmt.Errorf("line %d: unknown key %q; a case has text, modality and needs", n.Content[i].Line, n.Content[i].Value)
		}
	}
	return nil
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
	if err := dec.Decode(&f); err != nil {
		return nil, diag.List{{File: q.Bank.Path(name), Line: 1, Column: 1, Rule: "cases", Severity: diag.Error, Message: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	var list diag.List
	bad := func(line int, format string, args ...any) {
		list = append(list, diag.Diagnostic{File: q.Bank.Path(name), Line: max(line, 1), Column: 1, Rule: "cases", Severity: diag.Error, Message: fmt.Sprintf(format, args...)})
	}
	if f.Question != q.ID {
		bad(1, "question is %q, the file belongs to %q", f.Question, q.ID)
	}
	var out []Case
	add := func(target, want string, ss []snippet) {
		for i, s := range ss {
			if strings.TrimSpace(s.Text) == "" {
				bad(s.Line, "a case of %s is empty", target)
			}
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
	for id := range f.Points {
		bad(1, "no point %q in the question", id)
	}
	for id := range f.Misconceptions {
		bad(1, "no misconception %q in the question", id)
	}
	for _, a := range f.Answers {
		for _, targets := range []map[string]string{a.Points, a.Misconceptions} {
			for _, id := range sortedKeys(targets) {
				c := Case{q.ID, "answer " + a.Name + "/" + id, a.Text, id, targets[id], "", a.line}
				if slices.Contains(a.Judge, id) {
					c.Needs = NeedsJudge
				}
				out = append(out, c)
			}
		}
	}
	return out, list.Err()
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

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
			}
			return "rejected"
		}
	}
	return "unknown target"
}
