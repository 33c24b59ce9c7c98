package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

const (
	question    = "event-loop-phases"
	gradePath   = "/v1/questions/" + question + ":grade"
	echoCommand = "echo"
	pipeBytes   = 1 << 20
)

// pair is both servers, and the ways to ask them.
type pair struct {
	processes            []*exec.Cmd
	closers              []io.Closer
	answer               string
	grpcBytes, httpBytes int
	paths                []path
}

// stop ends both servers.
func (p *pair) stop() {
	for _, c := range p.closers {
		_ = c.Close()
	}
	for _, c := range p.processes {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	}
}

// start starts the grader, asks it once, and starts an echo server whose replies are as large.
func (p *pair) start(ctx context.Context, s settings) error {
	grader, err := p.run(ctx, `ready: grpc (\S+), http http://([^ ,]+)`, s.grader, "serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--admin-addr", "off", "--judge-url", "", "--judge-model", "")
	if err != nil {
		return fmt.Errorf("start %s: %w", s.grader, err)
	}
	over, err := p.dial(grader[0], s.connections)
	if err != nil {
		return err
	}
	q, err := over[0].GetQuestion(ctx, &graderv1.GetQuestionRequest{QuestionId: question, View: graderv1.View_FULL})
	if err != nil {
		return err
	}
	p.answer = q.GetQuestion().GetModelAnswer()
	overGRPC := askGRPC(over, p.answer, &p.grpcBytes)
	overHTTP := askHTTP("http://"+grader[1]+gradePath, p.answer, s.clients, &p.httpBytes)
	for _, c := range []call{overGRPC, overHTTP} { // for the sizes
		if err := c(ctx, 0); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	echo, err := p.run(ctx, `ready: (\S+) (\S+)`, self, echoCommand, "-grpc-bytes", strconv.Itoa(p.grpcBytes), "-http-bytes", strconv.Itoa(p.httpBytes))
	if err != nil {
		return fmt.Errorf("start the echo server: %w", err)
	}
	bare, err := p.dial(echo[0], s.connections)
	if err != nil {
		return err
	}
	same := 1
	p.paths = []path{
		{"gRPC", [2]call{overGRPC, askGRPC(bare, p.answer, &same)}},
		{"HTTP", [2]call{overHTTP, askHTTP("http://"+echo[1]+gradePath, p.answer, s.clients, &same)}},
	}
	return nil
}

// run runs a server, which says in its first line where it listens. What it says afterwards is dropped.
func (p *pair) run(ctx context.Context, ready, name string, args ...string) ([]string, error) {
	c := exec.CommandContext(ctx, name, args...)
	pipe, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	p.processes = append(p.processes, c)
	lines := bufio.NewReader(pipe)
	line, _ := lines.ReadString('\n') // empty where it ended
	m := regexp.MustCompile(ready).FindStringSubmatch(line)
	if m == nil {
		return nil, fmt.Errorf("it is not ready: %q", line)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return m[1:], nil
}

func (p *pair) dial(addr string, connections int) ([]graderv1.GraderServiceClient, error) {
	var out []graderv1.GraderServiceClient
	for range connections {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, conn)
		out = append(out, graderv1.NewGraderServiceClient(conn))
	}
	return out, nil
}

// askGRPC asks over one of the connections. The first reply's size goes to size, where that is 0.
func askGRPC(over []graderv1.GraderServiceClient, answer string, size *int) call {
	req := &graderv1.GradeAnswerRequest{QuestionId: question, Answer: &graderv1.Answer{Content: &graderv1.Answer_Text{Text: answer}}}
	return func(ctx context.Context, client int) error {
		res, err := over[client%len(over)].GradeAnswer(ctx, req)
		if err == nil && *size == 0 {
			*size = proto.Size(res)
		}
		return err
	}
}

func askHTTP(url, answer string, clients int, size *int) call {
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: max(clients, waiting), DisableCompression: true}}
	body, _ := json.Marshal(map[string]any{"answer": map[string]string{"text": answer}}) // of strings
	return func(ctx context.Context, _ int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := web.Do(req)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", url, res.Status)
		}
		if *size == 0 {
			*size = int(n)
		}
		return err
	}
}

// echo answers with one string.
type echo struct {
	graderv1.UnimplementedGraderServiceServer
	reply *graderv1.GradeAnswerResponse
}

// GradeAnswer grades nothing.
func (e echo) GradeAnswer(context.Context, *graderv1.GradeAnswerRequest) (*graderv1.GradeAnswerResponse, error) {
	return e.reply, nil
}

func newEcho(bytes int) *grpc.Server {
	s := grpc.NewServer()
	graderv1.RegisterGraderServiceServer(s, echo{reply: &graderv1.GradeAnswerResponse{Critique: &graderv1.Critique{Summary: strings.Repeat("x", bytes)}}})
	return s
}

// serveEcho is the echo server: gRPC, and a bare gateway to another one over a connection in the process.
func serveEcho(ctx context.Context, args []string) error {
	f := flag.NewFlagSet(echoCommand, flag.ContinueOnError)
	grpcBytes, httpBytes := f.Int("grpc-bytes", 0, "size of a reply over gRPC"), f.Int("http-bytes", 0, "size of a reply over HTTP")
	if err := f.Parse(args); err != nil {
		return err
	}
	pipe := bufconn.Listen(pipeBytes)
	inner, public := newEcho(*httpBytes), newEcho(*grpcBytes)
	conn, err := grpc.NewClient("passthrough:///pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		return err
	}
	mux := runtime.NewServeMux()
	if err := graderv1.RegisterGraderServiceHandler(ctx, mux, conn); err != nil {
		return err
	}
	var listen net.ListenConfig
	overGRPC, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	overHTTP, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = inner.Serve(pipe) }()
	go func() { _ = public.Serve(overGRPC) }()
	go func() { _ = (&http.Server{Handler: mux, ReadHeaderTimeout: time.Second}).Serve(overHTTP) }()
	fmt.Fprintf(os.Stderr, "ready: %s %s\n", overGRPC.Addr(), overHTTP.Addr())
	<-ctx.Done()
	return nil
}
