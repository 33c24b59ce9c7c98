package grade

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/rubric"
)

// maxSteps is the number of next steps that are listed.
const maxSteps = 6

// advise writes the summary and the next steps, in the rubric's own sentences.
func advise(c *Critique, q *rubric.Question) {
	c.NextSteps = nextSteps(c, q)
	c.Summary = summary(c)
}

// nextSteps lists what would add most to the score first; habits come last, for they add nothing.
func nextSteps(c *Critique, q *rubric.Question) []NextStep {
	all := float64(q.Weight())
	var steps []NextStep
	charged := map[string]bool{}
	for i := range c.Misconceptions {
		m := &c.Misconceptions[i]
		if m.Decision != Asserted {
			continue
		}
		gain := float64(q.Misconceptions[i].Severity)
		for k := range c.Points {
			if p := &c.Points[k]; p.Decision == Contradicted && slices.Contains(q.Misconceptions[i].Breaks, p.ID) {
				gain += float64(p.Weight)
				charged[p.ID] = true
			}
		}
		steps = append(steps, NextStep{Text: "Correct this: " + m.Correction, Misconception: m.ID, Gain: round(100*gain/all, 1)})
	}
	for k := range c.Points {
		p := &c.Points[k]
		gain := (1 - p.Credit) * float64(p.Weight)
		step := NextStep{Point: p.ID}
		switch p.Decision {
		case Contradicted:
			if charged[p.ID] {
				continue
			}
			if p.Weight > 1 {
				gain++
			}
			step.Text = "Turn this round: " + p.Statement
		case PartlyMet:
			step.Text = "Complete this: " + p.Statement
			if len(p.Missing) > 0 {
				step.Text = fmt.Sprintf("Complete this, adding %s: %s", strings.Join(p.Missing, "; "), p.Statement)
			}
		case Missed:
			step.Text = "Say this: " + p.Statement
		default:
			continue
		}
		step.Gain = round(100*gain/all, 1)
		steps = append(steps, step)
	}
	slices.SortStableFunc(steps, func(a, b NextStep) int {
		switch {
		case a.Gain > b.Gain:
			return -1
		case a.Gain < b.Gain:
			return 1
		}
		return 0
	})
	if len(steps) > maxSteps {
		steps = steps[:maxSteps]
	}
	for i := range c.Habits {
		if h := &c.Habits[i]; h.Decision == Present {
			steps = append(steps, NextStep{Text: h.Advice, Habit: h.ID})
		}
	}
	return steps
}

// summary is one or two sentences: how much was there, and the weakest thing.
func summary(c *Critique) string {
	if c.State == Ungradable {
		return ungradableText[c.Reasons[0]]
	}
	met, partial := 0, 0
	var worst *PointResult
	var wrong *PointResult
	for i := range c.Points {
		p := &c.Points[i]
		switch p.Decision {
		case Met:
			met++
		case PartlyMet:
			partial++
		case Missed:
			if worst == nil || p.Weight > worst.Weight {
				worst = p
			}
		case Contradicted:
			if wrong == nil || p.Weight > wrong.Weight {
				wrong = p
			}
		default:
		}
	}
	var b strings.Builder
	switch {
	case has(c.Flags, FlagKeywordDump):
		b.WriteString("This is a list of terms, not an answer: say what the terms do and how they hang together.")
	case has(c.Flags, FlagEcho):
		b.WriteString("This repeats the question; nothing in it answers it.")
	case has(c.Flags, FlagOffTopic):
		b.WriteString("This answers another question of the bank.")
	case met+partial == 0 && wrong == nil:
		b.WriteString("None of the points that a strong answer makes were found in your words.")
	default:
		fmt.Fprintf(&b, "%d of %d points met", met, len(c.Points))
		if partial > 0 {
			fmt.Fprintf(&b, ", %d partly", partial)
		}
		b.WriteString(".")
	}
	if wrong != nil {
		fmt.Fprintf(&b, " Put right first: %s", wrong.Statement)
	} else if worst != nil && met+partial > 0 {
		fmt.Fprintf(&b, " What would add most: %s", worst.Statement)
	}
	return b.String()
}

var ungradableText = map[Reason]string{
	ReasonEmpty:               "There is no answer to grade.",
	ReasonNoSpeech:            "Nothing is said in the recording.",
	ReasonSymbolsOnly:         "There are no words in the answer.",
	ReasonNotLanguage:         "This does not read as language.",
	ReasonUnsupportedLanguage: "The answer is in a language that this bank does not speak.",
	ReasonTooShort:            "This is too short to grade, and it names nothing of the question.",
	ReasonUnintelligible:      "What was said cannot be understood from the recording: noise, music or another language drowns it.",
	ReasonOpenerOnly:          "This announces an answer, but none follows.",
}
