package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// TestCrowd: connections that do nothing and streams that are read slowly do not keep others from being served. Times
// are compared with those of the same server before the crowd came.
func TestCrowd(t *testing.T) {
	release := make(chan struct{})
	st, goroutines, heap := warm(t, Config{JudgeSlots: slowReaders, Judge: judged(func(ctx context.Context, req judgeRequest) (judgeResult, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return allMissed(ctx, req)
	})})
	alone := st.times(t)

	var crowd []net.Conn
	for i := range idleConnections {
		if i%2 == 0 {
			p := newAttacker(t, st.conn.Target())
			crowd = append(crowd, p.conn)
			continue
		}
		c := st.dialled(t, "GET /v1/banks HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err := c.Read(make([]byte, 1))
		require.NoError(t, err)
		crowd = append(crowd, c)
	}
	var reading sync.WaitGroup
	for i := range slowReaders {
		c := st.slowReader(t, i)
		crowd = append(crowd, c)
		reading.Go(func() { sip(c) })
	}
	require.Eventually(t, func() bool { return len(st.service.gate.slots) == slowReaders }, time.Minute, time.Millisecond, "every stream waits for the judge")
	crowded := st.times(t)
	t.Logf("%d idle connections, %d slow readers: p50 %s, p99 %s; alone: p50 %s, p99 %s",
		idleConnections, slowReaders, crowded.at(50), crowded.at(99), alone.at(50), alone.at(99))
	require.Less(t, crowded.at(50), 5*alone.at(50)+2*time.Millisecond)

	close(release)
	require.Eventually(t, func() bool { return len(st.service.gate.slots) == 0 }, time.Minute, time.Millisecond)
	for _, c := range crowd {
		_ = c.Close()
	}
	reading.Wait()
	healthy(t, st, goroutines, heap)
}

// dialled is a connection with a request on it.
func (st *stand) dialled(t *testing.T, request string) net.Conn {
	t.Helper()
	c, err := dial(t, st.addr)
	require.NoError(t, err)
	_, err = io.WriteString(c, request)
	require.NoError(t, err)
	return c
}

// slowReader asks for a stream: over HTTP as events, and over gRPC without room for a single byte of the answer.
func (st *stand) slowReader(t *testing.T, i int) net.Conn {
	t.Helper()
	text := fmt.Sprint("boiling water and a little patience, take ", i)
	if i%2 == 0 {
		body := answerJSON(text)
		return st.dialled(t, fmt.Sprintf("POST /v1/questions/black-tea:streamGrade HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
	p := newAttacker(t, st.conn.Target())
	require.NoError(t, p.conn.SetDeadline(time.Time{}))
	_ = p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	req, err := proto.Marshal(&graderv1.StreamGradeAnswerRequest{QuestionId: "black-tea", Answer: textAnswer(text)})
	require.NoError(t, err)
	p.call(graderv1.GraderService_StreamGradeAnswer_FullMethodName, "application/grpc", message(0, uint32(len(req)), req))
	return p.conn
}

// sip reads a byte now and then, until the connection is closed.
func sip(c net.Conn) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		<-tick.C
		if _, err := c.Read(make([]byte, 1)); err != nil {
			return
		}
	}
}

// times are how long requests took, sorted.
type times []time.Duration

func (d times) at(percent int) time.Duration { return d[(len(d)-1)*percent/100] }

// times grades by keywords, over gRPC and HTTP in turns.
func (st *stand) times(t *testing.T) times {
	t.Helper()
	var out times
	req := gradeRequestFor(strong)
	req.Judge = graderv1.JudgeUse_OFF
	for i := range crowdRequests {
		start := time.Now()
		if i%2 == 0 {
			_, err := st.grpc.GradeAnswer(t.Context(), req)
			require.NoError(t, err)
		} else {
			require.Equal(t, 200, st.do(t, "POST", "/v1/questions/event-loop-phases:grade", answerJSON(strong, `"judge":"OFF"`)).status)
		}
		out = append(out, time.Since(start))
	}
	slices.Sort(out)
	return out
}

// TestDrainUnderLoad: whoever is answered at all is answered in full. The server counts the answers that it made, the
// clients those that arrived whole.
func TestDrainUnderLoad(t *testing.T) {
	st := start(t, Config{InFlight: 1000, JudgeSlots: 1000, Judge: judged(func(ctx context.Context, req judgeRequest) (judgeResult, error) {
		wait(ctx, 5*time.Millisecond)
		return allMissed(ctx, req)
	})})
	clients := []func(*testing.T, *stand) func() bool{unaryClient, streamClient, httpClient, ndjsonClient}
	var arrived atomic.Int64
	var work sync.WaitGroup
	for range drainClients {
		for _, client := range clients {
			ask := client(t, st)
			work.Go(func() {
				for ask() {
					arrived.Add(1)
				}
			})
		}
	}
	require.Eventually(t, func() bool { return arrived.Load() > 20*drainClients }, time.Minute, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, st.Drain(ctx))
	work.Wait()
	made := st.critiques(t)
	t.Logf("%d answers made, %d arrived", made, arrived.Load())
	require.EqualValues(t, made, arrived.Load())
}

// critiques are those that the server made.
func (st *stand) critiques(t *testing.T) int {
	t.Helper()
	families, err := st.registry.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() == "grader_critiques_total" {
			for _, m := range f.Metric {
				sum += m.Counter.GetValue()
			}
		}
	}
	return int(sum)
}

// Each of these is a client with a connection of its own. It asks once, and reports whether the whole answer came.

func unaryClient(t *testing.T, st *stand) func() bool {
	client := ownGRPC(t, st)
	return func() bool {
		res, err := client.GradeAnswer(context.Background(), gradeRequestFor(strong))
		return err == nil && len(res.Critique.Points) > 0
	}
}

func streamClient(t *testing.T, st *stand) func() bool {
	client := ownGRPC(t, st)
	return func() bool {
		stream, err := client.StreamGradeAnswer(context.Background(), &graderv1.StreamGradeAnswerRequest{QuestionId: "event-loop-phases", Answer: textAnswer(strong)})
		if err != nil {
			return false
		}
		whole := false
		for {
			ev, err := stream.Recv()
			if err != nil {
				return whole && errors.Is(err, io.EOF)
			}
			whole = ev.GetCritique() != nil
		}
	}
}

func httpClient(t *testing.T, st *stand) func() bool {
	return ownHTTP(t, st, ":grade", func(body []byte) bool { return json.Valid(body) })
}

func ndjsonClient(t *testing.T, st *stand) func() bool {
	return ownHTTP(t, st, ":streamGrade", func(body []byte) bool {
		all := lines(string(body))
		last := all[len(all)-1]
		return strings.HasPrefix(last, `{"critique":`) && json.Valid([]byte(last))
	})
}

func ownGRPC(t *testing.T, st *stand) graderv1.GraderServiceClient {
	conn, err := grpc.NewClient(st.conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return graderv1.NewGraderServiceClient(conn)
}

func ownHTTP(t *testing.T, st *stand, verb string, whole func([]byte) bool) func() bool {
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return func() bool {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, st.url+"/v1/questions/event-loop-phases"+verb, strings.NewReader(answerJSON(strong)))
		if err != nil {
			return false
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		return err == nil && res.StatusCode == http.StatusOK && whole(body)
	}
}

// TestCallerWhoDoesNothing: a stream that says nothing, or has no room for its answer, does not hold its place for ever.
func TestCallerWhoDoesNothing(t *testing.T) {
	t.Parallel()
	st := start(t, Config{RequestTimeout: 200 * time.Millisecond, SpeechTimeout: 100 * time.Millisecond})
	req := &graderv1.StreamGradeAnswerRequest{QuestionId: "black-tea", Answer: &graderv1.Answer{Content: &graderv1.Answer_Transcript{Transcript: &graderv1.Transcript{}}}}
	for range 5000 { // all of them come back in the answer, three times what a stream buffers
		words := req.Answer.GetTranscript()
		words.Words = append(words.Words, &graderv1.Word{Text: "water"})
	}
	body, err := proto.Marshal(req)
	require.NoError(t, err)
	p := newAttacker(t, st.conn.Target())
	defer func() { _ = p.conn.Close() }()
	require.NoError(t, p.conn.SetDeadline(time.Time{}))
	_ = p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	p.call(graderv1.GraderService_StreamGradeAnswer_FullMethodName, "application/grpc", message(0, uint32(len(body)), body))
	silent, err := st.grpc.GradeAudio(t.Context())
	require.NoError(t, err)
	require.Equal(t, codes.DeadlineExceeded, status.Code(silent.RecvMsg(&graderv1.GradeAudioResponse{})))
	over := `grader_requests_total{code="DEADLINE_EXCEEDED",method="StreamGradeAnswer",transport="grpc"} 1`
	require.Eventually(t, func() bool { return strings.Contains(st.metricsText(t), over) }, patience, 10*time.Millisecond)
	require.Contains(t, st.metricsText(t), "grader_requests_in_flight 0\n")
}
