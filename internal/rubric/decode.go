package rubric

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vivagrader/grader/internal/diag"
)

// APIVersion is the version of the file format.
const APIVersion = "grader/v1"

var (
	idPattern  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	setPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// decoder collects every mistake of one file with its position.
type decoder struct {
	file string
	list diag.List
}

func (d *decoder) errorf(n *yaml.Node, rule, format string, args ...any) {
	line, column := 1, 1
	if n != nil {
		line, column = n.Line, n.Column
	}
	d.list = append(d.list, diag.Diagnostic{File: d.file, Line: line, Column: column, Rule: rule, Severity: diag.Error, Message: fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// parse returns the top mapping of a file, or nil after reporting why there is none.
func (d *decoder) parse(data []byte) *yaml.Node {
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		at := &yaml.Node{Line: 1, Column: 1}
		msg := err.Error()
		if m := yamlLine.FindStringSubmatch(msg); m != nil {
			at.Line, _ = strconv.Atoi(m[1])
			at.Line = max(at.Line, 1)
			msg = m[2]
		}
		d.errorf(at, "yaml", "not readable as YAML: %s", msg)
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		d.errorf(nil, "yaml", "expected a mapping of keys at the top of the file")
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.errorf(&second, "yaml", "a file holds one document; remove what stands behind ---")
	}
	return doc.Content[0]
}

// object gives access to the keys of a mapping and reports those that nobody knows.
type object struct {
	d    *decoder
	node *yaml.Node
	keys map[string]*yaml.Node
}

func (d *decoder) object(n *yaml.Node, known ...string) object {
	o := object{d, n, map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		d.errorf(n, "type", "expected a mapping with the keys %s", strings.Join(known, ", "))
		return o
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case !slices.Contains(known, k.Value):
			d.errorf(k, "unknown-key", "unknown key %q; known here: %s", k.Value, strings.Join(known, ", "))
		case o.keys[k.Value] != nil:
			d.errorf(k, "double-key", "key %q stands here twice; remove one", k.Value)
		}
		o.keys[k.Value] = v
	}
	return o
}

func (o object) need(key string) *yaml.Node {
	n := o.keys[key]
	if n == nil && o.node.Kind == yaml.MappingNode {
		o.d.errorf(o.node, "missing-key", "%q is missing; add it", key)
	}
	return n
}

func (o object) text(key string, required bool) string {
	n := o.keys[key]
	if n == nil || n.Tag == "!!null" {
		if required {
			o.need(key)
			if n != nil {
				o.d.errorf(n, "empty", "%q is empty", key)
			}
		}
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		o.d.errorf(n, "type", "%q must be text", key)
		return ""
	}
	s := strings.TrimSpace(n.Value)
	if s == "" && required {
		o.d.errorf(n, "empty", "%q is empty", key)
	}
	return s
}

func (o object) number(key string, required bool) float64 {
	n := o.keys[key]
	if n == nil {
		if required {
			o.need(key)
		}
		return 0
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || n.Kind != yaml.ScalarNode {
		o.d.errorf(n, "type", "%q must be a number", key)
	}
	return v
}

func (o object) integer(key string, low, high int) int {
	n := o.need(key)
	if n == nil {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode || v < low || v > high {
		o.d.errorf(n, "range", "%q must be a whole number from %d to %d", key, low, high)
	}
	return v
}

func (o object) texts(key string) (values []string, nodes []*yaml.Node) {
	n := o.keys[key]
	if n == nil || n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		o.d.errorf(n, "type", "%q must be a list of texts", key)
		return nil, nil
	}
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || strings.TrimSpace(item.Value) == "" {
			o.d.errorf(item, "type", "every entry of %q must be text", key)
			continue
		}
		values, nodes = append(values, item.Value), append(nodes, item)
	}
	return values, nodes
}

func (o object) items(key string, required bool) []*yaml.Node {
	n := o.keys[key]
	if n == nil || n.Tag == "!!null" {
		if required {
			o.need(key)
		}
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		o.d.errorf(n, "type", "%q must be a list", key)
		return nil
	}
	return n.Content
}

func (o object) expr(key string) Expr {
	n := o.keys[key]
	if n == nil || n.Tag == "!!null" {
		return nil
	}
	return n
}

func (o object) version() {
	if n := o.need("apiVersion"); n != nil && n.Value != APIVersion {
		o.d.errorf(n, "api-version", "apiVersion must be %s", APIVersion)
	}
}

func (o object) sets(file string) []Set {
	n := o.keys["sets"]
	if n == nil || n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		o.d.errorf(n, "type", "\"sets\" must map names to expressions")
		return nil
	}
	var out []Set
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if !setPattern.MatchString(name.Value) {
			o.d.errorf(name, "set-name", "a set's name has lower-case letters, digits and underscores, not %q", name.Value)
		}
		if slices.ContainsFunc(out, func(s Set) bool { return s.Name == name.Value }) {
			o.d.errorf(name, "double-key", "set %q stands here twice; remove one", name.Value)
		}
		out = append(out, Set{name.Value, n.Content[i+1], file})
	}
	return out
}

func (o object) id() string {
	id := o.text("id", true)
	if n := o.keys["id"]; n != nil && id != "" && !idPattern.MatchString(id) {
		o.d.errorf(n, "id", "an id has lower-case letters, digits and single dashes, not %q", id)
	}
	return id
}

func (b *Bank) decode(data []byte) error {
	d := &decoder{file: b.Path(bankFile)}
	root := d.parse(data)
	if root == nil {
		return d.list.Err()
	}
	o := d.object(root, "apiVersion", "id", "title", "description", "language", "version", "bands", "capped_kinds", "habits", "spoken", "misheard", "sets", "terms")
	o.version()
	b.ID, b.Title, b.Language, b.Version = o.id(), o.text("title", true), o.text("language", true), o.text("version", true)
	b.Description = o.text("description", false)
	b.Bands = Bands{40, 60, 80}
	if n := o.keys["bands"]; n != nil {
		bo := d.object(n, "developing", "solid", "strong")
		b.Bands = Bands{bo.number("developing", true), bo.number("solid", true), bo.number("strong", true)}
		if !(b.Bands.Developing < b.Bands.Solid && b.Bands.Solid < b.Bands.Strong && b.Bands.Strong <= 100) {
			d.errorf(n, "bands", "bands must rise: developing < solid < strong <= 100")
		}
	}
	kinds, nodes := o.texts("capped_kinds")
	for i, k := range kinds {
		if !slices.Contains(Kinds(), Kind(k)) {
			d.errorf(nodes[i], "kind", "unknown kind %q; there are %s", k, kindNames())
		}
		b.CappedKinds = append(b.CappedKinds, Kind(k))
	}
	b.Terms, _ = o.texts("terms")
	b.Sets = o.sets(d.file)
	b.aliases(o, "spoken", false)
	b.aliases(o, "misheard", true)
	for _, n := range o.items("habits", false) {
		b.Habits = append(b.Habits, decodeHabit(d, n))
	}
	return d.list.Err()
}

func (b *Bank) aliases(o object, key string, misheard bool) {
	n := o.keys[key]
	if n == nil || n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		o.d.errorf(n, "type", "%q must map what is meant to a list of what is heard", key)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		means, heard := n.Content[i], n.Content[i+1]
		if heard.Kind != yaml.SequenceNode {
			o.d.errorf(heard, "type", "%q must be a list of what is heard", means.Value)
			continue
		}
		for _, h := range heard.Content {
			for _, a := range b.Aliases {
				if strings.EqualFold(a.Heard, h.Value) && a.Means != means.Value {
					o.d.errorf(h, "alias", "%q already stands for %q; one thing heard has one meaning", h.Value, a.Means)
				}
			}
			b.Aliases = append(b.Aliases, Alias{means.Value, h.Value, misheard})
		}
	}
}

func decodeHabit(d *decoder, n *yaml.Node) Habit {
	o := d.object(n, "id", "statement", "recognise", "advice", "applies_to", "cleared_by", "present", "cleared")
	h := Habit{ID: o.id(), Statement: o.text("statement", true), Recognise: o.text("recognise", true), Advice: o.text("advice", true),
		Present: o.expr("present"), Cleared: o.expr("cleared")}
	kinds, nodes := o.texts("cleared_by")
	for i, k := range kinds {
		if !slices.Contains(Kinds(), Kind(k)) {
			d.errorf(nodes[i], "kind", "unknown kind %q; there are %v", k, Kinds())
		}
		h.ClearedBy = append(h.ClearedBy, Kind(k))
	}
	if a := o.need("applies_to"); a != nil {
		ao := d.object(a, "stages", "categories", "questions")
		h.Stages, _ = ao.texts("stages")
		h.Categories, _ = ao.texts("categories")
		h.Questions, _ = ao.texts("questions")
	}
	return h
}

func decodeQuestion(b *Bank, file, id string, data []byte) (*Question, error) {
	d := &decoder{file: file}
	root := d.parse(data)
	if root == nil {
		return nil, d.list.Err()
	}
	o := d.object(root, "apiVersion", "id", "number", "title", "prompt", "category", "stage", "expect_seconds", "points", "misconceptions",
		"follow_up", "model_answer", "sets")
	o.version()
	q := &Question{Bank: b, File: file, ID: o.id(), Number: o.integer("number", 1, 100000), Title: o.text("title", true),
		Prompt: o.text("prompt", true), Category: o.text("category", true), Stage: o.text("stage", true),
		ExpectSeconds: o.integer("expect_seconds", 10, 3600), FollowUp: o.text("follow_up", true), ModelAnswer: o.text("model_answer", false),
		Sets: o.sets(file)}
	if q.ID != "" && q.ID != id {
		d.errorf(o.keys["id"], "id", "the id %q differs from the file's name; ids are public, rename the file", q.ID)
	}
	if n := o.keys["stage"]; n != nil && !slices.Contains(Stages(), q.Stage) {
		d.errorf(n, "stage", "unknown stage %q; there are %s", q.Stage, strings.Join(Stages(), ", "))
	}
	for _, n := range o.items("points", true) {
		p := decodePoint(d, n)
		if slices.ContainsFunc(q.Points, func(o Point) bool { return o.ID == p.ID }) {
			d.errorf(n, "double-id", "point %q stands here twice; ids are unique within a question", p.ID)
		}
		q.Points = append(q.Points, p)
	}
	if len(q.Points) == 0 {
		d.errorf(o.node, "points", "a question needs at least one point")
	}
	for _, n := range o.items("misconceptions", false) {
		m := decodeMisconception(d, n, q)
		if slices.ContainsFunc(q.Misconceptions, func(o Misconception) bool { return o.ID == m.ID }) {
			d.errorf(n, "double-id", "misconception %q stands here twice; ids are unique within a question", m.ID)
		}
		q.Misconceptions = append(q.Misconceptions, m)
	}
	return q, d.list.Err()
}

func kindNames() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

func decodePoint(d *decoder, n *yaml.Node) Point {
	o := d.object(n, "id", "kind", "weight", "statement", "accept", "notes", "accept_rules", "check", "partial", "contradicted", "name")
	p := Point{ID: o.id(), Kind: Kind(o.text("kind", true)), Weight: o.integer("weight", 1, 3), Statement: o.text("statement", true),
		Notes: o.text("notes", false), Check: o.expr("check"), Partial: o.expr("partial"), Contradicted: o.expr("contradicted"), Name: o.expr("name"),
		Line: n.Line, Column: n.Column}
	if k := o.keys["kind"]; k != nil && !slices.Contains(Kinds(), p.Kind) {
		d.errorf(k, "kind", "unknown kind %q; there are %s", p.Kind, kindNames())
	}
	var nodes []*yaml.Node
	p.Accept, nodes = o.texts("accept")
	for _, a := range nodes {
		p.AcceptPos = append(p.AcceptPos, Position{a.Line, a.Column})
	}
	rules, nodes := o.texts("accept_rules")
	for i, r := range rules {
		n, err := strconv.Atoi(r)
		if err != nil || n < 1 || n > len(p.Accept) {
			d.errorf(nodes[i], "range", "accept_rules lists lines of accept, counted from 1, not %q", r)
			continue
		}
		p.AcceptRules = append(p.AcceptRules, n)
	}
	return p
}

func decodeMisconception(d *decoder, n *yaml.Node, q *Question) Misconception {
	o := d.object(n, "id", "statement", "why_wrong", "severity", "breaks", "check")
	m := Misconception{ID: o.id(), Statement: o.text("statement", true), WhyWrong: o.text("why_wrong", true), Severity: 1,
		Check: o.expr("check"), Line: n.Line, Column: n.Column}
	if o.keys["severity"] != nil {
		m.Severity = o.integer("severity", 1, 2)
	}
	breaks, nodes := o.texts("breaks")
	for i, id := range breaks {
		if !slices.ContainsFunc(q.Points, func(p Point) bool { return p.ID == id }) {
			d.errorf(nodes[i], "breaks", "no point %q in this question", id)
		}
	}
	m.Breaks = breaks
	return m
}
