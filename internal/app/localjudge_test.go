//go:build localjudge

package app_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/rubrics"
)

// TestLocalJudge runs the whole way through a real model behind an OpenAI-compatible endpoint on loopback:
//
//	GRADER_LOCAL_JUDGE_URL=http://127.0.0.1:8801/v1 go test -tags localjudge -timeout 30m ./internal/app
//
// It asserts nothing of the model's judgement, only what must hold for any model: a graded critique whose every credit
// and charge has a quote that stands in the answer, and no credit for words that the model made up.
func TestLocalJudge(t *testing.T) {
	url := os.Getenv("GRADER_LOCAL_JUDGE_URL")
	require.NotEmpty(t, url, "GRADER_LOCAL_JUDGE_URL must name the endpoint")
	model := os.Getenv("GRADER_LOCAL_JUDGE_MODEL")
	if model == "" {
		model = "local"
	}
	bank, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	require.NoError(t, err)
	grader := grade.New(bank, "test")
	for _, evidence := range []string{"quotes", "sentences"} {
		j, err := app.NewJudge(config.Judge{URL: url, Model: model, Timeout: 10 * time.Minute, Concurrency: 1, Evidence: evidence, NoCache: true}, nil)
		require.NoError(t, err)
		text := "Timers come first, then pending callbacks, poll, check and close. setImmediate runs in the check phase."
		c, err := grader.GradeJudged(t.Context(), "event-loop-phases", grade.Answer{Text: text}, j.Judged)
		require.NoError(t, err)
		require.Equal(t, grade.Graded, c.State, "%v", c.Reasons)
		require.Equal(t, grade.ModeJudge, c.Mode)
		for _, p := range c.Points {
			if p.Credit > 0 || p.Decision == grade.Contradicted {
				require.NotEmpty(t, p.Evidence, p.ID)
			}
			for _, e := range p.Evidence {
				require.Equal(t, e.Quote, text[e.Start:e.End])
			}
		}
		j.Client.Close()
	}
}
