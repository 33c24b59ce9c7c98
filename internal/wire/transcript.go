package wire

import (
	"math"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
)

// Transcript converts a transcript. The confidence of a segment is the recogniser's mean probability of its tokens where
// it gives no other.
func Transcript(t *transcript.Transcript) *graderv1.Transcript {
	out := &graderv1.Transcript{Text: t.Text, Language: optional(transcript.LanguageTag(t.Language))}
	if t.Doubtful {
		out.Doubtful = &t.Doubtful
	}
	for i := range t.Words {
		w := &t.Words[i]
		start, end := milliseconds(w.Times)
		out.Words = append(out.Words, &graderv1.Word{Text: w.Text, StartMs: start, EndMs: end, Confidence: w.Confidence, Speaker: optional(w.Speaker)})
	}
	for i := range t.Segments {
		s := &t.Segments[i]
		start, end := milliseconds(s.Times)
		confidence := s.Confidence
		if confidence == nil && s.Quality != nil {
			p := math.Exp(min(s.Quality.AvgLogprob, 0))
			confidence = &p
		}
		out.Segments = append(out.Segments, &graderv1.Segment{Text: s.Text, StartMs: start, EndMs: end, Confidence: confidence, Speaker: optional(s.Speaker)})
	}
	return out
}

// Transcribed converts what a recogniser heard, with what it says against it.
func Transcribed(r *speech.Result) *graderv1.TranscribeResponse {
	out := &graderv1.TranscribeResponse{Transcript: Transcript(r.Transcript), Notes: r.Notes}
	for _, d := range r.Doubts {
		out.Doubts = append(out.Doubts, &graderv1.Doubt{Kind: enum[graderv1.Doubt_Kind](graderv1.Doubt_Kind_value, d.Kind), StartMs: int32(d.StartMS), EndMs: int32(d.EndMS)})
	}
	return out
}

func milliseconds(t transcript.Times) (start, end *int32) {
	if !t.Known {
		return nil, nil
	}
	s, e := int32(t.StartMS), int32(max(t.EndMS, t.StartMS))
	return &s, &e
}

func delivery(d *transcript.Delivery) *graderv1.Delivery {
	out := &graderv1.Delivery{DurationMs: int32(d.DurationMS), WordCount: int32(d.WordCount), WordsPerMinute: d.WordsPerMinute,
		FillersPerMinute: d.FillersPerMinute, LongestPauseMs: int32(d.LongestPauseMS), LengthRatio: d.LengthRatio}
	for _, f := range d.Fillers {
		out.Fillers = append(out.Fillers, &graderv1.Filler{Text: f.Text, Count: int32(f.Count)})
	}
	return out
}

// spoken adds what Hear knows.
func spoken(out *graderv1.Critique, c *grade.Critique) {
	if c.Transcript != nil {
		out.Transcript = Transcript(c.Transcript)
	}
	if c.Delivery != nil {
		out.Delivery = delivery(c.Delivery)
	}
}

func int32p(v *int) *int32 {
	if v == nil {
		return nil
	}
	n := int32(*v)
	return &n
}
