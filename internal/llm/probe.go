package llm

import (
	"context"
	"slices"
)

// probe finds out whether the endpoint, key and model can be right.
type probe struct {
	key      string
	endpoint *endpoint
	stranger *endpoint // the same endpoint without the key
	chat     layer
	notes    *notes
}

func newProbe(cfg Config, at address, e *endpoint, chat layer, n *notes) *probe {
	return &probe{key: cfg.APIKey, endpoint: e, stranger: e.withoutKey(at), chat: chat, notes: n}
}

// Probe tells settings that cannot work from an endpoint that has a bad moment: an *Error that is Permanent (a refused
// key, an unknown model, a URL that is none) or another *Error (unreachable, slow, limiting), or nil. It costs a list
// of the models where that is proof enough, else a completion of one token. A success is remembered beside the cache
// for an hour, so that a run which is answered from the cache makes no call at all.
func (c *Client) Probe(ctx context.Context) error {
	p := c.probe
	if p.notes.verified(p.key) {
		return nil
	}
	if err := p.run(ctx); err != nil {
		return err
	}
	p.notes.setVerified(p.key)
	return nil
}

func (p *probe) run(ctx context.Context) error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	ids, err := p.endpoint.models(ctx)
	if err != nil {
		// Not every endpoint has a list, and not every key may read it: only what ends any call ends the probe.
		e := asError(err)
		switch {
		case ctx.Err() != nil, e.Status == 0, e.Kind == RateLimited, e.Kind == BadURL && e.Status < 400:
			return e
		}
	}
	if slices.Contains(ids, p.endpoint.model) && p.listNeedsKey(ctx) {
		return nil
	}
	return p.ask(ctx, err == nil)
}

// listNeedsKey reports whether the list proves that the key is right. Some endpoints show it to everybody.
func (p *probe) listNeedsKey(ctx context.Context) bool {
	if p.key == "" {
		return true
	}
	_, err := p.stranger.models(ctx)
	return err != nil && asError(err).Kind == Auth
}

// ask makes the smallest completion. What comes back does not matter, as long as it is one.
func (p *probe) ask(ctx context.Context, urlIsRight bool) error {
	_, err := p.chat.complete(ctx, call{
		messages:  []Message{{Role: "user", Content: "Reply with OK."}},
		maxTokens: 1,
		rung:      RungText,
	})
	if err == nil {
		return nil
	}
	e := asError(err)
	switch {
	case e.notAPI:
		wrong := *e
		wrong.Kind = BadURL
		return &wrong
	case e.Kind == BadReply || e.Kind == BadRequest:
		return nil // the key and the model were accepted, and one token is no reply
	case e.Kind == BadURL && e.Status == 404 && urlIsRight:
		wrong := *e
		wrong.Kind, wrong.Message = UnknownModel, "the endpoint does not have this model: check the model's name"
		return &wrong
	}
	return e
}
