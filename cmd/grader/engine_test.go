package main

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/llm"
)

// goneJudge fails after a while.
type goneJudge time.Duration

func (j goneJudge) Judge(ctx context.Context, _ judge.Request) (judge.Result, error) {
	select {
	case <-time.After(time.Duration(j)):
	case <-ctx.Done():
	}
	return judge.Result{}, &llm.Error{Kind: llm.Unavailable, Message: "cannot reach it"}
}

// TestTellWait: nobody sits before a silent command.
func TestTellWait(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		takes time.Duration
		said  bool
	}{"at once": {0, false}, "soon": {longWait - time.Millisecond, false}, "late": {longWait + time.Millisecond, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var notes bytes.Buffer
				graders, err := (&globals{banks: []string{"testdata/bank"}}).graders()
				require.NoError(t, err)
				e := &here{graders: graders, notes: &notes, judge: &app.Judge{Judged: grade.Judged{Judge: goneJudge(tc.takes), Endpoint: "http://gone/v1", Model: "m"}}}
				q, err := e.question(t.Context(), "black-tea", false)
				require.NoError(t, err)
				c, err := e.grade(t.Context(), q, &submission{answer: grade.Answer{Text: "Pour boiling water over the leaves and let them steep for three minutes.", Modality: grade.Typed}})
				require.NoError(t, err)
				require.Equal(t, grade.Degraded, c.State)
				if !tc.said {
					require.Empty(t, notes.String())
					return
				}
				require.Equal(t, "grader: the judge at http://gone/v1 has not replied yet; --judge-timeout bounds the wait, grader doctor tries the endpoint\n", notes.String())
			})
		})
	}
}
