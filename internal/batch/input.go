package batch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
)

const stream = "-"

// input is what answers are read from.
type input struct {
	name    string // for people
	source  *source
	columns []string // of CSV, by their JSON names; else nil
	size    int64    // 0 where it is not known
	info    os.FileInfo
	raw     io.Reader
	file    *os.File // to close; nil for standard input
}

func isCSV(name string) bool { return strings.EqualFold(filepath.Ext(name), ".csv") }

// openInput opens cfg.In and reads the header if there is one.
func openInput(cfg Config) (*input, error) {
	in := &input{name: "standard input", raw: cfg.Stdin}
	if cfg.In != stream {
		f, err := os.Open(cfg.In)
		if err != nil {
			return nil, refusef("read %s: %s; give a file of answers, or - for standard input", cfg.In, reason(err))
		}
		in.name, in.raw, in.file = cfg.In, f, f
	}
	if f, ok := in.raw.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, refusef("read %s: %s", in.name, reason(err))
		}
		if info.IsDir() {
			return nil, refusef("%s is a folder; give a file of answers, one a line", in.name)
		}
		in.info = info
		if info.Mode().IsRegular() {
			in.size = info.Size()
		}
	}
	in.source = newSource(in.raw, isCSV(cfg.In), maxLine)
	return in, nil
}

func (in *input) close() {
	if in.file != nil {
		_ = in.file.Close() // only read
	}
}

// Columns of CSV, by the names that the JSON fields have.
const (
	columnID       = "id"
	columnQuestion = "question_id"
	columnText     = "text"
	columnModality = "modality"
)

// readHeader reads the header of CSV.
func (in *input) readHeader() error {
	if !in.source.csv {
		return nil
	}
	const wanted = "the first line must name the columns, with commas between them: id,question_id,text and, if you like, modality"
	rec, err := in.source.next()
	if errors.Is(err, io.EOF) {
		return refusef("%s is empty; %s", in.name, wanted)
	}
	if err != nil {
		return fmt.Errorf("read %s: %s", in.name, reason(err))
	}
	names, err := csvFields(rec)
	if err != nil {
		return refusef("%s: %s; %s", in.name, oneLine(err), wanted)
	}
	known := []string{columnID, columnQuestion, columnText, columnModality}
	for i, n := range names {
		names[i] = strings.ToLower(strings.TrimSpace(n))
		if names[i] == "questionid" {
			names[i] = columnQuestion
		}
		if slices.Contains(known, names[i]) && slices.Contains(names[:i], names[i]) {
			return refusef("%s has the column %q twice; remove one", in.name, names[i])
		}
	}
	for _, k := range known[:3] {
		if !slices.Contains(names, k) {
			return refusef("%s has no column %q; %s", in.name, k, wanted)
		}
	}
	in.columns = names
	in.source.records = 0 // the header is no answer
	return nil
}

func csvFields(rec record) ([]string, error) {
	if rec.problem != "" {
		return nil, errors.New(rec.problem)
	}
	r := csv.NewReader(strings.NewReader(string(rec.data)))
	r.FieldsPerRecord = -1
	fields, err := r.Read()
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		err = parse.Err
	}
	return fields, err
}

// reader turns the input into jobs.
type reader struct {
	in     *input
	wanted func(n int) (bool, error) // whether the record of that number, from 1, is to be graded; asked once for each
	upTo   mark                      // what an earlier run read
	proven bool                      // the input is the same up to there
	ids    map[uint64]struct{}       // the first 64 bits of the SHA-256 of every id

	end mark  // behind everything, once pending is closed
	err error // why the input ended early, once pending is closed
}

func newReader(in *input, before *earlier) *reader {
	kept := before.tally.total
	return &reader{in: in, upTo: before.upTo, proven: before.upTo == mark{}, ids: map[uint64]struct{}{},
		wanted: func(n int) (bool, error) { return n > kept, nil }}
}

// read sends a job for every record that is wanted, in order, to pending and to work, and closes both.
// Nothing is sent before it is certain that the input is the one of the earlier run.
func (r *reader) read(ctx context.Context, pending, work chan<- *job) {
	r.err = r.jobs(func(j *job) error {
		for _, to := range []chan<- *job{pending, work} {
			select {
			case to <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	close(pending)
	close(work)
}

func (r *reader) jobs(send func(*job) error) error {
	var held []*job // few: what an earlier run had read ahead of its output
	release := func() error {
		for _, j := range held {
			if err := send(j); err != nil {
				return err
			}
		}
		held = held[:0]
		return nil
	}
	for {
		rec, err := r.in.source.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s: %s", r.in.name, reason(err))
		}
		j := &job{entry: r.in.entry(rec), at: rec.at, done: make(chan struct{})}
		r.claim(&j.entry)
		wanted, err := r.wanted(rec.at.Records)
		if err != nil {
			return err
		}
		if wanted {
			held = append(held, j)
		}
		r.proven = r.proven || rec.at == r.upTo
		switch {
		case r.proven:
			if err := release(); err != nil {
				return err
			}
		case rec.at.Records > r.upTo.Records:
			return r.changed()
		}
	}
	r.end = r.in.source.mark()
	if !r.proven && r.end != r.upTo { // equal where the earlier run had read blank lines at the end, too
		return r.changed()
	}
	return release()
}

func (r *reader) changed() error {
	return refusef("%s has changed: its first %d answers are not those that were graded; give the same file again, or another --out",
		r.in.name, r.upTo.Records)
}

// claim takes the id of an entry. An id that came before makes the later entry an error, named by its line.
func (r *reader) claim(e *entry) {
	if e.id == "" {
		return
	}
	sum := sha256.Sum256([]byte(e.id))
	key := binary.BigEndian.Uint64(sum[:])
	if _, taken := r.ids[key]; taken {
		e.doubled = true
		e.err = &LineError{code.Code_INVALID_ARGUMENT, fmt.Sprintf("the id %q came before; give every line an id of its own", e.id)}
		return
	}
	r.ids[key] = struct{}{}
}
