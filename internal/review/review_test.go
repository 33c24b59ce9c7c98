package review

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/wire"
	"github.com/vivagrader/grader/rubrics"
)

func bank(t testing.TB) *rubric.Bank {
	t.Helper()
	b, err := rubric.Open(rubrics.NodeJS(), "nodejs")
	require.NoError(t, err)
	return b
}

// dice is a judge that gives any verdict on any point.
type dice struct{ *rand.Rand }

func (d dice) Judge(_ context.Context, req judge.Request) (judge.Result, error) {
	verdict := func(id string, menu []string) judge.Verdict {
		v := judge.Verdict{ID: id, Verdict: menu[d.IntN(len(menu))], Unverified: d.IntN(5) == 0}
		if !v.Unverified {
			v.Quotes = []canon.Span{{Start: 0, End: min(20, len(req.Text))}}
		}
		return v
	}
	var r judge.Result
	for i := range req.Question.Points {
		r.Points = append(r.Points, verdict(req.Question.Points[i].ID, []string{"met", "partial", "missed", "contradicted", "unknown"}))
	}
	for i := range req.Question.Misconceptions {
		r.Misconceptions = append(r.Misconceptions, verdict(req.Question.Misconceptions[i].ID, []string{"asserted", "rejected", "absent", "unknown"}))
	}
	return r, nil
}

// lineOf is the line of results of a critique.
func lineOf(t testing.TB, id string, c *grade.Critique) (*Line, []byte) {
	t.Helper()
	data, err := wire.Marshal(wire.Graded(id, c))
	require.NoError(t, err)
	l, err := Parse(data)
	require.NoError(t, err)
	return l, data
}

// TestScoresAreThoseOfGrading: what is computed from the lines of results is what grading computed, with and without a
// judge, and so it is when a human says what the machine said.
func TestScoresAreThoseOfGrading(t *testing.T) {
	t.Parallel()
	b := bank(t)
	g := grade.New(b, "test")
	d := dice{rand.New(rand.NewPCG(1, 2))}
	states := map[string]int{}
	for _, id := range b.IDs() {
		q, err := b.Question(id)
		require.NoError(t, err)
		half := q.ModelAnswer[:strings.LastIndexByte(q.ModelAnswer[:len(q.ModelAnswer)/2], ' ')]
		wrong := half + "."
		for _, m := range q.Misconceptions {
			wrong += " " + m.Statement
		}
		for _, text := range []string{q.ModelAnswer, half, wrong} {
			keywords, err := g.Grade(id, grade.Answer{Text: text})
			require.NoError(t, err)
			judged, err := g.GradeJudged(t.Context(), id, grade.Answer{Text: text}, grade.Judged{Judge: d})
			require.NoError(t, err)
			for _, c := range []*grade.Critique{keywords, judged} {
				l, _ := lineOf(t, id, c)
				require.True(t, l.Graded(q))
				require.Empty(t, cmp.Diff(l.Critique.Score, l.rescore(q, nil)), id)
				if c.Score.Value == nil {
					states["low coverage"]++
				}
				for _, doubt := range Doubts(l, q) {
					if m := doubt.Misconception; m != nil {
						states["misconception"]++
						l.SettleMisconception(q, m.ID, Settled[grade.Claim]{Decision: m.Decision})
					} else if doubt.Point.Decision != grade.Unknown && doubt.Point.Witnesses.Judge == nil && doubt.Point.Decision != grade.Missed {
						states["point"]++
						l.SettlePoint(q, doubt.Point.ID, Settled[grade.Decision]{Decision: doubt.Point.Decision})
					}
				}
				require.Empty(t, cmp.Diff(l.Critique.Score, l.Score()), id)
			}
		}
	}
	for _, state := range []string{"low coverage", "misconception", "point"} {
		require.Positive(t, states[state], state)
	}
}

func TestAHumanSettlesWhatIsOpen(t *testing.T) {
	t.Parallel()
	b := bank(t)
	q, err := b.Question("event-loop-phases")
	require.NoError(t, err)
	l := &Line{Critique: &Critique{}}
	l.Critique.Receipt.RubricHash = q.Hash
	for i := range q.Points {
		l.Critique.Points = append(l.Critique.Points, Point{ID: q.Points[i].ID, Weight: q.Points[i].Weight, Decision: grade.Unknown})
	}
	for i := range q.Points {
		l.SettlePoint(q, q.Points[i].ID, Settled[grade.Decision]{Decision: grade.Met})
	}
	hundred := 100.0
	require.Equal(t, &Score{Value: &hundred, Low: 100, High: 100, Band: "strong", Coverage: 1}, l.Score())

	l.SettlePoint(q, q.Points[0].ID, Settled[grade.Decision]{Decision: grade.Missed})
	require.InDelta(t, l.Score().Low, l.Score().High, 0, "missed by a human is not open")
	require.Less(t, l.Score().Low, 100.0)

	for i := range q.Points {
		l.unsettle(q, Item{ID: q.Points[i].ID})
	}
	require.Nil(t, l.Review)
}

func TestDoubts(t *testing.T) {
	t.Parallel()
	const judgeless = `{"check":{"decision":%q}}`
	const both = `{"check":{"decision":%q},"judge":{"verdict":%q}}`
	tests := []struct {
		name, decision, by, witnesses string
		want                          []Reason
	}{
		{"met by keywords", "MET", "CHECK", fmt.Sprintf(judgeless, "MET"), nil},
		{"missed by keywords", "MISSED", "CHECK", fmt.Sprintf(judgeless, "MISSED"), nil},
		{"capped", "PARTIAL", "CHECK", fmt.Sprintf(judgeless, "MET"), []Reason{Capped}},
		{"half seen", "PARTIAL", "CHECK", fmt.Sprintf(judgeless, "PARTIAL"), nil},
		{"opposite by keywords", "CONTRADICTED", "CHECK", fmt.Sprintf(judgeless, "CONTRADICTED"), []Reason{KeywordContradiction}},
		{"both say the opposite", "CONTRADICTED", "BOTH", fmt.Sprintf(both, "CONTRADICTED", "CONTRADICTED"), nil},
		{"silent keywords", "MET", "JUDGE", fmt.Sprintf(both, "MISSED", "MET"), nil},
		{"hit against missed", "MET", "CHECK", fmt.Sprintf(both, "MET", "MISSED"), []Reason{Disagreement}},
		{"full against half", "PARTIAL", "JUDGE", fmt.Sprintf(both, "MET", "PARTIAL"), nil},
		{"opposite against met", "MET", "JUDGE", fmt.Sprintf(both, "CONTRADICTED", "MET"), []Reason{Disagreement}},
		{"met against opposite", "CONTRADICTED", "JUDGE", fmt.Sprintf(both, "MET", "CONTRADICTED"), []Reason{Disagreement}},
		{"nobody knows", "UNKNOWN", "JUDGE", fmt.Sprintf(both, "MISSED", "UNKNOWN"), []Reason{Undecided}},
		{"quote made up", "MISSED", "CHECK", `{"check":{"decision":"MISSED"},"judge":{"verdict":"MET","discarded":true}}`, []Reason{Unverified}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := Parse(fmt.Appendf(nil, `{"id":"a","critique":{"points":[{"id":"p","weight":1,"decision":%q,"decidedBy":%q,"witnesses":%s}]}}`, tt.decision, tt.by, tt.witnesses))
			require.NoError(t, err)
			var got []Reason
			for _, d := range Doubts(l, nil) {
				got = append(got, d.Reasons...)
				require.NotEmpty(t, d.Why())
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestMisconceptionsByKeywordsAreDoubtful(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{"CHECK": 1, "JUDGE": 0} {
		l, err := Parse(fmt.Appendf(nil, `{"id":"a","critique":{"misconceptions":[{"id":"m","decision":"ASSERTED","evidence":[{"source":%q}]},{"id":"n","decision":"REJECTED"}]}}`, source))
		require.NoError(t, err)
		require.Len(t, Doubts(l, nil), want, source)
	}
}

func TestBandEdge(t *testing.T) {
	t.Parallel()
	q := &rubric.Question{Bank: &rubric.Bank{Bands: rubric.Bands{Developing: 40, Solid: 60, Strong: 80}}, Hash: "h"}
	tests := []struct {
		name    string
		weights []int // the first is half met, the others met where earned
		earned  []bool
		want    bool
	}{
		{"38.9, a step up is developing", []int{3, 2, 4}, []bool{false, true, false}, true},
		{"58.3, a step up is solid", []int{1, 3, 2}, []bool{false, true, false}, true},
		{"62.5, a step down is developing", []int{1, 2, 1}, []bool{false, true, false}, true},
		{"42.5, a step down is 40 and still developing", []int{1, 8, 11}, []bool{false, true, false}, false},
		{"50, far from every edge", []int{2, 2, 2}, []bool{false, true, false}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := &Line{Critique: &Critique{}}
			l.Critique.Receipt.RubricHash = "h"
			own := *q
			for i, w := range tt.weights {
				p := Point{ID: fmt.Sprint(i), Weight: w, Decision: grade.Missed, DecidedBy: grade.ByCheck}
				if tt.earned[i] {
					p.Decision = grade.Met
				}
				if i == 0 {
					p.Decision = grade.PartlyMet
				}
				l.Critique.Points = append(l.Critique.Points, p)
				own.Points = append(own.Points, rubric.Point{ID: p.ID, Weight: w})
			}
			require.True(t, strings.HasPrefix(tt.name, number(l.rescore(&own, nil).Low)+","))
			got := false
			for _, d := range Doubts(l, &own) {
				got = got || d.Reasons[0] == BandEdge
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestOnlyTheReviewOfALineChanges(t *testing.T) {
	t.Parallel()
	const line = `{"id":"<a>","new":{"b":1.50,"a":[ 1 ]},"critique":{"x":"é \u2028 <"}}` + "\r\n"
	r := &Review{Points: map[string]Settled[grade.Decision]{"p": {Decision: grade.Met, Note: "é"}}}
	with, err := withReview([]byte(line), r)
	require.NoError(t, err)
	require.JSONEq(t, `{"points":{"p":{"decision":"MET","note":"é"}}}`, string(field(t, with, "review")))
	require.Contains(t, string(with), `"new":{"b":1.50,"a":[ 1 ]},"critique":{"x":"é \u2028 <"},"review":`)
	r.Points["p"] = Settled[grade.Decision]{Decision: grade.Missed}
	again, err := withReview(with, r)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(again), `"review"`))
	without, err := withReview(again, nil)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(line, string(without)))
}

func field(t *testing.T, line []byte, key string) json.RawMessage {
	t.Helper()
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(line, &all))
	return all[key]
}

// results is a file of three answers with doubtful decisions, and the function that finds their questions.
func results(t *testing.T) (string, func(string) *rubric.Question) {
	t.Helper()
	b := bank(t)
	g := grade.New(b, "test")
	d := dice{rand.New(rand.NewPCG(3, 4))}
	var all []byte
	for i, id := range []string{"event-loop-phases", "backpressure", "promise-all-failure-modes"} {
		q, err := b.Question(id)
		require.NoError(t, err)
		c, err := g.GradeJudged(t.Context(), id, grade.Answer{Text: q.ModelAnswer}, grade.Judged{Judge: d})
		require.NoError(t, err)
		_, data := lineOf(t, fmt.Sprint("answer ", i), c)
		all = append(append(all, data...), '\n')
	}
	name := filepath.Join(t.TempDir(), "results.jsonl")
	require.NoError(t, os.WriteFile(name, all, 0o640))
	return name, func(id string) *rubric.Question { q, _ := b.Question(id); return q }
}

// answers are a Console that gives what it is given, and then ends.
type answers []string

func (a *answers) Ask(_ context.Context, decide, _ []Choice) (string, string, error) {
	if len(*a) == 0 {
		return "quit", "", nil
	}
	word := (*a)[0]
	*a = (*a)[1:]
	if word == "decide" {
		word = decide[0].Word
	}
	return word, "noted", nil
}

func run(t *testing.T, f *File, words ...string) (string, Outcome) {
	t.Helper()
	var out strings.Builder
	a := answers(words)
	s := Session{File: f, Console: &a, Out: &out, Reviewer: "R"}
	done, err := s.Run(t.Context())
	require.NoError(t, err)
	return out.String(), done
}

func TestEachDecisionIsSavedAndCanBeUndone(t *testing.T) {
	t.Parallel()
	name, question := results(t)
	before, err := os.ReadFile(name)
	require.NoError(t, err)
	f, err := Open(name, question)
	require.NoError(t, err)
	n := len(f.Items)
	require.Greater(t, n, 5)
	_, done := run(t, f, "decide", "decide", "skip", "decide")
	require.Equal(t, Outcome{Saved: 3, Left: n - 3}, done)
	require.NoError(t, f.Close())

	f, err = Open(name, question) // another day
	require.NoError(t, err)
	require.Equal(t, []bool{true, true, false, true}, []bool{f.Items[0].Settled, f.Items[1].Settled, f.Items[2].Settled, f.Items[3].Settled})
	out, done := run(t, f, "back", "undo", "back", "undo", "skip", "skip", "back", "back", "back")
	require.Contains(t, out, "Settled as ")
	require.Contains(t, out, "Undone; score ")
	require.Equal(t, Outcome{Saved: 2, Left: n - 1}, done)
	_, done = run(t, f, "skip", "skip", "skip", "back", "undo")
	require.Equal(t, n, done.Left)
	require.NoError(t, f.Close())
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	left, err := filepath.Glob(filepath.Join(filepath.Dir(name), "*"))
	require.NoError(t, err)
	require.Equal(t, []string{name}, left)
}

func TestTwoAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	name, question := results(t)
	f, err := Open(name, question)
	require.NoError(t, err)
	_, err = Open(name, question)
	require.ErrorIs(t, err, ErrBusy)
	_, err = Read(name, question)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	f, err = Open(name, question)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestNothingOfOthersIsOverwritten(t *testing.T) {
	t.Parallel()
	name, question := results(t)
	f, err := Open(name, question)
	require.NoError(t, err)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	other := append(data, "{\"id\":\"new\",\"error\":{}}\n"...)
	require.NoError(t, os.WriteFile(name, other, 0o600))
	a := answers{"decide"}
	s := Session{File: f, Console: &a, Out: &strings.Builder{}}
	_, err = s.Run(t.Context())
	require.ErrorContains(t, err, "changed by another program")
	require.NoError(t, f.Close())
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(other), string(after))
}

func TestAnswersOfOtherRubricsAreLeftOut(t *testing.T) {
	t.Parallel()
	name, question := results(t)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	l, err := Parse([]byte(strings.SplitN(string(data), "\n", 2)[0]))
	require.NoError(t, err)
	changed := strings.Replace(string(data), l.Critique.Receipt.RubricHash, strings.Repeat("0", 64), 1)
	require.NoError(t, os.WriteFile(name, []byte(changed), 0o600))
	f, err := Read(name, question)
	require.NoError(t, err)
	require.Equal(t, 1, f.Outdated)
	for _, it := range f.Items {
		require.Greater(t, f.Number(it), 1)
	}
}

func TestUnreadableResults(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{"{}\n": ":1: not a line of results: it has neither", "\n[]\n": ":2: not a line of results", `{"id":"a","critique":{"que`: ":1: not a line of results"} {
		name := filepath.Join(t.TempDir(), "r.jsonl")
		require.NoError(t, os.WriteFile(name, []byte(data), 0o600))
		_, err := Open(name, func(string) *rubric.Question { return nil })
		require.ErrorContains(t, err, want)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	name, question := results(t)
	f, err := Open(name, question)
	require.NoError(t, err)
	run(t, f, "decide", "decide")
	file := filepath.Join(t.TempDir(), "labels.jsonl")
	q := question("event-loop-phases")
	n, err := f.Labels(file, Answers{"answer 0": {ID: "answer 0", Text: q.ModelAnswer, Modality: "SPOKEN"}, "answer 1": {ID: "answer 1", Text: "another text"}})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var l label
	require.NoError(t, json.Unmarshal(data, &l))
	require.Equal(t, "answer 0", l.ID)
	require.Equal(t, q.ModelAnswer, l.Text)
	require.Equal(t, "spoken", l.Modality)
	require.Equal(t, 2, len(l.Points)+len(l.Misconceptions))
	_, err = f.Labels(file, nil)
	require.ErrorIs(t, err, os.ErrExist)
	require.NoError(t, f.Close())
}

func TestWordsOfStrangersDoNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ab c[31mde", Clean("a\u202eb\tc\x1b[31md\x07\u200be\r\u009b"))
	s := Session{Color: true}
	marked := s.marked("one \x1b[2J two words three", []Evidence{{Start: 9, End: 18}, {Start: 12, End: 20}})
	require.Equal(t, "one [2J \x1b[7mtwo\x1b[0m \x1b[7mwords\x1b[0m\x1b[7mt\x1b[0mhree", marked)
	s.Color = false
	require.Equal(t, "a »b« c", s.marked("a b c", []Evidence{{Start: 2, End: 3}, {Start: 90, End: 99}}))
}

func TestReadAnswers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, data := range map[string]string{
		"a.jsonl": `{"id":"x","text":"one","modality":"typed"}` + "\nbroken\n" + `{"id":"x","text":"two"}` + "\n",
		"a.csv":   "\ufeffID,question_id,Text,modality\nx,q,\"one\",typed\nx,q,two,typed\nshort\n",
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(data), 0o600))
		got, err := ReadAnswers(file)
		require.NoError(t, err)
		require.Equal(t, Answer{"x", "one", "typed"}, got["x"], name)
	}
}
