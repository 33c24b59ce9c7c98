// Package llm speaks to OpenAI-compatible endpoints. (Contract types, placed here by the author of internal/judge so that
// the tree builds; move them where they belong.)
package llm

import (
	"encoding/json"
	"time"
)

// Message is one turn of a conversation; Role is system, user or assistant.
type Message struct{ Role, Content string }

// Request is one prompt.
type Request struct {
	Messages   []Message
	SchemaName string
	Schema     json.RawMessage
	MaxTokens  int
	Key        string
	Valid      func(content string) error
}

// Usage counts what calls cost.
type Usage struct {
	Requests, InputTokens, OutputTokens int
	Cost                                float64
	CostKnown                           bool
}

// Add sums two usages; a cost is known only when both are.
func (u Usage) Add(o Usage) Usage {
	known := u.CostKnown && o.CostKnown || u.Requests == 0 && o.CostKnown || o.Requests == 0 && u.CostKnown
	return Usage{u.Requests + o.Requests, u.InputTokens + o.InputTokens, u.OutputTokens + o.OutputTokens, u.Cost + o.Cost, known}
}

// Response is a reply.
type Response struct {
	Content, Model string
	Cached         bool
	Spent, Saved   Usage
}

// Kind says what went wrong.
type Kind int

// The kinds of failure.
const (
	Auth Kind = iota + 1
	UnknownModel
	BadURL
	RateLimited
	Unavailable
	Timeout
	BadReply
	BudgetSpent
	BreakerOpen
	Canceled
)

// Error is a failure of the endpoint.
type Error struct {
	Kind       Kind
	Status     int
	RetryAfter time.Duration
	Message    string
	Err        error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }
