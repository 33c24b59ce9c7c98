package interview

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/transcript"
)

// mapColumns are the columns of a map, one row for each turn. Only interview, role, kind, question_id and text are
// read back; the others are for the reader.
var mapColumns = []string{"interview", "turn", "start", "end", "speaker", "role", "kind", "question_id", "confidence", "text"}

// byteOrderMark tells spreadsheets that a file is UTF-8.
const byteOrderMark = "\ufeff"

// mapHeader is the first line of a map.
func mapHeader() []byte {
	return []byte(byteOrderMark + strings.Join(mapColumns, ",") + "\n")
}

// mapRows are the rows of one interview.
func mapRows(name string, c *Course) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for i := range c.Turns {
		t := &c.Turns[i]
		start, end := "", ""
		if t.Known {
			start, end = transcript.Clock(t.StartMS), transcript.Clock(t.EndMS)
		}
		row := []string{name, strconv.Itoa(i + 1), start, end, t.Speaker, t.Role, string(t.Kind), t.Question,
			strconv.FormatFloat(t.Confidence, 'f', 2, 64), oneLine(c.Transcript.Text[t.Start:t.End])}
		for k := range row {
			row[k] = inert(row[k])
		}
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// formulas are the signs with which a spreadsheet takes a cell for a formula.
const formulas = "=+-@|%＝＋－＠\t\r"

// inert puts an apostrophe before a cell that a spreadsheet would run, or that begins with one already.
func inert(cell string) string {
	if s := strings.TrimLeft(cell, "' "); s != "" && strings.ContainsRune(formulas, []rune(s)[0]) {
		return "'" + cell
	}
	return cell
}

// active takes inert's apostrophe off.
func active(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && inert(rest) != rest {
		return rest
	}
	return cell
}

// Map is a map file that was read: what a human says about interviews, by their names.
type Map struct {
	file string
	rows map[string][]mapRow
}

type mapRow struct {
	line     int
	role     role
	kind     Kind
	question string
	text     string
}

// kindNames are the kinds that a row can have.
var kindNames = []Kind{Asks, FollowsUp, Answers, SmallTalk}

// ReadMap reads a map that was written before and may have been corrected. Commas, semicolons or tabs separate its
// columns, in any order. All its mistakes come together, as a diag.List.
func (b *Bank) ReadMap(file string) (*Map, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the map: %w", err)
	}
	m := &Map{file: filepath.ToSlash(file), rows: map[string][]mapRow{}}
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = separator(data), -1, true
	header, err := r.Read()
	if err != nil {
		return nil, m.mistake(1, "the map is empty or no CSV; delete it, and it is written again")
	}
	columns, err := m.columns(header)
	if err != nil {
		return nil, err
	}
	var list diag.List
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return m, list.Err()
		}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			return nil, append(list, m.mistake(bad.StartLine, "not CSV: %v; save the file as CSV in UTF-8", bad.Err)...)
		}
		if err != nil {
			return nil, fmt.Errorf("read the map: %w", err)
		}
		line, _ := r.FieldPos(0)
		name, row, problem := b.mapRow(record, columns)
		if problem != "" {
			list = append(list, m.mistake(line, "%s", problem)...)
			continue
		}
		if row.text != "" {
			row.line = line
			m.rows[name] = append(m.rows[name], row)
		}
	}
}

func (m *Map) mistake(line int, format string, args ...any) diag.List {
	return diag.List{{File: m.file, Line: line, Column: 1, Rule: "map", Severity: diag.Error, Message: fmt.Sprintf(format, args...)}}
}

// separator is what stands most often between the names of the first line.
func separator(data []byte) rune {
	first, _, _ := bytes.Cut(data, []byte("\n"))
	best := ','
	for _, c := range []rune{';', '\t'} {
		if bytes.Count(first, []byte(string(c))) > bytes.Count(first, []byte(string(best))) {
			best = c
		}
	}
	return best
}

// columns finds the columns that are read.
func (m *Map) columns(header []string) (map[string]int, error) {
	at := map[string]int{}
	for i, name := range header {
		at[strings.ToLower(strings.TrimSpace(name))] = i
	}
	for _, name := range []string{"interview", "role", "kind", "question_id", "text"} {
		if _, ok := at[name]; !ok {
			return nil, m.mistake(1, "the map has no column %q; keep the first line as it was written: %s", name, strings.Join(mapColumns, ","))
		}
	}
	return at, nil
}

// mapRow reads a row, or says what is wrong with it.
func (b *Bank) mapRow(record []string, columns map[string]int) (interview string, row mapRow, problem string) {
	cell := func(name string) string {
		if i := columns[name]; i < len(record) {
			return strings.TrimSpace(active(record[i]))
		}
		return ""
	}
	row.text = cell("text")
	interview = cell("interview")
	if row.text == "" {
		return interview, row, ""
	}
	if interview == "" {
		return "", row, "the row does not say which interview it belongs to; fill in the column interview"
	}
	row.kind = Kind(strings.ToLower(strings.ReplaceAll(cell("kind"), " ", "-")))
	if !slices.Contains(kindNames, row.kind) {
		return "", row, fmt.Sprintf("kind %q is none; use question, follow-up, answer or small-talk", cell("kind"))
	}
	switch strings.ToLower(cell("role")) {
	case "interviewer":
		row.role = interviewer
	case "candidate":
		row.role = candidate
	case "":
		row.role = map[Kind]role{Asks: interviewer, FollowsUp: interviewer, Answers: candidate}[row.kind]
	default:
		return "", row, fmt.Sprintf("role %q is none; use interviewer or candidate", cell("role"))
	}
	switch {
	case row.kind == Answers && row.role != candidate:
		return "", row, "only the candidate answers; set the role to candidate, or the kind to question, follow-up or small-talk"
	case (row.kind == Asks || row.kind == FollowsUp) && row.role != interviewer:
		return "", row, "only an interviewer asks; set the role to interviewer, or the kind to answer or small-talk"
	}
	if id := cell("question_id"); id != "" && row.kind != SmallTalk {
		q, ok := b.find(id)
		if !ok {
			return "", row, fmt.Sprintf("no question has the id %q%s; leave question_id empty for a question that is not in the bank", id, b.near(id))
		}
		row.question = q
	}
	return interview, row, ""
}

// find returns the id that results use, for an id with or without its bank.
func (b *Bank) find(id string) (string, bool) {
	for _, q := range b.questions {
		if id == q.ID || id == q.Question.ID || id == q.Bank.ID+"/"+q.Question.ID {
			return q.ID, true
		}
	}
	return "", false
}

// near suggests the ids that share most words with a wrong one.
func (b *Bank) near(id string) string {
	best, most := "", 0
	for _, q := range b.questions {
		n := 0
		for part := range strings.SplitSeq(strings.ToLower(id), "-") {
			if len(part) > 2 && strings.Contains(q.Question.ID, part) {
				n++
			}
		}
		if n > most {
			best, most = q.ID, n
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

func blankBefore(text string, at int) bool {
	r, _ := utf8.DecodeLastRuneInString(text[:at])
	return unicode.IsSpace(r)
}

// Has reports whether the map speaks of an interview.
func (m *Map) Has(name string) bool { return m != nil && len(m.rows[name]) > 0 }

// strangers says which interviews of the map are not among the inputs, with the line of their first row.
func (m *Map) strangers(inputs []Input) []string {
	if m == nil {
		return nil
	}
	var out []string
	for name, rows := range m.rows {
		if !slices.ContainsFunc(inputs, func(in Input) bool { return in.Name == name }) {
			out = append(out, fmt.Sprintf("%s:%d: no interview that was given is called %q: its rows are not used", m.file, rows[0].line, name))
		}
	}
	slices.Sort(out)
	return out
}

// Course is the course of an interview as the map has it. What stands in no row is small talk. The error is a
// diag.List where a row's words are not in the transcript.
func (m *Map) Course(name string, t *transcript.Transcript) (*Course, error) {
	c := &Course{Transcript: t, Roles: RolesFromMap}
	finder := transcript.NewFinder(t.Text)
	times, stretches := newClock(t), spoken(t)
	open, last := "", 0
	for _, row := range m.rows[name] {
		start, end, ok := finder.Next(row.text)
		if !ok {
			return nil, m.mistake(row.line, "these words do not stand here in the transcript of %s; keep the column text and the order of rows as they were written (a row may be cut in two), and correct words in the transcript", name)
		}
		for start > last && !blankBefore(t.Text, start) { // signs that stand at a word belong to it
			_, size := utf8.DecodeLastRuneInString(t.Text[:start])
			start -= size
		}
		if n := strings.IndexFunc(t.Text[end:], unicode.IsSpace); n >= 0 && !strings.ContainsFunc(t.Text[end:end+n], wordRune) {
			end += n
		} else if n < 0 {
			end = len(t.Text)
		}
		start = max(start, last)
		last = end
		turn := Turn{Start: start, End: end, Times: times.times(start, end), Speaker: speakerAt(stretches, start, end), Role: row.role.String(),
			Kind: row.kind, Question: row.question, Confidence: 1}
		switch row.kind {
		case Asks:
			open = row.question
		case FollowsUp, Answers: // belongs to the question before it, unless it says another one
			if turn.Question == "" {
				turn.Question = open
			}
		case SmallTalk:
		}
		if row.role == candidate && c.Candidate == "" {
			c.Candidate = turn.Speaker
		}
		c.Turns = append(c.Turns, turn)
	}
	return c, c.check()
}
