package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

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

// TestNothingLeaks looks for every sentence of the rubric in everything that callers without the scope can get.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	st := start(t, Config{
		Keys:  []Key{key("p", "p", "", ScopeGrade), key("e", "e", "SCORE", ScopeGrade)},
		Judge: judged(allMissed),
	})
	var secrets []string
	for _, q := range catalog(t).questions {
		for i := range q.Points {
			secrets = append(secrets, q.Points[i].Statement)
			secrets = append(secrets, q.Points[i].Accept...)
		}
		for i := range q.Misconceptions {
			secrets = append(secrets, q.Misconceptions[i].Statement, q.Misconceptions[i].WhyWrong)
		}
		secrets = append(secrets, q.ModelAnswer, q.FollowUp)
	}
	var replies []string
	get := func(key, method, path, body string, more ...string) {
		r := st.do(t, method, path, body, append([]string{"X-Api-Key", key, "Accept-Encoding", "identity"}, more...)...)
		headers, _ := json.Marshal(r.header)
		replies = append(replies, r.body, string(headers))
	}
	for _, path := range []string{"/", "/docs", "/openapi.json", "/v1/questions?pageSize=200", "/v1/banks", "/v1/banks/nodejs", "/v1/questions?pageSize=200&view=FULL", "/v1/nothing", "/v1/questions/nothing"} {
		get("p", "GET", path, "")
	}
	for _, q := range catalog(t).questions {
		base := "/v1/banks/" + q.Bank.ID + "/questions/" + q.ID
		get("p", "GET", base, "")
		get("p", "GET", base+"?view=FULL", "")
		for _, body := range []string{answerJSON(""), answerJSON("???"), answerJSON("hm"), "{", `{"answer":{"audio":{"content":"AAAA"}}}`} { // no answer yet
			get("p", "POST", base+":grade", body)
			get("p", "POST", base+":streamGrade", body)
		}
		for _, answer := range []string{q.Prompt + " I do not know.", strong, "The answer is a system of many parts that works well in practice for all of us."} {
			get("e", "POST", base+":grade", answerJSON(answer))
			get("e", "POST", base+":streamGrade", answerJSON(answer), "Accept", "text/event-stream")
		}
	}
	all := strings.Join(append(replies, st.log.String(), st.metricsText(t)), "\n")
	for _, s := range secrets {
		if quoted, _ := json.Marshal(s); len(s) > 12 {
			require.False(t, strings.Contains(all, s) || strings.Contains(all, strings.Trim(string(quoted), `"`)), "leaked: %s", s)
		}
	}
	require.NotContains(t, st.log.String(), "I do not know")
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
