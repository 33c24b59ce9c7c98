package review

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Answers are the texts of a batch's input by id; results of a batch do not hold them. Those of interviews do.
type Answers map[string]Answer

// Answer is a text and how it came about, typed or spoken.
type Answer struct {
	ID       string `json:"id"`
	Text     string `json:"text"`
	Modality string `json:"modality"`
}

// ReadAnswers reads the input of a batch, JSON Lines or, by the name, CSV. Lines that are not understood are left out:
// they were not graded either.
func ReadAnswers(name string) (Answers, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // read only
	out := Answers{}
	if strings.HasSuffix(strings.ToLower(name), ".csv") {
		return out, out.readCSV(in)
	}
	return out, EachLine(in, func(data []byte, _ Place) error {
		var a Answer
		if json.Unmarshal(data, &a) == nil {
			out.add(a)
		}
		return nil
	})
}

func (a Answers) readCSV(in io.Reader) error {
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	columns := map[string]int{}
	for {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("not readable as CSV: %w", err)
		case len(columns) == 0:
			for i, c := range row {
				columns[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(c, "\ufeff")))] = i
			}
			continue
		}
		cell := func(column string) string {
			if i, ok := columns[column]; ok && i < len(row) {
				return row[i]
			}
			return ""
		}
		a.add(Answer{cell("id"), cell("text"), cell("modality")})
	}
}

// add keeps the first of two answers with the same id, as a batch does.
func (a Answers) add(answer Answer) {
	if _, ok := a[answer.ID]; !ok && answer.ID != "" {
		a[answer.ID] = answer
	}
}

// Text is the text that was graded, or empty where it is not known. A text that is not the graded one, by its hash, is
// not known.
func (a Answers) Text(l *Line) string {
	if l.Critique == nil {
		return ""
	}
	text := a[l.ID].Text
	if t := l.Critique.Transcript; t != nil {
		text = t.Text
	}
	if sum := sha256.Sum256([]byte(text)); hex.EncodeToString(sum[:]) != l.Critique.Receipt.AnswerSHA256 {
		return ""
	}
	return text
}

func (a Answers) modality(l *Line) string {
	switch text := a.Text(l); {
	case text == "":
		return ""
	case l.Critique.Transcript != nil:
		return "spoken"
	}
	return strings.ToLower(a[l.ID].Modality)
}
