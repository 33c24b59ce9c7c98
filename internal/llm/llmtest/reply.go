package llmtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Reply is what a script answers. The zero value is an empty completion.
type Reply struct {
	// Content, Refusal and FinishReason (default stop) make a chat completion.
	Content      string
	Refusal      string
	FinishReason string
	// InputTokens and OutputTokens are its usage; both zero state none.
	InputTokens, OutputTokens, CachedTokens int

	// Status is the HTTP status, default 200. With another one, Message, Code and Param make an error.
	Status               int
	Message, Code, Param string
	Header               map[string]string

	// Body, if not nil, is sent instead of all that, as ContentType (default application/json).
	Body        []byte
	ContentType string

	// Delay comes before the answer. Drop hangs up instead of it. Endless never stops answering.
	Delay   time.Duration
	Drop    bool
	Endless bool

	model string
}

// Content is a good reply with a plausible usage.
func Content(text string) Reply {
	return Reply{Content: text, InputTokens: 100, OutputTokens: 10}
}

// Status is an error in OpenAI's form.
func Status(code int, message string) Reply { return Reply{Status: code, Message: message} }

// RateLimited is a 429 that asks to wait for so many seconds; empty does not say.
func RateLimited(seconds string) Reply {
	r := Status(http.StatusTooManyRequests, "slow down")
	if seconds != "" {
		r.Header = map[string]string{"Retry-After": seconds}
	}
	return r
}

// Truncated is a reply that was cut off at the bound on tokens.
func Truncated(text string) Reply {
	r := Content(text)
	r.FinishReason = "length"
	return r
}

// Garbage is a body that is no JSON.
func Garbage() Reply { return Reply{Body: []byte("{\"choices\": [{]]")} }

// HTML is a web page.
func HTML() Reply {
	return Reply{Body: []byte("<!doctype html><title>Welcome</title>"), ContentType: "text/html; charset=utf-8"}
}

// Huge is a well-formed reply whose content has n bytes.
func Huge(n int) Reply { return Content(strings.Repeat("x", n)) }

// Drop hangs up without a word.
func Drop() Reply { return Reply{Drop: true} }

// Sequence answers with one reply after the other, and with the last one from then on.
func Sequence(replies ...Reply) Script {
	return func(r Request) Reply { return replies[min(r.N, len(replies))-1] }
}

// Always answers every request alike.
func Always(r Reply) Script { return Sequence(r) }

// Refuse answers with OpenAI's 400 when the response format is one of formats, else as next does.
func Refuse(next Script, formats ...string) Script {
	return func(r Request) Reply {
		for _, f := range formats {
			if r.Format() == f {
				return Reply{Status: http.StatusBadRequest, Message: "Invalid parameter: 'response_format' of type '" + f +
					"' is not supported with this model.", Param: "response_format"}
			}
		}
		return next(r)
	}
}

// Reasoning refuses what reasoning models refuse, else answers as next does.
func Reasoning(next Script) Script {
	return func(r Request) Reply {
		switch {
		case r.MaxTokens != nil:
			return Reply{Status: http.StatusBadRequest, Code: "unsupported_parameter", Param: "max_tokens", Message: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}
		case r.Temperature != nil:
			return Reply{Status: http.StatusBadRequest, Code: "unsupported_value", Param: "temperature", Message: "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."}
		}
		return next(r)
	}
}

func (r Reply) write(w http.ResponseWriter) {
	for k, v := range maps.All(r.Header) {
		w.Header().Set(k, v)
	}
	kind := r.ContentType
	if kind == "" {
		kind = "application/json"
	}
	w.Header().Set("Content-Type", kind)
	if r.Status != 0 {
		w.WriteHeader(r.Status)
	}
	switch {
	case r.Body != nil:
		_, _ = w.Write(r.Body)
	case r.Status >= 300:
		r.writeError(w)
	default:
		r.writeCompletion(w)
	}
}

func (r Reply) writeError(w http.ResponseWriter) {
	e := map[string]any{"message": r.Message, "type": "error"}
	if r.Code != "" {
		e["code"] = r.Code
	}
	if r.Param != "" {
		e["param"] = r.Param
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"error": e})
}

func (r Reply) writeCompletion(w http.ResponseWriter) {
	message := map[string]any{"role": "assistant", "content": r.Content}
	if r.Refusal != "" {
		message["refusal"] = r.Refusal
	}
	finish := r.FinishReason
	if finish == "" {
		finish = "stop"
	}
	out := map[string]any{
		"id": "chatcmpl-test", "object": "chat.completion", "created": 1, "model": r.model,
		"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": finish}},
	}
	if r.InputTokens+r.OutputTokens > 0 {
		out["usage"] = map[string]any{
			"prompt_tokens": r.InputTokens, "completion_tokens": r.OutputTokens, "total_tokens": r.InputTokens + r.OutputTokens,
			"prompt_tokens_details": map[string]any{"cached_tokens": r.CachedTokens},
		}
	}
	_ = json.NewEncoder(w).Encode(out)
}
