// Package speech turns recordings into transcripts through any OpenAI-compatible /audio/transcriptions. Recognisers fail
// without saying so: they skip speech, repeat themselves, invent words on silence. So what comes back is looked over,
// repaired where a second pass helps, and every doubt and repair is in the result. It keeps no audio and knows nothing
// of grading. The main entry is Client.Transcribe.
package speech

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/vivagrader/grader/internal/transcript"
)

// Config says which recogniser to ask, and what is too much. Zero values are the defaults.
type Config struct {
	URL    string // with its /v1; required
	Model  string // required
	APIKey string
	// Language of the speech as ISO 639-1; empty lets the recogniser find out.
	Language string
	// MaxUpload is the largest file that the endpoint takes, 25 MB; longer recordings are cut at silences.
	MaxUpload int
	// MaxDuration of a recording, 4 h.
	MaxDuration time.Duration
	// FFmpeg is the program that converts m4a, mp4 and webm; "ffmpeg" in the PATH.
	FFmpeg string
	// HTTPClient replaces the built-in one, which bounds everything but the time for a reply: the context does.
	HTTPClient *http.Client
}

const (
	// MaxBytes is the largest recording that is read into memory.
	MaxBytes         = 512 << 20
	defaultUpload    = 25 * 1000 * 1000
	defaultDuration  = 4 * time.Hour
	shortestDuration = 100 * time.Millisecond // endpoints refuse less
)

// Client transcribes with one recogniser. It is safe for concurrent use.
type Client struct {
	cfg    Config
	api    *openai.Client
	form   atomic.Int32 // the richest form of reply that the endpoint gives
	splits splitter
}

// New returns a client. It makes no call.
func New(cfg Config) *Client {
	cfg.MaxUpload = cmp.Or(cfg.MaxUpload, defaultUpload)
	cfg.MaxDuration = cmp.Or(cfg.MaxDuration, defaultDuration)
	cfg.FFmpeg = cmp.Or(cfg.FFmpeg, "ffmpeg")
	conf := openai.DefaultConfig(cfg.APIKey)
	conf.BaseURL = cfg.URL
	conf.HTTPClient = newDoer(cfg.HTTPClient, cfg.APIKey)
	return &Client{cfg: cfg, api: openai.NewClientWithConfig(conf), splits: splitter{max: cfg.MaxUpload}}
}

// Result is a transcript, and how far it can be trusted.
type Result struct {
	// Transcript has an empty text when nobody speaks.
	Transcript *transcript.Transcript
	// Doubts are the stretches that are probably wrong and that a second pass did not settle, by time.
	Doubts []Doubt
	// Notes say in words what was noticed and repaired, a line each.
	Notes []string
	// Calls to the recogniser that were answered.
	Calls int
}

// Doubtful reports whether a reader should not trust the transcript as it is.
func (r *Result) Doubtful() bool { return len(r.Doubts) > 0 || Unsure(r.Transcript) }

// Transcribe writes a recording down. The vocabulary (see Vocabulary) helps with names; where the pass with it leaves a
// doubt, the part is taken again without, and the better of the two is kept. Errors wrap one of this package's when the
// recording is at fault, and are *llm.Error when the recogniser is.
func (c *Client) Transcribe(ctx context.Context, audio []byte, vocabulary string) (*Result, error) {
	r := &Result{}
	clips, err := c.prepare(ctx, audio, r)
	if err != nil {
		return nil, err
	}
	parts := make([]*transcript.Transcript, len(clips))
	for i, cl := range clips {
		if parts[i], err = c.part(ctx, cl, vocabulary, r); err != nil {
			return nil, err
		}
	}
	if r.Transcript, err = join(parts); err != nil {
		return nil, err
	}
	for _, d := range r.Doubts {
		r.note("%s: speech may be missing or wrong there, listen to it", d)
	}
	if len(r.Transcript.Words) == 0 && r.Transcript.Text != "" {
		r.note("the recogniser gives no times of words: lost speech cannot be noticed")
	}
	return r, nil
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// part takes one clip, if need be twice.
func (c *Client) part(ctx context.Context, cl clip, vocabulary string, r *Result) (*transcript.Transcript, error) {
	t, err := c.listen(ctx, cl, vocabulary, r)
	if err != nil {
		return nil, err
	}
	doubts := serious(t)
	if vocabulary != "" && len(doubts) > 0 {
		if t, doubts, err = c.again(ctx, cl, t, doubts, r); err != nil {
			return nil, err
		}
	}
	r.Doubts = append(r.Doubts, doubts...)
	return r.withoutInvented(t)
}

// serious are the doubts that a second pass may settle. Invented text is dropped and needs none.
func serious(t *transcript.Transcript) []Doubt {
	return slices.DeleteFunc(Doubts(t), func(d Doubt) bool { return d.Kind == Invented })
}

// again takes a clip once more without the vocabulary and returns the better of both, with the doubts that remain. What
// both leave out is a pause: they fail at different places.
func (c *Client) again(ctx context.Context, cl clip, first *transcript.Transcript, before []Doubt, r *Result) (*transcript.Transcript, []Doubt, error) {
	second, err := c.listen(ctx, cl, "", r)
	switch {
	case ctx.Err() != nil:
		return nil, nil, err
	case err != nil:
		r.note("the pass without the vocabulary failed: %v", err)
		return first, before, nil
	}
	after := serious(second)
	for _, d := range before {
		if confirmed(d, after) {
			r.note("a pause from %s to %s: the pass without the vocabulary has it too", transcript.Clock(d.StartMS), transcript.Clock(d.EndMS))
		}
	}
	left := slices.DeleteFunc(slices.Clone(before), func(d Doubt) bool { return confirmed(d, after) })
	leftAfter := slices.DeleteFunc(slices.Clone(after), func(d Doubt) bool { return confirmed(d, before) })
	if extent(leftAfter) >= extent(left) {
		return first, left, nil
	}
	for _, d := range left {
		r.note("%s: taken again without the vocabulary, and that pass was kept", d)
	}
	return second, leftAfter, nil
}

// confirmed reports whether the other pass has a hole at the same place.
func confirmed(d Doubt, others []Doubt) bool {
	return d.Kind == Lost && slices.ContainsFunc(others, func(o Doubt) bool {
		both := min(d.EndMS, o.EndMS) - max(d.StartMS, o.StartMS)
		return o.Kind == Lost && 2*both >= max(d.length(), o.length())
	})
}

func extent(doubts []Doubt) int {
	sum := 0
	for _, d := range doubts {
		sum += d.length() + 1
	}
	return sum
}

// withoutInvented takes the segments out in which nobody speaks.
func (r *Result) withoutInvented(t *transcript.Transcript) (*transcript.Transcript, error) {
	var kept, dropped []transcript.Segment
	for _, s := range t.Segments {
		if invented(&s) {
			dropped = append(dropped, s)
			r.note("dropped %q at %s: nobody speaks there", s.Text, transcript.Clock(s.StartMS))
		} else {
			kept = append(kept, s)
		}
	}
	if len(dropped) == 0 {
		return t, nil
	}
	words := slices.DeleteFunc(slices.Clone(t.Words), func(w transcript.Word) bool {
		return len(kept) == 0 || slices.ContainsFunc(dropped, func(s transcript.Segment) bool { return within(w, s) })
	})
	out, err := transcript.New("", kept, words)
	if err != nil {
		return nil, err
	}
	out.Language, out.DurationMS, out.Format = t.Language, t.DurationMS, t.Format
	return out, nil
}

// within reports whether a word belongs to a segment: by its place in the text, or else by its time.
func within(w transcript.Word, s transcript.Segment) bool {
	if w.Start < w.End && s.Start < s.End {
		return w.Start >= s.Start && w.End <= s.End
	}
	return w.Known && s.Known && w.StartMS >= s.StartMS && w.EndMS <= s.EndMS
}

// join puts the parts of a recording together.
func join(parts []*transcript.Transcript) (*transcript.Transcript, error) {
	if len(parts) == 1 {
		return parts[0], nil
	}
	var texts []string
	var segments []transcript.Segment
	var words []transcript.Word
	for _, p := range parts {
		texts = append(texts, p.Text)
		segments, words = append(segments, p.Segments...), append(words, p.Words...)
	}
	t, err := transcript.New(strings.Join(texts, " "), segments, words)
	if err != nil {
		return nil, fmt.Errorf("put the parts together: %w", err)
	}
	last := parts[len(parts)-1]
	t.Language, t.DurationMS, t.Format = parts[0].Language, last.DurationMS, last.Format
	return t, nil
}
