package grade

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/rubrics"
)

func spokenWords(words ...string) []transcript.Word {
	var out []transcript.Word
	for i, w := range words {
		out = append(out, transcript.Word{Text: w, Times: transcript.Times{StartMS: 1000 * i, EndMS: 1000*i + 800, Known: true}})
	}
	return out
}

func TestHear(t *testing.T) {
	t.Parallel()
	tr, err := transcript.New("Für timers — poll, then check.", nil, spokenWords("Für", "timers", "poll", "then", "check"))
	require.NoError(t, err)
	quote := func(start, end int) []Evidence { return []Evidence{{Start: start, End: end}} }
	c := &Critique{State: Graded,
		Points:         []PointResult{{Evidence: quote(13, 23)}}, // poll, then
		Misconceptions: []MisconceptionResult{{Evidence: quote(4, 10)}},
		Habits:         []HabitResult{{Evidence: quote(500, 510)}},
	}
	before := c.State
	c.Hear(tr, 10*time.Second, true)
	require.Equal(t, before, c.State)
	require.Equal(t, []int{2000, 3800}, []int{*c.Points[0].Evidence[0].StartMS, *c.Points[0].Evidence[0].EndMS})
	require.Equal(t, []int{1000, 1800}, []int{*c.Misconceptions[0].Evidence[0].StartMS, *c.Misconceptions[0].Evidence[0].EndMS})
	require.Nil(t, c.Habits[0].Evidence[0].StartMS, "a place outside the text")
	require.Equal(t, []Flag{FlagLowTranscript}, c.Flags)
	require.InDelta(t, 0.48, c.Delivery.LengthRatio, 1e-9)
	require.Same(t, tr, c.Transcript)
}

func TestHearNothing(t *testing.T) {
	t.Parallel()
	tr, err := transcript.New("", nil, nil)
	require.NoError(t, err)
	c := &Critique{State: Ungradable, Reasons: []Reason{ReasonEmpty}}
	c.Hear(tr, 0, false)
	require.Equal(t, []Reason{ReasonNoSpeech}, c.Reasons)
	require.Equal(t, "Nothing is said in the recording.", c.Summary)
	require.Empty(t, c.Flags)
	require.Nil(t, c.Delivery)

	short := &Critique{State: Ungradable, Reasons: []Reason{ReasonTooShort}}
	short.Hear(tr, 0, false)
	require.Equal(t, []Reason{ReasonTooShort}, short.Reasons)
}

func TestWhatARecogniserDidNotUnderstandIsNotGraded(t *testing.T) {
	t.Parallel()
	b, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	require.NoError(t, err)
	const english = "Timers first, then poll, check and close, I think."
	tests := []struct {
		name   string
		answer Answer
		want   []Reason
	}{
		{"as it comes", Answer{Text: english}, nil},
		{"unintelligible", Answer{Text: english, Unintelligible: true}, []Reason{ReasonUnintelligible}},
		{"silence has its own reason", Answer{Unintelligible: true}, []Reason{ReasonEmpty}},
		{"English that was heard as another language", Answer{Text: english, Language: "cy"}, nil},
		{"another language that sounds like it", Answer{Text: "Pentras da genima kilka fas. Naiken viko nima neson likiki ciasu, protembo cekunce.", Language: "la"}, []Reason{ReasonUnsupportedLanguage}},
		{"a dialect", Answer{Text: english, Language: "en-GB"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.answer.Modality = Spoken
			c, err := New(b, "test").Grade("event-loop-phases", tt.answer)
			require.NoError(t, err)
			require.Equal(t, tt.want, c.Reasons)
			require.Equal(t, tt.want != nil, c.State == Ungradable)
			require.Equal(t, tt.want == nil, c.Score != nil)
		})
	}
}
