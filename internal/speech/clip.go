package speech

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/transcript"
)

// track is what one speaker says: the clips that go to the recogniser one after the other. speaker is empty where
// everybody is on it.
type track struct {
	speaker string
	clips   []clip
}

// clip is what goes to the recogniser in one call: the recording as it is, or stretches of its sound put together. Times
// inside a clip count from its own beginning.
type clip struct {
	data []byte // nil for stretches
	kind Kind

	sound     *wave
	channel   int // of the sound; all of them where negative
	stretches []stretch
}

// stretch is a part of a sound, in samples of a channel, half-open.
type stretch struct{ from, to int }

// file is the clip as the recogniser takes it.
func (cl *clip) file() ([]byte, Kind) {
	if cl.data != nil {
		return cl.data, cl.kind
	}
	return cl.sound.file(cl.channel, cl.stretches), WAV
}

// inRecording moves the times of t from the clip's to the recording's. What lies in several stretches is cut at their bounds.
func (cl *clip) inRecording(t *transcript.Transcript) *transcript.Transcript {
	if cl.data != nil {
		return t
	}
	var parts []*transcript.Transcript
	begin := 0
	for _, s := range cl.stretches {
		from, length := cl.sound.ms(s.from), cl.sound.ms(s.to-s.from)
		part := t
		if len(cl.stretches) > 1 {
			part = t.Between(begin, begin+length)
		}
		part = shifted(part, from-begin, from, from+length)
		if len(part.Segments) == 0 && part.Text != "" {
			part.Segments = []transcript.Segment{{Text: part.Text, Times: heardAt(part, transcript.Times{StartMS: from, EndMS: from + length, Known: true}), End: len(part.Text)}}
		}
		parts = append(parts, part)
		begin += length
	}
	out := *concat(parts)
	out.DurationMS = cl.sound.ms(cl.sound.length())
	return &out
}

// doubtInRecording does the same for a doubt.
func (cl *clip) doubtInRecording(d Doubt) Doubt {
	if cl.data != nil {
		return d
	}
	at := func(ms int) int {
		begin := 0
		for i, s := range cl.stretches {
			length := cl.sound.ms(s.to - s.from)
			if ms <= begin+length || i+1 == len(cl.stretches) {
				return cl.sound.ms(s.from) + min(ms-begin, length)
			}
			begin += length
		}
		return ms
	}
	return Doubt{d.Kind, at(d.StartMS), at(d.EndMS)}
}

// shifted returns a copy with all times moved by ms and kept between least and most: recognisers draw words out into
// silence. Words without a place in time keep none.
func shifted(t *transcript.Transcript, ms, least, most int) *transcript.Transcript {
	move := func(at *transcript.Times) {
		if at.Known {
			at.StartMS, at.EndMS = min(max(at.StartMS+ms, least), most), min(max(at.EndMS+ms, least), most)
		}
	}
	out := *t
	out.Words, out.Segments = slices.Clone(t.Words), slices.Clone(t.Segments)
	for i := range out.Words {
		move(&out.Words[i].Times)
	}
	for i := range out.Segments {
		move(&out.Segments[i].Times)
	}
	return &out
}

// heardAt is when the words of t are said, or else the time given.
func heardAt(t *transcript.Transcript, otherwise transcript.Times) transcript.Times {
	if at := t.TimesAt(0, len(t.Text)); at.Known {
		return at
	}
	return otherwise
}

// concat puts transcripts that follow one another together.
func concat(parts []*transcript.Transcript) *transcript.Transcript {
	if len(parts) == 1 {
		return parts[0]
	}
	out := &transcript.Transcript{}
	var text strings.Builder
	for _, p := range parts {
		if text.Len() > 0 && p.Text != "" {
			text.WriteByte(' ')
		}
		at := text.Len()
		text.WriteString(p.Text)
		for _, w := range p.Words {
			if w.Start < w.End {
				w.Start, w.End = w.Start+at, w.End+at
			}
			out.Words = append(out.Words, w)
		}
		for _, s := range p.Segments {
			if s.Start < s.End {
				s.Start, s.End = s.Start+at, s.End+at
			}
			out.Segments = append(out.Segments, s)
		}
		if out.Language == "" {
			out.Language = p.Language
		}
		out.Format = transcript.Whisper
		out.DurationMS = max(out.DurationMS, p.DurationMS)
	}
	out.Text = text.String()
	return out
}

// conversation puts what several speakers say together, in the order in which their turns begin.
func conversation(tracks []track, said []*transcript.Transcript) (*transcript.Transcript, error) {
	type turn struct {
		segment transcript.Segment
		words   []transcript.Word
	}
	var turns []turn
	for i, t := range said {
		next := 0
		for _, s := range t.Segments {
			u := turn{segment: s}
			u.segment.Speaker = tracks[i].speaker
			for ; next < len(t.Words) && (t.Words[next].Start < s.End || t.Words[next].Start == t.Words[next].End); next++ {
				w := t.Words[next]
				w.Speaker = tracks[i].speaker
				u.words = append(u.words, w)
			}
			turns = append(turns, u)
		}
		if rest := t.Words[next:]; len(rest) > 0 && len(turns) > 0 {
			last := &turns[len(turns)-1]
			for _, w := range rest {
				w.Speaker = tracks[i].speaker
				last.words = append(last.words, w)
			}
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return a.segment.StartMS - b.segment.StartMS })
	var segments []transcript.Segment
	var words []transcript.Word
	for _, u := range turns {
		segments, words = append(segments, u.segment), append(words, u.words...)
	}
	out, err := transcript.New("", segments, words)
	if err != nil {
		return nil, fmt.Errorf("put the speakers together: %w", err)
	}
	for _, t := range said {
		if out.Language == "" {
			out.Language = t.Language
		}
		out.DurationMS = max(out.DurationMS, t.DurationMS)
	}
	out.Format = transcript.Whisper
	return out, nil
}
