package check

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/rubric"
)

// Compile turns the checks of a question into a program. Every mistake is reported with its position, all of them at
// once, as a diag.List.
func Compile(q *rubric.Question) (*Program, error) {
	aliases := make([]canon.Alias, len(q.Bank.Aliases))
	for i, a := range q.Bank.Aliases {
		aliases[i] = canon.Alias(a)
	}
	c := &compiler{program: &Program{lexicon: canon.NewLexicon(aliases)}, file: q.File, sets: map[string]int{}}
	c.exprs(q, c.prepare)
	for _, s := range append(slices.Clone(q.Sets), q.Bank.Sets...) { // a question's own set hides the bank's
		if _, ok := c.sets[s.Name]; !ok {
			c.sets[s.Name] = len(c.program.sets)
			c.program.sets = append(c.program.sets, operand{node: &or{}})
			c.program.setNames = append(c.program.setNames, s.Name)
			c.pending = append(c.pending, s)
		}
	}
	for i, s := range c.pending {
		c.file, c.inSet = s.File, s.Name
		c.program.sets[i].node = c.expr(s.Expr)
		c.inSet = ""
	}
	c.file = q.File
	c.cycles()
	for i := range q.Points {
		c.point(&q.Points[i])
	}
	for i := range q.Misconceptions {
		c.program.misconceptions = append(c.program.misconceptions, c.operand(q.Misconceptions[i].Check))
	}
	c.file = q.Bank.Path("bank.yaml")
	for i := range q.Bank.Habits {
		h := &q.Bank.Habits[i]
		c.program.habits = append(c.program.habits, habitCheck{c.operand(h.Present), c.operand(h.Cleared)})
	}
	if err := c.list.Err(); err != nil {
		return nil, err
	}
	c.program.number()
	return c.program, nil
}

type compiler struct {
	program *Program
	file    string
	sets    map[string]int
	uses    map[string][]string // set -> sets it refers to
	pending []rubric.Set
	inSet   string
	list    diag.List
}

// number makes the plan of all expressions.
func (p *Program) number() {
	plan := planner{sets: p.sets, first: map[string]operand{}}
	for i := range p.points {
		c := &p.points[i]
		for k := range c.parts {
			plan.addOne(&c.parts[k].expr)
		}
		plan.addOne(&c.partial)
		plan.addOne(&c.contradicted)
		plan.addOne(&c.name)
	}
	plan.add(p.misconceptions)
	for i := range p.habits {
		plan.addOne(&p.habits[i].present)
		plan.addOne(&p.habits[i].cleared)
	}
	p.plan = plan.plan
}

// exprs calls f with every expression that the program will hold.
func (c *compiler) exprs(q *rubric.Question, f func(rubric.Expr)) {
	for _, s := range append(slices.Clone(q.Sets), q.Bank.Sets...) {
		f(s.Expr)
	}
	for i := range q.Points {
		p := &q.Points[i]
		f(p.Check)
		f(p.Partial)
		f(p.Contradicted)
		f(p.Name)
	}
	for i := range q.Misconceptions {
		f(q.Misconceptions[i].Check)
	}
	for i := range q.Bank.Habits {
		f(q.Bank.Habits[i].Present)
		f(q.Bank.Habits[i].Cleared)
	}
}

var setName = regexp.MustCompile(`\$[a-z0-9_]*`)

// prepare teaches the lexicon every phrase, so that compounds are cut alike in all of them.
func (c *compiler) prepare(n rubric.Expr) {
	if n == nil {
		return
	}
	if n.Kind == yaml.ScalarNode {
		for _, phrase := range strings.FieldsFunc(setName.ReplaceAllString(n.Value, "|"), func(r rune) bool { return strings.ContainsRune("|&()~?!*\n", r) }) {
			c.program.lexicon.Prepare(phrase)
		}
		return
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		c.prepare(child)
	}
}

func (c *compiler) errorf(n *yaml.Node, offset int, rule, format string, args ...any) {
	line, column := n.Line, n.Column
	if n.Kind == yaml.ScalarNode && offset > 0 {
		switch n.Style {
		case yaml.LiteralStyle, yaml.FoldedStyle:
			line++
		case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
			column += offset + 1
		default:
			column += offset
		}
	}
	c.list = append(c.list, diag.Diagnostic{File: c.file, Line: line, Column: column, Rule: rule, Severity: diag.Error, Message: fmt.Sprintf(format, args...)})
}

func (c *compiler) point(p *rubric.Point) {
	pc := pointCheck{line: p.Line, column: p.Column, partial: c.operand(p.Partial), contradicted: c.operand(p.Contradicted), name: c.operand(p.Name)}
	if p.Name != nil {
		pc.nameText = firstAlternative(p.Name)
	}
	if p.Check == nil {
		c.program.points = append(c.program.points, pc)
		return
	}
	parts := mapping(p.Check)["parts"]
	if parts == nil {
		pc.parts = []part{{expr: c.operand(p.Check)}}
		pc.need, pc.partialAt = 1, 1
		c.program.points = append(c.program.points, pc)
		return
	}
	c.keys(p.Check, "parts", "need", "partial_at")
	if parts.Kind != yaml.MappingNode || len(parts.Content) == 0 {
		c.errorf(parts, 0, "parts", "parts must map names to expressions")
		c.program.points = append(c.program.points, pc)
		return
	}
	for i := 0; i+1 < len(parts.Content); i += 2 {
		pc.parts = append(pc.parts, part{parts.Content[i].Value, c.operand(parts.Content[i+1])})
	}
	pc.need = c.count(p.Check, "need", len(pc.parts), len(pc.parts))
	pc.partialAt = c.count(p.Check, "partial_at", (len(pc.parts)+1)/2, len(pc.parts))
	c.program.points = append(c.program.points, pc)
}

func firstAlternative(n *yaml.Node) string {
	for n.Kind != yaml.ScalarNode {
		if len(n.Content) == 0 {
			return ""
		}
		n = n.Content[len(n.Content)-1]
	}
	s, _, _ := strings.Cut(n.Value, "|")
	return strings.Trim(strings.NewReplacer("?", "", "*", "", "(", "", ")", "").Replace(s), " ")
}

func mapping(n *yaml.Node) map[string]*yaml.Node {
	m := map[string]*yaml.Node{}
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = n.Content[i+1]
		}
	}
	return m
}

func (c *compiler) keys(n *yaml.Node, known ...string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; !slices.Contains(known, k.Value) {
			c.errorf(k, 0, "unknown-key", "unknown key %q; known beside it: %s", k.Value, strings.Join(known, ", "))
		}
	}
}

func (c *compiler) count(n *yaml.Node, key string, fallback, most int) int {
	v := mapping(n)[key]
	if v == nil {
		return fallback
	}
	i, err := strconv.Atoi(v.Value)
	if err != nil || i < 1 || i > most {
		c.errorf(v, 0, "range", "%s must be a whole number from 1 to %d", key, most)
		return fallback
	}
	return i
}

// nodeKinds are the keys that make a mapping an expression.
var nodeKinds = []string{"any", "all", "at_least", "near", "order", "before", "number", "denied", "asked", "without"}

func (c *compiler) operand(n rubric.Expr) operand { return operand{node: c.expr(n)} }

// expr compiles one expression; nil stays nil.
func (c *compiler) expr(n rubric.Expr) node {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case yaml.ScalarNode:
		p := &parser{compiler: c, at: n, text: n.Value}
		return p.parse()
	case yaml.SequenceNode:
		return c.any(c.exprList(n))
	case yaml.MappingNode:
	default:
		c.errorf(n, 0, "expression", "expected an expression: text, a list of alternatives or one of %s", strings.Join(nodeKinds, ", "))
		return &or{}
	}
	m := mapping(n)
	kind := ""
	for _, k := range nodeKinds {
		if m[k] != nil {
			kind = k
			break
		}
	}
	arg := m[kind]
	switch kind {
	case "any":
		c.keys(n, "any")
		return c.any(c.exprList(arg))
	case "all":
		c.keys(n, "all")
		items := operands(c.exprList(arg))
		return &atLeast{len(items), items}
	case "at_least":
		c.keys(n, "at_least", "of")
		if m["of"] == nil {
			c.errorf(n, 0, "missing-key", "at_least needs a list beside it: of")
			return &or{}
		}
		items := operands(c.exprList(m["of"]))
		return &atLeast{c.count(n, "at_least", 1, len(items)), items}
	case "near":
		c.keys(n, "near", "within", "unless")
		steps := nearSteps
		if w := m["within"]; w != nil {
			steps = c.count(n, "within", nearSteps, 200)
		}
		a := &and{nodes: operands(c.exprList(arg)), steps: steps}
		if m["unless"] != nil {
			a.absent = []operand{c.operand(m["unless"])}
		}
		return a
	case "order":
		c.keys(n, "order", "need", "cyclic")
		items := operands(c.exprList(arg))
		return &order{items: items, need: c.count(n, "need", len(items), len(items)), cyclic: m["cyclic"] != nil && m["cyclic"].Value == "true"}
	case "before":
		c.keys(n, "before", "within")
		b := mapping(arg)
		if b["first"] == nil || b["then"] == nil {
			c.errorf(arg, 0, "missing-key", "before needs the keys first and then")
			return &or{}
		}
		c.keys(arg, "first", "then")
		return &before{[2]operand{c.operand(b["first"]), c.operand(b["then"])}, c.count(n, "within", beforeSteps, 200)}
	case "number":
		c.keys(n, "number")
		return c.number(arg)
	case "denied":
		c.keys(n, "denied")
		return &deny{[1]operand{c.operand(arg)}}
	case "asked":
		c.keys(n, "asked")
		return &question{[1]operand{c.operand(arg)}}
	case "without":
		c.errorf(n, 0, "expression", "write \"A &! B\", or near with unless")
		return &or{}
	}
	c.errorf(n, 0, "expression", "expected one of the keys %s", strings.Join(nodeKinds, ", "))
	return &or{}
}

func (c *compiler) exprList(n *yaml.Node) []node {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		c.errorf(n, 0, "type", "expected a list of expressions")
		return []node{&or{}}
	}
	out := make([]node, len(n.Content))
	for i, item := range n.Content {
		out[i] = c.expr(item)
	}
	return out
}

func (c *compiler) any(alts []node) node {
	for _, a := range alts {
		if _, ok := a.(composite); ok {
			return &anyOf{*c.or(alts)}
		}
	}
	return c.or(alts)
}

// or compiles alternatives. Those that are plain words and stand side by side are looked for together.
func (c *compiler) or(alts []node) *or {
	n := &or{alts: operands(alts)}
	for i := 0; i < len(alts); {
		k := i
		var group words
		for ; k < len(alts); k++ {
			w, ok := alts[k].(*word)
			if !ok {
				break
			}
			group = append(group, w.id)
		}
		if len(group) < 2 {
			n.joined = append(n.joined, operand{node: alts[i]})
			i++
			continue
		}
		n.joined = append(n.joined, operand{node: group})
		i = k
	}
	return n
}

func (c *compiler) number(n *yaml.Node) node {
	if n.Kind == yaml.ScalarNode {
		terms := c.program.lexicon.Add(n.Value, false)
		if len(terms) != 1 || !terms[0].IsNum {
			c.errorf(n, 0, "number", "expected a figure with an optional unit, such as 4 or 16 KB, not %q", n.Value)
			return &or{}
		}
		return exactly(terms[0].Num)
	}
	m := mapping(n)
	c.keys(n, "min", "max")
	out := &number{min: -1e300, max: 1e300, anyUnit: true}
	for key, bound := range map[string]*float64{"min": &out.min, "max": &out.max} {
		if m[key] == nil {
			continue
		}
		terms := c.program.lexicon.Add(m[key].Value, false)
		if len(terms) != 1 || !terms[0].IsNum {
			c.errorf(m[key], 0, "number", "expected a figure with an optional unit, not %q", m[key].Value)
			continue
		}
		*bound = terms[0].Num.Value
		out.unit, out.anyUnit = terms[0].Num.Unit, false
	}
	return out
}

// tolerance allows for decimal against binary units: 16,000 bytes are not 16 KB, 1.07 million are about 1 MB.
const tolerance = 1e-9

func exactly(n canon.Number) *number {
	d := n.Value * tolerance
	if d < 0 {
		d = -d
	}
	return &number{min: n.Value - d, max: n.Value + d, unit: n.Unit}
}

// cycles reports sets that refer to themselves.
func (c *compiler) cycles() {
	var visit func(name string, path []string) bool
	visit = func(name string, path []string) bool {
		if slices.Contains(path, name) {
			return true
		}
		return slices.ContainsFunc(c.uses[name], func(next string) bool { return visit(next, append(path, name)) })
	}
	for i, s := range c.pending {
		if visit(s.Name, nil) {
			c.file = s.File
			c.errorf(s.Expr, 0, "set-cycle", "set $%s refers to itself; take it out", s.Name)
			c.program.sets[i].node = &or{}
		}
	}
}

// anyOf is alternatives of which some are weighed over the whole answer.
type anyOf struct{ or }

func (n *anyOf) assess(r *Reading, firm bool, said *[]match) assessed {
	return r.assessAny(n.alts, firm, said)
}

// parser reads the one-line form:
//
//	alternatives  a | b
//	close by      a & b     a &! b     a &12 b
//	in order      a .. b
//	phrase        a b       word? (optional)   word* (begins so)   $set   ~item (denied)   ( ... )
type parser struct {
	*compiler
	at     *yaml.Node
	text   string
	pos    int
	depth  int
	single bool // the next item is one word: ~word
	err    error
}

var errSyntax = errors.New("syntax")

func (p *parser) parse() node {
	p.space()
	if p.pos == len(p.text) {
		p.errorf(p.at, 0, "expression", "the expression is empty; write a phrase or remove the key")
		return &or{}
	}
	n := p.alternatives()
	if p.err == nil && p.pos < len(p.text) {
		p.fail("unexpected %q; close or remove it", p.text[p.pos:p.pos+1])
	}
	if p.err != nil {
		return &or{}
	}
	return n
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = errSyntax
		p.errorf(p.at, p.pos, "expression", format, args...)
	}
}

func (p *parser) space() {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\n' || p.text[p.pos] == '\t') {
		p.pos++
	}
}

func (p *parser) peek() byte {
	p.space()
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) alternatives() node {
	if p.depth++; p.depth > 40 {
		p.fail("brackets are nested too deeply; use a set")
		return &or{}
	}
	defer func() { p.depth-- }()
	alts := []node{p.near()}
	for p.err == nil && p.peek() == '|' {
		p.pos++
		alts = append(alts, p.near())
	}
	if len(alts) == 1 {
		return alts[0]
	}
	return p.or(alts)
}

func (p *parser) near() node {
	first := p.ordered()
	a := &and{nodes: []operand{{node: first}}, steps: nearSteps}
	for p.err == nil && p.peek() == '&' {
		p.pos++
		not := false
		if p.pos < len(p.text) && p.text[p.pos] == '!' {
			not = true
			p.pos++
		} else if start := p.pos; p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
			for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
				p.pos++
			}
			a.steps, _ = strconv.Atoi(p.text[start:p.pos])
			if a.steps < 1 || a.steps > 200 {
				p.fail("the distance after & must be 1 to 200 steps")
			}
		}
		next := p.ordered()
		if not {
			a.absent = append(a.absent, operand{node: next})
		} else {
			a.nodes = append(a.nodes, operand{node: next})
		}
	}
	if len(a.nodes) == 1 && len(a.absent) == 0 {
		return first
	}
	return a
}

func (p *parser) ordered() node {
	s := &seq{}
	gap := phraseSlack
	var optional []int
	for p.err == nil {
		c := p.peek()
		if c == '.' && strings.HasPrefix(p.text[p.pos:], "..") && (p.pos+2 >= len(p.text) || p.text[p.pos+2] != '.') {
			if len(s.nodes) == 0 {
				p.fail("nothing stands before ..")
			}
			p.pos += 2
			gap = gapReach
			continue
		}
		if c == 0 || c == '|' || c == '&' || c == ')' {
			break
		}
		items, opt := p.item()
		for i, it := range items {
			switch {
			case i == 0:
				s.slack = append(s.slack, gap)
			case it.glued:
				s.slack = append(s.slack, 0)
			default:
				s.slack = append(s.slack, phraseSlack)
			}
			s.nodes = append(s.nodes, operand{node: it.node})
			if opt {
				optional = append(optional, len(s.nodes)-1)
			}
		}
		if len(items) > 0 {
			gap = phraseSlack
		}
	}
	switch {
	case p.err != nil:
		return &or{}
	case len(s.nodes) == 0 || len(optional) == len(s.nodes):
		p.fail("a phrase is missing here")
		return &or{}
	case len(optional) > 0:
		return p.expand(s, optional)
	case len(s.nodes) == 1:
		return s.nodes[0].node
	}
	return s
}

// expand writes a phrase with optional words as the alternatives that it stands for.
func (c *compiler) expand(s *seq, optional []int) node {
	if len(optional) > 4 {
		optional = optional[:4]
	}
	var alts []node
	for mask := range 1 << len(optional) {
		v := &seq{}
		for i := range s.nodes {
			if k := slices.Index(optional, i); k >= 0 && mask&(1<<k) != 0 {
				continue
			}
			v.nodes, v.slack = append(v.nodes, s.nodes[i]), append(v.slack, s.slack[i])
		}
		if len(v.nodes) == 1 {
			alts = append(alts, v.nodes[0].node)
			continue
		}
		alts = append(alts, v)
	}
	return c.or(alts)
}

// item is one node of a phrase; glued to the one before when both were written as one identifier.
type item struct {
	node  node
	glued bool
}

// item reads a set, a bracket, a denial or a run of plain words; a written word can be several canonical ones.
func (p *parser) item() (items []item, optional bool) {
	start := p.pos
	switch p.text[p.pos] {
	case '(':
		p.pos++
		n := p.alternatives()
		if p.err == nil && p.peek() != ')' {
			p.fail("a bracket is not closed; add )")
			return nil, false
		}
		p.pos++
		items = []item{{node: n}}
	case '~':
		p.pos++
		p.space()
		if p.pos >= len(p.text) || strings.ContainsRune("|&)~?", rune(p.text[p.pos])) {
			p.fail("~ denies the word, set or bracket behind it; there is none")
			return nil, false
		}
		p.single = true
		inner, _ := p.item()
		if len(inner) == 0 {
			return nil, false
		}
		n := inner[0].node
		if len(inner) > 1 {
			s := &seq{slack: make([]int, len(inner))}
			for _, it := range inner {
				s.nodes = append(s.nodes, operand{node: it.node})
			}
			n = s
		}
		items = []item{{node: &deny{[1]operand{{node: n}}}}}
	case '$':
		p.pos++
		for p.pos < len(p.text) && (p.text[p.pos] == '_' || p.text[p.pos] >= 'a' && p.text[p.pos] <= 'z' || p.text[p.pos] >= '0' && p.text[p.pos] <= '9') {
			p.pos++
		}
		name := p.text[start+1 : p.pos]
		index, ok := p.sets[name]
		if !ok {
			p.pos = start
			p.fail("unknown set $%s; define it under sets here or in bank.yaml", name)
			return nil, false
		}
		if p.inSet != "" {
			if p.uses == nil {
				p.compiler.uses = map[string][]string{}
			}
			p.uses[p.inSet] = append(p.uses[p.inSet], name)
		}
		items = []item{{node: &set{index}}}
	case '?', '!', '*':
		p.fail("%q stands behind a word: word? is optional, word* begins so", p.text[p.pos:p.pos+1])
		return nil, false
	default:
		phrase, wildcard := p.words()
		for _, t := range p.program.lexicon.Add(phrase, wildcard) {
			switch {
			case articles[t.Word]: // phrases skip articles by themselves
			case t.ID == canon.NoID:
				items = append(items, item{exactly(t.Num), t.Glued})
			case t.IsNum && t.Word == "one":
				items = append(items, item{p.or([]node{exactly(t.Num), &word{t.ID}}), t.Glued})
			default:
				items = append(items, item{&word{t.ID}, t.Glued})
			}
		}
	}
	p.single = false
	if p.pos < len(p.text) && p.text[p.pos] == '?' {
		p.pos++
		optional = true
	}
	return items, optional
}

var articles = canon.WordSet("a an the")

// words reads plain words up to the next operator. A word with a ? or * behind it comes alone, and so does every word
// behind ~.
func (p *parser) words() (phrase string, wildcard bool) {
	start := p.pos
	end := start
	for {
		from := p.pos
		for p.pos < len(p.text) && !strings.ContainsRune(" \n\t|&()$~?*", rune(p.text[p.pos])) {
			if strings.HasPrefix(p.text[p.pos:], "..") && p.pos > from {
				break
			}
			p.pos++
		}
		if p.pos < len(p.text) && (p.text[p.pos] == '?' || p.text[p.pos] == '*') {
			if from > start { // it belongs to the next item
				p.pos = from
				return p.text[start:end], false
			}
			if p.text[p.pos] == '*' {
				p.pos++
				return p.text[start : p.pos-1], true
			}
			return p.text[start:p.pos], false
		}
		end = p.pos
		p.space()
		if p.single || p.pos >= len(p.text) || strings.ContainsRune("|&()$~", rune(p.text[p.pos])) || strings.HasPrefix(p.text[p.pos:], "..") {
			return p.text[start:end], false
		}
	}
}
