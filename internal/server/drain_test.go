package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

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

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (rawCodec) Name() string                       { return "proto" }

func TestMalformedMessages(t *testing.T) {
	t.Parallel()
	st := start(t, Config{})
	conn, err := grpc.NewClient(st.conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	rng := rand.New(rand.NewPCG(1, 2))
	methods := []string{"GradeAnswer", "ListQuestions", "GetQuestion", "ListBanks", "GetBank", "Nothing"}
	seen := map[codes.Code]int{}
	for i := range 2000 {
		body := make([]byte, rng.IntN(200))
		for k := range body {
			body[k] = byte(rng.Uint32())
		}
		var out []byte
		seen[status.Code(conn.Invoke(t.Context(), "/grader.v1.GraderService/"+methods[i%len(methods)], body, &out))]++
	}
	require.NotEmpty(t, seen)
	require.Zero(t, seen[codes.Unknown], seen)
	require.Equal(t, 200, st.do(t, "GET", "/v1/banks", "").status)
}

func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	st := start(t, Config{HeaderTimeout: 50 * time.Millisecond, ReadTimeout: 100 * time.Millisecond})
	target := st.conn.Target()
	var idle []net.Conn
	for range 100 {
		for _, addr := range []string{st.addr, target} {
			c, err := dial(t, addr)
			require.NoError(t, err)
			idle = append(idle, c)
		}
	}
	defer func() {
		for _, c := range idle {
			_ = c.Close()
		}
	}()
	rng := rand.New(rand.NewPCG(3, 4))
	for i, c := range idle {
		var junk [8]byte
		binary.BigEndian.PutUint64(junk[:], rng.Uint64())
		switch i % 4 {
		case 0:
			_, _ = c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + string(junk[:])))
		case 1:
			_, _ = fmt.Fprintf(c, "POST /v1/questions/black-tea:grade HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		case 2:
			_, _ = c.Write(junk[:])
		}
	}
	require.Equal(t, 200, st.do(t, "POST", "/v1/questions/black-tea:grade", answerJSON("boiling water")).status)

	c, err := dial(t, st.addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = c.Write([]byte(strings.Repeat("GET /v1/banks HTTP/1.1\r\nHost: x\r\n\r\n", 5))) // pipelined
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	n := 0
	for s := bufio.NewScanner(c); n < 5 && s.Scan(); {
		if strings.Contains(s.Text(), "HTTP/1.1 200 OK") {
			n++
		}
	}
	require.Equal(t, 5, n)
}

func dial(t *testing.T, addr string) (net.Conn, error) {
	return (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", addr)
}
