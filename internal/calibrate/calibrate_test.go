package calibrate_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/calibrate"
)

// items are three answers to one question, small enough to compute by hand:
//
//	      answer  point  label         decision      claimed  credited
//	      a       p1     met           met           yes      yes        true positive
//	      a       p2     partial       missed        yes      no         false negative
//	      a       p3     missed        missed        no       no         true negative
//	      b       p1     met           partial       yes      yes        true positive
//	      b       p2     missed        met           no       yes        false positive
//	      c       p1     contradicted  contradicted  no       no         true negative
//
//	tp 2, fp 1, fn 1, tn 2
func items() []calibrate.Item {
	item := func(answer, point, kind, modality, label, decision string, words int, overlap float64) calibrate.Item {
		return calibrate.Item{Answer: answer, Question: "q", Point: point, Kind: kind, Modality: modality, Label: label, Decision: decision, Words: words, Overlap: overlap}
	}
	return []calibrate.Item{
		item("a", "p1", "flag", "typed", "met", "met", 40, 0.9),
		item("a", "p2", "tool", "typed", "partial", "missed", 40, 0.5),
		item("a", "p3", "flag", "typed", "missed", "missed", 40, 0.1),
		item("b", "p1", "flag", "spoken", "met", "partial", 30, 0.8),
		item("b", "p2", "tool", "spoken", "missed", "met", 30, 0.2),
		item("c", "p1", "flag", "typed", "contradicted", "contradicted", 10, 0.7),
	}
}

func row(t *testing.T, rows []calibrate.Row, name string) calibrate.Measures {
	t.Helper()
	for _, r := range rows {
		if r.Name == name {
			return r.Measures
		}
	}
	t.Fatalf("no row %q", name)
	return calibrate.Measures{}
}

func near(t *testing.T, want, got float64, what string) {
	t.Helper()
	require.InDelta(t, want, got, 1e-9, what)
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	r := calibrate.Measure(items(), nil, nil)
	require.Equal(t, 3, r.Answers)

	all := row(t, r.Rows, "all answers")
	require.Equal(t, 6, all.Items)
	near(t, 2.0/3, all.BalancedF1, "both classes: 2*2/(2*2+1+1)")
	near(t, 2.0/3, all.Precision, "2 of 3 credited were claimed")
	near(t, 2.0/3, all.Recall, "2 of 3 claimed were credited")
	// observed agreement 4/6, by chance (3*3 + 3*3)/36 = 1/2
	near(t, (4.0/6-0.5)/0.5, all.Kappa, "kappa")
	// met alone: tp 1 (a/p1), fp 1 (b/p2), fn 1 (b/p1), tn 3
	near(t, (2.0/4+6.0/8)/2, all.StrictF1, "strict")
	// a: p1 1 against p3 0 wins, p2 0 against p3 0 is half: 0.75; b: 0.5 against 1 loses: 0; c has one class only
	near(t, 0.375, all.AUC, "within answers")
	require.LessOrEqual(t, all.Low, all.BalancedF1)
	require.GreaterOrEqual(t, all.High, all.BalancedF1)

	// claimed shares: a 2/3, b 1/2, c 0
	mid := row(t, r.Rows, "20-80 % met")
	require.Equal(t, 5, mid.Items)
	// tp 2, fp 1, fn 1, tn 1
	near(t, (4.0/6+2.0/4)/2, mid.BalancedF1, "middle answers")

	require.Equal(t, 4, row(t, r.Rows, "modality typed").Items)
	require.Equal(t, 2, row(t, r.Rows, "modality spoken").Items)
	require.Equal(t, 4, row(t, r.Rows, "kind flag").Items)

	require.Equal(t, 1, r.ContradictedLabels)
	require.Equal(t, 0, r.ContradictedCredited)
	require.Equal(t, 1, r.ContradictedFound)
	require.Equal(t, 1, r.ContradictedClaimed)
}

func TestBaselinesGetTheirBestThreshold(t *testing.T) {
	t.Parallel()
	r := calibrate.Measure(items(), nil, nil)
	// overlap 0.5 and more credits a/p1, a/p2, b/p1 and wrongly c/p1: F1 6/7 and 4/5
	near(t, (6.0/7+4.0/5)/2, row(t, r.Baselines, "idf overlap, all answers").BalancedF1, "overlap")
	// 40 words and more credit all of a: tp 2, fp 1, fn 1, tn 2; 30 words and more would be 0.625
	near(t, 2.0/3, row(t, r.Baselines, "length, all answers").BalancedF1, "length")
}

func TestKindsByWilson(t *testing.T) {
	t.Parallel()
	var many []calibrate.Item
	for range 10 {
		many = append(many, calibrate.Item{Answer: "a", Kind: "flag", Label: "partial", Decision: "met"})
	}
	many[0].Label = "missed"
	r := calibrate.Measure(many, nil, nil)
	require.Len(t, r.Kinds, 1)
	require.Equal(t, 10, r.Kinds[0].FullHits)
	near(t, 0.9, r.Kinds[0].Precision, "met or partial is right")
	// Wilson score interval of 9 out of 10 at 95 %: 0.596 to 0.982
	require.InDelta(t, 0.596, r.Kinds[0].WilsonLower, 0.0005)
}

func TestClaims(t *testing.T) {
	t.Parallel()
	claim := func(label, decision string) calibrate.Claim {
		return calibrate.Claim{Label: label, Decision: decision}
	}
	r := calibrate.Measure(items(), []calibrate.Claim{
		claim("asserted", "asserted"), claim("asserted", "absent"), claim("rejected", "asserted"), claim("absent", "rejected"),
	}, []calibrate.Claim{claim("present", "present"), claim("absent", "unknown")})
	require.Equal(t, calibrate.ClaimRow{Items: 4, Positive: 2, Precision: 0.5, Recall: 0.5, F1: 0.5}, r.Misconceptions)
	require.Equal(t, calibrate.ClaimRow{Items: 2, Positive: 1, Precision: 1, Recall: 1, F1: 1}, r.Habits)
}

func TestWorstPoints(t *testing.T) {
	t.Parallel()
	got := calibrate.Measure(items(), nil, nil).Worst
	want := []calibrate.Point{{Question: "q", Point: "p2", Items: 2, Lost: []string{"a"}, False: []string{"b"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSameInputSameFigures(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(calibrate.Measure(items(), nil, nil), calibrate.Measure(items(), nil, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestNothingAndPerfection(t *testing.T) {
	t.Parallel()
	none := calibrate.Measure(nil, nil, nil)
	require.Zero(t, none.Answers)
	require.Empty(t, none.Rows)
	perfect := items()
	for i := range perfect {
		perfect[i].Decision = perfect[i].Label
	}
	m := row(t, calibrate.Measure(perfect, nil, nil).Rows, "all answers")
	for what, v := range map[string]float64{"balanced F1": m.BalancedF1, "strict": m.StrictF1, "kappa": m.Kappa, "AUC": m.AUC, "precision": m.Precision} {
		near(t, 1, v, what)
		require.False(t, math.IsNaN(v))
	}
}
