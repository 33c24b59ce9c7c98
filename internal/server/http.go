package server

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// maxBodyBytes holds the largest answer there can be: 3 MiB of audio in base64, with something around it.
const maxBodyBytes = 4<<20 + 256<<10

// goodTimeout is the form of Grpc-Timeout.
var goodTimeout = regexp.MustCompile(`^[0-9]{1,8}[HMSmun]$`)

// httpHandler is everything that is between the socket and the gateway.
type httpHandler struct {
	gateway   *runtime.ServeMux
	client    graderv1.GraderServiceClient // for uploads
	site      http.Handler                 // nil without the page
	proxies   proxies
	origins   []string
	heartbeat time.Duration
	stall     time.Duration // how long one write of a stream may take
	maxAudio  int           // bytes of a recording
	// uploadTimeout is for a request with a recording, pieceTimeout for the next piece of it to come.
	uploadTimeout, pieceTimeout time.Duration
	tls                         bool
	metrics                     *metrics
	log                         *slog.Logger
}

func (h *httpHandler) handler() http.Handler {
	return h.observed(h.secured(h.crossOrigin(http.HandlerFunc(h.route))))
}

// secured sets the headers that keep a browser from doing what nobody asked for.
func (h *httpHandler) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := w.Header()
		s.Set("X-Content-Type-Options", "nosniff")
		s.Set("Referrer-Policy", "no-referrer")
		s.Set("X-Frame-Options", "DENY")
		s.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		s.Set("Permissions-Policy", "camera=(), microphone=(self), geolocation=()")
		if h.tls {
			s.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// crossOrigin answers preflight requests and lets the listed origins read.
func (h *httpHandler) crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin == "" || !slices.Contains(h.origins, origin) && !slices.Contains(h.origins, "*") {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, ETag, RateLimit-Limit, RateLimit-Remaining, Judge-Budget-Remaining")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, X-Api-Key, Content-Type, X-Request-Id, Grpc-Timeout, If-None-Match")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *httpHandler) route(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/"), strings.HasPrefix(r.URL.Path, "/v1:"):
		h.api(w, r)
	case h.site != nil:
		h.site.ServeHTTP(w, r)
	default:
		writeError(w, r, routeError(r, http.StatusNotFound))
	}
}

// api prepares a request for the gateway.
func (h *httpHandler) api(w http.ResponseWriter, r *http.Request) {
	if !utf8.ValidString(r.URL.Path) {
		writeError(w, r, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the path is no UTF-8; encode it so"))
		return
	}
	if at, ok := uploadAt(r.URL.Path); ok {
		h.upload(w, r, at)
		return
	}
	if t := r.Header.Get("Grpc-Timeout"); t != "" && !goodTimeout.MatchString(t) {
		writeError(w, r, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "Grpc-Timeout %q cannot be read; it looks like 10S (seconds) or 500m (milliseconds)", t))
		return
	}
	if grades(r) && r.Method != http.MethodPost { // the gateway would take the verb for a part of an id
		writeError(w, r, routeError(r, http.StatusMethodNotAllowed))
		return
	}
	switch {
	case grades(r):
		h.post(w, r)
	case r.Method == http.MethodHead:
		r = r.Clone(r.Context())
		r.Method = http.MethodGet // net/http leaves the body out
		h.cached(w, r)
	case r.Method == http.MethodGet:
		h.cached(w, r)
	default:
		r.Header.Del("X-Http-Method-Override")
		h.gateway.ServeHTTP(w, r) // says which methods there are
	}
}

// grades reports whether the path is one that grades.
func grades(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, ":grade") || strings.HasSuffix(r.URL.Path, ":streamGrade")
}

func (h *httpHandler) post(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		writeError(w, r, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "this path takes no query parameters; everything stands in the body"))
		return
	}
	if r.Header.Get("Content-Encoding") != "" {
		writeError(w, r, refuse(graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "send the body as it is, without Content-Encoding"))
		return
	}
	if err := checkMediaType(r); err != nil {
		writeError(w, r, err)
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !strings.HasSuffix(r.URL.Path, ":streamGrade") {
		r.Header.Del("Accept")
		w.Header().Set("Cache-Control", "no-store")
		h.gateway.ServeHTTP(w, r)
		return
	}
	h.stream(w, r)
}

// checkMediaType wants JSON by name: a browser sends anything else across origins without asking first.
func checkMediaType(r *http.Request) error {
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && t == typeJSON && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8")) {
		return nil
	}
	return refuse(graderv1.ErrorReason_UNSUPPORTED_MEDIA_TYPE, "send the body as Content-Type: application/json")
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := refuse(graderv1.ErrorReason_BODY_TOO_LARGE, "the body is larger than %d bytes; text may be 32 KiB and audio 3 MiB", maxBodyBytes)
	if r.ContentLength > maxBodyBytes {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, refuse(graderv1.ErrorReason_MALFORMED_REQUEST, "the body did not arrive whole")
	}
	return body, nil
}

// originsValid reports the first origin that is none.
func originsValid(origins []string) (string, bool) {
	for _, o := range origins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.RawQuery != "") {
			return o, false
		}
	}
	return "", true
}
