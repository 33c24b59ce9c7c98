package judge

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
)

// Protocol names the form of messages and replies. It is a contract: see docs/judges.md.
const Protocol = "grader.judge/1"

var (
	//go:embed prompts/system.txt
	systemPrompt string
	//go:embed prompts/untrusted.txt
	untrustedLine string
	//go:embed prompts/sentences.txt
	sentencesPrompt string
	//go:embed prompts/reply.schema.json
	replySchema []byte
	//go:embed prompts/reply.sentences.schema.json
	sentencesSchema []byte
)

// Evidence is how a judge points at the answer.
type Evidence string

// The ways: verbatim quotes, or the numbers of sentences, which code cuts, for models that cannot quote.
const (
	Quotes    Evidence = "quotes"
	Sentences Evidence = "sentences"
)

// PromptHash identifies prompts, schema and protocol in receipts and cache keys.
func PromptHash(e Evidence) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%s", Protocol, e, system(e), untrustedLine, schema(e))
	return hex.EncodeToString(h.Sum(nil))
}

func system(e Evidence) string {
	if e == Sentences {
		return systemPrompt + sentencesPrompt
	}
	return systemPrompt
}

func schema(e Evidence) json.RawMessage {
	if e == Sentences {
		return sentencesSchema
	}
	return replySchema
}

type questionLine struct {
	Protocol       string              `json:"protocol"`
	Question       questionText        `json:"question"`
	Points         []pointText         `json:"points"`
	Misconceptions []misconceptionText `json:"misconceptions"`
	Habits         []habitText         `json:"habits"`
	Evidence       string              `json:"evidence,omitempty"`
}

type questionText struct {
	ID     string `json:"id"`
	Prompt string `json:"prompt"`
}

type pointText struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	Statement string   `json:"statement"`
	Accept    []string `json:"accept"`
}

type misconceptionText struct {
	ID        string `json:"id"`
	Statement string `json:"statement"`
}

type habitText struct {
	ID        string `json:"id"`
	Recognise string `json:"recognise"`
}

type answerLine struct {
	Answer answerText `json:"answer"`
	Nonce  string     `json:"nonce"`
}

type answerText struct {
	Modality  string         `json:"modality"`
	Text      string         `json:"text,omitempty"`
	Sentences []sentenceText `json:"sentences,omitempty"`
}

type sentenceText struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

type reaskLine struct {
	Protocol string   `json:"protocol"`
	Reask    []string `json:"reask"`
	Problem  string   `json:"problem"`
}

// line writes one complete JSON object without HTML escaping and without a line break.
func line(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // plain structs of strings
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// messages builds the conversation: the question first and identical for every answer, so that providers' prefix caches
// work; then the answer between two copies of a nonce that it cannot guess.
func (j *Judge) messages(req Request) []llm.Message {
	q := questionLine{Protocol: Protocol, Question: questionText{req.Question.ID, req.Question.Prompt},
		Points: []pointText{}, Misconceptions: []misconceptionText{}, Habits: []habitText{}}
	for i := range req.Question.Points {
		p := &req.Question.Points[i]
		accept := p.Accept
		if accept == nil {
			accept = []string{}
		}
		q.Points = append(q.Points, pointText{p.ID, string(p.Kind), p.Statement, accept})
	}
	for i := range req.Question.Misconceptions {
		m := &req.Question.Misconceptions[i]
		q.Misconceptions = append(q.Misconceptions, misconceptionText{m.ID, m.Statement})
	}
	for _, h := range habits(req.Question) {
		q.Habits = append(q.Habits, habitText{h.ID, h.Recognise})
	}
	a := answerText{Modality: req.Modality}
	if j.evidence == Sentences {
		q.Evidence = string(Sentences)
		for n, s := range req.sentences() {
			a.Sentences = append(a.Sentences, sentenceText{n + 1, req.Text[s.Start:s.End]})
		}
	} else {
		a.Text = req.shown()
	}
	nonce := j.nonce(req)
	user := strings.Join([]string{line(q), strings.TrimSpace(fmt.Sprintf(untrustedLine, nonce)), line(answerLine{a, nonce}), nonce}, "\n")
	return []llm.Message{{Role: "system", Content: system(j.evidence)}, {Role: "user", Content: user}}
}

// nonce is unguessable for who writes answers, and the same for the same answer on this installation.
func (j *Judge) nonce(req Request) string {
	m := hmac.New(sha256.New, j.key)
	fmt.Fprintf(m, "%s\n%s", req.Question.Hash, req.Text)
	return hex.EncodeToString(m.Sum(nil)[:12])
}

// identity is everything that can change a reply, for the cache: not the nonce.
func (j *Judge) identity(req Request, reasks []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%d\n%q\n%q", PromptHash(j.evidence), req.Question.Hash, req.Question.ID, req.Modality, req.Sample, req.shown(), reasks)
	return hex.EncodeToString(h.Sum(nil))
}

// shown is the text as the judge sees it: without the spans that the gate removed and without hidden characters.
func (r *Request) shown() string {
	var b strings.Builder
	at := 0
	for _, s := range r.Removed {
		b.WriteString(r.Text[at:s.Start])
		at = s.End
	}
	b.WriteString(r.Text[at:])
	return strings.Map(func(c rune) rune {
		if canon.HiddenRune(c) {
			return -1
		}
		return c
	}, b.String())
}

// sentences are the spans of the sentences that the judge sees in sentence mode.
func (r *Request) sentences() []canon.Span {
	var out []canon.Span
	for _, s := range canon.Read(r.masked(), canon.NewLexicon(nil)).Sentences {
		out = append(out, s.Span)
	}
	return out
}

// masked is the text with the removed spans blanked, byte for byte.
func (r *Request) masked() string {
	if len(r.Removed) == 0 {
		return r.Text
	}
	b := []byte(r.Text)
	for _, s := range r.Removed {
		for i := s.Start; i < s.End; i++ {
			b[i] = '\n'
		}
	}
	return string(b)
}

func habits(q *rubric.Question) []*rubric.Habit {
	var out []*rubric.Habit
	for i := range q.Bank.Habits {
		if h := &q.Bank.Habits[i]; h.AppliesTo(q) {
			out = append(out, h)
		}
	}
	return out
}
