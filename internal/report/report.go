// Package report writes the results of interviews as pages to read and tables to count with: one HTML page for each
// interview, one over all of them, and two CSV files. Pages need no other file, no script and no network; what
// candidates said is hostile input and is escaped wherever it goes. The same results give the same bytes. The main
// entry is Write.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/vivagrader/grader/internal/review"
	"github.com/vivagrader/grader/internal/rubric"
)

// The files that are read.
const (
	ResultsFile    = "results.jsonl"
	InterviewsFile = review.InterviewsFile
)

// The folders that are written, below the one of the results. The second is for Options.Anonymous.
const (
	Folder          = "report"
	AnonymousFolder = "report-anonymous"
)

// The names in such a folder.
const (
	indexPage      = "index.html"
	pagesFolder    = "interviews"
	candidatesFile = "candidates.csv"
	pointsFile     = "points.csv"
)

// Options say what to write.
type Options struct {
	// Question returns a question by the id in the results, or nil where no bank has it. Titles, categories and the
	// wording of misconceptions come from it.
	Question func(id string) *rubric.Question
	// Anonymous puts numbers in the place of names and file names.
	Anonymous bool
}

// Write reads results.jsonl and interviews.jsonl in dir and writes the reports into a folder below it. It returns the
// page to open first. Each file is replaced as a whole, the first page last; pages of interviews that are no longer in
// the results are removed. Memory does not grow with the answers, only with the numbers of interviews and questions.
func Write(dir string, o Options) (string, error) {
	src, err := openSource(dir)
	if err != nil {
		return "", err
	}
	defer src.close()
	out := filepath.Join(dir, Folder)
	if o.Anonymous {
		out = filepath.Join(dir, AnonymousFolder)
	}
	if err := os.MkdirAll(filepath.Join(out, pagesFolder), 0o777); err != nil {
		return "", fmt.Errorf("make the folder of the report: %w", err)
	}
	pages, err := parsePages()
	if err != nil {
		return "", err
	}
	w := &writer{dir: out, pages: pages, options: o, cohort: newCohort()}
	index := filepath.Join(out, indexPage)
	switch err := w.all(src, index); {
	case errors.Is(err, ErrResults):
		return "", err
	case err != nil:
		return "", fmt.Errorf("the reports could not be written: %w; put that right and write them again", err)
	}
	return index, nil
}

// writer writes one report.
type writer struct {
	dir        string
	pages      *template.Template
	options    Options
	cohort     *cohort
	names      pageNames
	candidates *table
	points     *table
}

// all writes everything, the first page last.
func (w *writer) all(src *source, index string) error {
	if err := w.tables(func() error { return src.each(w.interview) }); err != nil {
		return err
	}
	if err := w.sweep(); err != nil {
		return err
	}
	return w.page(index, "cohort", w.cohort.page(w.options.Anonymous))
}

// interview writes the page of one interview, its lines in the tables, and counts it.
func (w *writer) interview(iv *asked) error {
	p := newInterviewPage(iv, w.names.next(iv, w.options.Anonymous), w.options)
	w.cohort.add(p)
	w.candidates.write(candidateCells(p)...)
	for _, q := range p.Questions {
		for _, row := range pointRows(p, q) {
			w.points.write(row...)
		}
	}
	return w.page(filepath.Join(w.dir, pagesFolder, p.file), "interview", p)
}

// tables opens both CSV files, lets fill write their lines, and puts them in place.
func (w *writer) tables(fill func() error) error {
	return replace(filepath.Join(w.dir, candidatesFile), func(c io.Writer) error {
		return replace(filepath.Join(w.dir, pointsFile), func(p io.Writer) error {
			w.candidates, w.points = newTable(c, candidateColumns), newTable(p, pointColumns)
			return errors.Join(fill(), w.candidates.flush(), w.points.flush())
		})
	})
}

// sweep removes the pages of earlier reports that this one did not write.
func (w *writer) sweep() error {
	old, err := filepath.Glob(filepath.Join(w.dir, pagesFolder, "*.html"))
	if err != nil {
		return fmt.Errorf("list old pages: %w", err)
	}
	for _, name := range old {
		if !w.names.taken[strings.ToLower(filepath.Base(name))] {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// page writes a page by its template.
func (w *writer) page(name, kind string, data any) error {
	var b bytes.Buffer
	if err := w.pages.ExecuteTemplate(&b, kind+".html", data); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	return replace(name, func(out io.Writer) error {
		_, err := b.WriteTo(out)
		return err
	})
}

// replace writes a file beside its place and then puts it there, so that nobody sees half of it.
func replace(name string, write func(io.Writer) error) error {
	tmp := fmt.Sprintf("%s.%d.tmp", name, os.Getpid()) // another process may be writing the same
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}
