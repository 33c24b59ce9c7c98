package llm

import (
	"log/slog"
)

// stack is the client's layers from the outside in, kept by name for Totals.
type stack struct {
	top      layer
	cache    *cache
	ladder   *ladder
	retry    *retry
	breaker  *breaker
	limit    *limit
	meter    *meter
	endpoint *endpoint
}

// assemble puts the layers together. Each sees only the next one:
//
//	cache     keeps replies and joins identical requests; a hit is saved, not spent
//	ladder    asks for structured output in the best way that the endpoint accepts
//	dialect   leaves out what the model does not accept
//	retry     tries again until the deadline
//	breaker   refuses at once while the endpoint is gone
//	limit     bounds the calls at once; the slot is free while retry waits
//	patience  gives up an attempt that takes far longer than others did
//	meter     counts every attempt that leaves the house, and stops at the highest cost
//	validity  asks the caller whether a reply can be used
//	endpoint  makes the call
func assemble(cfg Config, at address) *Client {
	notes := loadNotes(cfg, at)
	var s stack
	s.endpoint = newEndpoint(cfg, at)
	valid := &validity{next: s.endpoint}
	s.meter = newMeter(valid, cfg.Prices, cfg.Model, cfg.MaxCost)
	patient := &patience{next: s.meter}
	s.limit = newLimit(patient, cfg.Concurrency)
	s.breaker = newBreaker(s.limit, cfg.Logger)
	s.retry = &retry{next: s.breaker}
	dialect := newDialect(s.retry, cfg.Model, notes, cfg.Logger)
	s.ladder = newLadder(dialect, cfg.Rung, notes, cfg.Logger)
	s.cache = newCache(s.ladder, cfg, at, s.meter.cost)
	s.top = s.cache
	return &Client{stack: s, probe: newProbe(cfg, at, s.endpoint, dialectBelow(s), notes)}
}

// dialectBelow is the way of a probe: counted and adapted to the model, but never retried, queued or cached.
func dialectBelow(s stack) layer {
	d := s.ladder.next.(*dialect)
	return &dialect{next: s.meter, state: d.state, log: slog.New(slog.DiscardHandler)}
}
