package speech

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vivagrader/grader/internal/llm"
)

// maxReplyBytes bounds a reply: hours of speech with every word's time.
const maxReplyBytes = 32 << 20

// exchange is what go-openai's errors do not carry.
type exchange struct{ retryAfter time.Duration }

type exchangeKey struct{}

// doer is the HTTP client under go-openai: bounded replies, no redirects, no key in what comes back, and plain text made
// JSON for endpoints that know nothing else.
type doer struct {
	client http.Client
	key    []byte
}

func newDoer(client *http.Client, key string) *doer {
	d := &doer{key: []byte(key)}
	if client != nil {
		d.client = *client
	} else {
		dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
		d.client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10}
	}
	d.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return d
}

// Do makes one attempt. Its errors are *llm.Error or the context's.
func (d *doer) Do(req *http.Request) (*http.Response, error) {
	res, err := d.client.Do(req)
	if err != nil {
		return nil, d.unreachable(req, err)
	}
	defer func() { _ = res.Body.Close() }()
	if seen, ok := req.Context().Value(exchangeKey{}).(*exchange); ok {
		if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
			seen.retryAfter = time.Duration(min(s, 24*60*60)) * time.Second
		}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReplyBytes+1))
	if err != nil {
		return nil, d.unreachable(req, err)
	}
	if len(d.key) > 0 {
		body = bytes.ReplaceAll(body, d.key, []byte("<key>"))
	}
	if body, err = readable(res, body); err != nil {
		return nil, err
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return res, nil
}

// readable refuses what is no reply of a recogniser and makes a bare text JSON.
func readable(res *http.Response, body []byte) ([]byte, error) {
	start := strings.ToLower(string(bytes.TrimSpace(body[:min(len(body), 64)])))
	switch ok := res.StatusCode < 300; {
	case !ok && res.StatusCode < 400:
		return nil, &llm.Error{Kind: llm.BadURL, Status: res.StatusCode, Message: "the recogniser redirects to " + oneLine(res.Header.Get("Location")) + ": redirects are not followed; give that URL if you trust it"}
	case !ok:
		return body, nil
	case len(body) > maxReplyBytes:
		return nil, &llm.Error{Kind: llm.BadReply, Status: res.StatusCode, Message: "the recogniser's reply is larger than 32 MiB"}
	case strings.HasPrefix(res.Header.Get("Content-Type"), "text/html"), strings.HasPrefix(start, "<!doctype"), strings.HasPrefix(start, "<html"):
		return nil, &llm.Error{Kind: llm.BadReply, Status: res.StatusCode, Message: "the recogniser answers with a web page: check that the URL is that of an API, most end in /v1"}
	case !strings.HasPrefix(start, "{") && strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain"):
		return json.Marshal(map[string]string{"text": string(body)})
	}
	return body, nil
}

func (d *doer) unreachable(req *http.Request, err error) error {
	if ctx := req.Context(); ctx.Err() != nil {
		return ctx.Err()
	}
	text := err.Error()
	if u, ok := errors.AsType[*url.Error](err); ok {
		text = u.Err.Error()
	}
	if len(d.key) > 0 {
		text = strings.ReplaceAll(text, string(d.key), "<key>")
	}
	return &llm.Error{Kind: llm.Unavailable, Message: "cannot reach the recogniser at " + req.URL.Host + ": " + oneLine(text) + ": check that it runs and that --speech-url is right", Err: err}
}
