package grade

import (
	"slices"
	"time"

	"github.com/vivagrader/grader/internal/transcript"
)

// Hear adds to a critique what the transcript of its answer knows beside the text: when each quote was said, how the
// answer was delivered, and whether the transcript can be trusted. It never changes a decision or the score. The answer
// must have been t.Text. expected is the time that a good answer takes, 0 if unknown.
func (c *Critique) Hear(t *transcript.Transcript, expected time.Duration, doubtful bool) {
	c.Transcript, c.Delivery = t, t.Delivery(expected)
	if c.State == Ungradable && slices.Equal(c.Reasons, []Reason{ReasonEmpty}) {
		c.Reasons = []Reason{ReasonNoSpeech}
		c.Summary = summary(c)
	}
	if doubtful && !has(c.Flags, FlagLowTranscript) {
		c.Flags = append(c.Flags, FlagLowTranscript)
	}
	at := codePoints(t.Text)
	for i := range c.Points {
		hear(c.Points[i].Evidence, t, at)
	}
	for i := range c.Misconceptions {
		hear(c.Misconceptions[i].Evidence, t, at)
	}
	for i := range c.Habits {
		hear(c.Habits[i].Evidence, t, at)
	}
}

func hear(found []Evidence, t *transcript.Transcript, at []int) {
	for i := range found {
		e := &found[i]
		if e.Start < 0 || e.End >= len(at) || e.Start > e.End {
			continue // another text's
		}
		if said := t.TimesAt(at[e.Start], at[e.End]); said.Known {
			e.StartMS, e.EndMS = &said.StartMS, &said.EndMS
		}
	}
}

// codePoints is the byte at which each code point of the text begins, with the end of the text as the last one.
func codePoints(text string) []int {
	out := make([]int, 0, len(text)+1)
	for i := range text {
		out = append(out, i)
	}
	return append(out, len(text))
}
