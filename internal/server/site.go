package server

import (
	"bytes"
	"embed"
	"net/http"
)

//go:embed site
var siteFiles embed.FS

// pages are the files of the site by path.
var pages = map[string]struct{ file, contentType string }{
	"/":                   {"site/index.html", "text/html; charset=utf-8"},
	"/docs":               {"site/docs.html", "text/html; charset=utf-8"},
	"/openapi.json":       {"site/openapi.json", typeJSON},
	"/assets/practice.js": {"site/practice.js", typeScript},
	"/assets/aloud.js":    {"site/aloud.js", typeScript},
	"/assets/api.js":      {"site/api.js", typeScript},
	"/assets/choose.js":   {"site/choose.js", typeScript},
	"/assets/critique.js": {"site/critique.js", typeScript},
	"/assets/dom.js":      {"site/dom.js", typeScript},
	"/assets/grading.js":  {"site/grading.js", typeScript},
	"/assets/marks.js":    {"site/marks.js", typeScript},
	"/assets/voice.js":    {"site/voice.js", typeScript},
	"/assets/docs.js":     {"site/docs.js", typeScript},
	"/assets/site.css":    {"site/site.css", "text/css; charset=utf-8"},
	"/favicon.ico":        {"site/icon.svg", "image/svg+xml"},
}

const typeScript = "text/javascript; charset=utf-8"

// site serves the page to practise, the API page and the OpenAPI document.
type site struct{ judge, speech bool }

// ServeHTTP serves one file.
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := pages[r.URL.Path]
	if !ok {
		writeError(w, r, routeError(r, http.StatusNotFound))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		writeError(w, r, routeError(r, http.StatusMethodNotAllowed))
		return
	}
	body, err := siteFiles.ReadFile(p.file)
	if err != nil {
		writeError(w, r, err)
		return
	}
	if r.URL.Path == "/" {
		body = s.hint(body)
	}
	w.Header().Set("Content-Type", p.contentType)
	w.Header().Set("Cache-Control", "no-cache")
	writeCached(w, r, body)
}

// hint tells the page what this server has, so that it offers nothing else.
func (s site) hint(page []byte) []byte {
	root := "<html"
	if s.judge {
		root += " data-judge"
	}
	if s.speech {
		root += " data-speech"
	}
	return bytes.Replace(page, []byte("<html"), []byte(root), 1)
}
