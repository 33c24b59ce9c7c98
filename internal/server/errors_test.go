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
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/speech"
)

// errorsOfTheDomain has one example of every exported error of rubric, grade, llm and speech, by its name.
func errorsOfTheDomain() map[string]error {
	out := map[string]error{
		"rubric.ErrUnknownQuestion":   rubric.ErrUnknownQuestion,
		"rubric.ErrUnknownPoint":      rubric.ErrUnknownPoint,
		"rubric.ErrNoBank":            rubric.ErrNoBank,
		"rubric.UnknownQuestionError": &rubric.UnknownQuestionError{ID: "tee", Nearest: []string{"tea"}},
		"llm.Error":                   &llm.Error{Kind: llm.Unavailable, Message: "secret endpoint"},
		"speech.ErrNotAudio":          speech.ErrNotAudio,
		"speech.ErrNoSound":           speech.ErrNoSound,
		"speech.ErrTooLong":           speech.ErrTooLong,
		"speech.ErrNeedsFFmpeg":       speech.ErrNeedsFFmpeg,
	}
	return out
}

func TestEveryErrorHasAStatus(t *testing.T) {
	t.Parallel()
	known := errorsOfTheDomain()
	for _, pkg := range []string{"rubric", "grade", "llm", "speech"} {
		for _, name := range exportedErrors(t, filepath.Join("..", pkg)) {
			err, ok := known[pkg+"."+name]
			require.True(t, ok, "%s.%s: add an example to errorsOfTheDomain and a line to toAPI", pkg, name)
			st := toStatus(fmt.Errorf("wrapped: %w", err))
			require.NotEqual(t, graderv1.ErrorReason_INTERNAL, reasonOf(st), "%s.%s is mapped to INTERNAL", pkg, name)
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
		{&rubric.UnknownQuestionError{ID: "x"}, codes.NotFound, graderv1.ErrorReason_QUESTION_NOT_FOUND},
		{rubric.ErrUnknownPoint, codes.NotFound, graderv1.ErrorReason_POINT_NOT_FOUND},
		{diag.List{{Message: "the rubric's text"}}, codes.Internal, graderv1.ErrorReason_BANK_BROKEN},
		{&llm.Error{Kind: llm.Timeout, Message: "m"}, codes.Unavailable, graderv1.ErrorReason_JUDGE_FAILED},
		{&llm.Error{Kind: llm.BudgetSpent, Message: "m"}, codes.ResourceExhausted, graderv1.ErrorReason_JUDGE_BUDGET_SPENT},
		{&llm.Error{Kind: llm.Canceled, Message: "m"}, codes.Canceled, graderv1.ErrorReason_CANCELED},
		{context.Canceled, codes.Canceled, graderv1.ErrorReason_CANCELED},
		{context.DeadlineExceeded, codes.DeadlineExceeded, graderv1.ErrorReason_DEADLINE_EXCEEDED},
		{errors.New("the rubric's text"), codes.Internal, graderv1.ErrorReason_INTERNAL},
		{judgeFailed(grade.ReasonJudgeTimeout), codes.Unavailable, graderv1.ErrorReason_JUDGE_FAILED},
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

// documented is a reason with what the contract's comments say of it.
type documented struct {
	reason
	when, do string
}

// documentedReasons reads the comments of the contract, in its order.
func documentedReasons(t *testing.T) []documented {
	t.Helper()
	data, err := os.ReadFile("../../proto/grader/v1/error.proto")
	require.NoError(t, err)
	var out []documented
	for _, m := range regexp.MustCompile(`((?: +//.*\n)+) +([A-Z_]+) = \d+;`).FindAllStringSubmatch(string(data), -1) {
		comment := regexp.MustCompile(`(?m)^ +// ?`).ReplaceAllString(m[1], "")
		when, do, ok := strings.Cut(comment, "\n\n")
		require.True(t, ok, "%s: the comment has no second paragraph, which says what to do", m[2])
		value, known := graderv1.ErrorReason_Value_value[m[2]]
		require.True(t, known, m[2])
		if r := reason(value); r != graderv1.ErrorReason_UNSPECIFIED {
			out = append(out, documented{r, strings.Join(strings.Fields(when), " "), strings.Join(strings.Fields(do), " ")})
		}
	}
	return out
}

// TestReasons: every reason of the contract is documented and has a code.
func TestReasons(t *testing.T) {
	t.Parallel()
	all := len(graderv1.ErrorReason_Value_name) - 1 // without UNSPECIFIED
	require.Len(t, documentedReasons(t), all)
	require.Len(t, answers, all)
	for r, a := range answers {
		require.NotEqual(t, codes.OK, a.code, r)
		require.GreaterOrEqual(t, a.httpStatus(), 400, r)
	}
}

func TestErrorsPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Errors of the API\n\n<!-- Generated from proto/grader/v1/error.proto: go test ./internal/server -run TestErrorsPage -update -->\n\n")
	b.WriteString("Every error is a `google.rpc.Status`: over gRPC as the status of the call, over HTTP as the body\n`{\"code\": 5, \"message\": \"...\", \"details\": [...]}` with the code's number. The first detail is a\n`google.rpc.ErrorInfo` with domain `grader.v1` and one of the reasons below (`grader.v1.ErrorReason` in the\ncontract), by which a program can tell errors apart. Bad fields come with a `google.rpc.BadRequest`, errors that\npass with a `google.rpc.RetryInfo` and, over HTTP, the header `Retry-After`. Messages are for people and may\nchange. In a stream over HTTP that has begun, the same body is the last event: `{\"error\": {...}}`.\n\n")
	b.WriteString("What is no HTTP, or has more than 16 KiB of headers, never gets that far: it is refused with a plain 400 or 431. So\nis a single gRPC message that is none of the contract's, with gRPC's own `INTERNAL`.\n\n")
	b.WriteString("An answer that cannot be graded and a judge that fails are no errors but states of the critique: `UNGRADABLE`,\n`DEGRADED`.\n\n")
	b.WriteString("| reason | code | HTTP | when | what to do |\n| --- | --- | --- | --- | --- |\n")
	for _, d := range documentedReasons(t) {
		a := answers[d.reason]
		fmt.Fprintf(&b, "| `%s` | %s (%d) | %d | %s | %s |\n", d.reason, codeName(a.code), a.code, a.httpStatus(), d.when, d.do)
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
