package llm

import (
	"context"
	"fmt"
	"maps"
	"sync"
)

// meter counts every attempt, with its tokens and its price, and makes none once the highest cost is reached. Providers
// may also bill attempts that were cut off on our side; those are counted as requests without tokens.
type meter struct {
	next    layer
	price   Price
	known   bool
	maxCost float64

	mu       sync.Mutex
	spent    Usage
	outcomes map[string]int
}

func newMeter(next layer, prices *Prices, model string, maxCost float64) *meter {
	m := &meter{next: next, maxCost: maxCost, outcomes: map[string]int{}}
	m.price, m.known = prices.Of(model)
	return m
}

func (m *meter) complete(ctx context.Context, c call) (reply, error) {
	if ctx.Err() != nil {
		return reply{}, contextError(ctx)
	}
	if err := m.refuse(); err != nil {
		return reply{}, err
	}
	ctx, span := startAttempt(ctx, c)
	rep, err := m.next.complete(ctx, c)
	rep.usage.Requests = 1
	rep.usage = m.cost(rep.usage)
	if rep.noUsage && rep.content != "" {
		rep.usage.CostKnown = false
		if m.known {
			rep.usage.Cost = m.guess(c, rep)
		}
	}
	outcome := "ok"
	if err != nil {
		outcome = asError(err).Kind.String()
	}
	endAttempt(span, outcome, rep.usage)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcomes[outcome]++
	m.spent = m.spent.Add(rep.usage)
	if c.spent != nil {
		*c.spent = c.spent.Add(rep.usage)
	}
	return rep, err
}

func (m *meter) refuse() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.maxCost > 0 && m.spent.Cost >= m.maxCost {
		return &Error{Kind: BudgetSpent, Message: fmt.Sprintf("the highest cost of $%.2f is reached ($%.4f spent)", m.maxCost, m.spent.Cost)}
	}
	return nil
}

// cost returns u with its price.
func (m *meter) cost(u Usage) Usage {
	u.CostKnown = m.known
	u.Cost = m.price.Cost(u)
	return u
}

// guess keeps the highest cost working where an endpoint does not state its tokens: four bytes are about one token.
func (m *meter) guess(c call, rep reply) float64 {
	in := len(c.schema)
	for _, msg := range c.messages {
		in += len(msg.Content)
	}
	return m.price.Cost(Usage{InputTokens: in / 4, OutputTokens: len(rep.content) / 4})
}

func (m *meter) totals() (Usage, map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	spent := m.spent
	if spent.Requests == 0 {
		spent.CostKnown = m.known
	}
	return spent, maps.Clone(m.outcomes)
}
