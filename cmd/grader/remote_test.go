package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/batch"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge/judgetest"
)

func serverKey(name, secret string, scopes ...string) config.Key {
	sum := sha256.Sum256([]byte(secret))
	return config.Key{Name: name, SHA256: config.Secret(hex.EncodeToString(sum[:])), Scopes: scopes}
}

// keyFile holds a key for the server.
func keyFile(t *testing.T, secret string) string { return file(t, "key", secret+"\n") }

func TestServerRefusals(t *testing.T) {
	t.Parallel()
	open := startService(t, nil, "testdata/bank")
	keyed := startService(t, func(c *config.Serve) {
		c.Keys = []config.Key{serverKey("coach", "right-4711", "grade", "rubric:read"), serverKey("reader", "reads-4711", "rubric:read")}
	}, "testdata/bank")
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	strange := httptest.NewUnstartedServer(http.NotFoundHandler())
	strange.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	strange.EnableHTTP2 = true
	strange.StartTLS()
	t.Cleanup(strange.Close)
	in, out := file(t, "in.jsonl", `{"id":"a","question_id":"black-tea","text":"boiling water"}`), filepath.Join(t.TempDir(), "out.jsonl")
	one := []string{"grade", "black-tea", "--text", "boiling water"}
	many := []string{"batch", "run", "--in", in, "--out", out}
	at := func(s *service, more ...string) []string { return append([]string{"--server", s.where.GRPC}, more...) }
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no key", at(keyed), exitUsage, "wants a key; set GRADER_SERVER_KEY"},
		{"wrong key", at(keyed, "--server-key-file", keyFile(t, "wrong-4711")), exitUsage, "does not know the key"},
		{"key that must not grade", at(keyed, "--server-key-file", keyFile(t, "reads-4711")), exitUsage, "lacks the scope grade"},
		{"no key file", at(keyed, "--server-key-file", "nowhere"), exitUsage, "nowhere"},
		{"nobody there", []string{"--server", "127.0.0.1:1"}, exitOther, "cannot reach the server 127.0.0.1:1"},
		{"the HTTP address", []string{"--server", open.where.HTTP}, exitOther, "it answers HTTP and not gRPC; give its gRPC address"},
		{"another service", []string{"--server", strings.TrimPrefix(web.URL, "http://")}, exitOther, "it answers HTTP and not gRPC; give its gRPC address"},
		{"TLS that is not there", []string{"--server", "https://" + open.where.GRPC}, exitOther, "it serves without TLS: use http://"},
		{"a certificate that nobody vouches for", []string{"--server", strange.URL}, exitOther, "with --server-ca"},
		{"no address", []string{"--server", "http://"}, exitUsage, "is none"},
		{"a bank", at(open, "--bank", "testdata/bank"), exitUsage, "--bank is of no use"},
		{"a judge", at(open, "--judge-url", "http://127.0.0.1:1/v1"), exitUsage, "--judge-url is of no use"},
		{"judge that is none", at(open, "--judge", "required"), exitUsage, "has no judge"},
		{"a key for nobody", []string{"--server-key-file", keyFile(t, "x")}, exitUsage, "name it with --server"},
		{"no certificates", []string{"--server", "https://" + open.where.GRPC, "--server-ca", in}, exitUsage, "no certificates"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, command := range [][]string{one, many} {
				stdout, stderr, code := runCommand(t, "", append(append([]string{}, command...), tt.args...)...)
				require.Equal(t, tt.code, code, stderr)
				require.Contains(t, stderr, tt.says)
				require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
				require.Empty(t, stdout)
				require.NotContains(t, stderr, "-4711")
			}
			require.NoFileExists(t, out)
		})
	}
}

func TestServerSpeechRefusals(t *testing.T) {
	t.Parallel()
	none := startService(t, nil, "testdata/bank")
	url, _ := serveSpeech(t, 401, `{"error":{"message":"no"}}`)
	failing := startService(t, func(c *config.Serve) { c.Speech.URL, c.Speech.Model = url, "whisper-1" }, "testdata/bank")
	for _, tt := range []struct {
		server *service
		audio  string
		code   int
		says   string
	}{
		{none, recording(t), exitUsage, "has no recogniser"},
		{failing, file(t, "a.wav", "Timers first."), exitUsage, "no recording in what came"},
		{failing, file(t, "b.wav", ""), exitUsage, "no recording in what came"},
		{failing, recording(t), exitOther, "the recogniser failed (auth)"},
	} {
		stdout, stderr, code := runCommand(t, "", "grade", "black-tea", "--audio", tt.audio, "--server", tt.server.where.GRPC)
		require.Equal(t, tt.code, code, stderr)
		require.Contains(t, stderr, tt.says)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Empty(t, stdout)
	}
	hears := startService(t, func(c *config.Serve) { c.Speech.URL, c.Speech.Model = url, "whisper-1" }, "testdata/bank")
	for _, tt := range []struct {
		addr, says string
	}{{none.where.GRPC, "has no recogniser"}, {"127.0.0.1:1", "cannot reach the server"}, {hears.where.GRPC, ""}} {
		r, err := dial(config.Remote{Addr: tt.addr}, judgeAuto, io.Discard)
		require.NoError(t, err)
		defer r.close()
		err = r.hears(t.Context())
		if tt.says == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, tt.says)
	}
}

// TestServerWithLesserKey: a key that does not show everything still grades, and that is said once.
func TestServerWithLesserKey(t *testing.T) {
	t.Parallel()
	exam := serverKey("exam", "exam-4711", "grade")
	exam.Detail = "SCORE"
	s := startService(t, func(c *config.Serve) { c.Keys = []config.Key{serverKey("candidate", "cand-4711", "grade"), exam} }, "testdata/bank")
	stdout, stderr, code := runCommand(t, "", "grade", "black-tea", "--text", "boiling water", "--json", "--server", s.where.GRPC, "--server-key-file", keyFile(t, "cand-4711"))
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "does not show everything")
	require.Contains(t, stdout, `"decision":"MET"`)
	require.NotContains(t, stdout, `"finding"`)
	stdout, stderr, code = runCommand(t, "", "grade", "black-tea", "--text", "boiling water", "--server", s.where.GRPC, "--server-key-file", keyFile(t, "exam-4711"))
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "1 of 2 points met.")
	out := filepath.Join(t.TempDir(), "out.jsonl")
	_, stderr, code = runCommand(t, "", "batch", "run", "--in", file(t, "in.jsonl", manyTeas(50)), "--out", out, "--server", s.where.GRPC, "--server-key-file", keyFile(t, "cand-4711"))
	require.Equal(t, exitErrorLines, code, stderr)
	require.Equal(t, 1, strings.Count(stderr, "does not show everything"), stderr)
	stdout, stderr, code = runCommand(t, "", "grade", "black-tea", "--text", "x", "--model-answer", "--server", s.where.GRPC, "--server-key-file", keyFile(t, "cand-4711"))
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "lacks the scope rubric:read")
	require.Empty(t, stdout)
}

// TestServerJudgeFails: a required judge that fails prints the critique by keywords and ends as it does here.
func TestServerJudgeFails(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":{"message":"model is loading"}}`, http.StatusBadRequest)
	}))
	t.Cleanup(down.Close)
	s := startService(t, func(c *config.Serve) { c.Judge.URL, c.Judge.Model, c.Judge.NoCache = down.URL+"/v1", "m", true }, "testdata/bank")
	args := []string{"grade", "black-tea", "--text", "boiling water", "--judge", "required"}
	out, errs, code := runCommand(t, "", append(args, "--bank", "testdata/bank", "--judge-url", down.URL+"/v1", "--judge-model", "m", "--no-cache")...)
	remoteOut, remoteErrs, remoteCode := runCommand(t, "", append(args, "--server", s.where.GRPC)...)
	require.Equal(t, exitJudge, code, errs)
	require.Equal(t, code, remoteCode, remoteErrs)
	require.Equal(t, out, remoteOut)
	require.Equal(t, errs, remoteErrs)
}

var timingField = regexp.MustCompile(`,"timing":\{.*?\}\}\}`)

// untimed reads a batch's output without the time that each answer took.
func untimed(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return timingField.ReplaceAllString(string(data), "}}")
}

// manyTeas is an input of n lines, some of which cannot be graded.
func manyTeas(n int) string {
	var b strings.Builder
	for i := range n {
		question := "black-tea"
		if i%10 == 7 {
			question = "black-te"
		}
		fmt.Fprintf(&b, `{"id":"a%d","question_id":%q,"text":"Boiling water, %d minutes.","modality":"spoken"}`+"\n", i, question, i%9)
	}
	return b.String() + "{\n"
}

func TestServerBatch(t *testing.T) {
	t.Parallel()
	limited := serverKey("k", "batch-4711", "grade", "rubric:read")
	limited.Rate, limited.Burst = 200, 10
	s := startService(t, func(c *config.Serve) { c.Keys, c.Limits.InFlight = []config.Key{limited}, 4 }, "testdata/bank")
	in, dir := file(t, "in.jsonl", manyTeas(300)), t.TempDir()
	here, there := filepath.Join(dir, "here.jsonl"), filepath.Join(dir, "there.jsonl")
	_, hereErrs, code := runCommand(t, "", "batch", "run", "--in", in, "--out", here, "--bank", "testdata/bank", "--judge", "off")
	require.Equal(t, exitErrorLines, code, hereErrs)
	args := []string{"batch", "run", "--in", in, "--server", s.where.GRPC, "--server-key-file", keyFile(t, "batch-4711"), "--out"}
	_, stderr, code := runCommand(t, "", append(args, there)...)
	require.Equal(t, exitErrorLines, code, stderr)
	require.Equal(t, untimed(t, here), untimed(t, there))
	seconds := regexp.MustCompile(` in [0-9.a-z]+, [0-9.]+/s`)
	require.Equal(t, seconds.ReplaceAllString(hereErrs, ""), seconds.ReplaceAllString(stderr, ""))

	_, stderr, code = runCommand(t, "", append(args, there)...)
	require.Zero(t, code)
	require.Contains(t, stderr, "finished already")
	_, stderr, code = runCommand(t, "", "batch", "run", "--in", in, "--out", there, "--bank", "testdata/bank", "--judge", "off", "--resume")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "server")
}

// TestServerComesBack: answers wait for a server that is away for a moment, and nothing is lost or graded twice.
func TestServerComesBack(t *testing.T) {
	t.Parallel()
	const n = 200
	want := filepath.Join(t.TempDir(), "want.jsonl")
	in := file(t, "in.jsonl", manyTeas(n))
	_, _, code := runCommand(t, "", "batch", "run", "--in", in, "--out", want, "--bank", "testdata/bank", "--judge", "off")
	require.Equal(t, exitErrorLines, code)

	s := startService(t, nil, "testdata/bank")
	r, err := dial(config.Remote{Addr: s.where.GRPC}, judgeAuto, io.Discard)
	require.NoError(t, err)
	defer r.close()
	settings, err := r.settings(t.Context())
	require.NoError(t, err)
	away := &interrupted{Grader: r, at: n / 2, do: func() {
		require.NoError(t, s.stop())
		s = startService(t, func(c *config.Serve) { c.GRPCAddr = s.where.GRPC }, "testdata/bank")
	}}
	cfg := batch.Config{In: in, Out: filepath.Join(t.TempDir(), "out.jsonl"), Settings: settings, Concurrency: 8}
	_, err = batch.Run(t.Context(), away, cfg)
	require.NoError(t, err)
	require.Equal(t, untimed(t, want), untimed(t, cfg.Out))
}

// TestServerGone: a server that stays away stops the run, which is taken up once it is there again.
func TestServerGone(t *testing.T) {
	t.Parallel()
	const n = 200
	s := startService(t, nil, "testdata/bank")
	addr := s.where.GRPC
	r, err := dial(config.Remote{Addr: addr}, judgeAuto, io.Discard)
	require.NoError(t, err)
	defer r.close()
	r.patience = time.Second
	settings, err := r.settings(t.Context())
	require.NoError(t, err)
	in := file(t, "in.jsonl", manyTeas(n))
	cfg := batch.Config{In: in, Out: filepath.Join(t.TempDir(), "out.jsonl"), Settings: settings, Concurrency: 8}
	_, err = batch.Run(t.Context(), &interrupted{Grader: r, at: n / 2, do: func() { require.NoError(t, s.stop()) }}, cfg)
	var stop *batch.StopError
	require.ErrorAs(t, err, &stop)
	require.ErrorContains(t, err, "cannot reach the server")
	require.NoFileExists(t, cfg.Out)

	_, stderr, code := runCommand(t, "", "batch", "run", "--in", in, "--out", cfg.Out, "--server", addr, "--resume")
	require.Equal(t, exitOther, code, stderr)
	s = startService(t, func(c *config.Serve) { c.GRPCAddr = addr }, "testdata/bank")
	_, stderr, code = runCommand(t, "", "batch", "run", "--in", in, "--out", cfg.Out, "--server", addr, "--resume")
	require.Equal(t, exitErrorLines, code, stderr)
	require.Contains(t, stderr, "from an earlier run")
	want := filepath.Join(t.TempDir(), "want.jsonl")
	_, _, code = runCommand(t, "", "batch", "run", "--in", in, "--out", want, "--bank", "testdata/bank", "--judge", "off")
	require.Equal(t, exitErrorLines, code)
	require.Equal(t, untimed(t, want), untimed(t, cfg.Out))
}

// interrupted does something before one of the answers is graded.
type interrupted struct {
	batch.Grader
	at    int32
	do    func()
	calls atomic.Int32
}

func (g *interrupted) Grade(ctx context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	if g.calls.Add(1) == g.at {
		g.do()
	}
	return g.Grader.Grade(ctx, id, a)
}

func TestServerOverTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	s := startService(t, func(c *config.Serve) {
		c.TLS = config.TLS{CertFile: cert, KeyFile: key}
		c.Keys = []config.Key{serverKey("k", "tls-4711", "grade", "rubric:read")}
	}, "testdata/bank")
	args := []string{"grade", "black-tea", "--text", "boiling water", "--server-key-file", keyFile(t, "tls-4711"), "--server"}
	stdout, stderr, code := runCommand(t, "", append(args, "https://"+s.where.GRPC, "--server-ca", cert)...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "boiling water")
	_, stderr, code = runCommand(t, "", append(args, "https://"+s.where.GRPC)...)
	require.Equal(t, exitOther, code)
	require.Contains(t, stderr, "certificate")
	_, stderr, code = runCommand(t, "", append(args, s.where.GRPC)...)
	require.Equal(t, exitOther, code, stderr)
}

// certificate writes a certificate for 127.0.0.1 and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// TestServerBatchJudged: what the server's judge cost is in the summary, and a judge that is required has only to be there.
func TestServerBatchJudged(t *testing.T) {
	t.Parallel()
	var labels []judgetest.Labels
	for i := range 9 {
		labels = append(labels, judgetest.Labels{QuestionID: "black-tea", Text: fmt.Sprintf("Boiling water, %d minutes.", i), Points: map[string]string{"boiling-water": "met"}})
	}
	judge := httptest.NewServer(judgetest.New(labels, judgetest.Options{}))
	t.Cleanup(judge.Close)
	s := startService(t, func(c *config.Serve) { c.Judge.URL, c.Judge.Model = judge.URL+"/v1", "label-judge" }, "testdata/bank")
	in, out := file(t, "in.jsonl", manyTeas(30)), filepath.Join(t.TempDir(), "out.jsonl")
	stdout, stderr, code := runCommand(t, "", "batch", "run", "--in", in, "--out", out, "--server", s.where.GRPC, "--judge", "required", "--json")
	require.Equal(t, exitErrorLines, code, stderr)
	var sum batch.Summary
	require.NoError(t, json.Unmarshal([]byte(stdout), &sum))
	require.Equal(t, 27, sum.States[string(grade.Graded)])
	require.Equal(t, 9, sum.Spent.Requests, "of each answer there are three, and the server asks once")
	require.Positive(t, sum.Spent.InputTokens)
	require.Equal(t, 18, sum.Saved.Requests)
	require.Equal(t, 27, strings.Count(untimed(t, out), `"mode":"JUDGE","reasons"`))
}
