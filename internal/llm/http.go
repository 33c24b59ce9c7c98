package llm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxReplyBytes bounds what is read of one reply, errors included. A judge's reply has a few kilobytes.
const maxReplyBytes = 1 << 20

// exchange is what go-openai's errors do not carry.
type exchange struct {
	status     int
	retryAfter time.Duration
}

type exchangeKey struct{}

func withExchange(ctx context.Context) (context.Context, *exchange) {
	seen := &exchange{}
	return context.WithValue(ctx, exchangeKey{}, seen), seen
}

// doer is the HTTP client under go-openai. It reads whole replies within bounds, refuses redirects and web pages, keeps
// the Retry-After header, and takes the key out of everything that the endpoint sends back.
//
// net/http tries a POST again by itself only on a kept connection that closed before a byte was written, and needs
// GetBody for it, which is cleared: so each Do is one attempt. What remains is below HTTP: a dialer that tries the
// host's other addresses, and TCP's own resends.
type doer struct {
	client *http.Client
	host   string
	key    []byte
}

func newDoer(cfg Config, at address) *doer {
	var client http.Client
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	} else {
		client.Transport = newTransport(cfg.Concurrency)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &doer{client: &client, host: at.host, key: []byte(cfg.APIKey)}
}

func newTransport(concurrency int) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: concurrency, // the default of 2 would open a connection for nearly every call
		// Shorter than servers' own time-outs, so that a call rarely meets a connection that is about to close.
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Do makes one attempt. Its errors are *Error.
func (d *doer) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := rewriteBody(req); err != nil {
		return nil, &Error{Kind: BadRequest, Message: "cannot read the request", Err: err}
	}
	res, err := d.client.Do(req)
	if err != nil {
		return nil, d.transportError(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	if seen, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		seen.status, seen.retryAfter = res.StatusCode, retryAfter(res.Header, time.Now())
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReplyBytes+1))
	if err != nil {
		return nil, d.transportError(ctx, err)
	}
	if err := refuse(res, body); err != nil {
		return nil, err
	}
	if len(d.key) > 0 {
		body = bytes.ReplaceAll(body, d.key, []byte("<key>"))
	}
	if status := statusInside(res.StatusCode, body); status != res.StatusCode {
		res.StatusCode, res.Status = status, http.StatusText(status)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// rewriteBody writes the temperature 0 that go-openai cannot send, and makes the body unfit for hidden retries. The
// pattern cannot be part of a message, where the quotes would be escaped.
func rewriteBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	body = bytes.Replace(body, []byte(`"temperature":1e-45`), []byte(`"temperature":0`), 1)
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.ContentLength = int64(len(body))
	req.GetBody = nil
	return nil
}

// refuse names what cannot be a reply of an OpenAI-compatible endpoint, whatever is in it.
func refuse(res *http.Response, body []byte) error {
	kind := res.Header.Get("Content-Type")
	bad := func(message string) error {
		return &Error{Kind: BadReply, Status: res.StatusCode, Message: message}
	}
	noAPI := func(what string) error {
		return &Error{Kind: BadReply, Status: res.StatusCode, notAPI: true, Message: what +
			": check that the URL is that of an API, most end in /v1"}
	}
	switch ok := res.StatusCode < 300; {
	case !ok && res.StatusCode < 400:
		return &Error{Kind: BadURL, Status: res.StatusCode, Message: "the endpoint redirects " + redirectTarget(res) +
			": redirects are not followed; give that URL if you trust it"}
	case ok && len(body) > maxReplyBytes:
		return bad(fmt.Sprintf("the reply is larger than %d KiB", maxReplyBytes>>10))
	case ok && looksLikeHTML(kind, body):
		return noAPI("the endpoint answers with a web page")
	case ok && strings.HasPrefix(kind, "text/event-stream"):
		return bad("the endpoint streams its reply though it was not asked to")
	case ok && !utf8.Valid(body):
		return bad("the reply is not valid UTF-8")
	case ok && !strings.HasPrefix(strings.TrimLeft(string(body[:min(len(body), 64)]), " \t\r\n"), "{"):
		return noAPI("the reply is not JSON but " + cmp.Or(clip(kind), "of no stated type"))
	}
	return nil
}

func redirectTarget(res *http.Response) string {
	to, err := res.Location()
	if err != nil {
		return "to nowhere"
	}
	return "to " + clip(to.Scheme+"://"+to.Host+to.Path)
}

func looksLikeHTML(contentType string, body []byte) bool {
	start := strings.ToLower(strings.TrimSpace(string(body[:min(len(body), 64)])))
	return strings.HasPrefix(contentType, "text/html") || strings.HasPrefix(start, "<!doctype") || strings.HasPrefix(start, "<html")
}

// statusInside is the status of an error that came with 200, as OpenRouter sends them once a reply has begun.
func statusInside(status int, body []byte) int {
	if status >= 300 || !bytes.Contains(body, []byte(`"error"`)) {
		return status
	}
	var inside struct {
		Error   *struct{ Code int }
		Choices json.RawMessage
	}
	if json.Unmarshal(body, &inside) != nil || inside.Error == nil || inside.Choices != nil {
		return status
	}
	if code := inside.Error.Code; code >= 400 && code < 600 {
		return code
	}
	return http.StatusBadGateway
}

// retryAfter reads how long an endpoint asks to wait: seconds, a date, or milliseconds in the header that OpenAI and
// Azure add.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return seconds(ms / 1000)
	}
	value := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseFloat(value, 64); err == nil && s > 0 {
		return seconds(s)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// seconds is bounded to a day: nobody waits longer, and the sum with a clock must not overflow.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 24*60*60) * float64(time.Second))
}

func (d *doer) transportError(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	text := err.Error()
	if len(d.key) > 0 {
		text = strings.ReplaceAll(text, string(d.key), "<key>")
	}
	if strings.Contains(text, "server gave HTTP response to HTTPS client") {
		return &Error{Kind: BadURL, Message: "the endpoint speaks http, not https: change the URL", Err: err}
	}
	return &Error{Kind: Unavailable, Message: "cannot reach " + d.host + ": " + clip(text), Err: err}
}
