package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/vivagrader/grader/internal/grade"
)

// The limits of the contract, in bytes.
const (
	maxID       = 256
	maxQuestion = 201
)

// entry is one line of the input as far as it can be understood.
type entry struct {
	line     int
	id       string // empty where there is none
	doubled  bool   // the id came before
	question string
	answer   grade.Answer
	err      *LineError // why it cannot be graded
}

// LineError is why a line has no critique: what is wrong and what to do.
type LineError struct {
	Code    code.Code
	Message string
}

// Error is the message.
func (e *LineError) Error() string { return e.Message }

// lineErrorOf is the error of a line whose grader failed.
func lineErrorOf(err error) *LineError {
	if e, ok := errors.AsType[*LineError](err); ok {
		return &LineError{e.Code, oneLine(err)}
	}
	return &LineError{code.Code_INTERNAL, oneLine(err)}
}

func invalidf(format string, args ...any) *LineError {
	return &LineError{code.Code_INVALID_ARGUMENT, fmt.Sprintf(format, args...)}
}

// entry reads one record. It never fails: what is wrong is in the entry's err.
func (in *input) entry(rec record) entry {
	if rec.problem != "" {
		return entry{line: rec.line, err: invalidf("%s", rec.problem)}
	}
	if in.columns != nil {
		return parseCSV(rec, in.columns)
	}
	return parseJSON(rec)
}

func parseJSON(rec record) entry {
	var fields map[string]json.RawMessage
	data := bytes.TrimSpace(bytes.TrimPrefix(rec.data, byteOrderMark))
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		msg := "write one object a line"
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			msg = syntax.Error()
		}
		return entry{line: rec.line, err: invalidf("the line is not a JSON object: %s", strings.ToValidUTF8(msg, "\uFFFD"))}
	}
	return newEntry(rec.line, func(column string) (string, error) {
		raw := fields[column]
		if raw == nil && column == columnQuestion {
			raw = fields["questionId"]
		}
		return jsonString(raw)
	})
}

// Errors of a field, to be read behind its name.
var (
	errMissing = errors.New("is missing")
	errType    = errors.New("must be a string")
	errUnicode = errors.New("is not valid UTF-8; convert the file, for instance with iconv")
)

func jsonString(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", errMissing
	}
	if raw[0] != '"' {
		return "", errType
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", errType
	}
	// encoding/json replaces what is no Unicode, such as half a surrogate pair; protojson refuses it.
	if strings.ContainsRune(s, utf8.RuneError) && protojson.Unmarshal(raw, &wrapperspb.StringValue{}) != nil {
		return "", errUnicode
	}
	return s, nil
}

func parseCSV(rec record, columns []string) entry {
	fields, err := csvFields(rec)
	if err != nil {
		return entry{line: rec.line, err: invalidf("the line is not readable as CSV: %s", oneLine(err))}
	}
	if len(fields) != len(columns) { // such as a comma in a text without quotes: fields are not what they seem
		return entry{line: rec.line, err: invalidf("the line has %d fields, the header %d; put texts with commas into double quotes", len(fields), len(columns))}
	}
	return newEntry(rec.line, func(column string) (string, error) {
		i := slices.Index(columns, column)
		if i < 0 {
			return "", errMissing
		}
		if !utf8.ValidString(fields[i]) {
			return "", errUnicode
		}
		return fields[i], nil
	})
}

// newEntry checks the fields of a line in the order of their importance; the first mistake is its error.
func newEntry(line int, field func(column string) (string, error)) entry {
	e := entry{line: line}
	id, err := field(columnID)
	switch {
	case err != nil:
		e.err = invalidf("id %v; give every line an id", err)
		return e
	case id == "":
		e.err = invalidf("id is empty; give every line an id")
		return e
	case len(id) > maxID:
		e.err = invalidf("id is longer than %d bytes", maxID)
		return e
	}
	e.id = id
	question, err := field(columnQuestion)
	switch {
	case err != nil:
		e.err = invalidf("question_id %v; grader questions lists the ids", err)
		return e
	case question == "":
		e.err = invalidf("question_id is empty; grader questions lists the ids")
		return e
	case len(question) > maxQuestion:
		e.err = invalidf("question_id is longer than %d bytes; grader questions lists the ids", maxQuestion)
		return e
	}
	e.question = question
	text, err := field(columnText)
	switch {
	case err != nil:
		e.err = invalidf("text %v", err)
		return e
	case len(text) > grade.MaxTextBytes:
		e.err = invalidf("text is longer than 32 KiB; an answer is a few minutes of speech, shorten it")
		return e
	}
	modality, err := field(columnModality)
	if err != nil && !errors.Is(err, errMissing) {
		e.err = invalidf("modality %v: typed or spoken", err)
		return e
	}
	e.answer = grade.Answer{Text: text, Modality: grade.Typed}
	switch strings.ToUpper(modality) {
	case "", "UNSPECIFIED", string(grade.Typed):
	case string(grade.Spoken):
		e.answer.Modality = grade.Spoken
	default:
		e.err = invalidf("unknown modality %.40q; use typed or spoken", modality)
	}
	return e
}
