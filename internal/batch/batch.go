// Package batch grades a file of answers, JSON Lines or CSV, into a file of results: one line of output for every input
// line that is not blank, in the order of the input, whatever the line holds. Memory does not grow with the number of
// lines, apart from eight bytes or so for each id. A run that was cut short at any moment can be taken up again. The
// main entry is Run.
package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
)

// Grader grades one answer and keeps the time. Implementations are safe for concurrent use and honour ctx. A question
// that they do not have is an error that wraps rubric.ErrUnknownQuestion; a *StopError ends the run; every other error
// ends up in the line's output, with its code if it is a *LineError, and does not stop the batch.
type Grader interface {
	Grade(ctx context.Context, question string, a grade.Answer) (*grade.Critique, error)
}

// StopError says that no answer can be graded any more. What is written can be taken up like after an interruption.
type StopError struct{ Err error }

// Error is that of the cause.
func (e *StopError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Err }

// Config says what to grade and where to put the results.
type Config struct {
	// In and Out are files: CSV if the name ends in .csv, else JSON Lines. "-" is Stdin and Stdout, JSON Lines. Out may
	// be a device or a pipe as well. Such a stream cannot be resumed.
	In, Out string
	Stdin   io.Reader
	Stdout  io.Writer
	// Settings is everything besides input and formats that changes results, by names that people understand. A
	// resume with other settings is refused.
	Settings map[string]string
	// Concurrency is the number of answers that are graded at a time; 0 means one for each CPU.
	Concurrency int
	// Resume takes up what an interrupted run left.
	Resume bool
	// RetryErrors grades again what failed for a reason that may pass, in what an earlier run left and in a finished
	// output: critiques in state DEGRADED, and errors other than INVALID_ARGUMENT and NOT_FOUND. All other lines stay
	// byte for byte.
	RetryErrors bool
	// Ready, unless nil, is called once before the first answer is graded, and before any file is touched. Its error
	// ends the run. It is not called when there is nothing to do.
	Ready func(ctx context.Context) error
	// Usage, unless nil, is what grading has cost so far in this run, and what a cache has saved.
	Usage func() (spent, saved grade.Usage)
	// MaxCost in US dollars: once Usage has spent it, no answer is begun, and Run ends with ErrMaxCost when those under
	// way are written. 0 is no limit.
	MaxCost float64
	// Progress, unless nil, is called from time to time, never at the same time, with what is done so far and the
	// share of the input that is through: 0 to 1, or less than 0 where the length of the input is not known.
	Progress func(s *Summary, share float64)
}

// RefusedError means that the batch cannot be run as asked; results of earlier runs are untouched.
type RefusedError struct{ reason string }

// Error says why, and what to do.
func (e *RefusedError) Error() string { return e.reason }

func refusef(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// ErrMaxCost means that MaxCost was reached before the end. What is written can be taken up like after an interruption.
var ErrMaxCost = errors.New("the highest cost is reached")

const (
	// minWindow and windowPerWorker bound how many answers are between reading and writing: enough to keep every
	// worker busy while one answer takes long, few enough to stay small.
	minWindow       = 256
	windowPerWorker = 32
	// flushBytes and flushEvery bound what a killed run loses.
	flushBytes = 4 << 20
	flushEvery = 100 * time.Millisecond
)

// Run grades all of cfg.In into cfg.Out. Results that are finished already, of the same input and settings, are left as
// they are, unless cfg.RetryErrors. The error is a *RefusedError, ErrMaxCost, ctx's, Ready's, the grader's
// *StopError, or one of reading or writing; the summary says in each case how far the output has come. Whatever was written can be resumed, if Out is a
// file.
func Run(ctx context.Context, g Grader, cfg Config) (*Summary, error) {
	r := &run{cfg: cfg, grader: g, enc: encoderFor(cfg.Out), start: time.Now()}
	in, err := openInput(cfg)
	if err != nil {
		return &Summary{}, err
	}
	defer in.close()
	if err := in.readHeader(); err != nil {
		return &Summary{}, err
	}
	out, before, err := openSink(ctx, cfg, in)
	if err != nil {
		return &Summary{}, err
	}
	if s := before.finished; s != nil {
		if cfg.RetryErrors {
			return r.retry(ctx, s.Lines, s)
		}
		return s, nil
	}
	err = r.through(ctx, in, out, newReader(in, before), before.tally)
	if err == nil && cfg.RetryErrors && r.kept > 0 {
		return r.retry(ctx, r.kept, r.summary())
	}
	return r.summary(), err
}

// Each calls visit for every answer of cfg.In that can be graded, in order, and grades none. It returns the number of
// lines that are not blank, and of those among them that cannot be understood.
func Each(cfg Config, visit func(question string, a grade.Answer) error) (lines, bad int, err error) {
	in, err := openInput(cfg)
	if err != nil {
		return 0, 0, err
	}
	defer in.close()
	if err := in.readHeader(); err != nil {
		return 0, 0, err
	}
	err = newReader(in, &earlier{}).jobs(func(j *job) error {
		lines++
		if j.err != nil {
			bad++
			return nil
		}
		return visit(j.question, j.answer)
	})
	return lines, bad, err
}

// run is one batch on its way.
type run struct {
	cfg    Config
	grader Grader
	in     *input
	out    sink
	enc    encoder
	start  time.Time

	stop  context.CancelCauseFunc // ends the run
	turn  sync.Mutex              // held by the worker that waits for the next answer
	spent bool                    // guarded by turn: MaxCost is reached

	tally tally
	kept  int          // lines that were there before
	lines bytes.Buffer // encoded and not written yet
	at    mark         // behind the last line in tally
}

// through grades what rd reads of in, and writes it to out behind what is there.
func (r *run) through(ctx context.Context, in *input, out sink, rd *reader, before tally) error {
	r.in, r.out, r.tally, r.kept, r.at = in, out, before, before.total, rd.upTo
	err := r.collect(ctx, rd)
	if e := out.close(); err == nil {
		err = e
	}
	return err
}

// job is one line between reading and writing. Its worker sets the fields below done and then closes it.
type job struct {
	entry
	at   mark
	done chan struct{}

	line      []byte
	outcome   outcome
	cancelled bool // given up for the context's sake: there is nothing to write
	unpaid    bool // not begun, because MaxCost is reached: neither is anything behind it
}

func (j *job) graded() bool {
	select {
	case <-j.done:
		return !j.cancelled && !j.unpaid
	default:
		return false
	}
}

// collect starts the reader and the workers and writes what they finish, in order.
func (r *run) collect(ctx context.Context, rd *reader) error {
	workers := r.cfg.Concurrency
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var busy sync.WaitGroup
	defer busy.Wait()
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	pending := make(chan *job, max(minWindow, windowPerWorker*workers)) // in order; its capacity is the window
	work := make(chan *job)
	go rd.read(ctx, pending, work) // not waited for: it may hang in a read
	for range workers {
		busy.Go(func() { r.work(ctx, work) })
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	if r.out.empty() {
		r.lines.Write(r.enc.header())
	}
	r.progress()
	var head *job
	for {
		queue, done := pending, (chan struct{})(nil)
		if head != nil {
			queue, done = nil, head.done
		}
		select {
		case j, ok := <-queue:
			if !ok {
				return r.end(rd)
			}
			head = j
		case <-done:
			switch {
			case head.cancelled: // ctx has ended: its case is next
				continue
			case head.unpaid: // and everything before it is written
				if err := r.flush(); err != nil {
					return err
				}
				return ErrMaxCost
			}
			if err := r.add(head); err != nil {
				return err
			}
			head = nil
		case <-tick.C:
			if err := r.flush(); err != nil {
				return err
			}
			r.progress()
		case <-ctx.Done():
			busy.Wait()
			if err := r.addDone(head, pending); err != nil {
				return err
			}
			return context.Cause(ctx)
		}
	}
}

// end finishes the output, or reports why the input ended early.
func (r *run) end(rd *reader) error {
	if rd.err == nil {
		r.at = rd.end
	}
	if err := r.flush(); err != nil {
		return err
	}
	r.progress()
	if rd.err != nil {
		return rd.err
	}
	return r.out.finish(rd.end, r.summary())
}

// addDone saves what is graded already, as far as the order allows.
func (r *run) addDone(head *job, pending <-chan *job) error {
	for ; ; head = nil {
		if head == nil {
			select {
			case head = <-pending:
			default:
			}
		}
		if head == nil || !head.graded() {
			return r.flush()
		}
		if err := r.add(head); err != nil {
			return err
		}
	}
}

func (r *run) add(j *job) error {
	r.lines.Write(j.line)
	r.tally.add(j.outcome)
	r.at = j.at
	if r.lines.Len() >= flushBytes {
		return r.flush()
	}
	return nil
}

func (r *run) flush() error {
	if r.lines.Len() == 0 {
		return nil
	}
	err := r.out.write(r.lines.Bytes(), r.at)
	r.lines.Reset()
	return err
}

func (r *run) progress() {
	if r.cfg.Progress == nil {
		return
	}
	share := -1.0
	if r.in.size > 0 {
		share = float64(r.at.Bytes) / float64(r.in.size)
	}
	r.cfg.Progress(r.summary(), min(share, 1))
}

func (r *run) summary() *Summary {
	s := r.tally.summary(r.kept, time.Since(r.start))
	if r.cfg.Usage != nil {
		spent, saved := r.cfg.Usage()
		s.Spent, s.Saved = UsageOf(spent), UsageOf(saved)
	}
	return s
}

// work grades what comes until there is no more, ctx ends or the money is spent.
func (r *run) work(ctx context.Context, work <-chan *job) {
	for {
		j := r.next(ctx, work)
		if j == nil {
			return
		}
		if !j.unpaid {
			r.grade(ctx, j)
		}
		close(j.done)
	}
}

// next waits for the next answer, one worker at a time, so that what is begun has no gap where the money ran out. It
// returns nil when there is nothing more to do.
func (r *run) next(ctx context.Context, work <-chan *job) *job {
	r.turn.Lock()
	defer r.turn.Unlock()
	if r.spent {
		return nil
	}
	select {
	case j := <-work: // nil once it is closed
		if j != nil && r.overspent() {
			j.unpaid, r.spent = true, true
		}
		return j
	case <-ctx.Done():
		return nil
	}
}

func (r *run) overspent() bool {
	if r.cfg.MaxCost <= 0 || r.cfg.Usage == nil {
		return false
	}
	spent, _ := r.cfg.Usage()
	return spent.Cost >= r.cfg.MaxCost
}

func (r *run) grade(ctx context.Context, j *job) {
	res := result{entry: j.entry}
	if j.err == nil {
		c, err := r.critique(ctx, j)
		stop, over := errors.AsType[*StopError](err)
		switch {
		case err == nil:
			res.critique = c
		case over:
			j.cancelled = true
			r.stop(stop)
			return
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			j.cancelled = true
			return
		case errors.Is(err, rubric.ErrUnknownQuestion):
			res.err = &LineError{code.Code_NOT_FOUND, oneLine(err)}
		default:
			res.err = lineErrorOf(err)
		}
	}
	line, err := r.enc.encode(res)
	if err != nil {
		res.critique, res.err = nil, &LineError{code.Code_INTERNAL, oneLine(err)}
		line, err = r.enc.encode(res)
	}
	if err != nil { // an error of fixed, valid text cannot fail to encode
		panic(err)
	}
	j.line, j.outcome = line, res.outcome()
	j.answer = grade.Answer{} // the text need not wait in the window
}

// critique grades one answer. A fault of the engine is an error of this line only.
func (r *run) critique(ctx context.Context, j *job) (c *grade.Critique, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("the engine failed on this answer: %v; please report it", p)
		}
	}()
	return r.grader.Grade(ctx, j.question, j.answer)
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "\uFFFD")), " ")
}

// reason is an error of the file system without the name of the system call.
func reason(err error) string {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
