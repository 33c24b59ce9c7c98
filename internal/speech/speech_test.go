package speech

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/llm"
)

// upload is what a recogniser was sent.
type upload struct {
	name, prompt, format string
	words                bool
	audio                []byte
	n                    int // from 1
}

// recogniser is a scripted endpoint without a network.
type recogniser func(u upload) (status int, contentType, body string)

type transport struct {
	reply recogniser
	seen  []upload
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.ParseMultipartForm(1 << 20); err != nil {
		return nil, err
	}
	f, header, err := req.FormFile("file")
	if err != nil {
		return nil, err
	}
	audio, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	u := upload{header.Filename, req.FormValue("prompt"), req.FormValue("response_format"), len(req.Form["timestamp_granularities[]"]) > 0, audio, len(t.seen) + 1}
	t.seen = append(t.seen, u)
	status, kind, body := t.reply(u)
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

func client(reply recogniser, cfg Config) (*Client, *transport) {
	tr := &transport{reply: reply}
	cfg.URL, cfg.Model, cfg.HTTPClient = "http://asr.test/v1", "whisper-1", &http.Client{Transport: tr}
	return New(cfg), tr
}

func ok(body string) (int, string, string) { return http.StatusOK, "application/json", body }

// sound makes 16-bit PCM; amplitude says how loud each tenth of a second is, the same on all channels.
func sound(rate, channels int, amplitude []int16) []byte {
	all := make([][]int16, channels)
	for c := range all {
		all[c] = amplitude
	}
	return tones(rate, all...)
}

// tones makes 16-bit PCM with as many channels as it is given amplitudes.
func tones(rate int, amplitude ...[]int16) []byte {
	n := len(amplitude)
	var samples []byte
	for tenth := range amplitude[0] {
		for i := range rate / 10 {
			for c := range n {
				samples = binary.LittleEndian.AppendUint16(samples, uint16(int16(float64(amplitude[c][tenth])*math.Sin(float64(i)))))
			}
		}
	}
	le := binary.LittleEndian
	out := append(le.AppendUint32([]byte("RIFF"), uint32(headBytes-8+len(samples))), "WAVEfmt \x10\x00\x00\x00\x01\x00"...)
	out = le.AppendUint16(out, uint16(n))
	out = le.AppendUint32(out, uint32(rate))
	out = le.AppendUint32(out, uint32(2*n*rate))
	out = le.AppendUint16(out, uint16(2*n))
	out = append(le.AppendUint16(out, 16), "data"...)
	return append(le.AppendUint32(out, uint32(len(samples))), samples...)
}

func loud(tenths int) []int16 {
	out := make([]int16, tenths)
	for i := range out {
		out[i] = 8000
	}
	return out
}

type word struct {
	text       string
	start, end float64
}

func verbose(words ...word) string {
	type w struct {
		Word  string  `json:"word"`
		Start float64 `json:"start"`
		End   float64 `json:"end"`
	}
	var list []w
	text := ""
	for _, x := range words {
		list = append(list, w{x.text, x.start, x.end})
		text += " " + x.text
	}
	out, err := json.Marshal(map[string]any{"text": text, "language": "english", "duration": 60.0, "words": list})
	if err != nil {
		panic(err)
	}
	return string(out)
}

// ogg is a recording that only ffmpeg can cut, and uncut a client that has none.
var (
	ogg   = []byte("OggS of unknown length")
	uncut = Config{FFmpeg: "no-such-program"}
)

func TestTranscribe(t *testing.T) {
	t.Parallel()
	holey, whole := verbose(word{"timers", 0, 1}, word{"close", 20, 21}), verbose(word{"timers", 0, 1}, word{"poll", 2, 20}, word{"close", 20, 21})
	whole = strings.Replace(whole, `"poll","start":2,"end":20`, `"poll","start":2,"end":4`, 1)
	whole = strings.Replace(whole, `"end":4}`, `"end":4},{"word":"check","start":5,"end":7},{"word":"and","start":9,"end":11},{"word":"then","start":13,"end":15},{"word":"finally","start":17,"end":19}`, 1)
	tests := []struct {
		name       string
		vocabulary string
		reply      recogniser
		text       string
		calls      int
		doubts     []Doubt
		notes      []string
	}{
		{"as it comes", "T: libuv.", func(upload) (int, string, string) { return ok(verbose(word{"libuv", 0, 1}, word{"waits", 1, 2})) }, "libuv waits", 1, nil, nil},
		{"the vocabulary on noise", "T: libuv, setTimeout.", func(u upload) (int, string, string) {
			if u.prompt != "" {
				return ok(verbose(word{"Libuv,", 0, 1}, word{"setTimeout.", 1, 2}))
			}
			return ok(`{"text":"","duration":60}`)
		}, "", 2, nil, []string{`the recogniser said its vocabulary again`, "a second pass has none either"}},
		{"an answer that is a name", "T: libuv.", func(upload) (int, string, string) { return ok(verbose(word{"libuv", 0, 1})) }, "libuv", 2, nil,
			[]string{`the recogniser said its vocabulary again`, "counts as a pause"}},
		{"the vocabulary behind the answer", "T: libuv.", func(upload) (int, string, string) {
			return ok(`{"text":" It waits. Libuv.","duration":5,"segments":[{"start":0,"end":2,"text":" It waits.","avg_logprob":-0.2},{"start":2,"end":4,"text":" Libuv.","avg_logprob":-0.4,"no_speech_prob":0.8}],"words":[{"word":"It","start":0,"end":1},{"word":"waits","start":1,"end":2},{"word":"Libuv","start":2,"end":4}]}`)
		}, "It waits.", 1, nil, []string{`wrote at 0:02 is left out`}},
		{"lost speech is taken again", "T: libuv.", func(u upload) (int, string, string) {
			if u.prompt != "" {
				return ok(holey)
			}
			return ok(whole)
		}, "timers poll close", 2, nil, []string{"no words from 0:01 to 0:20: taken again without the vocabulary, and that pass was kept"}},
		{"a pause is one", "T: libuv.", func(upload) (int, string, string) { return ok(holey) }, "timers close", 2, nil, []string{"no words from 0:01 to 0:20: a second pass has none either, so that it counts as a pause"}},
		{"the second pass is worse", "T: libuv.", func(u upload) (int, string, string) {
			if u.prompt != "" {
				return ok(holey)
			}
			return ok(verbose(word{"timers", 0, 1}, word{"close", 50, 51}))
		}, "timers close", 2, []Doubt{{Lost, 1000, 20000}}, []string{"no words from 0:01 to 0:20: speech may be missing"}},
		{"the second pass fails", "T: libuv.", func(u upload) (int, string, string) {
			if u.prompt != "" {
				return ok(holey)
			}
			return http.StatusBadRequest, "application/json", `{"error":{"message":"no"}}`
		}, "timers close", 1, []Doubt{{Lost, 1000, 20000}}, []string{"the second pass over what is in doubt failed", "speech may be missing"}},
		{"nothing to leave out", "", func(upload) (int, string, string) { return ok(holey) }, "timers close", 1, []Doubt{{Lost, 1000, 20000}}, []string{"speech may be missing"}},
		{"silence", "", func(upload) (int, string, string) {
			return ok(`{"text":" You","duration":9,"segments":[{"start":0,"end":2,"text":" You","avg_logprob":-0.9,"no_speech_prob":0.8}],"words":[{"word":"You","start":0,"end":2}]}`)
		}, "", 1, nil, []string{`wrote at 0:00 is left out`}},
		{"guesses", "", func(upload) (int, string, string) {
			return ok(`{"text":" Dash it.","duration":2,"segments":[{"start":0,"end":2,"text":" Dash it.","avg_logprob":-0.9}],"words":[{"word":"Dash","start":0,"end":1},{"word":"it","start":1,"end":2}]}`)
		}, "Dash it.", 1, nil, []string{"trusts its own words little"}},
		{"text alone", "", func(upload) (int, string, string) {
			return http.StatusOK, "text/plain; charset=utf-8", "timers first\n"
		}, "timers first", 1, nil, []string{"no times of words"}},
		{"times that cannot be", "", func(upload) (int, string, string) { return ok(verbose(word{"a", 9, 10}, word{"b", 1, 2})) }, "a b", 1, nil,
			[]string{"the recogniser's times are left out", "no times of words"}},
		{"poorer forms", "", func(u upload) (int, string, string) {
			switch {
			case u.words:
				return http.StatusBadRequest, "application/json", `{"error":{"message":"timestamp_granularities is not supported"}}`
			case u.format == "verbose_json":
				return http.StatusBadRequest, "application/json", `{"error":{"message":"response_format 'verbose_json' is not compatible with the model"}}`
			}
			return ok(`{"text":"timers"}`)
		}, "timers", 1, nil, []string{"no times of words"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := client(tt.reply, uncut)
			r, err := c.Transcribe(t.Context(), ogg, tt.vocabulary)
			require.NoError(t, err)
			require.Equal(t, tt.text, r.Transcript.Text)
			require.Equal(t, tt.calls, r.Calls)
			require.Empty(t, cmp.Diff(tt.doubts, r.Doubts))
			require.Len(t, r.Notes, len(tt.notes), "%q", r.Notes)
			for i, n := range tt.notes {
				require.Contains(t, r.Notes[i], n)
			}
		})
	}
}

func TestRecogniserFails(t *testing.T) {
	t.Parallel()
	fail := func(status int, body string) recogniser {
		return func(upload) (int, string, string) { return status, "application/json", body }
	}
	tests := []struct {
		name  string
		reply recogniser
		kind  llm.Kind
		says  string
		calls int
	}{
		{"key", fail(401, `{"error":{"message":"Incorrect key sk-abc"}}`), llm.Auth, "set GRADER_SPEECH_API_KEY", 1},
		{"model", fail(404, `{"error":{"message":"The model x does not exist"}}`), llm.UnknownModel, "check --speech-model", 1},
		{"URL", fail(404, `{"error":{"message":"No such address"}}`), llm.BadURL, "most end in /v1", 1},
		{"size", fail(413, `{"error":{"message":"too large"}}`), llm.BadRequest, "no file of this size", 1},
		{"refused", fail(400, `{"error":{"message":"cannot decode the audio"}}`), llm.BadRequest, "cannot decode the audio", 1},
		{"error that is none of ours", fail(400, `"nope"`), llm.BadRequest, "refused the recording", 1},
		{"web page", func(upload) (int, string, string) { return 200, "text/html", "<html>" }, llm.BadReply, "web page", 1},
		{"garbage", fail(200, `[1`), llm.BadReply, "not the JSON", 1},
		{"redirect", fail(302, ""), llm.BadURL, "redirects are not followed", 1},
		{"limits", fail(429, `{"error":{"message":"slow down"}}`), llm.RateLimited, "limits the rate", attempts},
		{"down", func(upload) (int, string, string) { return 0, "", "" }, llm.Unavailable, "cannot reach the recogniser at asr.test: connection refused", attempts},
		{"broken", fail(503, `{"error":{"message":"loading"}}`), llm.Unavailable, "loading", attempts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, tr := client(tt.reply, Config{APIKey: "sk-abc"})
				_, err := c.Transcribe(t.Context(), sound(8000, 1, loud(20)), "")
				var e *llm.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, tt.kind, e.Kind, "%v", err)
				require.ErrorContains(t, err, tt.says)
				require.NotContains(t, err.Error(), "sk-abc")
				require.Len(t, tr.seen, tt.calls)
			})
		})
	}
}

func TestRecogniserComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := client(func(u upload) (int, string, string) {
			if u.n < attempts {
				return 503, "application/json", `{}`
			}
			return ok(verbose(word{"a", 0, 1}))
		}, Config{})
		r, err := c.Transcribe(t.Context(), sound(8000, 1, loud(20)), "")
		require.NoError(t, err)
		require.Equal(t, "a", r.Transcript.Text)
	})
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		c, _ := client(func(upload) (int, string, string) { return 503, "application/json", `{}` }, Config{})
		_, err := c.Transcribe(ctx, sound(8000, 1, loud(20)), "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "--speech-timeout")
	})
}

func TestRecordingsThatAreRefused(t *testing.T) {
	t.Parallel()
	header := sound(8000, 1, loud(20))
	tests := []struct {
		name string
		data []byte
		cfg  Config
		is   error
		says string
	}{
		{"nothing", nil, Config{}, ErrNoSound, "no bytes"},
		{"text", []byte("Timers first."), Config{}, ErrNotAudio, "use --transcript"},
		{"no seconds", header[:headBytes], Config{}, ErrNoSound, "it lasts 0s"},
		{"header cut off", header[:20], Config{}, ErrNotAudio, "wav header"},
		{"too long", header, Config{MaxDuration: time.Second}, ErrTooLong, "0:02, and at most 1s"},
		{"m4a without ffmpeg", []byte("\x00\x00\x00\x18ftypM4A  "), Config{FFmpeg: "no-such-program"}, ErrNeedsFFmpeg, "install ffmpeg, or convert the file to wav"},
		{"webm without ffmpeg", []byte("\x1aE\xdf\xa3...."), Config{FFmpeg: "no-such-program"}, ErrNeedsFFmpeg, "webm"},
		{"large ogg without ffmpeg", []byte("OggS" + strings.Repeat("x", 100)), Config{FFmpeg: "no-such-program", MaxUpload: 50}, ErrNeedsFFmpeg, "only ffmpeg can cut"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, tr := client(func(upload) (int, string, string) { return ok(`{}`) }, tt.cfg)
			_, err := c.Transcribe(t.Context(), tt.data, "")
			require.ErrorIs(t, err, tt.is)
			require.ErrorContains(t, err, tt.says)
			require.Empty(t, tr.seen)
		})
	}
}

func TestTruncatedFileIsNoted(t *testing.T) {
	t.Parallel()
	c, _ := client(func(upload) (int, string, string) { return ok(verbose(word{"a", 0, 1})) }, Config{})
	audio := sound(8000, 1, loud(40))
	r, err := c.Transcribe(t.Context(), audio[:len(audio)/2], "")
	require.NoError(t, err)
	require.Equal(t, []string{"the file is cut off: its header promises more sound than there is"}, r.Notes)
}

func TestContainersGoThroughFFmpeg(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // the stand-in is a shell script
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "out.wav"), sound(16000, 1, loud(20)), 0o600))
	program := filepath.Join(dir, "ffmpeg")
	script := fmt.Sprintf("#!/bin/sh\nwhile [ \"$1\" != -i ]; do shift; done\ngrep -q broken \"$2\" && { echo \"[mov @ 0x55e1] $2: moov atom not found\" >&2; exit 1; }\ncat %s\n", filepath.Join(dir, "out.wav"))
	require.NoError(t, os.WriteFile(program, []byte(script), 0o700))
	c, tr := client(func(upload) (int, string, string) { return ok(verbose(word{"a", 0, 1})) }, Config{FFmpeg: program})
	_, err := c.Transcribe(t.Context(), []byte("\x00\x00\x00\x18ftypM4A  "), "")
	require.NoError(t, err)
	require.Equal(t, "answer.wav", tr.seen[0].name)
	_, err = c.Transcribe(t.Context(), []byte("\x00\x00\x00\x18ftypM4A  broken"), "")
	require.ErrorIs(t, err, ErrNotAudio)
	require.ErrorContains(t, err, "ffmpeg finds no sound in the m4a file (it: moov atom not found)")
}

func TestDuration(t *testing.T) {
	t.Parallel()
	flac := append([]byte("fLaC\x00\x00\x00\x22"), make([]byte, 34)...)
	binary.BigEndian.PutUint64(flac[18:], 16000<<44|40000)
	ogg := append([]byte("OggS"), make([]byte, 24)...)
	ogg = append(ogg, "OpusHead\x01\x01\x38\x01"...)
	ogg = append(ogg, make([]byte, 20)...)
	last := append([]byte("OggS\x00\x04"), make([]byte, 20)...)
	binary.LittleEndian.PutUint64(last[6:], 48000*3+312)
	ogg = append(ogg, last...)
	var mp3 []byte
	for range 100 {
		f := make([]byte, 417)
		copy(f, "\xff\xfb\x90\x00") // MPEG 1 layer III, 128 kbit/s, 44.1 kHz
		mp3 = append(mp3, f...)
	}
	tests := []struct {
		name string
		data []byte
		kind Kind
		want time.Duration
	}{
		{"wav", sound(8000, 2, loud(25)), WAV, 2500 * time.Millisecond},
		{"flac", flac, FLAC, 2500 * time.Millisecond},
		{"ogg", ogg, Ogg, 3 * time.Second},
		{"mp3", mp3, MP3, 2612 * time.Millisecond},
		{"mp3 behind a tag", append([]byte("ID3\x04\x00\x00\x00\x00\x00\x0aaaaaaaaaaa"), mp3...), MP3, 2612 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			kind, err := Sniff(tt.data)
			require.NoError(t, err)
			require.Equal(t, tt.kind, kind)
			d, known := Duration(tt.data, kind)
			require.True(t, known)
			require.InDelta(t, tt.want.Seconds(), d.Seconds(), 0.001)
		})
	}
}

func FuzzDuration(f *testing.F) {
	f.Add(sound(8000, 1, loud(1)))
	f.Add([]byte("fLaC\x00\x00\x00\x22aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	f.Add([]byte("OggSaaaaaaaaaaaaaaaaaaaaaaaaOpusHead\x01\x01\x38\x01"))
	f.Add([]byte("\xff\xfb\x90\x00aaaaaaa"))
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, err := Sniff(data)
		if err != nil {
			return
		}
		d, known := Duration(data, kind)
		require.False(t, known && d < 0)
		if kind == WAV {
			if w, err := readWAV(data); err == nil && w.cuttable() {
				w.voices().apart()
				_ = w.pack(-1, []stretch{{0, w.length()}}, 1000)
			}
		}
	})
}
