package review

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/vivagrader/grader/internal/grade"
)

// label is a line of labels for calibration: what a human settled, and the answer where it is known, so that the same
// file can be given as answers too.
type label struct {
	ID             string            `json:"id"`
	QuestionID     string            `json:"question_id,omitempty"`
	Text           string            `json:"text,omitempty"`
	Modality       string            `json:"modality,omitempty"`
	Points         map[string]string `json:"points"`
	Misconceptions map[string]string `json:"misconceptions,omitempty"`
}

// Labels writes a line for each answer of which a human settled something, with these points and misconceptions only. It returns their
// number. The file must not exist.
func (f *File) Labels(name string, answers Answers) (int, error) {
	in, err := os.Open(f.name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }() // read only
	var out bytes.Buffer
	n, seen := 0, map[string]int{}
	err = EachLine(in, func(data []byte, p Place) error {
		l, err := Parse(data)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", f.name, p.Line, err)
		}
		id := l.Name()
		if seen[id]++; seen[id] > 1 { // the same question twice in an interview
			id = fmt.Sprintf("%s/%d", id, seen[id])
		}
		if l.Review == nil {
			return nil
		}
		n++
		row := label{ID: id, QuestionID: l.QuestionID, Points: lower(l.Review.Points), Misconceptions: lower(l.Review.Misconceptions)}
		row.Text, row.Modality = answers.Text(l), answers.modality(l)
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		_, err = out.Write(append(line, '\n'))
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, create(name, &out)
}

// lower is the decisions by id as labels write them.
func lower[D grade.Decision | grade.Claim](settled map[string]Settled[D]) map[string]string {
	out := map[string]string{}
	for id, s := range settled {
		out[id] = strings.ToLower(string(s.Decision))
	}
	return out
}

// create writes a new file and leaves none that is not whole.
func create(name string, data io.Reader) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, data)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(name)
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	return nil
}
