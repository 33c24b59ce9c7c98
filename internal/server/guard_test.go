package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/judge"
)

func key(name, secret, detail string, scopes ...Scope) Key {
	return Key{Name: name, SHA256: sha256.Sum256([]byte(secret)), Detail: detail, Scopes: scopes}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Keys: []Key{
		key("coach", "c-secret", "", ScopeGrade, ScopeRubricRead),
		key("candidate", "p-secret", "", ScopeGrade),
		key("exam", "e-secret", "SCORE", ScopeGrade),
		key("reader", "r-secret", "", ScopeRubricRead),
	}})
	const grade = "/v1/questions/black-tea:grade"
	tests := []struct {
		name, key, method, path, body string
		status                        int
		reason                        string
	}{
		{"none", "", "GET", "/v1/questions", "", 401, "KEY_MISSING"},
		{"unknown", "x", "GET", "/v1/questions", "", 401, "KEY_UNKNOWN"},
		{"the page is open", "", "GET", "/", "", 200, ""},
		{"candidate lists", "p-secret", "GET", "/v1/questions", "", 200, ""},
		{"candidate reads no rubric", "p-secret", "GET", "/v1/questions?view=FULL", "", 403, "SCOPE_MISSING"},
		{"candidate reads no rubric of one", "p-secret", "GET", "/v1/questions/black-tea?view=FULL", "", 403, "SCOPE_MISSING"},
		{"candidate reads no habits", "p-secret", "GET", "/v1/banks/nodejs?view=FULL", "", 403, "SCOPE_MISSING"},
		{"candidate reads no habits in the list", "p-secret", "GET", "/v1/banks?view=FULL", "", 403, "SCOPE_MISSING"},
		{"candidate grades", "p-secret", "POST", grade, answerJSON("boiling water"), 200, ""},
		{"candidate is no coach", "p-secret", "POST", grade, answerJSON("boiling water", `"detail":"COACH"`), 403, "SCOPE_MISSING"},
		{"coach is", "c-secret", "POST", grade, answerJSON("boiling water", `"detail":"COACH"`), 200, ""},
		{"exam gets a score", "e-secret", "POST", grade, answerJSON("boiling water"), 200, ""},
		{"exam gets no more", "e-secret", "POST", grade, answerJSON("boiling water", `"detail":"CANDIDATE"`), 403, "DETAIL_NOT_ALLOWED"},
		{"reader does not grade", "r-secret", "POST", grade, answerJSON("boiling water"), 403, "SCOPE_MISSING"},
		{"reader reads", "r-secret", "GET", "/v1/questions/black-tea?view=FULL", "", 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, header := range []string{"Authorization", "X-Api-Key"} {
				value := tt.key
				if header == "Authorization" {
					value = "Bearer " + tt.key
				}
				r := st.do(t, tt.method, tt.path, tt.body, header, value)
				require.Equal(t, tt.status, r.status, r.body)
				if tt.reason != "" {
					require.Equal(t, tt.reason, r.error(t).Details[0].Reason)
				}
				if tt.status == 401 {
					require.Equal(t, `Bearer realm="grader"`, r.header.Get("WWW-Authenticate"))
				}
			}
		})
	}
	_, err := st.grpc.ListBanks(t.Context(), &graderv1.ListBanksRequest{})
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	_, err = st.grpc.ListBanks(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer p-secret"), &graderv1.ListBanksRequest{})
	require.NoError(t, err)
	st.do(t, "GET", "/v1/banks", "", "X-Api-Key", "p-secret", "X-Request-Id", "mine")
	require.Regexp(t, `request_id=mine address=127.0.0.1 key=candidate\n`, st.log.String())
	require.NotContains(t, st.log.String(), "-secret")
}

// TestNothingLeaks looks for every sentence of the rubric in everything that callers without the scope can get: by every
// route, over gRPC and HTTP, in bodies, headers and errors, and in log, metrics and traces.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	provider, spans := recording(t)
	st := start(t, Config{
		Keys:  []Key{key("p", "p", "", ScopeGrade), key("e", "e", "SCORE", ScopeGrade)},
		Judge: judged(allMissed), Speech: fakeSpeech(t, 200, heardTea), Traces: provider,
	})
	var replies []string
	get := func(key, method, path, body string, more ...string) string {
		r := st.do(t, method, path, body, append([]string{"X-Api-Key", key, "Accept-Encoding", "identity"}, more...)...)
		headers, _ := json.Marshal(r.header)
		return r.body + string(headers)
	}
	call := func(key, method string, req, res proto.Message) string {
		var header, trailer metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", key)
		err := st.conn.Invoke(ctx, method, req, res, grpc.Header(&header), grpc.Trailer(&trailer))
		return prototext.Format(res) + prototext.Format(status.Convert(err).Proto()) + fmt.Sprint(header, trailer)
	}
	for _, path := range []string{"/v1/questions?pageSize=200", "/v1/banks", "/v1/banks/nodejs", "/v1/questions?pageSize=200&view=FULL", "/v1/nothing", "/v1/questions/nothing"} {
		replies = append(replies, get("p", "GET", path, ""))
	}
	for path := range pages {
		replies = append(replies, get("", "GET", path, ""))
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/nothing"} {
		replies = append(replies, st.adminGet(t, path).body)
	}
	replies = append(replies, call("p", graderv1.GraderService_ListQuestions_FullMethodName, &graderv1.ListQuestionsRequest{PageSize: 200}, &graderv1.ListQuestionsResponse{}),
		call("p", graderv1.GraderService_ListQuestions_FullMethodName, &graderv1.ListQuestionsRequest{PageSize: 200, View: graderv1.View_FULL}, &graderv1.ListQuestionsResponse{}))
	sound := string(wav(8000, 0))
	for _, q := range catalog(t).questions {
		base := "/v1/banks/" + q.Bank.ID + "/questions/" + q.ID
		replies = append(replies, get("p", "GET", base, ""), get("p", "GET", base+"?view=FULL", ""),
			call("p", graderv1.GraderService_GetQuestion_FullMethodName, &graderv1.GetQuestionRequest{Bank: q.Bank.ID, QuestionId: q.ID, View: graderv1.View_FULL}, &graderv1.GetQuestionResponse{}),
			get("p", "POST", base+":transcribe", sound, "Content-Type", "audio/wav"))
		for _, body := range []string{answerJSON(""), answerJSON("???"), answerJSON("hm"), "{", answerJSON("x", `"detail":"COACH"`), `{"answer":{"audio":{"content":"AAAA"}}}`} { // no answer yet
			replies = append(replies, get("p", "POST", base+":grade", body), get("p", "POST", base+":streamGrade", body))
		}
		for _, answer := range []string{q.Prompt + " I do not know.", strong, "The answer is a system of many parts that works well in practice for all of us."} {
			replies = append(replies, get("e", "POST", base+":grade", answerJSON(answer)), get("e", "POST", base+":streamGrade", answerJSON(answer), "Accept", "text/event-stream"),
				call("e", graderv1.GraderService_GradeAnswer_FullMethodName, &graderv1.GradeAnswerRequest{Bank: q.Bank.ID, QuestionId: q.ID, Answer: textAnswer(answer)}, &graderv1.GradeAnswerResponse{}))
		}
		replies = append(replies, get("e", "POST", base+":gradeAudio", sound, "Content-Type", "audio/wav"))

		// After an answer a candidate learns the points, but neither what was not said wrongly nor the model answer.
		after := get("p", "POST", base+":grade", answerJSON(strong))
		require.Contains(t, after, `"state":"GRADED"`)
		for i := range q.Misconceptions {
			requireLacks(t, after, q.Misconceptions[i].Statement, q.Misconceptions[i].WhyWrong)
		}
		requireLacks(t, after, q.ModelAnswer)
		require.NotContains(t, after, `"witnesses"`)
	}
	st.stop()
	families, err := st.registry.Gather()
	require.NoError(t, err)
	replies = append(replies, st.log.String(), fmt.Sprint(families), fmt.Sprintf("%+v", spans.GetSpans()))
	all := strings.Join(replies, "\n")
	for _, q := range catalog(t).questions {
		for i := range q.Points {
			requireLacks(t, all, append([]string{q.Points[i].Statement}, q.Points[i].Accept...)...)
		}
		for i := range q.Misconceptions {
			requireLacks(t, all, q.Misconceptions[i].Statement, q.Misconceptions[i].WhyWrong)
		}
		requireLacks(t, all, q.ModelAnswer, q.FollowUp)
	}
	for _, observed := range []string{st.log.String(), fmt.Sprint(families), fmt.Sprintf("%+v", spans.GetSpans())} {
		requireLacks(t, observed, "I do not know", strong, "a system of many parts", "You need boiling water")
	}
}

// requireLacks fails where a text holds one of the secrets, plain or as JSON. Short ones are words of any text.
func requireLacks(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		quoted, err := json.Marshal(s)
		require.NoError(t, err)
		if len(s) > 12 && (strings.Contains(text, s) || strings.Contains(text, strings.Trim(string(quoted), `"`))) {
			t.Fatalf("leaked: %s", s)
		}
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	slow := key("slow", "s", "", ScopeGrade)
	slow.Rate, slow.Burst = 0.5, 2
	st := start(t, Config{Keys: []Key{slow, key("fast", "f", "", ScopeGrade)}, PerAddress: Rate{0.001, 8}})
	for i := range 2 {
		r := st.do(t, "GET", "/v1/banks", "", "X-Api-Key", "s")
		require.Equal(t, 200, r.status)
		require.Equal(t, "2", r.header.Get("RateLimit-Limit"))
		require.Equal(t, []string{"1", "0"}[i], r.header.Get("RateLimit-Remaining"))
	}
	r := st.do(t, "GET", "/v1/banks", "", "X-Api-Key", "s")
	require.Equal(t, 429, r.status)
	require.Equal(t, "RATE_LIMITED", r.error(t).Details[0].Reason)
	require.Contains(t, []string{"1", "2"}, r.header.Get("Retry-After"))
	require.Equal(t, 200, st.do(t, "GET", "/v1/banks", "", "X-Api-Key", "f").status)
	for range 4 {
		st.do(t, "GET", "/v1/banks", "", "X-Api-Key", "guess")
	}
	r = st.do(t, "GET", "/v1/banks", "", "X-Api-Key", "f")
	require.Equal(t, 429, r.status, "by address")
	require.Equal(t, 200, st.do(t, "GET", "/", "").status)

	open := start(t, Config{PerAddress: Rate{0.001, 1}, PerKey: Rate{0.001, 1}})
	for range 5 {
		require.Equal(t, 200, open.do(t, "GET", "/v1/banks", "").status, "no limits without keys")
	}
}

func TestAddressesAreForgotten(t *testing.T) {
	t.Parallel()
	a := &addresses{rate: Rate{1, 1}, limiters: map[string]*rate.Limiter{}}
	for i := range 3 * maxAddresses {
		_ = a.allow(strings.Repeat("x", i%7) + time.Duration(i).String())
	}
	require.LessOrEqual(t, len(a.limiters), maxAddresses)
}

func TestJudgeBudget(t *testing.T) {
	t.Parallel()
	few := key("few", "k", "", ScopeGrade)
	few.JudgePerDay = 2
	cached := false
	st := start(t, Config{Keys: []Key{few}, Judge: judged(func(ctx context.Context, req judge.Request) (judge.Result, error) {
		r, err := allMissed(ctx, req)
		r.Cached = cached
		return r, err
	})})
	post := func(more ...string) response {
		return st.do(t, "POST", "/v1/questions/black-tea:grade", answerJSON("boiling water is all you need", more...), "X-Api-Key", "k")
	}
	require.Contains(t, post().body, `"mode":"JUDGE"`)
	cached = true
	require.Contains(t, post().body, `"mode":"JUDGE"`)
	cached = false
	require.Contains(t, post().body, `"mode":"JUDGE"`)
	r := post()
	require.Contains(t, r.body, `"state":"DEGRADED"`)
	require.Contains(t, r.body, `"JUDGE_BUDGET_SPENT"`)
	require.Equal(t, "0", r.header.Get("Judge-Budget-Remaining"))
	r = post(`"judge":"REQUIRED"`)
	require.Equal(t, 429, r.status)
	require.Equal(t, "JUDGE_BUDGET_SPENT", r.error(t).Details[0].Reason)
	require.NotEmpty(t, r.header.Get("Retry-After"))
}

func TestShedding(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	st := start(t, Config{InFlight: 3, JudgeSlots: 3, Judge: judged(func(ctx context.Context, req judge.Request) (judge.Result, error) {
		entered <- struct{}{}
		return hang(ctx, req)
	})})
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() { st.abandoned(ctx, "/v1/questions/black-tea:grade", answerJSON("boiling water")) })
	}
	for range 3 {
		<-entered
	}
	r := st.do(t, "GET", "/v1/banks", "")
	require.Equal(t, 429, r.status)
	require.Equal(t, "OVERLOADED", r.error(t).Details[0].Reason)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	_, err := st.grpc.ListBanks(t.Context(), &graderv1.ListBanksRequest{})
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	cancel()
	work.Wait()
	require.Eventually(t, func() bool { return st.do(t, "GET", "/v1/banks", "").status == 200 }, time.Second, time.Millisecond)
}

// TestHangingJudge: what waits for a judge does not keep others from being served.
func TestHangingJudge(t *testing.T) {
	t.Parallel()
	st := start(t, Config{InFlight: 8, JudgeSlots: 1, Judge: judged(hang)})
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() { st.abandoned(ctx, "/v1/questions/black-tea:grade", answerJSON("boiling water")) })
	}
	require.Eventually(t, func() bool { return st.service.gate.waiting.Load() == 3 }, 5*time.Second, time.Millisecond)
	r := st.do(t, "POST", "/v1/questions/black-tea:grade", answerJSON("boiling water"))
	require.Contains(t, r.body, `"state":"DEGRADED"`)
	require.Contains(t, r.body, `"JUDGE_RATE_LIMITED"`)
	r = st.do(t, "POST", "/v1/questions/black-tea:grade", answerJSON("boiling water", `"judge":"OFF"`))
	require.Contains(t, r.body, `"state":"GRADED"`)
	cancel()
	work.Wait()
}

func TestPanic(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Judge: judged(func(context.Context, judge.Request) (judge.Result, error) { panic("boom") })})
	r := st.do(t, "POST", "/v1/questions/black-tea:grade", answerJSON("boiling water"))
	require.Equal(t, http.StatusInternalServerError, r.status)
	require.Equal(t, "INTERNAL", r.error(t).Details[0].Reason)
	require.NotContains(t, r.body, "boom")
	require.Contains(t, st.log.String(), "boom")
	require.Equal(t, 200, st.do(t, "GET", "/v1/banks", "").status)
}

func TestNobodySpoofsTheAddress(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Keys: []Key{key("k", "k", "", ScopeGrade)}, PerAddress: Rate{0.001, 2}})
	codes := []int{}
	for i := range 4 {
		addr := string(rune('1'+i)) + ".1.1.1"
		r := st.do(t, "GET", "/v1/banks", "", "X-Api-Key", "k", "Grpc-Metadata-X-Grader-Remote", addr, "X-Grader-Remote", addr, "X-Forwarded-For", addr)
		codes = append(codes, r.status)
	}
	require.Equal(t, []int{200, 200, 429, 429}, codes)
}
