//go:build measure

package speech

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/rubrics"
)

// stored is a transcript of the development answers by a real recogniser.
type stored struct {
	ID         string `json:"id"`
	QuestionID string `json:"question_id"`
	Spoken     string `json:"spoken_text"`
	Model      string `json:"-"`
	Variant    string `json:"-"`
	JSON       []byte `json:"-"`
	transcript *transcript.Transcript
}

func (s *stored) name() string { return s.ID + "." + s.Model + "." + s.Variant }

// readStored reads the folder that GRADER_SPOKEN names: manifest.jsonl, and transcripts/ID.MODEL.VARIANT.json as a
// recogniser replied, where VARIANT is noprompt, prompt (a list of names) or sentence.
func readStored(t testing.TB) []stored {
	t.Helper()
	dir := os.Getenv("GRADER_SPOKEN")
	require.NotEmpty(t, dir, "GRADER_SPOKEN names the folder with manifest.jsonl and transcripts")
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.jsonl"))
	require.NoError(t, err)
	var out []stored
	for line := range bytes.Lines(manifest) {
		var s stored
		require.NoError(t, json.Unmarshal(line, &s))
		files, err := filepath.Glob(filepath.Join(dir, "transcripts", s.ID+".*.json"))
		require.NoError(t, err)
		for _, name := range files {
			s.Model, s.Variant = cut(strings.TrimPrefix(strings.TrimSuffix(filepath.Base(name), ".json"), s.ID+"."))
			s.JSON, err = os.ReadFile(name)
			require.NoError(t, err)
			s.transcript, err = transcript.Parse(s.JSON)
			require.NoError(t, err, name)
			out = append(out, s)
		}
	}
	require.NotEmpty(t, out)
	return out
}

// cut takes MODEL.VARIANT apart at its last dot.
func cut(name string) (model, variant string) {
	at := strings.LastIndexByte(name, '.')
	return name[:at], name[at+1:]
}

// lostWords is the longest run of words said of which the text has none in its place.
func lostWords(said, text string) int {
	a, b := letters(said), letters(text)
	// The longest common subsequence, by dynamic programming.
	table := make([][]int16, len(a)+1)
	for i := range table {
		table[i] = make([]int16, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	most, run := 0, 0
	for i, j := 0, 0; i < len(a); {
		switch {
		case j < len(b) && a[i] == b[j]:
			i, j, run = i+1, j+1, 0
			continue
		case j < len(b) && table[i][j+1] >= table[i+1][j]:
			j++
			continue
		}
		i++
		run++
		most = max(most, run)
	}
	return most
}

func letters(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

const lossy = 15 // words in a row

// TestDoubtsOnStoredTranscripts counts what is noticed of the speech that was lost, and the false alarms. Invented text is
// another matter: it is dropped, and no speech is lost by it.
func TestDoubtsOnStoredTranscripts(t *testing.T) {
	t.Parallel()
	all := readStored(t)
	missed, found, alarms, words, placed := 0, 0, 0, 0, 0
	for _, s := range all {
		require.False(t, Unsure(s.transcript), s.name())
		require.False(t, Unintelligible(s.transcript, "en"), s.name())
		for _, w := range s.transcript.Words {
			words++
			if w.Start < w.End {
				placed++
			}
		}
		n, doubts := lostWords(s.Spoken, s.transcript.Text), serious(s.transcript)
		switch noticed := len(doubts) > 0; {
		case n >= lossy && noticed:
			found++
			t.Logf("%s lost %d words: %v", s.name(), n, doubts)
		case n >= lossy:
			missed++
			t.Logf("%s lost %d words and nothing was noticed", s.name(), n)
		case noticed:
			alarms++
			t.Logf("%s did not lose speech (%d words): %v", s.name(), n, doubts)
		}
	}
	t.Logf("%d transcripts: %d lost speech, %d of them unnoticed; %d false alarms; %d of %d words have a place in the text", len(all), found+missed, missed, alarms, placed, words)
	require.Zero(t, missed)
	require.LessOrEqual(t, 48*alarms, len(all), "two in 96")
	require.Greater(t, float64(placed), 0.998*float64(words))
}

// TestStoredPassesAreRepaired repairs every prompted pass that lost speech with the pass without a prompt.
func TestStoredPassesAreRepaired(t *testing.T) {
	t.Parallel()
	all := readStored(t)
	plain := map[string]stored{}
	for _, s := range all {
		if s.Variant == "noprompt" {
			plain[s.ID+s.Model] = s
		}
	}
	for _, s := range all {
		if before := lostWords(s.Spoken, s.transcript.Text); s.Variant != "noprompt" && before >= lossy {
			r := repaired(t, s, plain[s.ID+s.Model])
			after := lostWords(s.Spoken, r.Transcript.Text)
			t.Logf("%s lost %d words, and %d after repair; left in doubt: %v", s.name(), before, after, r.Doubts)
			require.True(t, after < lossy || len(r.Doubts) > 0, s.name())
		}
	}
}

// repaired is what Transcribe makes of a prompted and a plain pass over a recording that it cannot cut.
func repaired(t *testing.T, prompted, plain stored) *Result {
	t.Helper()
	c, _ := client(func(u upload) (int, string, string) {
		if u.prompt != "" {
			return ok(string(prompted.JSON))
		}
		return ok(string(plain.JSON))
	}, uncut)
	r, err := c.Transcribe(t.Context(), ogg, "T: x.")
	require.NoError(t, err)
	return r
}

// TestDecisions prints the table of docs/speech.md: decisions by keywords on what recognisers heard, against those on
// the words really said. "Repaired" is the form with the plain list as Client.Transcribe takes it, second pass included.
//
//	GRADER_SPOKEN=DIR go test -tags measure ./internal/speech -v
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
	const variantRepaired = "repaired"
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
		r := repaired(t, s, byName[s.ID+"."+s.Model+".noprompt"])
		s.Variant = variantRepaired
		add(variantRepaired, s, r.Transcript.Text)
	}
	var table, changes strings.Builder
	table.WriteString("\n| recogniser | prompt | answers | decisions | changed | credit lost / gained | score off, mean / most |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, model := range []string{"base", "tiny.en"} {
		for _, variant := range []string{"noprompt", "prompt", "sentence", variantRepaired} {
			c := tallies[model+" "+variant]
			fmt.Fprintf(&table, "| %s | %s | %d | %d | %d (%.1f %%) | %d / %d | %.1f / %.1f |\n", model, variant, c.answers, c.decisions, c.changed,
				100*float64(c.changed)/float64(c.decisions), c.lost, c.gained, c.difference/float64(c.answers), c.most)
			changes.WriteString(strings.Join(c.list, "\n") + "\n")
		}
	}
	t.Log(table.String())
	t.Log("\n" + changes.String())
	base := tallies["base "+variantRepaired]
	require.LessOrEqual(t, base.difference/float64(base.answers), 8.0)
}
