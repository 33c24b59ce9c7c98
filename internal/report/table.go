package report

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/vivagrader/grader/internal/review"
)

// table writes CSV whose cells no spreadsheet takes for a formula. It begins with a byte order mark: without it, Excel
// reads other letters than English ones wrongly.
type table struct{ w *csv.Writer }

func newTable(w io.Writer, columns []string) *table {
	t := &table{csv.NewWriter(w)}
	columns = slices.Clone(columns)
	columns[0] = "\ufeff" + columns[0]
	t.write(columns...)
	return t
}

func (t *table) write(cells ...string) {
	for i, c := range cells {
		cells[i] = inert(c)
	}
	_ = t.w.Write(cells) // flush returns the error
}

func (t *table) flush() error {
	t.w.Flush()
	return t.w.Error()
}

// inert puts an apostrophe before what spreadsheets would run: a text that begins with a sign of a formula, or with
// blanks before one. Our own figures are never negative.
func inert(cell string) string {
	if s := strings.TrimLeft(cell, " \t\r\n\u00a0\ufeff"); s != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(s)[0]) {
		return "'" + cell
	}
	return cell
}

var candidateColumns = []string{"number", "interview", "candidate", "page", "asked", "scored", "low_coverage", "ungradable", "not_in_bank",
	"not_answered", "failed", "mean_low", "mean_high", "strong", "solid", "developing", "weak", "met", "partial", "missed", "contradicted",
	"unknown", "misconceptions", "doubtful", "settled", "candidate_words", "graded_words", "duration_s", "warnings", "error_code", "error_message"}

func candidateCells(p *interviewPage) []string {
	t := &p.tally
	cells := []string{strconv.Itoa(p.Number), p.Title, p.Candidate, p.file}
	cells = append(cells, integers(len(p.Questions), t.scored, t.lowCoverage, t.ungradable, t.notInBank, t.notAnswered, t.failed)...)
	cells = append(cells, t.low(), t.high())
	for _, b := range bandNames {
		cells = append(cells, strconv.Itoa(t.bands[b]))
	}
	for _, d := range decisionOrder {
		cells = append(cells, strconv.Itoa(t.decisions[d]))
	}
	cells = append(cells, integers(t.misconceptions, t.doubtful, t.settled, p.candidateWords, p.gradedWords, p.durationMS/1000, len(p.Warnings))...)
	if p.Error != nil {
		return append(cells, p.Error.Code, p.Error.Message)
	}
	return append(cells, "", "")
}

var pointColumns = []string{"number", "interview", "candidate", "question_number", "question_id", "category", "state", "score_low",
	"start_ms", "end_ms", "point_id", "kind", "weight", "decision", "machine_decision", "decided_by", "doubtful", "quote", "quote_ms", "note",
	"statement"}

// pointRows are the lines of one question: one for each point, or one without a point where nothing was decided.
func pointRows(p *interviewPage, q *question) [][]string {
	low := ""
	if q.score != nil {
		low = figure(q.score.Low)
	}
	head := append([]string{strconv.Itoa(p.Number), p.Title, p.Candidate, strconv.Itoa(q.Number), q.ID, q.Category, q.State, low},
		integers(q.startMS, q.endMS)...)
	if len(q.points) == 0 {
		return [][]string{append(head, make([]string, len(pointColumns)-len(head))...)}
	}
	var rows [][]string
	for _, pt := range q.points {
		quote, at := "", ""
		if len(pt.Quotes) > 0 {
			quote = pt.Quotes[0].Text
			if pt.Quotes[0].Timed {
				at = strconv.Itoa(pt.Quotes[0].startMS)
			}
		}
		row := append([]string(nil), head...)
		row = append(row, pt.ID, pt.Kind, strconv.Itoa(pt.Weight), string(pt.decision), string(pt.machine), string(pt.decidedBy),
			strings.Join(pt.reasons, " "), quote, at, pt.Note, pt.Statement)
		rows = append(rows, row)
	}
	return rows
}

func integers(n ...int) []string {
	out := make([]string, len(n))
	for i, v := range n {
		out[i] = strconv.Itoa(v)
	}
	return out
}

func reasonCodes(d review.Doubt) []string {
	out := make([]string, len(d.Reasons))
	for i, r := range d.Reasons {
		out[i] = string(r)
	}
	return out
}
