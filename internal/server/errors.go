package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/speech"
)

// apiError is an error as a caller sees it.
type apiError struct {
	reason   reason
	message  string
	metadata map[string]string
	fields   []*errdetails.BadRequest_FieldViolation
	retry    time.Duration
	allow    string // of a wrong method
	cause    error  // for the log
}

func (e *apiError) Error() string { return e.message }

func (e *apiError) Unwrap() error { return e.cause }

func refuse(r reason, format string, args ...any) *apiError {
	return &apiError{reason: r, message: fmt.Sprintf(format, args...)}
}

func badField(r reason, field, message string) *apiError {
	return &apiError{reason: r, message: field + ": " + message,
		fields: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: message}}}
}

// toStatus is the one mapping from errors to what a caller sees of them. An error that it does not know is INTERNAL with
// a fixed text: its own words could hold the rubric.
func toStatus(err error) *status.Status {
	e := toAPI(err)
	st := status.New(answers[e.reason].code, tidy(e.message))
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: e.reason.String(), Domain: domain, Metadata: e.metadata}}
	if len(e.fields) > 0 {
		details = append(details, &errdetails.BadRequest{FieldViolations: e.fields})
	}
	if e.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.retry)})
	}
	if with, err := st.WithDetails(details...); err == nil {
		return with
	}
	return st
}

// maxMessage bounds what a message repeats of a request.
const maxMessage = 500

// tidy makes a message text of a sensible length: it may repeat what came in, which can be neither.
func tidy(message string) string {
	if len(message) > maxMessage {
		message = message[:maxMessage] + " ..."
	}
	return strings.ToValidUTF8(message, "\uFFFD")
}

func toAPI(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*rubric.UnknownQuestionError](err); ok {
		return unknownQuestion(e)
	}
	if e, ok := errors.AsType[*protovalidate.ValidationError](err); ok {
		return invalid(e)
	}
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return judgeError(e.Kind)
	}
	_, broken := errors.AsType[diag.List](err)
	switch {
	case errors.Is(err, rubric.ErrUnknownQuestion):
		return &apiError{reason: graderv1.ErrorReason_QUESTION_NOT_FOUND, message: "unknown question", cause: err}
	case errors.Is(err, rubric.ErrUnknownPoint):
		return &apiError{reason: graderv1.ErrorReason_POINT_NOT_FOUND, message: "unknown point", cause: err}
	case errors.Is(err, speech.ErrNotAudio), errors.Is(err, speech.ErrNoSound):
		return &apiError{reason: graderv1.ErrorReason_NOT_AUDIO, message: "there is no recording in what came; send wav, flac, mp3, ogg, m4a, mp4 or webm with sound in it", cause: err}
	case errors.Is(err, speech.ErrTooLong):
		return &apiError{reason: graderv1.ErrorReason_BODY_TOO_LARGE, message: "the recording is too long; send one answer at a time", cause: err}
	case errors.Is(err, speech.ErrNeedsFFmpeg):
		return &apiError{reason: graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, message: "the server cannot read m4a, mp4 and webm, nor cut long recordings that are no wav: it has no ffmpeg; send wav, flac, mp3 or ogg", cause: err}
	case errors.Is(err, rubric.ErrNoBank), broken:
		return &apiError{reason: graderv1.ErrorReason_BANK_BROKEN, message: "the bank cannot be used; tell the operator", cause: err}
	case errors.Is(err, io.EOF):
		return &apiError{reason: graderv1.ErrorReason_MALFORMED_REQUEST, message: "no request came", cause: err}
	case errors.Is(err, context.Canceled):
		return &apiError{reason: graderv1.ErrorReason_CANCELED, message: "canceled", cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &apiError{reason: graderv1.ErrorReason_DEADLINE_EXCEEDED, message: overdueText, cause: err}
	}
	if st, ok := status.FromError(err); ok {
		return fromStatus(st, err)
	}
	return &apiError{reason: graderv1.ErrorReason_INTERNAL, message: internalText, cause: err}
}

const overdueText = "the time allowed is over; allow more, or ask for judge OFF"

const internalText = "internal error; the server's log has the cause under the request id"

// fromStatus is for errors of the transport and of the gateway, which come as statuses without a reason.
func fromStatus(st *status.Status, cause error) *apiError {
	out := &apiError{message: st.Message(), cause: cause}
	switch st.Code() {
	case codes.InvalidArgument:
		out.reason = graderv1.ErrorReason_MALFORMED_REQUEST
	case codes.Canceled:
		out.reason, out.message = graderv1.ErrorReason_CANCELED, "canceled"
	case codes.DeadlineExceeded:
		out.reason, out.message = graderv1.ErrorReason_DEADLINE_EXCEEDED, overdueText
	case codes.ResourceExhausted:
		out.reason = graderv1.ErrorReason_BODY_TOO_LARGE // of a message: ours have a reason
	case codes.Unavailable:
		out.reason, out.message = graderv1.ErrorReason_SHUTTING_DOWN, "the server is going down; try again"
	default:
		out.reason, out.message = graderv1.ErrorReason_INTERNAL, internalText
	}
	return out
}

func unknownQuestion(e *rubric.UnknownQuestionError) *apiError {
	advice := "GET /v1/questions lists them"
	if len(e.Nearest) > 0 {
		advice = "did you mean " + strings.Join(e.Nearest, ", ") + "?"
	}
	return &apiError{reason: graderv1.ErrorReason_QUESTION_NOT_FOUND, message: fmt.Sprintf("unknown question %q; %s", e.ID, advice), cause: e,
		metadata: map[string]string{"question_id": e.ID, "nearest": strings.Join(e.Nearest, ",")}}
}

func invalid(e *protovalidate.ValidationError) *apiError {
	out := &apiError{reason: graderv1.ErrorReason_INVALID_FIELD, cause: e}
	var texts []string
	for _, v := range e.Violations {
		field := protovalidate.FieldPathString(v.Proto.GetField())
		message := v.Proto.GetMessage()
		if v.Proto.GetRuleId() == "string.pattern" { // all patterns are those of ids
			message = "must look like event-loop-phases: lower-case words and digits, joined by single dashes"
		}
		out.fields = append(out.fields, &errdetails.BadRequest_FieldViolation{Field: field, Description: message, Reason: v.Proto.GetRuleId()})
		texts = append(texts, strings.TrimPrefix(field+": "+message, ": "))
	}
	out.message = strings.Join(texts, "; ")
	return out
}

// judgeError is a judge's failure where the judge is required.
func judgeError(k llm.Kind) *apiError {
	switch k {
	case llm.BudgetSpent:
		return judgeFailed(grade.ReasonJudgeBudgetSpent)
	case llm.Timeout:
		return judgeFailed(grade.ReasonJudgeTimeout)
	case llm.RateLimited:
		return judgeFailed(grade.ReasonJudgeRateLimited)
	case llm.Auth, llm.UnknownModel, llm.BadURL:
		return judgeFailed(grade.ReasonJudgeRefused)
	case llm.BadReply:
		return judgeFailed(grade.ReasonJudgeReplyInvalid)
	case llm.Canceled:
		return refuse(graderv1.ErrorReason_CANCELED, "canceled")
	default:
		return judgeFailed(grade.ReasonJudgeUnavailable)
	}
}

// judgeFailed is a degraded critique where the judge is required.
func judgeFailed(r grade.Reason) *apiError {
	e := refuse(graderv1.ErrorReason_JUDGE_FAILED, "the judge is required and failed (%s); try again later, or ask for judge AUTO", strings.ToLower(string(r)))
	if r == grade.ReasonJudgeBudgetSpent {
		e = refuse(graderv1.ErrorReason_JUDGE_BUDGET_SPENT, "the judge is required and its budget is spent; ask for judge AUTO, or wait")
	}
	e.metadata = map[string]string{"judge_reason": string(r)}
	return e
}

// speechFailed is a recogniser that gave no transcript. Its own words are for the log: they can name endpoints.
func speechFailed(e *llm.Error) *apiError {
	if e.Kind == llm.BadRequest {
		return &apiError{reason: graderv1.ErrorReason_NOT_AUDIO, message: "the recogniser cannot read the recording; record it again, or send it in another format", cause: e}
	}
	out := refuse(graderv1.ErrorReason_SPEECH_FAILED, "the recogniser failed (%s); try again later, or send text or a transcript", e.Kind)
	out.cause, out.retry = e, e.RetryAfter
	return out
}
