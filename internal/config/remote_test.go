package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRemoteDial(t *testing.T) {
	t.Parallel()
	tests := []struct {
		remote Remote
		target string
		secure bool
		err    string
	}{
		{Remote{Addr: "127.0.0.1:9090", Key: "k"}, "127.0.0.1:9090", false, ""},
		{Remote{Addr: "localhost"}, "localhost:9090", false, ""},
		{Remote{Addr: "[::1]:7"}, "[::1]:7", false, ""},
		{Remote{Addr: "https://127.0.0.1:9090"}, "127.0.0.1:9090", true, ""},
		{Remote{Addr: "grader.example.com", Key: "k"}, "grader.example.com:9090", true, ""},
		{Remote{Addr: "https://grader.example.com/", Key: "k", CAFile: "ca.pem"}, "grader.example.com:9090", true, ""},
		{Remote{Addr: "http://grader.internal:80"}, "grader.internal:80", false, ""},
		{Remote{Addr: "http://grader.internal:80", Key: "k"}, "", false, "in the clear"},
		{Remote{Addr: "localhost", CAFile: "ca.pem"}, "", false, "no use without TLS"},
		{Remote{Addr: "ftp://x"}, "", false, "is none"},
		{Remote{Addr: "http://x/v1"}, "", false, "is none"},
		{Remote{Addr: "https://user:secret@x"}, "", false, "is none"},
		{Remote{Addr: ":9090"}, "", false, "is none"},
		{Remote{Addr: "a b"}, "", false, "is none"},
	}
	for _, tt := range tests {
		target, secure, err := tt.remote.Dial()
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err, tt.remote.Addr)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.target, target)
		require.Equal(t, tt.secure, secure, tt.remote.Addr)
	}
}

func TestRemoteKey(t *testing.T) {
	t.Parallel()
	env := func(name string) string {
		return map[string]string{"GRADER_SERVER_KEY": "from-env", "GRADER_SERVER_CA": "ca.pem"}[name]
	}
	r, err := Remote{}.WithEnv(env)
	require.NoError(t, err)
	require.Equal(t, "from-env", r.Key.Reveal())
	require.Equal(t, "ca.pem", r.CAFile)
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("from-file\n"), 0o600))
	r, err = Remote{KeyFile: file}.WithEnv(env)
	require.NoError(t, err)
	require.Equal(t, "from-file", r.Key.Reveal())
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Remote{KeyFile: file}.WithEnv(env)
	require.ErrorContains(t, err, "is empty")
	_, err = Remote{KeyFile: file + "x"}.WithEnv(env)
	require.ErrorContains(t, err, "read the key")
}
