package llm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/llm/llmtest"
)

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, llmtest.Always(llmtest.Content("yes")))
	res, err := newClient(t, s.URL(), nil).Complete(withTimeout(t, 10*time.Second), question("k"))
	require.NoError(t, err)
	require.Equal(t, "yes", res.Content)
	require.Equal(t, "gpt-4o-mini", res.Model)
	require.Equal(t, Usage{Requests: 1, InputTokens: 100, OutputTokens: 10, Cost: 21e-6, CostKnown: true}, res.Spent)

	req := s.Requests()[0]
	require.NotNil(t, req.Temperature)
	require.Zero(t, *req.Temperature)
	require.Contains(t, string(req.Raw), `"temperature":0,`)
	require.Equal(t, `say "temperature":1e-45 <b>`, req.Messages[1].Content, "prompts are not rewritten")
	require.Equal(t, 100, *req.MaxTokens)
	require.True(t, req.ResponseFormat.JSONSchema.Strict)
	require.Equal(t, "test_1", req.ResponseFormat.JSONSchema.Name)
	require.Equal(t, string(testSchema), string(req.ResponseFormat.JSONSchema.Schema), "properties keep their order")
	require.Equal(t, "Bearer "+testKey, req.Header.Get("Authorization"))
}

func TestTemperature(t *testing.T) {
	t.Parallel()
	for given, want := range map[float64]string{0: `"temperature":0,`, 0.7: `"temperature":0.7,`, -1: ""} {
		t.Run(fmt.Sprint(given), func(t *testing.T) {
			t.Parallel()
			s := llmtest.New(t, llmtest.Always(llmtest.Content("yes")))
			_, err := newClient(t, s.URL(), func(c *Config) { c.Temperature = &given }).Complete(withTimeout(t, 10*time.Second), Request{Messages: []Message{{Role: "user", Content: "?"}}})
			require.NoError(t, err)
			raw := strings.Replace(string(s.Requests()[0].Raw), "}", ",}", -1)
			require.Contains(t, raw, want)
			require.Equal(t, want != "", s.Requests()[0].Temperature != nil)
		})
	}
}

func TestBadReplies(t *testing.T) {
	t.Parallel()
	json200 := func(body string) llmtest.Reply { return llmtest.Reply{Body: []byte(body)} }
	for name, tc := range map[string]struct {
		reply llmtest.Reply
		kind  Kind
		says  string
	}{
		"empty":          {llmtest.Content(""), BadReply, "empty"},
		"blank":          {llmtest.Content(" \n"), BadReply, "empty"},
		"no choices":     {json200(`{"choices":[]}`), BadReply, "empty"},
		"truncated":      {llmtest.Truncated("{"), BadReply, "cut off"},
		"filtered":       {llmtest.Reply{Content: "x", FinishReason: "content_filter"}, BadReply, "filtered"},
		"refusal":        {llmtest.Reply{Refusal: "no"}, BadReply, "refused to reply"},
		"reasoning":      {json200(`{"choices":[{"message":{"content":"","reasoning_content":"hm"}}]}`), BadReply, "reasoning"},
		"garbage":        {llmtest.Garbage(), BadReply, "not the JSON"},
		"no JSON":        {llmtest.Reply{Body: []byte("hello"), ContentType: "text/plain"}, BadReply, "not JSON but text/plain"},
		"nothing":        {json200(""), BadReply, "not JSON"},
		"web page":       {llmtest.HTML(), BadReply, "web page"},
		"stream":         {llmtest.Reply{Body: []byte("data: {}"), ContentType: "text/event-stream"}, BadReply, "streams"},
		"invalid UTF-8":  {json200("{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\"}}]}"), BadReply, "UTF-8"},
		"10 MB":          {llmtest.Huge(10 << 20), BadReply, "larger than 1024 KiB"},
		"endless":        {llmtest.Reply{Endless: true}, BadReply, "larger than 1024 KiB"},
		"redirect":       {llmtest.Reply{Status: 307, Header: map[string]string{"Location": "http://evil.example/v1?key=" + testKey}}, BadURL, "redirects to http://evil.example/v1:"},
		"key refused":    {llmtest.Status(401, "bad key "+testKey[:9]), Auth, "refused the key"},
		"forbidden":      {llmtest.Status(403, "no"), Auth, "refused the key"},
		"no such model":  {llmtest.Reply{Status: 404, Message: "The model `x` does not exist", Code: "model_not_found"}, UnknownModel, "check the model's name"},
		"Ollama's 404":   {llmtest.Reply{Status: 404, Body: []byte(`{"error":"model 'x' not found"}`)}, UnknownModel, "model 'x' not found"},
		"OpenRouter":     {llmtest.Status(400, "x is not a valid model ID"), UnknownModel, "valid model"},
		"no such path":   {llmtest.Reply{Status: 404, Body: []byte("404 page not found"), ContentType: "text/plain"}, BadURL, "/v1"},
		"no credit":      {llmtest.Status(402, "pay"), RateLimited, "credit"},
		"no quota":       {llmtest.Reply{Status: 429, Code: "insufficient_quota", Message: "m"}, RateLimited, "quota"},
		"too long":       {llmtest.Status(400, "maximum context length is 10"), BadRequest, "context length"},
		"filter on way":  {llmtest.Reply{Status: 400, Code: "content_filter", Message: "m"}, BadReply, "filtered the prompt"},
		"error with 200": {json200(`{"error":{"code":401,"message":"no"}}`), Auth, "refused the key"},
		"FastAPI":        {llmtest.Reply{Status: 422, Body: []byte(`{"detail":[{"loc":["body","messages"],"msg":"odd\nline"}]}`)}, BadRequest, "odd"},
		"key in message": {llmtest.Status(400, "you sent "+testKey), BadRequest, "<key>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := llmtest.New(t, llmtest.Always(tc.reply))
			log := &logBuffer{}
			c := newClient(t, s.URL(), func(c *Config) { c.Rung = RungText; c.Logger = log.logger() })
			// Below the ladder: one pass is enough.
			_, err := c.stack.retry.complete(withTimeout(t, 20*time.Second), newCall(question("k"), &Usage{}))
			require.Equal(t, tc.kind, kindOf(t, err))
			require.Contains(t, err.Error(), tc.says)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, *asError(err))+log.String(), testKey)
			want := 1
			if tc.kind == BadReply && !strings.Contains(tc.says, "prompt") {
				want = badReplyTries
			}
			require.Equal(t, want, s.Calls())
		})
	}
}

func TestEndlessReplyTakesBoundedMemory(t *testing.T) {
	s := llmtest.New(t, llmtest.Always(llmtest.Reply{Endless: true}))
	c := newClient(t, s.URL(), nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 5 {
		_, err := c.stack.endpoint.complete(withTimeout(t, 10*time.Second), newCall(question(""), &Usage{}))
		require.Equal(t, BadReply, kindOf(t, err))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(5*16<<20))
}

func TestRetryAfterHeader(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0.5": 500 * time.Millisecond, "-3": 0, "soon": 0, "1e300": 24 * time.Hour, "NaN": 0,
		now.Add(9 * time.Second).Format(http.TimeFormat): 9 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):      0,
	} {
		require.Equal(t, want, retryAfter(http.Header{"Retry-After": {value}}, now), value)
	}
	require.Equal(t, 30*time.Millisecond, retryAfter(http.Header{"Retry-After-Ms": {"30"}, "Retry-After": {"5"}}, now))

	s := llmtest.New(t, llmtest.Always(llmtest.RateLimited("40")))
	_, err := newClient(t, s.URL(), nil).Complete(withTimeout(t, 20*time.Second), question("k"))
	require.Equal(t, RateLimited, kindOf(t, err))
	require.Equal(t, 40*time.Second, asError(err).RetryAfter)
	require.Equal(t, 429, asError(err).Status)
	require.Equal(t, 1, s.Calls())
}

func TestOneAttemptIsOneRequest(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, func(r llmtest.Request) llmtest.Reply {
		if r.N == 2 {
			return llmtest.Drop() // on a connection that was kept
		}
		return llmtest.Content("ok")
	})
	e := newClient(t, s.URL(), nil).stack.endpoint
	ctx := withTimeout(t, 10*time.Second)
	_, err := e.complete(ctx, newCall(question(""), &Usage{}))
	require.NoError(t, err)
	_, err = e.complete(ctx, newCall(question(""), &Usage{}))
	require.Equal(t, Unavailable, kindOf(t, err))
	require.Equal(t, 2, s.Calls())
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, nil)
	url := s.URL()
	s.Close()
	c := newClient(t, url, nil)
	_, err := c.Complete(withTimeout(t, 600*time.Millisecond), question("k"))
	require.Equal(t, Unavailable, kindOf(t, err))
	require.Contains(t, err.Error(), "cannot reach 127.0.0.1")
	require.Equal(t, Unavailable, kindOf(t, c.Probe(t.Context())))
}

func TestPlainServerBehindHTTPS(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, nil)
	_, err := newClient(t, strings.Replace(s.URL(), "http:", "https:", 1), nil).Complete(withTimeout(t, 5*time.Second), question("k"))
	require.Equal(t, BadURL, kindOf(t, err))
}

func TestAzureAddress(t *testing.T) {
	t.Parallel()
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"ok"}}]}`)
	}))
	defer s.Close()
	c := newClient(t, s.URL+"/openai/?api-version=2024-10-21", func(c *Config) { c.Model = "my-deployment" })
	_, err := c.Complete(withTimeout(t, 10*time.Second), question(""))
	require.NoError(t, err)
	require.Equal(t, "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21", got.RequestURI)
	require.Equal(t, testKey, got.Header.Get("Api-Key"))
}

func TestContentInParts(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"message": map[string]any{"content": []any{
		map[string]any{"type": "text", "text": "a"}, map[string]any{"type": "text", "text": "b"},
	}}}}})
	require.NoError(t, err)
	s := llmtest.New(t, llmtest.Always(llmtest.Reply{Body: body}))
	res, err := newClient(t, s.URL(), nil).Complete(withTimeout(t, 10*time.Second), question(""))
	require.NoError(t, err)
	require.Equal(t, "ab", res.Content)
	require.False(t, res.Spent.CostKnown, "no usage was stated")
	require.Positive(t, res.Spent.Cost)
}
