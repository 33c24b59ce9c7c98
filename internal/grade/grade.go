// Package grade turns an answer into a critique: gate, checks, reconciliation, score, advice. Everything in it is a pure
// function of answer and question; clocks, files and networks belong to its callers. The main entry is Grader.Grade.
package grade

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/rubric"
)

// MaxTextBytes is the longest text that is graded, 32 KiB: a long answer is a few minutes of speech, about 5 KiB.
const MaxTextBytes = 32 << 10

// Answer is what a candidate said to a question. Text must be valid UTF-8 of at most MaxTextBytes.
type Answer struct {
	Text     string
	Modality Modality
	// Language is the tag of the language that a recogniser heard, such as "de"; empty where nobody says.
	Language string
	// Unintelligible means that a recogniser wrote the text and did not understand what it heard.
	Unintelligible bool
}

// Grader grades answers to the questions of one bank. It is safe for concurrent use; questions are compiled when they
// are first needed.
type Grader struct {
	bank    *rubric.Bank
	version string

	mu       sync.RWMutex
	compiled map[string]*compiled
	topics   func() *topics
}

type compiled struct {
	once   sync.Once
	q      *rubric.Question
	p      *check.Program
	prompt func() promptWords
	err    error
}

// New returns a grader for the bank; version is the engine's, for receipts.
func New(bank *rubric.Bank, version string) *Grader {
	g := &Grader{bank: bank, version: version, compiled: map[string]*compiled{}}
	g.topics = sync.OnceValue(func() *topics { return newTopics(bank) })
	return g
}

// Bank returns the bank that the grader was made for.
func (g *Grader) Bank() *rubric.Bank { return g.bank }

// Question loads and compiles a question. Errors are those of rubric.Bank.Question and check.Compile.
func (g *Grader) Question(id string) (*rubric.Question, *check.Program, error) {
	c := g.compile(id)
	return c.q, c.p, c.err
}

func (g *Grader) compile(id string) *compiled {
	g.mu.RLock()
	c, ok := g.compiled[id]
	g.mu.RUnlock()
	if !ok {
		g.mu.Lock()
		if c, ok = g.compiled[id]; !ok {
			c = &compiled{}
			g.compiled[id] = c
		}
		g.mu.Unlock()
	}
	c.once.Do(func() {
		if c.q, c.err = g.bank.Question(id); c.err == nil {
			c.p, c.err = check.Compile(c.q)
			c.prompt = sync.OnceValue(func() promptWords { return readPrompt(c.q) })
		}
	})
	if errors.Is(c.err, rubric.ErrUnknownQuestion) { // strangers' ids must not pile up
		g.mu.Lock()
		delete(g.compiled, id)
		g.mu.Unlock()
	}
	return c
}

// Grade grades one answer with the keyword witness alone. Errors are those of Question.
func (g *Grader) Grade(id string, a Answer) (*Critique, error) {
	d, err := g.read(id, a)
	if err != nil {
		return nil, err
	}
	defer d.release()
	return d.critique(nil), nil
}

// draft is an answer on its way: read, gated, not yet decided.
type draft struct {
	grader    *Grader
	q         *rubric.Question
	answer    Answer
	gate      *gate
	reading   *check.Reading
	reason    Reason // why it cannot be graded
	worthless Flag   // why it earns nothing
}

func (g *Grader) read(id string, a Answer) (*draft, error) {
	c := g.compile(id)
	if c.err != nil {
		return nil, c.err
	}
	d := &draft{grader: g, q: c.q, answer: a, gate: newGate(a.Text)}
	d.gate.language = a.Language
	d.reading = c.p.Read(canon.Read(d.gate.masked, c.p.Lexicon()))
	d.reason, d.worthless = d.gate.judge(c.q, c.prompt, d.reading)
	if a.Unintelligible && d.reason == "" {
		d.reason, d.worthless = ReasonUnintelligible, ""
	}
	if d.reason == "" && d.worthless == "" && d.offTopic() {
		d.worthless = FlagOffTopic
	}
	return d, nil
}

// release ends the use of the draft; critiques made of it stay valid.
func (d *draft) release() { release(d.reading) }

func release(r *check.Reading) {
	t := r.Text
	r.Release()
	t.Release()
}

// critique decides with the verdicts of a judge, or without any.
func (d *draft) critique(verdicts *judge.Result) *Critique {
	c := &Critique{QuestionID: d.q.ID, State: Graded, Mode: ModeKeywords, FollowUp: d.q.FollowUp, Receipt: d.grader.receipt(d.q, d.answer)}
	if d.gate.injected {
		c.Flags = append(c.Flags, FlagInjection)
	}
	w := newWriter(d.answer.Text, d.gate, d.reading)
	switch {
	case d.reason != "":
		c.State, c.Reasons = Ungradable, []Reason{d.reason}
		fillAll(c, d.q, Unknown, ClaimUnknown, PresenceUnknown)
		c.Sentences = w.sentences(nil, nil)
		c.Summary = summary(c)
		return c
	case d.worthless != "":
		if d.worthless != flagEmptied {
			c.Flags = append(c.Flags, d.worthless)
		}
		fillAll(c, d.q, Missed, NotClaimed, NotPresent)
		c.Sentences = w.sentences(nil, nil)
	default:
		if verdicts != nil {
			c.Mode, c.Receipt.Mode = ModeJudge, ModeJudge
		}
		decide(c, d.q, d.reading, w, verdicts)
	}
	score(c, d.q)
	advise(c, d.q)
	return c
}

func (g *Grader) receipt(q *rubric.Question, a Answer) Receipt {
	sum := sha256.Sum256([]byte(a.Text))
	return Receipt{EngineVersion: g.version, BankID: g.bank.ID, BankVersion: g.bank.Version, RubricHash: q.Hash,
		AnswerSHA256: hex.EncodeToString(sum[:]), Mode: ModeKeywords}
}

const (
	// offTopicEarned is the share of the weight under which an answer is compared with the other questions.
	offTopicEarned = 0.15
	// offTopicWords is the least number of words for that.
	offTopicWords = 25
	// offTopicWordsMax bounds the work for one answer: nobody speaks so long.
	offTopicWordsMax = 2000
	// offTopicOther is the share of another question's weight that makes the answer one to that question.
	offTopicOther = 0.35
)

// earned is the share of the weight that the checks find.
func earned(q *rubric.Question, r *check.Reading) float64 {
	sum := 0.0
	for i := range q.Points {
		if f := r.Point(i); len(f.Against) == 0 {
			sum += float64(q.Points[i].Weight) * float64(f.Level) / float64(check.Full)
		}
	}
	return sum / float64(q.Weight())
}

// decide fills in points, misconceptions and habits from what both witnesses say.
func decide(c *Critique, q *rubric.Question, r *check.Reading, w *writer, verdicts *judge.Result) {
	if verdicts == nil {
		verdicts = &judge.Result{}
	}
	c.Misconceptions = make([]MisconceptionResult, 0, len(q.Misconceptions))
	for i := range q.Misconceptions {
		c.Misconceptions = append(c.Misconceptions, w.misconception(&q.Misconceptions[i], i, r.Misconception(i), verdict(verdicts.Misconceptions, q.Misconceptions[i].ID)))
	}
	unverified := false
	c.Points = make([]PointResult, 0, len(q.Points))
	for i := range q.Points {
		p := w.point(q, i, r.Point(i), verdict(verdicts.Points, q.Points[i].ID))
		unverified = unverified || p.Judge != nil && p.Judge.Discarded
		c.Points = append(c.Points, p)
	}
	applyBreaks(c, q)
	if unverified {
		c.Flags = append(c.Flags, FlagUnverifiedQuote)
	}
	c.Habits = make([]HabitResult, 0, len(q.Bank.Habits))
	for i := range q.Bank.Habits {
		if h := &q.Bank.Habits[i]; h.AppliesTo(q) {
			present, known, at := r.Habit(i)
			if len(h.ClearedBy) > 0 && !(known && !present) {
				present, known = (h.Present == nil || present) && !clearedBy(h, c.Points), true
			}
			c.Habits = append(c.Habits, w.habit(h, present, known, at, verdict(verdicts.Habits, h.ID)))
		}
	}
	var credited, charged []Evidence
	for i := range c.Points {
		switch p := &c.Points[i]; {
		case p.Credit > 0:
			credited = append(credited, p.Evidence...)
		case p.Decision == Contradicted:
			charged = append(charged, p.Evidence...)
		}
	}
	for i := range c.Misconceptions {
		if c.Misconceptions[i].Decision == Asserted {
			charged = append(charged, c.Misconceptions[i].Evidence...)
		}
	}
	c.Sentences = w.sentences(credited, charged)
}

func verdict(list []judge.Verdict, id string) *judge.Verdict {
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}

// clearedBy reports whether a point of the kinds that clear the habit was earned.
func clearedBy(h *rubric.Habit, points []PointResult) bool {
	return slices.ContainsFunc(points, func(p PointResult) bool {
		return p.Credit > 0 && slices.Contains(h.ClearedBy, rubric.Kind(p.Kind))
	})
}

// fillAll gives every point, misconception and habit the same outcome, decided by the gate.
func fillAll(c *Critique, q *rubric.Question, d Decision, m Claim, h Presence) {
	for i := range q.Points {
		p := &q.Points[i]
		c.Points = append(c.Points, PointResult{ID: p.ID, Kind: string(p.Kind), Weight: p.Weight, Statement: p.Statement, Decision: d,
			DecidedBy: ByGate, Check: CheckWitness{Finding: check.Absent.String(), Decision: Missed}})
	}
	for i := range q.Misconceptions {
		c.Misconceptions = append(c.Misconceptions, MisconceptionResult{ID: q.Misconceptions[i].ID, Decision: m})
	}
	for i := range q.Bank.Habits {
		if hb := &q.Bank.Habits[i]; hb.AppliesTo(q) {
			res := HabitResult{ID: hb.ID, Decision: h}
			if d == Missed && len(hb.ClearedBy) > 0 && hb.Present == nil { // text that earned nothing clears nothing
				res.Decision, res.Advice = Present, hb.Advice
			}
			c.Habits = append(c.Habits, res)
		}
	}
}

func has(flags []Flag, f Flag) bool { return slices.Contains(flags, f) }
