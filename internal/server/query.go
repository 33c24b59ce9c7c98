package server

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// checkQuery refuses query parameters that the rpc does not know, which the gateway would leave aside.
func checkQuery(r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the query cannot be read: %v", err)
	}
	m := queried(r.URL.Path)
	if m == nil {
		return nil // not found, or a body has it all
	}
	fields := m.ProtoReflect().Descriptor().Fields()
	for name, list := range values {
		f := fields.ByJSONName(name)
		if f == nil {
			f = fields.ByName(protoreflect.Name(name))
		}
		if err := checkParameter(f, name, list); err != nil {
			return err
		}
	}
	return nil
}

func checkParameter(f protoreflect.FieldDescriptor, name string, list []string) error {
	switch {
	case f == nil:
		return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "unknown query parameter %q; /openapi.json has those of this path", name)
	case len(list) > 1:
		return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "query parameter %q is given more than once; give it once", name)
	case !utf8.ValidString(list[0]):
		return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "query parameter %q is no UTF-8; encode it so", name)
	case f.Kind() == protoreflect.EnumKind && f.Enum().Values().ByName(protoreflect.Name(list[0])) == nil:
		return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "query parameter %q cannot be %q; use %s", name, list[0], valuesOf(f.Enum()))
	case f.Kind() == protoreflect.Int32Kind && !wholeNumber(list[0]):
		return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "query parameter %q cannot be %q; use a whole number", name, list[0])
	}
	return nil
}

// valuesOf lists the values of an enum that can be asked for.
func valuesOf(e protoreflect.EnumDescriptor) string {
	var names []string
	for i := 1; i < e.Values().Len(); i++ { // the first one is UNSPECIFIED
		names = append(names, string(e.Values().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}

func wholeNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
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
