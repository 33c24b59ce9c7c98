package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/wire"
)

// writeError writes the one form that every error has over HTTP.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	st, why := withReason(err)
	v := visitOf(r.Context())
	v.code = st.Code()
	h := w.Header()
	h.Del("Transfer-Encoding")
	h.Set("Content-Type", typeJSON)
	h.Set("Cache-Control", "no-store")
	if wait := retryAfter(st); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(wait))
	}
	if e, ok := errors.AsType[*apiError](err); ok && e.allow != "" {
		h.Set("Allow", e.allow)
	}
	code := answers[why].httpStatus()
	if code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="grader"`)
	}
	body, err := wire.Marshal(st.Proto())
	if err != nil { // the message holds what is no text
		body = []byte(`{"code":13,"message":"internal error","details":[]}`)
		code = http.StatusInternalServerError
	}
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// withReason returns the status of an error, which has a reason even where the gateway or the transport made it.
func withReason(err error) (*status.Status, reason) {
	if h, ok := errors.AsType[*runtime.HTTPStatusError](err); ok {
		err = refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "%v", h.Err)
	}
	st, ok := status.FromError(err)
	if !ok {
		st = toStatus(err)
	}
	if r := reasonOf(st); r != graderv1.ErrorReason_UNSPECIFIED { // of our own
		return st, r
	}
	st = toStatus(fromStatus(st, err))
	return st, reasonOf(st)
}

func reasonOf(st *status.Status) reason {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return reason(graderv1.ErrorReason_Value_value[info.Reason])
		}
	}
	return graderv1.ErrorReason_UNSPECIFIED
}

// retryAfter is how many seconds to wait, rounded up; 0 where the error does not say.
func retryAfter(st *status.Status) int {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return int(math.Ceil(info.RetryDelay.AsDuration().Seconds()))
		}
	}
	return 0
}

func streamError(_ context.Context, err error) *status.Status {
	st, _ := withReason(err)
	return st
}

func routingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	writeError(w, r, routeError(r, code))
}

func routeError(r *http.Request, code int) *apiError {
	_, upload := uploadAt(r.URL.Path)
	taken := upload || grades(r)
	// No id has a colon: what stands behind one is a verb, and this one is none.
	if code != http.StatusMethodNotAllowed || !taken && strings.Contains(r.URL.Path, ":") {
		return refuse(graderv1.ErrorReason_ROUTE_NOT_FOUND, "there is nothing at this path; /openapi.json has the paths")
	}
	e := refuse(graderv1.ErrorReason_METHOD_NOT_ALLOWED, "this path does not take %s", methodShown(r.Method))
	e.allow = "GET, HEAD"
	if taken {
		e.allow = "POST"
	}
	e.message += "; use " + e.allow
	return e
}

// methodShown bounds what is shown of a method.
func methodShown(m string) string {
	const most = 20
	if len(m) > most {
		return m[:most]
	}
	return m
}
