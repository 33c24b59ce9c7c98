package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
)

func TestReduce(t *testing.T) {
	t.Parallel()
	fresh := func() (*graderv1.Critique, *grade.Critique) {
		c, _ := full(t)
		c.Habits = append(c.Habits, grade.HabitResult{ID: "silent-habit", Decision: grade.NotPresent})
		c.Misconceptions = append(c.Misconceptions, grade.MisconceptionResult{ID: "silent-misconception", Decision: grade.NotClaimed})
		return Critique(c), c
	}
	whole, domain := fresh()
	coach, err := Marshal(Reduce(whole, graderv1.Detail_COACH))
	require.NoError(t, err)
	unreduced, _ := fresh()
	want, err := Marshal(unreduced)
	require.NoError(t, err)
	require.Equal(t, string(want), string(coach), "COACH is everything")

	m, _ := fresh()
	candidate, err := Marshal(Reduce(m, graderv1.Detail_CANDIDATE))
	require.NoError(t, err)
	for _, secret := range []string{"witnesses", "silent-habit", "silent-misconception"} {
		require.NotContains(t, string(candidate), secret)
	}
	require.Contains(t, string(candidate), domain.Points[0].Statement)
	require.Contains(t, string(candidate), domain.Misconceptions[0].Correction)

	for _, level := range []graderv1.Detail_Value{graderv1.Detail_SCORE, graderv1.Detail_UNSPECIFIED, 99} {
		m, _ := fresh()
		score, err := Marshal(Reduce(m, level))
		require.NoError(t, err)
		for _, secret := range []string{domain.Points[0].Statement, domain.Points[0].ID, domain.Misconceptions[0].Correction, domain.Misconceptions[0].ID,
			domain.Habits[0].ID, domain.Habits[0].Advice, domain.FollowUp, domain.Summary, domain.NextSteps[0].Text} {
			require.NotContains(t, string(score), `"`+secret+`"`)
		}
		require.Contains(t, string(score), `"summary":"1 of 1 points met."`)
		require.Nil(t, ReducePoint(&graderv1.PointDecision{}, level))
	}
}
