package grade

import "github.com/vivagrader/grader/internal/transcript"

// Modality says how an answer came about.
type Modality string

// The modalities; an answer that does not say is typed.
const (
	Typed  Modality = "TYPED"
	Spoken Modality = "SPOKEN"
)

// State says what kind of result a critique is. A failure is never a verdict.
type State string

// The states: DEGRADED means that a judge was wanted and failed, so that keywords decided alone.
const (
	Graded     State = "GRADED"
	Degraded   State = "DEGRADED"
	Ungradable State = "UNGRADABLE"
)

// Mode says which witnesses were heard.
type Mode string

// The modes.
const (
	ModeKeywords Mode = "KEYWORDS"
	ModeJudge    Mode = "JUDGE"
)

// Reason is why a critique is not a plain graded one.
type Reason string

// The reasons.
const (
	ReasonEmpty               Reason = "EMPTY"
	ReasonSymbolsOnly         Reason = "SYMBOLS_ONLY"
	ReasonNotLanguage         Reason = "NOT_LANGUAGE"
	ReasonUnsupportedLanguage Reason = "UNSUPPORTED_LANGUAGE"
	ReasonTooShort            Reason = "TOO_SHORT"
	ReasonNoSpeech            Reason = "NO_SPEECH"
	ReasonOpenerOnly          Reason = "OPENER_ONLY"
	ReasonUnintelligible      Reason = "UNINTELLIGIBLE"
	ReasonLowCoverage         Reason = "LOW_COVERAGE"
	ReasonJudgeUnavailable    Reason = "JUDGE_UNAVAILABLE"
	ReasonJudgeTimeout        Reason = "JUDGE_TIMEOUT"
	ReasonJudgeRateLimited    Reason = "JUDGE_RATE_LIMITED"
	ReasonJudgeRefused        Reason = "JUDGE_REFUSED"
	ReasonJudgeReplyInvalid   Reason = "JUDGE_REPLY_INVALID"
	ReasonJudgeBudgetSpent    Reason = "JUDGE_BUDGET_SPENT"
)

// Flag marks something that a reader of the critique should know; flags never change a score.
type Flag string

// The flags.
const (
	FlagInjection       Flag = "INJECTION_SUSPECTED"
	FlagKeywordDump     Flag = "KEYWORD_DUMP"
	FlagOffTopic        Flag = "OFF_TOPIC"
	FlagEcho            Flag = "ECHO"
	FlagUnverifiedQuote Flag = "UNVERIFIED_QUOTE"
	FlagLowTranscript   Flag = "LOW_TRANSCRIPT_QUALITY"
)

// Decision is the reconciled outcome for a point.
type Decision string

// The decisions.
const (
	Met          Decision = "MET"
	PartlyMet    Decision = "PARTIAL"
	Missed       Decision = "MISSED"
	Contradicted Decision = "CONTRADICTED"
	Unknown      Decision = "UNKNOWN"
)

// Credit is the share of a point's weight that a decision earns: 1, 0.5 or 0.
func (d Decision) Credit() float64 {
	switch d {
	case Met:
		return 1
	case PartlyMet:
		return 0.5
	default:
		return 0
	}
}

// Decider says which witness a decision rests on.
type Decider string

// The deciders.
const (
	ByCheck Decider = "CHECK"
	ByJudge Decider = "JUDGE"
	ByBoth  Decider = "BOTH"
	ByGate  Decider = "GATE"
)

// Claim is the outcome for a misconception.
type Claim string

// The claims.
const (
	Asserted     Claim = "ASSERTED"
	Rejected     Claim = "REJECTED"
	NotClaimed   Claim = "ABSENT"
	ClaimUnknown Claim = "UNKNOWN"
)

// Presence is the outcome for a habit.
type Presence string

// The presences.
const (
	Present         Presence = "PRESENT"
	NotPresent      Presence = "ABSENT"
	PresenceUnknown Presence = "UNKNOWN"
)

// Evidence is a quote: an exact substring of the submitted text, with its place in Unicode code points and in UTF-16
// code units, both half-open.
type Evidence struct {
	Quote      string
	Start, End int
	StartUTF16 int
	EndUTF16   int
	Source     Decider // ByCheck or ByJudge
	HeardAs    string  // the mis-hearing inside the quote that was read as a term, if any
	StartMS    *int    // when it was said; nil without a transcript that has times, like EndMS
	EndMS      *int
}

// CheckWitness is what the keywords say, before any cap.
type CheckWitness struct {
	Finding  string // AFFIRMED, DENIED, REVERSED, HEDGED, ABSENT
	Decision Decision
}

// JudgeWitness is what the judge says. Discarded: its quotes are not in the answer, so it was not believed.
type JudgeWitness struct {
	Verdict   Decision
	Reason    string
	Discarded bool
}

// PointResult is one point's outcome. Judge is nil when no judge was heard.
type PointResult struct {
	ID        string
	Kind      string
	Weight    int
	Statement string
	Decision  Decision
	Credit    float64
	DecidedBy Decider
	Check     CheckWitness
	Judge     *JudgeWitness
	Evidence  []Evidence
	Missing   []string
	Reason    string
}

// MisconceptionResult is one misconception's outcome. Correction is set when it is asserted.
type MisconceptionResult struct {
	ID         string
	Decision   Claim
	Evidence   []Evidence
	Correction string
}

// HabitResult is one habit's outcome. Advice is set when it is present.
type HabitResult struct {
	ID       string
	Decision Presence
	Evidence []Evidence
	Advice   string
}

// Role is what a sentence of the answer did for the score.
type Role string

// The roles.
const (
	Credited Role = "CREDITED"
	Charged  Role = "CHARGED"
	Unmapped Role = "UNMAPPED"
	Filler   Role = "FILLER"
	Removed  Role = "REMOVED"
)

// SentenceRole is a sentence by its place in code points.
type SentenceRole struct {
	Start, End int
	Role       Role
}

// Score is the result in figures, each from 0 to 100 with one decimal. Value is nil when coverage is under 0.80.
type Score struct {
	Value     *float64
	Low, High float64
	Band      string
	Coverage  float64
}

// NextStep is one thing to do, and what it would add to the score.
type NextStep struct {
	Text          string
	Point         string
	Misconception string
	Habit         string
	Gain          float64
}

// Receipt is what produced a critique: the same answer and receipt give the same keyword result.
type Receipt struct {
	EngineVersion string
	BankID        string
	BankVersion   string
	RubricHash    string
	AnswerSHA256  string
	PromptHash    string // of the judge; empty in keyword mode, like the next two
	JudgeEndpoint string
	JudgeModel    string
	Mode          Mode
}

// Timing is the only part of a critique that differs between two runs.
type Timing struct {
	TotalMillis   float64
	KeywordMillis float64
	JudgeMillis   float64
	SpeechMillis  float64
	CacheHit      bool // every reply of the judge came from the cache
	Judged        bool // a judge was asked
	Spent, Saved  Usage
}

// Usage is what a judge's calls cost. Cost is in US dollars and known only for models with a price.
type Usage struct {
	Requests     int
	InputTokens  int
	OutputTokens int
	Cost         float64
	CostKnown    bool
}

// Critique is the result of grading one answer. Score is nil when the answer is ungradable; Transcript and Delivery are
// nil unless Hear added them.
type Critique struct {
	QuestionID     string
	State          State
	Mode           Mode
	Reasons        []Reason
	Score          *Score
	Points         []PointResult
	Misconceptions []MisconceptionResult
	Habits         []HabitResult
	Sentences      []SentenceRole
	Flags          []Flag
	Summary        string
	NextSteps      []NextStep
	FollowUp       string
	Receipt        Receipt
	Timing         Timing
	Transcript     *transcript.Transcript
	Delivery       *transcript.Delivery
}
