package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/wire"
)

// longAnswer is the model answer of the question, about 250 words.
func longAnswer(tb testing.TB) string {
	_, q, err := catalog(tb).find("nodejs", "event-loop-phases")
	require.NoError(tb, err)
	return q.ModelAnswer
}

// echo answers with one string: a bare server, with messages of the same size as the grader's.
type echo struct {
	graderv1.UnimplementedGraderServiceServer
	reply *graderv1.GradeAnswerResponse
}

func (e echo) GradeAnswer(context.Context, *graderv1.GradeAnswerRequest) (*graderv1.GradeAnswerResponse, error) {
	return e.reply, nil
}

func padded(size int) *graderv1.GradeAnswerResponse {
	return &graderv1.GradeAnswerResponse{Critique: &graderv1.Critique{Summary: strings.Repeat("x", size)}}
}

func gradeRequestFor(text string) *graderv1.GradeAnswerRequest {
	return &graderv1.GradeAnswerRequest{Bank: "nodejs", QuestionId: "event-loop-phases", Answer: textAnswer(text)}
}

const (
	benchClients     = 64
	benchConnections = 4
	benchTurn        = 500 * time.Millisecond
)

// hammer lets clients call for a turn and returns the calls a second.
func hammer(b *testing.B, call func(client int) error) float64 {
	b.Helper()
	var work sync.WaitGroup
	var mu sync.Mutex
	total := 0
	start := time.Now()
	for client := range benchClients {
		work.Go(func() {
			n := 0
			for time.Since(start) < benchTurn {
				if err := call(client); err != nil {
					b.Error(err)
					return
				}
				n++
			}
			mu.Lock()
			total += n
			mu.Unlock()
		})
	}
	work.Wait()
	return float64(total) / time.Since(start).Seconds()
}

// BenchmarkAgainstEcho calls the grader and a bare echo server in turns, on the same machine in the same run.
func BenchmarkAgainstEcho(b *testing.B) {
	st := start(b, Config{})
	res, err := st.grpc.GradeAnswer(b.Context(), gradeRequestFor(longAnswer(b)))
	require.NoError(b, err)
	b.Run("grpc", func(b *testing.B) {
		grader := grpcCaller(b, st.conn.Target())
		bare := grpcCaller(b, echoGRPC(b, padded(proto.Size(res))))
		compare(b, grader, bare)
	})
	b.Run("http", func(b *testing.B) {
		body, err := wire.Marshal(res.Critique)
		require.NoError(b, err)
		grader := httpCaller(b, st.url)
		bare := httpCaller(b, echoHTTP(b, padded(len(body))))
		compare(b, grader, bare)
	})
}

func compare(b *testing.B, grader, bare func(int) error) {
	b.Helper()
	var graded, echoed float64
	for b.Loop() {
		graded += hammer(b, grader)
		echoed += hammer(b, bare)
	}
	b.ReportMetric(graded/float64(b.N), "graded/s")
	b.ReportMetric(echoed/float64(b.N), "echoed/s")
	b.ReportMetric(100*graded/echoed, "%_of_echo")
}

func grpcCaller(b *testing.B, target string) func(int) error {
	var clients []graderv1.GraderServiceClient
	for range benchConnections {
		conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(b, err)
		b.Cleanup(func() { _ = conn.Close() })
		clients = append(clients, graderv1.NewGraderServiceClient(conn))
	}
	req := gradeRequestFor(longAnswer(b))
	return func(i int) error {
		_, err := clients[i%len(clients)].GradeAnswer(context.Background(), req)
		return err
	}
}

func echoGRPC(b *testing.B, reply *graderv1.GradeAnswerResponse) string {
	s := grpc.NewServer()
	graderv1.RegisterGraderServiceServer(s, echo{reply: reply})
	l := listen(b)
	go func() { _ = s.Serve(l) }()
	b.Cleanup(s.Stop)
	return l.Addr().String()
}

func echoHTTP(b *testing.B, reply *graderv1.GradeAnswerResponse) string {
	s := grpc.NewServer()
	graderv1.RegisterGraderServiceServer(s, echo{reply: reply})
	pipe := bufconn.Listen(pipeBytes)
	go func() { _ = s.Serve(pipe) }()
	conn, err := grpc.NewClient("passthrough:///pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	require.NoError(b, err)
	mux := runtime.NewServeMux()
	require.NoError(b, graderv1.RegisterGraderServiceHandler(b.Context(), mux, conn))
	l := listen(b)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	go func() { _ = web.Serve(l) }()
	b.Cleanup(func() { _ = web.Close(); _ = conn.Close(); s.Stop() })
	return "http://" + l.Addr().String()
}

func httpCaller(b *testing.B, url string) func(int) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}
	b.Cleanup(client.CloseIdleConnections)
	body := answerJSON(longAnswer(b))
	return func(int) error {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/v1/banks/nodejs/questions/event-loop-phases:grade", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return err
	}
}
