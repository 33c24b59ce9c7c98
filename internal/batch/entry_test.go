package batch

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/vivagrader/grader/internal/grade"
)

func TestEntry(t *testing.T) {
	t.Parallel()
	typed := func(text string) grade.Answer { return grade.Answer{Text: text, Modality: grade.Typed} }
	columns := []string{"text", "note", "id", "question_id", "modality"}
	tests := []struct {
		name    string
		in      string
		columns []string // CSV
		id      string
		answer  grade.Answer // of a good line
		err     string       // in the message of a bad one
	}{
		{name: "all fields", in: `{"id":"a","question_id":"tea","text":"hot","modality":"spoken"}`, id: "a", answer: grade.Answer{Text: "hot", Modality: grade.Spoken}},
		{name: "protojson names and upper case", in: `{"id":"a","questionId":"tea","text":"hot","modality":"SPOKEN"}`, id: "a", answer: grade.Answer{Text: "hot", Modality: grade.Spoken}},
		{name: "no modality is typed", in: `{"id":"a","question_id":"tea","text":"hot"}`, id: "a", answer: typed("hot")},
		{name: "null is the same as left out", in: `{"id":"a","question_id":"tea","text":"hot","modality":null}`, id: "a", answer: typed("hot")},
		{name: "unspecified modality", in: `{"id":"a","question_id":"tea","text":"hot","modality":"UNSPECIFIED"}`, id: "a", answer: typed("hot")},
		{name: "unknown fields are ignored", in: `{"id":"a","variant":{"x":[1]},"question_id":"tea","text":"hot"}`, id: "a", answer: typed("hot")},
		{name: "a byte-order mark of a file that was appended", in: "\uFEFF" + `{"id":"a","question_id":"tea","text":"hot"}`, id: "a", answer: typed("hot")},
		{name: "an empty text is an answer", in: `{"id":"a","question_id":"tea","text":""}`, id: "a", answer: typed("")},
		{name: "escapes", in: `{"id":"a","question_id":"tea","text":"\ud83d\ude00\n\u0000"}`, id: "a", answer: typed("😀\n\x00")},
		{name: "a replacement character that was sent", in: `{"id":"a","question_id":"tea","text":"` + "\uFFFD" + `\ufffd"}`, id: "a", answer: typed("\uFFFD\uFFFD")},
		{name: "32 KiB", in: `{"id":"a","question_id":"tea","text":"` + strings.Repeat("x", 32<<10) + `"}`, id: "a", answer: typed(strings.Repeat("x", 32<<10))},

		{name: "more than 32 KiB", in: `{"id":"a","question_id":"tea","text":"` + strings.Repeat("x", 32<<10+1) + `"}`, id: "a", err: "text is longer than 32 KiB"},
		{name: "broken JSON", in: `{"id":"a","question_id":`, err: "not a JSON object: unexpected end"},
		{name: "two objects", in: `{"id":"a"} {"id":"b"}`, err: "not a JSON object"},
		{name: "not an object", in: `["a"]`, err: "not a JSON object"},
		{name: "null", in: `null`, err: "not a JSON object"},
		{name: "binary", in: "\x00\xff\xfe", err: "not a JSON object"},
		{name: "nested too deep", in: strings.Repeat("[", 100_000), err: "not a JSON object"},
		{name: "no id", in: `{"question_id":"tea","text":"hot"}`, err: "id is missing"},
		{name: "the wrong case is another field", in: `{"ID":"a","question_id":"tea","text":"hot"}`, err: "id is missing"},
		{name: "empty id", in: `{"id":"","question_id":"tea","text":"hot"}`, err: "id is empty"},
		{name: "a number as id", in: `{"id":7,"question_id":"tea","text":"hot"}`, err: "id must be a string"},
		{name: "long id", in: `{"id":"` + strings.Repeat("i", 257) + `","question_id":"tea","text":"hot"}`, err: "id is longer than 256 bytes"},
		{name: "invalid UTF-8 in the id", in: "{\"id\":\"\xff\",\"question_id\":\"tea\",\"text\":\"hot\"}", err: "id is not valid UTF-8"},
		{name: "no question", in: `{"id":"a","text":"hot"}`, id: "a", err: "question_id is missing"},
		{name: "empty question", in: `{"id":"a","question_id":"","text":"hot"}`, id: "a", err: "question_id is empty"},
		{name: "long question", in: `{"id":"a","question_id":"` + strings.Repeat("q", 202) + `","text":"hot"}`, id: "a", err: "question_id is longer"},
		{name: "no text", in: `{"id":"a","question_id":"tea","answer":"hot"}`, id: "a", err: "text is missing"},
		{name: "text of another type", in: `{"id":"a","question_id":"tea","text":["hot"]}`, id: "a", err: "text must be a string"},
		{name: "invalid UTF-8", in: "{\"id\":\"a\",\"question_id\":\"tea\",\"text\":\"caf\xe9\"}", id: "a", err: "text is not valid UTF-8"},
		{name: "half a surrogate pair", in: `{"id":"a","question_id":"tea","text":"\ud83d!"}`, id: "a", err: "text is not valid UTF-8"},
		{name: "unknown modality", in: `{"id":"a","question_id":"tea","text":"hot","modality":"sung"}`, id: "a", err: `unknown modality "sung"`},
		{name: "modality of another type", in: `{"id":"a","question_id":"tea","text":"hot","modality":2}`, id: "a", err: "modality must be a string"},

		{name: "CSV", columns: columns, in: `"hot, ""very"" hot",x,a,tea,Spoken`, id: "a", answer: grade.Answer{Text: `hot, "very" hot`, Modality: grade.Spoken}},
		{name: "CSV without modality", columns: columns[:4], in: `hot,x,a,tea`, id: "a", answer: typed("hot")},
		{name: "CSV with an empty modality", columns: columns, in: `hot,x,a,tea,`, id: "a", answer: typed("hot")},
		{name: "CSV with an empty text", columns: columns, in: `,x,a,tea,`, id: "a", answer: typed("")},
		{name: "CSV with lines in a text", columns: columns, in: "\"hot\n\nhot\",x,a,tea,", id: "a", answer: typed("hot\n\nhot")},
		{name: "CSV, a comma without quotes", columns: columns, in: `hot,x,a,tea,typed,rest`, err: "the line has 6 fields, the header 5"},
		{name: "CSV, too few fields", columns: columns, in: `hot,x,a`, err: "the line has 3 fields, the header 5"},
		{name: "CSV, a quote inside a field", columns: columns, in: `5" disk,x,a,tea,`, err: "not readable as CSV"},
		{name: "CSV without id", columns: columns, in: `hot,x,,tea,`, err: "id is empty"},
		{name: "CSV, invalid UTF-8", columns: columns, in: "caf\xe9,x,a,tea,", id: "a", err: "text is not valid UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := input{columns: tt.columns}
			e := in.entry(record{line: 3, data: []byte(tt.in)})
			require.Equal(t, tt.id, e.id)
			require.Equal(t, 3, e.line)
			if tt.err != "" {
				require.NotNil(t, e.err)
				require.Contains(t, e.err.Message, tt.err)
				require.Equal(t, code.Code_INVALID_ARGUMENT, e.err.Code)
				return
			}
			require.Nil(t, e.err)
			require.Equal(t, "tea", e.question)
			require.Empty(t, cmp.Diff(tt.answer, e.answer))
		})
	}
}

// FuzzLine holds that whatever a line contains, it is understood within the limits or has an error, and that its output
// is one line that can be read back.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a","question_id":"tea","text":"hot","modality":"spoken"}`, `{"id":"\ud800","questionId":"tea","text":null}`,
		"\uFEFF{}", "", "\xff", `{"id":7}`, "a,tea,hot,typed", "\"a\nb\",tea,\"x\"\"y\",", `a,"tea`, "\r\n,,,", `{"id":"a","id":"b","text":"\u2028"}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, asCSV bool) {
		in := input{}
		if asCSV {
			in.columns = []string{"id", "question_id", "text", "modality"}
		}
		src := newSource(bytes.NewReader(data), asCSV, 1<<16)
		for {
			rec, err := src.next()
			if err != nil {
				break
			}
			e := in.entry(rec)
			require.True(t, len(e.id) <= maxID && utf8.ValidString(e.id))
			res := result{entry: e}
			if e.err == nil {
				require.True(t, e.id != "" && e.question != "" && len(e.answer.Text) <= grade.MaxTextBytes && utf8.ValidString(e.answer.Text))
				require.Contains(t, []grade.Modality{grade.Typed, grade.Spoken}, e.answer.Modality)
				res.critique = &grade.Critique{State: grade.Graded}
			}
			for _, enc := range []encoder{jsonEncoder{}, csvEncoder{}} {
				line, err := enc.encode(res)
				require.NoError(t, err)
				o, err := enc.decode(bytes.TrimSuffix(line, []byte("\n")))
				require.NoError(t, err)
				require.Equal(t, res.outcome(), o)
			}
			line, err := jsonEncoder{}.encode(res)
			require.NoError(t, err)
			require.Equal(t, 1, bytes.Count(line, []byte("\n")))
			var back struct {
				ID   string
				Line int
			}
			require.NoError(t, json.Unmarshal(line, &back))
			require.Equal(t, e.id, back.ID)
			require.Equal(t, e.id == "", back.Line == rec.line)
		}
		require.Equal(t, int64(len(data)), src.mark().Bytes)
	})
}
