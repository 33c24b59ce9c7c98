package batch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sink is where lines of output go.
type sink interface {
	// empty reports whether the header of a table has to come first.
	empty() bool
	// write appends whole lines; at is the place in the input behind the last of them.
	write(lines []byte, at mark) error
	// finish makes the output final; end is the end of the input.
	finish(end mark, s *Summary) error
	// close gives up what is not finished, in a state that can be resumed.
	close() error
}

// earlier is what other runs left.
type earlier struct {
	tally    tally    // of the lines that are kept
	upTo     mark     // what was read of the input for them, or for a few more
	finished *Summary // of the same input and settings: there is nothing to do
}

// Names of the files beside a finished output.
const (
	partialSuffix = ".partial"
	metaSuffix    = ".meta.json"
	retrySuffix   = ".retry"
)

// openSink opens cfg.Out and takes up what is there. Nothing is touched if it refuses.
func openSink(ctx context.Context, cfg Config, in *input) (sink, *earlier, error) {
	fresh := &earlier{tally: newTally()}
	if cfg.Out == stream {
		if cfg.Resume {
			return nil, nil, refusef("standard output cannot be resumed; give a file as --out")
		}
		if f, ok := cfg.Stdout.(*os.File); ok && in.isFile(f.Stat()) {
			return nil, nil, refusef("standard output is the input file; choose another file")
		}
		return pipe{cfg.Stdout}, fresh, cfg.ready(ctx)
	}
	for _, name := range []string{cfg.Out, cfg.Out + partialSuffix, cfg.Out + metaSuffix, cfg.Out + retrySuffix} {
		if in.isFile(os.Stat(name)) {
			return nil, nil, refusef("%s is the input file; choose another --out", name)
		}
	}
	t := newTarget(cfg)
	info, err := os.Stat(cfg.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e, err := t.open(ctx, cfg)
		return t, e, err
	case err != nil:
		return nil, nil, refusef("write %s: %s", cfg.Out, reason(err))
	case info.IsDir():
		return nil, nil, refusef("%s is a folder; give a file as --out", cfg.Out)
	case !info.Mode().IsRegular():
		if cfg.Resume {
			return nil, nil, refusef("%s is no file and cannot be resumed; give a file as --out", cfg.Out)
		}
		f, err := os.OpenFile(cfg.Out, os.O_WRONLY, 0)
		if err != nil {
			return nil, nil, refusef("write %s: %s", cfg.Out, reason(err))
		}
		return pipe{f}, fresh, cfg.ready(ctx)
	}
	done, err := t.done(in, cfg.Resume || cfg.RetryErrors)
	if err != nil {
		return nil, nil, err
	}
	return pipe{io.Discard}, &earlier{tally: newTally(), finished: done}, nil
}

// isFile reports whether the input is the file that info describes, by whatever name or link.
func (in *input) isFile(info os.FileInfo, err error) bool {
	return err == nil && in.info != nil && info.Mode().IsRegular() && os.SameFile(in.info, info)
}

func (cfg Config) ready(ctx context.Context) error {
	if cfg.Ready == nil {
		return nil
	}
	return cfg.Ready(ctx)
}

func settings(cfg Config) map[string]string {
	all := map[string]string{"input format": formatName(cfg.In), "output format": formatName(cfg.Out)}
	maps.Copy(all, cfg.Settings)
	return all
}

func formatName(file string) string {
	if isCSV(file) {
		return "CSV"
	}
	return "JSON Lines"
}

// pipe is a sink that cannot be resumed.
type pipe struct{ w io.Writer }

func (p pipe) empty() bool { return true }

func (p pipe) write(lines []byte, _ mark) error {
	_, err := p.w.Write(lines)
	return err
}

func (p pipe) finish(mark, *Summary) error { return nil }

func (p pipe) close() error { return nil }

// target is a file that comes into being in three steps, each of which a killed process may be the last to see:
//
//  1. <out>.meta.json says what is going to be read, and for which settings
//  2. <out>.partial grows by whole lines for what the meta file says
//  3. at the end the meta file describes the finished output, and <out>.partial is renamed to <out>
//
// So the meta file is never behind the partial one: what the kept lines were made from is always known.
type target struct {
	out      string
	enc      encoder
	settings map[string]string
	file     *os.File
	hash     hash.Hash // of the partial file
	size     int64
}

func newTarget(cfg Config) *target {
	return &target{out: cfg.Out, enc: encoderFor(cfg.Out), settings: settings(cfg), hash: sha256.New()}
}

// meta is the file beside the output.
type meta struct {
	Settings map[string]string `json:"settings"`
	// Input is what the lines of the output were made from, or a little more while it is unfinished.
	Input mark `json:"input"`
	// Output describes the finished file.
	Output  *content `json:"output,omitempty"`
	Summary *Summary `json:"summary,omitempty"`
	// Retry is the number of lines, from the first, among which the retry file takes the place of those that failed.
	// Without it, a retry file is a leftover.
	Retry int `json:"retry,omitempty"`
}

// content is a file by its bytes.
type content struct {
	Bytes  int64  `json:"bytes"`
	SHA256 digest `json:"sha256"`
}

func (t *target) partial() string { return t.out + partialSuffix }

func (t *target) retried() string { return t.out + retrySuffix }

func (t *target) readMeta() (*meta, error) {
	data, err := os.ReadFile(t.out + metaSuffix)
	if err != nil {
		return nil, err
	}
	var m meta
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// writeMeta replaces the meta file as a whole.
func (t *target) writeMeta(m meta, sync bool) error {
	m.Settings = t.settings
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	name := t.out + metaSuffix
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if sync && err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// open starts the partial file, or takes it up.
func (t *target) open(ctx context.Context, cfg Config) (*earlier, error) {
	e := &earlier{tally: newTally()}
	info, err := os.Stat(t.partial())
	left := err == nil && info.Size() > 0
	if left && !cfg.Resume {
		return nil, refusef("%s is what an interrupted run left; add --resume to take it up, or delete it to begin again", t.partial())
	}
	if left {
		if e, err = t.takeUp(); err != nil {
			return nil, err
		}
	}
	if err := cfg.ready(ctx); err != nil {
		return nil, err
	}
	if !left {
		if err := t.writeMeta(meta{}, false); err != nil {
			return nil, refusef("write %s: %s; choose an --out in a folder that can be written", t.out, reason(err))
		}
	}
	if t.file, err = os.OpenFile(t.partial(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666); err != nil {
		return nil, refusef("write %s: %s; choose an --out in a folder that can be written", t.partial(), reason(err))
	}
	if err := t.file.Truncate(t.size); err != nil {
		return nil, fmt.Errorf("cut %s to whole lines: %w", t.partial(), err)
	}
	return e, nil
}

// takeUp finds out how much of the partial file can be kept.
func (t *target) takeUp() (*earlier, error) {
	m, err := t.readMeta()
	if err != nil {
		return nil, refusef("%s cannot be resumed without %s (%s); delete it to begin again", t.partial(), t.out+metaSuffix, reason(err))
	}
	if what := changed(m.Settings, t.settings); what != "" {
		return nil, refusef("%s cannot be resumed: %s; use the settings of the first run, or delete it to begin again", t.partial(), what)
	}
	f, err := os.Open(t.partial())
	if err != nil {
		return nil, refusef("read %s: %s", t.partial(), reason(err))
	}
	defer func() { _ = f.Close() }()
	e := &earlier{tally: newTally(), upTo: m.Input}
	lines := newSource(f, isCSV(t.out), maxOwnLine)
	if header := t.enc.header(); header != nil {
		rec, err := lines.next()
		if err != nil || !rec.complete || string(rec.data)+"\n" != string(header) {
			return e, nil
		}
		t.size = rec.at.Bytes
	}
	for e.tally.total < m.Input.Records { // what the meta file does not know of may have been lost by the disk
		rec, err := lines.next()
		if err != nil || rec.problem != "" || !rec.complete {
			break
		}
		o, err := t.enc.decode(rec.data)
		if err != nil {
			break
		}
		e.tally.add(o)
		t.size = rec.at.Bytes
	}
	if e.tally.total == 0 {
		t.size = 0 // the header is written again
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.partial(), err)
	}
	if _, err := io.CopyN(t.hash, f, t.size); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.partial(), err)
	}
	return e, nil
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
	if value == "" {
		return "absent"
	}
	if len(value) == 64 && strings.Trim(value, "0123456789abcdef") == "" {
		return value[:12]
	}
	return value
}

// done returns the summary of a finished output of the same input and settings; everything else is refused.
func (t *target) done(in *input, resume bool) (*Summary, error) {
	refuse := func(format string, args ...any) (*Summary, error) {
		return nil, refusef("%s exists already and %s; choose another --out or move it away", t.out, fmt.Sprintf(format, args...))
	}
	m, err := t.readMeta()
	if err != nil || m.Output == nil || m.Summary == nil {
		if resume {
			return refuse("no %s says what it was made from", t.out+metaSuffix)
		}
		return refuse("is not the finished result of this input")
	}
	is, err := contentOf(t.out)
	if err != nil {
		return refuse("cannot be read: %s", reason(err))
	}
	if is != *m.Output && !t.renamed(*m.Output) {
		return refuse("is not as it was when it was finished")
	}
	if what := changed(m.Settings, t.settings); what != "" {
		return refuse("was made with other settings: %s", what)
	}
	for {
		_, err := in.source.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %s", in.name, reason(err))
		}
	}
	if end := in.source.mark(); end != m.Input {
		return refuse("was made from another input: %s had %d answers then and has changed", in.name, m.Input.Records)
	}
	s := m.Summary
	s.Kept, s.Seconds, s.Unchanged, s.Spent, s.Saved = s.Lines, 0, true, nil, nil
	return s, nil
}

// renamed gives the output the content that a retry had finished when it was killed just before its last step.
func (t *target) renamed(want content) bool {
	is, err := contentOf(t.partial())
	return err == nil && is == want && os.Rename(t.partial(), t.out) == nil
}

func contentOf(name string) (content, error) {
	f, err := os.Open(name)
	if err != nil {
		return content{}, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	c := content{Bytes: n}
	h.Sum(c.SHA256[:0])
	return c, err
}

func (t *target) empty() bool { return t.size == 0 }

func (t *target) write(lines []byte, at mark) error {
	if err := t.writeMeta(meta{Input: at}, false); err != nil {
		return fmt.Errorf("write %s: %s", t.out+metaSuffix, reason(err))
	}
	if _, err := t.file.Write(lines); err != nil {
		return fmt.Errorf("write %s: %s", t.partial(), reason(err))
	}
	t.hash.Write(lines)
	t.size += int64(len(lines))
	return nil
}

func (t *target) finish(end mark, s *Summary) error {
	if err := t.close(); err != nil {
		return err
	}
	c := content{Bytes: t.size}
	t.hash.Sum(c.SHA256[:0])
	if err := t.writeMeta(meta{Input: end, Output: &c, Summary: s}, true); err != nil {
		return fmt.Errorf("write %s: %s", t.out+metaSuffix, reason(err))
	}
	if err := os.Rename(t.partial(), t.out); err != nil {
		return fmt.Errorf("rename %s: %w", t.partial(), err)
	}
	if dir, err := os.Open(filepath.Dir(t.out)); err == nil { // best effort: not every system can sync a folder
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// close puts what was written on the disk. Closing twice does nothing.
func (t *target) close() error {
	if t.file == nil {
		return nil
	}
	err := errors.Join(t.file.Sync(), t.file.Close())
	t.file = nil
	if err != nil {
		return fmt.Errorf("write %s: %s", t.partial(), reason(err))
	}
	return nil
}
