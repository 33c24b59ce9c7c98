package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// patience bounds one exchange with a server that may just hang up.
const patience = 5 * time.Second

// healthy checks that the server serves, and that what the attack took is given back: these tests run alone.
func healthy(t *testing.T, st *stand, goroutines int, heap uint64) {
	t.Helper()
	h, err := healthv1.NewHealthClient(st.conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVING, h.Status)
	res, err := st.grpc.GradeAnswer(t.Context(), &graderv1.GradeAnswerRequest{QuestionId: "black-tea", Answer: textAnswer("boiling water"), Judge: graderv1.JudgeUse_OFF})
	require.NoError(t, err)
	require.Equal(t, graderv1.Critique_GRADED, res.Critique.State)
	require.Equal(t, 200, st.do(t, "POST", "/v1/questions/black-tea:grade", answerJSON("boiling water", `"judge":"OFF"`)).status)
	require.Contains(t, st.metricsText(t), "grader_requests_in_flight 0\n")
	st.http.CloseIdleConnections()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+20 }, patience, 5*time.Millisecond, "goroutines are left: %d before, %d after", goroutines, runtime.NumGoroutine())
	require.Eventually(t, func() bool { return heapInUse() < heap+8<<20 }, patience, 50*time.Millisecond, "memory is left: %d bytes before, %d after", heap, heapInUse())
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what pools hold lives one longer
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// warm returns a server that has answered, with its goroutines and memory.
func warm(t *testing.T, cfg Config) (st *stand, goroutines int, heap uint64) {
	t.Helper()
	st = start(t, cfg)
	_, err := st.grpc.GradeAnswer(t.Context(), &graderv1.GradeAnswerRequest{QuestionId: "black-tea", Answer: textAnswer("boiling water"), Judge: graderv1.JudgeUse_OFF})
	require.NoError(t, err)
	st.do(t, "POST", "/v1/questions/black-tea:grade", answerJSON("boiling water", `"judge":"OFF"`))
	st.http.CloseIdleConnections()
	return st, runtime.NumGoroutine(), heapInUse()
}

// attacker is an HTTP/2 client that says whatever it is told.
type attacker struct {
	conn   net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	next   uint32
}

// newAttacker connects and greets; what comes back is read and dropped until the server hangs up.
func newAttacker(t *testing.T, addr string) *attacker {
	t.Helper()
	c, err := dial(t, addr)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	p := &attacker{conn: c, framer: http2.NewFramer(c, c), next: 1}
	p.framer.AllowIllegalWrites = true
	p.hpack = hpack.NewEncoder(&p.block)
	_, _ = io.WriteString(c, http2.ClientPreface)
	_ = p.framer.WriteSettings()
	return p
}

// answered reads until n calls have ended.
func (p *attacker) answered(t *testing.T, n int) {
	t.Helper()
	for ended := 0; ended < n; {
		f, err := p.framer.ReadFrame()
		require.NoError(t, err, "%d of %d calls were answered", ended, n)
		h, headers := f.(*http2.HeadersFrame)
		if _, reset := f.(*http2.RSTStreamFrame); reset || headers && h.StreamEnded() {
			ended++
		}
	}
}

// done says that nothing more comes, and reads until the server hangs up.
func (p *attacker) done(t *testing.T) {
	t.Helper()
	defer func() { _ = p.conn.Close() }()
	_ = p.conn.(*net.TCPConn).CloseWrite()
	_, err := io.Copy(io.Discard, p.conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server still waits")
}

// frameBytes is the largest frame that a server takes by itself.
const frameBytes = 16 << 10

// call sends a request.
func (p *attacker) call(path, contentType string, body []byte) {
	p.block.Reset()
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "x"}, {"te", "trailers"}, {"content-type", contentType}} {
		_ = p.hpack.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: p.next, BlockFragment: p.block.Bytes(), EndHeaders: true})
	for len(body) > frameBytes {
		_ = p.framer.WriteData(p.next, false, body[:frameBytes])
		body = body[frameBytes:]
	}
	_ = p.framer.WriteData(p.next, true, body)
	p.next += 2
}

// message is a gRPC message with the length that it claims to have.
func message(flag byte, claimed uint32, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, claimed), body...)
}

// TestMalformedFrames: ten thousand calls and frames that no client of good will sends.
func TestMalformedFrames(t *testing.T) {
	st, goroutines, heap := warm(t, Config{})
	rng := rand.New(rand.NewPCG(5, 6))
	junk := func(most int) []byte {
		b := make([]byte, rng.IntN(most))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	paths := []string{graderv1.GraderService_GradeAnswer_FullMethodName, graderv1.GraderService_StreamGradeAnswer_FullMethodName, graderv1.GraderService_GradeAudio_FullMethodName, "/grader.v1.GraderService/Nothing", "", "*"}
	calls := []func(*attacker){
		func(p *attacker) {
			b := junk(300)
			p.call(paths[rng.IntN(4)], "application/grpc", message(0, uint32(len(b)), b))
		}, // no such message
		func(p *attacker) { p.call(paths[rng.IntN(4)], "application/grpc", message(0, 0xFFFFFFFF, junk(100))) }, // claims 4 GiB
		func(p *attacker) { p.call(paths[rng.IntN(4)], "application/grpc", message(0, 1000, junk(100))) },       // shorter than it claims
		func(p *attacker) {
			b := junk(100)
			p.call(paths[rng.IntN(4)], "application/grpc", message(1, uint32(len(b)), b))
		}, // compressed by nothing
		func(p *attacker) {
			p.call(paths[rng.IntN(4)], "application/grpc", message(byte(2+rng.IntN(200)), 3, junk(10)))
		}, // no such flag
		func(p *attacker) { p.call(paths[rng.IntN(4)], "application/grpc", junk(5)) },    // half a header
		func(p *attacker) { p.call(paths[rng.IntN(len(paths))], "text/html", junk(50)) }, // not gRPC
		func(p *attacker) {
			p.call(paths[rng.IntN(len(paths))], "application/grpc+json", message(0, 2, []byte("{}")))
		}, // no such codec
	}
	frames := []func(*attacker){
		func(p *attacker) { _, _ = p.conn.Write(junk(200)) },
		func(p *attacker) {
			_ = p.framer.WriteRawFrame(http2.FrameType(rng.IntN(256)), http2.Flags(rng.IntN(256)), rng.Uint32()>>1, junk(200))
		},
		func(p *attacker) { _, _ = p.conn.Write([]byte{0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1}) }, // a frame of 16 MiB
		func(p *attacker) {
			_ = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: junk(100), EndHeaders: true})
		},
		func(p *attacker) {
			_ = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2, BlockFragment: []byte{0x82}, EndHeaders: true})
		}, // even
		func(p *attacker) { _ = p.framer.WriteData(99, true, junk(100)) },
		func(p *attacker) { _ = p.framer.WriteWindowUpdate(0, 0) },
		func(p *attacker) { _ = p.framer.WriteWindowUpdate(0, 1<<31-1) },
		func(p *attacker) {
			_ = p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		},
		func(p *attacker) { _ = p.framer.WriteContinuation(1, false, junk(100)) },
		func(p *attacker) { _ = p.framer.WriteRSTStream(0, http2.ErrCodeCancel) },
		func(p *attacker) { _ = p.framer.WriteRawFrame(http2.FramePing, 0, 0, junk(7)) },
	}
	const perAttacker = 40
	for sent := 0; sent < 10000; sent += perAttacker + len(frames) {
		p := newAttacker(t, st.conn.Target())
		for i := range perAttacker {
			calls[i%len(calls)](p)
		}
		p.answered(t, perAttacker)
		p.done(t)
		for _, f := range frames {
			p := newAttacker(t, st.conn.Target())
			f(p)
			p.done(t)
		}
	}
	require.Empty(t, regexp.MustCompile(`grader_requests_total\{code="(INTERNAL|UNKNOWN|DATA_LOSS)".*`).FindAllString(st.metricsText(t), -1), "a caller's mistake is no fault of the server")
	healthy(t, st, goroutines, heap)
}

// TestMalformedHTTP: requests that no client of good will sends get an error or a closed connection, in time.
func TestMalformedHTTP(t *testing.T) {
	const grade = "POST /v1/questions/black-tea:grade HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	st, goroutines, heap := warm(t, Config{HeaderTimeout: 200 * time.Millisecond, ReadTimeout: 300 * time.Millisecond})
	tests := []struct {
		name, send string
		statuses   string // of what comes back, in order; empty: nothing, the server hangs up
	}{
		{"nothing", "", ""},
		{"half a line", "GET /v1/ba", "400"},
		{"a header that never ends", "GET /v1/banks HTTP/1.1\r\nHost: x\r\nA: b", ""},
		{"a body that never comes", grade + "Content-Length: 100\r\n\r\n", "400"},
		{"half a body", grade + "Content-Length: 100\r\n\r\n{\"answer\"", "400"},
		{"half a chunk", grade + "Transfer-Encoding: chunked\r\n\r\n40\r\n{", "400"},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		{"HTTP/2 to HTTP/1", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "404"},
		{"no version", "GET /v1/banks\r\n\r\n", "400"},
		{"no host", "GET /v1/banks HTTP/1.1\r\n\r\n", "400"},
		{"a header without a colon", "GET /v1/banks HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", "400"},
		{"a null in a header", "GET /v1/banks HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", "400"},
		{"a header as large as a house", "GET /v1/banks HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "431"},
		{"ten thousand headers", "GET /v1/banks HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 10000) + "\r\n", "431"},
		{"a path as large as a house", "GET /v1/" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		{"two lengths", grade + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"},
		{"length and chunks", grade + "Connection: close\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "400"},
		{"a negative length", grade + "Content-Length: -1\r\n\r\n{}", "400"},
		{"a length that is none", grade + "Content-Length: two\r\n\r\n{}", "400"},
		{"more than is taken", grade + "Content-Length: 99999999999\r\n\r\n", "413"},
		{"a chunk that is none", grade + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", "400"},
		{"a coding that is none", grade + "Transfer-Encoding: gzip\r\n\r\n", "501"},
		{"a method that is none", "GR(DE /v1/banks HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"pipelined", strings.Repeat("GET /v1/banks HTTP/1.1\r\nHost: x\r\n\r\n", 3) + "GET /v1/banks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 200 200 200"},
		{"pipelined, the second is wrong", "GET /v1/banks HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n", "200 400"},
		{"pipelined posts", grade + "Content-Length: 2\r\n\r\n{}" + grade + "Connection: close\r\nContent-Length: 2\r\n\r\n{}", "400 400"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := dial(t, st.addr)
			require.NoError(t, err)
			defer func() { _ = c.Close() }()
			require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
			_, _ = io.WriteString(c, tt.send) // the server may hang up before the end
			var statuses []string
			for in := bufio.NewReader(c); ; {
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server still waits")
					break
				}
				_, err = io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				statuses = append(statuses, fmt.Sprint(res.StatusCode))
			}
			require.Equal(t, tt.statuses, strings.Join(statuses, " "))
		})
	}
	t.Run("a byte at a time", func(t *testing.T) {
		c, err := dial(t, st.addr)
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		start, tick := time.Now(), time.NewTicker(20*time.Millisecond)
		defer tick.Stop()
		for {
			<-tick.C
			if _, err := c.Write([]byte("G")); err != nil {
				break
			}
			require.Less(t, time.Since(start), patience, "the server still waits")
		}
	})
	healthy(t, st, goroutines, heap)
}
