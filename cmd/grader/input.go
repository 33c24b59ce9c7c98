package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/grade"
)

// answerText reads the answer from --text, which can be empty, from a file or from standard input. A person at a
// terminal is asked for it.
func (g *globals) answerText(args []string, text string, textGiven bool, ask string) (string, error) {
	var data []byte
	name := "the answer"
	switch {
	case textGiven && len(args) > 0:
		return "", usagef("give the answer once: --text or a file, not both")
	case textGiven:
		data = []byte(text)
	case len(args) == 0 || args[0] == "-":
		if len(args) == 0 && terminal(g.in) {
			fmt.Fprintf(g.err, "%s and end it with Ctrl-D on a line of its own:\n", ask)
		}
		var err error
		if data, err = io.ReadAll(io.LimitReader(g.in, grade.MaxTextBytes+1)); err != nil {
			return "", fmt.Errorf("read standard input: %w", err)
		}
	default:
		name = args[0]
		f, err := os.Open(name)
		if err != nil {
			return "", usagef("read the answer: %s; give a text file, or - for standard input", reason(err))
		}
		defer func() { _ = f.Close() }() // read only
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return "", usagef("%s is a folder; give a text file, or use batch for many answers", name)
		}
		if data, err = io.ReadAll(io.LimitReader(f, grade.MaxTextBytes+1)); err != nil {
			return "", usagef("read the answer: %s", reason(err))
		}
	}
	switch {
	case len(data) > grade.MaxTextBytes:
		return "", usagef("%s is longer than 32 KiB; an answer is a few minutes of speech, shorten it", name)
	case !utf8.Valid(data):
		return "", usagef("%s is not valid UTF-8 text; convert it, for instance with iconv", name)
	case slices.Contains(data, 0):
		return "", usagef("%s holds binary data; give a text file", name)
	}
	return string(data), nil
}

// reason is an error of the file system in one line.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Path + ": " + p.Err.Error()
	}
	return err.Error()
}
