//go:build measure

package interview

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// answersPerPlace is how many answers take turns in each place of a script.
const answersPerPlace = 4

// TestMeasure prints, for each script, the share of the candidate's words that are given to the right question, with the
// answers of the file that GRADER_ANSWERS names: lines with question_id and text.
func TestMeasure(t *testing.T) {
	data, err := os.ReadFile(os.Getenv("GRADER_ANSWERS"))
	require.NoError(t, err, "GRADER_ANSWERS names a file of answers")
	answers := map[string][]string{}
	for row := range bytes.Lines(data) {
		var a struct {
			QuestionID string `json:"question_id"`
			Text       string `json:"text"`
		}
		require.NoError(t, json.Unmarshal(row, &a))
		answers[a.QuestionID] = append(answers[a.QuestionID], a.Text)
	}
	b := nodeBank(t)
	for _, set := range []string{"scripts", "kept-back"} {
		files, err := filepath.Glob(filepath.Join("testdata", set, "*.txt"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		var all, byLabels, byOneChannel int
		for i, file := range files {
			var words, labels, channel int
			for v := range answersPerPlace {
				lines := readScript(t, file, func(question string) string {
					mine := answers[question]
					require.NotEmpty(t, mine, "an answer to %s", question)
					h := fnv.New32a()
					h.Write([]byte(file + question))
					return mine[(int(h.Sum32())+v*max(1, len(mine)/answersPerPlace))%len(mine)]
				})
				c, err := b.Follow(parsed(t, labelled(lines, map[string]string{"I": "Interviewer", "I2": "Interviewer 2", "C": "Candidate"})), "")
				require.NoError(t, err)
				n, ok, _ := right(t, lines, c)
				words, labels = words+n, labels+ok
				c, err = b.Follow(bare(t, lines, uint64(100*i+v)), "")
				require.NoError(t, err)
				_, ok, _ = right(t, lines, c)
				channel += ok
			}
			t.Logf("%-40s %5d words: labels %5.1f %%, one channel %5.1f %%", strings.TrimPrefix(file, "testdata/"), words, share100(labels, words), share100(channel, words))
			all, byLabels, byOneChannel = all+words, byLabels+labels, byOneChannel+channel
		}
		t.Logf("%-40s %5d words: labels %5.1f %%, one channel %5.1f %%", set, all, share100(byLabels, all), share100(byOneChannel, all))
	}
}

func share100(part, all int) float64 { return 100 * float64(part) / float64(all) }
