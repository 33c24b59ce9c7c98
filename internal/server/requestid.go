package server

import (
	"crypto/rand"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
)

var goodID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// requestID is the caller's id for a request, or a new one where it gave none that can stand in a log.
func requestID(given string) string {
	if goodID.MatchString(given) {
		return given
	}
	return strings.ToLower(rand.Text()[:16])
}

// codeName is the name of a code in the contract, such as INVALID_ARGUMENT.
func codeName(c codes.Code) string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return codeNames[codes.Unknown]
}

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}
