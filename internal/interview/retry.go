package interview

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/vivagrader/grader/internal/grade"
)

// mayPass reports whether the same request can fare better another time.
func (f *Failure) mayPass() bool {
	return f != nil && f.Code != code.Code_INVALID_ARGUMENT.String() && f.Code != code.Code_NOT_FOUND.String()
}

// mayPass reports whether grading the line again can give another result. What a human settled stays.
func (l *resultLine) mayPass() bool {
	return l.result.Review == nil && (l.state == grade.Degraded || l.result.Error.mayPass())
}

// written is an interview as a finished output has it.
type written struct {
	recording Recording
	raw       []byte // the line of the recording
	lines     []resultLine
	rows      []byte // of the map
	again     bool   // it is to be tried again if it may pass
}

func (w *written) mayPass() bool {
	if !w.again {
		return false
	}
	for i := range w.lines {
		if w.lines[i].mayPass() {
			return true
		}
	}
	return w.recording.Error.mayPass()
}

// earlier reads a finished output, interview by interview.
type earlier struct {
	files      []*os.File // results, interviews, and the map if there is one
	results    *bufio.Reader
	interviews *bufio.Reader
	ends       []int64 // of the rows of each interview in the map, behind its header
	first      int     // interviews that are tried again
	read       int
}

// errChanged means that an output is not what its journal says.
var errChanged = errors.New("it is not what this program wrote")

// openEarlier opens the finished files of o, of which the first interviews are to be tried again. run is what the
// journal says of the run that has written them.
func (o *output) openEarlier(run []journalLine, first int) (*earlier, error) {
	e := &earlier{first: first}
	for _, f := range o.files {
		file, err := os.Open(f.name)
		if err != nil {
			return nil, errors.Join(refusef("read %s: %s; choose another --out", f.name, reason(err)), e.close())
		}
		e.files = append(e.files, file)
	}
	e.results, e.interviews = bufio.NewReader(e.files[0]), bufio.NewReader(e.files[1])
	for i := range run {
		if s := run[i].Sizes; len(s) > 2 {
			e.ends = append(e.ends, s[2])
		}
	}
	return e, nil
}

// next is the next interview, or io.EOF.
func (e *earlier) next() (*written, error) {
	w := &written{again: e.read < e.first}
	var err error
	if w.raw, err = e.interviews.ReadBytes('\n'); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(w.raw, &w.recording); err != nil {
		return nil, errChanged
	}
	for range w.recording.Questions {
		raw, err := e.results.ReadBytes('\n')
		if err != nil {
			return nil, errChanged
		}
		l, err := readLine(raw)
		if err != nil || l.result.Interview != w.recording.Interview {
			return nil, errChanged
		}
		w.lines = append(w.lines, l)
	}
	if len(e.files) > 2 {
		if e.read+1 >= len(e.ends) {
			return nil, errChanged
		}
		w.rows = make([]byte, e.ends[e.read+1]-e.ends[e.read])
		if _, err := e.files[2].ReadAt(w.rows, e.ends[e.read]); err != nil {
			return nil, errChanged
		}
	}
	e.read++
	return w, nil
}

func readLine(raw []byte) (resultLine, error) {
	l := resultLine{raw: raw}
	if err := json.Unmarshal(raw, &l.result); err != nil || l.result.Critique == nil {
		return l, err
	}
	var c struct {
		State grade.State `json:"state"`
	}
	err := json.Unmarshal(l.result.Critique, &c)
	l.state = c.State
	return l, err
}

func (e *earlier) close() error {
	var all error
	for _, f := range e.files {
		all = errors.Join(all, f.Close())
	}
	return all
}

// failures counts the interviews with something that may pass.
func (e *earlier) failures() (int, error) {
	n := 0
	for {
		w, err := e.next()
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return 0, err
		case w.mayPass():
			n++
		}
	}
}

// retry begins a second run over a finished output, in which the first interviews are tried again where they failed and
// everything else is copied. The finished files stay in place until all of it is done. It returns false, and does
// nothing, when there is nothing to try again.
func (o *output) retry(lines []journalLine, ends []int64, first int) (bool, error) {
	e, err := o.openEarlier(lines[lastRun(lines):], first)
	if err != nil {
		return false, err
	}
	n, err := e.failures()
	if err = errors.Join(err, e.close()); err != nil {
		return false, refusef("read %s: %s; choose another --out", o.dir, err)
	}
	if n == 0 {
		return false, nil
	}
	if err := o.ready(); err != nil {
		return false, err
	}
	if o.earlier, err = o.openEarlier(lines[lastRun(lines):], first); err != nil {
		return false, err
	}
	// first the journal: it keeps what stands in .partial from being taken for a finished file
	if err = o.journal.open("", ends[len(ends)-1]); err == nil {
		err = o.note(journalLine{Retry: first, From: o.hashes(), Sizes: o.beginning()})
	}
	if err == nil {
		err = o.journal.file.Sync()
	}
	if err == nil {
		err = o.start()
	}
	if err != nil {
		return false, refusef("write into %s: %s; the folder must be one that can be written", o.dir, reason(err))
	}
	return true, nil
}

// takeUpRetry goes on with a retry that was interrupted, or begins it again if what it was made from has changed.
func (o *output) takeUpRetry(lines []journalLine, ends []int64) (before, done *Summary, err error) {
	at := lastRun(lines)
	first, finished := lines[at].Retry, lines[:at]
	hashes := o.hashes()
	same := len(hashes) == len(lines[at].From)
	for i := range hashes {
		same = same && hashes[i] == lines[at].From[i]
	}
	if !same || !o.holds(lines[at].Sizes) {
		switch begun, err := o.retry(finished, ends[:at], first); {
		case err != nil:
			return nil, nil, err
		case !begun:
			return nil, finished[at-1].Summary, o.cutJournal(ends[at-1])
		}
		return &Summary{}, nil, nil
	}
	if before, err = o.takeUp(lines, ends); err != nil {
		return nil, nil, err
	}
	if o.earlier, err = o.openEarlier(finished[lastRun(finished):], first); err != nil {
		return nil, nil, err
	}
	for range before.Interviews {
		if _, err := o.earlier.next(); err != nil {
			return nil, nil, refusef("read %s: %s; choose another --out", o.dir, err)
		}
	}
	return before, nil, nil
}

// cutJournal leaves out what the journal says of a retry that has nothing left to do.
func (o *output) cutJournal(end int64) error {
	for _, f := range o.files { // first: behind a finished run they would be taken for its files
		if err := os.Remove(f.name + partialSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %s", f.name+partialSuffix, reason(err))
		}
	}
	return os.Truncate(o.journal.name, end)
}

// lastRun is the line of the journal with which the last run begins: its settings, or that it is a retry.
func lastRun(lines []journalLine) int {
	at := len(lines) - 1
	for at > 0 && lines[at].Retry == 0 {
		at--
	}
	return at
}

// hashes are those of the finished results and interviews.
func (o *output) hashes() []string {
	return []string{hashOf(filepath.Join(o.dir, resultsFile)), hashOf(filepath.Join(o.dir, interviewsFile))}
}

// keep leaves an interview as it was.
func (u *job) keep() {
	u.recording, u.raw, u.lines, u.rows = u.old.recording, u.old.raw, u.old.lines, u.old.rows
	u.kept = true
}

// renew leaves of an interview what its answers have no part in.
func (u *job) renew() {
	graded := u.recording.GradedWords
	u.recording, u.rows = u.old.recording, u.old.rows
	if graded == u.recording.GradedWords {
		u.raw = u.old.raw
	}
	u.recording.GradedWords = graded
}

// matches reports whether the questions are those of the lines that were written.
func (w *written) matches(asked []Asked) bool {
	if len(asked) != len(w.lines) {
		return false
	}
	for i := range asked {
		if r := &w.lines[i].result; r.QuestionID != asked[i].Question || r.Asked != asked[i].Text {
			return false
		}
	}
	return true
}

// errOtherCourse means that an interview is not understood as it was.
var errOtherCourse = errors.New("it is understood otherwise than before; grade it into another --out")
