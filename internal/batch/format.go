package batch

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/wire"
)

// result is one line of output: a critique, or the entry's error.
type result struct {
	entry
	critique *grade.Critique
}

// outcome is what the summary counts of a line of output.
type outcome struct {
	state string // empty for an error
	code  string // empty for a critique
	band  string // empty without a score
	value *float64
}

func (r result) outcome() outcome {
	if r.critique == nil {
		return outcome{code: r.err.Code.String()}
	}
	o := outcome{state: string(r.critique.State)}
	if s := r.critique.Score; s != nil {
		o.band, o.value = s.Band, s.Value
	}
	return o
}

// shownLine is the number of the input line where the id does not say which one it is, else 0.
func (r result) shownLine() int {
	if r.id == "" || r.doubled {
		return r.line
	}
	return 0
}

// encoder writes lines of output, line break included, and reads its own lines back. It is safe for concurrent use.
type encoder interface {
	header() []byte
	encode(r result) ([]byte, error)
	decode(line []byte) (outcome, error)
}

func encoderFor(out string) encoder {
	if isCSV(out) {
		return csvEncoder{}
	}
	return jsonEncoder{}
}

type jsonEncoder struct{}

func (jsonEncoder) header() []byte { return nil }

func (jsonEncoder) encode(r result) ([]byte, error) {
	var line []byte
	var err error
	if r.critique != nil {
		line, err = wire.Marshal(wire.Graded(r.id, r.critique))
	} else {
		line, err = wire.Marshal(wire.Failed(r.id, r.shownLine(), r.err.Code, r.err.Message))
	}
	return append(line, '\n'), err
}

func (jsonEncoder) decode(line []byte) (outcome, error) {
	var l struct {
		Critique *struct {
			State string
			Score *struct {
				Value *float64
				Band  string
			}
		}
		Error *struct{ Code string }
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return outcome{}, err
	}
	switch {
	case l.Error != nil:
		return outcome{code: l.Error.Code}, nil
	case l.Critique == nil:
		return outcome{}, errNotOurs
	}
	o := outcome{state: l.Critique.State}
	if s := l.Critique.Score; s != nil {
		o.band, o.value = s.Band, s.Value
	}
	return o, nil
}

var errNotOurs = errors.New("not a line of output")

// csvHeader names the columns of CSV output. Met to contradicted are numbers of points; misconceptions are the ids of
// those that were asserted; lists are separated by spaces.
const csvHeader = "id,line,question_id,state,mode,score_value,score_low,score_high,band,coverage," +
	"met,partial,missed,contradicted,misconceptions,flags,summary,error_code,error_message"

type csvEncoder struct{}

func (csvEncoder) header() []byte { return []byte(csvHeader + "\n") }

func (csvEncoder) encode(r result) ([]byte, error) {
	row := make([]string, 0, strings.Count(csvHeader, ",")+1)
	line := ""
	if n := r.shownLine(); n > 0 {
		line = strconv.Itoa(n)
	}
	row = append(row, r.id, line, r.question)
	if c := r.critique; c != nil {
		row = append(append(row, critiqueCells(c)...), "", "")
	} else {
		row = append(row[:cap(row)-2], r.err.Code.String(), r.err.Message)
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	err := w.Write(row)
	w.Flush()
	return b.Bytes(), errors.Join(err, w.Error())
}

// critiqueCells are the cells from state to summary.
func critiqueCells(c *grade.Critique) []string {
	cells := []string{string(c.State), string(c.Mode), "", "", "", "", ""}
	if s := c.Score; s != nil {
		if s.Value != nil {
			cells[2] = number(*s.Value)
		}
		cells[3], cells[4], cells[5], cells[6] = number(s.Low), number(s.High), s.Band, number(s.Coverage)
	}
	decided := map[grade.Decision]int{}
	for i := range c.Points {
		decided[c.Points[i].Decision]++
	}
	for _, d := range []grade.Decision{grade.Met, grade.PartlyMet, grade.Missed, grade.Contradicted} {
		cells = append(cells, strconv.Itoa(decided[d]))
	}
	var asserted, flags []string
	for i := range c.Misconceptions {
		if m := &c.Misconceptions[i]; m.Decision == grade.Asserted {
			asserted = append(asserted, m.ID)
		}
	}
	for _, f := range c.Flags {
		flags = append(flags, string(f))
	}
	return append(cells, strings.Join(asserted, " "), strings.Join(flags, " "), c.Summary)
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (csvEncoder) decode(line []byte) (outcome, error) {
	columns := strings.Split(csvHeader, ",")
	row, err := csvFields(record{data: line})
	if err != nil {
		return outcome{}, err
	}
	if len(row) != len(columns) {
		return outcome{}, errNotOurs
	}
	cell := func(name string) string { return row[slices.Index(columns, name)] }
	o := outcome{state: cell("state"), code: cell("error_code"), band: cell("band")}
	if v := cell("score_value"); v != "" {
		value, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return outcome{}, fmt.Errorf("score_value: %w", err)
		}
		o.value = &value
	}
	return o, nil
}
