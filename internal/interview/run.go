package interview

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/internal/wire"
)

// Grader grades one answer and keeps the time. Implementations are safe for concurrent use and honour ctx; an error
// ends up in the question's line and does not stop the run.
type Grader interface {
	Grade(ctx context.Context, question string, a grade.Answer) (*grade.Critique, error)
}

// Recogniser writes recordings down. Implementations are safe for concurrent use and honour ctx.
type Recogniser interface {
	Transcribe(ctx context.Context, audio []byte, vocabulary string) (*speech.Result, error)
}

// Config says what to grade and where to put the results.
type Config struct {
	Inputs []Input // of Find
	Out    string  // the folder of results; it is made
	// Map is a map file: written if it is not there, else read and obeyed. Empty is none.
	Map string
	// Speaker is the candidate's label in all interviews; empty lets it be found.
	Speaker string
	// Anonymous puts numbers in the place of names and file names in all that is written.
	Anonymous bool
	// Key is a CSV file that says which number is whose; empty is none.
	Key string
	// Settings is everything else that changes results, by names that people understand. A resume with other settings
	// is refused.
	Settings map[string]string
	// Recogniser is needed for recordings, Timeout is the time for one of them.
	Recogniser Recogniser
	Timeout    time.Duration
	// Concurrency is the number of interviews at a time, 0 is one for each CPU; Answers the number of answers in all of
	// them that are graded at a time, 0 is one for each interview.
	Concurrency, Answers int
	// Resume takes up what an interrupted run left.
	Resume bool
	// RetryErrors grades again what is DEGRADED or failed for a reason that may pass, in a finished output, or with
	// Resume in what an interrupted run left, once the rest is done. All other lines stay byte for byte.
	RetryErrors bool
	// Ready, unless nil, is called once before anything is written, and not when there is nothing to do. Its error ends
	// the run.
	Ready func(ctx context.Context) error
	// Usage, unless nil, is what grading has cost so far in this run.
	Usage func() (spent, saved grade.Usage)
	// MaxCost in US dollars: no answer is begun that those under way leave no money for, as far as the answers before
	// can tell, and Run ends with ErrMaxCost when the interviews that are whole are written. 0 is no limit.
	MaxCost float64
	// Progress, unless nil, is called after every interview, never at the same time, with what is done and what is left.
	Progress func(s *Summary, left Left)
}

// Left is what remains of a run.
type Left struct {
	Interviews int
	// Audio is the length of the recordings that are still to be written down, where it is known.
	Audio time.Duration
	// Took is the time of this run so far, Share of the work that was left at its start is done, 0 to 1.
	Took  time.Duration
	Share float64
}

// Summary is what a run came to.
type Summary struct {
	Interviews int `json:"interviews"`
	// Kept is how many of them are as an earlier run wrote them; Unchanged that all were, and nothing was done.
	Kept      int  `json:"kept"`
	Unchanged bool `json:"unchanged"`
	// Questions is the number of lines in results.jsonl.
	Questions int `json:"questions"`
	// States counts critiques by their state, Outcomes lines without one that are no error, Errors lines and interviews
	// by the code of their error.
	States         map[string]int `json:"states"`
	Outcomes       map[string]int `json:"outcomes"`
	Errors         map[string]int `json:"errors"`
	CandidateWords int            `json:"candidateWords"`
	GradedWords    int            `json:"gradedWords"`
	// Warnings is how many sentences for a human there are in interviews.jsonl.
	Warnings int `json:"warnings"`
	// Seconds that this run took.
	Seconds float64 `json:"seconds"`
	// Notes are sentences about the map that was read.
	Notes []string `json:"notes,omitempty"`
}

// Failed is the number of errors.
func (s *Summary) Failed() int {
	n := 0
	for _, k := range s.Errors {
		n += k
	}
	return n
}

func (s *Summary) add(u *job) {
	for _, m := range []*map[string]int{&s.States, &s.Outcomes, &s.Errors} {
		if *m == nil {
			*m = map[string]int{}
		}
	}
	s.Interviews++
	if u.kept {
		s.Kept++
	}
	if u.note != "" {
		s.Notes = append(s.Notes, u.note)
	}
	s.Questions += u.recording.Questions
	s.CandidateWords += u.recording.CandidateWords
	s.GradedWords += u.recording.GradedWords
	s.Warnings += len(u.recording.Warnings)
	if u.recording.Error != nil {
		s.Errors[u.recording.Error.Code]++
	}
	for _, l := range u.lines {
		switch {
		case l.result.Error != nil:
			s.Errors[l.result.Error.Code]++
		case l.result.Outcome != "":
			s.Outcomes[string(l.result.Outcome)]++
		default:
			s.States[string(l.state)]++
		}
	}
}

// ErrMaxCost means that MaxCost was reached before the end. What is written can be taken up like after an interruption.
var ErrMaxCost = errors.New("the highest cost is reached")

// Run grades all inputs into cfg.Out, in their order. The error is a *RefusedError, a diag.List of the map's mistakes,
// ErrMaxCost, ctx's, Ready's, or one of writing; the summary says how far the output has come. Whatever was written can
// be resumed. Memory does not grow with the number of interviews, apart from the map that is read.
func Run(ctx context.Context, b *Bank, g Grader, cfg Config) (*Summary, error) {
	r := &run{cfg: cfg, inputs: cfg.Inputs, bank: b, grader: g, start: time.Now()}
	if cfg.Anonymous {
		r.cfg.Inputs = numbered(cfg.Inputs)
	}
	again := 0
	if cfg.RetryErrors {
		again = len(cfg.Inputs)
	}
	s, err := r.once(ctx, again)
	if err != nil || s.Unchanged || !cfg.RetryErrors || r.earlier {
		return s, err
	}
	// what is retried is what an earlier run failed on, not this one just now
	r.cfg.Ready = nil
	retried, err := r.once(ctx, s.Kept)
	if err == nil && retried.Unchanged {
		return s, nil
	}
	return retried, err
}

// once goes through the interviews, as the state of the output wants it: all of them, those that are missing, or the
// failures among the first ones.
func (r *run) once(ctx context.Context, again int) (*Summary, error) {
	writeMap, err := r.openMap()
	if err != nil {
		return &Summary{}, err
	}
	ready := func() error {
		if r.cfg.Ready == nil {
			return nil
		}
		return r.cfg.Ready(ctx)
	}
	out, before, done, err := openOutput(r.cfg.Out, opening{writeMap, r.settings(), r.cfg.Resume, again, ready})
	if err != nil {
		return &Summary{}, err
	}
	if done != nil {
		done.Kept, done.Unchanged, done.Seconds = done.Interviews, true, 0
		return done, nil
	}
	r.out, r.summary, r.earlier = out, *before, out.earlier != nil
	r.summary.Notes = append(r.summary.Notes, r.read.strangers(r.cfg.Inputs)...)
	if r.cfg.Key != "" {
		if err := writeKey(r.cfg.Key, r.inputs, r.cfg.Inputs); err != nil {
			return &r.summary, errors.Join(err, out.close())
		}
	}
	err = r.all(ctx)
	if err == nil {
		err = out.finish(r.total())
	}
	return r.total(), errors.Join(err, out.close())
}

// run is a run on its way.
type run struct {
	cfg     Config
	inputs  []Input // by their own names
	bank    *Bank
	grader  Grader
	read    *Map // the map that is obeyed
	out     *output
	earlier bool // a finished output is gone through again
	summary Summary
	start   time.Time
	slots   chan struct{} // an answer being graded holds one
	budget  *budget
}

func (r *run) total() *Summary {
	s := r.summary
	s.Seconds = math.Round(time.Since(r.start).Seconds()*1000) / 1000
	return &s
}

// openMap reads the map that is there, or returns the file to write one to. A map that this output's own run has
// written is no other map.
func (r *run) openMap() (write string, err error) {
	if r.cfg.Map == "" {
		return "", nil
	}
	lines, _, err := readJournal(filepath.Join(r.cfg.Out, journalFile))
	if err == nil && len(lines) > 0 && lines[0].Settings[mapSetting] == mapWritten+r.cfg.Map {
		return r.cfg.Map, nil
	}
	if _, err := os.Stat(r.cfg.Map); errors.Is(err, fs.ErrNotExist) {
		return r.cfg.Map, nil
	}
	r.read, err = r.bank.ReadMap(r.cfg.Map)
	return "", err
}

const (
	mapSetting = "map"
	mapWritten = "written to "
)

// settings are those of the caller, and what the run itself knows of.
func (r *run) settings() map[string]string {
	all := map[string]string{"speaker": r.cfg.Speaker, "anonymous": fmt.Sprint(r.cfg.Anonymous), mapSetting: "none"}
	maps.Copy(all, r.cfg.Settings)
	switch {
	case r.read != nil:
		all[mapSetting] = hashOf(r.cfg.Map)
	case r.cfg.Map != "":
		all[mapSetting] = mapWritten + r.cfg.Map
	}
	sum := sha256.New()
	for i := range r.cfg.Inputs {
		in := &r.cfg.Inputs[i]
		fmt.Fprintf(sum, "%q %s\n", in.Name, in.hash)
	}
	all["interviews"] = fmt.Sprint(len(r.cfg.Inputs))
	all["their content"] = hex.EncodeToString(sum.Sum(nil))
	return all
}

// job is one interview between reading and writing.
type job struct {
	in        *Input
	done      chan struct{}
	recording Recording
	raw       []byte // the line of the recording, where it stays
	lines     []resultLine
	rows      []byte   // of the map
	old       *written // as it is in the output that is retried
	kept      bool     // it stays like that
	note      string   // why it does, though something in it failed
	err       error    // that ends the run
	unpaid    bool     // not graded as a whole, because MaxCost is reached: nothing behind it is written
}

type resultLine struct {
	result Result
	state  grade.State
	raw    []byte // the line, where it stays
}

// all grades what is left, so many interviews at a time, and writes them in order.
func (r *run) all(ctx context.Context) error {
	workers := r.cfg.Concurrency
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var busy sync.WaitGroup
	defer busy.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.slots = make(chan struct{}, cmp.Or(r.cfg.Answers, workers))
	r.budget = newBudget(&r.cfg)
	first := r.summary.Interviews
	window := make(chan *job, 2*workers) // in order: what is done waits here for what was begun before
	work := make(chan *job)
	busy.Go(func() {
		defer close(window)
		defer close(work)
		for i := first; i < len(r.cfg.Inputs); i++ {
			u := &job{in: &r.cfg.Inputs[i], done: make(chan struct{})}
			if r.out.earlier != nil {
				if u.old, u.err = r.out.earlier.next(); u.err != nil {
					u.err = fmt.Errorf("read %s: %w", r.cfg.Out, u.err)
				}
			}
			for _, c := range []chan *job{window, work} {
				select {
				case c <- u:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	for range workers {
		busy.Go(func() {
			for u := range work {
				r.grade(ctx, u)
				close(u.done)
			}
		})
	}
	r.progress(first)
	for u := range window {
		select {
		case <-u.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch {
		case u.unpaid:
			return ErrMaxCost
		case u.err != nil:
			return u.err
		}
		if err := r.write(u); err != nil {
			return err
		}
		r.progress(first)
	}
	return ctx.Err()
}

// progress tells how far the run is. An hour of recording weighs as much as a hundred transcripts.
func (r *run) progress(first int) {
	if r.cfg.Progress == nil {
		return
	}
	const oneTranscript = 36 * time.Second
	left := Left{Interviews: len(r.cfg.Inputs) - r.summary.Interviews, Took: time.Since(r.start)}
	var all, remains time.Duration
	for i := first; i < len(r.cfg.Inputs); i++ {
		in := &r.cfg.Inputs[i]
		all += in.Length + oneTranscript
		if i >= r.summary.Interviews {
			remains += in.Length + oneTranscript
			left.Audio += in.Length
		}
	}
	if all > 0 {
		left.Share = 1 - float64(remains)/float64(all)
	}
	r.cfg.Progress(r.total(), left)
}

// write appends an interview to the output.
func (r *run) write(u *job) error {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	for i := range u.lines {
		if raw := u.lines[i].raw; raw != nil {
			lines.Write(raw)
		} else if err := enc.Encode(u.lines[i].result); err != nil {
			return err
		}
	}
	results := bytes.Clone(lines.Bytes())
	lines.Reset()
	if u.raw != nil {
		lines.Write(u.raw)
	} else if err := enc.Encode(u.recording); err != nil {
		return err
	}
	r.summary.add(u)
	s := r.summary
	return r.out.add([][]byte{results, lines.Bytes(), u.rows}, &s)
}

// grade reads and grades one interview. What goes wrong with it is in its lines; u.err ends the run.
func (r *run) grade(ctx context.Context, u *job) {
	switch {
	case u.err != nil:
		return
	case u.old != nil && !u.old.mayPass():
		u.keep()
		return
	case r.budget.used():
		u.unpaid = true
		return
	}
	u.recording = Recording{Interview: u.in.Name, Source: filepath.ToSlash(u.in.Path), Warnings: u.in.notes}
	if r.cfg.Anonymous {
		u.recording.Source, u.recording.Warnings = u.in.Name, nil
	}
	c, err := r.course(ctx, u)
	if ctx.Err() != nil {
		u.err = ctx.Err()
		return
	}
	if err == nil {
		err = r.questions(ctx, u, c)
	}
	switch {
	case ctx.Err() != nil:
		u.err = ctx.Err()
	case u.unpaid:
	case errors.Is(err, errKeep):
		u.err = err
	case u.old != nil && u.old.recording.Error == nil && err != nil:
		u.note = fmt.Sprintf("%s was not tried again: %s", u.in.Name, oneLine(err.Error()))
		u.keep()
	case u.old != nil && u.old.recording.Error == nil:
		u.renew()
	case err != nil:
		u.recording.Error = failure(err)
		u.lines, u.rows = nil, nil
		u.recording.Questions, u.recording.GradedWords = 0, 0
	}
}

// failure is an error as a line has it.
func failure(err error) *Failure {
	c := code.Code_INVALID_ARGUMENT
	if e, ok := errors.AsType[*llm.Error](err); ok {
		c = code.Code_UNAVAILABLE
		if e.Permanent() {
			c = code.Code_FAILED_PRECONDITION
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		c = code.Code_DEADLINE_EXCEEDED
	case errors.Is(err, rubric.ErrUnknownQuestion):
		c = code.Code_NOT_FOUND
	case errors.Is(err, errEngine):
		c = code.Code_INTERNAL
	case errors.Is(err, speech.ErrNeedsFFmpeg), errors.Is(err, errNoRecogniser):
		c = code.Code_FAILED_PRECONDITION
	}
	return &Failure{Code: c.String(), Message: oneLine(strings.ToValidUTF8(err.Error(), "\uFFFD"))}
}

var (
	errEngine       = errors.New("the engine failed on this interview; please report it")
	errNoRecogniser = errors.New("a recording needs a recogniser")
)

// course reads an interview and finds its course.
func (r *run) course(ctx context.Context, u *job) (*Course, error) {
	h, err := r.hear(ctx, u)
	if err != nil {
		return nil, err
	}
	t := h.transcript
	u.recording.DurationMs = duration(t)
	wanted := r.cfg.Speaker
	if r.cfg.Anonymous {
		t, wanted = anonymous(t, u.in.Path, wanted)
	}
	var c *Course
	if r.read.Has(u.in.Name) {
		c, err = r.read.Course(u.in.Name, t)
	} else {
		c, err = r.bank.Follow(t, wanted)
		if err == nil && r.read != nil {
			c.warn("the map has no rows of this interview: its course was found as without one")
		}
	}
	if err != nil {
		return nil, err
	}
	c.Doubts = h.doubts
	u.recording.Candidate, u.recording.Roles = c.Candidate, c.Roles
	u.recording.Warnings = append(append(u.recording.Warnings, h.notes...), c.Warnings...)
	if len(r.out.files) > 2 {
		u.rows, err = mapRows(u.in.Name, c)
	}
	return c, err
}

// duration is how long an interview lasts, in milliseconds; 0 where no times are known.
func duration(t *transcript.Transcript) int {
	end := t.DurationMS
	for i := range t.Segments {
		end = max(end, t.Segments[i].EndMS)
	}
	for i := range t.Words {
		end = max(end, t.Words[i].EndMS)
	}
	return end
}

// questions grades the answers of an interview.
func (r *run) questions(ctx context.Context, u *job, c *Course) error {
	asked, err := c.Questions()
	if err != nil {
		return err
	}
	lasts := u.old != nil && u.old.recording.Error == nil // what did not fail stays
	if lasts && !u.old.matches(asked) {
		return errOtherCourse
	}
	for i := range c.Turns {
		if c.Turns[i].Role == candidate.String() {
			u.recording.CandidateWords += c.words(&c.Turns[i])
		}
	}
	if n := doubtful(asked); n > 0 {
		u.recording.Warnings = append(u.recording.Warnings, fmt.Sprintf("%d of %d questions are doubtful (confidence under %.1f): check them with --map", n, len(asked), sure))
	}
	u.lines = make([]resultLine, len(asked))
	u.recording.Questions = len(asked)
	var busy sync.WaitGroup
	for i := range asked {
		if lasts && !u.old.lines[i].mayPass() {
			u.lines[i] = u.old.lines[i]
			continue
		}
		if asked[i].Question == "" || asked[i].Answer == nil { // costs nothing
			u.lines[i] = r.answer(ctx, u.in.Name, &asked[i])
			continue
		}
		r.slots <- struct{}{}
		if u.unpaid = !r.budget.begin(); u.unpaid {
			<-r.slots
			break
		}
		busy.Go(func() {
			defer func() {
				r.budget.end()
				<-r.slots
			}()
			u.lines[i] = r.answer(ctx, u.in.Name, &asked[i])
		})
	}
	busy.Wait()
	for i := range u.lines {
		if u.lines[i].result.Critique != nil {
			u.recording.GradedWords += asked[i].Words
		}
	}
	return nil
}

// sure is the confidence from which a line mostly names the right question: measured, see docs/interview.md.
const sure = 0.6

func doubtful(asked []Asked) int {
	n := 0
	for i := range asked {
		if asked[i].Confidence < sure {
			n++
		}
	}
	return n
}

// answer is the line of one question.
func (r *run) answer(ctx context.Context, name string, a *Asked) resultLine {
	l := resultLine{result: Result{Interview: name, QuestionID: a.Question, Asked: a.Text, StartMs: a.StartMS, EndMs: a.EndMS, Confidence: a.Confidence}}
	switch {
	case a.Question == "":
		l.result.Outcome = NotInBank
		return l
	case a.Answer == nil:
		l.result.Outcome = NotAnswered
		return l
	}
	c, err := r.critique(ctx, a)
	if err == nil {
		l.state = c.State
		l.result.Critique, err = wire.Marshal(wire.Critique(c))
	}
	if err != nil {
		l.result.Critique, l.result.Error = nil, failure(err)
	}
	return l
}

// critique grades one answer. A fault of the engine is an error of this answer only.
func (r *run) critique(ctx context.Context, a *Asked) (c *grade.Critique, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("%w: %v", errEngine, p)
		}
	}()
	if len(a.Answer.Text) > grade.MaxTextBytes {
		return nil, fmt.Errorf("the answer is longer than %d KiB: it cannot be one; check the map of the interview", grade.MaxTextBytes>>10)
	}
	q := r.bank.question(a.Question)
	answer := grade.Answer{Text: a.Answer.Text, Modality: grade.Spoken, Language: transcript.LanguageTag(a.Answer.Language),
		Unintelligible: speech.Unintelligible(a.Answer, q.Bank.Language)}
	if c, err = r.grader.Grade(ctx, a.Question, answer); err != nil {
		return nil, err
	}
	c.Hear(a.Answer, time.Duration(q.ExpectSeconds)*time.Second, a.Doubtful)
	return c, nil
}

func (b *Bank) question(id string) Question {
	for _, q := range b.questions {
		if q.ID == id {
			return q
		}
	}
	return Question{}
}
