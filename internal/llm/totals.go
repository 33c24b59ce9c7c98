package llm

// Totals is what a client has done so far.
type Totals struct {
	// Spent is what all attempts cost, Saved what cache hits and joined requests would have cost.
	Spent, Saved Usage
	// Outcomes counts attempts: ok, or the name of a Kind.
	Outcomes map[string]int
	// Retries counts the attempts after the first ones on a rung.
	Retries int
	// CacheHits and Joined count the requests that needed no call.
	CacheHits, Joined int
	// Breaker is closed, open or half_open.
	Breaker string
	// Rung is the rung of the ladder that requests start on.
	Rung Rung
	// Concurrency is how many calls may be under way now, InFlight how many are.
	Concurrency, InFlight int
}

// Totals returns a snapshot.
func (c *Client) Totals() Totals {
	var t Totals
	t.Spent, t.Outcomes = c.stack.meter.totals()
	t.Saved, t.CacheHits, t.Joined = c.stack.cache.totals()
	if t.Saved.Requests == 0 {
		t.Saved.CostKnown = c.stack.meter.known
	}
	t.Retries = int(c.stack.retry.retries.Load())
	t.Breaker = c.stack.breaker.state()
	t.Rung = c.stack.ladder.current()
	t.Concurrency, t.InFlight = c.stack.limit.totals()
	return t
}
