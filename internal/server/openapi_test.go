package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

type object = map[string]any

// TestOpenAPI builds the document that is served from the one that is generated from the contract: as OpenAPI 3.0, which
// today's generators read, with the errors, the keys, examples and the routes beside the gateway.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../gen/openapi/grader.swagger.json")
	require.NoError(t, err)
	var from object
	require.NoError(t, json.Unmarshal(data, &from))
	out, err := json.MarshalIndent(openAPI(t, from), "", " ")
	require.NoError(t, err)
	golden(t, "site/openapi.json", string(out)+"\n")
}

// TestOpenAPIIsWhole: every reference leads somewhere, everything is used, and the paths are those of the server.
func TestOpenAPIIsWhole(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("site/openapi.json")
	require.NoError(t, err)
	var doc object
	require.NoError(t, json.Unmarshal(data, &doc))
	used := map[string]bool{}
	walk(doc, func(o object) {
		if ref, ok := o["$ref"].(string); ok {
			used[ref] = true
			require.Len(t, o, 1, "nothing stands beside a reference: %v", o)
		}
	})
	components := doc["components"].(object)
	for kind, list := range components {
		for name := range list.(object) {
			ref := "#/components/" + kind + "/" + name
			require.True(t, used[ref] || kind == "securitySchemes", "%s is not used", ref)
			delete(used, ref)
		}
	}
	require.Empty(t, used, "lead nowhere")
	st := start(t, Config{})
	for path, verbs := range doc["paths"].(object) {
		for verb, op := range verbs.(object) {
			body, contentType := "", "-"
			if b, ok := op.(object)["requestBody"].(object); ok {
				body, contentType = "{}", slices.Sorted(maps.Keys(b["content"].(object)))[0]
			}
			r := st.do(t, strings.ToUpper(verb), strings.NewReplacer("{bank}", "tea", "{questionId}", "black-tea").Replace(path), body, "Content-Type", contentType)
			require.NotEqual(t, http.StatusNotFound, r.status, "%s %s", verb, path)
			require.NotEqual(t, http.StatusMethodNotAllowed, r.status, "%s %s", verb, path)
			declared := op.(object)["responses"].(object)
			require.Contains(t, declared, fmt.Sprint(r.status), "%s %s", verb, path)
		}
	}
}

// TestTypeScriptTypes: the types of the TypeScript client are those of this document.
func TestTypeScriptTypes(t *testing.T) {
	t.Parallel()
	var doc object
	data, err := os.ReadFile("site/openapi.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &doc))
	types, err := os.ReadFile("../../examples/client-ts/grader.d.ts")
	require.NoError(t, err)
	want := slices.Sorted(maps.Keys(doc["paths"].(object)))
	for name, schema := range doc["components"].(object)["schemas"].(object) {
		want = append(want, slices.Sorted(maps.Keys(asObject(schema.(object)["properties"])))...)
		want = append(want, name)
		for _, value := range asList(schema.(object)["enum"]) {
			want = append(want, value.(string))
		}
	}
	for _, w := range want {
		require.Contains(t, string(types), w, "run npm run types in examples/client-ts")
	}
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

func walk(v any, visit func(object)) {
	switch v := v.(type) {
	case object:
		visit(v)
		for _, x := range v {
			walk(x, visit)
		}
	case []any:
		for _, x := range v {
			walk(x, visit)
		}
	}
}

func openAPI(t *testing.T, from object) object {
	walk(from, fixSchema)
	schemas := object{}
	for name, s := range from["definitions"].(object) {
		schemas[shortName(name)] = s
	}
	finishSchemas(schemas)
	paths := object{}
	for path, verbs := range from["paths"].(object) {
		paths[path] = object{}
		for verb, op := range verbs.(object) {
			paths[path].(object)[verb] = operation(verb, op.(object))
		}
	}
	maps.Copy(paths, handWritten())
	maps.Copy(paths, uploads(schemas))
	doc := object{
		"openapi": "3.0.3", "info": from["info"], "servers": []any{object{"url": "/"}}, "tags": from["tags"], "paths": paths,
		"security": []any{object{}, object{"bearer": []any{}}, object{"apiKey": []any{}}},
		"components": object{"schemas": schemas, "responses": errorResponses(t), "securitySchemes": object{
			"bearer": object{"type": "http", "scheme": "bearer", "description": "Only where the server has keys."},
			"apiKey": object{"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same key, for callers that cannot set Authorization."},
		}},
	}
	prune(doc, schemas)
	return doc
}

func shortName(name string) string {
	if name == "google.rpc.Status" {
		return "Error"
	}
	return strings.TrimPrefix(strings.TrimPrefix(name, "grader.v1."), "google.protobuf.")
}

// fixSchema moves references to where OpenAPI 3 has them; what stands beside one goes around it.
func fixSchema(o object) {
	ref, ok := o["$ref"].(string)
	if !ok || !strings.HasPrefix(ref, "#/definitions/") {
		return
	}
	target := object{"$ref": "#/components/schemas/" + shortName(strings.TrimPrefix(ref, "#/definitions/"))}
	description := o["description"]
	clear(o)
	if description == nil {
		maps.Copy(o, target)
		return
	}
	o["allOf"], o["description"] = []any{target}, description
}

const (
	idPattern = "^[a-z0-9]+(-[a-z0-9]+)*$"
	emptyOrID = "^([a-z0-9]+(-[a-z0-9]+)*)?$"
)

func finishSchemas(schemas object) {
	e := schemas["Error"].(object)
	e["description"] = "What every error looks like. The first of the details is an ErrorInfo, whose reason programs can tell errors apart by; docs/errors.md lists them."
	e["required"] = []any{"code", "message", "details"}
	schemas["Any"].(object)["description"] = "A detail: @type names what it is, such as type.googleapis.com/google.rpc.ErrorInfo with reason, domain and metadata, or google.rpc.BadRequest with fieldViolations."
	schemas["Any"].(object)["properties"] = object{"@type": object{"type": "string"}}
	for _, name := range []string{"GraderService.GradeAnswerBody", "GraderService.StreamGradeAnswerBody"} {
		body := schemas[name].(object)
		body["required"], body["additionalProperties"] = []any{"answer"}, false
		if p, ok := body["properties"].(object)["bank"].(object); ok {
			p["maxLength"], p["pattern"] = 100, emptyOrID
		}
	}
	for _, name := range []string{"Answer", "Audio"} {
		schemas[name].(object)["additionalProperties"] = false
	}
	schemas["Answer"].(object)["oneOf"] = []any{object{"required": []any{"text"}}, object{"required": []any{"transcript"}}, object{"required": []any{"audio"}}}
	schemas["Audio"].(object)["required"] = []any{"content"}
	answer := schemas["Answer"].(object)["properties"].(object)
	answer["text"].(object)["maxLength"] = 32768
	for field, most := range map[string]int{"words": 10000, "segments": 5000} {
		schemas["Transcript"].(object)["properties"].(object)[field].(object)["maxItems"] = most
	}
}

func operation(verb string, op object) object {
	out := object{"operationId": strings.TrimPrefix(op["operationId"].(string), "GraderService_"), "summary": op["summary"], "tags": op["tags"]}
	if d, ok := op["description"]; ok {
		out["description"] = d
	}
	var parameters []any
	for _, p := range op["parameters"].([]any) {
		p := p.(object)
		if p["in"] == "body" {
			out["requestBody"] = object{"required": true, "content": object{typeJSON: object{"schema": p["schema"],
				"example": object{"answer": object{"text": "The water has to boil.", "modality": "TYPED"}, "judge": "AUTO", "detail": "CANDIDATE"}}}}
			continue
		}
		parameters = append(parameters, parameter(p))
	}
	out["parameters"] = append(parameters, requestIDParameter())
	out["responses"] = responses(verb, op)
	return out
}

func requestIDParameter() object {
	return object{"name": "X-Request-Id", "in": "header", "description": "Id of the request for the logs, given back. At most 128 letters, digits, dots, dashes and underscores; else the server makes one.",
		"schema": object{"type": "string"}}
}

func parameter(p object) object {
	schema := object{}
	for k, v := range p {
		switch k {
		case "name", "in", "description", "required":
		default:
			schema[k] = v
		}
	}
	switch p["name"] {
	case "bank", "questionId":
		schema["pattern"], schema["maxLength"] = idPattern, 100
		if p["in"] == "query" { // may be empty
			schema["pattern"] = emptyOrID
		}
	case "pageSize":
		schema["minimum"] = 0
	case "category":
		schema["maxLength"] = 100
	case "pageToken":
		schema["maxLength"] = 1024
	}
	return object{"name": p["name"], "in": p["in"], "description": p["description"], "required": p["required"], "schema": schema}
}

func responses(verb string, op object) object {
	ok := op["responses"].(object)["200"].(object)
	types := []any{typeJSON}
	if t, has := op["produces"].([]any); has {
		types = t
	}
	content := object{}
	for _, t := range types {
		content[t.(string)] = object{"schema": ok["schema"]}
	}
	out := object{"200": object{"description": ok["description"], "content": content, "headers": object{
		"X-Request-Id": object{"description": "Id of the request.", "schema": object{"type": "string"}}}}}
	codes := []int{400, 401, 403, 404, 429, 500, 503, 504}
	if verb == "get" {
		out["304"] = object{"description": "The caller has this version already: If-None-Match held its ETag."}
		out["200"].(object)["headers"].(object)["ETag"] = object{"description": "Version of the answer.", "schema": object{"type": "string"}}
	} else {
		codes = append(codes, 413, 415)
	}
	for _, c := range codes {
		out[fmt.Sprint(c)] = object{"$ref": fmt.Sprintf("#/components/responses/Error%d", c)}
	}
	out["default"] = object{"$ref": "#/components/responses/ErrorOther"}
	return out
}

func errorResponses(t *testing.T) object {
	body := func(description string, example object) object {
		content := object{"schema": object{"$ref": "#/components/schemas/Error"}}
		if example != nil {
			content["example"] = example
		}
		return object{"description": description, "content": object{typeJSON: content}}
	}
	all := documentedReasons(t)
	out := object{"ErrorOther": body("An error that is not listed.", nil)}
	for _, status := range []int{400, 401, 403, 404, 413, 415, 429, 500, 503, 504} {
		var names []string
		var first documented
		for _, d := range all {
			if answers[d.reason].httpStatus() != status {
				continue
			}
			if names = append(names, d.String()); len(names) == 1 {
				first = d
			}
		}
		out[fmt.Sprintf("Error%d", status)] = body("Reasons: "+strings.Join(names, ", ")+".", object{"code": answers[first.reason].code, "message": first.when,
			"details": []any{object{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": first.String(), "domain": domain, "metadata": object{}}}})
	}
	return out
}

// uploads are the routes that take a recording as it is. They stand beside the gateway, and so do their schemas.
func uploads(schemas object) object {
	ref := func(name string) object { return object{"$ref": "#/components/schemas/" + name} }
	schemas["TranscribeResponse"] = schemaOf(&graderv1.TranscribeResponse{}, "What was heard.", object{
		"transcript": object{"allOf": []any{ref("Transcript")}, "description": "What was said. Its text is empty where nobody speaks; doubtful is set where the critique of it would say LOW_TRANSCRIPT_QUALITY."},
		"doubts":     object{"type": "array", "items": ref("Doubt"), "description": "The stretches that are probably wrong and that a second pass did not settle, by time."},
		"notes":      object{"type": "array", "items": object{"type": "string"}, "description": "What was noticed and repaired, and what is doubted, a sentence each."},
	})
	schemas["Doubt"] = schemaOf(&graderv1.Doubt{}, "A stretch of a transcript that is probably wrong.", object{
		"kind":    object{"type": "string", "enum": []any{"LOST", "LOOP", "INVENTED"}, "description": "LOST: the stretch has no words. LOOP: the recogniser repeats itself. INVENTED: words where nobody spoke."},
		"startMs": object{"type": "integer", "format": "int32", "description": "Start in milliseconds from the beginning of the recording."},
		"endMs":   object{"type": "integer", "format": "int32", "description": "End in milliseconds from the beginning of the recording."},
	})
	option := func(name, schema, description string) object {
		return object{"name": name, "in": "query", "required": false, "description": description, "schema": ref(schema)}
	}
	grading := []any{option("judge", "JudgeUse.Value", "Whether a judge is asked. Left out: AUTO."),
		option("detail", "Detail.Value", "How much of the critique is returned. Left out: CANDIDATE, or less if the key is bound to less.")}
	const whole, heard = "Grade one spoken answer from its recording.", "Write a recording down, to be read and corrected before it is graded."
	schemas["TranscribeResponse"].(object)["example"] = object{
		"transcript": object{"text": "The water has to boil.", "language": "en", "segments": []any{},
			"words": []any{object{"text": "The", "startMs": 0, "endMs": 180}, object{"text": "water", "startMs": 180, "endMs": 520}, object{"text": "has", "startMs": 520, "endMs": 700},
				object{"text": "to", "startMs": 700, "endMs": 800}, object{"text": "boil.", "startMs": 800, "endMs": 1300}}},
		"doubts": []any{object{"kind": "LOST", "startMs": 1300, "endMs": 9000}},
		"notes":  []any{"no words from 0:01 to 0:09: speech may be missing or wrong there, listen to it"},
	}
	out := object{"/v1:transcribe": upload("Transcribe", heard, "TranscribeResponse", nil, nil)}
	for suffix, prefix := range map[string]string{"": "/v1", "2": "/v1/banks/{bank}"} {
		var at []string
		if suffix != "" {
			at = append(at, "bank")
		}
		at = append(at, "questionId")
		path := prefix + "/questions/{questionId}"
		out[path+":gradeAudio"] = upload("GradeAudio"+suffix, whole, "Critique", at, grading)
		out[path+":transcribe"] = upload("TranscribeAnswer"+suffix, heard+" The names of the question help the recogniser.", "TranscribeResponse", at, nil)
	}
	return out
}

// schemaOf is the schema of a message that the gateway does not know. Its properties have to be the message's fields.
func schemaOf(m proto.Message, description string, properties object) object {
	var required []any
	fields := m.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := fields.Get(i).JSONName()
		if properties[name] == nil {
			panic("no description of " + name)
		}
		required = append(required, name)
	}
	return object{"type": "object", "description": description, "properties": properties, "required": required}
}

func upload(id, summary, reply string, path []string, options []any) object {
	var parameters []any
	for _, name := range path {
		description := "Id of the question, for example \"event-loop-phases\", at most 100 characters."
		if name == "bank" {
			description = "Id of the bank, at most 100 characters."
		}
		parameters = append(parameters, parameter(object{"name": name, "in": "path", "required": true, "description": description, "type": "string"}))
	}
	parameters = append(append(parameters, options...), requestIDParameter())
	sound := object{"type": "string", "format": "binary"}
	return object{"post": object{"operationId": id, "summary": summary, "tags": []any{"GraderService"}, "parameters": parameters,
		"description": "wav, flac, mp3 or ogg, and m4a, mp4 or webm where the server has ffmpeg; the format is told by the content. At most 25 MB unless the server says otherwise. The recording is not kept.",
		"requestBody": object{"required": true, "description": "The recording as it is, or as the one part of a form.", "content": object{
			"audio/*": object{"schema": sound}, "application/octet-stream": object{"schema": sound}, "video/webm": object{"schema": sound},
			"multipart/form-data": object{"schema": object{"type": "object", "required": []any{formField}, "properties": object{formField: sound}}},
		}},
		"responses": responses("post", object{"responses": object{"200": object{"description": "A successful response.", "schema": object{"$ref": "#/components/schemas/" + reply}}}}),
	}}
}

// handWritten are the pages.
func handWritten() object {
	get := func(id, summary, contentType string) object {
		return object{"get": object{"operationId": id, "summary": summary, "tags": []any{"Pages"}, "security": []any{object{}}, "responses": object{
			"200": object{"description": "The page.", "content": object{contentType: object{"schema": object{"type": "string"}}}},
			"304": object{"description": "The caller has this version already."}}}}
	}
	doc := get("OpenAPI", "This document.", typeJSON)
	doc["get"].(object)["responses"].(object)["200"].(object)["content"].(object)[typeJSON] = object{"schema": object{"type": "object"}}
	return object{"/": get("TryPage", "A page to try the service.", "text/html"), "/docs": get("DocsPage", "This API as a page.", "text/html"), "/openapi.json": doc}
}

// prune takes out what nothing refers to.
func prune(doc, schemas object) {
	for {
		used := map[string]bool{}
		walk(doc, func(o object) {
			if ref, ok := o["$ref"].(string); ok {
				used[strings.TrimPrefix(ref, "#/components/schemas/")] = true
			}
		})
		before := len(schemas)
		maps.DeleteFunc(schemas, func(name string, _ any) bool { return !used[name] })
		if len(schemas) == before {
			return
		}
	}
}
