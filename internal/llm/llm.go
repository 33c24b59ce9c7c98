// Package llm asks one model at one OpenAI-compatible endpoint for one reply at a time, and looks after everything that
// stands between a question and a usable reply: the form of the request that the endpoint accepts, retries, the number
// of calls at once, a breaker, the cache, and what all of it costs. It knows nothing of what the replies are for.
//
// The main entry is New; every call goes through Client.Complete. A client is a stack of layers with one method each,
// put together in stack.go.
package llm

import (
	"context"
	"encoding/json"
	"time"
)

// Message is one message of a chat. Role is system, user or assistant.
type Message struct {
	Role    string
	Content string
}

// Request is one question to the model.
type Request struct {
	Messages []Message
	// SchemaName names the schema to the endpoint: letters, digits, _ and -.
	SchemaName string
	// Schema is the JSON Schema of the reply. It is sent as it is, with its properties in the order given. Without a
	// schema, plain text is asked for and the ladder is not used.
	Schema json.RawMessage
	// MaxTokens bounds the reply; 0 leaves it to the endpoint. A reply that was cut off there is asked for again with
	// twice as much, up to four times as much.
	MaxTokens int
	// Key is what the caller knows about the identity of the request: everything that can change the reply, apart from
	// endpoint, model, sampling and schema, which are added here. Messages are not looked at. Requests with an empty key
	// are never cached and never share a call.
	Key string
	// Valid reports whether a reply has the form that the caller needs; nil accepts every reply that is not empty. A
	// reply that is not valid is asked for again like an empty one and never cached. Valid must not block, and may be
	// called from another goroutine.
	Valid func(content string) error
}

// Usage counts requests, tokens and money.
type Usage struct {
	Requests     int
	InputTokens  int
	OutputTokens int
	// CachedInputTokens is the share of InputTokens that the provider read from its own prefix cache.
	CachedInputTokens int
	// Cost is in US dollars. CostKnown says that the model has a price and that every reply stated its tokens; where it
	// is false, Cost is a lower bound or an estimate, not to be shown as the cost.
	Cost      float64
	CostKnown bool
}

// Add returns the sum of both. The cost of the sum is known if the cost of both is; a Usage without requests does not
// make it unknown.
func (u Usage) Add(v Usage) Usage {
	known := u.CostKnown && v.CostKnown
	switch {
	case u.Requests == 0:
		known = v.CostKnown
	case v.Requests == 0:
		known = u.CostKnown
	}
	return Usage{
		Requests:          u.Requests + v.Requests,
		InputTokens:       u.InputTokens + v.InputTokens,
		OutputTokens:      u.OutputTokens + v.OutputTokens,
		CachedInputTokens: u.CachedInputTokens + v.CachedInputTokens,
		Cost:              u.Cost + v.Cost,
		CostKnown:         known,
	}
}

// Response is the reply to a Request.
type Response struct {
	// Content is the reply as it came: nothing is stripped from it.
	Content string
	// Model is what the endpoint says has answered.
	Model string
	// Cached says that this request caused no call: the reply came from the cache, or from the call of an identical
	// request that was under way.
	Cached bool
	// Spent is what this request cost, with all its attempts; Saved is what it would have cost without the cache. Spent
	// is filled in even when Complete returns an error.
	Spent, Saved Usage
}

// defaultBudget is the time for one request whose context has no deadline.
const defaultBudget = 60 * time.Second

// Client asks one model at one endpoint. It is safe for concurrent use.
type Client struct {
	stack stack
	probe *probe
}

// Complete returns a reply that is complete and valid, or an *Error. The deadline of ctx bounds all attempts together
// (60 s without one): until then, everything that may pass is tried again. Cancelling ctx ends the request at once, but
// not the call of an identical request by somebody else.
func (c *Client) Complete(ctx context.Context, req Request) (Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultBudget)
		defer cancel()
	}
	var spent Usage
	rep, err := c.stack.top.complete(ctx, newCall(req, &spent))
	if err != nil {
		e := asError(err)
		if e.Permanent() {
			c.probe.notes.distrust()
		}
		return Response{Spent: spent}, e
	}
	return Response{Content: rep.content, Model: rep.model, Cached: rep.shared, Spent: spent, Saved: rep.saved}, nil
}

// Close lets go of idle connections. The client must not be used afterwards.
func (c *Client) Close() {
	c.stack.endpoint.doer.client.CloseIdleConnections()
}

// layer is what the parts of a client have in common. Implementations are safe for concurrent use, return as soon as
// ctx is done, report failures as *Error, and leave the call's slices as they are.
type layer interface {
	complete(ctx context.Context, c call) (reply, error)
}

// call is a request on its way down through the layers, each of which may change its own copy.
type call struct {
	messages   []Message
	schemaName string
	schema     json.RawMessage
	maxTokens  int
	key        string
	valid      func(string) error

	rung    Rung   // set by the ladder
	speech  speech // set by the dialect
	attempt int    // set by retry: 0 for the first
	spent   *Usage // added to by the meter
}

func newCall(req Request, spent *Usage) call {
	return call{
		messages: req.Messages, schemaName: req.SchemaName, schema: req.Schema, maxTokens: req.MaxTokens,
		key: req.Key, valid: req.Valid, rung: RungText, spent: spent,
	}
}

// reply is what comes back up.
type reply struct {
	content string
	model   string
	usage   Usage // of the attempt that gave the reply, without its price below the meter
	noUsage bool  // the endpoint did not state its tokens
	shared  bool
	saved   Usage
}
