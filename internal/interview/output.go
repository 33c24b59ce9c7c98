package interview

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"
)

// The files in the folder of results. While a run is under way, results and interviews end in .partial.
const (
	resultsFile    = "results.jsonl"
	interviewsFile = "interviews.jsonl"
	journalFile    = "run.jsonl"
	lockFile       = ".lock"
	transcriptsDir = "transcripts"
	partialSuffix  = ".partial"
)

// RefusedError means that the interviews cannot be graded as asked; results of earlier runs are untouched.
type RefusedError struct{ reason string }

// Error says why, and what to do.
func (e *RefusedError) Error() string { return e.reason }

func refusef(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// output is the folder that results go to. Its journal says what was begun and how far it has come: the first line
// holds the settings; each further one is written when an interview is on the disk as a whole, and gives the sizes that
// the files have then; the last one says that all is done. So a process that is killed at any moment leaves whole
// interviews, once what is behind the last sizes is cut off.
type output struct {
	dir     string
	files   []*growing
	journal *growing
	lock    *flock.Flock
	earlier *earlier     // the finished output that a retry goes through
	ready   func() error // is asked before anything is written
}

// growing is a file that only grows.
type growing struct {
	name string // when it is finished
	file *os.File
	size int64
}

// journalLine is a line of the journal.
type journalLine struct {
	Settings map[string]string `json:"settings,omitempty"`
	// Retry begins another run over a finished output: the number of interviews that are tried again where they failed,
	// with the hashes of the files that it is made From.
	Retry int      `json:"retry,omitempty"`
	From  []string `json:"from,omitempty"`
	// Sizes of the files behind an interview, and the summary up to there.
	Sizes   []int64  `json:"sizes,omitempty"`
	Summary *Summary `json:"summary,omitempty"`
	// Finished is written when nothing more comes, with the hash of the map that was written, if one was.
	Finished bool   `json:"finished,omitempty"`
	Map      string `json:"map,omitempty"`
}

// opening says how the folder of results is to be opened.
type opening struct {
	mapFile  string // to write, or empty
	settings map[string]string
	resume   bool         // take up what an interrupted run left
	retry    int          // so many interviews of a finished output are tried again where they failed
	ready    func() error // is asked before anything is written
}

// openOutput opens the folder. done is not nil when there is nothing to do.
func openOutput(dir string, how opening) (_ *output, before, done *Summary, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, nil, nil, refusef("make the folder %s: %s; choose another --out", dir, reason(err))
	}
	o := &output{dir: dir, lock: flock.New(filepath.Join(dir, lockFile)), journal: &growing{name: filepath.Join(dir, journalFile)}, ready: how.ready}
	switch got, err := o.lock.TryLock(); {
	case err != nil:
		return nil, nil, nil, refusef("write into %s: %s; choose another --out", dir, reason(err))
	case !got:
		return nil, nil, nil, refusef("another grader is writing into %s; wait for it, or choose another --out", dir)
	}
	defer func() {
		if err != nil || done != nil {
			err = errors.Join(err, o.close())
		}
	}()
	o.files = []*growing{{name: filepath.Join(dir, resultsFile)}, {name: filepath.Join(dir, interviewsFile)}}
	if how.mapFile != "" {
		o.files = append(o.files, &growing{name: how.mapFile})
	}
	lines, ends, err := readJournal(o.journal.name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(lines) == 0:
		return o, &Summary{}, nil, o.begin(how.settings)
	case err != nil:
		return nil, nil, nil, refusef("read %s: %s; choose another --out", o.journal.name, reason(err))
	}
	last := lines[len(lines)-1]
	what := changed(lines[0].Settings, how.settings)
	if last.Finished {
		if err := o.rename(); err != nil {
			return nil, nil, nil, err
		}
	}
	finished := last.Finished || lastRun(lines) > 0
	switch {
	case len(lines) == 1: // nothing was done
		return o, &Summary{}, nil, o.begin(how.settings)
	case finished && what != "":
		return nil, nil, nil, refusef("%s holds results already, made with other settings: %s; choose another --out or move it away", dir, what)
	case finished && how.mapFile != "" && hashOf(how.mapFile) != writtenMap(lines):
		return nil, nil, nil, refusef("%s has changed since it was written; choose another --out to grade by it", how.mapFile)
	case last.Finished && how.retry > 0:
		if begun, err := o.retry(lines, ends, how.retry); begun || err != nil {
			return o, &Summary{}, nil, err
		}
		return o, nil, last.Summary, nil
	case last.Finished:
		return o, nil, last.Summary, nil
	case finished && !how.resume && how.retry == 0:
		return nil, nil, nil, refusef("--retry-errors was interrupted in %s; add --resume to go on with it", dir)
	case finished:
		before, done, err = o.takeUpRetry(lines, ends)
		return o, before, done, err
	case !how.resume:
		return nil, nil, nil, refusef("%s is what an interrupted run left; add --resume to take it up, or delete it to begin again", dir)
	case what != "":
		return nil, nil, nil, refusef("%s cannot be resumed: %s; use the settings of the first run, or delete it to begin again", dir, what)
	}
	before, err = o.takeUp(lines, ends)
	return o, before, nil, err
}

// writtenMap is the hash of the map that the last finished run has written.
func writtenMap(lines []journalLine) string {
	for _, l := range slices.Backward(lines) {
		if l.Finished {
			return l.Map
		}
	}
	return ""
}

// begin starts the files of a new run.
func (o *output) begin(settings map[string]string) error {
	for _, f := range o.files[:2] {
		if _, err := os.Stat(f.name); err == nil {
			return refusef("%s exists already and no %s says what it was made from; choose another --out or move it away", f.name, journalFile)
		}
	}
	if err := o.ready(); err != nil {
		return err
	}
	if err := o.start(); err != nil {
		return err
	}
	if err := o.journal.open("", 0); err != nil {
		return refusef("write %s: %s; choose an --out that can be written", o.journal.name, reason(err))
	}
	return o.note(journalLine{Settings: settings, Sizes: o.beginning()})
}

// start opens the files from their beginning.
func (o *output) start() error {
	for i, f := range o.files {
		if err := f.open(partialSuffix, 0); err != nil {
			return refusef("write %s: %s; choose an --out that can be written", f.name, reason(err))
		}
		if i == 2 {
			if err := f.write(mapHeader()); err != nil {
				return err
			}
		}
	}
	return nil
}

// beginning are the sizes of the files before the first interview.
func (o *output) beginning() []int64 {
	sizes := make([]int64, len(o.files))
	if len(sizes) > 2 {
		sizes[2] = int64(len(mapHeader()))
	}
	return sizes
}

// takeUp cuts the files to the last interview that is whole.
func (o *output) takeUp(lines []journalLine, ends []int64) (*Summary, error) {
	if err := o.ready(); err != nil {
		return nil, err
	}
	for i := len(lines) - 1; i >= lastRun(lines); i-- {
		l := lines[i]
		if !o.holds(l.Sizes) { // the disk lost what the journal speaks of
			continue
		}
		for k, f := range o.files {
			if err := f.open(partialSuffix, l.Sizes[k]); err != nil {
				return nil, refusef("take up %s: %s", f.name+partialSuffix, reason(err))
			}
		}
		if err := o.journal.open("", ends[i]); err != nil {
			return nil, refusef("take up %s: %s", o.journal.name, reason(err))
		}
		if s := l.Summary; s != nil {
			s.Kept = s.Interviews
			return s, nil
		}
		return &Summary{}, nil
	}
	return nil, refusef("%s cannot be resumed: its files are shorter than %s says; delete it to begin again", o.dir, journalFile)
}

// holds reports whether the files have at least these sizes.
func (o *output) holds(sizes []int64) bool {
	if len(sizes) != len(o.files) {
		return false
	}
	for i, f := range o.files {
		if info, err := os.Stat(f.name + partialSuffix); err != nil || info.Size() < sizes[i] {
			return false
		}
	}
	return true
}

func (o *output) sizes() []int64 {
	var out []int64
	for _, f := range o.files {
		out = append(out, f.size)
	}
	return out
}

// add appends an interview to the files, in their order, and then says so in the journal.
func (o *output) add(parts [][]byte, s *Summary) error {
	for i, f := range o.files {
		if err := f.write(parts[i]); err != nil {
			return err
		}
	}
	for _, f := range o.files {
		if err := f.file.Sync(); err != nil {
			return fmt.Errorf("write %s: %s", f.name+partialSuffix, reason(err))
		}
	}
	return o.note(journalLine{Sizes: o.sizes(), Summary: s})
}

func (o *output) note(l journalLine) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return o.journal.write(append(data, '\n'))
}

// finish puts the files in place.
func (o *output) finish(s *Summary) error {
	line := journalLine{Finished: true, Summary: s}
	if len(o.files) > 2 {
		line.Map = hashOf(o.files[2].name + partialSuffix)
	}
	if err := o.note(line); err != nil {
		return err
	}
	return errors.Join(o.journal.file.Sync(), o.rename())
}

// hashOf is the SHA-256 of a file; empty where it cannot be read.
func hashOf(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// rename gives files that are complete their names. A killed process may have given them to some.
func (o *output) rename() error {
	for _, f := range o.files {
		if err := os.Rename(f.name+partialSuffix, f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rename %s: %s", f.name+partialSuffix, reason(err))
		}
	}
	return nil
}

// close ends the use of the folder, in a state that can be resumed.
func (o *output) close() error {
	var all error
	for _, f := range append(slices.Clone(o.files), o.journal) {
		if f.file != nil {
			all = errors.Join(all, f.file.Close())
			f.file = nil
		}
	}
	if o.earlier != nil {
		all = errors.Join(all, o.earlier.close())
		o.earlier = nil
	}
	return errors.Join(all, o.lock.Close())
}

// open opens a file to go on behind its first bytes.
func (f *growing) open(suffix string, size int64) error {
	var err error
	if f.file, err = os.OpenFile(f.name+suffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666); err != nil {
		return err
	}
	f.size = size
	return f.file.Truncate(size)
}

func (f *growing) write(data []byte) error {
	n, err := f.file.Write(data)
	f.size += int64(n)
	if err != nil {
		return fmt.Errorf("write %s: %s", f.file.Name(), reason(err))
	}
	return nil
}

// readJournal reads the whole lines of a journal, with the byte behind each.
func readJournal(name string) (lines []journalLine, ends []int64, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	in := bufio.NewScanner(bytes.NewReader(data))
	in.Buffer(nil, len(data)+1)
	at := int64(0)
	for in.Scan() {
		at += int64(len(in.Bytes())) + 1
		var l journalLine
		if at > int64(len(data)) || json.Unmarshal(in.Bytes(), &l) != nil {
			break // cut off
		}
		lines, ends = append(lines, l), append(ends, at)
	}
	return lines, ends, in.Err()
}

// changed names the first setting that is not as it was.
func changed(was, is map[string]string) string {
	names := slices.Sorted(maps.Keys(is))
	for _, n := range slices.Sorted(maps.Keys(was)) {
		if _, ok := is[n]; !ok {
			names = append(names, n)
		}
	}
	for _, n := range names {
		if was[n] != is[n] {
			return fmt.Sprintf("%s has changed (was %s, is %s)", n, shown(was[n]), shown(is[n]))
		}
	}
	return ""
}

// shown is a setting's value for people; hashes are long.
func shown(value string) string {
	const most = 60
	switch {
	case value == "":
		return "absent"
	case len(value) == 64:
		return value[:12]
	case len(value) > most:
		return value[:most] + "…"
	}
	return value
}
