package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/internal/wire"
)

const teaReply = `{"task":"transcribe","language":"english","duration":12,"text":" I pour boiling water over it. And let it steep for four minutes.",
"segments":[{"id":0,"start":0,"end":4,"text":" I pour boiling water over it.","avg_logprob":-0.2,"compression_ratio":1.1,"no_speech_prob":0.01},
{"id":1,"start":8.5,"end":12,"text":" And let it steep for four minutes.","avg_logprob":-0.2,"compression_ratio":1.1,"no_speech_prob":0.01}],
"words":[{"word":"I","start":0,"end":0.5},{"word":"pour","start":0.5,"end":1},{"word":"boiling","start":1,"end":2},{"word":"water","start":2,"end":3},{"word":"over","start":3,"end":3.5},{"word":"it","start":3.5,"end":4},
{"word":"And","start":8.5,"end":9},{"word":"let","start":9,"end":9.5},{"word":"it","start":9.5,"end":10},{"word":"steep","start":10,"end":10.5},{"word":"for","start":10.5,"end":11},{"word":"four","start":11,"end":11.5},{"word":"minutes","start":11.5,"end":12}]}`

// serveSpeech is a recogniser that hears the bodies one after the other, the last one for ever, and keeps the prompts that
// it was given.
func serveSpeech(t *testing.T, status int, bodies ...string) (url string, prompts *[]string) {
	t.Helper()
	prompts = &[]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*prompts = append(*prompts, r.FormValue("prompt"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, bodies[min(len(*prompts), len(bodies))-1])
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/v1", prompts
}

// recording is 12 s of a tone, with silence in the pause of teaReply.
func recording(t *testing.T) string { return tone(t, 4, 8.5) }

// tone is 12 s of a tone with silence between two seconds.
func tone(t *testing.T, from, to float64) string {
	const perSecond = 16000
	data := []byte("RIFF\x24\xee\x02\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data")
	samples := bytes.Repeat([]byte{0, 0x20, 0, 0xe0}, 12*perSecond/4)
	clear(samples[int(from*perSecond):int(to*perSecond)])
	data = append(binary.LittleEndian.AppendUint32(data, uint32(len(samples))), samples...)
	return file(t, "answer.wav", string(data))
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestTranscribe(t *testing.T) {
	t.Parallel()
	url, prompts := serveSpeech(t, 200, teaReply)
	stdout, stderr, code := runCommand(t, "", "transcribe", recording(t), "--speech-url", url, "--speech-model", "whisper-1", "--question", "event-loop-phases")
	require.Equal(t, 0, code, stderr)
	require.Equal(t, "I pour boiling water over it. And let it steep for four minutes.\n", stdout)
	require.Empty(t, stderr, "the pause is silent in the recording, too")
	require.Len(t, *prompts, 1)
	require.True(t, strings.HasPrefix((*prompts)[0], "Node.js interview: Node, "), (*prompts)[0])
	require.Contains(t, (*prompts)[0], "process.nextTick")

	_, _, code = runCommand(t, "", "transcribe", tone(t, 0, 0), "--speech-url", url, "--speech-model", "whisper-1", "--question", "event-loop-phases")
	require.Equal(t, 0, code)
	require.Len(t, *prompts, 3)
	require.Empty(t, (*prompts)[2])

	nothingMore, _ := serveSpeech(t, 200, teaReply, `{"text":""}`)
	stdout, stderr, code = runCommand(t, "", "transcribe", tone(t, 0, 0), "--speech-url", nothingMore, "--speech-model", "whisper-1", "--json")
	require.Equal(t, 0, code)
	require.Equal(t, "grader: no words from 0:04 to 0:08: speech may be missing or wrong there, listen to it\n", stderr)
	require.Contains(t, stdout, `{"text":"pour","startMs":500,"endMs":1000}`)
	require.Contains(t, stdout, `"language":"en"`)
	again, err := transcript.Parse([]byte(stdout))
	require.NoError(t, err)
	require.Equal(t, transcript.Own, again.Format)
	require.Equal(t, transcript.Times{StartMS: 1000, EndMS: 3000, Known: true}, again.TimesAt(7, 20))
}

func TestTranscribeProblems(t *testing.T) {
	t.Parallel()
	silent, _ := serveSpeech(t, 200, `{"text":"","duration":1,"segments":[],"words":[]}`)
	refuses, _ := serveSpeech(t, 401, `{"error":{"message":"bad key"}}`)
	broken, _ := serveSpeech(t, 400, `{"error":{"message":"cannot decode"}}`)
	at := func(url string) []string { return []string{"--speech-url", url, "--speech-model", "whisper-1"} }
	tests := []struct {
		name string
		file string
		args []string
		code int
		says string
	}{
		{"no model", recording(t), []string{"--speech-url", silent}, exitUsage, "needs a model, such as whisper-1"},
		{"no URL", recording(t), at("asr"), exitUsage, `speech URL "asr" is none`},
		{"no file", "nowhere.wav", at(silent), exitUsage, "nowhere.wav: no such file or directory"},
		{"folder", t.TempDir(), at(silent), exitUsage, "is a folder; give one recording"},
		{"text", file(t, "a.wav", "Timers first."), at(silent), exitUsage, "not a recording"},
		{"video without ffmpeg or sound", file(t, "a.mp4", "\x00\x00\x00\x18ftypisom"), at(silent), exitUsage, "ffmpeg"},
		{"silence", recording(t), at(silent), exitUngradable, "nothing is said in the recording; check the microphone"},
		{"key", recording(t), at(refuses), exitUsage, "set GRADER_SPEECH_API_KEY"},
		{"recogniser", recording(t), at(broken), exitOther, "cannot decode"},
		{"question", recording(t), append(at(silent), "--question", "event-lop"), exitUsage, "event-loop"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := runCommand(t, "", append([]string{"transcribe", tt.file}, tt.args...)...)
			require.Equal(t, tt.code, code, stderr)
			require.Contains(t, stderr, tt.says)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.Empty(t, stdout)
		})
	}
}

// heardCritique grades what the flags give as grade does.
func heardCritique(t *testing.T, f *spokenFlags) (*graderv1.Critique, *grade.Critique, string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	g := &globals{streams: streams{strings.NewReader(""), &out, &errs}, banks: []string{"testdata/bank"}}
	graders, err := g.graders()
	require.NoError(t, err)
	e := &here{graders: graders, speech: &f.speech, notes: g.err}
	q, err := e.question(t.Context(), "black-tea", false)
	require.NoError(t, err)
	a, err := g.spoken(t.Context(), e, f, q.Prompt)
	if err != nil {
		return nil, nil, "", err
	}
	c, err := e.grade(t.Context(), q, a)
	if err != nil {
		return nil, nil, "", err
	}
	require.NoError(t, g.printCritique(c, q.Title, "", c.Transcript.Text, gradeFlags{}))
	return wire.Critique(c), c, out.String() + errs.String(), nil
}

func TestHearATranscript(t *testing.T) {
	t.Parallel()
	vtt := "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Interviewer>How do you make a good cup of black tea?\n\n01:05.000 --> 01:09.000\n<v Candidate>I pour boiling water over it and let it steep for four minutes.\n"
	p, c, shown, err := heardCritique(t, &spokenFlags{transcript: file(t, "a.vtt", vtt)})
	require.NoError(t, err)
	require.Equal(t, "I pour boiling water over it and let it steep for four minutes.", p.Transcript.Text)
	require.Equal(t, []int32{65000, 69000}, []int32{p.Points[0].Evidence[0].GetStartMs(), p.Points[0].Evidence[0].GetEndMs()})
	require.Contains(t, shown, "let it steep for four minutes” at 1:05")
	require.Empty(t, c.Flags)
	require.Nil(t, c.Delivery, "no times of words")

	_, c, shown, err = heardCritique(t, &spokenFlags{transcript: file(t, "a.json", teaReply)})
	require.NoError(t, err)
	require.Equal(t, []grade.Flag{grade.FlagLowTranscript}, c.Flags)
	require.Contains(t, shown, "no words from 0:04 to 0:08; listen to the recording there")
	require.Contains(t, shown, "The transcript is doubtful")
	require.Contains(t, shown, "How it was spoken\n  0:12")

	_, _, _, err = heardCritique(t, &spokenFlags{transcript: file(t, "a.txt", "Ann: Tea?\nBo: Boiling water.\nAnn: Oh.")})
	require.ErrorContains(t, err, "say who is the candidate with --speaker")
	_, _, _, err = heardCritique(t, &spokenFlags{transcript: "a.txt", audio: "a.wav"})
	require.ErrorContains(t, err, "give the answer once")
	_, c, _, err = heardCritique(t, &spokenFlags{transcript: file(t, "a.txt", "Ann: Tea?\nBo: I pour boiling water over it.\nAnn: Oh."), speaker: "Bo"})
	require.NoError(t, err)
	require.Equal(t, "I pour boiling water over it.", c.Transcript.Text)
}

func TestHearARecording(t *testing.T) {
	t.Parallel()
	url, _ := serveSpeech(t, 200, teaReply)
	at := func(url string) *spokenFlags {
		return &spokenFlags{audio: recording(t), speech: speechFlags{config.Speech{URL: url, Model: "whisper-1", Timeout: config.DefaultSpeechTimeout}}}
	}
	p, c, _, err := heardCritique(t, at(url))
	require.NoError(t, err)
	require.NotNil(t, p.Delivery)
	require.Equal(t, int32(4500), p.Delivery.LongestPauseMs)
	for i := range c.Points {
		for _, e := range c.Points[i].Evidence {
			require.Equal(t, e.Quote, c.Transcript.Text[e.Start:e.End])
			require.NotNil(t, e.StartMS)
		}
	}
	silent, _ := serveSpeech(t, 200, `{"text":"","duration":1,"segments":[],"words":[]}`)
	p, _, shown, err := heardCritique(t, at(silent))
	require.NoError(t, err)
	require.Contains(t, shown, "Nothing is said in the recording.")
	line, err := wire.Marshal(p)
	require.NoError(t, err)
	require.True(t, json.Valid(line))
	require.Contains(t, string(line), `"state":"UNGRADABLE","mode":"KEYWORDS","reasons":["NO_SPEECH"]`)
}
