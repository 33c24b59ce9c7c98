package report_test

import (
	"encoding/csv"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/vivagrader/grader/internal/report"
	"github.com/vivagrader/grader/internal/rubric"
)

var update = flag.Bool("update", false, "write golden files")

// tea is the bank of the fixture; the rubric has changed since, so no score can be computed again.
func tea(id string) *rubric.Question {
	switch id {
	case "black-tea":
		return &rubric.Question{ID: id, Title: "A pot of black tea", Category: "hot",
			Misconceptions: []rubric.Misconception{{ID: "milk-first", Statement: "Milk goes in before the tea."}}}
	case "green-tea":
		return &rubric.Question{ID: id, Title: "Green tea", Category: "hot"}
	}
	return nil
}

// copyOf is a folder of results that the test may write to.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	out := t.TempDir()
	for _, name := range []string{report.ResultsFile, report.InterviewsFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(out, name), data, 0o600))
	}
	return out
}

func write(t testing.TB, dir string, anonymous bool) map[string]string {
	t.Helper()
	index, err := report.Write(dir, report.Options{Question: tea, Anonymous: anonymous})
	require.NoError(t, err)
	root := filepath.Dir(index)
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		out[filepath.ToSlash(rel)] = string(data)
		return err
	}))
	return out
}

var assets = regexp.MustCompile(`(?s)<style>.*?</style>|<script>.*?</script>|<meta http-equiv[^>]*>`)

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, golden := range []string{"report", "report-anonymous"} {
		got := write(t, copyOf(t, "testdata/tea"), golden == "report-anonymous")
		dir := filepath.Join("testdata/tea", golden)
		if *update {
			require.NoError(t, os.RemoveAll(dir))
		}
		want := map[string]string{}
		for name, data := range got {
			got[name] = assets.ReplaceAllString(data, "") // they have files of their own
			file := filepath.Join(dir, name)
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
				require.NoError(t, os.WriteFile(file, []byte(got[name]), 0o600))
			}
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			want[name] = string(data)
		}
		require.Empty(t, cmp.Diff(want, got))
	}
}

func TestSameResultsGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	dir := copyOf(t, "testdata/tea")
	first := write(t, dir, false)
	require.Empty(t, cmp.Diff(first, write(t, dir, false)))
	require.Empty(t, cmp.Diff(first, write(t, copyOf(t, dir), false)))
}

func TestPagesAreSound(t *testing.T) {
	t.Parallel()
	for _, anonymous := range []bool{false, true} {
		checkPages(t, write(t, copyOf(t, "testdata/tea"), anonymous))
	}
}

// checkPages checks every page: tags that close, ids that are there once, links that lead somewhere, nothing from
// outside, no script but ours.
func checkPages(t *testing.T, files map[string]string) {
	t.Helper()
	ids := map[string]map[string]bool{}
	for name, data := range files {
		if strings.HasSuffix(name, ".html") {
			checkNesting(t, name, data)
			ids[name] = idsOf(t, name, data)
		}
	}
	require.NotEmpty(t, ids)
	for name := range ids {
		for _, link := range attributes(t, files[name], "href") {
			file, id, _ := strings.Cut(link, "#")
			target := name
			if file != "" {
				target = strings.TrimPrefix(filepath.ToSlash(filepath.Join("/", filepath.Dir(name), file)), "/")
			}
			require.Contains(t, files, target, "%s links to %s", name, link)
			if id != "" {
				require.True(t, ids[target][id], "%s links to %s", name, link)
			}
		}
		require.Empty(t, attributes(t, files[name], "src"), name)
		require.NotRegexp(t, `https?://|url\(|@import`, files[name], name)
	}
}

func TestNestingIsChecked(t *testing.T) {
	t.Parallel()
	require.Error(t, nesting("<p><b>x</p></b>"))
	require.Error(t, nesting("<ul><li>x</ul>"))
	require.NoError(t, nesting("<ul><li>x<br></li></ul>"))
}

func checkNesting(t *testing.T, name, page string) {
	t.Helper()
	require.NoError(t, nesting(page), name)
}

var void = map[string]bool{"meta": true, "br": true, "input": true, "rect": true}

// nesting reports the first tag that is not closed where it should be.
func nesting(page string) error {
	var open []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				return fmt.Errorf("%v are left open", open)
			}
			return nil
		case html.StartTagToken:
			if tag := z.Token().Data; !void[tag] {
				open = append(open, tag)
			}
		case html.EndTagToken:
			tag := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != tag {
				return fmt.Errorf("</%s> closes %v", tag, open)
			}
			open = open[:len(open)-1]
		default:
		}
	}
}

func walk(t *testing.T, page string, visit func(*html.Node)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for n := range root.Descendants() {
		visit(n)
	}
}

func attributes(t *testing.T, page, key string) []string {
	t.Helper()
	var out []string
	walk(t, page, func(n *html.Node) {
		for _, a := range n.Attr {
			if a.Key == key {
				out = append(out, a.Val)
			}
		}
	})
	return out
}

func idsOf(t *testing.T, name, page string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, id := range attributes(t, page, "id") {
		require.False(t, ids[id], "%s has the id %s twice", name, id)
		require.NotContains(t, id, " ")
		ids[id] = true
	}
	return ids
}

func TestAnonymousReportsNameNobody(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`(?i)mara|quist|\bole\b|ruth|in/`)
	for name, data := range write(t, copyOf(t, "testdata/tea"), true) {
		data = assets.ReplaceAllString(data, "")
		require.NotRegexp(t, names, name)
		require.Empty(t, names.FindAllString(data, -1), name)
	}
	open := write(t, copyOf(t, "testdata/tea"), false)
	require.Regexp(t, names, open["interviews/mara-quist.html"], "names stand where they are wanted")
}

func TestPagesOfOtherInterviewsGo(t *testing.T) {
	t.Parallel()
	dir := copyOf(t, "testdata/tea")
	require.Contains(t, write(t, dir, false), "interviews/broken.html")
	data, err := os.ReadFile(filepath.Join(dir, report.InterviewsFile))
	require.NoError(t, err)
	lines := strings.SplitAfter(string(data), "\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, report.InterviewsFile), []byte(strings.Join(lines[:2], "")), 0o600))
	require.NotContains(t, write(t, dir, false), "interviews/broken.html")
}

func TestUnreadableResultsChangeNothing(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, data, want string }{
		{"no object", report.ResultsFile, "[]\n", `results.jsonl:1: not what interview writes: `},
		{"cut short", report.ResultsFile, `{"interview":"mara-quist","critique":{"questionId":"black-tea`, `results.jsonl:1: not what interview writes: `},
		{"nothing in it", report.ResultsFile, `{"interview":"mara-quist"}`, `results.jsonl:1: not what interview writes: not a line of results: it has neither`},
		{"interviews", report.InterviewsFile, "\n\nno\n", `interviews.jsonl:3: not what interview writes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := copyOf(t, "testdata/tea")
			before := write(t, dir, false)
			require.NoError(t, os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.data), 0o600))
			_, err := report.Write(dir, report.Options{Question: tea})
			require.ErrorContains(t, err, tt.want)
			require.ErrorIs(t, err, report.ErrResults)
			data, err := os.ReadFile(filepath.Join(dir, report.Folder, "index.html"))
			require.NoError(t, err)
			require.Equal(t, before["index.html"], string(data))
			left, err := filepath.Glob(filepath.Join(dir, report.Folder, "*.tmp"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// hostile is what a candidate could say or be called.
var hostile = []string{
	`</script><script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' onmouseover='alert(1)`,
	`=HYPERLINK("http://evil.example","x")`,
	"+1;\t@SUM(A1)\r\n-2",
	"\u202egnp.exe\u2066",
	`{{.Title}}</style><!-- ]]>`,
	"javascript:alert(1)",
	strings.Repeat("Donaudampfschiff", 400),
	"../../../etc/passwd",
	"nul\x00byte",
}

func TestHostileWordsStayWords(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/tea/results.jsonl")
	require.NoError(t, err)
	recordings, err := os.ReadFile("testdata/tea/interviews.jsonl")
	require.NoError(t, err)
	for i, words := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			quoted := strings.Trim(jsonText(words), `"`)
			swap := strings.NewReplacer("mara-quist", quoted, "Mara", quoted, "Mara Quist", quoted, "it must be boiling", quoted, "Do you like biscuits?", quoted,
				"why not longer", quoted, "you know", quoted, "stapes", quoted, "the judge did not answer", quoted, "in/broken.ogg", quoted, "Ruth", quoted,
				"Milk that goes in last", quoted)
			require.NoError(t, os.WriteFile(filepath.Join(dir, report.ResultsFile), []byte(swap.Replace(string(data))), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, report.InterviewsFile), []byte(swap.Replace(string(recordings))), 0o600))
			for _, anonymous := range []bool{false, true} {
				files := write(t, dir, anonymous)
				checkHostile(t, files)
			}
			outside, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*.html"))
			require.NoError(t, err)
			require.Empty(t, outside)
		})
	}
}

func jsonText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

func checkHostile(t *testing.T, files map[string]string) {
	t.Helper()
	for name, data := range files {
		if strings.HasSuffix(name, ".csv") {
			checkCells(t, name, data)
			continue
		}
		checkNesting(t, name, data)
		idsOf(t, name, data)
		scripts := 0
		walk(t, data, func(n *html.Node) {
			switch n.Data {
			case "script":
				scripts++
			case "img", "iframe", "object", "form", "base", "link":
				require.Fail(t, "an element that no template has", "<%s> in %s", n.Data, name)
			}
			for _, a := range n.Attr {
				require.False(t, strings.HasPrefix(a.Key, "on"), "%s in %s", a.Key, name)
				require.False(t, a.Key == "href" && strings.HasPrefix(a.Val, "javascript:"), name)
			}
		})
		require.LessOrEqual(t, scripts, 1, name)
	}
}

func checkCells(t *testing.T, name, data string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(data)).ReadAll()
	require.NoError(t, err, name)
	for _, row := range rows {
		for _, cell := range row {
			require.NotRegexp(t, `^[\s]*[=+\-@|%]`, cell, name)
		}
	}
}

// BenchmarkWrite writes the reports of 1,000 interviews of four questions each.
func BenchmarkWrite(b *testing.B) {
	dir := b.TempDir()
	results, err := os.ReadFile("testdata/tea/results.jsonl")
	require.NoError(b, err)
	lines := strings.SplitAfter(string(results), "\n")[:4]
	var all, recordings strings.Builder
	for i := range 1000 {
		name := fmt.Sprintf("candidate-%04d", i)
		for _, l := range lines {
			all.WriteString(strings.Replace(l, "mara-quist", name, 1))
		}
		fmt.Fprintf(&recordings, "{\"interview\":%q,\"source\":\"%s.ogg\",\"durationMs\":50000,\"questions\":4}\n", name, name)
	}
	require.NoError(b, os.WriteFile(filepath.Join(dir, report.ResultsFile), []byte(all.String()), 0o600))
	require.NoError(b, os.WriteFile(filepath.Join(dir, report.InterviewsFile), []byte(recordings.String()), 0o600))
	b.ReportAllocs()
	for b.Loop() {
		_, err := report.Write(dir, report.Options{Question: tea})
		require.NoError(b, err)
	}
}
