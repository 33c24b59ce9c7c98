// Package judgetest is a judge that answers from labels over HTTP, with faults on demand: it speaks the protocol
// grader.judge/1 as any OpenAI-compatible endpoint would, so that the whole way of a judged answer can be measured
// without a model. It is for tests and measurements only.
package judgetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Labels are what the judge knows of one answer.
type Labels struct {
	QuestionID     string            `json:"question_id"`
	Text           string            `json:"text"`
	Points         map[string]string `json:"points"`
	Misconceptions map[string]string `json:"misconceptions"`
	Habits         map[string]string `json:"habits"`
	Quotes         map[string]string `json:"quotes"`
}

// Options are the judge's weaknesses; the zero value is a perfect judge behind a perfect endpoint.
type Options struct {
	Flip         float64       // share of the verdicts that are turned round
	InventQuotes bool          // every quote is made up, every point is met
	Obey         bool          // an answer that holds an instruction gets everything
	PlainText    bool          // thinking block and prose around the object, response_format refused
	Fault        float64       // share of calls for each of: 429, 500, empty, garbage, truncated, missing ids, dropped connection
	Hang         bool          // never answers
	Delay        time.Duration // of every reply
	Seed         uint64
}

// Server is the judge as an http.Handler.
type Server struct {
	options Options
	answers []Labels
	words   []map[string]bool
	calls   atomic.Int64
	mu      sync.Mutex
	rng     *rand.Rand
}

// New returns a judge that knows the given answers.
func New(answers []Labels, o Options) *Server {
	s := &Server{options: o, answers: answers, rng: rand.New(rand.NewPCG(o.Seed, 1))}
	for _, a := range answers {
		s.words = append(s.words, wordSet(a.Text))
	}
	return s
}

// Calls is the number of chat completions asked for.
func (s *Server) Calls() int { return int(s.calls.Load()) }

func wordSet(text string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(strings.ToLower(text)) {
		m[w] = true
	}
	return m
}

type chatRequest struct {
	Model          string          `json:"model"`
	ResponseFormat json.RawMessage `json:"response_format"`
	Messages       []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
}

type question struct {
	Question struct {
		ID string `json:"id"`
	} `json:"question"`
	Points, Misconceptions, Habits []struct {
		ID string `json:"id"`
	}
	Evidence string `json:"evidence"`
}

type answer struct {
	Answer struct {
		Text      string `json:"text"`
		Sentences []struct {
			N    int    `json:"n"`
			Text string `json:"text"`
		} `json:"sentences"`
	} `json:"answer"`
}

type entry struct {
	ID        string   `json:"id"`
	Quotes    []string `json:"quotes"`
	Sentences []int    `json:"sentences,omitempty"`
	Reason    string   `json:"reason"`
	Verdict   string   `json:"verdict"`
}

// ServeHTTP answers GET /v1/models and POST /v1/chat/completions.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/models") {
		writeJSON(w, map[string]any{"object": "list", "data": []any{map[string]any{"id": "label-judge", "object": "model"}}})
		return
	}
	s.calls.Add(1)
	var req chatRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || len(req.Messages) < 2 {
		http.Error(w, `{"error":{"message":"bad request","type":"invalid_request_error"}}`, http.StatusBadRequest)
		return
	}
	if s.options.Hang {
		<-r.Context().Done()
		return
	}
	select {
	case <-time.After(s.options.Delay):
	case <-r.Context().Done():
		return
	}
	if s.options.PlainText && len(req.ResponseFormat) > 0 && !strings.Contains(string(req.ResponseFormat), `"text"`) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"message":"response_format is not supported","type":"invalid_request_error","param":"response_format"}}`)
		return
	}
	fault := s.fault()
	switch fault {
	case "429":
		w.Header().Set("Retry-After", "0")
		http.Error(w, `{"error":{"message":"slow down","type":"rate_limit"}}`, http.StatusTooManyRequests)
		return
	case "500":
		http.Error(w, `{"error":{"message":"oops"}}`, http.StatusInternalServerError)
		return
	case "drop":
		panic(http.ErrAbortHandler)
	}
	content := s.reply(req, fault == "missing")
	finish := "stop"
	switch fault {
	case "empty":
		content = ""
	case "garbage":
		content = "I am sorry, as a model I would rather not {"
	case "truncated":
		content, finish = content[:len(content)/2], "length"
	}
	writeJSON(w, map[string]any{
		"id": "x", "object": "chat.completion", "model": "label-judge",
		"choices": []any{map[string]any{"index": 0, "finish_reason": finish, "message": map[string]any{"role": "assistant", "content": content}}},
		"usage":   map[string]any{"prompt_tokens": 2000, "completion_tokens": 600, "total_tokens": 2600},
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) random() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.Float64()
}

func (s *Server) fault() string {
	kinds := []string{"429", "500", "empty", "garbage", "truncated", "missing", "drop"}
	if i := int(s.random() / max(s.options.Fault, 1e-9)); s.options.Fault > 0 && i < len(kinds) {
		return kinds[i]
	}
	return ""
}

func (s *Server) reply(req chatRequest, incomplete bool) string {
	lines := strings.Split(req.Messages[1].Content, "\n")
	var q question
	var a answer
	if json.Unmarshal([]byte(lines[0]), &q) != nil || len(lines) < 3 || json.Unmarshal([]byte(lines[2]), &a) != nil {
		return "this is not the protocol"
	}
	var text strings.Builder
	text.WriteString(a.Answer.Text)
	for _, sent := range a.Answer.Sentences {
		text.WriteString(sent.Text + " ")
	}
	var only []string
	if last := req.Messages[len(req.Messages)-1]; len(req.Messages) > 2 {
		var again struct {
			Reask []string `json:"reask"`
		}
		if json.Unmarshal([]byte(last.Content), &again) == nil {
			only = again.Reask
		}
	}
	l := s.find(q.Question.ID, text.String())
	out := map[string][]entry{"points": {}, "misconceptions": {}, "habits": {}}
	for i, p := range q.Points {
		s.decide(out, "points", p.ID, l.Points[p.ID], "missed", l, text.String(), a, only, incomplete && i%3 == 1, q.Evidence)
	}
	for _, m := range q.Misconceptions {
		s.decide(out, "misconceptions", m.ID, l.Misconceptions[m.ID], "absent", l, text.String(), a, only, false, q.Evidence)
	}
	for _, h := range q.Habits {
		s.decide(out, "habits", h.ID, l.Habits[h.ID], "absent", l, text.String(), a, only, false, q.Evidence)
	}
	b, _ := json.Marshal(out)
	if s.options.PlainText {
		return "<think>\nThe schema is {\"points\":[]}. Let me see.\n</think>\nHere is my judgement:\n```json\n" + string(b) + "\n```\nI hope this helps."
	}
	return string(b)
}

func (s *Server) decide(out map[string][]entry, list, id, label, fallback string, l *Labels, text string, a answer, only []string, skip bool, evidence string) {
	if skip || only != nil && !slices.Contains(only, id) {
		return
	}
	e := entry{ID: id, Quotes: []string{}, Verdict: label}
	if e.Verdict == "" {
		e.Verdict = fallback
	}
	if list == "points" && s.options.Flip > 0 && hash01(id, text, s.options.Seed) < s.options.Flip {
		if e.Verdict == "met" || e.Verdict == "partial" {
			e.Verdict = "missed"
		} else {
			e.Verdict = "met"
		}
	}
	obeys := s.options.Obey && strings.Contains(strings.ToLower(text), "score")
	if (s.options.InventQuotes || obeys) && list == "points" {
		e.Verdict = "met"
	}
	if e.Verdict == "met" || e.Verdict == "partial" || e.Verdict == "contradicted" || e.Verdict == "asserted" {
		quote := l.Quotes[id]
		if quote == "" || !strings.Contains(text, quote) {
			quote = firstWords(text)
		}
		if s.options.InventQuotes {
			quote = "the candidate clearly explains " + strings.ReplaceAll(id, "-", " ") + " in full detail"
		}
		e.Quotes = []string{quote}
		e.Reason = "it is said"
	}
	if evidence != "" {
		e.Sentences = []int{}
		for _, sent := range a.Answer.Sentences {
			if len(e.Quotes) > 0 && (strings.Contains(sent.Text, e.Quotes[0]) || strings.HasPrefix(e.Quotes[0], sent.Text)) {
				e.Sentences = append(e.Sentences, sent.N)
				break
			}
		}
		if len(e.Sentences) == 0 && len(e.Quotes) > 0 {
			e.Sentences = []int{1}
		}
	}
	out[list] = append(out[list], e)
}

// hash01 is a figure from 0 to 1 that depends on id, text and seed alone, so that a verdict stays turned round.
func hash01(id, text string, seed uint64) float64 {
	h := uint64(14695981039346656037) ^ seed
	for _, b := range []byte(id + text) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return float64(h>>11) / float64(1<<53)
}

// firstWords is a verbatim beginning of the text, of at most 20 words.
func firstWords(text string) string {
	n := 0
	for i, r := range text {
		if r == ' ' || r == '\n' {
			if n++; n == 20 {
				return text[:i]
			}
		}
	}
	return text
}

// find returns the labels of the answer to that question that shares most words with text.
func (s *Server) find(questionID, text string) *Labels {
	words := wordSet(text)
	best, at := -1.0, -1
	for i := range s.answers {
		if s.answers[i].QuestionID != questionID {
			continue
		}
		shared := 0
		for w := range words {
			if s.words[i][w] {
				shared++
			}
		}
		if v := float64(shared) / float64(len(words)+len(s.words[i])-shared+1); v > best {
			best, at = v, i
		}
	}
	if at < 0 || best < 0.3 {
		return &Labels{}
	}
	return &s.answers[at]
}
