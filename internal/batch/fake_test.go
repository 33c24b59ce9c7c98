package batch

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

var update = flag.Bool("update", false, "write golden files")

// fake scores an answer by its length.
type fake struct {
	calls atomic.Int32
	down  atomic.Bool // the judge, which texts that begin with j need
	hook  func(ctx context.Context, id string, a grade.Answer) error
}

func (f *fake) Grade(ctx context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	f.calls.Add(1)
	if f.hook != nil {
		if err := f.hook(ctx, id, a); err != nil {
			return nil, err
		}
	}
	switch {
	case id == "broken":
		panic("no such thing")
	case id == "faulty":
		return nil, errors.New("the bank\ncannot be read")
	case id != "tea" && id != "drinks/tea":
		return nil, &rubric.UnknownQuestionError{ID: id, Nearest: []string{"tea"}}
	case strings.TrimSpace(a.Text) == "":
		return &grade.Critique{QuestionID: "tea", State: grade.Ungradable, Mode: grade.ModeKeywords, Reasons: []grade.Reason{grade.ReasonEmpty},
			Summary: "There is no answer to grade.", Timing: grade.Timing{TotalMillis: 0.1, KeywordMillis: 0.1}}, nil
	}
	if f.down.Load() && strings.HasPrefix(a.Text, "j") {
		return &grade.Critique{QuestionID: "tea", State: grade.Degraded, Mode: grade.ModeKeywords, Reasons: []grade.Reason{grade.ReasonJudgeTimeout}}, nil
	}
	value := float64(len(a.Text) % 100)
	return &grade.Critique{
		QuestionID: "tea", State: grade.Graded, Mode: grade.ModeKeywords, Summary: "So, so.",
		Score: &grade.Score{Value: &value, Low: value, High: 100, Band: rubric.Bands{Developing: 40, Solid: 60, Strong: 80}.Name(value), Coverage: 1},
		Points: []grade.PointResult{
			{ID: "boil", Kind: "function", Weight: 3, Decision: grade.Met, Credit: 1, DecidedBy: grade.ByCheck, Reason: string(a.Modality)},
			{ID: "steep", Kind: "number", Weight: 1, Decision: grade.Missed, DecidedBy: grade.ByCheck, Statement: strings.Repeat("long ", 40)},
		},
		Misconceptions: []grade.MisconceptionResult{{ID: "cold-tap", Decision: grade.Asserted}, {ID: "twice", Decision: grade.NotClaimed}},
		Flags:          []grade.Flag{grade.FlagEcho, grade.FlagOffTopic},
		Timing:         grade.Timing{TotalMillis: 0.1, KeywordMillis: 0.1},
	}, nil
}

// bench is a folder with an input and an output.
type bench struct {
	t   *testing.T
	dir string
	cfg Config
	g   *fake
}

func newBench(t *testing.T, in, out, content string) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), g: &fake{}}
	b.cfg = Config{In: filepath.Join(b.dir, in), Out: filepath.Join(b.dir, out), Settings: map[string]string{"engine version": "1"}, Concurrency: 4}
	b.write(b.cfg.In, content)
	return b
}

func (b *bench) write(name, content string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(name, []byte(content), 0o600))
}

func (b *bench) run() (*Summary, error) {
	b.t.Helper()
	b.g.calls.Store(0)
	return Run(b.t.Context(), b.g, b.cfg)
}

func (b *bench) mustRun() *Summary {
	b.t.Helper()
	s, err := b.run()
	require.NoError(b.t, err)
	return s
}

func (b *bench) output() string {
	b.t.Helper()
	data, err := os.ReadFile(b.cfg.Out)
	require.NoError(b.t, err)
	return string(data)
}

// answers is an input of n lines, every tenth of them an error.
func answers(n int) string {
	var b bytes.Buffer
	for i := range n {
		question := "tea"
		if i%10 == 7 {
			question = "coffee"
		}
		fmt.Fprintf(&b, `{"id":"a%d","question_id":%q,"text":%q}`+"\n", i, question, strings.Repeat("x", i%97))
	}
	return b.String()
}
