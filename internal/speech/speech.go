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
	// MaxPart is the longest sound that goes into one call, 10 min: some endpoints refuse more than 25, and a loop does not
	// outlast its part. Where only ffmpeg could cut and is not there, longer ones are sent whole.
	MaxPart time.Duration
	// MaxDuration of a recording, 4 h.
	MaxDuration time.Duration
	// FFmpeg is the program that converts m4a, mp4 and webm, and reads what else is to be cut; "ffmpeg" in the PATH.
	FFmpeg string
	// HTTPClient replaces the built-in one, which bounds everything but the time for a reply: the context does.
	HTTPClient *http.Client
}

const (
	// MaxBytes is the largest recording that is read into memory.
	MaxBytes         = 512 << 20
	defaultUpload    = 25 * 1000 * 1000
	defaultDuration  = 4 * time.Hour
	defaultPart      = 10 * time.Minute
	shortestDuration = 100 * time.Millisecond // endpoints refuse less
)

// Client transcribes with one recogniser. It is safe for concurrent use.
type Client struct {
	cfg  Config
	api  *openai.Client
	form atomic.Int32 // the richest form of reply that the endpoint gives
}

// New returns a client. It makes no call.
func New(cfg Config) *Client {
	cfg.MaxUpload = cmp.Or(cfg.MaxUpload, defaultUpload)
	cfg.MaxDuration = cmp.Or(cfg.MaxDuration, defaultDuration)
	cfg.MaxPart = cmp.Or(cfg.MaxPart, defaultPart)
	cfg.FFmpeg = cmp.Or(cfg.FFmpeg, "ffmpeg")
	conf := openai.DefaultConfig(cfg.APIKey)
	conf.BaseURL = cfg.URL
	conf.HTTPClient = newDoer(cfg.HTTPClient, cfg.APIKey)
	return &Client{cfg: cfg, api: openai.NewClientWithConfig(conf)}
}

// Result is a transcript, and how far it can be trusted.
type Result struct {
	// Transcript has an empty text when nobody speaks. Where each channel has a speaker of its own its segments and words
	// name them, "Left" and "Right" or "Channel 1" and so on, and its text has a line for each turn.
	Transcript *transcript.Transcript
	// Doubts are the stretches that are probably wrong and that a second pass did not settle, by time.
	Doubts []Doubt
	// Notes say in words what was noticed and repaired, a line each. They hold nothing of the vocabulary, which can give
	// an answer away, and nothing of the endpoint.
	Notes []string
	// Calls to the recogniser that were answered.
	Calls int
}

// Doubtful reports whether a reader should not trust the transcript as it is.
func (r *Result) Doubtful() bool { return len(r.Doubts) > 0 || Unsure(r.Transcript) }

// Transcribe writes a recording down. The vocabulary (see Vocabulary) helps with names; what the pass with it leaves in
// doubt is taken again without, and the better of the two is kept. Errors wrap one of this package's when the
// recording is at fault, and are *llm.Error when the recogniser is.
func (c *Client) Transcribe(ctx context.Context, audio []byte, vocabulary string) (*Result, error) {
	r := &Result{}
	tracks, err := c.prepare(ctx, audio, r)
	if err != nil {
		return nil, err
	}
	said := make([]*transcript.Transcript, len(tracks))
	for i, t := range tracks {
		if said[i], err = c.track(ctx, t, vocabulary, r); err != nil {
			return nil, err
		}
	}
	switch len(said) {
	case 0:
		r.Transcript = &transcript.Transcript{Format: transcript.Whisper}
	case 1:
		r.Transcript = said[0]
	default:
		if r.Transcript, err = conversation(tracks, said); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(r.Doubts, func(a, b Doubt) int { return a.StartMS - b.StartMS })
	for _, d := range r.Doubts {
		r.note("%s: speech may be missing or wrong there, listen to it", d)
	}
	switch {
	case r.Transcript.Text == "" || len(r.Transcript.Words) > 0:
	case untimed(r.Transcript):
		r.note("the recogniser gives no times of words: lost speech cannot be noticed, and quotes have no seconds")
	default:
		r.note("the recogniser gives no times of words: quotes have those of whole segments")
	}
	if Unsure(r.Transcript) {
		r.note("the recogniser trusts its own words little: listen to the recording before you rely on them")
	}
	r.Transcript.Doubtful = r.Doubtful()
	return r, nil
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// track takes the clips of one speaker, in the time of the recording.
func (c *Client) track(ctx context.Context, t track, vocabulary string, r *Result) (*transcript.Transcript, error) {
	parts := make([]*transcript.Transcript, 0, len(t.clips))
	for _, cl := range t.clips {
		part, err := c.part(ctx, cl, vocabulary, r)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return concat(parts), nil
}

// part takes one clip, if need be twice.
func (c *Client) part(ctx context.Context, cl clip, vocabulary string, r *Result) (*transcript.Transcript, error) {
	t, err := c.listen(ctx, cl, vocabulary, r)
	if err != nil {
		return nil, err
	}
	if len(cl.stretches) > 1 && untimed(t) {
		return c.oneByOne(ctx, cl, vocabulary, r)
	}
	if onlyNames(t.Text, vocabulary) { // recognisers say the prompt again where they hear no voice
		r.note("the recogniser said its vocabulary again: left out")
		t = &transcript.Transcript{DurationMS: t.DurationMS, Format: t.Format}
	}
	t, doubts, err := c.repair(ctx, cl, t, vocabulary != "", r)
	if err != nil {
		return nil, err
	}
	for _, d := range doubts {
		r.Doubts = append(r.Doubts, cl.doubtInRecording(d))
	}
	if t, err = c.withoutInvented(ctx, cl, t, vocabulary, r); err != nil {
		return nil, err
	}
	return cl.inRecording(t), nil
}

// untimed reports whether nothing in the transcript says when it was said.
func untimed(t *transcript.Transcript) bool {
	return t.Text != "" && !t.TimesAt(0, len(t.Text)).Known
}

// oneByOne takes each stretch in a call of its own, so that something is known of its time.
func (c *Client) oneByOne(ctx context.Context, cl clip, vocabulary string, r *Result) (*transcript.Transcript, error) {
	var parts []*transcript.Transcript
	for _, s := range cl.stretches {
		one := cl
		one.stretches = []stretch{s}
		part, err := c.part(ctx, one, vocabulary, r)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return concat(parts), nil
}

// withoutInvented takes the segments out in which nobody speaks: what the recogniser doubts itself, and the vocabulary
// that it says again where it hears no voice. Where there is sound it may be wrong about that, and a doubt remains.
func (c *Client) withoutInvented(ctx context.Context, cl clip, t *transcript.Transcript, vocabulary string, r *Result) (*transcript.Transcript, error) {
	var kept, dropped []transcript.Segment
	for _, s := range t.Segments {
		if invented(&s) || echo(&s, vocabulary) {
			dropped = append(dropped, s)
			at := cl.doubtInRecording(Doubt{Invented, s.StartMS, s.EndMS})
			r.note("what the recogniser wrote at %s is left out: nobody speaks there", transcript.Clock(at.StartMS))
		} else {
			kept = append(kept, s)
		}
	}
	if len(dropped) == 0 {
		return t, nil
	}
	_, steps := c.heardSound(ctx, cl, t.TimesAt(0, len(t.Text)).EndMS)
	for _, s := range dropped {
		if d := (Doubt{Invented, s.StartMS, s.EndMS}); s.Known && sounds(d, steps) {
			r.Doubts = append(r.Doubts, cl.doubtInRecording(d))
		}
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
