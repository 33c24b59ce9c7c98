package batch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

const (
	// maxLine is the longest line of input, 1 MiB: 32 KiB of text and plenty of fields that nobody asked for.
	maxLine = 1 << 20
	// maxOwnLine is the longest line of output that a resume reads back.
	maxOwnLine = 16 << 20
)

// digest is a SHA-256, in JSON as hexadecimal digits.
type digest [sha256.Size]byte

// MarshalText writes hexadecimal digits.
func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads hexadecimal digits.
func (d *digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return errors.New("not a SHA-256")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// mark is a place in a file, behind a record: how much was read up to there, and the hash of it all.
type mark struct {
	Records int    `json:"records"`
	Bytes   int64  `json:"bytes"`
	SHA256  digest `json:"sha256"`
}

// record is a line of JSON Lines, or a record of CSV, which may span lines where a field is quoted.
type record struct {
	line     int    // where it begins, from 1
	data     []byte // without the line break at its end; valid until the next one is read
	problem  string // why data is not the whole record, if it is not
	complete bool   // it ended with a line break
	at       mark
}

// source cuts a stream into records that are not blank. It holds at most one record, of at most limit bytes.
type source struct {
	in    *bufio.Reader
	csv   bool
	limit int

	hash    hash.Hash
	bytes   int64
	lines   int
	records int
	buf     []byte
	ahead   []record // lines that were read and belong to no quoted field after all
}

func newSource(in io.Reader, csv bool, limit int) *source {
	return &source{in: bufio.NewReaderSize(in, 64<<10), csv: csv, limit: limit, hash: sha256.New()}
}

// mark is the place behind everything that was read.
func (s *source) mark() mark {
	m := mark{Records: s.records, Bytes: s.bytes}
	s.hash.Sum(m.SHA256[:0])
	return m
}

// next returns the next record that is not blank, or io.EOF.
func (s *source) next() (record, error) {
	for {
		rec, err := s.line()
		if err != nil {
			return record{}, err
		}
		if rec.problem == "" && len(bytes.TrimSpace(rec.data)) == 0 {
			continue
		}
		if s.csv && rec.problem == "" {
			if rec, err = s.quoted(rec); err != nil {
				return record{}, err
			}
		}
		s.records++
		rec.at.Records = s.records
		return rec, nil
	}
}

const problemTooLong = "the line is longer than 1 MiB"

// line returns the next physical line, or io.EOF.
func (s *source) line() (record, error) {
	if len(s.ahead) > 0 {
		rec := s.ahead[0]
		s.ahead = s.ahead[1:]
		return rec, nil
	}
	s.buf = s.buf[:0]
	read, long, blank := 0, false, true
	for {
		chunk, err := s.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return record{}, err
		}
		s.hash.Write(chunk)
		read += len(chunk)
		long = long || len(s.buf)+len(chunk) > s.limit
		blank = blank && len(bytes.TrimSpace(chunk)) == 0
		if !long {
			s.buf = append(s.buf, chunk...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
	}
	if read == 0 {
		return record{}, io.EOF
	}
	s.bytes += int64(read)
	s.lines++
	rec := record{line: s.lines, at: s.mark()}
	switch {
	case long && blank:
	case long:
		rec.problem = problemTooLong
	default:
		rec.data, rec.complete = bytes.CutSuffix(s.buf, []byte("\n"))
		rec.data = bytes.TrimSuffix(rec.data, []byte("\r"))
		if s.lines == 1 {
			rec.data = bytes.TrimPrefix(rec.data, byteOrderMark)
		}
	}
	return rec, nil
}

// quoted adds lines to a record of CSV until its last quoted field is closed. Where it is closed nowhere within the
// limit, the first line is the whole, broken record, and the others stand for themselves.
func (s *source) quoted(rec record) (record, error) {
	state := scanQuotes(fieldStart, rec.data)
	if state != inQuotes {
		return rec, nil
	}
	whole := rec
	whole.data = bytes.Clone(rec.data)
	first := whole
	var more []record
	for state == inQuotes {
		next, err := s.line()
		if err != nil && !errors.Is(err, io.EOF) {
			return record{}, err
		}
		if err == nil {
			next.data = bytes.Clone(next.data)
			more = append(more, next)
		}
		if err != nil || next.problem != "" || len(whole.data)+len(next.data) >= s.limit {
			first.problem = "a quoted field is not closed"
			s.ahead = append(more, s.ahead...)
			return first, nil
		}
		whole.data = append(append(whole.data, '\n'), next.data...)
		whole.complete, whole.at = next.complete, next.at
		state = scanQuotes(state, next.data)
	}
	return whole, nil
}

// Where scanQuotes stands in a record.
const (
	fieldStart = iota
	inField
	inQuotes
	afterQuote
)

// scanQuotes follows the quotes of one line, from a state on, and returns the state at its end.
func scanQuotes(state int, line []byte) int {
	for _, c := range line {
		switch {
		case state == inQuotes:
			if c == '"' {
				state = afterQuote
			}
		case c == '"' && (state == fieldStart || state == afterQuote):
			state = inQuotes
		case c == ',':
			state = fieldStart
		default:
			state = inField
		}
	}
	return state
}

var byteOrderMark = []byte("\uFEFF")
