package llm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// Rung is a way of asking for structured output.
type Rung int

const (
	// RungAuto is the best rung that works.
	RungAuto Rung = iota
	// RungSchema sends the JSON Schema for the endpoint to enforce.
	RungSchema
	// RungJSON asks for some JSON object, and writes the schema into the system prompt.
	RungJSON
	// RungText writes the schema into the system prompt and asks for nothing.
	RungText
)

var rungNames = [...]string{"auto", "schema", "json", "text"}

// String returns auto, schema, json or text.
func (r Rung) String() string {
	if r < 0 || int(r) >= len(rungNames) {
		return "unknown"
	}
	return rungNames[r]
}

// ParseRung reads what String writes; the empty string is RungAuto.
func ParseRung(s string) (Rung, error) {
	for i, name := range rungNames {
		if s == name || s == "" {
			return Rung(i), nil
		}
	}
	return RungAuto, fmt.Errorf("unknown rung %q: use auto, schema, json or text", s)
}

const (
	// ladderPasses bounds how often a request goes down to retry because of unusable replies: with badReplyTries it
	// costs at most nine of them.
	ladderPasses = 3
	// rescuesToMove is how many more requests another rung must have rescued than the first one has answered, before
	// it takes the first one's place. An old success counts against that up to trustMost, since requests that had bad
	// luck several times come in together at the end of a batch.
	rescuesToMove = 3
	trustMost     = 8
)

// ladder asks on the rung that worked last. When the endpoint refuses that rung, or keeps sending unusable replies on
// it, the request goes down, and from the last rung back to the top, each rung once; then it stays on the one it
// started from, or on the last one that was not refused. A refusal is remembered at once, unusable replies when they keep coming.
type ladder struct {
	next   layer
	pinned bool
	notes  *notes
	log    *slog.Logger

	mu      sync.Mutex
	rung    Rung
	proven  [RungText + 1]bool // has worked in this process
	trouble int                // rescues less successes, within -trustMost and rescuesToMove
}

func newLadder(next layer, pin Rung, n *notes, log *slog.Logger) *ladder {
	l := &ladder{next: next, notes: n, log: log, rung: pin, pinned: pin != RungAuto}
	if !l.pinned {
		l.rung = n.rung()
	}
	return l
}

func (l *ladder) complete(ctx context.Context, c call) (reply, error) {
	if len(c.schema) == 0 {
		return l.next.complete(ctx, c)
	}
	start := l.current()
	var tried, refused [RungText + 1]bool
	c.rung = start
	for pass := 0; ; {
		tried[c.rung] = true
		rep, err := l.next.complete(ctx, c)
		if err == nil {
			l.worked(ctx, start, c.rung)
			return rep, nil
		}
		e := asError(err)
		switch {
		case ctx.Err() != nil:
			return rep, err
		case l.refuses(c.rung, e):
			refused[c.rung] = true
			l.refusedOn(ctx, c.rung, e)
		case e.Kind == BadReply && e.retryable():
			if pass++; pass >= ladderPasses {
				return rep, err
			}
		default:
			return rep, err
		}
		next, ok := l.choose(c.rung, start, tried, refused)
		if !ok {
			return rep, err
		}
		c.rung = next
	}
}

func (l *ladder) current() Rung {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rung
}

// refuses reports whether e is about the way of asking. An endpoint that never took this rung may say so in words that
// nobody knows.
func (l *ladder) refuses(r Rung, e *Error) bool {
	if r == RungText {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.refused == refusedFormat || e.Kind == BadRequest && !l.proven[r]
}

// choose returns the rung for the next pass.
func (l *ladder) choose(from, start Rung, tried, refused [RungText + 1]bool) (Rung, bool) {
	if l.pinned {
		return from, !refused[from]
	}
	for i := Rung(1); i < RungText; i++ {
		if r := (from-RungSchema+i)%RungText + RungSchema; !tried[r] {
			return r, true
		}
	}
	if !refused[start] {
		return start, true
	}
	return from, !refused[from]
}

func (l *ladder) worked(ctx context.Context, start, r Rung) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proven[r] = true
	if r == l.rung {
		l.trouble = max(l.trouble-1, -trustMost)
		l.notes.setRung(r)
		return
	}
	if l.pinned || start != l.rung {
		return
	}
	if l.trouble++; l.trouble >= rescuesToMove {
		l.move(ctx, r, "unusable replies")
	}
}

// refusedOn goes down one rung for all requests to come, unless another request has done so already.
func (l *ladder) refusedOn(ctx context.Context, r Rung, e *Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rung == r && !l.pinned && e.refused == refusedFormat {
		l.move(ctx, r+1, "refused")
	}
}

func (l *ladder) move(ctx context.Context, to Rung, why string) {
	l.log.InfoContext(ctx, "llm ladder moved", slog.String("from", l.rung.String()), slog.String("to", to.String()), slog.String("why", why))
	l.rung, l.trouble = to, 0
	l.notes.setRung(to)
}

// messagesFor returns the call's messages with the schema in the system prompt where the rung needs it there. The
// number and order of messages stay as they are, unless there is no system message to add to.
func messagesFor(c call) []Message {
	if len(c.schema) == 0 || c.rung == RungSchema {
		return c.messages
	}
	text := "Reply with one JSON object and nothing else: no code fence, no text around it. The object must match this JSON Schema:\n" + string(c.schema)
	if len(c.messages) == 0 || c.messages[0].Role != "system" {
		return append([]Message{{Role: "system", Content: text}}, c.messages...)
	}
	out := append([]Message(nil), c.messages...)
	out[0].Content += "\n\n" + text
	return out
}
