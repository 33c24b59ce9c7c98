package server

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
)

// errorsOfTheDomain has one example of every exported error of rubric, grade and llm, by its name.
func errorsOfTheDomain() map[string]error {
	out := map[string]error{
		"rubric.ErrUnknownQuestion":   rubric.ErrUnknownQuestion,
		"rubric.ErrUnknownPoint":      rubric.ErrUnknownPoint,
		"rubric.ErrNoBank":            rubric.ErrNoBank,
		"rubric.UnknownQuestionError": &rubric.UnknownQuestionError{ID: "tee", Nearest: []string{"tea"}},
		"llm.Error":                   &llm.Error{Kind: llm.Unavailable, Message: "secret endpoint"},
	}
	return out
}

func TestEveryErrorHasAStatus(t *testing.T) {
	t.Parallel()
	known := errorsOfTheDomain()
	for _, pkg := range []string{"rubric", "grade", "llm"} {
		for _, name := range exportedErrors(t, filepath.Join("..", pkg)) {
			err, ok := known[pkg+"."+name]
			require.True(t, ok, "%s.%s: add an example to errorsOfTheDomain and a line to toAPI", pkg, name)
			st := toStatus(fmt.Errorf("wrapped: %w", err))
			require.NotEqual(t, reasonInternal, reasonOf(st), "%s.%s is mapped to INTERNAL", pkg, name)
		}
	}
}

// exportedErrors lists exported variables Err... and types ...Error (or Error) of a package's source.
func exportedErrors(t *testing.T, dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var out []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if g.Tok == token.VAR && strings.HasPrefix(n.Name, "Err") {
							out = append(out, n.Name)
						}
					}
				case *ast.TypeSpec:
					if s.Name.IsExported() && strings.HasSuffix(s.Name.Name, "Error") {
						out = append(out, s.Name.Name)
					}
				}
			}
		}
	}
	return out
}

func TestToStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err    error
		code   codes.Code
		reason reason
	}{
		{&rubric.UnknownQuestionError{ID: "x"}, codes.NotFound, reasonQuestion},
		{rubric.ErrUnknownPoint, codes.NotFound, reasonPoint},
		{diag.List{{Message: "the rubric's text"}}, codes.Internal, reasonBankBroken},
		{&llm.Error{Kind: llm.Timeout, Message: "m"}, codes.Unavailable, reasonJudgeFailed},
		{&llm.Error{Kind: llm.BudgetSpent, Message: "m"}, codes.ResourceExhausted, reasonJudgeBudget},
		{&llm.Error{Kind: llm.Canceled, Message: "m"}, codes.Canceled, reasonCanceled},
		{context.Canceled, codes.Canceled, reasonCanceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded, reasonDeadlineExceeded},
		{errors.New("the rubric's text"), codes.Internal, reasonInternal},
		{judgeFailed(grade.ReasonJudgeTimeout), codes.Unavailable, reasonJudgeFailed},
	}
	for _, tt := range tests {
		st := toStatus(fmt.Errorf("in a wrapper: %w", tt.err))
		require.Equal(t, tt.code, st.Code(), tt.err)
		require.Equal(t, tt.reason, reasonOf(st))
		require.NotContains(t, st.Message(), "rubric's text")
		require.NotContains(t, st.Message(), "in a wrapper")
	}
	for k := llm.KindUnspecified; k <= llm.Canceled; k++ {
		require.NotEqual(t, codes.Internal, toStatus(&llm.Error{Kind: k, Message: "secret"}).Code(), k)
		require.NotContains(t, toStatus(&llm.Error{Kind: k, Message: "secret"}).Message(), "secret")
	}
}

// TestReasons: the table holds every reason that the source names, once.
func TestReasons(t *testing.T) {
	t.Parallel()
	seen := map[reason]bool{}
	for _, e := range reasons {
		require.False(t, seen[e.reason], e.reason)
		seen[e.reason] = true
		require.NotEmpty(t, e.when)
		require.NotEmpty(t, e.do)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	require.NoError(t, err)
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		if v, ok := node.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "reason") && v.Names[0].Name != "reasons" {
			n++
		}
		return true
	})
	require.Len(t, reasons, n)
}

func TestErrorsPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Errors of the API\n\n<!-- Generated from internal/server/reason.go: go test ./internal/server -run TestErrorsPage -update -->\n\n")
	b.WriteString("Every error is a `google.rpc.Status`: over gRPC as the status of the call, over HTTP as the body\n`{\"code\": 5, \"message\": \"...\", \"details\": [...]}` with the code's number. The first detail is a\n`google.rpc.ErrorInfo` with domain `grader.v1` and one of the reasons below, by which a program can tell errors\napart. Bad fields come with a `google.rpc.BadRequest`, errors that pass with a `google.rpc.RetryInfo` and, over\nHTTP, the header `Retry-After`. Messages are for people and may change. In a stream over HTTP that has begun, the\nsame body is the last event: `{\"error\": {...}}`.\n\n")
	b.WriteString("An answer that cannot be graded and a judge that fails are no errors but states of the critique: `UNGRADABLE`,\n`DEGRADED`.\n\n")
	b.WriteString("| reason | code | HTTP | when | what to do |\n| --- | --- | --- | --- | --- |\n")
	for _, e := range reasons {
		fmt.Fprintf(&b, "| `%s` | %s (%d) | %d | %s | %s |\n", e.reason, codeName(e.code), e.code, e.httpStatus(), e.when, e.do)
	}
	golden(t, "../../docs/errors.md", b.String())
}

// golden compares a generated file with the committed one, or writes it with -update.
func golden(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
		require.NoError(t, os.Chmod(file, 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	if string(got) != want { // a diff of a generated file says nothing
		t.Errorf("%s is not up to date: run the test with -update", file)
	}
}
