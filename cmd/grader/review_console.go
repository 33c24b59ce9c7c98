package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/vivagrader/grader/internal/review"
)

// console asks at the terminal, or reads lines where standard input is none.
func (g *globals) console() review.Console {
	in := newKeyboard(g.in)
	if !terminal(g.in) || !terminal(g.out) {
		return &script{in: in}
	}
	return &keys{in: in, out: g.out, raw: func() (func(), error) {
		fd := int(g.in.(*os.File).Fd())
		before, err := term.MakeRaw(fd)
		return func() { _ = term.Restore(fd, before) }, err
	}}
}

// keyboard reads bytes and gives up waiting when the context ends.
type keyboard struct {
	bytes chan byte
	err   error // once bytes is closed
}

func newKeyboard(in io.Reader) *keyboard {
	k := &keyboard{bytes: make(chan byte)}
	go func() {
		defer close(k.bytes)
		r := bufio.NewReader(in)
		for {
			b, err := r.ReadByte()
			if err != nil {
				k.err = err
				return
			}
			k.bytes <- b
		}
	}()
	return k
}

func (k *keyboard) next(ctx context.Context) (byte, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case b, ok := <-k.bytes:
		if !ok {
			return 0, k.err
		}
		return b, nil
	}
}

// line reads up to the end of a line. What stands before the end of input is a line too.
func (k *keyboard) line(ctx context.Context) (string, error) {
	var b strings.Builder
	for {
		c, err := k.next(ctx)
		switch {
		case errors.Is(err, io.EOF) && b.Len() > 0, err == nil && c == '\n':
			return strings.TrimSpace(b.String()), nil
		case err != nil:
			return "", err
		}
		b.WriteByte(c)
	}
}

// script is a review.Console that reads a line for each decision: a key or its word, and a note behind it.
type script struct {
	in   *keyboard
	line int
}

// Ask reads the next line; a blank one skips.
func (s *script) Ask(ctx context.Context, decide, walk []review.Choice) (choice, note string, err error) {
	line, err := s.in.line(ctx)
	if err != nil {
		return "", "", err
	}
	s.line++
	word, note, _ := strings.Cut(line, " ")
	if word == "" {
		return "skip", "", nil
	}
	var words []string
	for _, c := range slices.Concat(decide, walk) {
		if strings.EqualFold(word, c.Word) || word == string(c.Key) {
			return c.Word, strings.TrimSpace(note), nil
		}
		words = append(words, fmt.Sprintf("%c (%s)", c.Key, c.Word))
	}
	return "", "", usagef("line %d of standard input: %.20q is no answer here; it can be %s, with a note behind it", s.line, word, strings.Join(words, ", "))
}

// keys is a review.Console that takes single keys from a terminal.
type keys struct {
	in  *keyboard
	out io.Writer
	raw func() (restore func(), err error) // makes the terminal give every key at once
}

const (
	ctrlC   = 3
	ctrlD   = 4
	noteKey = 'n'
)

// Ask waits for the key of a choice. Enter and space skip, Ctrl-D ends the input, Ctrl-C interrupts; a note is asked for
// with n, before the key.
func (k *keys) Ask(ctx context.Context, decide, walk []review.Choice) (choice, note string, err error) {
	prompt := fmt.Sprintf("%s | %s, n note > ", hint(decide), hint(walk))
	fmt.Fprint(k.out, prompt)
	for {
		b, err := k.press(ctx)
		switch {
		case err != nil:
		case b == ctrlC:
			err = context.Canceled
		case b == ctrlD:
			err = io.EOF
		case b == '\r' || b == '\n' || b == ' ':
			fmt.Fprintln(k.out, "skip")
			return "skip", "", nil
		case b == noteKey:
			fmt.Fprint(k.out, "\nNote: ")
			if note, err = k.in.line(ctx); err == nil {
				fmt.Fprint(k.out, prompt)
			}
		}
		if err != nil {
			fmt.Fprintln(k.out)
			return "", "", err
		}
		for _, c := range slices.Concat(decide, walk) {
			if rune(b) == c.Key {
				fmt.Fprintln(k.out, c.Word)
				return c.Word, note, nil
			}
		}
	}
}

func hint(choices []review.Choice) string {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = fmt.Sprintf("%c %s", c.Key, c.Word)
	}
	return strings.Join(words, ", ")
}

// press reads one key without waiting for Enter.
func (k *keys) press(ctx context.Context) (byte, error) {
	restore, err := k.raw()
	if err != nil {
		return 0, fmt.Errorf("read keys from the terminal: %w", err)
	}
	defer restore()
	return k.in.next(ctx)
}
