// Package interview grades whole mock interviews: it finds who asks and who
// answers, which question of the bank was asked when, and which words answer
// it. What is not in the bank is said to be so, never forced onto a question,
// and only the candidate's words are graded.
package interview

import "encoding/json"

// Result is a line of results.jsonl: one question that was asked in an interview.
// Exactly one of Critique, Error and Outcome is set.
type Result struct {
	// Interview names the interview: the input's path below the folder given, without its ending.
	Interview string `json:"interview"`
	// QuestionID is the question of the bank, as BANK/QUESTION where several banks are in use; empty with Outcome NotInBank.
	QuestionID string  `json:"questionId"`
	Outcome    Outcome `json:"outcome,omitempty"`
	// Asked is what the interviewer said to ask it, follow-ups included.
	Asked string `json:"asked"`
	// StartMs and EndMs are the times in the recording, in milliseconds, from the
	// question's first word to the answer's last; both 0 where no times are known.
	StartMs int `json:"startMs"`
	EndMs   int `json:"endMs"`
	// Confidence that this is the question that was asked and these are its words, 0 to 1; 1 where a map file says so.
	Confidence float64 `json:"confidence"`
	// Critique is the critique JSON of the contract, with the transcript of the candidate's words.
	Critique json.RawMessage `json:"critique,omitempty"`
	Error    *Failure        `json:"error,omitempty"`
	// Review is what a human settled (package review); whoever writes the line again keeps it.
	Review json.RawMessage `json:"review,omitempty"`
}

// Outcome says why a question that was asked has no critique.
type Outcome string

// The outcomes.
const (
	// NotInBank is a question that no question of the bank is like.
	NotInBank Outcome = "NOT_IN_BANK"
	// NotAnswered is a question of the bank that the candidate said nothing to.
	NotAnswered Outcome = "NOT_ANSWERED"
)

// Failure is why something could not be graded: a code of gRPC as in batch lines, and what to do.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Recording is a line of interviews.jsonl: one file that was given, whether or not it could be read.
type Recording struct {
	Interview string `json:"interview"`
	// Source is the path as it was given.
	Source string `json:"source"`
	// Candidate is the candidate's speaker label, empty where there is none.
	Candidate  string `json:"candidate,omitempty"`
	DurationMs int    `json:"durationMs"`
	// Questions is the number of lines in results.jsonl.
	Questions int `json:"questions"`
	// CandidateWords is how many words the candidate said, GradedWords how many of them stand in a graded answer.
	CandidateWords int `json:"candidateWords"`
	GradedWords    int `json:"gradedWords"`
	// Roles says how speakers were told apart.
	Roles RoleSource `json:"roles,omitempty"`
	// Warnings are sentences for a human: a guessed split, doubtful speech, times that were missing.
	Warnings []string `json:"warnings,omitempty"`
	Error    *Failure `json:"error,omitempty"`
}

// RoleSource says how interviewer and candidate were told apart.
type RoleSource string

// The ways, from the surest to a guess.
const (
	RolesFromMap     RoleSource = "MAP"
	RolesFromLabels  RoleSource = "LABELS"
	RolesFromSpeech  RoleSource = "WHO_ASKS"
	RolesFromContent RoleSource = "ONE_CHANNEL_GUESS"
)
