// Package judge asks a language model what an answer says of each point, and believes only what it can show: every quote
// is located in the answer. It builds prompts, reads replies strictly, asks again for what is missing or unproved, and
// decides nothing: reconciling with the keywords belongs to package grade. The main entry is Judge.Judge.
package judge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
)

// Completer sends one prompt to a model. Implementations are safe for concurrent use, honour ctx, and report failures
// of the endpoint as *llm.Error.
type Completer interface {
	Complete(ctx context.Context, req llm.Request) (llm.Response, error)
}

const (
	// maxReasks bounds the follow-up questions for one answer.
	maxReasks = 3
	// maxReplyTokens bounds one reply: about 60 tokens for an id with two quotes and a reason, and room for thinking.
	maxReplyTokens = 4096
	// maxQuotes is the number of quotes that are used for one id.
	maxQuotes = 2
)

// Judge asks one model. It is safe for concurrent use.
type Judge struct {
	completer Completer
	key       []byte
	evidence  Evidence
}

// New returns a judge. key is random for each installation and makes the nonces; evidence defaults to Quotes.
func New(c Completer, key []byte, e Evidence) *Judge {
	if e == "" {
		e = Quotes
	}
	return &Judge{completer: c, key: key, evidence: e}
}

// Evidence is how the judge is asked to point at the answer.
func (j *Judge) Evidence() Evidence { return j.evidence }

// Request is one answer to be judged. Text is the submitted text, Removed the spans that the gate took out, sorted.
type Request struct {
	Question *rubric.Question
	Modality string // TYPED or SPOKEN
	Text     string
	Removed  []canon.Span
	Sample   int // tells repeated judgements of one answer apart
}

// Verdict is what the model says of a point, a misconception or a habit.
type Verdict struct {
	ID      string
	Verdict string // as on the menu of the protocol; empty when the model never gave a valid one
	Reason  string
	Quotes  []canon.Span // located in the original text
	// Unverified: the verdict credits or charges, and none of its quotes is in the answer. It must not be believed.
	Unverified bool
}

// Result is all verdicts of one answer, in the order of the question.
type Result struct {
	Points         []Verdict
	Misconceptions []Verdict
	Habits         []Verdict
	Model          string // as the endpoint reports it
	Spent, Saved   llm.Usage
	Cached         bool          // every reply came from the cache
	Invented       int           // ids that nobody asked for
	Elapsed        time.Duration // filled in by callers that keep time
}

// Judge asks for all verdicts at once, then at most three times for what is missing, off the menu or without a quote
// that stands in the answer. The error is that of the first call; a re-ask that fails leaves the verdict as it is.
func (j *Judge) Judge(ctx context.Context, req Request) (Result, error) {
	c := &conversation{judge: j, req: req, locator: newLocator(req.masked()), messages: j.messages(req)}
	c.prepare()
	if err := c.ask(ctx); err != nil {
		return c.result, err
	}
	for range maxReasks {
		problem, ids := c.problem()
		if len(ids) == 0 {
			break
		}
		again := line(reaskLine{Protocol, ids, problem})
		c.messages = append(c.messages, llm.Message{Role: "assistant", Content: c.last}, llm.Message{Role: "user", Content: again})
		c.reasks = append(c.reasks, c.last, again)
		c.asked = ids
		if err := c.ask(ctx); err != nil {
			break
		}
	}
	c.finish()
	return c.result, nil
}

// Prompt is what Judge sends first for an answer.
func (j *Judge) Prompt(req Request) llm.Request { return j.request(req, j.messages(req), nil) }

func (j *Judge) request(req Request, messages []llm.Message, reasks []string) llm.Request {
	return llm.Request{
		Messages: messages, SchemaName: "grader_judge_1", Schema: schema(j.evidence), MaxTokens: maxReplyTokens,
		Key:   j.identity(req, reasks),
		Valid: func(content string) error { _, err := parseReply(content); return err },
	}
}

// conversation is the state of judging one answer.
type conversation struct {
	judge    *Judge
	req      Request
	locator  *locator
	messages []llm.Message
	reasks   []string // replies and re-asks so far
	last     string   // the last reply
	asked    []string // ids of the last re-ask; nil for the first call
	quoted   []string // ids that were asked again for their quote
	slots    map[string]*slot
	order    []string
	result   Result
}

// slot is one id that a verdict is needed for.
type slot struct {
	kind    slotKind
	verdict Verdict
	state   string // "", or the problem: missing, verdict, quote
}

type slotKind uint8

const (
	pointSlot slotKind = iota
	misconceptionSlot
	habitSlot
)

var menus = [...][]string{
	pointSlot:         {"met", "partial", "missed", "contradicted", "unknown"},
	misconceptionSlot: {"asserted", "rejected", "absent", "unknown"},
	habitSlot:         {"present", "absent", "unknown"},
}

// The problems that a verdict is asked again for.
const (
	problemMissing = "missing"
	problemVerdict = "verdict"
	problemQuote   = "quote"
)

func (c *conversation) prepare() {
	c.slots = map[string]*slot{}
	add := func(kind slotKind, id string) {
		key := slotKey(kind, id)
		c.slots[key] = &slot{kind: kind, verdict: Verdict{ID: id}, state: problemMissing}
		c.order = append(c.order, key)
	}
	for i := range c.req.Question.Points {
		add(pointSlot, c.req.Question.Points[i].ID)
	}
	for i := range c.req.Question.Misconceptions {
		add(misconceptionSlot, c.req.Question.Misconceptions[i].ID)
	}
	for _, h := range habits(c.req.Question) {
		add(habitSlot, h.ID)
	}
	c.result.Cached = true
}

func slotKey(k slotKind, id string) string { return fmt.Sprintf("%d/%s", k, id) }

// ask sends the conversation and takes in the reply.
func (c *conversation) ask(ctx context.Context) error {
	resp, err := c.judge.completer.Complete(ctx, c.judge.request(c.req, c.messages, c.reasks))
	c.result.Spent, c.result.Saved = c.result.Spent.Add(resp.Spent), c.result.Saved.Add(resp.Saved)
	if err != nil {
		return err
	}
	c.result.Model, c.result.Cached, c.last = resp.Model, c.result.Cached && resp.Cached, resp.Content
	r, err := parseReply(resp.Content)
	if err != nil {
		return &llm.Error{Kind: llm.BadReply, Message: err.Error(), Err: err}
	}
	c.take(pointSlot, r.Points)
	c.take(misconceptionSlot, r.Misconceptions)
	c.take(habitSlot, r.Habits)
	return nil
}

// take fills the slots that were asked for. Ids that nobody asked for are dropped and counted.
func (c *conversation) take(kind slotKind, list []entry) {
	seen := map[string]string{}
	for _, e := range list {
		s := c.slots[slotKey(kind, e.ID)]
		if s == nil {
			c.result.Invented++
			continue
		}
		if c.asked != nil && !slices.Contains(c.asked, e.ID) {
			continue
		}
		if first, double := seen[e.ID]; double {
			if first != e.Verdict { // twice, and not the same
				s.state, s.verdict.Verdict = problemVerdict, ""
			}
			continue
		}
		seen[e.ID] = e.Verdict
		c.fill(s, e)
	}
}

func (c *conversation) fill(s *slot, e entry) {
	if !slices.Contains(menus[s.kind], e.Verdict) {
		if s.state != "" {
			s.state = problemVerdict
		}
		return
	}
	s.verdict.Verdict, s.verdict.Reason, s.state = e.Verdict, e.Reason, ""
	s.verdict.Quotes, s.verdict.Unverified = c.locate(e), false
	if needsQuote(s.kind, e.Verdict) && len(s.verdict.Quotes) == 0 {
		s.state, s.verdict.Unverified = problemQuote, true
	}
}

// needsQuote: what credits or charges has to be shown.
func needsQuote(kind slotKind, verdict string) bool {
	switch kind {
	case pointSlot:
		return verdict == "met" || verdict == "partial" || verdict == "contradicted"
	case misconceptionSlot:
		return verdict == "asserted"
	default:
		return false
	}
}

func (c *conversation) locate(e entry) []canon.Span {
	var out []canon.Span
	if c.judge.evidence == Sentences {
		sentences := c.req.sentences()
		for _, n := range e.Sentences[:min(maxQuotes, len(e.Sentences))] {
			if n >= 1 && n <= len(sentences) {
				out = append(out, sentences[n-1])
			}
		}
		return out
	}
	for _, q := range e.Quotes[:min(maxQuotes, len(e.Quotes))] {
		if span, ok := c.locator.find(q); ok {
			out = append(out, span)
		}
	}
	return out
}

// problem picks what to ask again: first what is missing, then what is off the menu, then, once for each id, quotes that
// are not in the answer.
func (c *conversation) problem() (kind string, ids []string) {
	for _, kind = range []string{problemMissing, problemVerdict, problemQuote} {
		for _, key := range c.order {
			s := c.slots[key]
			if s.state != kind || kind == problemQuote && slices.Contains(c.quoted, key) {
				continue
			}
			if kind == problemQuote {
				c.quoted = append(c.quoted, key)
			}
			ids = append(ids, s.verdict.ID)
		}
		if len(ids) > 0 {
			return kind, ids
		}
	}
	return "", nil
}

const (
	// sameQuotePoints and sameQuoteSentences: in an answer of so many sentences, one and the same sentence for so many
	// points, and for more than half of them, shows nothing of any of them. A number costs a model nothing, unlike
	// words that it has to copy, so this is looked for in sentence mode only.
	sameQuotePoints    = 4
	sameQuoteSentences = 6
)

// distrustSameQuotes is for models that point at the same sentence whatever is asked: such verdicts are not believed.
// Measured on a 1.5B model: 5 of 10 answers, all points met with the first sentence for each.
func (c *conversation) distrustSameQuotes() {
	if c.judge.evidence != Sentences || len(c.locator.canon.Sentences) < sameQuoteSentences {
		return
	}
	points := len(c.req.Question.Points)
	uses := map[canon.Span]int{}
	for _, s := range c.slots {
		if s.kind == pointSlot && len(s.verdict.Quotes) > 0 {
			uses[s.verdict.Quotes[0]]++
		}
	}
	for _, s := range c.slots {
		if s.kind != pointSlot || len(s.verdict.Quotes) == 0 || !needsQuote(s.kind, s.verdict.Verdict) {
			continue
		}
		if n := uses[s.verdict.Quotes[0]]; n >= sameQuotePoints && 2*n > points {
			s.verdict.Unverified = true
		}
	}
}

func (c *conversation) finish() {
	c.distrustSameQuotes()
	for _, key := range c.order {
		s := c.slots[key]
		switch s.kind {
		case pointSlot:
			c.result.Points = append(c.result.Points, s.verdict)
		case misconceptionSlot:
			c.result.Misconceptions = append(c.result.Misconceptions, s.verdict)
		default:
			c.result.Habits = append(c.result.Habits, s.verdict)
		}
	}
}
