package llm

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
)

// speech is how a model wants its request written.
type speech struct {
	noTemperature bool
	tokens        tokenField
}

// tokenField is the name under which the bound on tokens is sent.
type tokenField int

const (
	tokensMax tokenField = iota
	tokensMaxCompletion
	tokensUnsaid
)

// reasoning are the models that are known to refuse temperature and max_tokens. Others are found out by their refusal.
var reasoning = regexp.MustCompile(`^(o[1-9]|gpt-[5-9])`)

// dialect leaves out or renames what the model refused, and remembers it. A request costs at most three extra calls,
// once, all of them refused and so unpaid.
type dialect struct {
	next  layer
	state *dialectState
	log   *slog.Logger
}

type dialectState struct {
	mu    sync.Mutex
	now   speech
	notes *notes
}

func newDialect(next layer, model string, n *notes, log *slog.Logger) *dialect {
	d := &dialect{next: next, state: &dialectState{now: n.speech(), notes: n}, log: log}
	if reasoning.MatchString(model) {
		d.state.now = speech{noTemperature: true, tokens: tokensMaxCompletion}
	}
	return d
}

func (d *dialect) complete(ctx context.Context, c call) (reply, error) {
	for {
		c.speech = d.state.speech()
		rep, err := d.next.complete(ctx, c)
		if err == nil || !d.state.learn(ctx, d.log, c.speech, asError(err).refused) {
			return rep, err
		}
	}
}

func (s *dialectState) speech() speech {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// learn reports whether there is another way to say what was refused when said as in used. Every step goes in one
// direction, so a request cannot go round in circles.
func (s *dialectState) learn(ctx context.Context, log *slog.Logger, used speech, refused refusal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case refused == refusedTemperature && !used.noTemperature:
		if s.now.noTemperature {
			return true // somebody else was told the same
		}
		s.now.noTemperature = true
	case refused == refusedTokenField && used.tokens != tokensUnsaid:
		if s.now.tokens > used.tokens {
			return true
		}
		s.now.tokens++
	default:
		return false
	}
	log.InfoContext(ctx, "llm request adapted to the model", slog.Bool("temperature", !s.now.noTemperature), slog.Int("token_field", int(s.now.tokens)))
	s.notes.setSpeech(s.now)
	return true
}
