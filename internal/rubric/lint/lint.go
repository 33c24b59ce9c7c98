// Package lint finds what is wrong with a bank without any hand-written case: checks that miss their own statement, or
// that hit the prompt, a misconception or other questions' model answers. The main entry is Bank.
package lint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/rubric"
)

const (
	// modelAnswerScore is the least that a model answer must earn of all weight, in per cent.
	modelAnswerScore = 85
	// negatedScore is the most that it may earn with every sentence denied.
	negatedScore = 10
	// otherAnswers is the share of the other questions' model answers that a check may hit.
	otherAnswers = 0.2
)

// subject is a question with its program.
type subject struct {
	q *rubric.Question
	p *check.Program
}

// linter collects the findings of one run.
type linter struct {
	list diag.List
}

// Bank loads, compiles and lints the questions for which want holds; nil means all of them. The result is sorted and
// empty for a clean bank. The other error is one of reading files.
func Bank(b *rubric.Bank, want func(id string) bool) (diag.List, error) {
	l := &linter{}
	var all []subject
	for _, id := range b.IDs() {
		q, err := b.Draft(id)
		sound := err == nil
		if err := l.collect(err, id, want); err != nil {
			return nil, err
		}
		if q == nil {
			continue
		}
		p, err := check.Compile(q)
		if err := l.collect(err, id, want); err != nil {
			return nil, err
		}
		if sound && err == nil {
			all = append(all, subject{q, p})
		}
	}
	for _, s := range all {
		if want != nil && !want(s.q.ID) {
			continue
		}
		l.statements(s)
		l.confusions(s)
		l.modelAnswer(s)
		l.otherQuestions(s, all)
		for _, d := range s.p.Redundant() {
			l.add(s.q.File, d.Line, d.Column, "dead-alternative", "%s can never win: %s matches wherever it does; remove it", d.Dead, d.By)
		}
	}
	l.list.Sort()
	return l.list, nil
}

// collect keeps mistakes in the file of a wanted question; any other error comes back.
func (l *linter) collect(err error, id string, want func(id string) bool) error {
	var list diag.List
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &list):
		return err
	}
	for _, d := range list {
		if (want == nil || want(id)) && !slices.Contains(l.list, d) { // those of bank.yaml come with every question
			l.list = append(l.list, d)
		}
	}
	return nil
}

func (l *linter) add(file string, line, column int, rule, format string, args ...any) {
	l.list = append(l.list, diag.Diagnostic{File: file, Line: line, Column: column, Rule: rule, Severity: diag.Error, Message: fmt.Sprintf(format, args...)})
}

func (s subject) read(text string) *check.Reading {
	return s.p.Read(canon.Read(text, s.p.Lexicon()))
}

// statements: a check matches its own statement and what is accepted, and not their denial.
func (l *linter) statements(s subject) {
	for i := range s.q.Points {
		p := &s.q.Points[i]
		if p.Check == nil {
			l.add(s.q.File, p.Line, p.Column, "no-check", "point %s has no check; add one", p.ID)
			continue
		}
		if f := s.read(p.Statement).Point(i); f.Level != check.Full || len(f.Against) > 0 {
			l.add(s.q.File, p.Line, p.Column, "own-statement", "the check of %s does not match its own statement (%s)", p.ID, outcome(f))
		}
		if f := s.read(canon.Deny(p.Statement)).Point(i); f.Level != check.None && len(f.Against) == 0 {
			l.add(s.q.File, p.Line, p.Column, "negated-statement", "the check of %s also matches %q", p.ID, canon.Deny(p.Statement))
		}
		for k, a := range p.Accept {
			if slices.Contains(p.AcceptRules, k+1) {
				continue
			}
			if f := s.read(a).Point(i); f.Level != check.Full || len(f.Against) > 0 {
				l.add(s.q.File, p.AcceptPos[k].Line, p.AcceptPos[k].Column, "accept", "the check of %s does not match this accepted answer (%s); list it under accept_rules if it is a rule and no assertion", p.ID, outcome(f))
			}
		}
	}
	for i := range s.q.Misconceptions {
		m := &s.q.Misconceptions[i]
		if m.Check == nil {
			l.add(s.q.File, m.Line, m.Column, "no-check", "misconception %s has no check; add one", m.ID)
			continue
		}
		if a := s.read(m.Statement).Misconception(i); a.Status != check.Affirmed {
			l.add(s.q.File, m.Line, m.Column, "own-statement", "the check of misconception %s does not match its own statement", m.ID)
		}
		if a := s.read(canon.Deny(m.Statement)).Misconception(i); a.Status == check.Affirmed {
			l.add(s.q.File, m.Line, m.Column, "negated-statement", "the check of misconception %s also matches its denial", m.ID)
		}
	}
}

// confusions: no check hits the prompt or a misconception, and no misconception hits a point's statement.
func (l *linter) confusions(s subject) {
	texts := []struct{ name, text string }{{"the prompt", s.q.Prompt}}
	for i := range s.q.Misconceptions {
		texts = append(texts, struct{ name, text string }{"the misconception " + s.q.Misconceptions[i].ID, s.q.Misconceptions[i].Statement})
	}
	for _, t := range texts {
		r := s.read(t.text)
		for i := range s.q.Points {
			p := &s.q.Points[i]
			if f := r.Point(i); f.Level != check.None && len(f.Against) == 0 {
				l.add(s.q.File, p.Line, p.Column, "confusion", "the check of %s also matches %s", p.ID, t.name)
			}
		}
		if t.name != "the prompt" {
			continue
		}
		for i := range s.q.Misconceptions {
			if m := &s.q.Misconceptions[i]; r.Misconception(i).Status == check.Affirmed {
				l.add(s.q.File, m.Line, m.Column, "confusion", "the check of misconception %s also matches the prompt", m.ID)
			}
		}
	}
	for k := range s.q.Points {
		r := s.read(s.q.Points[k].Statement)
		for i := range s.q.Misconceptions {
			if m := &s.q.Misconceptions[i]; r.Misconception(i).Status == check.Affirmed {
				l.add(s.q.File, m.Line, m.Column, "confusion", "the check of misconception %s also matches the statement of %s", m.ID, s.q.Points[k].ID)
			}
		}
	}
}

// modelAnswer: it earns nearly everything, and nothing when every sentence is denied.
func (l *linter) modelAnswer(s subject) {
	if s.q.ModelAnswer == "" {
		l.add(s.q.File, 1, 1, "model-answer", "there is no model_answer; add one")
		return
	}
	earned, missed := s.earned(s.q.ModelAnswer)
	if earned < modelAnswerScore {
		l.add(s.q.File, 1, 1, "model-answer", "the model answer earns %.0f of 100, it must earn %d; not hit: %s", earned, modelAnswerScore, strings.Join(missed, ", "))
	}
	for i := range s.q.Misconceptions {
		if s.read(s.q.ModelAnswer).Misconception(i).Status == check.Affirmed {
			l.add(s.q.File, 1, 1, "model-answer", "the model answer asserts the misconception %s", s.q.Misconceptions[i].ID)
		}
	}
	if earned, _ := s.earned(Negated(s.q.ModelAnswer)); earned > negatedScore {
		l.add(s.q.File, 1, 1, "negated-answer", "with every sentence denied the model answer still earns %.0f, at most %d is allowed", earned, negatedScore)
	}
}

// earned is the share of all weight that a text earns, in per cent, before any cap.
func (s subject) earned(text string) (share float64, missed []string) {
	r := s.read(text)
	sum := 0.0
	for i := range s.q.Points {
		f := r.Point(i)
		switch {
		case len(f.Against) > 0 || f.Level == check.None:
			missed = append(missed, s.q.Points[i].ID)
		case f.Level == check.Full:
			sum += float64(s.q.Points[i].Weight)
		default:
			sum += float64(s.q.Points[i].Weight) / 2
			missed = append(missed, s.q.Points[i].ID+" (partial)")
		}
	}
	return 100 * sum / float64(s.q.Weight()), missed
}

// Negated denies every sentence of a text.
func Negated(text string) string {
	t := canon.Read(text, canon.NewLexicon(nil))
	var b strings.Builder
	for _, s := range t.Sentences {
		b.WriteString(canon.Deny(text[s.Start:s.End]) + " ")
	}
	return b.String()
}

// otherQuestions: a check that hits many other questions' model answers is too loose.
func (l *linter) otherQuestions(s subject, all []subject) {
	hits := make([][]string, len(s.q.Points))
	for _, o := range all {
		if o.q.ID == s.q.ID || o.q.ModelAnswer == "" {
			continue
		}
		r := s.read(o.q.ModelAnswer)
		for i := range s.q.Points {
			if f := r.Point(i); f.Level != check.None && len(f.Against) == 0 {
				hits[i] = append(hits[i], o.q.ID)
			}
		}
	}
	for i := range hits {
		if p := &s.q.Points[i]; len(all) > 5 && float64(len(hits[i])) > otherAnswers*float64(len(all)-1) {
			l.add(s.q.File, p.Line, p.Column, "too-loose", "the check of %s hits %d of %d other questions' model answers, among them %s", p.ID, len(hits[i]), len(all)-1, strings.Join(hits[i][:min(3, len(hits[i]))], ", "))
		}
	}
}

func outcome(f check.Finding) string {
	switch {
	case len(f.Against) > 0:
		return "it finds a contradiction"
	case f.Level == check.Partial:
		if len(f.Missing) > 0 {
			return "partial, missing " + strings.Join(f.Missing, "; ")
		}
		return "partial"
	case f.Level == check.Full:
		return "a hit"
	}
	return "no hit, " + strings.ToLower(f.Status.String())
}
