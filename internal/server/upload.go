package server

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/wire"
)

const (
	// chunkBytes of a recording go to the service at a time.
	chunkBytes = 256 << 10
	// formBytes is what a form may have around its recording.
	formBytes = 64 << 10
	// formField is the part of a form that holds the recording.
	formField = "audio"
)

// uploadPath is a path that takes a recording as its body: /v1:transcribe, or a question with :gradeAudio or :transcribe.
type uploadPath struct {
	bank, question string
	grades         bool // rather than transcribes
}

func uploadAt(path string) (uploadPath, bool) {
	path, verb, _ := strings.Cut(path, ":")
	at := uploadPath{grades: verb == "gradeAudio"}
	if !at.grades && verb != "transcribe" {
		return at, false
	}
	if path == "/v1" {
		return at, !at.grades
	}
	parts := strings.Split(strings.TrimPrefix(path, "/v1/"), "/")
	if len(parts) == 4 && parts[0] == "banks" && parts[1] != "" {
		at.bank, parts = parts[1], parts[2:]
	}
	if len(parts) != 2 || parts[0] != "questions" || parts[1] == "" {
		return at, false
	}
	at.question = parts[1]
	return at, true
}

// upload passes the recording in the body on to the service, which sees the options first: nothing is read of what it
// refuses.
func (h *httpHandler) upload(w http.ResponseWriter, r *http.Request, at uploadPath) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		writeError(w, r, routeError(r, http.StatusMethodNotAllowed))
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	reply, head, err := h.pass(ctx, w, r, at)
	visitOf(r.Context()).caller = first(head, headerCaller)
	for k, v := range head {
		if name, ok := outgoing(k); ok {
			w.Header().Set(name, v[0])
		}
	}
	var body []byte
	if err == nil {
		body, err = wire.Marshal(reply)
	}
	if err != nil {
		writeError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", typeJSON)
	_, _ = w.Write(body)
}

// pass makes the call, and returns what it said and its header.
func (h *httpHandler) pass(ctx context.Context, w http.ResponseWriter, r *http.Request, at uploadPath) (proto.Message, metadata.MD, error) {
	query, err := at.query(r.URL.RawQuery)
	if err != nil {
		return nil, nil, err
	}
	recording, err := h.recording(w, r)
	if err != nil {
		return nil, nil, err
	}
	method := graderv1.GraderService_Transcribe_FullMethodName
	open := h.openTranscribe
	if at.grades {
		method, open = graderv1.GraderService_GradeAudio_FullMethodName, h.openGradeAudio
	}
	if ctx, err = runtime.AnnotateContext(ctx, h.gateway, r, method); err != nil {
		return nil, nil, err
	}
	call, err := open(ctx, at, query)
	if err != nil {
		return nil, nil, err
	}
	head, err := call.Header()
	if err == nil && len(head.Get(headerWanted)) > 0 {
		if err := call.send(recording, h.maxAudio); err != nil {
			return nil, head, err
		}
	}
	reply, err := call.finish() // has the reason of a refusal
	return reply, head, err
}

// query reads the options that stand in the query.
func (at uploadPath) query(raw string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the query cannot be read: %v", err)
	}
	fields := (&graderv1.GradeAudioOptions{}).ProtoReflect().Descriptor().Fields()
	for name, list := range values {
		f := fields.ByJSONName(name)
		if !at.grades || name != "judge" && name != "detail" {
			f = nil
		}
		if err := checkParameter(f, name, list); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// recording is the body, or the one part of it that a form has. Reading it fails with an apiError.
func (h *httpHandler) recording(w http.ResponseWriter, r *http.Request) (io.Reader, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form := kind == "multipart/form-data"
	most := int64(h.maxAudio)
	switch {
	case err != nil || !form && !soundType(kind):
		return nil, refuse(graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "send the recording as Content-Type: audio/*, or as the part %q of multipart/form-data", formField)
	case form && params["boundary"] == "":
		return nil, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the form has no boundary")
	case form && !h.ownPage(r):
		return nil, refuse(graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "pages of other hosts have to send the recording as Content-Type: audio/*")
	case form:
		most += formBytes
	}
	if r.ContentLength > most {
		return nil, recordingTooLarge(h.maxAudio)
	}
	now, rc := time.Now(), http.NewResponseController(w)
	_ = rc.SetWriteDeadline(now.Add(h.uploadTimeout + h.stall))
	body := &patientBody{Reader: http.MaxBytesReader(w, r.Body, most), rc: rc, stall: h.pieceTimeout, end: now.Add(h.uploadTimeout)}
	if form {
		return &formBody{parts: multipart.NewReader(body, params["boundary"])}, nil
	}
	return body, nil
}

// soundType reports whether recorders call their files so.
func soundType(kind string) bool {
	return strings.HasPrefix(kind, "audio/") || slices.Contains([]string{"video/webm", "video/mp4", "application/ogg", "application/octet-stream"}, kind)
}

// ownPage reports whether a browser may send a form: it asks nobody before it sends one to another host.
func (h *httpHandler) ownPage(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if slices.Contains(h.origins, "*") || slices.Contains(h.origins, origin) {
		return true
	}
	return http.NewCrossOriginProtection().Check(r) == nil
}

// patientBody is a body that may take its time as long as something comes.
type patientBody struct {
	io.Reader
	rc    *http.ResponseController
	stall time.Duration
	end   time.Time
	done  bool
}

// Read waits for what comes next.
func (b *patientBody) Read(p []byte) (int, error) {
	if b.done { // the deadline would be that of the next request
		return 0, io.EOF
	}
	next := time.Now().Add(b.stall)
	if b.end.Before(next) {
		next = b.end
	}
	_ = b.rc.SetReadDeadline(next)
	n, err := b.Reader.Read(p)
	b.done = errors.Is(err, io.EOF)
	return n, err
}

// formBody is the recording in a form, which holds nothing else.
type formBody struct {
	parts *multipart.Reader
	part  *multipart.Part
}

// Read reads the recording, then the end of the form.
func (b *formBody) Read(p []byte) (int, error) {
	if b.part == nil {
		part, err := b.parts.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return 0, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the form has no part %q", formField)
		case err != nil:
			return 0, err
		case part.FormName() != formField:
			return 0, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the form may have one part, %q; options are query parameters", formField)
		}
		b.part = part
	}
	n, err := b.part.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	switch _, err := b.parts.NextRawPart(); {
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case err != nil:
		return n, err
	}
	return n, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the form may have one part, %q; options are query parameters", formField)
}

// call is an rpc that takes a recording in pieces.
type call struct {
	grpc.ClientStream
	piece  func(chunk []byte) error
	finish func() (proto.Message, error)
}

func (h *httpHandler) openGradeAudio(ctx context.Context, at uploadPath, query url.Values) (*call, error) {
	stream, err := h.client.GradeAudio(ctx)
	if err != nil {
		return nil, err
	}
	o := &graderv1.GradeAudioOptions{Bank: at.bank, QuestionId: at.question,
		Judge:  graderv1.JudgeUse_Value(graderv1.JudgeUse_Value_value[query.Get("judge")]),
		Detail: graderv1.Detail_Value(graderv1.Detail_Value_value[query.Get("detail")])}
	err = stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Options{Options: o}})
	return &call{stream, func(chunk []byte) error {
		return stream.Send(&graderv1.GradeAudioRequest{Part: &graderv1.GradeAudioRequest_Chunk{Chunk: chunk}})
	}, func() (proto.Message, error) {
		res, err := stream.CloseAndRecv()
		return res.GetCritique(), err
	}}, unlessRefused(err)
}

func (h *httpHandler) openTranscribe(ctx context.Context, at uploadPath, _ url.Values) (*call, error) {
	stream, err := h.client.Transcribe(ctx)
	if err != nil {
		return nil, err
	}
	o := &graderv1.TranscribeOptions{Bank: at.bank, QuestionId: at.question}
	err = stream.Send(&graderv1.TranscribeRequest{Part: &graderv1.TranscribeRequest_Options{Options: o}})
	return &call{stream, func(chunk []byte) error {
		return stream.Send(&graderv1.TranscribeRequest{Part: &graderv1.TranscribeRequest_Chunk{Chunk: chunk}})
	}, func() (proto.Message, error) { return stream.CloseAndRecv() }}, unlessRefused(err)
}

// unlessRefused drops the error of a message that the service does not want any more: the end of the call says why.
func unlessRefused(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// send passes the recording on until the service has it, or wants no more.
func (c *call) send(recording io.Reader, most int) error {
	buf := make([]byte, chunkBytes)
	for {
		n, err := recording.Read(buf)
		if n > 0 {
			if err := c.piece(buf[:n]); err != nil {
				return unlessRefused(err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unread(err, most)
		}
	}
}

// unread is the error of a body that could not be read to its end.
func unread(err error, most int) error {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return recordingTooLarge(most)
	}
	return refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the recording did not arrive whole")
}
