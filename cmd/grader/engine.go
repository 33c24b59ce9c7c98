package main

import (
	"context"
	"fmt"
	"io"
	"time"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/internal/wire"
)

// engine grades answers, in this process or on a server.
type engine interface {
	// question finds a question, with its model answer where that is wanted. One that is not there is an error that wraps
	// rubric.ErrUnknownQuestion.
	question(ctx context.Context, id string, model bool) (*rubric.Question, error)
	// grade grades an answer to a question that question returned, and keeps the time. A judge that fails leaves a
	// critique that is DEGRADED.
	grade(ctx context.Context, q *rubric.Question, a *submission) (*grade.Critique, error)
	// hears reports what keeps it from taking recordings.
	hears(ctx context.Context) error
	close()
}

// submission is an answer as it was given: a text, a transcript, or a recording.
type submission struct {
	answer  grade.Answer
	voice   *heard // of a transcript; nil for a text
	audio   []byte // of a recording, and then only:
	file    string // that holds it
	speaker string // who of several is the candidate
}

// message is the answer as the API takes it; a recording is uploaded instead.
func (a *submission) message() *graderv1.Answer {
	if a.voice != nil {
		t := wire.Transcript(a.voice.Transcript)
		t.Doubtful = &a.voice.doubtful
		return &graderv1.Answer{Content: &graderv1.Answer_Transcript{Transcript: t}}
	}
	out := &graderv1.Answer{Content: &graderv1.Answer_Text{Text: a.answer.Text}}
	if a.answer.Modality == grade.Spoken {
		out.Modality = graderv1.Answer_SPOKEN.Enum()
	}
	return out
}

// here grades in this process.
type here struct {
	graders graderSet
	judge   *app.Judge // nil: keywords decide
	speech  *speechFlags
	notes   io.Writer
}

func (h *here) question(_ context.Context, id string, _ bool) (*rubric.Question, error) {
	_, q, err := h.graders.find(id)
	return q, err
}

func (h *here) grade(ctx context.Context, q *rubric.Question, a *submission) (*grade.Critique, error) {
	g, _, err := h.graders.find(q.Bank.ID + "/" + q.ID)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if a.audio != nil {
		if a, err = h.writeDown(ctx, q, a); err != nil {
			return nil, err
		}
	}
	heard := float64(time.Since(start).Microseconds()) / 1000
	answer := a.answer
	if a.voice != nil {
		answer.Language = transcript.LanguageTag(a.voice.Language)
		answer.Unintelligible = speech.Unintelligible(a.voice.Transcript, q.Bank.Language)
	}
	answered := h.tellWait()
	c, err := gradeOne(ctx, g, q.ID, answer, h.judge)
	answered()
	if err != nil {
		return nil, err
	}
	if a.voice != nil {
		a.voice.add(c, q)
	}
	if a.file != "" {
		c.Timing.SpeechMillis, c.Timing.TotalMillis = heard, c.Timing.TotalMillis+heard
	}
	return c, nil
}

// longWait is how long a judge may take before it is said that it is waited for.
const longWait = 3 * time.Second

// tellWait says that the judge is waited for if that takes long, until answered is called: a judge that is gone is tried
// until its time is over.
func (h *here) tellWait() (answered func()) {
	if h.judge == nil {
		return func() {}
	}
	done := make(chan struct{})
	t := time.AfterFunc(longWait, func() {
		defer close(done)
		fmt.Fprintf(h.notes, "grader: the judge at %s has not replied yet; --judge-timeout bounds the wait, grader doctor tries the endpoint\n", h.judge.Endpoint)
	})
	return func() {
		if !t.Stop() {
			<-done
		}
	}
}

// writeDown makes an answer to q of its recording.
func (h *here) writeDown(ctx context.Context, q *rubric.Question, a *submission) (*submission, error) {
	voice, err := listen(ctx, a.audio, a.file, speech.Vocabulary(q.Spellings()), h.speech)
	if err == nil {
		err = voice.keepCandidate(a.file, a.speaker)
	}
	if err == nil {
		err = voice.check()
	}
	if err != nil {
		return nil, err
	}
	voice.tell(h.notes)
	return &submission{answer: voice.answer(), voice: voice, file: a.file}, nil
}

func (h *here) hears(context.Context) error {
	_, err := h.speech.open()
	return err
}

func (h *here) close() {}

// engine is what grades: a server if one is named, else this process.
func (g *globals) engine(judge judgeFlags, recogniser *speechFlags, server serverFlags, given func(flag string) bool) (engine, judgeUse, error) {
	r, remote, err := server.resolve(given)
	if err != nil {
		return nil, "", err
	}
	if remote {
		use, err := judge.parseUse()
		if err != nil {
			return nil, "", err
		}
		e, err := dial(r, use, g.err)
		if err != nil {
			return nil, "", err
		}
		return e, use, nil
	}
	graders, err := g.graders()
	if err != nil {
		return nil, "", err
	}
	use, j, err := judge.openJudge(g.err)
	if err != nil {
		return nil, "", err
	}
	return &here{graders: graders, judge: j, speech: recogniser, notes: g.err}, use, nil
}
