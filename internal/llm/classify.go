package llm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// refusalText is what an endpoint said when it refused.
type refusalText struct{ code, param, message string }

func (r refusalText) mentions(words ...string) bool {
	text := strings.ToLower(r.code + " " + r.param + " " + r.message)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// classify turns an HTTP failure into an *Error. The text of a refused key is not passed on: providers quote parts of
// the key in it.
func classify(status int, r refusalText, retryAfter time.Duration, hasKey bool) *Error {
	e := &Error{Status: status, RetryAfter: retryAfter}
	say := func(kind Kind, what string) *Error {
		e.Kind, e.Message = kind, fmt.Sprintf("%s (HTTP %d)", what, status)
		if text := clip(r.message); text != "" {
			e.Message += ": " + text
		}
		return e
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		r.message = ""
		if !hasKey {
			return say(Auth, "the endpoint wants a key and none is set: set the API key")
		}
		return say(Auth, "the endpoint refused the key: check that it is right and may use this model")
	case r.unknownModel(status):
		return say(UnknownModel, "the endpoint does not have this model: check the model's name")
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return say(BadURL, "there is no chat endpoint at this URL: most end in /v1")
	case status == http.StatusTooManyRequests && r.mentions("insufficient_quota"), status == http.StatusPaymentRequired:
		e.final = true
		return say(RateLimited, "the account has no credit or quota left")
	case status == http.StatusTooManyRequests || status == http.StatusTooEarly:
		return say(RateLimited, "the endpoint limits the rate")
	case status == http.StatusRequestTimeout:
		return say(Timeout, "the endpoint gave up waiting")
	case status >= 500 || status == http.StatusConflict:
		if r.mentions("grammar", "json_schema", "json schema") {
			e.refused = refusedFormat
		}
		return say(Unavailable, "the endpoint failed")
	case r.mentions("content_filter", "content management policy"):
		e.final = true
		return say(BadReply, "the endpoint filtered the prompt")
	default:
		e.refused = r.refusedPart()
		return say(BadRequest, "the endpoint refused the request")
	}
}

// unknownModel reports whether a refusal is about the model's name. Endpoints disagree on the status.
func (r refusalText) unknownModel(status int) bool {
	switch status {
	case http.StatusNotFound:
		return r.mentions("model", "deployment")
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return r.mentions("model_not_found", "unknown model", "invalid model", "not a valid model", "unknown_model") ||
			r.mentions("model") && r.mentions("does not exist", "not found", "not available", "no such")
	default:
		return false
	}
}

func (r refusalText) refusedPart() refusal {
	switch {
	case strings.HasPrefix(r.param, "response_format"):
		return refusedFormat
	case r.param == "temperature":
		return refusedTemperature
	case r.mentions("max_completion_tokens"), r.mentions("max_tokens") && r.mentions("not supported", "unsupported", "unknown", "not permitted"):
		return refusedTokenField
	case r.mentions("response_format", "json_schema", "json_object", "json schema", "structured output", "grammar", "guided"):
		return refusedFormat
	case r.mentions("temperature"):
		return refusedTemperature
	default:
		return refusedNothing
	}
}

// bodyText finds the message in the body of an error that is not in OpenAI's form.
func bodyText(body []byte) string {
	var fields struct{ Error, Message, Detail json.RawMessage }
	if json.Unmarshal(body, &fields) == nil {
		for _, raw := range []json.RawMessage{fields.Error, fields.Message, fields.Detail} {
			var text string
			if json.Unmarshal(raw, &text) == nil && text != "" {
				return text
			}
			if len(raw) > 0 && string(raw) != "null" {
				return string(raw)
			}
		}
	}
	if looksLikeHTML("", body) {
		return ""
	}
	return string(body)
}

// clipRunes bounds what somebody else wrote inside an error's one line.
const clipRunes = 200

// clip makes foreign text fit for one line of ours.
func clip(text string) string {
	if len(text) > 8*clipRunes {
		text = text[:8*clipRunes]
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(text); len(runes) > clipRunes {
		return string(runes[:clipRunes]) + "…"
	}
	return text
}
