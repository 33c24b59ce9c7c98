package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/transcript"
)

// The forms of a reply, the richest first. An endpoint that refuses one is not asked for it again.
const (
	formTimed   = iota // verbose JSON with word and segment times
	formVerbose        // verbose JSON as the endpoint likes it
	formText           // JSON with a text and nothing else
)

// listen sends a clip once and reads the reply. Times that cannot be right are left out.
func (c *Client) listen(ctx context.Context, cl clip, prompt string, r *Result) (*transcript.Transcript, error) {
	res, err := c.recognise(ctx, cl, prompt)
	if err != nil {
		return nil, err
	}
	r.Calls++
	var segments []transcript.Segment
	for _, s := range res.Segments {
		segments = append(segments, transcript.Segment{Text: strings.TrimSpace(s.Text), Times: between(s.Start, s.End),
			Quality: &transcript.Quality{AvgLogprob: s.AvgLogprob, CompressionRatio: s.CompressionRatio, NoSpeechProb: s.NoSpeechProb}})
	}
	var words []transcript.Word
	for _, w := range res.Words {
		if word := strings.TrimSpace(w.Word); word != "" {
			words = append(words, transcript.Word{Text: word, Times: between(w.Start, w.End)})
		}
	}
	t, err := transcript.New(res.Text, segments, words)
	if err != nil {
		r.note("the recogniser's times are left out: %v", err)
		if t, err = transcript.New(res.Text, nil, nil); err != nil {
			return nil, err
		}
	}
	t.Language, t.DurationMS, t.Format = res.Language, transcript.Millis(res.Duration), transcript.Whisper
	return t, nil
}

func between(start, end float64) transcript.Times {
	return transcript.Times{StartMS: transcript.Millis(start), EndMS: transcript.Millis(end), Known: true}
}

// recognise makes one call, in a poorer form where the endpoint refuses the richer one.
func (c *Client) recognise(ctx context.Context, cl clip, prompt string) (openai.AudioResponse, error) {
	for {
		form := c.form.Load()
		res, err := c.try(ctx, func(ctx context.Context) (openai.AudioResponse, error) { return c.call(ctx, cl, prompt, form) })
		if err == nil {
			return res, nil
		}
		e := failure(ctx, err, c.cfg)
		if e.Kind != llm.BadRequest || form >= formText || !aboutForm(e.Message) {
			return res, e
		}
		c.form.CompareAndSwap(form, form+1)
	}
}

func aboutForm(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "response_format") || strings.Contains(m, "timestamp_granularities") || strings.Contains(m, "verbose_json")
}

func (c *Client) call(ctx context.Context, cl clip, prompt string, form int32) (openai.AudioResponse, error) {
	data, kind := cl.file()
	req := openai.AudioRequest{Model: c.cfg.Model, FilePath: "answer." + string(kind), Reader: bytes.NewReader(data),
		Prompt: prompt, Language: c.cfg.Language, Format: openai.AudioResponseFormatVerboseJSON}
	switch form {
	case formTimed:
		req.TimestampGranularities = []openai.TranscriptionTimestampGranularity{openai.TranscriptionTimestampGranularityWord, openai.TranscriptionTimestampGranularitySegment}
	case formText:
		req.Format = openai.AudioResponseFormatJSON
	}
	return c.api.CreateTranscription(ctx, req)
}

const (
	attempts     = 3
	firstWait    = time.Second
	longestAsked = 30 * time.Second // a Retry-After beyond it is a refusal
)

// try repeats a call that may succeed in a while.
func (c *Client) try(ctx context.Context, call func(context.Context) (openai.AudioResponse, error)) (openai.AudioResponse, error) {
	wait := firstWait
	for n := 1; ; n++ {
		seen := &exchange{}
		res, err := call(context.WithValue(ctx, exchangeKey{}, seen))
		if err == nil || n == attempts || !temporary(err) || seen.retryAfter > longestAsked {
			return res, err
		}
		timer := time.NewTimer(max(wait, seen.retryAfter))
		select {
		case <-ctx.Done():
			timer.Stop()
			return res, ctx.Err()
		case <-timer.C:
		}
		wait *= 2
	}
}

func status(err error) int {
	if api, ok := errors.AsType[*openai.APIError](err); ok {
		return api.HTTPStatusCode
	}
	if req, ok := errors.AsType[*openai.RequestError](err); ok {
		return req.HTTPStatusCode
	}
	return 0
}

func temporary(err error) bool {
	if own, ok := errors.AsType[*llm.Error](err); ok {
		return own.Kind == llm.Unavailable
	}
	s := status(err)
	return s == http.StatusTooManyRequests || s >= 500
}

// failure says what went wrong, and what to do where something can be done.
func failure(ctx context.Context, err error, cfg Config) *llm.Error {
	if own, ok := errors.AsType[*llm.Error](err); ok {
		return own
	}
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &llm.Error{Kind: llm.Timeout, Message: "the recogniser did not answer within the time allowed: raise --speech-timeout", Err: ctx.Err()}
		}
		return &llm.Error{Kind: llm.Canceled, Message: "canceled", Err: ctx.Err()}
	}
	e := &llm.Error{Status: status(err)}
	said := ""
	if api, ok := errors.AsType[*openai.APIError](err); ok {
		said = oneLine(api.Message)
	} else if req, ok := errors.AsType[*openai.RequestError](err); ok {
		said = oneLine(string(req.Body))
	}
	say := func(kind llm.Kind, what string) *llm.Error {
		e.Kind, e.Message = kind, fmt.Sprintf("%s (HTTP %d)", what, e.Status)
		if said != "" {
			e.Message += ": " + said
		}
		return e
	}
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		said = "" // providers quote parts of the key
		return say(llm.Auth, "the recogniser refused the key: set GRADER_SPEECH_API_KEY")
	case e.Status == http.StatusNotFound && strings.Contains(strings.ToLower(said), "model"):
		return say(llm.UnknownModel, "the recogniser does not have the model "+cfg.Model+": check --speech-model")
	case e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed:
		return say(llm.BadURL, "there is no /audio/transcriptions at this URL: most end in /v1")
	case e.Status == http.StatusRequestEntityTooLarge:
		return say(llm.BadRequest, "the recogniser takes no file of this size")
	case e.Status == http.StatusTooManyRequests:
		return say(llm.RateLimited, "the recogniser limits the rate: try again later")
	case e.Status >= 500:
		return say(llm.Unavailable, "the recogniser failed")
	case e.Status >= 400:
		return say(llm.BadRequest, "the recogniser refused the recording")
	}
	return &llm.Error{Kind: llm.BadReply, Message: "the recogniser's reply is not the JSON of a transcription", Err: err}
}

func oneLine(s string) string {
	const most = 200
	r := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
