package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/llm/llmtest"
	"github.com/vivagrader/grader/internal/rubric"
)

const teaBank = "../../cmd/grader/testdata/bank"

// running is a service in the test's process.
type running struct {
	*App
	where  Where
	log    *safeBuffer
	stop   context.CancelFunc
	reload chan struct{}
	done   chan error
	client *http.Client
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func settings(change func(*config.Serve)) config.Serve {
	cfg := config.DefaultServe()
	cfg.GRPCAddr, cfg.HTTPAddr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Timeouts.Drain = 5 * time.Second
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func opener(dir string) func() ([]*rubric.Bank, error) {
	return func() ([]*rubric.Bank, error) {
		b, err := rubric.Open(os.DirFS(dir), dir)
		return []*rubric.Bank{b}, err
	}
}

func run(t *testing.T, dir string, cfg config.Serve) *running {
	t.Helper()
	r := &running{log: &safeBuffer{}, reload: make(chan struct{}), done: make(chan error, 1), client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}}
	ready := make(chan Where, 1)
	a, err := New(Options{Config: cfg, Version: "test", Open: opener(dir), Logger: slog.New(slog.NewTextHandler(r.log, nil)), Ready: func(w Where) { ready <- w }})
	require.NoError(t, err)
	r.App = a
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	go func() { r.done <- a.Run(ctx, r.reload) }()
	select {
	case r.where = <-ready:
	case err := <-r.done:
		require.NoError(t, err)
	}
	t.Cleanup(func() { r.client.CloseIdleConnections(); cancel() })
	return r
}

func (r *running) get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := r.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func (r *running) grade(t *testing.T, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.where.HTTP+"/v1/questions/black-tea:grade", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}

func TestRunAndDrain(t *testing.T) {
	t.Parallel()
	r := run(t, teaBank, settings(nil))
	code, body := r.grade(t, `{"answer":{"text":"boiling water"}}`)
	require.Equal(t, 200, code, body)
	code, body = r.get(t, "http://"+r.where.Admin+"/metrics")
	require.Equal(t, 200, code)
	require.Contains(t, body, "go_goroutines")
	require.Contains(t, body, "grader_build_info")
	r.stop()
	require.NoError(t, <-r.done)
	require.Contains(t, r.log.String(), "draining")
}

func TestReloadSwapsTheBankWholeOrKeepsIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(teaBank)))
	r := run(t, dir, settings(nil))
	title := func() string {
		_, body := r.get(t, "http://"+r.where.HTTP+"/v1/questions/black-tea")
		return body
	}
	change := func(from, to string) {
		name := filepath.Join(dir, "black-tea.yaml")
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, bytes.ReplaceAll(data, []byte(from), []byte(to)), 0o600))
		r.reload <- struct{}{}
	}
	change(`title: "Black tea"`, `title: "Very black tea"`)
	require.Eventually(t, func() bool { return strings.Contains(title(), "Very black tea") }, 5*time.Second, 5*time.Millisecond)
	change(`title: "Very black tea"`, "titel: [")
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), "bank not reloaded") }, 5*time.Second, 5*time.Millisecond)
	require.Contains(t, title(), "Very black tea")
	require.Contains(t, r.log.String(), "black-tea.yaml")
	_, metrics := r.get(t, "http://"+r.where.Admin+"/metrics")
	require.Contains(t, metrics, `grader_bank_reloads_total{outcome="failed"} 1`)
	require.Contains(t, metrics, `grader_bank_reloads_total{outcome="ok"} 1`)
}

func TestJudgeSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	refusing := llmtest.New(t, func(llmtest.Request) llmtest.Reply { return llmtest.Status(http.StatusUnauthorized, "wrong key") })
	a, err := New(Options{Config: settings(func(c *config.Serve) { c.Judge.URL, c.Judge.Model = refusing.URL(), "m" }), Version: "test", Open: opener(teaBank), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	err = a.Run(t.Context(), nil)
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.True(t, e.Permanent())
}

func TestStartsWithoutItsJudge(t *testing.T) {
	t.Parallel()
	gone := llmtest.New(t, func(llmtest.Request) llmtest.Reply { return llmtest.Reply{Drop: true} })
	gone.Close()
	r := run(t, teaBank, settings(func(c *config.Serve) {
		c.Judge.URL, c.Judge.Model, c.Judge.Timeout = gone.URL(), "m", 200*time.Millisecond
	}))
	code, body := r.grade(t, `{"answer":{"text":"boiling water"}}`)
	require.Equal(t, 200, code, body)
	require.Contains(t, body, `"state":"DEGRADED"`)
	code, _ = r.grade(t, `{"answer":{"text":"boiling water"},"judge":"REQUIRED"}`)
	require.Equal(t, 503, code)
	code, _ = r.get(t, "http://"+r.where.Admin+"/readyz")
	require.Equal(t, 200, code, "degraded is service")
}

func TestTakenAddress(t *testing.T) {
	t.Parallel()
	r := run(t, teaBank, settings(nil))
	a, err := New(Options{Config: settings(func(c *config.Serve) { c.HTTPAddr = r.where.HTTP }), Version: "test", Open: opener(teaBank), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.ErrorContains(t, a.Run(t.Context(), nil), "listen")
}

// writeCertificate writes a certificate for loopback with a serial number of its own, and returns its pool.
func writeCertificate(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool.AddCert(cert)
	return pool
}

func TestTLSReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trust := writeCertificate(t, dir, 1)
	r := run(t, teaBank, settings(func(c *config.Serve) {
		c.TLS.CertFile, c.TLS.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	}))
	serial := func(pool *x509.CertPool) int64 {
		d := &tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: "localhost"}}
		c, err := d.DialContext(t.Context(), "tcp", r.where.HTTP)
		if err != nil {
			return 0
		}
		defer func() { _ = c.Close() }()
		return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	require.Equal(t, int64(1), serial(trust))
	trust2 := writeCertificate(t, dir, 2)
	r.reload <- struct{}{}
	require.Eventually(t, func() bool { return serial(trust2) == 2 }, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tls.key"), []byte("none"), 0o600))
	r.reload <- struct{}{}
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), "certificate not reloaded") }, 5*time.Second, 5*time.Millisecond)
	require.Equal(t, int64(2), serial(trust2))

	r.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust2, ServerName: "localhost"}, ForceAttemptHTTP2: true}
	code, _ := r.get(t, "https://"+r.where.HTTP+"/v1/banks")
	require.Equal(t, 200, code)
}
