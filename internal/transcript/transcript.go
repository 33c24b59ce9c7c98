// Package transcript reads speech as text from whatever wrote it down: recognisers' JSON, subtitles, labelled text. It
// keeps speakers, times and confidences together with their place in one text, so that evidence found in the text can
// be played back. It hears nothing itself and knows nothing of grading. The main entry is Parse.
package transcript

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Errors of this package; each comes wrapped with what to do.
var (
	// ErrFormat means that the data is no transcript of a known format.
	ErrFormat = errors.New("not a transcript")
	// ErrEmpty means that nobody says anything in it.
	ErrEmpty = errors.New("the transcript holds no words")
	// ErrTimes means that its times cannot be right.
	ErrTimes = errors.New("the times cannot be right")
	// ErrNoCandidate means that the candidate's words cannot be told from the others', or that there are none.
	ErrNoCandidate = errors.New("no candidate in the transcript")
)

// Format is the kind of file that a transcript was read from.
type Format string

// The formats.
const (
	WebVTT     Format = "WebVTT"
	SRT        Format = "SRT"
	Plain      Format = "plain text"
	Whisper    Format = "Whisper JSON"
	Deepgram   Format = "Deepgram JSON"
	AssemblyAI Format = "AssemblyAI JSON"
	AWS        Format = "AWS Transcribe JSON"
	Own        Format = "grader JSON"
)

// Times is a stretch of the recording in milliseconds from its beginning. Known is false where the source has none.
type Times struct {
	StartMS, EndMS int
	Known          bool
}

// Word is a recognised word. Start and End are its place in Transcript.Text in bytes, half-open; equal where the text
// does not have it.
type Word struct {
	Text string
	Times
	Confidence *float64 // 0 to 1; nil where unknown
	Speaker    string   // empty where unknown
	Start, End int
}

// Segment is a phrase, a cue or a turn of one speaker, with its place as in Word.
type Segment struct {
	Text string
	Times
	Confidence *float64
	Speaker    string
	Quality    *Quality // nil where the source does not say
	Start, End int
}

// Quality is what Whisper tells about its own trust in a segment.
type Quality struct {
	AvgLogprob       float64 // mean log probability of its tokens
	CompressionRatio float64 // of its text; repetitions compress well
	NoSpeechProb     float64 // 0 to 1: nobody spoke
}

// Transcript is speech as text. Words and Segments are in spoken order.
type Transcript struct {
	Text       string
	Words      []Word
	Segments   []Segment
	Language   string // as the source names it; empty where unknown
	DurationMS int    // of the recording; 0 where unknown
	Format     Format
	// Doubtful means that whoever wrote it down has doubts: speech lost, repeated, invented or misheard.
	Doubtful bool
}

const (
	dayMS = 24 * 60 * 60 * 1000
	// jitterMS is how much recognisers' times may run backwards or overlap before they count as wrong.
	jitterMS = 1000
)

// New puts a transcript together: it gives every word and segment its place in text, which may be empty when there are
// segments or words to make it of, and with the error where times cannot be right. A text without words is no error here.
func New(text string, segments []Segment, words []Word) (*Transcript, error) {
	t := &Transcript{Text: strings.TrimSpace(text), Segments: segments, Words: words}
	if t.Text == "" {
		t.compose()
	}
	t.place()
	return t, t.check()
}

// compose makes the text of the segments, or of the words. A new speaker begins on a new line.
func (t *Transcript) compose() {
	var b strings.Builder
	last := ""
	add := func(text, speaker string) {
		if text = strings.TrimSpace(text); text == "" {
			return
		}
		switch {
		case b.Len() == 0:
		case speaker != last:
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(text)
		last = speaker
	}
	for i := range t.Segments {
		add(t.Segments[i].Text, t.Segments[i].Speaker)
	}
	if b.Len() == 0 {
		for i := range t.Words {
			add(t.Words[i].Text, t.Words[i].Speaker)
		}
	}
	t.Text = b.String()
}

// check refuses times that end before they begin, run backwards, overlap within one speaker, or pass a day.
func (t *Transcript) check() error {
	type entry struct {
		what, text, speaker string
		n                   int
		*Times
	}
	last := map[string]Times{} // by kind and speaker: people do talk over one another
	order := map[string]int{}  // by kind, for words by speaker too
	verify := func(e entry) error {
		key, line := e.what+"\x00"+e.speaker, e.what
		if e.what == "word" { // the words of a turn stand together, also where others talk into it
			line = key
		}
		switch {
		case !e.Known:
			return nil
		case e.StartMS < 0 || e.StartMS > dayMS || e.EndMS > dayMS:
			return fmt.Errorf("%w: %s %d (%q) is not within a day; times are seconds or milliseconds from the beginning of the recording", ErrTimes, e.what, e.n, clip(e.text))
		case e.EndMS < e.StartMS-jitterMS:
			return fmt.Errorf("%w: %s %d (%q) ends at %s, before it begins at %s; correct its times, or give the text alone", ErrTimes, e.what, e.n, clip(e.text), Clock(e.EndMS), Clock(e.StartMS))
		case e.StartMS < order[line]-jitterMS:
			return fmt.Errorf("%w: %s %d (%q) begins at %s, before the one above it at %s; put them in the order of time", ErrTimes, e.what, e.n, clip(e.text), Clock(e.StartMS), Clock(order[line]))
		case e.StartMS < last[key].EndMS-jitterMS:
			return fmt.Errorf("%w: %s %d (%q) begins at %s while the one before it lasts to %s; correct the times, or name the speakers if two people talk at once", ErrTimes, e.what, e.n, clip(e.text), Clock(e.StartMS), Clock(last[key].EndMS))
		default:
			e.EndMS = max(e.EndMS, e.StartMS)
			last[key], order[line] = *e.Times, max(order[line], e.StartMS)
			return nil
		}
	}
	for i := range t.Segments {
		s := &t.Segments[i]
		if err := verify(entry{"segment", s.Text, s.Speaker, i + 1, &s.Times}); err != nil {
			return err
		}
	}
	for i := range t.Words {
		w := &t.Words[i]
		if err := verify(entry{"word", w.Text, w.Speaker, i + 1, &w.Times}); err != nil {
			return err
		}
	}
	return nil
}

// TimesAt is when the text between two byte offsets was spoken: from the first to the last word in it, or else from the
// segments that it stands in. Known is false where neither has times.
func (t *Transcript) TimesAt(start, end int) Times {
	var at Times
	widen := func(from, to int, w Times) {
		if !w.Known || from == to || to <= start || from >= end {
			return
		}
		if !at.Known {
			at = w
		}
		at.EndMS = max(at.EndMS, w.EndMS)
	}
	for i := range t.Words {
		widen(t.Words[i].Start, t.Words[i].End, t.Words[i].Times)
	}
	if at.Known {
		return at
	}
	for i := range t.Segments {
		widen(t.Segments[i].Start, t.Segments[i].End, t.Segments[i].Times)
	}
	return at
}

// Timed reports whether every word has its time.
func (t *Transcript) Timed() bool {
	for i := range t.Words {
		if !t.Words[i].Known {
			return false
		}
	}
	return len(t.Words) > 0
}

// Clock writes milliseconds as m:ss, or h:mm:ss from an hour on.
func Clock(ms int) string {
	s := max(ms, 0) / 1000
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Millis turns seconds into milliseconds. What is out of any range becomes a time that New refuses.
func Millis(seconds float64) int {
	if math.IsNaN(seconds) || seconds < -1 || seconds > dayMS {
		return dayMS + 1
	}
	return int(math.Round(seconds * 1000))
}

// clip shortens text inside an error.
func clip(text string) string {
	const most = 40
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
