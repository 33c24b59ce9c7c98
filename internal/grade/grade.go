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
	"github.com/vivagrader/grader/internal/rubric"
)

// MaxTextBytes is the longest text that is graded, 32 KiB: a long answer is a few minutes of speech, about 5 KiB.
const MaxTextBytes = 32 << 10

// Answer is what a candidate said to a question. Text must be valid UTF-8 of at most MaxTextBytes.
type Answer struct {
	Text     string
	Modality Modality
}

// Grader grades answers to the questions of one bank. It is safe for concurrent use; questions are compiled when they
// are first needed.
type Grader struct {
	bank    *rubric.Bank
	version string

	mu       sync.Mutex
	compiled map[string]*compiled
}

type compiled struct {
	once sync.Once
	q    *rubric.Question
	p    *check.Program
	err  error
}

// New returns a grader for the bank; version is the engine's, for receipts.
func New(bank *rubric.Bank, version string) *Grader {
	return &Grader{bank: bank, version: version, compiled: map[string]*compiled{}}
}

// Bank returns the bank that the grader was made for.
func (g *Grader) Bank() *rubric.Bank { return g.bank }

// Question loads and compiles a question. Errors are those of rubric.Bank.Question and check.Compile.
func (g *Grader) Question(id string) (*rubric.Question, *check.Program, error) {
	g.mu.Lock()
	c, ok := g.compiled[id]
	if !ok {
		c = &compiled{}
		g.compiled[id] = c
	}
	g.mu.Unlock()
	c.once.Do(func() {
		if c.q, c.err = g.bank.Question(id); c.err == nil {
			c.p, c.err = check.Compile(c.q)
		}
	})
	if errors.Is(c.err, rubric.ErrUnknownQuestion) { // strangers' ids must not pile up
		g.mu.Lock()
		delete(g.compiled, id)
		g.mu.Unlock()
	}
	return c.q, c.p, c.err
}

// Grade grades one answer with the keyword witness.
func (g *Grader) Grade(id string, a Answer) (*Critique, error) {
	q, p, err := g.Question(id)
	if err != nil {
		return nil, err
	}
	c := &Critique{QuestionID: q.ID, State: Graded, Mode: ModeKeywords, FollowUp: q.FollowUp, Receipt: g.receipt(q, a)}
	gt := newGate(a.Text)
	if gt.injected {
		c.Flags = append(c.Flags, FlagInjection)
	}
	reading := p.Read(canon.Read(gt.masked, p.Lexicon()))
	w := newWriter(a.Text, gt, reading)
	switch reason, worthless := gt.judge(q, reading); {
	case reason != "":
		c.State, c.Reasons = Ungradable, []Reason{reason}
		ungradable(c, q)
		c.Sentences = w.sentences(nil, nil)
		c.Summary = summary(c)
		return c, nil
	case worthless != "":
		if worthless != flagEmptied {
			c.Flags = append(c.Flags, worthless)
		}
		nothingEarned(c, q)
	default:
		decide(c, q, reading, w)
		if earnedShare(c) <= offTopicEarned && gt.words >= offTopicWords && gt.words <= offTopicWordsMax && g.answersAnother(q, gt) {
			c.Flags = append(c.Flags, FlagOffTopic)
			nothingEarned(c, q)
		}
	}
	score(c, q)
	advise(c, q)
	return c, nil
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

// answersAnother reports whether the text answers another question of the bank much better than this one.
func (g *Grader) answersAnother(q *rubric.Question, gt *gate) bool {
	for _, id := range g.bank.IDs() {
		if id == q.ID {
			continue
		}
		o, p, err := g.Question(id)
		if err != nil {
			continue
		}
		r := p.Read(canon.Read(gt.masked, p.Lexicon()))
		sum := 0.0
		for i := range o.Points {
			if f := r.Point(i); len(f.Against) == 0 {
				sum += float64(o.Points[i].Weight) * float64(f.Level) / float64(check.Full)
			}
		}
		if sum >= offTopicOther*float64(o.Weight()) {
			return true
		}
	}
	return false
}

// decide fills in points, misconceptions and habits from what the checks found.
func decide(c *Critique, q *rubric.Question, r *check.Reading, w *writer) {
	for i := range q.Misconceptions {
		c.Misconceptions = append(c.Misconceptions, w.misconception(&q.Misconceptions[i], r.Misconception(i)))
	}
	for i := range q.Points {
		c.Points = append(c.Points, w.point(q, i, r.Point(i)))
	}
	applyBreaks(c, q)
	for i := range q.Bank.Habits {
		if h := &q.Bank.Habits[i]; h.AppliesTo(q) {
			present, known, at := r.Habit(i)
			c.Habits = append(c.Habits, w.habit(c, h, present, known, at))
		}
	}
	var credited, charged []Evidence
	for i := range c.Points {
		p := &c.Points[i]
		switch {
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

// nothingEarned is the outcome of text that is no answer although it is text: a dump, an echo, an attack.
func nothingEarned(c *Critique, q *rubric.Question) {
	fillAll(c, q, Missed, NotClaimed, NotPresent)
	for i := range c.Sentences {
		if c.Sentences[i].Role == Credited || c.Sentences[i].Role == Charged {
			c.Sentences[i].Role = Unmapped
		}
	}
}

func ungradable(c *Critique, q *rubric.Question) {
	fillAll(c, q, Unknown, ClaimUnknown, PresenceUnknown)
}

func fillAll(c *Critique, q *rubric.Question, d Decision, m Claim, h Presence) {
	c.Points, c.Misconceptions, c.Habits = nil, nil, nil
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
			c.Habits = append(c.Habits, HabitResult{ID: hb.ID, Decision: h})
		}
	}
}

func earnedShare(c *Critique) float64 {
	earned, all := 0.0, 0.0
	for i := range c.Points {
		earned += c.Points[i].Credit * float64(c.Points[i].Weight)
		all += float64(c.Points[i].Weight)
	}
	return earned / all
}

func has(flags []Flag, f Flag) bool { return slices.Contains(flags, f) }
