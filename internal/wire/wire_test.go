package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

var update = flag.Bool("update", false, "write golden files")

// TestEnums finds the constants of the domain in its source, so that a new one cannot be forgotten here.
func TestEnums(t *testing.T) {
	t.Parallel()
	tables := map[string]map[string]int32{
		"grade.State":    graderv1.Critique_State_value,
		"grade.Mode":     graderv1.Receipt_Mode_value,
		"grade.Modality": graderv1.Answer_Modality_value,
		"grade.Reason":   graderv1.Reason_Value_value,
		"grade.Flag":     graderv1.Flag_Value_value,
		"grade.Decision": graderv1.PointDecision_Decision_value,
		"grade.Decider":  graderv1.DecidedBy_Value_value,
		"grade.Claim":    graderv1.MisconceptionDecision_Decision_value,
		"grade.Presence": graderv1.HabitDecision_Decision_value,
		"grade.Role":     graderv1.Sentence_Role_value,
		"rubric.Kind":    graderv1.Point_Kind_value,
	}
	seen := map[string]bool{}
	for _, pkg := range []string{"grade", "rubric"} {
		for _, c := range constants(t, filepath.Join("..", pkg)) {
			table, ok := tables[pkg+"."+c.typ]
			if !ok {
				continue
			}
			seen[pkg+"."+c.typ] = true
			require.NotZero(t, enum[graderv1.View_Value](table, c.value), "%s.%s %q has no value in the contract", pkg, c.typ, c.value)
		}
	}
	for name := range tables {
		require.True(t, seen[name], "no constants of %s found", name)
	}
	for _, s := range rubric.Stages() {
		require.NotZero(t, enum[graderv1.Question_Stage](graderv1.Question_Stage_value, s), s)
	}
	for s := check.Absent; s <= check.Hedged; s++ {
		require.NotZero(t, enum[graderv1.CheckWitness_Finding](graderv1.CheckWitness_Finding_value, s.String()), s)
	}
	for _, d := range []grade.Decider{grade.ByCheck, grade.ByJudge} {
		require.NotZero(t, enum[graderv1.Evidence_Source](graderv1.Evidence_Source_value, d), d)
	}
}

type constant struct{ typ, value string }

// constants lists the exported string constants with a type in a folder's source.
func constants(t *testing.T, dir string) []constant {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var out []constant
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				typ, ok := v.Type.(*ast.Ident)
				if !ok || len(v.Values) != 1 || !v.Names[0].IsExported() {
					continue
				}
				if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					value, err := strconv.Unquote(lit.Value)
					require.NoError(t, err)
					out = append(out, constant{typ.Name, value})
				}
			}
		}
	}
	return out
}

// enumValues are valid values for fields whose text has to be one.
var enumValues = map[string]string{
	"State": "GRADED", "Mode": "KEYWORDS", "Reason": "LOW_COVERAGE", "Flag": "ECHO", "Decision": "MET", "Decider": "CHECK", "Claim": "ASSERTED",
	"Presence": "PRESENT", "Role": "CHARGED", "Verdict": "MET", "Kind": "failure-mode", "Stage": "deep-dive", "Finding": "REVERSED",
}

// fill sets every field to a value of its own and returns them all; lists get one element.
func fill(v reflect.Value, name string, n *int) []string {
	*n++
	switch v.Kind() {
	case reflect.String:
		value, ok := enumValues[v.Type().Name()]
		if !ok {
			value, ok = enumValues[name]
		}
		if ok {
			v.SetString(value)
			return nil
		}
		v.SetString(fmt.Sprintf("text-%d", *n))
		return []string{v.String()}
	case reflect.Bool:
		v.SetBool(true)
		return nil
	case reflect.Int:
		v.SetInt(int64(1000 + *n))
		return []string{strconv.Itoa(1000 + *n)}
	case reflect.Float64:
		v.SetFloat(float64(2000+*n) + 0.5)
		return []string{fmt.Sprint(v.Float())}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), name, n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return fill(v.Index(0), name, n)
	case reflect.Struct:
		var out []string
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !notOnTheWire[v.Type().Name()+"."+f.Name] {
				out = append(out, fill(v.Field(i), f.Name, n)...)
			}
		}
		return out
	default:
		return nil
	}
}

// notOnTheWire are fields for authors and for the engine.
var notOnTheWire = map[string]bool{
	"Point.AcceptRules": true, "Point.Check": true, "Point.Partial": true, "Point.Contradicted": true, "Point.Name": true, "Point.Line": true,
	"Point.Column": true, "Point.AcceptPos": true, "Misconception.Check": true, "Misconception.Line": true, "Misconception.Column": true,
	"Question.Bank": true, "Question.Sets": true, "Question.File": true,
	"Bank.CappedKinds": true, "Bank.Aliases": true, "Bank.Sets": true, "Bank.Terms": true,
	"Transcript.DurationMS": true, "Transcript.Format": true, "Word.Start": true, "Word.End": true, "Segment.Start": true, "Segment.End": true,
	"Segment.Quality": true,
	"Habit.Stages":    true, "Habit.Categories": true, "Habit.Questions": true, "Habit.Present": true, "Habit.Cleared": true,
}

func full(t *testing.T) (*grade.Critique, []string) {
	c, n := &grade.Critique{}, 0
	values := fill(reflect.ValueOf(c).Elem(), "", &n)
	require.NotEmpty(t, values)
	return c, values
}

func TestEveryFieldArrives(t *testing.T) {
	t.Parallel()
	c, want := full(t)
	requireValues(t, Critique(c), want)

	b, n := &rubric.Bank{}, 0
	want = fill(reflect.ValueOf(b).Elem(), "", &n)
	requireValues(t, Bank(b, true), want)

	q := &rubric.Question{}
	want = fill(reflect.ValueOf(q).Elem(), "", &n)
	q.Bank = b
	b.Habits[0].Questions = []string{q.ID}
	requireValues(t, Question(q, true), append(want, b.ID, b.Habits[0].ID))
}

func requireValues(t *testing.T, m proto.Message, want []string) {
	t.Helper()
	line, err := Marshal(m)
	require.NoError(t, err)
	require.NotContains(t, string(line), "UNSPECIFIED")
	for _, w := range want {
		if _, err := strconv.ParseFloat(w, 64); err != nil {
			w = `"` + w + `"`
		}
		require.Contains(t, string(line), w)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	c, _ := full(t)
	sent := Critique(c)
	line, err := Marshal(sent)
	require.NoError(t, err)
	got := &graderv1.Critique{}
	require.NoError(t, protojson.Unmarshal(line, got))
	require.Empty(t, cmp.Diff(sent, got, protocmp.Transform()))
	again, err := Marshal(got)
	require.NoError(t, err)
	require.Equal(t, string(line), string(again))
	back, err := Read(got)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(sent, Critique(back), protocmp.Transform()))
}

// TestReadReduced: what a server left out is left out when it is written again, but for the witnesses, which are empty.
func TestReadReduced(t *testing.T) {
	t.Parallel()
	for _, level := range []graderv1.Detail_Value{graderv1.Detail_CANDIDATE, graderv1.Detail_SCORE} {
		c, _ := full(t)
		sent := Reduce(Critique(c), level)
		back, err := Read(sent)
		require.NoError(t, err)
		again := Critique(back)
		for _, p := range again.Points {
			require.Empty(t, cmp.Diff(&graderv1.Witnesses{}, p.Witnesses, protocmp.Transform()))
			p.Witnesses = nil
		}
		require.Empty(t, cmp.Diff(sent, again, protocmp.Transform()))
	}
	back, err := Read(nil)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(&grade.Critique{}, back))
}

func TestMarshal(t *testing.T) {
	t.Parallel()
	met := grade.PointResult{
		ID: "boil", Kind: "function", Weight: 3, Statement: "Boils the water.", Decision: grade.Met, Credit: 1, DecidedBy: grade.ByCheck,
		Check:    grade.CheckWitness{Finding: "AFFIRMED", Decision: grade.Met},
		Evidence: []grade.Evidence{{Quote: "<b>☕ boil</b>", Start: 1, End: 14, StartUTF16: 1, EndUTF16: 14, Source: grade.ByCheck, HeardAs: "boyle"}},
	}
	silent := grade.PointResult{ID: "steep", Kind: "failure-mode", Weight: 1, Decision: grade.Missed, DecidedBy: grade.ByGate,
		Check: grade.CheckWitness{Finding: "ABSENT", Decision: grade.Missed}, Missing: []string{"three minutes"}}
	value := 75.0
	tests := map[string]proto.Message{
		"graded": Graded("a\n1", &grade.Critique{
			QuestionID: "tea", State: grade.Graded, Mode: grade.ModeKeywords, Score: &grade.Score{Value: &value, Low: 75, High: 100, Band: "solid", Coverage: 1},
			Points:         []grade.PointResult{met, silent},
			Misconceptions: []grade.MisconceptionResult{{ID: "cold", Decision: grade.NotClaimed}},
			Habits:         []grade.HabitResult{{ID: "rush", Decision: grade.PresenceUnknown}},
			NextSteps:      []grade.NextStep{{Text: "Say how long.", Point: "steep", Gain: 25}},
		}),
		"low-coverage": Critique(&grade.Critique{State: grade.Graded, Reasons: []grade.Reason{grade.ReasonLowCoverage}, Score: &grade.Score{}}),
		"ungradable":   Critique(&grade.Critique{State: grade.Ungradable, Reasons: []grade.Reason{grade.ReasonEmpty}, Points: []grade.PointResult{silent}}),
		"judged": Critique(&grade.Critique{
			QuestionID: "tea", State: grade.Graded, Mode: grade.ModeJudge,
			Points: []grade.PointResult{{
				ID: "boil", Kind: "function", Weight: 3, Decision: grade.Missed, DecidedBy: grade.ByCheck, Check: grade.CheckWitness{Finding: "ABSENT", Decision: grade.Missed},
				Judge: &grade.JudgeWitness{Verdict: grade.Met, Reason: "says so", Discarded: true},
			}},
			Flags:   []grade.Flag{grade.FlagUnverifiedQuote},
			Receipt: grade.Receipt{Mode: grade.ModeJudge, PromptHash: "ab", JudgeEndpoint: "http://localhost/v1", JudgeModel: "small"},
			Timing:  grade.Timing{TotalMillis: 12.5, KeywordMillis: 0.5, JudgeMillis: 12, Judged: true, CacheHit: true, Saved: grade.Usage{Requests: 1, InputTokens: 900, OutputTokens: 80, Cost: 0.001, CostKnown: true}},
		}),
		"failed":       Failed("", 7, code.Code_INVALID_ARGUMENT, "no id"),
		"failed-by-id": Failed("a2", 0, code.Code_NOT_FOUND, "no such question"),
	}
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line, err := Marshal(m)
			require.NoError(t, err)
			require.NotContains(t, string(line), "\n")
			var indented bytes.Buffer
			require.NoError(t, json.Indent(&indented, append(line, '\n'), "", "  "))
			file := filepath.Join("testdata", name+".json")
			if *update {
				require.NoError(t, os.WriteFile(file, indented.Bytes(), 0o600))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(string(want), indented.String()))
		})
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{}`, `[]`, `{"a": 1, "b": [ true, null ]}`, `{"a b": "c, d", "e": "\" f \\", "g": "\\"}`, `[ "\\\"  ", "" ,-1.5e3 ]`, `"☕ \u0020 "`,
	} {
		var want bytes.Buffer
		require.NoError(t, json.Compact(&want, []byte(in)))
		require.Equal(t, want.String(), string(compact([]byte(in))))
	}
}

func TestMarshalRefusesWhatIsNoText(t *testing.T) {
	t.Parallel()
	_, err := Marshal(Failed("\xff", 0, code.Code_INTERNAL, ""))
	require.ErrorContains(t, err, "marshal BatchOutput")
}

func TestBasicViewGivesNothingAway(t *testing.T) {
	t.Parallel()
	b, n := &rubric.Bank{}, 0
	fill(reflect.ValueOf(b).Elem(), "", &n)
	q := &rubric.Question{}
	fill(reflect.ValueOf(q).Elem(), "", &n)
	q.Bank = b
	b.Habits[0].Questions = []string{q.ID}
	for _, m := range []proto.Message{Question(q, false), Bank(b, false)} {
		line, err := Marshal(m)
		require.NoError(t, err)
		for _, secret := range []string{q.Points[0].Statement, q.Misconceptions[0].Statement, q.FollowUp, q.ModelAnswer, b.Habits[0].ID, b.Habits[0].Advice} {
			require.NotContains(t, string(line), `"`+secret+`"`)
		}
	}
}
