package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/vivagrader/grader/internal/interview"
	"github.com/vivagrader/grader/internal/review"
)

// ErrResults means that the results cannot be read as such; it comes wrapped with the place.
var ErrResults = errors.New("not what interview writes")

// asked is one interview with its lines in the order in which they were asked. Number is its place in
// interviews.jsonl, from 1: the same in anonymous reports and others.
type asked struct {
	interview.Recording
	number int
	lines  []*review.Line
}

// source reads the results interview by interview: it knows the places of all lines, and holds those of one.
type source struct {
	results    *os.File
	recordings []interview.Recording
	places     map[string][]review.Place
}

func openSource(dir string) (*source, error) {
	s := &source{places: map[string][]review.Place{}}
	if err := s.readRecordings(filepath.Join(dir, InterviewsFile)); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, ResultsFile))
	if err != nil {
		return nil, err
	}
	s.results = f
	if err := s.index(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) close() { _ = s.results.Close() } // read only

func (s *source) readRecordings(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only
	return review.EachLine(f, func(data []byte, p review.Place) error {
		var r interview.Recording
		if err := json.Unmarshal(data, &r); err != nil {
			return fmt.Errorf("%s:%d: %w: %w", InterviewsFile, p.Line, ErrResults, err)
		}
		s.recordings = append(s.recordings, r)
		return nil
	})
}

// index finds the places of all lines. Results of an interview that interviews.jsonl does not have are shown too.
func (s *source) index() error {
	known := map[string]bool{}
	for i := range s.recordings {
		known[s.recordings[i].Interview] = true
	}
	return review.EachLine(s.results, func(data []byte, p review.Place) error {
		var l struct{ Interview string }
		if err := json.Unmarshal(data, &l); err != nil {
			return fmt.Errorf("%s:%d: %w: %w", ResultsFile, p.Line, ErrResults, err)
		}
		if !known[l.Interview] {
			known[l.Interview] = true
			s.recordings = append(s.recordings, interview.Recording{Interview: l.Interview})
		}
		s.places[l.Interview] = append(s.places[l.Interview], p)
		return nil
	})
}

// each reads one interview after the other.
func (s *source) each(do func(*asked) error) error {
	for i := range s.recordings {
		iv := &asked{Recording: s.recordings[i], number: i + 1}
		for _, p := range s.places[iv.Interview] {
			data := make([]byte, p.Length)
			if _, err := s.results.ReadAt(data, p.Offset); err != nil {
				return fmt.Errorf("read %s: %w", ResultsFile, err)
			}
			l, err := review.Parse(data)
			if err != nil {
				return fmt.Errorf("%s:%d: %w: %w", ResultsFile, p.Line, ErrResults, err)
			}
			iv.lines = append(iv.lines, l)
		}
		slices.SortStableFunc(iv.lines, func(a, b *review.Line) int { return a.StartMS - b.StartMS })
		if err := do(iv); err != nil {
			return err
		}
	}
	return nil
}
