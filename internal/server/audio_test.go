package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/wire"
)

// heardTea is an answer to black-tea as a recogniser gives it, with a pause that may be lost speech.
const heardTea = `{"text":" You need boiling water.","language":"english","duration":9,
"segments":[{"start":0,"end":9,"text":" You need boiling water.","avg_logprob":-0.2,"compression_ratio":1.1,"no_speech_prob":0.01}],
"words":[{"word":"You","start":0,"end":0.5},{"word":"need","start":0.5,"end":1},{"word":"boiling","start":7,"end":8},{"word":"water","start":8,"end":9}]}`

// fakeSpeech is a recogniser that always gives the same reply. Status 0 hangs until the caller does.
func fakeSpeech(t testing.TB, code int, body string) *speech.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if code == 0 {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return speech.New(speech.Config{URL: srv.URL + "/v1", Model: "whisper-1", HTTPClient: srv.Client()})
}

// wav is a recording of a tone; its header says so many bytes more than there are.
func wav(size, missing int) []byte {
	data := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data")
	data = append(binary.LittleEndian.AppendUint32(data, uint32(size+missing)), bytes.Repeat([]byte{0, 0x20, 0, 0xe0}, (size+3)/4)[:size]...)
	binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8+missing))
	return data
}

// form is a recording as a browser's form sends it.
func form(t testing.TB, field string, audio []byte) (body, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(field, "answer.webm")
	require.NoError(t, err)
	_, err = part.Write(audio)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

// gradeAudio sends a recording over gRPC.
func (st *stand) gradeAudio(ctx context.Context, o *graderv1.GradeAudioOptions, audio []byte) (*graderv1.GradeAudioResponse, error) {
	stream, err := st.grpc.GradeAudio(ctx)
	if err != nil {
		return nil, err
	}
	if o != nil {
		if err := stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Options{Options: o}}); err != nil {
			return nil, err
		}
	}
	for len(audio) > 0 {
		n := min(len(audio), 1<<20)
		if stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Chunk{Chunk: audio[:n]}}) != nil {
			break // refused
		}
		audio = audio[n:]
	}
	return stream.CloseAndRecv()
}

func inline(audio []byte) *graderv1.Answer {
	return &graderv1.Answer{Content: &graderv1.Answer_Audio{Audio: &graderv1.Audio{Content: audio}}}
}

// timeless is a critique without the one part that differs between runs.
func timeless(t testing.TB, c *graderv1.Critique) string {
	require.NotNil(t, c)
	require.Positive(t, c.Timing.SpeechMs)
	require.GreaterOrEqual(t, c.Timing.TotalMs, c.Timing.SpeechMs)
	c = proto.CloneOf(c)
	c.Timing = nil
	line, err := wire.Marshal(c)
	require.NoError(t, err)
	return string(line)
}

// TestAudio sends each recording in all the ways there are, and wants the same from all of them.
func TestAudio(t *testing.T) {
	t.Parallel()
	const ok = graderv1.ErrorReason_UNSPECIFIED
	tests := []struct {
		name   string
		speech *speech.Client
		within time.Duration // for the recogniser; 0 is enough
		audio  []byte
		reason reason // ok: a critique, which has:
		says   []string
	}{
		{"spoken", fakeSpeech(t, 200, heardTea), 0, wav(8000, 0), ok, []string{`"quote":"You need boiling water","start":0`, `"startMs":0,"endMs":9000`, `"flags":["LOW_TRANSCRIPT_QUALITY"]`, `"language":"en"`, `"wordCount":4`}},
		{"cut off", fakeSpeech(t, 200, heardTea), 0, wav(8000, 9000), ok, []string{`"quote":"You need boiling water"`}},
		{"nothing said", fakeSpeech(t, 200, `{"text":"","duration":1}`), 0, wav(8000, 0), ok, []string{`"state":"UNGRADABLE"`, `"reasons":["NO_SPEECH"]`}},
		{"text only", fakeSpeech(t, 200, `{"text":"You need boiling water."}`), 0, wav(8000, 0), ok, []string{`"quote":"You need boiling water"`, `"flags":[]`}},
		{"no recogniser", nil, 0, wav(8000, 0), graderv1.ErrorReason_SPEECH_NOT_CONFIGURED, []string{"no recogniser is configured"}},
		{"no audio", fakeSpeech(t, 200, heardTea), 0, []byte("Timers first, then poll."), graderv1.ErrorReason_NOT_AUDIO, []string{"no recording in what came"}},
		{"no sound", fakeSpeech(t, 200, heardTea), 0, wav(100, 0), graderv1.ErrorReason_NOT_AUDIO, []string{"no recording in what came"}},
		{"broken header", fakeSpeech(t, 200, heardTea), 0, wav(8000, 0)[:30], graderv1.ErrorReason_NOT_AUDIO, []string{"no recording in what came"}},
		{"broken inside", fakeSpeech(t, 400, `{"error":{"message":"cannot decode"}}`), 0, wav(8000, 0), graderv1.ErrorReason_NOT_AUDIO, []string{"cannot read the recording"}},
		{"key refused", fakeSpeech(t, 401, `{"error":{"message":"bad key sk-123"}}`), 0, wav(8000, 0), graderv1.ErrorReason_SPEECH_FAILED, []string{"the recogniser failed (auth)"}},
		{"no such endpoint", fakeSpeech(t, 404, `{}`), 0, wav(8000, 0), graderv1.ErrorReason_SPEECH_FAILED, []string{"the recogniser failed"}},
		{"no JSON", fakeSpeech(t, 200, `<html>`), 0, wav(8000, 0), graderv1.ErrorReason_SPEECH_FAILED, []string{"the recogniser failed"}},
		{"hangs", fakeSpeech(t, 0, ""), 20 * time.Millisecond, wav(8000, 0), graderv1.ErrorReason_SPEECH_FAILED, []string{"the recogniser failed (timeout)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			st := start(t, Config{Speech: tt.speech, SpeechTimeout: tt.within})
			ways := map[string]func(*testing.T) (*graderv1.Critique, error){
				"GradeAnswer": func(t *testing.T) (*graderv1.Critique, error) {
					res, err := st.grpc.GradeAnswer(t.Context(), &graderv1.GradeAnswerRequest{QuestionId: "black-tea", Answer: inline(tt.audio)})
					return res.GetCritique(), err
				},
				"StreamGradeAnswer": func(t *testing.T) (*graderv1.Critique, error) {
					return st.lastOf(t, &graderv1.StreamGradeAnswerRequest{QuestionId: "black-tea", Answer: inline(tt.audio)})
				},
				"GradeAudio": func(t *testing.T) (*graderv1.Critique, error) {
					res, err := st.gradeAudio(t.Context(), &graderv1.GradeAudioOptions{QuestionId: "tea/black-tea"}, tt.audio)
					return res.GetCritique(), err
				},
				"HTTP inline": func(t *testing.T) (*graderv1.Critique, error) {
					return st.httpCritique(t, "/v1/questions/black-tea:grade", `{"answer":{"audio":{"content":"`+base64.StdEncoding.EncodeToString(tt.audio)+`"}}}`, "application/json")
				},
				"HTTP raw": func(t *testing.T) (*graderv1.Critique, error) {
					return st.httpCritique(t, "/v1/questions/black-tea:gradeAudio?detail=CANDIDATE&judge=AUTO", string(tt.audio), "audio/wav")
				},
				"HTTP form": func(t *testing.T) (*graderv1.Critique, error) {
					body, contentType := form(t, "audio", tt.audio)
					return st.httpCritique(t, "/v1/banks/tea/questions/black-tea:gradeAudio", body, contentType)
				},
			}
			first := ""
			for way, grade := range ways {
				c, err := grade(t)
				if tt.reason != ok {
					st, why := withReason(err)
					require.Equal(t, tt.reason, why, "%s: %v", way, err)
					require.Equal(t, answers[tt.reason].code, st.Code(), way)
					require.Contains(t, st.Message(), tt.says[0], way)
					require.NotContains(t, err.Error(), "sk-123")
					continue
				}
				require.NoError(t, err, way)
				got := timeless(t, c)
				if first == "" {
					first = got
				}
				require.Equal(t, first, got, way)
				for _, s := range tt.says {
					require.Contains(t, got, s, way)
				}
			}
			require.NotContains(t, st.log.String(), "sk-123")
			require.NotContains(t, st.log.String(), "boiling")
		})
	}
}

// lastOf is the last critique of a stream.
func (st *stand) lastOf(t testing.TB, req *graderv1.StreamGradeAnswerRequest) (*graderv1.Critique, error) {
	stream, err := st.grpc.StreamGradeAnswer(t.Context(), req)
	require.NoError(t, err)
	var last *graderv1.Critique
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
		last = event.GetCritique()
	}
}

// httpCritique posts over HTTP; an error comes back as gRPC has it.
func (st *stand) httpCritique(t testing.TB, path, body, contentType string) (*graderv1.Critique, error) {
	r := st.do(t, http.MethodPost, path, body, "Content-Type", contentType)
	if r.status != http.StatusOK {
		e := r.error(t)
		why := reason(graderv1.ErrorReason_Value_value[e.Details[0].Reason])
		require.Equal(t, answers[why].httpStatus(), r.status)
		return nil, refuse(why, "%s", e.Message)
	}
	c := &graderv1.Critique{}
	return c, marshaler{}.Unmarshal([]byte(r.body), c)
}

func TestTranscribe(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Speech: fakeSpeech(t, 200, heardTea)})
	want := `{"transcript":{"text":"You need boiling water.","words":[{"text":"You","startMs":0,"endMs":500},{"text":"need","startMs":500,"endMs":1000},{"text":"boiling","startMs":7000,"endMs":8000},{"text":"water","startMs":8000,"endMs":9000}],` +
		`"segments":[{"text":"You need boiling water.","startMs":0,"endMs":9000,"confidence":0.8187307530779818}],"language":"en","doubtful":true},` +
		`"doubts":[{"kind":"LOST","startMs":1000,"endMs":7000}],"notes":["no words from 0:01 to 0:07: speech may be missing or wrong there, listen to it"]}`
	body, contentType := form(t, "audio", wav(8000, 0))
	for _, path := range []string{"/v1:transcribe", "/v1/questions/black-tea:transcribe", "/v1/banks/tea/questions/black-tea:transcribe"} {
		r := st.do(t, "POST", path, string(wav(8000, 0)), "Content-Type", "application/octet-stream")
		require.Equal(t, 200, r.status, r.body)
		require.Equal(t, want, r.body)
		require.Equal(t, "no-store", r.header.Get("Cache-Control"))
		require.Equal(t, want, st.do(t, "POST", path, body, "Content-Type", contentType).body)
	}
	stream, err := st.grpc.Transcribe(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&graderv1.TranscribeRequest{Part: &graderv1.TranscribeRequest_Options{Options: &graderv1.TranscribeOptions{}}}))
	require.NoError(t, stream.Send(&graderv1.TranscribeRequest{Part: &graderv1.TranscribeRequest_Chunk{Chunk: wav(8000, 0)}}))
	res, err := stream.CloseAndRecv()
	require.NoError(t, err)
	line, err := wire.Marshal(res)
	require.NoError(t, err)
	require.Equal(t, want, string(line))

	// What came back is an answer, and gives the critique of the recording.
	whole, err := st.httpCritique(t, "/v1/questions/black-tea:gradeAudio", string(wav(8000, 0)), "audio/wav")
	require.NoError(t, err)
	again, err := st.grpc.GradeAnswer(t.Context(), &graderv1.GradeAnswerRequest{QuestionId: "black-tea", Answer: &graderv1.Answer{Content: &graderv1.Answer_Transcript{Transcript: res.Transcript}}})
	require.NoError(t, err)
	whole.Timing, again.Critique.Timing = nil, nil
	require.Equal(t, whole.String(), again.Critique.String())

	// A person corrected it: the words that are left keep their times.
	res.Transcript.Text, res.Transcript.Doubtful = "Well, I would say that black tea needs boiling water.", nil
	edited, err := st.grpc.GradeAnswer(t.Context(), &graderv1.GradeAnswerRequest{QuestionId: "black-tea", Answer: &graderv1.Answer{Content: &graderv1.Answer_Transcript{Transcript: res.Transcript}}})
	require.NoError(t, err)
	quote := edited.Critique.Points[0].Evidence[0]
	require.Contains(t, quote.Quote, "boiling water")
	require.EqualValues(t, 7000, quote.GetStartMs())
	require.EqualValues(t, 9000, quote.GetEndMs())
	require.Empty(t, edited.Critique.Flags)

	m := st.metricsText(t)
	require.Contains(t, m, `grader_speech_seconds_count{outcome="ok"} 8`)
	require.Contains(t, m, "grader_speech_recorded_seconds_total 72")
	require.Contains(t, m, `grader_requests_total{code="OK",method="Transcribe",transport="http"} 6`)
}

// TestSilenceGivesNothingAway: recognisers say their vocabulary again where nobody speaks, and it holds names of the rubric.
func TestSilenceGivesNothingAway(t *testing.T) {
	t.Parallel()
	prompts := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prompt := r.FormValue("prompt")
		prompts <- prompt
		words := []map[string]any{}
		for i, word := range strings.Fields(prompt) {
			words = append(words, map[string]any{"word": word, "start": float64(i) / 10, "end": float64(i+1) / 10})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"text": prompt, "language": "english", "duration": 5, "words": words,
			"segments": []map[string]any{{"text": prompt, "start": 0, "end": 5, "avg_logprob": -0.1, "no_speech_prob": 0.01, "compression_ratio": 1}}})
	}))
	t.Cleanup(srv.Close)
	st := start(t, Config{Speech: speech.New(speech.Config{URL: srv.URL + "/v1", Model: "m", HTTPClient: srv.Client()})})
	loud := wav(80000, 0)
	for i := 44; i < len(loud); i += 2 {
		loud[i+1] = byte(i % 61) // no silence, which would not be sent
	}
	for _, verb := range []string{"transcribe", "gradeAudio?detail=SCORE"} {
		r := st.do(t, "POST", "/v1/questions/event-loop-phases:"+verb, string(loud), "Content-Type", "audio/wav")
		require.Equal(t, 200, r.status, r.body)
		prompt := <-prompts
		require.Contains(t, prompt, "process.nextTick")
		public := strings.NewReplacer("event-loop-phases", "", `"bankId":"nodejs"`, "") // says nothing of the rubric
		_, names, _ := strings.Cut(prompt, ": ")
		for name := range strings.SplitSeq(strings.TrimSuffix(names, "."), ", ") {
			require.NotContains(t, public.Replace(r.body), name, verb)
		}
		for len(prompts) > 0 {
			<-prompts
		}
	}
}

// TestUploadRefused: wrong uploads, none of which reaches the recogniser.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Speech: fakeSpeech(t, 500, ""), MaxAudio: 100_000})
	good, formType := form(t, "audio", wav(8000, 0))
	other, otherType := form(t, "file", wav(8000, 0))
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		reason                   reason
		says                     string
	}{
		{"get", "GET", "/v1/questions/black-tea:gradeAudio", "", nil, 405, graderv1.ErrorReason_METHOD_NOT_ALLOWED, "use POST"},
		{"put", "PUT", "/v1:transcribe", "x", nil, 405, graderv1.ErrorReason_METHOD_NOT_ALLOWED, "use POST"},
		{"grade without a question", "POST", "/v1:gradeAudio", "x", nil, 404, graderv1.ErrorReason_ROUTE_NOT_FOUND, ""},
		{"transcribe a list", "POST", "/v1/questions:transcribe", "x", nil, 404, graderv1.ErrorReason_ROUTE_NOT_FOUND, ""},
		{"deeper", "POST", "/v1/banks/tea/questions/black-tea/x:transcribe", "x", nil, 404, graderv1.ErrorReason_ROUTE_NOT_FOUND, ""},
		{"json", "POST", "/v1:transcribe", "{}", nil, 415, graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "audio/*"},
		{"no type", "POST", "/v1:transcribe", "{}", []string{"Content-Type", "-"}, 415, graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "audio/*"},
		{"text", "POST", "/v1:transcribe", "x", []string{"Content-Type", "text/plain"}, 415, graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "audio/*"},
		{"unknown question", "POST", "/v1/questions/coffee:gradeAudio", "x", []string{"Content-Type", "audio/ogg"}, 404, graderv1.ErrorReason_QUESTION_NOT_FOUND, "coffee"},
		{"question that is none", "POST", "/v1/questions/Black%20Tea:transcribe", "x", []string{"Content-Type", "audio/ogg"}, 400, graderv1.ErrorReason_INVALID_FIELD, "question_id"},
		{"unknown parameter", "POST", "/v1/questions/black-tea:gradeAudio?juge=OFF", "x", []string{"Content-Type", "audio/ogg"}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, "juge"},
		{"option of another path", "POST", "/v1/questions/black-tea:transcribe?judge=OFF", "x", []string{"Content-Type", "audio/ogg"}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, "judge"},
		{"question in the query", "POST", "/v1/questions/black-tea:gradeAudio?questionId=x", "x", []string{"Content-Type", "audio/ogg"}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, "questionId"},
		{"wrong value", "POST", "/v1/questions/black-tea:gradeAudio?judge=MAYBE", "x", []string{"Content-Type", "audio/ogg"}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, "MAYBE"},
		{"judge that is none", "POST", "/v1/questions/black-tea:gradeAudio?judge=REQUIRED", "x", []string{"Content-Type", "audio/ogg"}, 400, graderv1.ErrorReason_JUDGE_NOT_CONFIGURED, ""},
		{"bad time allowed", "POST", "/v1:transcribe", "x", []string{"Content-Type", "audio/ogg", "Grpc-Timeout", "soon"}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, ""},
		{"nothing", "POST", "/v1:transcribe", "", []string{"Content-Type", "audio/ogg"}, 400, graderv1.ErrorReason_NOT_AUDIO, ""},
		{"too large", "POST", "/v1:transcribe", strings.Repeat("x", 100_001), []string{"Content-Type", "audio/ogg"}, 413, graderv1.ErrorReason_BODY_TOO_LARGE, "100000 bytes"},
		{"form of another field", "POST", "/v1:transcribe", other, []string{"Content-Type", otherType}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, `one part, "audio"`},
		{"form without a boundary", "POST", "/v1:transcribe", good, []string{"Content-Type", "multipart/form-data"}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, "boundary"},
		{"form that is cut off", "POST", "/v1:transcribe", good[:len(good)/2], []string{"Content-Type", formType}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, "whole"},
		{"form without a part", "POST", "/v1:transcribe", "--x--\r\n", []string{"Content-Type", "multipart/form-data; boundary=x"}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, "no part"},
		{"form with two parts", "POST", "/v1:transcribe", "--x\r\nContent-Disposition: form-data; name=\"audio\"\r\n\r\nabc\r\n--x\r\nContent-Disposition: form-data; name=\"judge\"\r\n\r\nOFF\r\n--x--\r\n", []string{"Content-Type", "multipart/form-data; boundary=x"}, 400, graderv1.ErrorReason_MALFORMED_REQUEST, "one part"},
		{"form from another host", "POST", "/v1:transcribe", good, []string{"Content-Type", formType, "Origin", "https://evil.test"}, 415, graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "other hosts"},
		{"form from another host, by the browser", "POST", "/v1:transcribe", good, []string{"Content-Type", formType, "Sec-Fetch-Site", "cross-site"}, 415, graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "other hosts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := st.do(t, tt.method, tt.path, tt.body, tt.headers...)
			require.Equal(t, tt.status, r.status, r.body)
			e := r.error(t)
			require.Equal(t, tt.reason.String(), e.Details[0].Reason)
			require.Contains(t, e.Message, tt.says)
		})
	}
}

func TestUploadOverGRPCRefused(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Speech: fakeSpeech(t, 500, ""), MaxAudio: 100_000})
	tea := &graderv1.GradeAudioOptions{QuestionId: "black-tea"}
	for name, tt := range map[string]struct {
		o      *graderv1.GradeAudioOptions
		audio  []byte
		reason reason
	}{
		"no options":       {nil, []byte("x"), graderv1.ErrorReason_MALFORMED_REQUEST},
		"nothing at all":   {nil, nil, graderv1.ErrorReason_MALFORMED_REQUEST},
		"no recording":     {tea, nil, graderv1.ErrorReason_NOT_AUDIO},
		"no question":      {&graderv1.GradeAudioOptions{}, []byte("x"), graderv1.ErrorReason_INVALID_FIELD},
		"unknown question": {&graderv1.GradeAudioOptions{QuestionId: "coffee"}, []byte("x"), graderv1.ErrorReason_QUESTION_NOT_FOUND},
		"too large":        {tea, make([]byte, 100_001), graderv1.ErrorReason_BODY_TOO_LARGE},
	} {
		_, err := st.gradeAudio(t.Context(), tt.o, tt.audio)
		_, why := withReason(err)
		require.Equal(t, tt.reason, why, "%s: %v", name, err)
	}
	stream, err := st.grpc.GradeAudio(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Options{Options: tea}}))
	require.NoError(t, stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Options{Options: tea}}))
	_, err = stream.CloseAndRecv()
	require.ErrorContains(t, err, "the options come once")

	_, err = st.grpc.GradeAnswer(t.Context(), &graderv1.GradeAnswerRequest{QuestionId: "black-tea", Answer: inline(make([]byte, 3<<20+1))})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.ErrorContains(t, err, "answer.audio.content")
}

// TestInlineAudioLimit: 3 MiB fit into the body of a request as base64, and one byte more is a field that is too long.
func TestInlineAudioLimit(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Speech: fakeSpeech(t, 200, heardTea)})
	whole := wav(3<<20-44, 0)
	require.Len(t, whole, 3<<20)
	c, err := st.httpCritique(t, "/v1/questions/black-tea:grade", `{"answer":{"audio":{"content":"`+base64.StdEncoding.EncodeToString(whole)+`"}}}`, "application/json")
	require.NoError(t, err)
	require.Equal(t, "You need boiling water.", c.Transcript.Text)
	r := st.do(t, "POST", "/v1/questions/black-tea:grade", `{"answer":{"audio":{"content":"`+base64.StdEncoding.EncodeToString(append(whole, 0))+`"}}}`)
	require.Equal(t, 400, r.status)
	require.Equal(t, "answer.audio.content", r.error(t).Details[1].FieldViolations[0].Field)
}

// TestUploadIsNotReadBeforeItIsWanted: a caller who waits for 100 Continue is told what is wrong without sending anything.
func TestUploadIsNotReadBeforeItIsWanted(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Speech: fakeSpeech(t, 500, ""), Keys: []Key{key("open", "open", "", ScopeGrade), key("closed", "closed", "", ScopeAdmin)}})
	for secret, want := range map[string]string{"": "401", "wrong": "401", "closed": "403"} {
		for _, path := range []string{"/v1:transcribe", "/v1/questions/black-tea:gradeAudio"} {
			got := st.raw(t, "POST "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+secret+"\r\nContent-Type: audio/wav\r\nContent-Length: 1000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
			require.True(t, strings.HasPrefix(got, "HTTP/1.1 "+want), got)
		}
	}
	got := st.raw(t, "POST /v1:transcribe HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer open\r\nContent-Type: audio/wav\r\nContent-Length: 25000001\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
	require.True(t, strings.HasPrefix(got, "HTTP/1.1 413"), got)
}

// raw sends bytes and reads what comes until the server hangs up.
func (st *stand) raw(t testing.TB, request string) string {
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", st.addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(got)
}

// TestUploadThatStalls gives its place back, and so does one whose sender is gone.
func TestUploadThatStalls(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Speech: fakeSpeech(t, 200, heardTea), SpeechSlots: 1, ReadTimeout: 100 * time.Millisecond})
	free := func() bool { return st.service.speech.flight.now.Load() == 0 }
	for _, body := range []string{"Content-Length: 1000\r\n\r\nRIFF", "Transfer-Encoding: chunked\r\n\r\n4\r\nRIFF\r\n"} {
		got := st.raw(t, "POST /v1:transcribe HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nConnection: close\r\n"+body)
		require.True(t, strings.HasPrefix(got, "HTTP/1.1 400"), got)
		require.Contains(t, got, "did not arrive whole")
		require.Eventually(t, free, 5*time.Second, time.Millisecond) // the answer goes out before the place is free
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := st.grpc.Transcribe(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(&graderv1.TranscribeRequest{Part: &graderv1.TranscribeRequest_Options{Options: &graderv1.TranscribeOptions{}}}))
	_, err = stream.Header() // the recording is wanted: the one place is taken
	require.NoError(t, err)
	r := st.do(t, "POST", "/v1:transcribe", string(wav(8000, 0)), "Content-Type", "audio/wav")
	require.Equal(t, 429, r.status)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.Equal(t, graderv1.ErrorReason_OVERLOADED.String(), r.error(t).Details[0].Reason)
	cancel()
	require.Eventually(t, free, 5*time.Second, time.Millisecond)
}

// TestUploadPassesTheGuards: an upload is bounded, counted and logged as other requests are.
func TestUploadPassesTheGuards(t *testing.T) {
	t.Parallel()
	limited := key("k", "k", "SCORE", ScopeGrade)
	limited.Rate, limited.Burst = 0.001, 2
	st := start(t, Config{Speech: fakeSpeech(t, 200, heardTea), Keys: []Key{limited}})
	ask := func(path string) response {
		return st.do(t, "POST", path, string(wav(8000, 0)), "Content-Type", "audio/wav", "X-Api-Key", "k", "X-Request-Id", "mine")
	}
	r := ask("/v1/questions/black-tea:gradeAudio")
	require.Equal(t, 200, r.status, r.body)
	require.Equal(t, "mine", r.header.Get("X-Request-Id"))
	require.Equal(t, "2", r.header.Get("RateLimit-Limit"))
	require.NotContains(t, r.body, `"statement"`)
	require.Contains(t, st.log.String(), "method=GradeAudio")
	require.Contains(t, st.log.String(), "key=k")
	require.Equal(t, 403, ask("/v1/questions/black-tea:gradeAudio?detail=COACH").status)
	r = ask("/v1:transcribe")
	require.Equal(t, 429, r.status)
	require.NotEmpty(t, r.header.Get("Retry-After"))
}

// TestDrainEndsRecognition: a recogniser that hangs does not keep the server from stopping, and the caller is told.
func TestDrainEndsRecognition(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Speech: fakeSpeech(t, 0, "")})
	done := make(chan error, 1)
	go func() {
		_, err := st.gradeAudio(t.Context(), &graderv1.GradeAudioOptions{QuestionId: "black-tea"}, wav(8000, 0))
		done <- err
	}()
	require.Eventually(t, func() bool { return st.service.speech.flight.now.Load() == 1 }, 5*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), hurryBefore+100*time.Millisecond)
	defer cancel()
	require.NoError(t, st.Drain(ctx))
	_, why := withReason(<-done)
	require.Equal(t, graderv1.ErrorReason_SHUTTING_DOWN, why)
}

// TestTwoSpeakersAreNotGradedAsOne: where two people have a channel each the server does not guess who is the candidate.
func TestTwoSpeakersAreNotGradedAsOne(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Speech: fakeSpeech(t, 200, heardTea)})
	var samples []byte
	for i := range 8 * 8000 { // the left one speaks in the first and third two seconds, the right one in between
		v := binary.LittleEndian.AppendUint16(nil, uint16(int16(8000*(2*(i%2)-1))))
		if i/16000%2 == 0 {
			samples = append(append(samples, v...), 0, 0)
		} else {
			samples = append(append(samples, 0, 0), v...)
		}
	}
	head := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00\x40\x1f\x00\x00\x00\x7d\x00\x00\x04\x00\x10\x00data")
	recording := string(append(binary.LittleEndian.AppendUint32(head, uint32(len(samples))), samples...))
	r := st.do(t, "POST", "/v1/questions/black-tea:gradeAudio", recording, "Content-Type", "audio/wav")
	require.Equal(t, 400, r.status, r.body)
	require.Contains(t, r.body, "Left, Right speak on channels of their own; send the candidate's channel alone")
	r = st.do(t, "POST", "/v1:transcribe", recording, "Content-Type", "audio/wav")
	require.Equal(t, 200, r.status, r.body)
	require.Contains(t, r.body, `"speaker":"Right"`)
}
