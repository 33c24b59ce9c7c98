package server

import (
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// checkQuery refuses query parameters that the rpc does not know, which the gateway would leave aside.
func checkQuery(r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(reasonMalformed, "the query cannot be read: %v", err)
	}
	m := queried(r.URL.Path)
	if m == nil {
		return nil // not found, or a body has it all
	}
	fields := m.ProtoReflect().Descriptor().Fields()
	for name, list := range values {
		if fields.ByName(protoreflect.Name(name)) == nil && fields.ByJSONName(name) == nil {
			return refuse(reasonMalformed, "unknown query parameter %q", name)
		}
		if len(list) > 1 {
			return refuse(reasonMalformed, "query parameter %q is given more than once", name)
		}
	}
	return nil
}

// queried is the request that a path's query fills in; nil where there is none.
func queried(path string) proto.Message {
	parts := strings.Split(strings.TrimPrefix(path, "/v1/"), "/")
	if parts[0] == "banks" {
		switch len(parts) {
		case 1:
			return &graderv1.ListBanksRequest{}
		case 2:
			return &graderv1.GetBankRequest{}
		}
		parts = parts[2:]
	}
	switch {
	case parts[0] != "questions":
		return nil
	case len(parts) == 1:
		return &graderv1.ListQuestionsRequest{}
	case len(parts) == 2:
		return &graderv1.GetQuestionRequest{}
	}
	return nil
}
