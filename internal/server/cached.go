package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// gzipFrom is the size from which compressing pays.
const gzipFrom = 1024

// cached answers a GET with an ETag, compressed where the caller takes it, or with 304 where it has the answer already.
func (h *httpHandler) cached(w http.ResponseWriter, r *http.Request) {
	if err := checkQuery(r); err != nil {
		writeError(w, r, err)
		return
	}
	r.Header.Del("Accept")
	buf := &buffer{header: w.Header()}
	h.gateway.ServeHTTP(buf, r)
	if buf.status != 0 && buf.status != http.StatusOK {
		w.WriteHeader(buf.status)
		_, _ = w.Write(buf.body.Bytes())
		return
	}
	writeCached(w, r, buf.body.Bytes())
}

// writeCached writes a body that stays the same for a while; its Content-Type is set already.
func writeCached(w http.ResponseWriter, r *http.Request, body []byte) {
	sum := sha256.Sum256(body)
	tag := `W/"` + hex.EncodeToString(sum[:12]) + `"` // weak: compressed or not, it is the same
	head := w.Header()
	head.Set("ETag", tag)
	if head.Get("Cache-Control") == "" {
		head.Set("Cache-Control", "private, no-cache")
	}
	head.Add("Vary", "Accept-Encoding, Authorization, X-Api-Key")
	if matches(r.Header.Get("If-None-Match"), tag) {
		head.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if len(body) >= gzipFrom && takesGzip(r) {
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the level is valid
		_, _ = z.Write(body)
		_ = z.Close()
		head.Set("Content-Encoding", "gzip")
		body = packed.Bytes()
	}
	_, _ = w.Write(body)
}

func matches(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		t = strings.TrimSpace(t)
		if t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

func takesGzip(r *http.Request) bool {
	for e := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(e), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q = strings.ReplaceAll(q, " ", "")
			return q != "q=0" && q != "q=0.0"
		}
	}
	return false
}

// buffer holds a response back.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is that of the response.
func (b *buffer) Header() http.Header { return b.header }

// WriteHeader keeps the status.
func (b *buffer) WriteHeader(code int) {
	if b.status == 0 {
		b.status = code
	}
}

// Write keeps the body.
func (b *buffer) Write(p []byte) (int, error) { return b.body.Write(p) }
