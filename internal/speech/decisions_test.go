package speech

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/rubrics"
)

// tally is what recognition did to the decisions of one recogniser and form of prompt.
type tally struct {
	answers, decisions, changed int
	lost, gained                int // credit
	difference, most            float64
	list                        []string
}

func (c *tally) compare(name string, said, heard *grade.Critique) {
	c.answers++
	change := func(id string, from, to fmt.Stringer) {
		c.decisions++
		if from.String() != to.String() {
			c.changed++
			c.list = append(c.list, fmt.Sprintf("%s %s: %s, said %s", name, id, to, from))
		}
	}
	for i := range said.Points {
		p, q := &said.Points[i], &heard.Points[i]
		change(p.ID, outcome(p.Decision), outcome(q.Decision))
		switch {
		case q.Credit < p.Credit:
			c.lost++
		case q.Credit > p.Credit:
			c.gained++
		}
	}
	for i := range said.Misconceptions {
		change(said.Misconceptions[i].ID, outcome(asserted(said.Misconceptions[i].Decision)), outcome(asserted(heard.Misconceptions[i].Decision)))
	}
	d := math.Abs(low(said) - low(heard))
	c.difference += d
	c.most = max(c.most, d)
}

type outcome string

func (o outcome) String() string { return string(o) }

func asserted(c grade.Claim) grade.Claim {
	if c == grade.Asserted {
		return c
	}
	return grade.NotClaimed
}

func low(c *grade.Critique) float64 {
	if c.Score == nil {
		return 0
	}
	return c.Score.Low
}

// TestDecisions prints the table of docs/speech.md: decisions by keywords on what recognisers heard, against those on
// the words really said. "Repaired" is the form with the plain list as Client.Transcribe takes it, second pass included.
//
//	go test ./internal/speech -run TestDecisions -v
func TestDecisions(t *testing.T) {
	t.Parallel()
	bank, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	require.NoError(t, err)
	g := grade.New(bank, "test")
	spoken := func(id, text string) *grade.Critique {
		c, err := g.Grade(id, grade.Answer{Text: text, Modality: grade.Spoken})
		require.NoError(t, err)
		return c
	}
	all := readStored(t)
	byName := map[string]stored{}
	for _, s := range all {
		byName[s.name()] = s
	}
	const repaired = "repaired"
	tallies := map[string]*tally{}
	add := func(variant string, s stored, text string) {
		key := s.Model + " " + variant
		if tallies[key] == nil {
			tallies[key] = &tally{}
		}
		tallies[key].compare(s.name(), spoken(s.QuestionID, s.Spoken), spoken(s.QuestionID, text))
	}
	for _, s := range all {
		add(s.Variant, s, s.transcript.Text)
		if s.Variant != "prompt" {
			continue
		}
		plain := byName[s.ID+"."+s.Model+".noprompt"]
		c, _ := client(func(u upload) (int, string, string) {
			if u.prompt != "" {
				return ok(string(s.JSON))
			}
			return ok(string(plain.JSON))
		}, uncut)
		r, err := c.Transcribe(t.Context(), ogg, "T: x.")
		require.NoError(t, err)
		s.Variant = repaired
		add(repaired, s, r.Transcript.Text)
	}
	var table, changes strings.Builder
	table.WriteString("\n| recogniser | prompt | answers | decisions | changed | credit lost / gained | score off, mean / most |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, model := range []string{"base", "tiny.en"} {
		for _, variant := range []string{"noprompt", "prompt", "sentence", repaired} {
			c := tallies[model+" "+variant]
			fmt.Fprintf(&table, "| %s | %s | %d | %d | %d (%.1f %%) | %d / %d | %.1f / %.1f |\n", model, variant, c.answers, c.decisions, c.changed,
				100*float64(c.changed)/float64(c.decisions), c.lost, c.gained, c.difference/float64(c.answers), c.most)
			changes.WriteString(strings.Join(c.list, "\n") + "\n")
		}
	}
	t.Log(table.String())
	t.Log("\n" + changes.String())
	base := tallies["base "+repaired]
	require.Equal(t, 16, base.answers)
	require.LessOrEqual(t, base.difference/16, 8.0, "the bound of issue 7 on the score")
}
