package batch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/vivagrader/grader/internal/grade"
)

// mayPass reports whether grading the line again can give another result without anybody changing the input.
func (o outcome) mayPass() bool {
	if o.code != "" {
		return o.code != code.Code_INVALID_ARGUMENT.String() && o.code != code.Code_NOT_FOUND.String()
	}
	return o.state == string(grade.Degraded)
}

// retry grades again what may pass among the first lines of the output, which is finished; s is its summary if there is
// nothing. Until all of that is done the output stays as it is, and the new lines, in order, are in <out>.retry; then
// both are merged into <out>.partial, which takes the place of the output.
func (r *run) retry(ctx context.Context, first int, s *Summary) (*Summary, error) {
	if r.cfg.In == stream {
		return &Summary{}, refusef("lines of %s cannot be graded again from standard input; give the answers as a file", r.cfg.Out)
	}
	t := newTarget(r.cfg)
	m, err := t.readMeta()
	if err != nil {
		return &Summary{}, err
	}
	p := &patch{target: t, meta: *m}
	if m.Retry > 0 {
		first = m.Retry
	}
	p.meta.Retry = first
	before, todo, err := p.survey()
	if err != nil {
		return &Summary{}, err
	}
	if todo == 0 {
		return s, nil
	}
	if err := r.cfg.ready(ctx); err != nil {
		return &Summary{}, err
	}
	if before, err = p.open(before, m.Retry > 0); err != nil {
		return &Summary{}, err
	}
	in, err := openInput(r.cfg)
	if err != nil {
		return &Summary{}, err
	}
	defer in.close()
	if err := in.readHeader(); err != nil {
		return &Summary{}, err
	}
	old, err := t.lines(t.out, true)
	if err != nil {
		return &Summary{}, err
	}
	defer old.close()
	done := p.done
	rd := &reader{in: in, proven: true, ids: map[uint64]struct{}{}, wanted: func(n int) (bool, error) {
		o, err := old.next()
		if errors.Is(err, io.EOF) {
			err = p.changed()
		}
		if err != nil || n > first || !o.mayPass() {
			return false, err
		}
		done--
		return done < 0, nil
	}}
	err = r.through(ctx, in, p, rd, before)
	return r.summary(), err
}

// patch is the sink of a retry: a file of lines that take the place of the failed ones among the first meta.Retry lines
// of the output.
type patch struct {
	*target
	meta meta
	done int // lines that the file has already
	file *os.File
}

// survey counts the lines that stay, and how many are to be graded again.
func (p *patch) survey() (stay tally, todo int, err error) {
	stay = newTally()
	err = p.each(func(o outcome, again bool, _ []byte) error {
		if again {
			todo++
		} else {
			stay.add(o)
		}
		return nil
	})
	return stay, todo, err
}

// each visits the lines of the output, and the header of a table as one that stays and counts for nothing.
func (p *patch) each(visit func(o outcome, again bool, raw []byte) error) error {
	old, err := p.lines(p.out, true)
	if err != nil {
		return err
	}
	defer old.close()
	for n := 1; ; n++ {
		o, err := old.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = visit(o, n <= p.meta.Retry && o.mayPass(), old.raw)
		}
		if err != nil {
			return err
		}
	}
}

// open begins the retry file, or takes up one that was left: its lines are added to the tally.
func (p *patch) open(t tally, left bool) (tally, error) {
	size := int64(0)
	if left {
		if old, err := p.lines(p.retried(), false); err == nil {
			for {
				o, err := old.next()
				if err != nil {
					break // the end, or half a line
				}
				t.add(o)
				p.done, size = p.done+1, old.at
			}
			old.close()
		}
	}
	f, err := os.OpenFile(p.retried(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err == nil {
		p.file = f
		err = f.Truncate(size)
	}
	if err == nil {
		err = p.writeMeta(p.meta, false)
	}
	if err != nil {
		return t, refusef("write %s: %s; the output must be in a folder that can be written", p.retried(), reason(err))
	}
	return t, nil
}

func (p *patch) write(lines []byte, _ mark) error {
	if _, err := p.file.Write(lines); err != nil {
		return fmt.Errorf("write %s: %s", p.retried(), reason(err))
	}
	return nil
}

// finish merges output and retry file.
func (p *patch) finish(end mark, s *Summary) error {
	if end != p.meta.Input {
		return p.changed()
	}
	if err := p.close(); err != nil {
		return err
	}
	again, err := p.lines(p.retried(), false)
	if err != nil {
		return err
	}
	defer again.close()
	if p.target.file, err = os.Create(p.partial()); err != nil {
		return fmt.Errorf("write %s: %s", p.partial(), reason(err))
	}
	merged := bufio.NewWriterSize(io.MultiWriter(p.target.file, p.hash), flushBytes)
	p.size = 0
	put := func(raw []byte) error {
		p.size += int64(len(raw))
		_, err := merged.Write(raw)
		return err
	}
	err = put(p.enc.header())
	if err == nil {
		err = p.each(func(_ outcome, replaced bool, raw []byte) error {
			if !replaced {
				return put(raw)
			}
			if _, err := again.next(); err != nil {
				return err
			}
			return put(again.raw)
		})
	}
	if err = errors.Join(err, merged.Flush()); err != nil {
		_ = p.target.close()
		return fmt.Errorf("write %s: %s", p.partial(), reason(err))
	}
	if err := p.target.finish(end, s); err != nil {
		return err
	}
	_ = os.Remove(p.retried()) // a leftover does no harm
	return nil
}

func (p *patch) changed() error {
	return refusef("the answers have changed since %s was finished; give the same file again, or another --out", p.out)
}

func (p *patch) empty() bool { return false } // no header: the lines go elsewhere

func (p *patch) close() error {
	if p.file == nil {
		return nil
	}
	err := errors.Join(p.file.Sync(), p.file.Close())
	p.file = nil
	if err != nil {
		return fmt.Errorf("write %s: %s", p.retried(), reason(err))
	}
	return nil
}

// ownLines reads a file of this package's own output, line by line.
type ownLines struct {
	file *os.File
	src  *source
	enc  encoder
	raw  []byte // the last line as it stands in the file, with its line break
	at   int64  // behind it
}

// lines opens a file in the format of the output, behind its header if it has one.
func (t *target) lines(name string, header bool) (*ownLines, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %s", name, reason(err))
	}
	o := &ownLines{file: f, src: newSource(f, isCSV(t.out), maxOwnLine), enc: t.enc}
	if header && t.enc.header() != nil {
		rec, err := o.src.next()
		if err != nil {
			o.close()
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		o.at = rec.at.Bytes
	}
	return o, nil
}

// next returns the outcome of the next line, or io.EOF. Half a line at the end is an error.
func (o *ownLines) next() (outcome, error) {
	rec, err := o.src.next()
	if err != nil {
		return outcome{}, err
	}
	if rec.problem != "" || !rec.complete {
		return outcome{}, errNotOurs
	}
	out, err := o.enc.decode(rec.data)
	if err != nil {
		return outcome{}, err
	}
	o.raw = make([]byte, rec.at.Bytes-o.at)
	if _, err := o.file.ReadAt(o.raw, o.at); err != nil {
		return outcome{}, err
	}
	o.at = rec.at.Bytes
	return out, nil
}

func (o *ownLines) close() { _ = o.file.Close() } // only read
