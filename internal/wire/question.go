package wire

import (
	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/rubric"
)

// Question converts a question: in full (view FULL), or without anything that gives an answer away (view BASIC).
func Question(q *rubric.Question, full bool) *graderv1.Question {
	out := &graderv1.Question{
		Id:              q.ID,
		Bank:            q.Bank.ID,
		Number:          int32(q.Number),
		Title:           q.Title,
		Prompt:          q.Prompt,
		Category:        q.Category,
		Stage:           enum[graderv1.Question_Stage](graderv1.Question_Stage_value, q.Stage),
		ExpectedSeconds: int32(q.ExpectSeconds),
		RubricHash:      q.Hash,
	}
	if !full {
		return out
	}
	out.FollowUp, out.ModelAnswer = optional(q.FollowUp), optional(q.ModelAnswer)
	for i := range q.Points {
		p := &q.Points[i]
		out.Points = append(out.Points, &graderv1.Point{
			Id:        p.ID,
			Kind:      enum[graderv1.Point_Kind](graderv1.Point_Kind_value, p.Kind),
			Weight:    int32(p.Weight),
			Statement: p.Statement,
			Accept:    p.Accept,
			Notes:     p.Notes,
		})
	}
	for i := range q.Misconceptions {
		m := &q.Misconceptions[i]
		out.Misconceptions = append(out.Misconceptions, &graderv1.Misconception{
			Id: m.ID, Statement: m.Statement, Correction: m.WhyWrong, Severity: int32(m.Severity), Breaks: m.Breaks,
		})
	}
	for i := range q.Bank.Habits {
		if h := &q.Bank.Habits[i]; h.AppliesTo(q) {
			out.HabitIds = append(out.HabitIds, h.ID)
		}
	}
	return out
}

// Bank converts a bank: with its habits (view FULL) or without (view BASIC).
func Bank(b *rubric.Bank, full bool) *graderv1.Bank {
	out := &graderv1.Bank{
		Id:            b.ID,
		Title:         b.Title,
		Description:   b.Description,
		Version:       b.Version,
		Language:      b.Language,
		QuestionCount: int32(len(b.IDs())),
	}
	for _, from := range []float64{0, b.Bands.Developing, b.Bands.Solid, b.Bands.Strong} {
		out.Bands = append(out.Bands, &graderv1.Band{Name: b.Bands.Name(from), From: from})
	}
	if full {
		for i := range b.Habits {
			h := &b.Habits[i]
			out.Habits = append(out.Habits, &graderv1.Habit{Id: h.ID, Statement: h.Statement, Recognise: h.Recognise, Advice: h.Advice})
		}
	}
	return out
}
