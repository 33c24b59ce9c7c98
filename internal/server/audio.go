package server

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/internal/wire"
)

// headerWanted is in the header of the reply when the options are good and the recording may come.
const headerWanted = "x-grader-recording-wanted"

// recogniser writes recordings down, so many at a time. None is kept.
type recogniser struct {
	client  *speech.Client
	timeout time.Duration // for one recording
	most    int           // bytes of one
	flight  flight        // recordings that are received or with the recogniser
	hurry   <-chan struct{}
	metrics *metrics
}

// GradeAudio grades a recording that comes in pieces.
func (s *service) GradeAudio(stream grpc.ClientStreamingServer[graderv1.GradeAudioRequest, graderv1.GradeAudioResponse]) error {
	ctx := stream.Context()
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	o := first.GetOptions()
	if o == nil {
		return errNoOptions()
	}
	j, err := s.job(ctx, o)
	if err != nil {
		return err
	}
	audio, leave, err := receive(s.speech, stream)
	if err != nil {
		return err
	}
	defer leave()
	r, took, err := s.speech.hear(ctx, audio, j.question)
	if err != nil {
		return err
	}
	if err := j.heard(r, took); err != nil {
		return err
	}
	c, err := j.grade(ctx)
	if err != nil {
		return err
	}
	s.metrics.graded(c)
	return stream.SendAndClose(&graderv1.GradeAudioResponse{Critique: j.critique(c), Notes: r.Notes})
}

// Transcribe writes down a recording that comes in pieces.
func (s *service) Transcribe(stream grpc.ClientStreamingServer[graderv1.TranscribeRequest, graderv1.TranscribeResponse]) error {
	ctx := stream.Context()
	if err := callerOf(ctx).may(ScopeGrade); err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	o := first.GetOptions()
	if o == nil {
		return errNoOptions()
	}
	var q *rubric.Question
	if o.GetQuestionId() != "" {
		if _, q, err = s.catalog.Load().find(o.GetBank(), o.GetQuestionId()); err != nil {
			return err
		}
	}
	audio, leave, err := receive(s.speech, stream)
	if err != nil {
		return err
	}
	defer leave()
	r, _, err := s.speech.hear(ctx, audio, q)
	if err != nil {
		return err
	}
	return stream.SendAndClose(wire.Transcribed(r))
}

func errNoOptions() error {
	return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the first message has to hold the options; the recording comes after it")
}

// piece is a message of an upload.
type piece interface{ GetChunk() []byte }

// receive says that the recording may come, and puts it together. The place that it takes is free again after leave.
func receive[Req any, Res any, P interface {
	*Req
	piece
}](r *recogniser, stream grpc.ClientStreamingServer[Req, Res]) (audio []byte, leave func(), err error) {
	if err := r.enter(); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			r.flight.leave()
		}
	}()
	if err := stream.SendHeader(metadata.Pairs(headerWanted, "1")); err != nil {
		return nil, nil, err
	}
	for {
		req, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return audio, r.flight.leave, nil
		case err != nil:
			return nil, nil, err
		}
		chunk := P(req).GetChunk()
		switch {
		case chunk == nil:
			return nil, nil, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the options come once, in the first message")
		case len(audio)+len(chunk) > r.most:
			return nil, nil, recordingTooLarge(r.most)
		}
		audio = append(audio, chunk...)
	}
}

// enter takes a place for one recording.
func (r *recogniser) enter() error {
	if r == nil {
		return refuse(graderv1.ErrorReason_SPEECH_NOT_CONFIGURED, "no recogniser is configured; send text or a transcript")
	}
	return r.flight.enter()
}

func recordingTooLarge(most int) error {
	return refuse(graderv1.ErrorReason_BODY_TOO_LARGE, "the recording is larger than %d bytes; send one answer at a time, in mono and compressed", most)
}

// hear has the recogniser write the answer to q down, and says how long it took; q may be nil.
func (r *recogniser) hear(ctx context.Context, audio []byte, q *rubric.Question) (*speech.Result, time.Duration, error) {
	vocabulary := ""
	if q != nil {
		vocabulary = speech.Vocabulary(q.Spellings())
	}
	within, cancel := inTime(ctx, r.hurry)
	defer cancel()
	within, stop := context.WithTimeout(within, r.timeout)
	defer stop()
	within, span := startSpan(within, "speech.Transcribe")
	start := time.Now()
	out, err := r.client.Transcribe(within, audio, vocabulary)
	took := time.Since(start)
	endSpeech(span, err)
	r.metrics.recognised(out, took, err)
	e, failed := errors.AsType[*llm.Error](err)
	switch {
	case err == nil:
		return out, took, nil
	case ctx.Err() != nil:
		return nil, took, ctx.Err()
	case failed && e.Kind == llm.Canceled: // by the server
		return nil, took, refuse(graderv1.ErrorReason_SHUTTING_DOWN, "the server is going down; try again")
	case failed:
		return nil, took, speechFailed(e)
	}
	return nil, took, err // the recording's fault
}

// heard makes what was said the answer.
func (j *job) heard(r *speech.Result, took time.Duration) error {
	if len(r.Transcript.Text) > grade.MaxTextBytes {
		return refuse(graderv1.ErrorReason_BODY_TOO_LARGE, "the recording holds more than %d bytes of words; send one answer at a time", grade.MaxTextBytes)
	}
	if who := r.Transcript.Speakers(); len(who) > 1 {
		return refuse(graderv1.ErrorReason_INVALID_FIELD, "%s speak on channels of their own; send the candidate's channel alone, or transcribe the recording and send what the candidate says", strings.Join(who, ", "))
	}
	j.answer = grade.Answer{Text: r.Transcript.Text, Modality: grade.Spoken, Language: transcript.LanguageTag(r.Transcript.Language),
		Unintelligible: speech.Unintelligible(r.Transcript, j.question.Bank.Language)}
	j.transcript, j.doubtful, j.hearing = r.Transcript, r.Doubtful(), took
	return nil
}
