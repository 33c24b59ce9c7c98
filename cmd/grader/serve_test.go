package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/app"
)

// TestServe runs the command as a process: one line when it is ready, a reload on SIGHUP, a drain on SIGTERM.
func TestServe(t *testing.T) {
	t.Parallel()
	c := exec.CommandContext(t.Context(), graderPath(t), "serve", "--bank", "testdata/bank", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0")
	c.Env = append(os.Environ(), "GRADER_JUDGE_URL=", "OPENAI_BASE_URL=", "OPENAI_API_KEY=")
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	lines := bufio.NewScanner(stderr)
	require.True(t, lines.Scan())
	at := regexp.MustCompile(`^grader: ready: grpc \S+, http (http://\S+), admin \S+, bank tea 1.0.0 \(2 questions\), no judge`).FindStringSubmatch(lines.Text())
	require.NotNil(t, at, lines.Text())

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at[1]+"/v1/questions/black-tea:grade", strings.NewReader(`{"answer":{"text":"a very secret answer: boiling water"}}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)

	require.NoError(t, c.Process.Signal(syscall.SIGHUP))
	var log []string
	for lines.Scan() {
		log = append(log, lines.Text())
		if strings.Contains(lines.Text(), "bank reloaded") {
			require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		}
	}
	require.NoError(t, c.Wait(), "%q", log)
	all := strings.Join(log, "\n")
	require.Contains(t, all, "method=GradeAnswer code=OK")
	require.Contains(t, all, "draining")
	require.NotContains(t, all, "secret answer")
}

// TestAnnounce: the addresses can be opened as they are printed.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		where app.Where
		want  string
	}{
		"in the clear": {app.Where{GRPC: "127.0.0.1:1", HTTP: "127.0.0.1:2", Admin: "127.0.0.1:3"}, "grader: ready: grpc 127.0.0.1:1, http http://127.0.0.1:2, admin http://127.0.0.1:3, no judge: keywords decide\n"},
		"TLS":          {app.Where{HTTP: "127.0.0.1:2", Admin: "127.0.0.1:3", TLS: true, Judge: "m at u"}, "grader: ready: http https://127.0.0.1:2, admin http://127.0.0.1:3, judge m at u\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			(&globals{streams: streams{err: &out}}).announce(tc.where)
			require.Equal(t, tc.want, out.String())
		})
	}
}

// graderPath is the command that testscript puts into the path.
func graderPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("grader")
	require.NoError(t, err)
	return path
}
