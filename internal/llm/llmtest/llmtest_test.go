package llmtest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServerDoesWhatTheScriptSays(t *testing.T) {
	t.Parallel()
	s := New(t, Refuse(Sequence(Content("one"), Drop(), Status(500, "oops"), Truncated("four")), "json_object"))
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	post := func(body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/chat/completions", strings.NewReader(body))
		require.NoError(t, err)
		res, err := client.Do(req)
		if err != nil {
			return 0, ""
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	const hello = `{"model":"m","messages":[{"role":"user","content":"hello"}]}`
	status, text := post(hello)
	require.Equal(t, 200, status)
	require.Contains(t, text, `"content":"one"`)
	require.Contains(t, text, `"prompt_tokens":100`)
	status, _ = post(hello)
	require.Zero(t, status)
	status, text = post(hello)
	require.Equal(t, 500, status)
	require.Contains(t, text, `"message":"oops"`)
	_, text = post(hello)
	require.Contains(t, text, `"finish_reason":"length"`)
	status, text = post(`{"model":"m","response_format":{"type":"json_object"}}`)
	require.Equal(t, 400, status)
	require.Contains(t, text, "response_format")
	status, _ = post(`{"model":`)
	require.Equal(t, 400, status)

	require.Equal(t, 5, s.Calls(), "a body that is no JSON does not count")
	require.Equal(t, 1, s.MostAtOnce())
	require.Equal(t, "hello\n", s.Requests()[0].Text())
}
