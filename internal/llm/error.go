package llm

import (
	"context"
	"errors"
	"time"
)

// Kind says what went wrong, and so what can be done about it.
type Kind int

const (
	// KindUnspecified is never returned.
	KindUnspecified Kind = iota
	// Auth means that the key is missing, refused, or may not use the model.
	Auth
	// UnknownModel means that the endpoint does not have the model.
	UnknownModel
	// BadURL means that the URL is none, or that what is there is no OpenAI-compatible endpoint.
	BadURL
	// BadRequest means that the endpoint refused this request, in every form that was tried.
	BadRequest
	// RateLimited means too many requests, or a quota that is spent.
	RateLimited
	// Unavailable means that the endpoint cannot be reached, hangs up, or answers with a server error.
	Unavailable
	// Timeout means that the deadline passed.
	Timeout
	// BadReply means that a reply came, but was empty, cut off, filtered, too large, garbage or not valid.
	BadReply
	// BudgetSpent means that Config.MaxCost is reached.
	BudgetSpent
	// BreakerOpen means that the endpoint was gone a moment ago, and that the call was not made.
	BreakerOpen
	// Canceled means that the caller gave up.
	Canceled
)

var kindNames = [...]string{
	"unspecified", "auth", "unknown_model", "bad_url", "bad_request", "rate_limited", "unavailable", "timeout",
	"bad_reply", "budget_spent", "breaker_open", "canceled",
}

// String returns the kind's name in snake case, as used in metrics and logs.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[KindUnspecified]
	}
	return kindNames[k]
}

// Error is every failure of this package. Its text is one line and holds neither the key nor the prompt.
type Error struct {
	Kind Kind
	// Status is the HTTP status, 0 if none came.
	Status int
	// RetryAfter is how long the endpoint asked to wait, 0 if it did not.
	RetryAfter time.Duration
	// Message says what happened and, where there is something to be done, what to do.
	Message string
	// Err is the cause, for errors.Is; nil for most.
	Err error

	refused   refusal // which part of the request the endpoint did not like
	truncated bool    // a longer reply would have been complete
	final     bool    // the same request will fail again
	notAPI    bool    // what answered is no API
}

// refusal is a part of a request that some endpoints do not accept.
type refusal int

const (
	refusedNothing refusal = iota
	refusedFormat
	refusedTemperature
	refusedTokenField
)

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether every request will fail in the same way until somebody changes the settings.
func (e *Error) Permanent() bool {
	return e.Kind == Auth || e.Kind == UnknownModel || e.Kind == BadURL
}

// retryable reports whether the same request may succeed in a while.
func (e *Error) retryable() bool {
	if e.final {
		return false
	}
	switch e.Kind {
	case RateLimited, Unavailable, Timeout, BadReply:
		return true
	default:
		return false
	}
}

// asError returns err as an *Error. Everything that layers return is one already, unless somebody forgot.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Unavailable, Message: clip(err.Error()), Err: err}
}

// contextError says why ctx is done.
func contextError(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Kind: Timeout, Message: "no reply within the time allowed", Err: ctx.Err()}
	}
	return &Error{Kind: Canceled, Message: "canceled", Err: ctx.Err()}
}

// because returns the end that a context put to a request, with the failure that it had met before.
func (e *Error) because(last *Error) *Error {
	if last == nil {
		return e
	}
	with := *e
	with.Message += "; before that: " + last.Message
	with.Status, with.RetryAfter = last.Status, last.RetryAfter
	return &with
}
