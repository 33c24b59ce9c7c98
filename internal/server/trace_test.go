package server

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

const (
	callerTrace = "0af7651916cd43dd8448eb211c80319c"
	callerSpan  = "b7ad6b7169203331"
	traceparent = "00-" + callerTrace + "-" + callerSpan + "-01"
)

// recording keeps the spans that end.
func recording(t *testing.T) (trace.TracerProvider, *tracetest.InMemoryExporter) {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
	t.Cleanup(func() { _ = p.Shutdown(context.WithoutCancel(t.Context())) })
	return p, kept
}

// tree shows spans as name under parent, with what ended badly.
func tree(spans tracetest.SpanStubs) []string {
	names := map[trace.SpanID]string{}
	for _, s := range spans {
		names[s.SpanContext.SpanID()] = s.Name
	}
	var out []string
	for _, s := range spans {
		parent := names[s.Parent.SpanID()]
		if s.Parent.SpanID().String() == callerSpan && s.Parent.IsRemote() {
			parent = "the caller"
		}
		out = append(out, strings.TrimSpace(s.Name+" < "+parent+" "+s.Status.Description))
	}
	return out
}

func TestSpans(t *testing.T) {
	t.Parallel()
	const rpc = "grader.v1.GraderService/"
	tests := []struct {
		name  string
		judge judgeFunc // nil: none
		path  string
		body  string
		want  []string
	}{
		{"keywords", nil, "/v1/questions/black-tea:grade", answerJSON("boiling water"),
			[]string{"grade.Grade < " + rpc + "GradeAnswer", rpc + "GradeAnswer < the caller"}},
		{"judge", allMissed, "/v1/questions/black-tea:grade", answerJSON("boiling water"),
			[]string{"judge.Judge < grade.GradeJudged", "grade.GradeJudged < " + rpc + "GradeAnswer", rpc + "GradeAnswer < the caller"}},
		{"stream", allMissed, "/v1/questions/black-tea:streamGrade", answerJSON("boiling water"),
			[]string{"grade.Grade < " + rpc + "StreamGradeAnswer", "judge.Judge < grade.GradeJudged", "grade.GradeJudged < " + rpc + "StreamGradeAnswer", rpc + "StreamGradeAnswer < the caller"}},
		{"judge fails", func(context.Context, judgeRequest) (judgeResult, error) { return judgeResult{}, errUnavailable }, "/v1/questions/black-tea:grade", answerJSON("boiling water"),
			[]string{"judge.Judge < grade.GradeJudged unavailable", "grade.GradeJudged < " + rpc + "GradeAnswer", rpc + "GradeAnswer < the caller"}},
		{"required judge fails", func(context.Context, judgeRequest) (judgeResult, error) { return judgeResult{}, errUnavailable }, "/v1/questions/black-tea:grade", answerJSON("boiling water", `"judge":"REQUIRED"`),
			[]string{"judge.Judge < grade.GradeJudged unavailable", "grade.GradeJudged < " + rpc + "GradeAnswer JUDGE_FAILED", rpc + "GradeAnswer < the caller JUDGE_FAILED"}},
		{"the caller's mistake is no error", nil, "/v1/questions/nothing:grade", answerJSON("boiling water"),
			[]string{rpc + "GradeAnswer < the caller"}},
		{"panic", func(context.Context, judgeRequest) (judgeResult, error) { panic("boom") }, "/v1/questions/black-tea:grade", answerJSON("boiling water"),
			[]string{"judge.Judge < grade.GradeJudged", "grade.GradeJudged < " + rpc + "GradeAnswer", rpc + "GradeAnswer < the caller INTERNAL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provider, kept := recording(t)
			cfg := Config{Traces: provider}
			if tt.judge != nil {
				cfg.Judge = judged(tt.judge)
			}
			st := start(t, cfg)
			st.do(t, "POST", tt.path, tt.body, "Traceparent", traceparent)
			st.stop() // the last span ends after the answer has gone out
			spans := kept.GetSpans()
			if diff := cmp.Diff(tt.want, tree(spans)); diff != "" {
				t.Errorf("spans differ (-want +got):\n%s", diff)
			}
			for _, s := range spans {
				require.Equal(t, callerTrace, s.SpanContext.TraceID().String())
			}
		})
	}
}

func TestSpanOverGRPC(t *testing.T) {
	t.Parallel()
	provider, kept := recording(t)
	st := start(t, Config{Traces: provider})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", traceparent, "x-request-id", "mine")
	_, err := st.grpc.GetQuestion(ctx, &graderv1.GetQuestionRequest{QuestionId: "black-tea"})
	require.NoError(t, err)
	_, err = st.grpc.ListBanks(metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-nonsense"), &graderv1.ListBanksRequest{})
	require.NoError(t, err)
	st.stop()
	spans := kept.GetSpans()
	require.Equal(t, []string{"grader.v1.GraderService/GetQuestion < the caller", "grader.v1.GraderService/ListBanks <"}, tree(spans))
	attributes := map[string]string{}
	for _, a := range spans[0].Attributes {
		attributes[string(a.Key)] = a.Value.String()
	}
	require.Equal(t, map[string]string{"rpc.system.name": "grpc", "grader.transport": "grpc", "grader.request_id": "mine", "rpc.response.status_code": "OK"}, attributes)
}

func TestSpansOfRecordings(t *testing.T) {
	t.Parallel()
	const rpc = "grader.v1.GraderService/GradeAudio"
	for _, tt := range []struct {
		status int
		want   []string
	}{
		{200, []string{"speech.Transcribe < " + rpc, "grade.Grade < " + rpc, rpc + " < the caller"}},
		{401, []string{"speech.Transcribe < " + rpc + " auth", rpc + " < the caller SPEECH_FAILED"}},
	} {
		provider, kept := recording(t)
		st := start(t, Config{Traces: provider, Speech: fakeSpeech(t, tt.status, heardTea)})
		st.do(t, "POST", "/v1/questions/black-tea:gradeAudio", string(wav(8000, 0)), "Content-Type", "audio/wav", "Traceparent", traceparent)
		st.stop()
		require.Equal(t, tt.want, tree(kept.GetSpans()))
	}
}
