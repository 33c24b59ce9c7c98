package server

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
)

// everyMetric has every metric with one value.
func everyMetric(t *testing.T) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg, "test")
	reg.MustRegister(judgeCollector{func() llm.Totals { return llm.Totals{Outcomes: map[string]int{"ok": 1}} }})
	m.request("grpc", "GradeAnswer", codes.OK, 1)
	m.shed.WithLabelValues("key").Inc()
	m.graded(&grade.Critique{State: grade.Graded, Mode: grade.ModeKeywords})
	m.judged(1, nil)
	m.recognised(&speech.Result{Transcript: &transcript.Transcript{}}, 1, nil)
	m.reloads.WithLabelValues("ok").Inc()
	m.serving(catalog(t))
	return reg
}

func TestMetricsPage(t *testing.T) {
	t.Parallel()
	families, err := everyMetric(t).Gather()
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("# Metrics\n\n<!-- Generated from the registry: go test ./internal/server -run TestMetricsPage -update -->\n\n")
	b.WriteString("`grader serve` shows these at `/metrics` of its admin address, beside those of the Go runtime (`go_...`) and of\nthe process (`process_...`). Labels have few, fixed values: no question, no key, no address, no text.\nThe `grader_judge_...` metrics other than `grader_judge_seconds` are there only with a judge.\n`deploy/alerts.yaml` has alert rules for Prometheus, `deploy/grafana-dashboard.json` a dashboard for Grafana.\n\n")
	b.WriteString("| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n")
	for _, f := range families {
		require.True(t, strings.HasPrefix(f.GetName(), "grader_"))
		labels := []string{}
		for _, l := range f.Metric[0].Label {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		sort.Strings(labels)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), kind(f.GetType()), strings.Join(labels, ", "), f.GetHelp())
	}
	golden(t, "../../docs/metrics.md", b.String())
}

func kind(t dto.MetricType) string { return strings.ToLower(t.String()) }

func TestMetricsCount(t *testing.T) {
	t.Parallel()
	st := start(t, Config{Judge: judged(allMissed), JudgeTotals: func() llm.Totals { return llm.Totals{Breaker: "open"} }})
	st.do(t, "POST", "/v1/questions/black-tea:grade", answerJSON("boiling water"))
	st.do(t, "GET", "/v1/questions/nothing", "")
	st.do(t, "GET", "/nothing", "")
	text := st.metricsText(t)
	for _, line := range []string{
		`grader_requests_total{code="OK",method="GradeAnswer",transport="http"} 1`,
		`grader_requests_total{code="NOT_FOUND",method="GetQuestion",transport="http"} 1`,
		`grader_requests_total{code="NOT_FOUND",method="none",transport="http"} 1`,
		`grader_critiques_total{mode="JUDGE",state="GRADED"} 1`,
		`grader_judge_seconds_count{outcome="ok"} 1`,
		`grader_requests_in_flight 0`,
		`grader_judge_breaker_open 1`,
		`grader_ready 1`,
		`grader_bank_questions{bank="tea",version="1.0.0"} 2`,
	} {
		require.Contains(t, text, line+"\n")
	}
}
