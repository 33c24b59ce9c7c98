package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write generated files")

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return m[k] }
}

func file(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "grader.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	name := file(t, "http_addr: 127.0.0.1:1\ngrpc_addr: 127.0.0.1:1\nadmin_addr: 127.0.0.1:1\nlimits: {in_flight: 1}\n")
	s, err := Load(Sources{File: name, Getenv: env("GRADER_HTTP_ADDR", "127.0.0.1:2", "GRADER_GRPC_ADDR", "127.0.0.1:2", "GRADER_CORS_ORIGINS", "https://a.test, https://b.test"),
		Flags: map[string]string{"http-addr": "127.0.0.1:3", "timeouts-drain": "1m"}})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:3", s.HTTPAddr)
	require.Equal(t, "127.0.0.1:2", s.GRPCAddr)
	require.Equal(t, "127.0.0.1:1", s.AdminAddr)
	require.Equal(t, 1, s.Limits.InFlight)
	require.Equal(t, 40, s.Limits.KeyBurst)
	require.Equal(t, time.Minute, s.Timeouts.Drain)
	require.Equal(t, []string{"https://a.test", "https://b.test"}, s.CORS.Origins)

	byVariable, err := Load(Sources{Getenv: env(FileVariable, name)})
	require.NoError(t, err)
	require.Equal(t, 1, byVariable.Limits.InFlight)
}

func TestProblems(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("ab", 32)
	tests := []struct {
		name, yaml string
		env        []string
		flags      map[string]string
		want       []string
	}{
		{"nothing", "", nil, nil, nil},
		{"all at once", "http_adr: x\nlimits: {in_flight: many, key_rate: -1}\nlog: {level: loud}\n", nil, nil, []string{
			"line 1: unknown setting http_adr", "line 2: cannot be what it is; it takes a whole number", "limits.key_rate: must not be below 0", `log.level: "loud" is unknown`}},
		{"no YAML", "a: [", nil, nil, []string{"line 1"}},
		{"two documents", "log: {level: info}\n---\nlog: {level: info}\n", nil, nil, []string{"more than one document"}},
		{"variable", "", []string{"GRADER_LIMITS_IN_FLIGHT", "x"}, nil, []string{`GRADER_LIMITS_IN_FLIGHT: "x" is no whole number`}},
		{"flag", "", nil, map[string]string{"timeouts-read": "5"}, []string{`--timeouts-read: "5" is no time such as 30s`}},
		{"strangers", "http_addr: 0.0.0.0:80\n", nil, nil, []string{"http_addr: 0.0.0.0:80 can be reached by others, and there are neither keys nor TLS"}},
		{"any address", "http_addr: ':80'\n", nil, nil, []string{"http_addr"}},
		{"strangers without TLS", "http_addr: 0.0.0.0:80\nkeys: [{name: a, sha256: " + digest + ", scopes: [grade]}]\n", nil, nil, []string{"is no TLS"}},
		{"strangers, said", "http_addr: 0.0.0.0:80\ninsecure: true\n", nil, nil, nil},
		{"loopback", "http_addr: '[::1]:80'\ngrpc_addr: localhost:1\n", nil, nil, nil},
		{"nothing to serve", "http_addr: off\ngrpc_addr: off\n", nil, nil, []string{"both gRPC and HTTP are off"}},
		{"keys", "keys: [{name: '', sha256: abc, scopes: []}, {name: a, sha256: " + digest + ", scopes: [root], detail: ALL}]\n", nil, nil, []string{
			"keys[0].name", "keys[0].sha256", "keys[0].scopes: are missing", `keys[1].scopes: "root" is unknown`, `keys[1].detail: "ALL" is unknown`}},
		{"half of TLS", "tls: {cert_file: a}\n", nil, nil, []string{"tls: needs both"}},
		{"judge without a model", "judge: {url: 'http://127.0.0.1:1/v1'}\n", nil, nil, []string{"judge.model: is missing"}},
		{"judge nowhere", "judge: {model: m}\n", nil, nil, []string{"judge.url: is missing"}},
		{"judge at no URL", "judge: {url: 'x', model: m}\n", nil, nil, []string{`judge: judge URL "x" is none`}},
		{"address of other tools only", "", []string{"OPENAI_BASE_URL", "https://a.test/v1", "OPENAI_API_KEY", "k"}, nil, nil},
		{"origin", "cors: {origins: [app.test]}\n", nil, nil, []string{`cors.origins[0]: "app.test" is no origin`}},
		{"proxy", "trusted_proxies: [10.0.0.0/8, '::1', proxy]\n", nil, nil, []string{`trusted_proxies: "proxy" is no network; it looks like 10.0.0.0/8 or 10.0.0.1`}},
		{"collector", "trace: {endpoint: 'localhost:4318'}\n", nil, nil, []string{`trace.endpoint: "localhost:4318" is no URL of a collector`}},
		{"key file", "judge: {api_key_file: /nowhere}\n", nil, nil, []string{"judge.api_key_file: open /nowhere"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(Sources{File: file(t, tt.yaml), Getenv: env(tt.env...), Flags: tt.flags})
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			var p Problems
			require.ErrorAs(t, err, &p)
			require.Len(t, p, len(tt.want), "%q", p)
			for i, w := range tt.want {
				require.Contains(t, p[i], w)
			}
		})
	}
}

func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte("sk-very-secret\n"), 0o600))
	s, err := Load(Sources{File: file(t, "judge: {url: 'http://127.0.0.1:1/v1', model: m, api_key_file: "+key+"}\nkeys: [{name: a, sha256: "+strings.Repeat("ab", 32)+", scopes: [grade]}]\n"), Getenv: env()})
	require.NoError(t, err)
	require.Equal(t, "sk-very-secret", s.Judge.For().APIKey.Reveal())
	shown, err := s.YAML()
	require.NoError(t, err)
	for _, text := range []string{string(shown), fmt.Sprintf("%v %+v %#v", s, s, s)} {
		require.NotContains(t, text, "very-secret")
		require.NotContains(t, text, "abababab")
	}
	require.Contains(t, string(shown), "api_key: <redacted>")
}

func TestPrintedConfigurationCanBeLoaded(t *testing.T) {
	t.Parallel()
	shown, err := DefaultServe().YAML()
	require.NoError(t, err)
	s, err := Load(Sources{File: file(t, string(shown)), Getenv: env()})
	require.NoError(t, err)
	again, err := s.YAML()
	require.NoError(t, err)
	require.Equal(t, string(shown), string(again))
}

func TestExample(t *testing.T) {
	t.Parallel()
	s, err := Load(Sources{File: "../../deploy/grader.yaml", Getenv: env("GRADER_JUDGE_API_KEY_FILE", "../../deploy/grader.yaml")})
	require.NoError(t, err)
	require.NotEmpty(t, s.Keys)
}

func TestConfigPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Configuration of `grader serve`\n\n<!-- Generated from internal/config/serve.go: go test ./internal/config -run TestConfigPage -update -->\n\n")
	b.WriteString("A setting comes from its default, then the YAML file (`--config FILE` or `" + FileVariable + "`), then its variable, then its\nflag. Unknown settings and wrong values are refused, all at once. `grader config print` shows what is in force without\nthe secrets, `grader config check` says what is wrong. Lists in variables and flags are separated by commas. Secrets\ncome from variables or from files; they have no flags.\n\n")
	b.WriteString("| in the file | flag | variable | default | what it does |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range Fields() {
		flag := "`--" + f.Flag + "`"
		if f.Flag == "" {
			flag = ""
		}
		def := ""
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", f.Path, flag, f.Env, def, f.Doc)
	}
	b.WriteString("\n## Keys\n\nWithout keys anybody who reaches the server may grade and read the rubric, as often as\n`limits.in_flight` allows. Keys stand in the file only, as a list under `keys`; the server knows their digests and not\nthe keys. `grader config key` makes a key and the lines for the file.\n\n| in the file | what it does |\n| --- | --- |\n")
	for _, k := range keyFields() {
		fmt.Fprintf(&b, "| `keys[].%s` | %s |\n", k[0], k[1])
	}
	b.WriteString("\nThe scope `grade` allows grading, `rubric:read` the rubric before an answer and detail COACH after it, `admin` nothing\nyet. Any key may list questions and banks without their rubric.\n\n## A whole file\n\n```yaml\n")
	example, err := os.ReadFile("../../deploy/grader.yaml")
	require.NoError(t, err)
	b.Write(example)
	b.WriteString("```\n")
	const page = "../../docs/config.md"
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(b.String()), 0o600))
		require.NoError(t, os.Chmod(page, 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(got), b.String()), "generate it again with -update")
}

func TestFieldsAreWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range Fields() {
		require.NotEmpty(t, f.Doc, f.Path)
		for _, name := range []string{f.Flag, f.Env} {
			require.False(t, name != "" && seen[name], name)
			seen[name] = true
		}
		if f.Default != "" {
			require.NoError(t, f.Check(f.Default), f.Path)
		}
	}
}

// keyFields are the settings of a key and what they do.
func keyFields() [][2]string {
	var out [][2]string
	for f := range reflect.TypeFor[Key]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		out = append(out, [2]string{name, f.Tag.Get("doc")})
	}
	return out
}
