// Package llmtest is an OpenAI-compatible endpoint on loopback that does what a script says: replies, refusals, delays
// and faults. It is for tests only and knows nothing of the client.
package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Script answers one chat completion. It is called from several goroutines at once.
type Script func(Request) Reply

// Message is one message of a request.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Request is a chat completion as it arrived.
type Request struct {
	// N counts the chat completions of this server, from 1.
	N int `json:"-"`
	// Header holds the HTTP headers.
	Header http.Header `json:"-"`
	// Raw is the whole body.
	Raw []byte `json:"-"`

	Model    string    `json:"model"`
	Messages []Message `json:"messages"`
	// Temperature, MaxTokens and MaxCompletionTokens are nil where they were not sent.
	Temperature         *float64 `json:"temperature"`
	MaxTokens           *int     `json:"max_tokens"`
	MaxCompletionTokens *int     `json:"max_completion_tokens"`
	ResponseFormat      struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Name   string          `json:"name"`
			Strict bool            `json:"strict"`
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

// Format is the type of the response format: json_schema, json_object, or empty.
func (r Request) Format() string { return r.ResponseFormat.Type }

// Text is all the messages' text, one after the other.
func (r Request) Text() string {
	var b strings.Builder
	for _, m := range r.Messages {
		b.WriteString(m.Content + "\n")
	}
	return b.String()
}

// Server counts what it is asked.
type Server struct {
	script Script
	http   *httptest.Server

	mu         sync.Mutex
	calls      int
	lists      int
	running    int
	mostAtOnce int
	requests   []Request
	models     http.HandlerFunc
	closed     chan struct{}
	closing    sync.Once
}

// keepRequests bounds the requests that a server remembers, for benchmarks.
const keepRequests = 1000

// New starts a server that ends with the test.
func New(t testing.TB, script Script) *Server {
	t.Helper()
	s := &Server{script: script, closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.chat)
	mux.HandleFunc("GET /v1/models", s.list)
	s.http = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// Close hangs up on everybody. Later calls meet a refused connection.
func (s *Server) Close() {
	s.closing.Do(func() {
		close(s.closed)
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// URL is the base URL, with /v1.
func (s *Server) URL() string { return s.http.URL + "/v1" }

// Models sets what GET /v1/models answers. Without it there is no list.
func (s *Server) Models(h http.HandlerFunc) { s.mu.Lock(); defer s.mu.Unlock(); s.models = h }

// ModelList answers with the given ids, to anybody who has the key; an empty key is everybody.
func ModelList(key string, ids ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if key != "" && r.Header.Get("Authorization") != "Bearer "+key {
			Status(http.StatusUnauthorized, "wrong key").write(w)
			return
		}
		type model struct {
			ID     string `json:"id"`
			Object string `json:"object"`
		}
		list := []model{}
		for _, id := range ids {
			list = append(list, model{ID: id, Object: "model"})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": list})
	}
}

// Calls is how many chat completions were asked for.
func (s *Server) Calls() int { s.mu.Lock(); defer s.mu.Unlock(); return s.calls }

// Lists is how often the list of models was asked for.
func (s *Server) Lists() int { s.mu.Lock(); defer s.mu.Unlock(); return s.lists }

// MostAtOnce is the highest number of chat completions under way together.
func (s *Server) MostAtOnce() int { s.mu.Lock(); defer s.mu.Unlock(); return s.mostAtOnce }

// Requests returns the first thousand chat completions, in the order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.lists++
	h := s.models
	s.mu.Unlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h(w, r)
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	req := Request{Header: r.Header, Raw: raw}
	if err == nil {
		err = json.Unmarshal(raw, &req)
	}
	if err != nil {
		Status(http.StatusBadRequest, err.Error()).write(w)
		return
	}
	s.enter(&req)
	defer s.leave()
	reply := s.script(req)
	if reply.Delay > 0 && !s.wait(r, reply.Delay) {
		return
	}
	switch {
	case reply.Drop:
		panic(http.ErrAbortHandler)
	case reply.Endless:
		s.flood(w, r)
	default:
		reply.model = req.Model
		reply.write(w)
	}
}

func (s *Server) enter(req *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	req.N = s.calls
	s.running++
	s.mostAtOnce = max(s.mostAtOnce, s.running)
	if len(s.requests) < keepRequests {
		s.requests = append(s.requests, *req)
	}
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

// wait reports false when the client or the server has gone.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.closed:
	}
	return false
}

// flood writes until somebody hangs up.
func (s *Server) flood(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, err := fmt.Fprint(w, `{"choices":[{"message":{"content":"`)
	for block := strings.Repeat("x", 32<<10); err == nil && r.Context().Err() == nil; {
		select {
		case <-s.closed:
			return
		default:
			_, err = io.WriteString(w, block)
		}
	}
}
