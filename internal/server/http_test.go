package server

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// httpCase is one request of testdata/http.yaml and what must come back.
type httpCase struct {
	Name    string
	Key     string // asks a server that has keys, with this one
	Method  string
	Path    string
	Body    string
	Headers map[string]string
	Status  int
	Reason  string            // of the error
	Field   string            // of the first violation
	Says    string            // in the message of an error, or in the body
	Lacks   []string          // must not stand in the body
	Sends   map[string]string // headers of the response
}

// TestHTTPCases: every wrong request gets an error that says what to do; testdata/http_errors.golden has all of them to be
// read.
func TestHTTPCases(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/http.yaml")
	require.NoError(t, err)
	var cases []httpCase
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	dec.KnownFields(true)
	require.NoError(t, dec.Decode(&cases))
	open := start(t, Config{Origins: []string{"https://app.test"}})
	keyed := start(t, Config{Keys: []Key{key("reader", "reader", "", ScopeRubricRead), key("candidate", "candidate", "", ScopeGrade), key("exam", "exam", "SCORE", ScopeGrade)}})
	said := make([]string, len(cases))
	t.Cleanup(func() { golden(t, "testdata/http_errors.golden", strings.Join(said, "")) })
	for i, c := range cases {
		st := open
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			var headers []string
			for k, v := range c.Headers {
				headers = append(headers, k, v)
			}
			if c.Key != "" {
				st, headers = keyed, append(headers, "Authorization", "Bearer "+c.Key)
			}
			r := st.do(t, c.Method, c.Path, c.Body, headers...)
			require.Equal(t, c.Status, r.status, r.body)
			require.NotEmpty(t, r.header.Get("X-Request-Id"))
			require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
			if c.Reason != "" && c.Method != http.MethodHead {
				e := r.error(t)
				require.Equal(t, c.Reason, e.Details[0].Reason, r.body)
				require.Contains(t, e.Message, c.Says)
				said[i] = fmt.Sprintf("%s\n\t%d %s: %s\n", c.Name, r.status, c.Reason, e.Message)
				if c.Field != "" {
					require.Equal(t, c.Field, e.Details[1].FieldViolations[0].Field)
				}
			} else {
				require.Contains(t, r.body, c.Says)
			}
			for _, l := range c.Lacks {
				require.NotContains(t, r.body, l)
			}
			for k, v := range c.Sends {
				require.Equal(t, v, r.header.Get(k), k)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	st := start(t, Config{})
	r := st.do(t, "POST", "/v1/questions/event-loop-phases:grade", strings.Repeat(" ", maxBodyBytes+1))
	require.Equal(t, 413, r.status)
	require.Equal(t, "BODY_TOO_LARGE", r.error(t).Details[0].Reason)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, st.url+"/v1/questions/event-loop-phases:grade", io.LimitReader(spaces{}, maxBodyBytes+10)) // chunked
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := st.http.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 413, res.StatusCode)
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestCaching(t *testing.T) {
	t.Parallel()
	st := start(t, Config{})
	first := st.do(t, "GET", "/v1/questions", "", "Accept-Encoding", "identity")
	tag := first.header.Get("ETag")
	require.NotEmpty(t, tag)
	require.Empty(t, first.header.Get("Content-Encoding"))
	again := st.do(t, "GET", "/v1/questions", "", "If-None-Match", tag)
	require.Equal(t, 304, again.status)
	require.Empty(t, again.body)
	other := st.do(t, "GET", "/v1/questions?view=FULL", "", "If-None-Match", tag)
	require.Equal(t, 200, other.status)

	packed := st.do(t, "GET", "/v1/questions", "", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", packed.header.Get("Content-Encoding"))
	require.Equal(t, tag, packed.header.Get("ETag"))
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, first.body, string(plain))
	head := st.do(t, "HEAD", "/v1/questions", "")
	require.Equal(t, 200, head.status)
	require.Empty(t, head.body)
}

func TestPages(t *testing.T) {
	t.Parallel()
	st := start(t, Config{})
	seen := map[string]bool{}
	token := ""
	for range 20 {
		r := st.do(t, "GET", "/v1/banks/nodejs/questions?pageSize=10&pageToken="+token, "")
		require.Equal(t, 200, r.status, r.body)
		var page struct {
			Questions     []struct{ ID string }
			NextPageToken string
			TotalSize     int
		}
		require.NoError(t, json.Unmarshal([]byte(r.body), &page))
		require.Equal(t, 35, page.TotalSize)
		for _, q := range page.Questions {
			require.False(t, seen[q.ID])
			seen[q.ID] = true
		}
		if token = page.NextPageToken; token == "" {
			break
		}
		wrong := st.do(t, "GET", "/v1/questions?pageToken="+token, "")
		require.Equal(t, "INVALID_PAGE_TOKEN", wrong.error(t).Details[0].Reason)
	}
	require.Len(t, seen, 35)
}
