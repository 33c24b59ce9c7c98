package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/batch"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/wire"
)

// serverFlags say which server grades instead of this process.
type serverFlags struct{ config config.Remote }

func (f *serverFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.config.Addr, "server", "", "a grader server's gRPC address, which grades instead (GRADER_SERVER); its key is in GRADER_SERVER_KEY")
	c.Flags().StringVar(&f.config.KeyFile, "server-key-file", "", "file that holds the key for the server")
	c.Flags().StringVar(&f.config.CAFile, "server-ca", "", "certificates, PEM, that vouch for the server (GRADER_SERVER_CA)")
}

// onlyHere are flags that mean nothing where a server grades.
var onlyHere = []string{"bank", "judge-url", "judge-model", "judge-timeout", "judge-concurrency", "judge-evidence", "judge-prices", "no-cache",
	"speech-url", "speech-model", "speech-timeout", "estimate", "max-cost"}

// resolve says whether a server grades, and which.
func (f serverFlags) resolve(given func(flag string) bool) (r config.Remote, remote bool, err error) {
	r = f.config
	if !given("server") { // an empty one grades here
		r.Addr = os.Getenv(config.ServerVariable)
	}
	if r.Addr == "" {
		if given("server-key-file") || given("server-ca") {
			return r, false, usagef("--server-key-file and --server-ca are for a server; name it with --server")
		}
		return r, false, nil
	}
	for _, name := range onlyHere {
		if given(name) {
			return r, false, usagef("--%s is of no use where the server %s grades: it has its own; leave it out, or grade here with --server ''", name, r.Addr)
		}
	}
	if r, err = r.WithEnv(os.Getenv); err == nil {
		_, _, err = r.Dial()
	}
	if err != nil {
		return r, false, &exitError{exitUsage, err}
	}
	return r, true, nil
}

const (
	// remoteTimeout bounds one try of an answer, uploadTimeout one of a recording: a server gives up sooner.
	remoteTimeout = 5 * time.Minute
	uploadTimeout = 20 * time.Minute
	// patience is how long an answer is tried again while the server is away or has too much to do.
	patience  = 2 * time.Minute
	firstWait = 250 * time.Millisecond
	mostWait  = 15 * time.Second
	// uploadChunk of a recording is sent at a time.
	uploadChunk = 256 << 10
)

// remote grades on a server.
type remote struct {
	addr     string
	conn     *grpc.ClientConn
	api      graderv1.GraderServiceClient
	use      graderv1.JudgeUse_Value
	notes    io.Writer
	patience time.Duration
	less     atomic.Bool // the key does not show everything: critiques come as it allows

	mu           sync.Mutex
	spent, saved llm.Usage // of the server's judge
}

// dial makes the connection when it is first needed.
func dial(r config.Remote, use judgeUse, notes io.Writer) (*remote, error) {
	target, secure, err := r.Dial()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	creds := insecure.NewCredentials()
	if secure {
		cfg := &tls.Config{MinVersion: tls.VersionTLS12}
		if r.CAFile != "" {
			if cfg.RootCAs, err = certificates(r.CAFile); err != nil {
				return nil, &exitError{exitUsage, err}
			}
		}
		creds = credentials.NewTLS(cfg)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(creds), grpc.WithUserAgent("grader/" + engineVersion()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 20 * time.Second})}
	if r.Key != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer{r.Key, secure}))
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("server %s: %w", r.Addr, err)}
	}
	uses := map[judgeUse]graderv1.JudgeUse_Value{judgeAuto: graderv1.JudgeUse_AUTO, judgeOff: graderv1.JudgeUse_OFF, judgeRequired: graderv1.JudgeUse_REQUIRED}
	return &remote{addr: r.Addr, conn: conn, api: graderv1.NewGraderServiceClient(conn), use: uses[use], notes: notes, patience: patience}, nil
}

func certificates(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the certificates for the server: %s", reason(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificates in PEM", file)
	}
	return pool, nil
}

// bearer sends the key with every call.
type bearer struct {
	key    config.Secret
	secure bool
}

// GetRequestMetadata is the header with the key.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.key.Reveal()}, nil
}

// RequireTransportSecurity keeps the key off the open network; on this host nobody listens.
func (b bearer) RequireTransportSecurity() bool { return b.secure }

func (r *remote) close() { _ = r.conn.Close() }

// question asks the server for a question, with its model answer where that is wanted.
func (r *remote) question(ctx context.Context, id string, model bool) (*rubric.Question, error) {
	view := graderv1.View_BASIC
	if model {
		view = graderv1.View_FULL
	}
	within, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	res, err := r.api.GetQuestion(within, &graderv1.GetQuestionRequest{QuestionId: id, View: view})
	if err != nil {
		return nil, r.failure(ctx, id, err)
	}
	q := res.GetQuestion()
	return &rubric.Question{ID: q.GetBank() + "/" + q.GetId(), Title: q.GetTitle(), Prompt: q.GetPrompt(), ModelAnswer: q.GetModelAnswer()}, nil
}

// grade grades one answer. A required judge that fails leaves the critique by keywords, as it does here.
func (r *remote) grade(ctx context.Context, q *rubric.Question, a *submission) (*grade.Critique, error) {
	if a.speaker != "" {
		return nil, usagef("--speaker chooses among channels where the recording is heard here; for %s, send the candidate's channel alone", r.addr)
	}
	c, err := r.ask(ctx, q.ID, a, r.use)
	if e, ok := errors.AsType[*serverError](err); ok && (e.reason == graderv1.ErrorReason_JUDGE_FAILED || e.reason == graderv1.ErrorReason_JUDGE_BUDGET_SPENT) {
		return r.ask(ctx, q.ID, a, graderv1.JudgeUse_AUTO)
	}
	return c, err
}

// Grade grades an answer of a batch, where no line fails for the judge's sake.
func (r *remote) Grade(ctx context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	use := r.use
	if use == graderv1.JudgeUse_REQUIRED {
		use = graderv1.JudgeUse_AUTO
	}
	c, err := r.ask(ctx, id, &submission{answer: a}, use)
	e, ok := errors.AsType[*serverError](err)
	switch {
	case !ok:
		return c, err
	case e.ofOneAnswer():
		return nil, &batch.LineError{Code: code.Code(e.status.Code()), Message: e.status.Message()}
	}
	return nil, &batch.StopError{Err: err}
}

// ask has an answer graded, again and again while the server is away or has too much to do.
func (r *remote) ask(ctx context.Context, id string, a *submission, use graderv1.JudgeUse_Value) (*grade.Critique, error) {
	start := time.Now()
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		detail := graderv1.Detail_COACH
		if r.less.Load() {
			detail = graderv1.Detail_UNSPECIFIED
		}
		c, err := r.try(ctx, id, a, use, detail)
		if err == nil {
			r.count(c)
			return c, nil
		}
		err = r.failure(ctx, id, err)
		e, ok := errors.AsType[*serverError](err)
		switch {
		case !ok:
			return nil, err
		case e.wantsLess() && detail == graderv1.Detail_COACH:
			r.settleForLess()
			continue
		case !e.temporary():
			return nil, err
		}
		pause := max(e.retry, wait/2+rand.N(wait))
		if time.Since(start)+pause > r.patience {
			return nil, err
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// sleep waits; the error is that of a ctx that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settleForLess asks for what the key allows from now on.
func (r *remote) settleForLess() {
	if !r.less.Swap(true) {
		fmt.Fprintf(r.notes, "grader: the key for %s does not show everything; the critique has what it allows\n", r.addr)
	}
}

func (r *remote) try(ctx context.Context, id string, a *submission, use graderv1.JudgeUse_Value, detail graderv1.Detail_Value) (*grade.Critique, error) {
	if a.audio != nil {
		return r.upload(ctx, a.audio, &graderv1.GradeAudioOptions{QuestionId: id, Judge: use, Detail: detail})
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	res, err := r.api.GradeAnswer(ctx, &graderv1.GradeAnswerRequest{QuestionId: id, Answer: a.message(), Judge: use, Detail: detail})
	if err != nil {
		return nil, err
	}
	return wire.Read(res.GetCritique())
}

// hears asks the server, which says whether a recording is wanted before it comes.
func (r *remote) hears(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	stream, err := r.api.Transcribe(within)
	if err == nil {
		err = stream.Send(&graderv1.TranscribeRequest{Part: &graderv1.TranscribeRequest_Options{Options: &graderv1.TranscribeOptions{}}})
	}
	if err == nil || errors.Is(err, io.EOF) {
		_, err = stream.CloseAndRecv() // without a recording: an error in any case
	}
	err = r.failure(ctx, "", err)
	if e, ok := errors.AsType[*serverError](err); ok && e.reason == graderv1.ErrorReason_NOT_AUDIO {
		return nil
	}
	return err
}

// upload sends a recording in pieces once the server wants it.
func (r *remote) upload(ctx context.Context, audio []byte, o *graderv1.GradeAudioOptions) (*grade.Critique, error) {
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	stream, err := r.api.GradeAudio(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Options{Options: o}})
	for rest := audio; err == nil && len(rest) > 0; {
		n := min(len(rest), uploadChunk)
		err = stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Chunk{Chunk: rest[:n]}})
		rest = rest[n:]
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	res, err := stream.CloseAndRecv() // after an EOF, the reason for it
	if err != nil {
		return nil, err
	}
	for _, n := range res.GetNotes() {
		fmt.Fprintf(r.notes, "grader: %s\n", n)
	}
	return wire.Read(res.GetCritique())
}

// count adds what an answer cost.
func (r *remote) count(c *grade.Critique) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent, r.saved = r.spent.Add(usageOf(c.Timing.Spent)), r.saved.Add(usageOf(c.Timing.Saved))
}

func usageOf(u grade.Usage) llm.Usage {
	return llm.Usage{Requests: u.Requests, InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, Cost: u.Cost, CostKnown: u.CostKnown}
}

// usage is what the answers that were graded cost the server's judge.
func (r *remote) usage() (spent, saved grade.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return grade.UsageOf(r.spent), grade.UsageOf(r.saved)
}

// settings describes what decides the results, by asking the server: its banks, its engine, and whether it has a judge.
// A judge that is required and not there is bad usage.
func (r *remote) settings(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	hashes, first, err := r.rubrics(ctx)
	if err != nil {
		return nil, r.failure(ctx, "", err)
	}
	out := map[string]string{"server": r.addr, "judge": "off"}
	var ids []string
	for bank, sum := range hashes {
		ids = append(ids, bank)
		out["bank "+bank] = hex.EncodeToString(sum.Sum(nil))
	}
	slices.Sort(ids)
	out["banks"] = strings.Join(ids, " ")
	probe := &graderv1.GradeAnswerRequest{QuestionId: first, Answer: (&submission{}).message(), Judge: graderv1.JudgeUse_OFF, Detail: graderv1.Detail_SCORE}
	res, err := r.api.GradeAnswer(ctx, probe)
	if err != nil {
		return nil, r.failure(ctx, first, err)
	}
	out["engine version"] = res.GetCritique().GetReceipt().GetEngineVersion()
	if r.use == graderv1.JudgeUse_OFF {
		return out, nil
	}
	probe.Judge = graderv1.JudgeUse_REQUIRED // an empty answer does not reach it
	_, err = r.api.GradeAnswer(ctx, probe)
	if err == nil {
		out["judge"] = "on"
		return out, nil
	}
	err = r.failure(ctx, first, err)
	if e, ok := errors.AsType[*serverError](err); ok && e.reason == graderv1.ErrorReason_JUDGE_NOT_CONFIGURED && r.use == graderv1.JudgeUse_AUTO {
		return out, nil
	}
	return nil, err
}

// rubrics hashes the rubrics of each bank, and names a question.
func (r *remote) rubrics(ctx context.Context) (hashes map[string]hash.Hash, first string, err error) {
	hashes = map[string]hash.Hash{}
	req := &graderv1.ListQuestionsRequest{PageSize: 200}
	for {
		res, err := r.api.ListQuestions(ctx, req)
		if err != nil {
			return nil, "", err
		}
		for _, q := range res.GetQuestions() {
			sum, ok := hashes[q.GetBank()]
			if !ok {
				sum = sha256.New()
				hashes[q.GetBank()] = sum
			}
			fmt.Fprintln(sum, q.GetId(), q.GetRubricHash())
			first = q.GetBank() + "/" + q.GetId()
		}
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			return hashes, first, nil
		}
	}
}

// serverError is a server's refusal, or that there is no server.
type serverError struct {
	addr   string
	status *status.Status
	reason graderv1.ErrorReason_Value // of a grader; UNSPECIFIED where something else answered, or nothing
	scope  string                     // that the key lacks
	retry  time.Duration              // that the server asks to wait
}

// failure says what an error of a call means: a question that is not there, the end of ctx, or a *serverError with its
// exit code.
func (r *remote) failure(ctx context.Context, question string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &serverError{addr: r.addr, status: status.Convert(err)}
	var info *errdetails.ErrorInfo
	field := ""
	for _, d := range e.status.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.RetryInfo:
			e.retry = d.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			field = d.GetFieldViolations()[0].GetField()
		}
	}
	e.reason, e.scope = graderv1.ErrorReason_Value(graderv1.ErrorReason_Value_value[info.GetReason()]), info.GetMetadata()["scope"]
	switch {
	case e.reason == graderv1.ErrorReason_QUESTION_NOT_FOUND:
		unknown := &rubric.UnknownQuestionError{ID: info.GetMetadata()["question_id"]}
		if near := info.GetMetadata()["nearest"]; near != "" {
			unknown.Nearest = strings.Split(near, ",")
		}
		return unknown
	case e.reason == graderv1.ErrorReason_BANK_NOT_FOUND, e.reason == graderv1.ErrorReason_INVALID_FIELD && field == "question_id":
		return &rubric.UnknownQuestionError{ID: question}
	}
	return &exitError{e.exitCode(), e}
}

// Error says what went wrong and what to do.
func (e *serverError) Error() string {
	switch e.reason {
	case graderv1.ErrorReason_UNSPECIFIED:
		said, _, _ := strings.Cut(e.status.Message(), "\n")
		if e.status.Code() == codes.Unavailable {
			return e.unreachable(said)
		}
		return fmt.Sprintf("%s does not answer as a grader server does: %s; check that this is its gRPC address", e.addr, said)
	case graderv1.ErrorReason_KEY_MISSING:
		return fmt.Sprintf("the server %s wants a key; set %s, or give its file as --server-key-file", e.addr, config.ServerKeyVariable)
	case graderv1.ErrorReason_KEY_UNKNOWN:
		return fmt.Sprintf("the server %s does not know the key; check %s or --server-key-file", e.addr, config.ServerKeyVariable)
	case graderv1.ErrorReason_JUDGE_NOT_CONFIGURED:
		return fmt.Sprintf("--judge required, but the server %s has no judge; leave it out, or have the server started with one", e.addr)
	case graderv1.ErrorReason_SPEECH_NOT_CONFIGURED:
		return fmt.Sprintf("the server %s has no recogniser for --audio; give --transcript, or have the server started with one", e.addr)
	default:
		return fmt.Sprintf("the server %s says: %s", e.addr, e.status.Message())
	}
}

// unreachable says what to do where there is no connection.
func (e *serverError) unreachable(said string) string {
	said = strings.TrimPrefix(said, "connection error: desc = ")
	if text, err := strconv.Unquote(said); err == nil {
		said = text
	}
	advice := "check that grader serve runs there and that this is its gRPC address"
	switch {
	case strings.Contains(said, "x509:"):
		advice = "name the certificates that vouch for it with --server-ca, or GRADER_SERVER_CA"
	case strings.Contains(said, "does not look like a TLS handshake"):
		advice = "it serves without TLS: use http://"
	case strings.Contains(said, "HTTP/1.1 header"):
		said, advice = "it answers HTTP and not gRPC", "give its gRPC address, port 9090 unless it was told otherwise"
	}
	return fmt.Sprintf("cannot reach the server %s: %s; %s", e.addr, said, advice)
}

func (e *serverError) exitCode() int {
	switch e.status.Code() {
	case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.FailedPrecondition, codes.NotFound, codes.Unimplemented:
		return exitUsage
	default:
		return exitOther
	}
}

// temporary reports whether the same call may succeed in a while.
func (e *serverError) temporary() bool {
	switch e.reason {
	case graderv1.ErrorReason_SHUTTING_DOWN, graderv1.ErrorReason_OVERLOADED, graderv1.ErrorReason_RATE_LIMITED:
		return true
	default:
		return e.reason == graderv1.ErrorReason_UNSPECIFIED && e.status.Code() == codes.Unavailable
	}
}

// wantsLess reports whether the key does not show what was asked for.
func (e *serverError) wantsLess() bool {
	return e.reason == graderv1.ErrorReason_DETAIL_NOT_ALLOWED || e.reason == graderv1.ErrorReason_SCOPE_MISSING && e.scope == "rubric:read"
}

// ofOneAnswer reports whether other answers can be graded all the same.
func (e *serverError) ofOneAnswer() bool {
	switch e.status.Code() {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Internal:
		return true
	default:
		return false
	}
}
