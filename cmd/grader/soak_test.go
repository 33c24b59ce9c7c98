//go:build soak

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// TestServeMemoryIsFlat: a server that has answered 100,000 requests needs no more memory than after 10,000.
func TestServeMemoryIsFlat(t *testing.T) {
	c := exec.CommandContext(t.Context(), graderPath(t), "serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--log-level", "warn")
	c.Env = append(os.Environ(), "GRADER_JUDGE_URL=", "OPENAI_BASE_URL=", "OPENAI_API_KEY=")
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	out := bufio.NewScanner(stderr)
	require.True(t, out.Scan())
	at := regexp.MustCompile(`ready: grpc (\S+), http (http://\S+), admin`).FindStringSubmatch(out.Text())
	require.NotNil(t, at, out.Text())
	conn, err := grpc.NewClient(at[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	overGRPC, web := graderv1.NewGraderServiceClient(conn), &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}

	var sent atomic.Int64
	until := func(n int64) int {
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				for i := sent.Add(1); i <= n; i = sent.Add(1) {
					text := fmt.Sprintf("Timers first, then poll, then check, and close last; that is take %d of my answer.", i)
					if err := ask(t.Context(), overGRPC, web, at[2], i, text); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		work.Wait()
		return residentKB(t, c.Process.Pid)
	}
	early := until(10_000)
	late := until(100_000)
	t.Logf("resident after 10,000 requests %d KB, after 100,000 %d KB", early, late)
	require.Less(t, late, early+early/4)
	require.NoError(t, conn.Close())
	web.CloseIdleConnections()
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.Wait())
}

// ask grades over gRPC, HTTP and streams in turns.
func ask(ctx context.Context, overGRPC graderv1.GraderServiceClient, web *http.Client, url string, i int64, text string) error {
	if i%4 == 0 {
		_, err := overGRPC.GradeAnswer(ctx, &graderv1.GradeAnswerRequest{QuestionId: "event-loop-phases", Answer: &graderv1.Answer{Content: &graderv1.Answer_Text{Text: text}}})
		return err
	}
	verb := []string{"", ":grade", ":streamGrade", ":grade"}[i%4]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/questions/event-loop-phases"+verb, bytes.NewBufferString(fmt.Sprintf(`{"answer":{"text":%q}}`, text)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := web.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return err
}

func residentKB(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(data)
	require.NotNil(t, m)
	kb, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return kb
}
