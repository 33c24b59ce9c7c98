package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what commands print into the pages that show it")

// page is a Markdown file whose fenced blocks can be rewritten.
type page struct {
	name  string
	lines []string
}

// fence is a fenced block: lines[from:to] is its content.
type fence struct {
	info, note string // what stands behind the ticks, and in an HTML comment on the line before
	from, to   int
}

var comment = regexp.MustCompile(`^<!-- (.*) -->$`)

func (p *page) fences() []fence {
	var out []fence
	for i := 0; i < len(p.lines); i++ {
		info, ok := strings.CutPrefix(p.lines[i], "```")
		if !ok {
			continue
		}
		f := fence{info: info, from: i + 1}
		if i > 0 {
			if m := comment.FindStringSubmatch(p.lines[i-1]); m != nil {
				f.note = m[1]
			}
		}
		for i++; i < len(p.lines) && p.lines[i] != "```"; i++ {
		}
		f.to = i
		out = append(out, f)
	}
	return out
}

func (p *page) text(f fence) string { return strings.Join(p.lines[f.from:f.to], "\n") }

// TestPages runs every command that the pages show and compares what they print. With -update the pages are rewritten.
// It is not parallel, as commands read files below the folder of the project.
func TestPages(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	dir := t.TempDir()
	for _, name := range []string{"examples", "rubrics"} {
		require.NoError(t, os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)))
	}
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	for _, name := range []string{"GRADER_JUDGE_URL", "GRADER_JUDGE_MODEL", "GRADER_JUDGE_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_KEY"} {
		t.Setenv(name, "")
	}
	t.Chdir(dir) // what a command writes does not lie about in the project
	ran := 0
	for _, name := range append(names, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		p := &page{filepath.Base(name), strings.Split(string(data), "\n")}
		fences := p.fences()
		for i, f := range slices.Backward(fences) { // from the end, so that places before stay right
			want := p.text(f)
			var got string
			switch {
			case f.info == "console":
				got = runShown(t, p.name, want)
				ran++
			case f.info == "sh" && strings.Contains(want, "cmd/grader"):
				for line := range strings.Lines(want) {
					command(t, p.name, strings.TrimSpace(line))
					ran++
				}
				continue
			case f.note == "output": // of the block before
				require.Positive(t, i, p.name)
				got = strings.TrimSuffix(command(t, p.name, p.text(fences[i-1])), "\n")
			case strings.HasPrefix(f.note, "excerpt: "):
				file, err := os.ReadFile(strings.TrimPrefix(f.note, "excerpt: "))
				require.NoError(t, err)
				require.Contains(t, string(file), want, "%s: %s", p.name, f.note)
				continue
			case strings.HasPrefix(f.note, "line: "):
				got = answerLine(t, strings.TrimPrefix(f.note, "line: "))
			case strings.HasPrefix(f.note, "critique: "):
				got = shortCritique(t, strings.TrimPrefix(f.note, "critique: "))
			default:
				continue
			}
			if *update {
				p.lines = append(p.lines[:f.from:f.from], append(strings.Split(got, "\n"), p.lines[f.to:]...)...)
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s:%d (-page +got); go test ./cmd/grader -run TestPages -update rewrites it:\n%s", p.name, f.from, diff)
			}
		}
		if text := strings.Join(p.lines, "\n"); *update && text != string(data) {
			require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		}
	}
	require.Greater(t, ran, 5)
}

// runShown runs the commands of a block, the lines that begin with a dollar, and returns the block with what they
// print. A block that shows commands alone stays as it is, unless it is to be updated.
func runShown(t *testing.T, name, block string) string {
	t.Helper()
	var out strings.Builder
	shown := false
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		cmd, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			shown = true
			continue
		}
		if file, ok := strings.CutPrefix(cmd, "head -n "); ok {
			fmt.Fprintf(&out, "%s\n%s", line, head(t, file))
			continue
		}
		fmt.Fprintf(&out, "%s\n%s", line, command(t, name, cmd))
	}
	if !shown && !*update {
		t.Errorf("%s: a block shows a command without what it prints:\n%s", name, block)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// head is what "head -n N FILE" prints of a file that a command before has written.
func head(t *testing.T, args string) string {
	t.Helper()
	n, file, _ := strings.Cut(args, " ")
	most, err := strconv.Atoi(n)
	require.NoError(t, err)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(data), "\n")
	return strings.Join(lines[:min(most, len(lines))], "")
}

var word = regexp.MustCompile(`"[^"]*"|\S+`)

// command runs a line in this process and returns what it prints. Exit codes that a reader may see are 0, 3, 5 and 6.
func command(t *testing.T, name, line string) string {
	t.Helper()
	rest, ok := strings.CutPrefix(line, "go run ./cmd/grader ")
	if !ok {
		rest, ok = strings.CutPrefix(line, "grader ")
	}
	require.True(t, ok, "%s: only grader can be shown, not %q", name, line)
	var args []string
	for _, w := range word.FindAllString(rest, -1) {
		args = append(args, strings.Trim(w, `"`))
	}
	var out, errs bytes.Buffer
	code := run(context.Background(), streams{strings.NewReader(""), &out, &errs}, args)
	require.Contains(t, []int{0, exitUngradable, exitFindings, exitErrorLines}, code, "%s: %s\n%s", name, line, errs.String())
	return out.String()
}

// answerLine is the line of a file with an id.
func answerLine(t *testing.T, note string) string {
	t.Helper()
	file, id, _ := strings.Cut(note, " ")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, `"id": "`+id+`"`) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("%s has no line %s", file, id)
	return ""
}

// shortCritique is the output line of an answer with what a first look needs.
func shortCritique(t *testing.T, note string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.jsonl")
	file, id, _ := strings.Cut(note, " ")
	command(t, "batch", "grader batch run --in "+file+" --out "+out)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	type evidence struct {
		Quote string `json:"quote"`
		Start int    `json:"start"`
		End   int    `json:"end"`
	}
	type point struct {
		ID       string     `json:"id"`
		Weight   int        `json:"weight"`
		Decision string     `json:"decision"`
		Credit   float64    `json:"credit"`
		Evidence []evidence `json:"evidence"`
		Missing  []string   `json:"missing"`
	}
	type critique struct {
		QuestionID string          `json:"questionId"`
		State      string          `json:"state"`
		Mode       string          `json:"mode"`
		Score      json.RawMessage `json:"score"`
		Points     []point         `json:"points"`
		Summary    string          `json:"summary"`
	}
	type outLine struct {
		ID       string   `json:"id"`
		Critique critique `json:"critique"`
	}
	for line := range strings.Lines(string(data)) {
		var l outLine
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		if l.ID != id {
			continue
		}
		var kept []point
		seen := map[string]bool{}
		for _, p := range l.Critique.Points { // one of each decision
			if !seen[p.Decision] {
				seen[p.Decision] = true
				kept = append(kept, p)
			}
		}
		l.Critique.Points = kept
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		require.NoError(t, enc.Encode(l))
		return strings.TrimSpace(b.String())
	}
	t.Fatalf("no output for %s", id)
	return ""
}
