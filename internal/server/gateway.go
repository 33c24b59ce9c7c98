package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/wire"
)

const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	typeSSE    = "text/event-stream"
)

// newGateway translates HTTP to rpcs on conn.
func newGateway(ctx context.Context, conn grpc.ClientConnInterface) (*runtime.ServeMux, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, marshaler{stream: typeNDJSON, after: "\n"}),
		runtime.WithMarshalerOption(typeSSE, marshaler{stream: typeSSE, before: "data: ", after: "\n\n"}),
		runtime.WithIncomingHeaderMatcher(func(h string) (string, bool) { return "x-api-key", h == "X-Api-Key" }),
		runtime.WithOutgoingHeaderMatcher(outgoing),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithMetadata(annotate),
		runtime.WithForwardResponseOption(func(ctx context.Context, _ http.ResponseWriter, _ proto.Message) error { noteCaller(ctx); return nil }),
		runtime.WithErrorHandler(func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
			noteCaller(ctx)
			writeError(w, r, err)
		}),
		runtime.WithRoutingErrorHandler(routingError),
		runtime.WithStreamErrorHandler(func(ctx context.Context, err error) *status.Status { return streamError(ctx, err) }),
		runtime.WithDisablePathLengthFallback(),
	)
	return mux, graderv1.RegisterGraderServiceHandlerClient(ctx, mux, peekingClient{graderv1.NewGraderServiceClient(conn)})
}

// annotate passes on who asks and under which id; nothing of it can come from outside.
func annotate(ctx context.Context, r *http.Request) metadata.MD {
	v := visitOf(r.Context())
	if method, ok := runtime.RPCMethod(ctx); ok {
		v.method = strings.TrimPrefix(method, ours)
	}
	md := metadata.Pairs(headerRequestID, v.id, headerRemote, v.remote)
	passTrace(md, r)
	return md
}

// noteCaller keeps the name of the key for the log.
func noteCaller(ctx context.Context) {
	if md, ok := runtime.ServerMetadataFromContext(ctx); ok {
		visitOf(ctx).caller = first(md.HeaderMD, headerCaller)
	}
}

// outgoing lets through what the chain announces.
func outgoing(key string) (string, bool) {
	switch key {
	case "ratelimit-limit":
		return "RateLimit-Limit", true
	case "ratelimit-remaining":
		return "RateLimit-Remaining", true
	case "judge-budget-remaining":
		return "Judge-Budget-Remaining", true
	}
	return "", false
}

// marshaler writes what wire.Marshal writes, and in streams each event as it is, without the gateway's "result" around
// it. It reads strictly.
type marshaler struct{ stream, before, after string }

// Marshal writes a body, or one event of a stream.
func (m marshaler) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case proto.Message:
		return wire.Marshal(v)
	case map[string]any: // an event
		if event, ok := v["result"].(proto.Message); ok {
			data, err := wire.Marshal(event)
			return append([]byte(m.before), data...), err
		}
	case map[string]proto.Message: // an error after the first event
		data, err := wire.Marshal(v["error"])
		return []byte(m.before + `{"error":` + string(data) + `}`), err
	}
	return nil, errors.New("no message to marshal")
}

// Unmarshal reads a body.
func (marshaler) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return errors.New("no message to unmarshal")
	}
	if err := protojson.Unmarshal(data, m); err != nil {
		text := plain(err)
		if name, ok := wrongEnum(text); ok {
			if e := enumOf(m.ProtoReflect().Descriptor(), name); e != nil {
				return fmt.Errorf("the body is not what this path takes: %s; use %s", text, valuesOf(e))
			}
		}
		return fmt.Errorf("the body is not what this path takes: %s; /openapi.json has its form", text)
	}
	return nil
}

// plain takes protobuf's prefix off an error, which differs between builds on purpose.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.NewReplacer("proto: ", "", "unexpected EOF", "it ends too early",
		"oneof grader.v1.Answer.content is already set", "an answer is one of text, transcript and audio").Replace(text)
}

// wrongEnum is the field that an error of protojson says has a value that is none of its enum's.
func wrongEnum(text string) (field string, ok bool) {
	_, rest, ok := strings.Cut(text, "invalid value for enum field ")
	field, _, _ = strings.Cut(rest, ":")
	return field, ok
}

// enumOf is the enum of the field with this name in a message or those inside it; nil where there is none.
func enumOf(m protoreflect.MessageDescriptor, field string) protoreflect.EnumDescriptor {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if f.JSONName() == field || string(f.Name()) == field {
			return f.Enum()
		}
		if f.Message() != nil {
			if e := enumOf(f.Message(), field); e != nil {
				return e
			}
		}
	}
	return nil
}

// NewDecoder reads one body to its end.
func (m marshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if len(data) == 0 {
			return errors.New("the body is empty; send a JSON object")
		}
		return m.Unmarshal(data, v)
	})
}

// NewEncoder writes bodies.
func (m marshaler) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		data, err := m.Marshal(v)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
}

// ContentType is JSON.
func (marshaler) ContentType(any) string { return typeJSON }

// StreamContentType is that of the stream.
func (m marshaler) StreamContentType(any) string { return m.stream }

// Delimiter ends an event.
func (m marshaler) Delimiter() []byte { return []byte(m.after) }

// peekingClient waits for the first event of a stream, so that an error before it becomes a plain error and not a stream
// that holds one.
type peekingClient struct{ graderv1.GraderServiceClient }

// StreamGradeAnswer opens the stream and reads its first event.
func (c peekingClient) StreamGradeAnswer(ctx context.Context, in *graderv1.StreamGradeAnswerRequest, opts ...grpc.CallOption) (graderv1.GraderService_StreamGradeAnswerClient, error) {
	stream, err := c.GraderServiceClient.StreamGradeAnswer(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	head, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	return &peeked{GraderService_StreamGradeAnswerClient: stream, head: head}, nil
}

type peeked struct {
	graderv1.GraderService_StreamGradeAnswerClient
	head *graderv1.StreamGradeAnswerResponse
}

// Recv returns the first event, then the others.
func (p *peeked) Recv() (*graderv1.StreamGradeAnswerResponse, error) {
	if head := p.head; head != nil {
		p.head = nil
		return head, nil
	}
	return p.GraderService_StreamGradeAnswerClient.Recv()
}
