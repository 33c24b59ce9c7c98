package server

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

const (
	defaultPageSize = 50
	maxPageSize     = 200
)

// page cuts one page out of a list and returns the token for the next one. A token is good for the same list only: of is
// everything that the list depends on.
func page[T any](list []T, size int32, token string, of ...string) (part []T, next string, err error) {
	switch {
	case size == 0:
		size = defaultPageSize
	case size > maxPageSize:
		size = maxPageSize
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%q", of)
	sum := strconv.FormatUint(h.Sum64(), 36)
	start := 0
	if token != "" {
		if start, err = readToken(token, sum); err != nil || start > len(list) {
			return nil, "", badField(graderv1.ErrorReason_INVALID_PAGE_TOKEN, "page_token", "this token is not for this list; start again without one")
		}
	}
	end := min(len(list), start+int(size))
	if end < len(list) {
		next = base64.RawURLEncoding.EncodeToString([]byte(sum + "." + strconv.Itoa(end)))
	}
	return list[start:end], next, nil
}

func readToken(token, sum string) (int, error) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, err
	}
	got, at, _ := strings.Cut(string(data), ".")
	n, err := strconv.Atoi(at)
	if err != nil || n < 0 || got != sum {
		return 0, strconv.ErrSyntax
	}
	return n, nil
}
