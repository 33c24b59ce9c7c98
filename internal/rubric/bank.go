// Package rubric holds the questions: it loads a bank from a folder, validates it with positions, and hashes what
// decides a grade. It knows nothing of grading and prints nothing. The main entry is Open.
package rubric

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/vivagrader/grader/internal/diag"
)

// Errors of a bank. ErrUnknownQuestion is wrapped in an *UnknownQuestionError that names the nearest ids.
var (
	ErrUnknownQuestion = errors.New("unknown question")
	ErrUnknownPoint    = errors.New("unknown point")
	ErrNoBank          = errors.New("no bank.yaml")
)

// Kind is what a point is about.
type Kind string

// The kinds. Function, flag, tool and number are the name-it kinds.
const (
	KindFunction    Kind = "function"
	KindFlag        Kind = "flag"
	KindTool        Kind = "tool"
	KindNumber      Kind = "number"
	KindFailureMode Kind = "failure-mode"
	KindMechanism   Kind = "mechanism"
	KindTradeoff    Kind = "tradeoff"
	KindRemedy      Kind = "remedy"
	KindConstraint  Kind = "constraint"
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{KindFunction, KindFlag, KindTool, KindNumber, KindFailureMode, KindMechanism, KindTradeoff, KindRemedy, KindConstraint}
}

// Stages lists the interview stages of a question.
func Stages() []string { return []string{"screen", "deep-dive", "system-design"} }

// Expr is a check as written, to be compiled by package check; nil when there is none.
type Expr = *yaml.Node

// Point is one atomic claim that a strong answer makes.
type Point struct {
	ID        string
	Kind      Kind
	Weight    int // 1 to 3
	Statement string
	Accept    []string
	// AcceptRules are the lines of Accept, counted from 1, that are rules about the answer ("left out, as long as")
	// and no assertions: a case shows them, their wording is never matched.
	AcceptRules  []int
	Notes        string
	Check        Expr
	Partial      Expr
	Contradicted Expr
	Name         Expr
	Line, Column int
	AcceptPos    []Position
}

// Position is a place in a file, counted from 1.
type Position struct{ Line, Column int }

// Misconception is a wrong claim.
type Misconception struct {
	ID           string
	Statement    string
	WhyWrong     string
	Severity     int      // 1 or 2 weight points
	Breaks       []string // points that the claim contradicts
	Check        Expr
	Line, Column int
}

// Habit is a cross-cutting weakness; it never changes a score.
type Habit struct {
	ID         string
	Statement  string
	Recognise  string
	Advice     string
	Stages     []string
	Categories []string
	Questions  []string
	// ClearedBy are kinds of points: who earns one of them does not have the habit. With it and without Present, the
	// habit is present unless cleared.
	ClearedBy []Kind
	Present   Expr
	Cleared   Expr
}

// AppliesTo reports whether the habit is looked for in answers to q: stages, categories and questions are a union.
func (h *Habit) AppliesTo(q *Question) bool {
	return slices.Contains(h.Stages, q.Stage) || slices.Contains(h.Categories, q.Category) || slices.Contains(h.Questions, q.ID)
}

// Question is one question of a bank.
type Question struct {
	Bank           *Bank
	ID             string
	Number         int
	Title          string
	Prompt         string
	Category       string
	Stage          string
	ExpectSeconds  int
	Points         []Point
	Misconceptions []Misconception
	FollowUp       string
	ModelAnswer    string
	Sets           []Set
	File           string
	Hash           string // SHA-256 over the files that decide a grade, hexadecimal
}

// Set is a named expression that checks refer to as $name.
type Set struct {
	Name string
	Expr Expr
	File string
}

// Point returns the index of a point, or an error that wraps ErrUnknownPoint and lists the ids there are.
func (q *Question) Point(id string) (int, error) {
	ids := make([]string, len(q.Points))
	for i := range q.Points {
		if q.Points[i].ID == id {
			return i, nil
		}
		ids[i] = q.Points[i].ID
	}
	return 0, fmt.Errorf("%w %q in %s; there are %s", ErrUnknownPoint, id, q.ID, strings.Join(ids, ", "))
}

// Weight is the sum of all points' weights.
func (q *Question) Weight() int {
	w := 0
	for i := range q.Points {
		w += q.Points[i].Weight
	}
	return w
}

// Bands are the scores, 0 to 100, at which a band begins; below Developing an answer is weak.
type Bands struct{ Developing, Solid, Strong float64 }

// Name returns the band of a score.
func (b Bands) Name(score float64) string {
	switch {
	case score >= b.Strong:
		return "strong"
	case score >= b.Solid:
		return "solid"
	case score >= b.Developing:
		return "developing"
	}
	return "weak"
}

// Alias is a spoken form or a mis-hearing of a term.
type Alias struct {
	Means    string
	Heard    string
	Misheard bool
}

// Bank is a set of questions with what they share. Its questions are loaded when they are first asked for; it is safe
// for concurrent use.
type Bank struct {
	ID          string
	Title       string
	Description string
	Language    string
	Version     string
	Bands       Bands
	// CappedKinds are the kinds whose full keyword hit is not precise enough to be MET without a judge.
	CappedKinds []Kind
	Habits      []Habit
	Aliases     []Alias
	Sets        []Set
	Terms       []string // the field's words: a text that holds none of them is hardly an answer

	fsys fs.FS
	dir  string // shown before file names in diagnostics
	ids  []string
	hash []byte

	mu        sync.Mutex
	questions map[string]*loaded
}

type loaded struct {
	once sync.Once
	q    *Question
	err  error
}

const bankFile = "bank.yaml"

// Open reads bank.yaml in fsys and lists its questions: every other .yaml file that is not a case file (_test.yaml).
// dir is put before file names in diagnostics. Mistakes come as a diag.List, all of them at once.
func Open(fsys fs.FS, dir string) (*Bank, error) {
	data, err := fs.ReadFile(fsys, bankFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoBank)
	}
	if err != nil {
		return nil, fmt.Errorf("read bank: %w", err)
	}
	b := &Bank{fsys: fsys, dir: dir, questions: map[string]*loaded{}}
	sum := sha256.Sum256(data)
	b.hash = sum[:]
	if err := b.decode(data); err != nil {
		return nil, err
	}
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list bank: %w", err)
	}
	for _, n := range names {
		if n != bankFile && !strings.HasSuffix(n, "_test.yaml") {
			b.ids = append(b.ids, strings.TrimSuffix(n, ".yaml"))
		}
	}
	sort.Strings(b.ids)
	return b, nil
}

// IDs lists the ids of all questions, sorted by name, without loading them.
func (b *Bank) IDs() []string { return slices.Clone(b.ids) }

// FS is the folder of the bank, for readers of case files.
func (b *Bank) FS() fs.FS { return b.fsys }

// Path returns the name of a file of the bank as shown to people.
func (b *Bank) Path(name string) string { return path.Join(b.dir, name) }

// Question returns a question by its id, bare or with the bank's id before it. An unknown id is an
// *UnknownQuestionError; mistakes in the file are a diag.List.
func (b *Bank) Question(id string) (*Question, error) {
	q, err := b.Draft(id)
	if err != nil {
		return nil, err
	}
	return q, nil
}

// Draft is Question, but returns what could be read of a question beside the mistakes in its file, so that a linter can
// look for more of them. It is nil where nothing could be read.
func (b *Bank) Draft(id string) (*Question, error) {
	if rest, ok := strings.CutPrefix(id, b.ID+"/"); ok {
		id = rest
	}
	if !slices.Contains(b.ids, id) {
		return nil, &UnknownQuestionError{ID: id, Nearest: nearest(id, b.ids)}
	}
	b.mu.Lock()
	l, ok := b.questions[id]
	if !ok {
		l = &loaded{}
		b.questions[id] = l
	}
	b.mu.Unlock()
	l.once.Do(func() { l.q, l.err = b.load(id) })
	return l.q, l.err
}

func (b *Bank) load(id string) (*Question, error) {
	name := id + ".yaml"
	data, err := fs.ReadFile(b.fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read question: %w", err)
	}
	q, err := decodeQuestion(b, b.Path(name), id, data)
	if err != nil {
		return q, err
	}
	h := sha256.New()
	h.Write(b.hash)
	h.Write(data)
	q.Hash = hex.EncodeToString(h.Sum(nil))
	return q, nil
}

// Questions loads all questions, in the order of their numbers. Mistakes of all files come together as a diag.List.
func (b *Bank) Questions() ([]*Question, error) {
	var list diag.List
	out := make([]*Question, 0, len(b.ids))
	for _, id := range b.ids {
		q, err := b.Question(id)
		var l diag.List
		switch {
		case errors.As(err, &l):
			list = append(list, l...)
		case err != nil:
			return nil, err
		default:
			out = append(out, q)
		}
	}
	if err := list.Err(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b *Question) int { return a.Number - b.Number })
	return out, nil
}

// UnknownQuestionError is an id that no bank has.
type UnknownQuestionError struct {
	ID      string
	Nearest []string
}

// Error names the nearest ids.
func (e *UnknownQuestionError) Error() string {
	msg := fmt.Sprintf("unknown question %q", e.ID)
	if len(e.Nearest) > 0 {
		msg += "; did you mean " + strings.Join(e.Nearest, ", ") + "?"
	}
	return msg + " (grader questions lists them)"
}

// Unwrap makes errors.Is(err, ErrUnknownQuestion) hold.
func (e *UnknownQuestionError) Unwrap() error { return ErrUnknownQuestion }

// nearest returns up to three ids that share words with id or are a few letters away.
func nearest(id string, ids []string) []string {
	type scored struct {
		id    string
		score float64
	}
	words := strings.FieldsFunc(strings.ToLower(id), func(r rune) bool { return r == '-' || r == ' ' || r == '_' || r == '/' })
	var best []scored
	for _, cand := range ids {
		s := 0.0
		for _, w := range words {
			if len(w) > 2 && strings.Contains(cand, w) {
				s++
			}
		}
		d := editDistance(strings.ToLower(id), cand)
		if d <= 3 || d*3 <= len(cand) {
			s += 2 - float64(d)/float64(len(cand))
		}
		if s > 0 {
			best = append(best, scored{cand, s})
		}
	}
	slices.SortStableFunc(best, func(a, b scored) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	var out []string
	for _, s := range best[:min(3, len(best))] {
		out = append(out, s.id)
	}
	return out
}

// editDistance is the Levenshtein distance in bytes; ids are ASCII.
func editDistance(a, b string) int {
	if len(a) > 100 {
		return len(a)
	}
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := prev[0]
		prev[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost = 1 + min(diagonal, prev[j], prev[j-1])
			}
			diagonal, prev[j] = prev[j], cost
		}
	}
	return prev[len(b)]
}
