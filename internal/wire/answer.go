package wire

import (
	"strings"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/transcript"
)

// Answer converts an answer that was given as text or as a transcript, which comes back beside it. A transcript without a
// text is its words, or else its segments, joined by single spaces; it counts as spoken unless the answer says otherwise.
// The answer has no text where it was given as audio. The error is that of transcript.New: times that cannot be right.
func Answer(a *graderv1.Answer) (grade.Answer, *transcript.Transcript, error) {
	out := grade.Answer{Text: a.GetText(), Modality: grade.Typed}
	var spoken *transcript.Transcript
	if t := a.GetTranscript(); t != nil {
		var err error
		if spoken, err = heard(t); err != nil {
			return out, nil, err
		}
		out.Text, out.Modality = spoken.Text, grade.Spoken
	}
	switch a.GetModality() {
	case graderv1.Answer_TYPED:
		out.Modality = grade.Typed
	case graderv1.Answer_SPOKEN:
		out.Modality = grade.Spoken
	default:
	}
	return out, spoken, nil
}

func heard(t *graderv1.Transcript) (*transcript.Transcript, error) {
	words := make([]transcript.Word, len(t.Words))
	for i, w := range t.Words {
		words[i] = transcript.Word{Text: w.Text, Times: times(w.StartMs, w.EndMs), Confidence: w.Confidence, Speaker: w.GetSpeaker()}
	}
	segments := make([]transcript.Segment, len(t.Segments))
	for i, s := range t.Segments {
		segments[i] = transcript.Segment{Text: s.Text, Times: times(s.StartMs, s.EndMs), Confidence: s.Confidence, Speaker: s.GetSpeaker()}
	}
	out, err := transcript.New(transcriptText(t), segments, words)
	if out != nil {
		out.Language, out.Doubtful = t.GetLanguage(), t.GetDoubtful()
	}
	return out, err
}

// times are known where both ends are.
func times(start, end *int32) transcript.Times {
	if start == nil || end == nil {
		return transcript.Times{}
	}
	return transcript.Times{StartMS: int(*start), EndMS: int(*end), Known: true}
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
