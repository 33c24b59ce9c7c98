package server

import (
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// domain is ErrorInfo.domain of every error.
const domain = "grader.v1"

// reason is what a program can tell errors apart by; the contract says of each when it comes and what to do.
type reason = graderv1.ErrorReason_Value

// answerTo is how an error with a reason is answered.
type answerTo struct {
	code codes.Code
	http int // where it is not the status that belongs to the code
}

// answers is the one table from reasons to codes.
var answers = map[reason]answerTo{
	graderv1.ErrorReason_MALFORMED_REQUEST:      {code: codes.InvalidArgument},
	graderv1.ErrorReason_INVALID_FIELD:          {code: codes.InvalidArgument},
	graderv1.ErrorReason_INVALID_PAGE_TOKEN:     {code: codes.InvalidArgument},
	graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE: {code: codes.InvalidArgument, http: http.StatusUnsupportedMediaType},
	graderv1.ErrorReason_BODY_TOO_LARGE:         {code: codes.InvalidArgument, http: http.StatusRequestEntityTooLarge},
	graderv1.ErrorReason_ROUTE_NOT_FOUND:        {code: codes.NotFound},
	graderv1.ErrorReason_METHOD_NOT_ALLOWED:     {code: codes.Unimplemented, http: http.StatusMethodNotAllowed},
	graderv1.ErrorReason_QUESTION_NOT_FOUND:     {code: codes.NotFound},
	graderv1.ErrorReason_POINT_NOT_FOUND:        {code: codes.NotFound},
	graderv1.ErrorReason_BANK_NOT_FOUND:         {code: codes.NotFound},
	graderv1.ErrorReason_QUESTION_AMBIGUOUS:     {code: codes.InvalidArgument},
	graderv1.ErrorReason_BANK_MISMATCH:          {code: codes.InvalidArgument},
	graderv1.ErrorReason_BANK_BROKEN:            {code: codes.Internal},
	graderv1.ErrorReason_JUDGE_NOT_CONFIGURED:   {code: codes.FailedPrecondition},
	graderv1.ErrorReason_JUDGE_FAILED:           {code: codes.Unavailable},
	graderv1.ErrorReason_JUDGE_BUDGET_SPENT:     {code: codes.ResourceExhausted},
	graderv1.ErrorReason_SPEECH_NOT_CONFIGURED:  {code: codes.FailedPrecondition},
	graderv1.ErrorReason_KEY_MISSING:            {code: codes.Unauthenticated},
	graderv1.ErrorReason_KEY_UNKNOWN:            {code: codes.Unauthenticated},
	graderv1.ErrorReason_SCOPE_MISSING:          {code: codes.PermissionDenied},
	graderv1.ErrorReason_DETAIL_NOT_ALLOWED:     {code: codes.PermissionDenied},
	graderv1.ErrorReason_RATE_LIMITED:           {code: codes.ResourceExhausted},
	graderv1.ErrorReason_OVERLOADED:             {code: codes.ResourceExhausted},
	graderv1.ErrorReason_SHUTTING_DOWN:          {code: codes.Unavailable},
	graderv1.ErrorReason_CANCELED:               {code: codes.Canceled},
	graderv1.ErrorReason_DEADLINE_EXCEEDED:      {code: codes.DeadlineExceeded},
	graderv1.ErrorReason_INTERNAL:               {code: codes.Internal},
	graderv1.ErrorReason_SPEECH_FAILED:          {code: codes.Unavailable},
	graderv1.ErrorReason_NOT_AUDIO:              {code: codes.InvalidArgument},
}

// httpStatus is the status that an error has over HTTP.
func (a answerTo) httpStatus() int {
	if a.http != 0 {
		return a.http
	}
	return runtime.HTTPStatusFromCode(a.code)
}
