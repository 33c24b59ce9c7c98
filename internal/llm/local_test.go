//go:build localjudge

package llm

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLocalJudge talks to a real server with real weights, on every rung. It looks at the form of the replies only:
//
//	GRADER_LOCAL_JUDGE_URL=http://127.0.0.1:8801/v1 go test -tags localjudge -timeout 30m ./internal/llm
func TestLocalJudge(t *testing.T) {
	url := os.Getenv("GRADER_LOCAL_JUDGE_URL")
	require.NotEmpty(t, url, "GRADER_LOCAL_JUDGE_URL must name the endpoint")
	schema := json.RawMessage(`{"type":"object","properties":{"reason":{"type":"string","maxLength":60},"answer":{"enum":["yes","no"]}},"required":["reason","answer"],"additionalProperties":false}`)
	for _, rung := range []Rung{RungSchema, RungJSON, RungText} {
		t.Run(rung.String(), func(t *testing.T) {
			c := newClient(t, url, func(c *Config) {
				c.Model, c.Rung, c.Concurrency, c.APIKey = "local", rung, 1, os.Getenv("GRADER_LOCAL_JUDGE_KEY")
			})
			ctx := withTimeout(t, 3*time.Minute)
			require.NoError(t, c.Probe(ctx))
			start := time.Now()
			res, err := c.Complete(ctx, Request{
				Messages:   []Message{{Role: "system", Content: "You answer in JSON."}, {Role: "user", Content: "Is water wet?"}},
				SchemaName: "wet", Schema: schema, MaxTokens: 60, Key: "wet",
			})
			t.Logf("%v %+v %v", time.Since(start), res, err)
			require.NoError(t, err)
			require.Positive(t, res.Spent.InputTokens)
			if rung != RungText {
				require.True(t, json.Valid([]byte(res.Content)), res.Content)
			}
		})
	}
}
