package llm

import "context"

// validity turns a reply that the caller cannot use into an error. It is below the meter, because such a reply is paid.
type validity struct{ next layer }

func (v *validity) complete(ctx context.Context, c call) (reply, error) {
	rep, err := v.next.complete(ctx, c)
	if err != nil || c.valid == nil {
		return rep, err
	}
	if err := c.valid(rep.content); err != nil {
		return rep, &Error{Kind: BadReply, Message: "the reply does not have the form that was asked for: " + clip(err.Error()), Err: err}
	}
	return rep, nil
}
