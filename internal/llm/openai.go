package llm

import (
	"context"
	"errors"
	"math"
	"strings"

	openai "github.com/sashabaranov/go-openai"
)

// endpoint makes one call through go-openai, which is used in this file alone. It never retries.
type endpoint struct {
	client      *openai.Client
	doer        *doer
	model       string
	temperature *float64
	hasKey      bool
}

func newEndpoint(cfg Config, at address) *endpoint {
	d := newDoer(cfg, at)
	return &endpoint{
		client: openaiClient(cfg.APIKey, at, d), doer: d, model: cfg.Model, temperature: cfg.Temperature, hasKey: cfg.APIKey != "",
	}
}

func openaiClient(key string, at address, d *doer) *openai.Client {
	conf := openai.DefaultConfig(key)
	if at.apiVersion != "" {
		conf = openai.DefaultAzureConfig(key, at.base)
		conf.APIVersion = at.apiVersion
		conf.AzureModelMapperFunc = func(model string) string { return model }
	}
	conf.BaseURL = at.base
	conf.HTTPClient = d
	return openai.NewClientWithConfig(conf)
}

// withoutKey is the same endpoint asked by a stranger.
func (e *endpoint) withoutKey(at address) *endpoint {
	other := *e
	other.client, other.hasKey = openaiClient("", at, e.doer), false
	return &other
}

func (e *endpoint) complete(ctx context.Context, c call) (reply, error) {
	if ctx.Err() != nil {
		return reply{}, contextError(ctx)
	}
	ctx, seen := withExchange(ctx)
	res, err := e.client.CreateChatCompletion(ctx, e.request(c))
	if err != nil {
		return reply{}, e.failure(ctx, seen, err)
	}
	return readReply(res)
}

// models returns the ids that the endpoint lists.
func (e *endpoint) models(ctx context.Context) ([]string, error) {
	ctx, seen := withExchange(ctx)
	list, err := e.client.ListModels(ctx)
	if err != nil {
		return nil, e.failure(ctx, seen, err)
	}
	ids := make([]string, len(list.Models))
	for i, m := range list.Models {
		ids[i] = m.ID
	}
	return ids, nil
}

// request writes c in the form of its rung and dialect.
func (e *endpoint) request(c call) openai.ChatCompletionRequest {
	req := openai.ChatCompletionRequest{Model: e.model}
	for _, m := range messagesFor(c) {
		req.Messages = append(req.Messages, openai.ChatCompletionMessage{Role: m.Role, Content: m.Content})
	}
	switch {
	case len(c.schema) == 0 || c.rung == RungText:
	case c.rung == RungJSON:
		req.ResponseFormat = &openai.ChatCompletionResponseFormat{Type: openai.ChatCompletionResponseFormatTypeJSONObject}
	default:
		req.ResponseFormat = &openai.ChatCompletionResponseFormat{
			Type: openai.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &openai.ChatCompletionResponseFormatJSONSchema{
				Name: c.schemaName, Schema: c.schema, Strict: true,
			},
		}
	}
	switch c.speech.tokens {
	case tokensMax:
		req.MaxTokens = c.maxTokens
	case tokensMaxCompletion:
		req.MaxCompletionTokens = c.maxTokens
	case tokensUnsaid:
	}
	if !c.speech.noTemperature {
		req.Temperature = wireTemperature(e.temperature)
	}
	return req
}

// wireTemperature stands in for 0 by the smallest float32, since go-openai leaves 0 out; the doer writes the 0 back.
func wireTemperature(t *float64) float32 {
	switch {
	case t == nil || *t == 0:
		return math.SmallestNonzeroFloat32
	case *t < 0:
		return 0
	default:
		return float32(*t)
	}
}

// failure translates what go-openai returned. Its own errors are not wrapped: their text repeats whole bodies.
func (e *endpoint) failure(ctx context.Context, seen *exchange, err error) *Error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	// Before APIError, which it may wrap half read: endpoints whose error is a plain string.
	if other, ok := errors.AsType[*openai.RequestError](err); ok {
		return classify(other.HTTPStatusCode, refusalText{message: bodyText(other.Body)}, seen.retryAfter, e.hasKey)
	}
	if api, ok := errors.AsType[*openai.APIError](err); ok {
		r := refusalText{message: api.Message}
		if code, ok := api.Code.(string); ok {
			r.code = code
		}
		if api.Param != nil {
			r.param = *api.Param
		}
		return classify(api.HTTPStatusCode, r, seen.retryAfter, e.hasKey)
	}
	switch {
	case ctx.Err() != nil:
		return contextError(ctx)
	case errors.Is(err, openai.ErrReasoningModelMaxTokensDeprecated):
		return &Error{Kind: BadRequest, Message: "the model takes max_completion_tokens", refused: refusedTokenField}
	case errors.Is(err, openai.ErrReasoningModelLimitationsOther), errors.Is(err, openai.ErrReasoningSamplingUnsupported):
		return &Error{Kind: BadRequest, Message: "the model takes no temperature", refused: refusedTemperature}
	case errors.Is(err, openai.ErrChatCompletionInvalidModel):
		return &Error{Kind: UnknownModel, Message: "the model " + clip(e.model) + " does not chat: name another one"}
	default:
		return &Error{Kind: BadReply, Status: seen.status, Message: "the reply is not the JSON of a chat completion"}
	}
}

// readReply takes the text out of a reply and refuses the ones that cannot be complete. Usage comes back in any case.
func readReply(res openai.ChatCompletionResponse) (reply, error) {
	rep := reply{model: res.Model, usage: Usage{InputTokens: res.Usage.PromptTokens, OutputTokens: res.Usage.CompletionTokens}}
	if d := res.Usage.PromptTokensDetails; d != nil {
		rep.usage.CachedInputTokens = d.CachedTokens
	}
	rep.noUsage = res.Usage.PromptTokens == 0 && res.Usage.CompletionTokens == 0
	bad := func(e Error) (reply, error) {
		e.Kind, e.Status = BadReply, 200
		return rep, &e
	}
	if len(res.Choices) == 0 {
		return bad(Error{Message: "the reply is empty"})
	}
	choice := res.Choices[0]
	rep.content = choice.Message.Content
	for _, part := range choice.Message.MultiContent {
		rep.content += part.Text
	}
	switch {
	case choice.FinishReason == openai.FinishReasonLength:
		return bad(Error{Message: "the reply was cut off at the bound on tokens", truncated: true})
	case choice.FinishReason == openai.FinishReasonContentFilter:
		return bad(Error{Message: "the endpoint filtered the reply"})
	case choice.Message.Refusal != "":
		return bad(Error{Message: "the model refused to reply"})
	case strings.TrimSpace(rep.content) == "" && choice.Message.ReasoningContent != "":
		return bad(Error{Message: "the reply holds reasoning alone"})
	case strings.TrimSpace(rep.content) == "":
		return bad(Error{Message: "the reply is empty"})
	}
	return rep, nil
}
