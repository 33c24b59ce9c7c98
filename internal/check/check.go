// Package check is the keyword witness: a small expression language in which a rubric says what counts as evidence for
// a point, compiled once for a question and run over answers.
//
// A check is evidence and not proof. Every match knows whether it is affirmed, denied, or said without being claimed
// (attributed to others, taken back, doubted, asked); see polarity.go. The package is pure. Compile and Program.Run are
// the entries; docs/rubric-format.md describes the language.
package check

import (
	"slices"
	"sync"

	"github.com/vivagrader/grader/internal/canon"
)

// Status is what a match, or a whole check, amounts to.
type Status uint8

// The statuses. Hedged means that the words are there but not as a claim of the speaker's.
const (
	Absent Status = iota
	Affirmed
	Denied
	Reversed
	Hedged
)

// String names the status in capitals.
func (s Status) String() string {
	return [...]string{"ABSENT", "AFFIRMED", "DENIED", "REVERSED", "HEDGED"}[s]
}

// Level is how much of a point the check found.
type Level uint8

// The levels.
const (
	None Level = iota
	Partial
	Full
)

// Span is a half-open range of tokens.
type Span struct{ First, Last int }

// Evidence is one place in the answer that speaks for or against something.
type Evidence struct {
	Span
	Part string // the part of the check that it belongs to, empty for a check without parts
}

// Finding is what the checks of one point saw.
type Finding struct {
	Status  Status
	Level   Level
	Support []Evidence // places that credit
	Against []Evidence // places that contradict
	Missing []string   // names of parts that were not found, or the name that was not given
}

// Assertion is what the check of a misconception or a habit saw.
type Assertion struct {
	Status   Status // Affirmed: asserted; Denied, Hedged: brought up and not claimed
	Evidence []Evidence
}

// Program is the compiled checks of one question. It is immutable and safe for concurrent use.
type Program struct {
	lexicon        *canon.Lexicon
	sets           []operand
	setNames       []string
	points         []pointCheck
	misconceptions []operand
	habits         []habitCheck
	plan           plan
	readings       sync.Pool
}

type pointCheck struct {
	parts        []part
	need         int     // parts that make a full hit
	partialAt    int     // parts that make a partial one
	partial      operand // each without a node where it is not given, like the next two
	contradicted operand
	name         operand
	nameText     string
	line, column int
}

type part struct {
	name string
	expr operand
}

type habitCheck struct {
	present operand
	cleared operand
}

// Lexicon is what answers to the question are read with.
func (p *Program) Lexicon() *canon.Lexicon { return p.lexicon }

// Reading is an answer together with what polarity and the index say of it.
type Reading struct {
	Text     *canon.Text
	places   []place // per token
	scopes   []scope
	denials  bool     // a scope negates or excludes
	cover    []run    // per token: the scopes that cover it, a stretch of covering
	covering []uint16 // indices into scopes
	slot     []int32  // by word ID: one more than its place in present, or 0
	present  []present
	numbers  []int32
	indexed  []int32     // tokens by word
	marked   []uint64    // a bit for each token, and
	marks    []uint8     // how many words ask for it: what words.find works in, all zero in between
	pairs    [][2]tokens // lists of tokens that matches name
	leaves   []int32     // what leavesOf returns
	slab     []match     // the matches themselves
	lists    [][]match   // stack of operands' matches
	state    []int32     // by expression: noMatches, notLooked, or one more than the place of its matches in results
	results  [][]match
	said     []match // what speaks for the expression that is being weighed
	best     []match // what few hands out
	findings []pointFinding
	program  *Program
}

// pointFinding is what is known of a point, once it was asked for.
type pointFinding struct {
	Finding
	known    bool
	tightest []Evidence // the tightest place of every part that was found
	said     []Span     // the places of all matches that speak for the point
}

// reset forgets the finding and keeps the memory of what never leaves the reading's user: Missing goes into critiques.
func (f *pointFinding) reset() {
	*f = pointFinding{Finding: Finding{Support: f.Support[:0], Against: f.Against[:0]}, tightest: f.tightest[:0], said: f.said[:0]}
}

// place is where a token stands, in the figures that matching needs.
type place struct {
	pos      int32
	sentence int32 // full stops before it
	content  int32 // tokens before it that are not free
	covered  int32 // tokens before it that stand in a scope
}

// present is a word of the checks that the text holds.
type present struct {
	id     int32
	count  int32
	tokens []int32
}

// Read prepares text, which was read with the program's lexicon, for Run.
func (p *Program) Read(text *canon.Text) *Reading {
	r, ok := p.readings.Get().(*Reading)
	if !ok {
		r = &Reading{program: p, findings: make([]pointFinding, len(p.points)), slot: make([]int32, p.lexicon.Size())}
	}
	r.Text = text
	r.places = slices.Grow(r.places[:0], len(text.Tokens)+1)
	named := 0
	var at place
	for i := range text.Tokens {
		t := &text.Tokens[i]
		if t.Break >= canon.BreakSentence {
			at.sentence++
		}
		at.pos = int32(t.Pos)
		r.places = append(r.places, at)
		if !t.Free {
			at.content++
		}
		for _, id := range t.IDs {
			k := r.slot[id]
			if k == 0 {
				r.present = append(r.present, present{id: id})
				k = int32(len(r.present))
				r.slot[id] = k
			}
			r.present[k-1].count++
			named++
		}
		if t.IsNum {
			r.numbers = append(r.numbers, int32(i))
		}
	}
	r.places = append(r.places, at)
	r.index(named)
	r.marked = slices.Grow(r.marked[:0], len(text.Tokens)/64+1)[:len(text.Tokens)/64+1]
	r.marks = slices.Grow(r.marks[:0], len(text.Tokens))[:len(text.Tokens)]
	r.findScopes()
	r.prepare(&p.plan)
	return r
}

// index lists the tokens of every word that is present; named is how many there are in all.
func (r *Reading) index(named int) {
	backing := slices.Grow(r.indexed[:0], named)[:named]
	r.indexed = backing
	for k := range r.present {
		w := &r.present[k]
		w.tokens, backing = backing[:0:w.count], backing[w.count:]
	}
	for i := range r.Text.Tokens {
		for _, id := range r.Text.Tokens[i].IDs {
			w := &r.present[r.slot[id]-1]
			w.tokens = append(w.tokens, int32(i))
		}
	}
}

// Release hands the memory of the reading back to its program. Nobody may use the reading afterwards, nor the evidence
// that its methods returned.
func (r *Reading) Release() {
	for i := range r.present {
		r.slot[r.present[i].id] = 0
	}
	clear(r.present)
	for i := range r.findings {
		r.findings[i].reset()
	}
	r.Text, r.denials = nil, false
	r.present, r.numbers, r.scopes = r.present[:0], r.numbers[:0], r.scopes[:0]
	r.slab, r.results, r.pairs, r.best = r.slab[:0], r.results[:0], r.pairs[:0], r.best[:0]
	r.program.readings.Put(r)
}

// Point runs the check of the i-th point.
func (r *Reading) Point(i int) Finding { return r.point(i).Finding }

func (r *Reading) point(i int) *pointFinding {
	f := &r.findings[i]
	if !f.known {
		f.known = true
		r.find(&r.program.points[i], f)
	}
	return f
}

func (r *Reading) find(c *pointCheck, f *pointFinding) {
	hits, most := 0, Full // most that the point can amount to
	for k := range c.parts {
		p := &c.parts[k]
		res := r.weigh(&p.expr)
		switch res.status {
		case Affirmed:
			hits++
			f.Support = addEvidence(f.Support, p.name, res.best)
			f.credit(r, p, res)
			most = min(most, res.level) // e.g. three of five phases: never more than partial
		case Denied, Reversed:
			f.Status = res.status
			f.Against = addEvidence(f.Against, p.name, res.best)
		case Hedged:
			if f.Status == Absent {
				f.Status = Hedged
			}
			fallthrough
		default:
			if p.name != "" {
				f.Missing = append(f.Missing, p.name)
			}
		}
	}
	switch {
	case len(c.parts) == 0:
	case hits >= c.need && most == Full:
		f.Level = Full
	case hits >= c.partialAt && hits > 0:
		f.Level = Partial
	}
	if f.Level == None && c.partial.node != nil {
		if res := r.weigh(&c.partial); res.status == Affirmed {
			f.Level, f.Support = Partial, addEvidence(f.Support, "", res.best)
			if hits == 0 {
				f.credit(r, &part{expr: c.partial}, res)
			}
		}
	}
	if c.contradicted.node != nil {
		if res := r.assess(&c.contradicted); res.status == Affirmed {
			f.Against = addEvidence(f.Against, "", res.best)
			f.Status = Denied
		}
	}
	if len(f.Against) > 0 {
		if f.Status != Reversed {
			f.Status = Denied
		}
		return
	}
	if f.Level > None {
		f.Status = Affirmed
		if c.name.node != nil && !r.mentions(&c.name) {
			f.Missing = append(f.Missing, c.nameText)
			f.Level = Partial
		}
	}
}

// Misconception runs the check of the i-th misconception.
func (r *Reading) Misconception(i int) Assertion { return r.assertion(&r.program.misconceptions[i]) }

func (r *Reading) assertion(o *operand) Assertion {
	if o.node == nil {
		return Assertion{}
	}
	res := r.assess(o)
	return Assertion{Status: res.status, Evidence: evidence("", res.best)}
}

// Habit reports whether the i-th habit of the bank shows: its present pattern matches, or is not given, and its cleared
// pattern does not match. known is false for a habit without patterns.
func (r *Reading) Habit(i int) (present, known bool, at []Evidence) {
	h := &r.program.habits[i]
	if h.cleared.node != nil {
		if res := r.assess(&h.cleared); res.status == Affirmed {
			return false, true, nil
		}
	}
	if h.present.node == nil {
		return false, false, nil
	}
	res := r.assess(&h.present)
	return res.status == Affirmed, true, evidence("", res.best)
}

// mentions reports whether the words are there at all, whatever is said of them.
func (r *Reading) mentions(o *operand) bool { return len(r.eval(o)) > 0 }

type assessed struct {
	status Status
	level  Level
	best   []match
}

// rank orders what alternatives amount to.
func (a assessed) rank() int {
	switch {
	case a.status == Affirmed && a.level == Full:
		return 4
	case a.status == Affirmed:
		return 3
	case a.status == Denied || a.status == Reversed:
		return 2
	case a.status == Hedged:
		return 1
	}
	return 0
}

const bestMatches = 2

// few makes room for the best matches of one expression.
func (r *Reading) few() []match {
	if cap(r.best)-len(r.best) < bestMatches {
		r.best = make([]match, 0, max(slabSize/4, 2*cap(r.best))) // what was handed out goes on pointing into the old one
	}
	n := len(r.best)
	r.best = r.best[:n+bestMatches]
	return r.best[n : n : n+bestMatches]
}

// assess weighs all matches of an expression: one affirmed match decides, else a denied one, else a hedged one. Corrections need no
// rule of their own here: what a speaker takes back is hedged.
func (r *Reading) assess(o *operand) assessed { return r.assessAs(o, false, nil) }

// assessAs is assess; firm operands, those of an enumeration, may stand in a bare list. It adds the matches of all
// alternatives that speak for it to said, which may be nil.
func (r *Reading) assessAs(o *operand, firm bool, said *[]match) assessed {
	if r.state[o.id] == noMatches {
		return assessed{}
	}
	switch n := o.node.(type) {
	case composite:
		return n.assess(r, firm, said)
	case *or:
		return r.assessAny(n.alts, firm, said)
	}
	res := assessed{level: Full}
	for _, m := range r.eval(o) {
		if firm {
			m.flags |= firmlyListed
		}
		s := r.stance(&m)
		if s == Affirmed && said != nil {
			*said = append(*said, m)
		}
		switch {
		case s == Affirmed && res.status != Affirmed,
			(s == Denied || s == Reversed) && res.status != Affirmed && res.status != Denied && res.status != Reversed,
			s == Hedged && res.status == Absent:
			if res.best == nil {
				res.best = r.few()
			}
			res.status, res.best = s, append(res.best[:0], m)
		case s == res.status && len(res.best) < bestMatches && m.first > res.best[len(res.best)-1].last:
			res.best = append(res.best, m)
		case s == Affirmed && said == nil && len(res.best) == bestMatches:
			return res // nothing that follows can change it
		}
	}
	return res
}

// assessAny weighs alternatives: the first of those that amount to most decides.
func (r *Reading) assessAny(alts []operand, firm bool, said *[]match) assessed {
	var best assessed
	for i := range alts {
		if r.state[alts[i].id] == noMatches {
			continue
		}
		if got := r.assessAs(&alts[i], firm, said); got.rank() > best.rank() {
			best = got
		}
		if said == nil && best.status == Affirmed && best.level == Full {
			break
		}
	}
	return best
}

// stance is the polarity of a match, turned round where its relation stands the wrong way round.
func (r *Reading) stance(m *match) Status {
	s := r.polarity(m)
	if m.flags&reversed != 0 {
		switch s {
		case Affirmed:
			return Reversed
		case Denied:
			return Affirmed
		default: // what is not claimed has no direction
		}
	}
	return s
}

func evidence(part string, ms []match) []Evidence { return addEvidence(nil, part, ms) }

func addEvidence(to []Evidence, part string, ms []match) []Evidence {
	for _, m := range ms {
		to = append(to, Evidence{Span{int(m.first), int(m.last) + 1}, part})
	}
	return to
}

// AnyTerm reports whether the text holds any word of the question's checks that is not a function word.
func (r *Reading) AnyTerm() bool {
	for i := range r.Text.Tokens {
		if t := &r.Text.Tokens[i]; len(t.IDs) > 0 && !t.Func && !t.Free {
			return true
		}
	}
	return false
}
