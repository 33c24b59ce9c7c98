package review

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/vivagrader/grader/internal/rubric"
)

// Place is where a line stands in its file: by bytes, line break included, and by its number from 1.
type Place struct {
	Offset int64
	Length int
	Line   int
}

// EachLine calls do with every line that is not blank, without the blanks around it.
func EachLine(r io.Reader, do func(data []byte, p Place) error) error {
	in := bufio.NewReaderSize(r, 1<<16)
	var p Place
	for {
		data, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		p.Line++
		p.Length = len(data)
		if data := bytes.TrimSpace(data); len(data) > 0 {
			if err := do(data, p); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
		p.Offset += int64(p.Length)
	}
}

// InterviewsFile stands beside the results of interviews.
const InterviewsFile = "interviews.jsonl"

// ErrBusy means that another process works on the results.
var ErrBusy = errors.New("another grader is working on these results; wait until it has ended")

// File is a file of results that is open for review: nobody else writes it meanwhile. It holds what is doubtful, and
// reads lines when they are asked for.
type File struct {
	// Items are the doubtful decisions in the order of the file.
	Items []Item
	// Outdated is the number of lines with doubtful decisions whose rubric is no longer the bank's, so that no score
	// can be computed again; they are not among the items.
	Outdated int

	name     string
	question func(id string) *rubric.Question
	lock     *flock.Flock
	places   []Place
	size     int64
	changed  time.Time
}

// Item is one doubtful decision, by the id of the point or misconception that it is on.
type Item struct {
	ID            string
	Misconception bool
	Settled       bool

	line int // counted among those that are not blank, from 0
}

func itemOf(d Doubt, line int) Item {
	if d.Misconception != nil {
		return Item{ID: d.Misconception.ID, Misconception: true, line: line}
	}
	return Item{ID: d.Point.ID, line: line}
}

// Read reads a file of results to look at, not to Save. question returns a question by the id in a line, or nil. Errors
// are those of the file, and lines that are no results.
func Read(name string, question func(id string) *rubric.Question) (*File, error) {
	f, err := find(name, question)
	if err != nil {
		return nil, err
	}
	return f, f.scan()
}

// Open is Read for who wants to Save: it keeps others from writing until Close, and is ErrBusy where one does.
func Open(name string, question func(id string) *rubric.Question) (*File, error) {
	f, err := find(name, question)
	if err != nil {
		return nil, err
	}
	switch got, err := f.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", name, err)
	case !got:
		return nil, ErrBusy
	}
	if err := f.scan(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// find follows links, so that saving replaces the file and not the link.
func find(name string, question func(id string) *rubric.Question) (*File, error) {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	return &File{name: target, question: question, lock: flock.New(lockName(target))}, nil
}

// lockName is the lock of a folder of interviews, which grading them takes too, or one beside the file.
func lockName(results string) string {
	if dir := filepath.Dir(results); isInterviews(dir) {
		return filepath.Join(dir, ".lock")
	}
	return results + ".lock"
}

// isInterviews reports whether a folder holds the results of interviews.
func isInterviews(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, InterviewsFile))
	return err == nil
}

// Close lets others work on the results.
func (f *File) Close() error {
	if f.lock.Path() == f.name+".lock" {
		return errors.Join(os.Remove(f.lock.Path()), f.lock.Close())
	}
	return f.lock.Close()
}

// scan finds the lines and what is doubtful in them.
func (f *File) scan() error {
	in, err := os.Open(f.name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	err = EachLine(in, func(data []byte, p Place) error {
		l, err := Parse(data)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", f.name, p.Line, err)
		}
		f.places = append(f.places, p)
		q := f.question(l.QuestionID)
		doubts := Doubts(l, q)
		if len(doubts) > 0 && !l.Graded(q) {
			f.Outdated++
			return nil
		}
		for _, d := range doubts {
			it := itemOf(d, len(f.places)-1)
			decision, _ := l.Settled(it)
			it.Settled = decision != ""
			f.Items = append(f.Items, it)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return f.stat()
}

// stat remembers the file as it is now.
func (f *File) stat() error {
	info, err := os.Stat(f.name)
	if err != nil {
		return err
	}
	f.size, f.changed = info.Size(), info.ModTime()
	return nil
}

// raw reads the bytes of a line.
func (f *File) raw(i int) ([]byte, error) {
	in, err := os.Open(f.name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // read only
	data := make([]byte, f.places[i].Length)
	if _, err := in.ReadAt(data, f.places[i].Offset); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	return data, nil
}

// Line reads the line of an item, with its question and its doubt.
func (f *File) Line(it Item) (*Line, *rubric.Question, Doubt, error) {
	data, err := f.raw(it.line)
	if err != nil {
		return nil, nil, Doubt{}, err
	}
	l, err := Parse(data)
	if err != nil {
		return nil, nil, Doubt{}, fmt.Errorf("%s:%d: %w", f.name, f.places[it.line].Line, err)
	}
	q := f.question(l.QuestionID)
	for _, d := range Doubts(l, q) {
		if of := itemOf(d, it.line); of.ID == it.ID && of.Misconception == it.Misconception {
			return l, q, d, nil
		}
	}
	return nil, nil, Doubt{}, fmt.Errorf("%s:%d has changed meanwhile; begin again", f.name, f.places[it.line].Line)
}

// Dir is the folder of the results.
func (f *File) Dir() string { return filepath.Dir(f.name) }

// Number is the number of an item's line in the file, from 1.
func (f *File) Number(it Item) int { return f.places[it.line].Line }

// Save writes the review of an item's line into the file. The file is replaced as a whole: who reads it, or is killed
// here, sees the old one or the new one.
func (f *File) Save(it Item, l *Line) error {
	info, err := os.Stat(f.name)
	if err != nil {
		return err
	}
	if info.Size() != f.size || !info.ModTime().Equal(f.changed) {
		return fmt.Errorf("%s has been changed by another program; nothing was saved, begin again", f.name)
	}
	data, err := f.raw(it.line)
	if err != nil {
		return err
	}
	line, err := withReview(data, l.Review)
	if err != nil {
		return err
	}
	if err := f.replace(it.line, line, info.Mode().Perm()); err != nil {
		return fmt.Errorf("save %s: %w; what was decided before is saved: put that right and run the same command to go on", f.name, err)
	}
	longer := len(line) - f.places[it.line].Length
	f.places[it.line].Length = len(line)
	for i := it.line + 1; i < len(f.places); i++ {
		f.places[i].Offset += int64(longer)
	}
	return f.stat()
}

// replace writes a new file with another line in the place of one, and gives it the name of the old.
func (f *File) replace(i int, line []byte, perm os.FileMode) (err error) {
	in, err := os.Open(f.name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	tmp := f.name + ".tmp"
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	p := f.places[i]
	_, err = io.CopyN(out, in, p.Offset)
	if err == nil {
		_, err = out.Write(line)
	}
	if err == nil {
		_, err = in.Seek(p.Offset+int64(p.Length), io.SeekStart)
	}
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(tmp, f.name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// withReview writes a line with another review, or none, and everything else byte for byte as it is.
func withReview(line []byte, r *Review) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not a line of results: %w", err)
	}
	var fields [][]byte
	add := func(key any, value []byte) error {
		name, err := json.Marshal(key)
		fields = append(fields, slices.Concat(name, []byte{':'}, value))
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not a line of results: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("not a line of results: %w", err)
		}
		if key == "review" {
			continue
		}
		if err := add(key, value); err != nil {
			return nil, err
		}
	}
	if r != nil {
		value, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		if err := add("review", value); err != nil {
			return nil, err
		}
	}
	lineBreak := line[len(bytes.TrimRight(line, "\r\n")):]
	return slices.Concat([]byte{'{'}, bytes.Join(fields, []byte{','}), []byte{'}'}, lineBreak), nil
}
