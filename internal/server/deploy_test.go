package server

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var (
	// aMetric is a name in an expression, with the labels that it is chosen by.
	aMetric = regexp.MustCompile(`\b((?:grader|go|process)_[a-z_]+)(?:\{([^}]*)\})?`)
	aLabel  = regexp.MustCompile(`([a-z_]+)\s*[=!]~?\s*"([^"]*)"`)
	grouped = regexp.MustCompile(`by \(([^)]*)\)`)
)

// TestDeployedExpressions: what alerts and dashboard ask for exists.
func TestDeployedExpressions(t *testing.T) {
	t.Parallel()
	served := servedMetrics(t)
	asked := map[string]bool{}
	for from, list := range map[string][]string{"alerts.yaml": alertExpressions(t), "grafana-dashboard.json": dashboardExpressions(t)} {
		require.NotEmpty(t, list, from)
		for _, expr := range list {
			found := aMetric.FindAllStringSubmatch(expr, -1)
			require.NotEmpty(t, found, "%s: %s", from, expr)
			var labels []string
			for _, m := range found {
				family, has := metricOf(served, m[1])
				require.True(t, has, "%s asks for %s, which is not served", from, m[1])
				asked[family] = true
				labels = append(labels, served[family]...)
				for _, l := range aLabel.FindAllStringSubmatch(m[2], -1) {
					require.Contains(t, served[family], l[1], "%s: %s", from, expr)
				}
			}
			for _, g := range grouped.FindAllStringSubmatch(expr, -1) {
				for l := range strings.SplitSeq(g[1], ",") {
					require.Contains(t, labels, strings.TrimSpace(l), "%s: %s", from, expr)
				}
			}
		}
	}
	for name := range served {
		if strings.HasPrefix(name, "grader_") {
			require.True(t, asked[name], "neither alert nor dashboard shows %s", name)
		}
	}
}

// servedMetrics are the labels of each metric, with those that a scrape adds.
func servedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	reg := everyMetric(t)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := prometheus.Gatherer(reg).Gather()
	require.NoError(t, err)
	served := map[string][]string{}
	for _, f := range families {
		labels := []string{"job", "instance"}
		if f.GetType() == dto.MetricType_HISTOGRAM {
			labels = append(labels, "le")
		}
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		served[f.GetName()] = labels
	}
	return served
}

// metricOf finds the metric that a name belongs to: histograms have three names.
func metricOf(served map[string][]string, name string) (string, bool) {
	for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
		base, cut := strings.CutSuffix(name, suffix)
		if _, ok := served[base]; ok && cut && (suffix == "" || slices.Contains(served[base], "le")) {
			return base, true
		}
	}
	return "", false
}

func alertExpressions(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../deploy/alerts.yaml")
	require.NoError(t, err)
	var doc struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct{ Summary string }
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(data, &doc))
	var out []string
	for _, g := range doc.Groups {
		for _, r := range g.Rules {
			require.NotEmpty(t, r.Annotations.Summary, r.Alert)
			out = append(out, r.Expr)
		}
	}
	return out
}

func dashboardExpressions(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../deploy/grafana-dashboard.json")
	require.NoError(t, err)
	var doc struct {
		Panels []struct {
			ID          int
			Title, Type string
			GridPos     struct{ H, W, X, Y int }
			Targets     []struct{ Expr, LegendFormat string }
		}
	}
	require.NoError(t, json.Unmarshal(data, &doc))
	var out []string
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range doc.Panels {
		require.NotEmpty(t, p.Title)
		require.False(t, ids[p.ID], "two panels have the id %d", p.ID)
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies on another panel", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		require.True(t, p.Type == "row" || len(p.Targets) > 0, p.Title)
		for _, q := range p.Targets {
			out = append(out, q.Expr)
		}
	}
	return out
}
