package rubrics_test

import (
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/cases"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/rubric/lint"
	"github.com/vivagrader/grader/rubrics"
)

// banks are the built-in bank and the example.
func banks(t *testing.T) map[string]*rubric.Bank {
	t.Helper()
	out := map[string]*rubric.Bank{}
	for dir, fsys := range map[string]fs.FS{"rubrics/nodejs": rubrics.NodeJS(), "examples/http-caching": os.DirFS("../examples/http-caching")} {
		b, err := rubric.Open(fsys, dir)
		require.NoError(t, err)
		require.Equal(t, path.Base(dir), b.ID)
		out[dir] = b
	}
	return out
}

func TestBanksAreClean(t *testing.T) {
	t.Parallel()
	for dir, b := range banks(t) {
		t.Run(b.ID, func(t *testing.T) {
			t.Parallel()
			found, err := lint.Bank(b, nil)
			require.NoError(t, err)
			for _, d := range found {
				t.Error(d)
			}
			require.NotEmpty(t, b.IDs(), dir)
		})
	}
}

// Every case decides as it says; every point has a case in which it is met and one in which it is not. Lint runs the
// statement of each point and its denial, which count as one of each.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, b := range banks(t) {
		for _, id := range b.IDs() {
			t.Run(b.ID+"/"+id, func(t *testing.T) {
				t.Parallel()
				q, err := b.Question(id)
				require.NoError(t, err)
				p, err := check.Compile(q)
				require.NoError(t, err)
				cs, err := cases.Load(q)
				require.NoError(t, err)
				require.NotEmpty(t, cs, "%s has no cases; write %s_test.yaml", id, id)
				wants := map[string]map[string]bool{}
				for _, r := range cases.Run(q, p, cs) {
					if wants[r.Target] == nil {
						wants[r.Target] = map[string]bool{}
					}
					wants[r.Target][r.Want] = true
					if !r.OK {
						t.Errorf("%s:%d: %s: want %s, got %s (needs %q): %.160s", b.Path(id+"_test.yaml"), r.Line, r.Name, r.Want, r.Got, r.Needs, r.Text)
					}
				}
				for i := range q.Points {
					w := wants[q.Points[i].ID]
					require.True(t, w["met"], "%s has no met case", q.Points[i].ID)
					require.True(t, w["missed"] || w["contradicted"], "%s has no missed case", q.Points[i].ID)
				}
				for i := range q.Misconceptions {
					w := wants[q.Misconceptions[i].ID]
					require.True(t, w["asserted"], "%s has no asserted case", q.Misconceptions[i].ID)
					require.True(t, w["rejected"] || w["absent"], "%s has no case in which it is not asserted", q.Misconceptions[i].ID)
				}
			})
		}
	}
}
