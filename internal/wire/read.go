package wire

import (
	"strings"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/transcript"
)

// Read converts a critique that came from a server back: Critique of what it returns is the same message again, apart
// from witnesses that were left out, which come back empty. The error is that of transcript.New.
func Read(c *graderv1.Critique) (*grade.Critique, error) {
	out := &grade.Critique{
		QuestionID: c.GetQuestionId(),
		State:      value[grade.State](c.GetState()),
		Mode:       value[grade.Mode](c.GetMode()),
		Reasons:    values[grade.Reason](c.GetReasons()),
		Flags:      values[grade.Flag](c.GetFlags()),
		Summary:    c.GetSummary(),
		FollowUp:   c.GetFollowUp(),
		Receipt:    readReceipt(c.GetReceipt()),
		Timing:     readTiming(c.GetTiming()),
		Delivery:   readDelivery(c.GetDelivery()),
	}
	if s := c.GetScore(); s != nil {
		out.Score = &grade.Score{Value: s.Value, Low: s.Low, High: s.High, Band: s.Band, Coverage: s.Coverage}
	}
	for _, p := range c.GetPoints() {
		out.Points = append(out.Points, readPoint(p))
	}
	for _, m := range c.GetMisconceptions() {
		out.Misconceptions = append(out.Misconceptions, grade.MisconceptionResult{
			ID: m.Id, Decision: value[grade.Claim](m.Decision), Evidence: readEvidence(m.Evidence), Correction: m.Correction})
	}
	for _, h := range c.GetHabits() {
		out.Habits = append(out.Habits, grade.HabitResult{
			ID: h.Id, Decision: value[grade.Presence](h.Decision), Evidence: readEvidence(h.Evidence), Advice: h.Advice})
	}
	for _, s := range c.GetSentences() {
		out.Sentences = append(out.Sentences, grade.SentenceRole{Start: int(s.Start), End: int(s.End), Role: value[grade.Role](s.Role)})
	}
	for _, s := range c.GetNextSteps() {
		out.NextSteps = append(out.NextSteps, grade.NextStep{
			Text: s.Text, Point: s.GetPointId(), Misconception: s.GetMisconceptionId(), Habit: s.GetHabitId(), Gain: s.Gain})
	}
	var err error
	if t := c.GetTranscript(); t != nil {
		out.Transcript, err = heard(t)
	}
	return out, err
}

func readPoint(p *graderv1.PointDecision) grade.PointResult {
	out := grade.PointResult{
		ID: p.Id, Kind: strings.ToLower(strings.ReplaceAll(p.Kind.String(), "_", "-")), Weight: int(p.Weight), Statement: p.Statement,
		Decision: value[grade.Decision](p.Decision), Credit: p.Credit, DecidedBy: value[grade.Decider](p.DecidedBy),
		Evidence: readEvidence(p.Evidence), Missing: p.Missing, Reason: p.Reason,
	}
	if c := p.GetWitnesses().GetCheck(); c != nil {
		out.Check = grade.CheckWitness{Finding: value[string](c.Finding), Decision: value[grade.Decision](c.Decision)}
	}
	if j := p.GetWitnesses().GetJudge(); j != nil {
		out.Judge = &grade.JudgeWitness{Verdict: value[grade.Decision](j.Verdict), Reason: j.Reason, Discarded: j.Discarded}
	}
	return out
}

func readEvidence(found []*graderv1.Evidence) []grade.Evidence {
	var out []grade.Evidence
	for _, e := range found {
		out = append(out, grade.Evidence{
			Quote: e.Quote, Start: int(e.Start), End: int(e.End), StartUTF16: int(e.StartUtf16), EndUTF16: int(e.EndUtf16),
			Source: value[grade.Decider](e.Source), HeardAs: e.GetHeardAs(), StartMS: intp(e.StartMs), EndMS: intp(e.EndMs),
		})
	}
	return out
}

func readReceipt(r *graderv1.Receipt) grade.Receipt {
	return grade.Receipt{
		EngineVersion: r.GetEngineVersion(), BankID: r.GetBankId(), BankVersion: r.GetBankVersion(), RubricHash: r.GetRubricHash(),
		AnswerSHA256: r.GetAnswerSha256(), PromptHash: r.GetPromptHash(), JudgeEndpoint: r.GetJudgeEndpoint(), JudgeModel: r.GetJudgeModel(),
		Mode: value[grade.Mode](r.GetMode()),
	}
}

func readTiming(t *graderv1.Timing) grade.Timing {
	return grade.Timing{
		TotalMillis: t.GetTotalMs(), KeywordMillis: t.GetKeywordMs(), JudgeMillis: t.GetJudgeMs(), SpeechMillis: t.GetSpeechMs(),
		CacheHit: t.GetCacheHits() > 0, Judged: t.GetCacheHits()+t.GetCacheMisses() > 0, Spent: readUsage(t.GetSpent()), Saved: readUsage(t.GetSaved()),
	}
}

func readUsage(u *graderv1.Usage) grade.Usage {
	return grade.Usage{Requests: int(u.GetRequests()), InputTokens: int(u.GetInputTokens()), OutputTokens: int(u.GetOutputTokens()),
		Cost: u.GetCost(), CostKnown: u != nil && u.Cost != nil}
}

func readDelivery(d *graderv1.Delivery) *transcript.Delivery {
	if d == nil {
		return nil
	}
	out := &transcript.Delivery{DurationMS: int(d.DurationMs), WordCount: int(d.WordCount), WordsPerMinute: d.WordsPerMinute,
		FillersPerMinute: d.FillersPerMinute, LongestPauseMS: int(d.LongestPauseMs), LengthRatio: d.LengthRatio}
	for _, f := range d.Fillers {
		out.Fillers = append(out.Fillers, transcript.FillerCount{Text: f.Text, Count: int(f.Count)})
	}
	return out
}

// value is a domain value by the name of an enum's; UNSPECIFIED is none.
func value[D ~string, E interface {
	~int32
	String() string
}](e E) D {
	if e == 0 {
		return ""
	}
	return D(e.String())
}

func values[D ~string, E interface {
	~int32
	String() string
}](list []E) []D {
	var out []D
	for _, e := range list {
		out = append(out, value[D](e))
	}
	return out
}

func intp(v *int32) *int {
	if v == nil {
		return nil
	}
	n := int(*v)
	return &n
}
