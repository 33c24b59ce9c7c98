package server

import (
	"embed"
	"net/http"
)

//go:embed site
var siteFiles embed.FS

// pages are the files of the site by path.
var pages = map[string]struct{ file, contentType string }{
	"/":                {"site/index.html", "text/html; charset=utf-8"},
	"/docs":            {"site/docs.html", "text/html; charset=utf-8"},
	"/openapi.json":    {"site/openapi.json", typeJSON},
	"/assets/try.js":   {"site/try.js", "text/javascript; charset=utf-8"},
	"/assets/docs.js":  {"site/docs.js", "text/javascript; charset=utf-8"},
	"/assets/site.css": {"site/site.css", "text/css; charset=utf-8"},
	"/favicon.ico":     {"site/icon.svg", "image/svg+xml"},
}

// newSite serves the page to try the service, the API page and the OpenAPI document.
func newSite() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		w.Header().Set("Content-Type", p.contentType)
		w.Header().Set("Cache-Control", "no-cache")
		writeCached(w, r, body)
	})
}
