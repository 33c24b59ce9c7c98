package server

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSite: every file of the site is served, and the page knows what the server has.
func TestSite(t *testing.T) {
	t.Parallel()
	st := start(t, Config{})
	served := map[string]bool{}
	for path, p := range pages {
		served[p.file] = true
		r := st.do(t, "GET", path, "")
		require.Equal(t, 200, r.status, path)
		require.Equal(t, p.contentType, r.header.Get("Content-Type"), path)
	}
	files, err := fs.Glob(siteFiles, "site/*")
	require.NoError(t, err)
	for _, f := range files {
		require.True(t, served[f], "%s is not served", f)
	}
	require.Contains(t, st.do(t, "GET", "/", "").body, `<html lang="en">`)
	able := start(t, Config{Judge: judged(allMissed), Speech: fakeSpeech(t, 200, heardTea)})
	require.Contains(t, able.do(t, "GET", "/", "").body, `<html data-judge data-speech lang="en">`)
}
