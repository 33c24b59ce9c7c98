package wire

import (
	"strings"
	"unicode/utf8"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
)

// Answer converts an answer that was given as text or as a transcript. A transcript without a text is its words, or else
// its segments, joined by single spaces; it counts as spoken unless the answer says otherwise. The answer has no text
// where it was given as audio.
func Answer(a *graderv1.Answer) grade.Answer {
	out := grade.Answer{Text: a.GetText(), Modality: grade.Typed}
	if t := a.GetTranscript(); t != nil {
		out.Text, out.Modality = transcriptText(t), grade.Spoken
	}
	switch a.GetModality() {
	case graderv1.Answer_TYPED:
		out.Modality = grade.Typed
	case graderv1.Answer_SPOKEN:
		out.Modality = grade.Spoken
	default:
	}
	return out
}

func transcriptText(t *graderv1.Transcript) string {
	if t.Text != "" {
		return t.Text
	}
	var parts []string
	for _, w := range t.Words {
		parts = append(parts, w.Text)
	}
	if len(parts) == 0 {
		for _, s := range t.Segments {
			parts = append(parts, s.Text)
		}
	}
	return strings.Join(parts, " ")
}

// WithTranscript adds the transcript that an answer was given as to its critique, with its text filled in, and the times
// of the words that the evidence quotes.
func WithTranscript(c *graderv1.Critique, t *graderv1.Transcript) *graderv1.Critique {
	if t == nil {
		return c
	}
	c.Transcript = &graderv1.Transcript{Text: transcriptText(t), Words: t.Words, Segments: t.Segments, Language: t.Language}
	spoken := placeWords(c.Transcript)
	for _, p := range c.Points {
		timeEvidence(p.Evidence, spoken)
	}
	for _, m := range c.Misconceptions {
		timeEvidence(m.Evidence, spoken)
	}
	for _, h := range c.Habits {
		timeEvidence(h.Evidence, spoken)
	}
	return c
}

// placedWord is a word with its place in the text, in code points.
type placedWord struct {
	start, end int
	word       *graderv1.Word
}

// placeWords finds each word in the text, from left to right; words that are not there have no place.
func placeWords(t *graderv1.Transcript) []placedWord {
	var out []placedWord
	rest, at := t.Text, 0
	for _, w := range t.Words {
		i := strings.Index(rest, w.Text)
		if i < 0 || w.Text == "" {
			continue
		}
		start := at + utf8.RuneCountInString(rest[:i])
		end := start + utf8.RuneCountInString(w.Text)
		out = append(out, placedWord{start, end, w})
		rest, at = rest[i+len(w.Text):], end
	}
	return out
}

func timeEvidence(found []*graderv1.Evidence, spoken []placedWord) {
	for _, e := range found {
		for _, w := range spoken {
			if w.end <= int(e.Start) || w.start >= int(e.End) {
				continue
			}
			if e.StartMs == nil {
				e.StartMs = w.word.StartMs
			}
			if w.word.EndMs != nil {
				e.EndMs = w.word.EndMs
			}
		}
	}
}
