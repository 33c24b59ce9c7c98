package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
)

//go:embed page
var files embed.FS

// parsePages reads the templates. Style and script stand in each page; the content security policy allows them by their
// hashes and nothing else, so that no answer can bring a script of its own.
func parsePages() (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"style":  func() (template.CSS, error) { s, err := asset("style.css"); return template.CSS(s), err },
		"script": func(name string) (template.JS, error) { s, err := asset(name); return template.JS(s), err },
		"policy": policy,
		"count":  count,
		"join":   func(list []string) string { return strings.Join(list, "; ") },
	}).ParseFS(files, "page/*.html")
}

func asset(name string) (string, error) {
	data, err := files.ReadFile("page/" + name)
	if err != nil {
		return "", fmt.Errorf("read the page's %s: %w", name, err)
	}
	return string(data), nil
}

// policy lets the page use its own style and script and play a file that the reader chooses.
func policy(script string) (string, error) {
	style, err := asset("style.css")
	if err != nil {
		return "", err
	}
	code, err := asset(script)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; media-src blob:; base-uri 'none'; form-action 'none'", hash(style), hash(code)), nil
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
