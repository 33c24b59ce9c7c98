package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// runCommand runs the command in this process.
func runCommand(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), streams{strings.NewReader(stdin), &out, &errs}, args)
	return out.String(), errs.String(), code
}

func TestInputThatIsNoAnswer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	tests := map[string]struct {
		arg   string
		stdin string
		code  int
		err   string
	}{
		"missing file":           {filepath.Join(dir, "none.txt"), "", exitUsage, "no such file or directory; give a text file"},
		"directory":              {dir, "", exitUsage, "is a folder; give a text file"},
		"binary":                 {file("image.png", "\x89PNG\x00\x01"), "", exitUsage, "not valid UTF-8"},
		"text with a NUL":        {file("nul.txt", "boiling\x00water"), "", exitUsage, "holds binary data"},
		"invalid UTF-8":          {file("latin1.txt", "caf\xe9 with boiling water"), "", exitUsage, "not valid UTF-8 text; convert it"},
		"too long":               {file("long.txt", strings.Repeat("tea ", 8193)), "", exitUsage, "longer than 32 KiB"},
		"too long on stdin":      {"-", strings.Repeat("tea ", 8193), exitUsage, "longer than 32 KiB"},
		"as long as it can be":   {file("limit.txt", strings.Repeat("tea ", 8192)), "", 0, ""},
		"invalid UTF-8 on stdin": {"-", "\xff", exitUsage, "not valid UTF-8"},
		"empty":                  {file("empty.txt", ""), "", exitUngradable, "There is no answer"},
		"blank":                  {file("blank.txt", " \n\t \r\n"), "", exitUngradable, "There is no answer"},
		"emoji":                  {file("emoji.txt", "🍵👍🏽🇫🇷"), "", exitUngradable, "There are no words"},
		"punctuation":            {"-", "... !!! ---", exitUngradable, "There are no words"},
		"byte-order mark":        {file("bom.txt", "\uFEFFYou need boiling water."), "", 0, ""},
		"CRLF":                   {file("crlf.txt", "You need\r\nboiling water.\r\n"), "", 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := runCommand(t, tt.stdin, "grade", "--bank", "testdata/bank", "black-tea", tt.arg)
			require.Equal(t, tt.code, code, stderr)
			if tt.code == 0 {
				require.Empty(t, stderr)
				require.Contains(t, stdout, "Score")
				return
			}
			require.Contains(t, stderr, tt.err)
			require.Equal(t, 1, strings.Count(stderr, "\n"), "one line on stderr: %q", stderr)
			require.True(t, strings.HasPrefix(stderr, "grader: "), stderr)
			require.NotContains(t, stdout, "Score")
		})
	}
}

func TestEveryCommandHasHelpWithExamplesAndExitCodes(t *testing.T) {
	t.Parallel()
	root := newRoot(&globals{streams: streams{strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}}})
	commands := allCommands(root)
	require.Greater(t, len(commands), 15)
	for _, c := range commands {
		path := strings.Fields(c.CommandPath())[1:]
		stdout, stderr, code := runCommand(t, "", append(path, "--help")...)
		require.Zero(t, code, c.CommandPath())
		require.Empty(t, stderr)
		require.Contains(t, stdout, "Exit status: 0 done", c.CommandPath())
		require.Contains(t, stdout, "Examples:\n  ", c.CommandPath())
		require.NotEmpty(t, c.Short, c.CommandPath())
	}
}

// The flags of one name mean the same everywhere.
func TestFlagsAgree(t *testing.T) {
	t.Parallel()
	types := map[string]string{}
	root := newRoot(&globals{streams: streams{strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}}})
	for _, c := range allCommands(root) {
		visit := func(c *cobra.Command) {
			for _, name := range []string{"json", "text", "spoken", "filter", "bank", "judge", "concurrency"} {
				if f := c.Flags().Lookup(name); f != nil {
					if typ, ok := types[name]; ok {
						require.Equal(t, typ, f.Value.Type(), "%s --%s", c.CommandPath(), name)
					}
					types[name] = f.Value.Type()
				}
			}
		}
		visit(c)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	code := run(ctx, streams{strings.NewReader(""), &out, &errs}, []string{"grade", "--bank", "testdata/bank", "black-tea", "--text", "You need boiling water.", "--judge-url", "http://127.0.0.1:1/v1", "--judge-model", "m", "--no-cache"})
	require.Equal(t, exitInterrupted, code)
	require.Equal(t, "grader: interrupted\n", errs.String())
	require.Empty(t, out.String())
}
