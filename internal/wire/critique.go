package wire

import (
	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
)

// Critique converts a critique with everything that is in it (detail COACH).
func Critique(c *grade.Critique) *graderv1.Critique {
	out := &graderv1.Critique{
		QuestionId: c.QuestionID,
		State:      enum[graderv1.Critique_State](graderv1.Critique_State_value, c.State),
		Mode:       enum[graderv1.Receipt_Mode](graderv1.Receipt_Mode_value, c.Mode),
		Reasons:    enums[graderv1.Reason_Value](graderv1.Reason_Value_value, c.Reasons),
		Flags:      enums[graderv1.Flag_Value](graderv1.Flag_Value_value, c.Flags),
		Summary:    c.Summary,
		FollowUp:   c.FollowUp,
		Receipt:    receipt(&c.Receipt),
		Timing:     timing(&c.Timing),
	}
	spoken(out, c)
	if s := c.Score; s != nil {
		out.Score = &graderv1.Score{Value: s.Value, Low: s.Low, High: s.High, Band: s.Band, Coverage: s.Coverage}
	}
	out.Misconceptions = make([]*graderv1.MisconceptionDecision, 0, len(c.Misconceptions))
	out.Habits = make([]*graderv1.HabitDecision, 0, len(c.Habits))
	out.Sentences = make([]*graderv1.Sentence, 0, len(c.Sentences))
	out.NextSteps = make([]*graderv1.NextStep, 0, len(c.NextSteps))
	if c.State != grade.Ungradable { // nothing was decided: the contract has no points then
		out.Points = make([]*graderv1.PointDecision, 0, len(c.Points))
		for i := range c.Points {
			out.Points = append(out.Points, point(&c.Points[i]))
		}
	}
	for i := range c.Misconceptions {
		m := &c.Misconceptions[i]
		out.Misconceptions = append(out.Misconceptions, &graderv1.MisconceptionDecision{
			Id:         m.ID,
			Decision:   enum[graderv1.MisconceptionDecision_Decision](graderv1.MisconceptionDecision_Decision_value, m.Decision),
			Evidence:   evidence(m.Evidence),
			Correction: m.Correction,
		})
	}
	for i := range c.Habits {
		h := &c.Habits[i]
		out.Habits = append(out.Habits, &graderv1.HabitDecision{
			Id:       h.ID,
			Decision: enum[graderv1.HabitDecision_Decision](graderv1.HabitDecision_Decision_value, h.Decision),
			Evidence: evidence(h.Evidence),
			Advice:   h.Advice,
		})
	}
	for _, s := range c.Sentences {
		out.Sentences = append(out.Sentences, &graderv1.Sentence{
			Start: int32(s.Start),
			End:   int32(s.End),
			Role:  enum[graderv1.Sentence_Role](graderv1.Sentence_Role_value, s.Role),
		})
	}
	for _, s := range c.NextSteps {
		out.NextSteps = append(out.NextSteps, &graderv1.NextStep{
			Text:            s.Text,
			PointId:         optional(s.Point),
			MisconceptionId: optional(s.Misconception),
			HabitId:         optional(s.Habit),
			Gain:            s.Gain,
		})
	}
	return out
}

func point(p *grade.PointResult) *graderv1.PointDecision {
	witnesses := &graderv1.Witnesses{}
	if p.DecidedBy != grade.ByGate && p.Check.Finding != "" {
		witnesses.Check = &graderv1.CheckWitness{
			Finding:  enum[graderv1.CheckWitness_Finding](graderv1.CheckWitness_Finding_value, p.Check.Finding),
			Decision: enum[graderv1.PointDecision_Decision](graderv1.PointDecision_Decision_value, p.Check.Decision),
		}
	}
	if j := p.Judge; j != nil {
		witnesses.Judge = &graderv1.JudgeWitness{
			Verdict:   enum[graderv1.PointDecision_Decision](graderv1.PointDecision_Decision_value, j.Verdict),
			Reason:    j.Reason,
			Discarded: j.Discarded,
		}
	}
	return &graderv1.PointDecision{
		Id:        p.ID,
		Kind:      enum[graderv1.Point_Kind](graderv1.Point_Kind_value, p.Kind),
		Weight:    int32(p.Weight),
		Statement: p.Statement,
		Decision:  enum[graderv1.PointDecision_Decision](graderv1.PointDecision_Decision_value, p.Decision),
		Credit:    p.Credit,
		DecidedBy: enum[graderv1.DecidedBy_Value](graderv1.DecidedBy_Value_value, p.DecidedBy),
		Witnesses: witnesses,
		Evidence:  evidence(p.Evidence),
		Missing:   p.Missing,
		Reason:    p.Reason,
	}
}

func evidence(found []grade.Evidence) []*graderv1.Evidence {
	out := make([]*graderv1.Evidence, len(found))
	for i := range found {
		e := &found[i]
		out[i] = &graderv1.Evidence{
			Quote:      e.Quote,
			Start:      int32(e.Start),
			End:        int32(e.End),
			StartUtf16: int32(e.StartUTF16),
			EndUtf16:   int32(e.EndUTF16),
			Source:     enum[graderv1.Evidence_Source](graderv1.Evidence_Source_value, e.Source),
			HeardAs:    optional(e.HeardAs),
			StartMs:    int32p(e.StartMS),
			EndMs:      int32p(e.EndMS),
		}
	}
	return out
}

func receipt(r *grade.Receipt) *graderv1.Receipt {
	return &graderv1.Receipt{
		EngineVersion: r.EngineVersion,
		BankId:        r.BankID,
		BankVersion:   r.BankVersion,
		RubricHash:    r.RubricHash,
		AnswerSha256:  r.AnswerSHA256,
		PromptHash:    optional(r.PromptHash),
		JudgeEndpoint: optional(r.JudgeEndpoint),
		JudgeModel:    optional(r.JudgeModel),
		Mode:          enum[graderv1.Receipt_Mode](graderv1.Receipt_Mode_value, r.Mode),
	}
}

func timing(t *grade.Timing) *graderv1.Timing {
	out := &graderv1.Timing{
		TotalMs: t.TotalMillis, KeywordMs: t.KeywordMillis, JudgeMs: t.JudgeMillis, SpeechMs: t.SpeechMillis, Spent: usage(t.Spent), Saved: usage(t.Saved),
	}
	switch {
	case t.Judged && t.CacheHit:
		out.CacheHits = 1
	case t.Judged:
		out.CacheMisses = 1
	}
	return out
}

func usage(u grade.Usage) *graderv1.Usage {
	out := &graderv1.Usage{Requests: int32(u.Requests), InputTokens: int32(u.InputTokens), OutputTokens: int32(u.OutputTokens)}
	if u.CostKnown {
		out.Cost = &u.Cost
	}
	return out
}
