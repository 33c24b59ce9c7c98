package llm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
)

// store keeps entries by id. A store loses what it cannot keep, without an error: a cache is never needed.
type store interface {
	get(id string) (entry, bool)
	put(ctx context.Context, id string, e entry)
}

// entry is a reply that was complete and valid.
type entry struct {
	Content           string `json:"content"`
	Model             string `json:"model"`
	InputTokens       int    `json:"input_tokens"`
	OutputTokens      int    `json:"output_tokens"`
	CachedInputTokens int    `json:"cached_input_tokens"`
	NoUsage           bool   `json:"no_usage,omitempty"`
}

// cache answers requests from the store, joins identical ones that are under way, and counts what both have saved. It
// is the outermost layer: an error never gets into it, and neither does a reply that Valid refuses.
type cache struct {
	next     layer
	store    store // nil with NoCache
	cost     func(Usage) Usage
	identity []byte // what all keys of this client have in common
	flights  flights

	mu     sync.Mutex
	saved  Usage
	hits   int
	joined int
}

func newCache(next layer, cfg Config, at address, cost func(Usage) Usage) *cache {
	c := &cache{next: next, cost: cost, flights: flights{running: map[string]*flight{}}}
	temperature := 0.0
	if cfg.Temperature != nil {
		temperature = max(-1, *cfg.Temperature)
	}
	c.identity = fmt.Appendf(nil, "reply/1\x00%s?%s\x00%s\x00%g", at.base, at.apiVersion, cfg.Model, temperature)
	switch {
	case cfg.NoCache:
	case cfg.CacheDir == "":
		c.store = newMemoryStore()
	default:
		c.store = newDiskStore(cfg.CacheDir, cfg.CacheBytes, cfg.Logger)
	}
	return c
}

func (c *cache) complete(ctx context.Context, cl call) (reply, error) {
	if ctx.Err() != nil {
		return reply{}, contextError(ctx)
	}
	if cl.key == "" {
		return c.next.complete(ctx, cl)
	}
	id := c.id(cl)
	rep, joined, err := c.flights.do(ctx, id, cl.spent, func(ctx context.Context, spent *Usage) (reply, error) {
		if rep, ok := c.lookup(id, cl); ok {
			return rep, nil
		}
		mine := cl
		mine.spent = spent
		rep, err := c.next.complete(ctx, mine)
		if err == nil && c.store != nil {
			c.store.put(ctx, id, entry{
				Content: rep.content, Model: rep.model, InputTokens: rep.usage.InputTokens, OutputTokens: rep.usage.OutputTokens,
				CachedInputTokens: rep.usage.CachedInputTokens, NoUsage: rep.noUsage,
			})
		}
		return rep, err
	})
	if err == nil {
		rep = c.count(rep, joined)
	}
	return rep, err
}

func (c *cache) lookup(id string, cl call) (reply, bool) {
	if c.store == nil {
		return reply{}, false
	}
	e, ok := c.store.get(id)
	if !ok || cl.valid != nil && cl.valid(e.Content) != nil {
		return reply{}, false
	}
	u := c.cost(Usage{Requests: 1, InputTokens: e.InputTokens, OutputTokens: e.OutputTokens, CachedInputTokens: e.CachedInputTokens})
	u.CostKnown = u.CostKnown && !e.NoUsage
	return reply{content: e.Content, model: e.Model, usage: u, noUsage: e.NoUsage, shared: true}, true
}

// count says what a reply saved: all of its usage if it came from the store or from another request's call.
func (c *cache) count(rep reply, joined bool) reply {
	hit := rep.shared
	rep.shared = hit || joined
	if !rep.shared {
		return rep
	}
	rep.saved = rep.usage
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved = c.saved.Add(rep.saved)
	if hit {
		c.hits++
	} else {
		c.joined++
	}
	return rep
}

// id is the SHA-256 over everything that can change a reply. The rung is not in it: it changes how the reply is asked
// for, not what for.
func (c *cache) id(cl call) string {
	h := sha256.New()
	write := func(part []byte) {
		fmt.Fprintf(h, "%d:", len(part))
		_, _ = h.Write(part)
	}
	write(c.identity)
	write(compact(cl.schema))
	write([]byte(cl.key))
	return hex.EncodeToString(h.Sum(nil))
}

// compact drops the spacing of a schema, which does not reach the endpoint either.
func compact(schema json.RawMessage) []byte {
	out, err := json.Marshal(schema)
	if err != nil {
		return schema
	}
	return out
}

func (c *cache) totals() (saved Usage, hits, joined int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved, c.hits, c.joined
}
