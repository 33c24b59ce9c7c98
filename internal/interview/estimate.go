package interview

import (
	"context"
	"time"

	"github.com/vivagrader/grader/internal/grade"
)

// Plan is what a run is going to do.
type Plan struct {
	Interviews int `json:"interviews"`
	Errors     int `json:"errors"` // that cannot be read
	Questions  int `json:"questions"`
	// Answers to be graded, those in recordings guessed.
	Answers        int `json:"answers"`
	CandidateWords int `json:"candidateWords"`
	// Recordings there are, and how long they last; without those whose length cannot be told.
	Recordings    int     `json:"recordings"`
	AudioMinutes  float64 `json:"audioMinutes"`
	UnknownLength int     `json:"unknownLength"`
}

// perQuestion is how much of a recording one question takes, with its answer and what is said around it: a guess.
const perQuestion = 3 * time.Minute

// Estimate goes through the interviews as Run would, without writing anything or having anything written down, and lets
// g grade every answer: a grader that counts instead of asking knows afterwards what the judge will cost. What is said
// in recordings is not known; a question of the bank and its model answer stand for every three minutes.
func Estimate(ctx context.Context, b *Bank, g Grader, cfg Config) (*Plan, error) {
	r := &run{cfg: cfg, bank: b, grader: g, out: &output{}, slots: make(chan struct{}, 1), budget: newBudget(&cfg)}
	if _, err := r.openMap(); err != nil {
		return nil, err
	}
	p := &Plan{Interviews: len(cfg.Inputs)}
	next := 0
	for i := range cfg.Inputs {
		in := &cfg.Inputs[i]
		if in.Audio && in.err == nil {
			p.Recordings++
			p.AudioMinutes += in.Length.Minutes()
			if in.Length == 0 {
				p.UnknownLength++
			}
			for at := time.Duration(0); at < in.Length && len(b.questions) > 0; at += perQuestion {
				q := b.questions[next%len(b.questions)]
				next++
				p.Answers++
				if _, err := g.Grade(ctx, q.ID, grade.Answer{Text: q.ModelAnswer, Modality: grade.Spoken}); ctx.Err() != nil {
					return nil, ctx.Err()
				} else if err != nil {
					return nil, err
				}
			}
			continue
		}
		j := &job{in: in}
		c, err := r.course(ctx, j)
		if err == nil {
			err = r.questions(ctx, j, c)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			p.Errors++
			continue
		}
		p.Questions += len(j.lines)
		p.CandidateWords += j.recording.CandidateWords
		for _, l := range j.lines {
			if l.result.Critique != nil {
				p.Answers++
			}
		}
	}
	return p, nil
}
