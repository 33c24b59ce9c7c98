package batch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

type got struct {
	Line    int
	Data    string
	Problem string
}

func readAll(t *testing.T, in io.Reader, csv bool, limit int) (*source, []got) {
	t.Helper()
	s := newSource(in, csv, limit)
	var out []got
	for {
		rec, err := s.next()
		if errors.Is(err, io.EOF) {
			return s, out
		}
		require.NoError(t, err)
		data := string(rec.data)
		if rec.problem != "" {
			data = ""
		}
		out = append(out, got{rec.line, data, rec.problem})
		require.Equal(t, len(out), rec.at.Records)
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	const open = "a quoted field is not closed"
	tests := []struct {
		name, in string
		csv      bool
		limit    int
		want     []got
	}{
		{name: "empty"},
		{name: "only a byte-order mark", in: "\uFEFF"},
		{name: "lines", in: "a\nb\n", want: []got{{1, "a", ""}, {2, "b", ""}}},
		{name: "no line break at the end", in: "a\nb", want: []got{{1, "a", ""}, {2, "b", ""}}},
		{name: "CRLF", in: "a\r\nb\r\n", want: []got{{1, "a", ""}, {2, "b", ""}}},
		{name: "byte-order mark", in: "\uFEFFa\nb", want: []got{{1, "a", ""}, {2, "b", ""}}},
		{name: "blank lines count, but are no records", in: "\n \t\r\na\n\u00A0\n\nb", want: []got{{3, "a", ""}, {6, "b", ""}}},
		{name: "a long line is skipped", in: "aaaaaaaaaaaa\nb\n", limit: 8, want: []got{{1, "", problemTooLong}, {2, "b", ""}}},
		{name: "a long line at the end", in: "b\naaaaaaaaaaaa", limit: 8, want: []got{{1, "b", ""}, {2, "", problemTooLong}}},
		{name: "a long blank line is blank", in: "            \nb\n", limit: 8, want: []got{{2, "b", ""}}},
		{name: "CSV", csv: true, in: "a,b\nc,d\n", want: []got{{1, "a,b", ""}, {2, "c,d", ""}}},
		{name: "a quoted field spans lines", csv: true, in: "a,\"b\r\n\nc\"\nd\n", want: []got{{1, "a,\"b\n\nc\"", ""}, {4, "d", ""}}},
		{name: "doubled quotes", csv: true, in: "\"a \"\"b\"\" \nc\",d\ne\n", want: []got{{1, "\"a \"\"b\"\" \nc\",d", ""}, {3, "e", ""}}},
		{name: "a quote inside a field opens nothing", csv: true, in: "5\" disk,a\nb\n", want: []got{{1, "5\" disk,a", ""}, {2, "b", ""}}},
		{name: "an open quote costs one line", csv: true, in: "a,\"b\nc\nd\n", want: []got{{1, "", open}, {2, "c", ""}, {3, "d", ""}}},
		{name: "an open quote costs one line beyond the limit", csv: true, in: "a,\"b\nc\nd\ne,f\n\"g\nh\"\n", limit: 8,
			want: []got{{1, "", open}, {2, "c", ""}, {3, "d", ""}, {4, "e,f", ""}, {5, "\"g\nh\"", ""}}},
		{name: "a long line in a quoted field", csv: true, in: "a,\"b\naaaaaaaaaaaa\nc\n", limit: 8, want: []got{{1, "", open}, {2, "", problemTooLong}, {3, "c", ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.limit == 0 {
				tt.limit = maxLine
			}
			s, out := readAll(t, strings.NewReader(tt.in), tt.csv, tt.limit)
			require.Empty(t, cmp.Diff(tt.want, out))
			require.Equal(t, mark{len(out), int64(len(tt.in)), sha256.Sum256([]byte(tt.in))}, s.mark())
			_, slowly := readAll(t, iotest.OneByteReader(strings.NewReader(tt.in)), tt.csv, tt.limit)
			require.Empty(t, cmp.Diff(tt.want, slowly))
		})
	}
}

func TestSourceLimitIsExact(t *testing.T) {
	t.Parallel()
	fits := strings.Repeat("a", maxLine-1)
	_, out := readAll(t, strings.NewReader(fits+"\n"+fits+"aa\n"+fits+"a"), false, maxLine)
	require.Len(t, out, 3)
	require.Empty(t, out[0].Problem)
	require.Equal(t, problemTooLong, out[1].Problem)
	require.Empty(t, out[2].Problem)
}

// TestSourceHoldsOneRecord: ten megabytes in one line are read without being kept.
func TestSourceHoldsOneRecord(t *testing.T) {
	t.Parallel()
	s := newSource(io.MultiReader(bytes.NewReader(make([]byte, 10<<20)), strings.NewReader("\nnext\n")), false, maxLine)
	rec, err := s.next()
	require.NoError(t, err)
	require.Equal(t, problemTooLong, rec.problem)
	require.LessOrEqual(t, cap(s.buf), 2*maxLine)
	rec, err = s.next()
	require.NoError(t, err)
	require.Equal(t, "next", string(rec.data))
}

func TestSourceReportsReadErrors(t *testing.T) {
	t.Parallel()
	s := newSource(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(io.ErrClosedPipe)), false, maxLine)
	_, err := s.next()
	require.NoError(t, err)
	_, err = s.next()
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestDigest(t *testing.T) {
	t.Parallel()
	d := digest(sha256.Sum256([]byte("tea")))
	text, err := d.MarshalText()
	require.NoError(t, err)
	var back digest
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, d, back)
	require.Error(t, back.UnmarshalText([]byte("abc")))
	require.Error(t, back.UnmarshalText(bytes.Repeat([]byte("g"), 64)))
}
