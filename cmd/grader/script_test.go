package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge/judgetest"
	"github.com/vivagrader/grader/internal/rubric"
)

// TestMain makes the test binary the command grader as well, for scripts and for tests that need a real process.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"grader": main})
}

// TestScripts runs testdata/script. $BANK is a tiny bank that is never tuned, $EXAMPLES the folder of examples, $SPEECH a
// recogniser that hears teaReply whatever it is given, and $TONE a recording of 12 s.
// "exits N command args..." runs a command that has to end with that exit code.
func TestScripts(t *testing.T) {
	t.Parallel()
	bank, err := filepath.Abs(filepath.Join("testdata", "bank"))
	require.NoError(t, err)
	examples, err := filepath.Abs(filepath.Join("..", "..", "examples"))
	require.NoError(t, err)
	judge := serveJudges(t, bank)
	speech, _ := serveSpeech(t, 200, teaReply)
	sound := recording(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BANK", bank)
			env.Setenv("EXAMPLES", examples)
			env.Setenv("JUDGE", judge)
			env.Setenv("SPEECH", speech)
			env.Setenv("TONE", sound)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits},
	})
}

// serveJudges serves /good, /plain (text with a thinking block), /weak (makes quotes up) and /refused (no key is right),
// which know what doctor says to the bank's first question.
func serveJudges(t *testing.T, dir string) string {
	t.Helper()
	bank, err := rubric.Open(os.DirFS(dir), dir)
	require.NoError(t, err)
	q, err := firstQuestion(graderSet{grade.New(bank, "test")})
	require.NoError(t, err)
	var labels []judgetest.Labels
	for start := range 2 {
		l := judgetest.Labels{QuestionID: q.ID, Points: map[string]string{}, Quotes: map[string]string{}}
		var met map[string]bool
		l.Text, met = probe(q, start)
		for i := range q.Points {
			if p := &q.Points[i]; met[p.ID] {
				l.Points[p.ID], l.Quotes[p.ID] = "met", p.Statement
			}
		}
		labels = append(labels, l)
	}
	mux := http.NewServeMux()
	mux.Handle("/good/", judgetest.New(labels, judgetest.Options{}))
	mux.Handle("/plain/", judgetest.New(labels, judgetest.Options{PlainText: true}))
	mux.Handle("/weak/", judgetest.New(labels, judgetest.Options{InventQuotes: true}))
	mux.HandleFunc("/refused/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":{"message":"wrong key"}}`, http.StatusUnauthorized)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
