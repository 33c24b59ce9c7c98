package judge

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/rubric"
)

// TestContract: what docs/judges.md shows of the protocol is what is sent and read.
func TestContract(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "judges.md"))
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(page), "## The protocol "+Protocol)
	require.True(t, ok)
	var blocks []string
	for i, part := range strings.Split(section, "```") {
		if i%2 == 1 {
			blocks = append(blocks, strings.TrimSpace(strings.TrimPrefix(part, "json")))
		}
	}
	require.Len(t, blocks, 3)

	q := &rubric.Question{
		ID: "event-loop-phases", Prompt: "...",
		Points:         []rubric.Point{{ID: "phase-order", Kind: rubric.KindMechanism, Statement: "...", Accept: []string{"..."}}},
		Misconceptions: []rubric.Misconception{{ID: "loop-lives-in-v8", Statement: "..."}},
		Bank:           &rubric.Bank{Habits: []rubric.Habit{{ID: "recitation-without-behaviour", Recognise: "...", Questions: []string{"event-loop-phases"}}}},
	}
	req := Request{Question: q, Modality: "SPOKEN", Text: "..."}
	j := New(nil, []byte("key"), Quotes)
	sent := strings.ReplaceAll(j.Prompt(req).Messages[1].Content, j.nonce(req), "9f2c51d07a88e1b3c4d5e6f7")
	require.Empty(t, cmp.Diff(blocks[0], sent))

	r, err := parseReply(blocks[1])
	require.NoError(t, err)
	require.Equal(t, "met", r.Points[0].Verdict)
	require.Len(t, r.Misconceptions, 1)
	require.Len(t, r.Habits, 1)

	var shown, again map[string]any
	require.NoError(t, json.Unmarshal([]byte(blocks[2]), &shown))
	require.NoError(t, json.Unmarshal([]byte(line(reaskLine{Protocol, []string{"phase-order"}, problemQuote})), &again))
	require.Empty(t, cmp.Diff(shown, again))
}
