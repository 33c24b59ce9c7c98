package server

import (
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
)

// domain is ErrorInfo.domain of every error.
const domain = "grader.v1"

// reason is ErrorInfo.reason: what a program can tell errors apart by. Values are never renamed.
type reason string

const (
	reasonMalformed        reason = "MALFORMED_REQUEST"
	reasonInvalidField     reason = "INVALID_FIELD"
	reasonPageToken        reason = "INVALID_PAGE_TOKEN"
	reasonMediaType        reason = "UNSUPPORTED_MEDIA_TYPE"
	reasonTooLarge         reason = "BODY_TOO_LARGE"
	reasonRoute            reason = "ROUTE_NOT_FOUND"
	reasonMethod           reason = "METHOD_NOT_ALLOWED"
	reasonQuestion         reason = "QUESTION_NOT_FOUND"
	reasonPoint            reason = "POINT_NOT_FOUND"
	reasonBank             reason = "BANK_NOT_FOUND"
	reasonAmbiguous        reason = "QUESTION_AMBIGUOUS"
	reasonBankMismatch     reason = "BANK_MISMATCH"
	reasonBankBroken       reason = "BANK_BROKEN"
	reasonJudgeUnset       reason = "JUDGE_NOT_CONFIGURED"
	reasonJudgeFailed      reason = "JUDGE_FAILED"
	reasonJudgeBudget      reason = "JUDGE_BUDGET_SPENT"
	reasonSpeechUnset      reason = "SPEECH_NOT_CONFIGURED"
	reasonKeyMissing       reason = "KEY_MISSING"
	reasonKeyUnknown       reason = "KEY_UNKNOWN"
	reasonScope            reason = "SCOPE_MISSING"
	reasonDetail           reason = "DETAIL_NOT_ALLOWED"
	reasonRateLimited      reason = "RATE_LIMITED"
	reasonOverloaded       reason = "OVERLOADED"
	reasonShuttingDown     reason = "SHUTTING_DOWN"
	reasonCanceled         reason = "CANCELED"
	reasonDeadlineExceeded reason = "DEADLINE_EXCEEDED"
	reasonInternal         reason = "INTERNAL"
)

// entry is what the documentation says of a reason, and what decides its codes.
type entry struct {
	reason reason
	code   codes.Code
	http   int // where it is not the status that belongs to the code
	when   string
	do     string
}

// reasons is the one table of errors, in the order of docs/errors.md.
var reasons = []entry{
	{reasonMalformed, codes.InvalidArgument, 0, "The body is no JSON, holds an unknown field or a value of the wrong type, or a query parameter or header cannot be read.", "Read the message: it names the field. /openapi.json has the form."},
	{reasonInvalidField, codes.InvalidArgument, 0, "A field breaks a rule. BadRequest in the details names every such field.", "Correct the fields that fieldViolations lists."},
	{reasonPageToken, codes.InvalidArgument, 0, "The page token belongs to another list, or the bank was reloaded since.", "Start again without a page token."},
	{reasonMediaType, codes.InvalidArgument, http.StatusUnsupportedMediaType, "A body came with another Content-Type than application/json.", "Send Content-Type: application/json."},
	{reasonTooLarge, codes.InvalidArgument, http.StatusRequestEntityTooLarge, "The body is larger than the server reads.", "Shorten the answer: text up to 32 KiB, audio up to 3 MiB."},
	{reasonRoute, codes.NotFound, 0, "There is nothing at this path.", "See /openapi.json for the paths."},
	{reasonMethod, codes.Unimplemented, http.StatusMethodNotAllowed, "The path is right and the method is not.", "Use one of the methods in the header Allow."},
	{reasonQuestion, codes.NotFound, 0, "No bank has this question.", "The message names the nearest ids; GET /v1/questions lists all."},
	{reasonPoint, codes.NotFound, 0, "The question has no such point.", "Ids of points stand in critiques."},
	{reasonBank, codes.NotFound, 0, "No such bank is loaded.", "GET /v1/banks lists them."},
	{reasonAmbiguous, codes.InvalidArgument, 0, "More than one bank has a question with this id.", "Name the bank: /v1/banks/{bank}/questions/{question_id}."},
	{reasonBankMismatch, codes.InvalidArgument, 0, "The bank in the question id is not the bank in the request.", "Give the bank once."},
	{reasonBankBroken, codes.Internal, 0, "A bank that was loaded cannot be used.", "Tell the operator; grader rubric lint says what is wrong."},
	{reasonJudgeUnset, codes.FailedPrecondition, 0, "The judge is REQUIRED and the server has none.", "Ask for judge AUTO or OFF, or have a judge configured."},
	{reasonJudgeFailed, codes.Unavailable, 0, "The judge is REQUIRED and failed. judge_reason in the metadata says how.", "Try again later, or ask for judge AUTO."},
	{reasonJudgeBudget, codes.ResourceExhausted, 0, "The judge is REQUIRED and the key's or the server's budget for it is spent.", "Wait as long as Retry-After says, or ask for judge AUTO."},
	{reasonSpeechUnset, codes.FailedPrecondition, 0, "The answer is audio and the server has no recogniser.", "Send text or a transcript."},
	{reasonKeyMissing, codes.Unauthenticated, 0, "The server wants an API key and none came.", "Send Authorization: Bearer KEY."},
	{reasonKeyUnknown, codes.Unauthenticated, 0, "The API key is not one of the server's.", "Check the key."},
	{reasonScope, codes.PermissionDenied, 0, "The key lacks the scope that this takes; scope in the metadata names it.", "Use a key with the scope."},
	{reasonDetail, codes.PermissionDenied, 0, "The key is bound to less detail than was asked for.", "Ask for less, or leave detail out."},
	{reasonRateLimited, codes.ResourceExhausted, 0, "Too many requests with this key or from this address.", "Wait as long as Retry-After says."},
	{reasonOverloaded, codes.ResourceExhausted, 0, "The server has as much work in flight as it takes on.", "Wait as long as Retry-After says and try again."},
	{reasonShuttingDown, codes.Unavailable, 0, "The server is going down.", "Try again: another replica answers."},
	{reasonCanceled, codes.Canceled, 0, "The caller hung up.", "Nothing."},
	{reasonDeadlineExceeded, codes.DeadlineExceeded, 0, "The time that the caller or the server allows is over.", "Allow more time, or ask for judge OFF."},
	{reasonInternal, codes.Internal, 0, "A fault of the server. Its log has the cause under the request id.", "Report it with the request id."},
}

// entryOf finds a reason in the table; one that is not there is INTERNAL, which a test rules out.
func entryOf(r reason) entry {
	for _, e := range reasons {
		if e.reason == r {
			return e
		}
	}
	return reasons[len(reasons)-1]
}

// httpStatus is the status that an error has over HTTP.
func (e entry) httpStatus() int {
	if e.http != 0 {
		return e.http
	}
	return runtime.HTTPStatusFromCode(e.code)
}
