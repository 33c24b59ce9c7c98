package server

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

func TestDrain(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}, 10), make(chan struct{})
	st := start(t, Config{Judge: judged(func(ctx context.Context, req judgeRequest) (judgeResult, error) {
		entered <- struct{}{}
		<-release
		return allMissed(ctx, req)
	})})
	require.Equal(t, 200, st.adminGet(t, "/readyz").status)
	bodies := make(chan response, 10)
	var work sync.WaitGroup
	for _, verb := range []string{":grade", ":streamGrade"} {
		work.Go(func() {
			bodies <- st.do(t, "POST", "/v1/questions/black-tea"+verb, answerJSON("boiling water is all you need"))
		})
	}
	var overGRPC *graderv1.GradeAnswerResponse
	var grpcErr error
	work.Go(func() {
		overGRPC, grpcErr = st.grpc.GradeAnswer(t.Context(), &graderv1.GradeAnswerRequest{QuestionId: "black-tea", Answer: textAnswer("boiling water is all you need")})
	})
	for range 3 {
		<-entered
	}
	drained := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { drained <- st.Drain(ctx) }()
	require.Eventually(t, func() bool { return st.adminGet(t, "/readyz").status == 503 }, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		c, err := dial(t, st.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, 5*time.Second, time.Millisecond, "takes no new connections")
	close(release)
	work.Wait()
	require.NoError(t, <-drained)
	for range 2 {
		r := <-bodies
		require.Equal(t, 200, r.status)
		require.Contains(t, r.body, `"mode":"JUDGE"`)
	}
	require.NoError(t, grpcErr)
	require.Equal(t, graderv1.Receipt_JUDGE, overGRPC.Critique.Mode)
}

// TestDrainHurries: near the end of its time a drain sends degraded answers rather than none.
func TestDrainHurries(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 1)
	st := start(t, Config{Judge: judged(func(ctx context.Context, req judgeRequest) (judgeResult, error) {
		entered <- struct{}{}
		return hang(ctx, req)
	})})
	got := make(chan *graderv1.GradeAnswerResponse, 1)
	go func() {
		r, _ := st.grpc.GradeAnswer(t.Context(), &graderv1.GradeAnswerRequest{QuestionId: "black-tea", Answer: textAnswer("boiling water is all you need")})
		got <- r
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), hurryBefore+50*time.Millisecond)
	defer cancel()
	require.NoError(t, st.Drain(ctx))
	require.Equal(t, graderv1.Critique_DEGRADED, (<-got).GetCritique().GetState())
}

func TestHealth(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Judge: judged(hang), Keys: []Key{key("k", "k", "", ScopeGrade)}})
	h := healthv1.NewHealthClient(st.conn)
	for _, name := range []string{"", "grader.v1.GraderService"} {
		r, err := h.Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
		require.NoError(t, err)
		require.Equal(t, healthv1.HealthCheckResponse_SERVING, r.Status)
	}
	require.Equal(t, 200, st.adminGet(t, "/healthz").status)
	require.Equal(t, 404, st.adminGet(t, "/debug/pprof/").status)
}

func dial(t *testing.T, addr string) (net.Conn, error) {
	return (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", addr)
}
