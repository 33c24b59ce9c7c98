package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/vivagrader/grader/internal/record"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
)

// longestRecording is where recording an answer stops by itself: somebody has gone.
const longestRecording = 30 * time.Minute

// record records an answer at the terminal until Enter is pressed, and returns it as a WAV file. Nothing is written to
// disk but to keep, if that is given.
func (g *globals) record(ctx context.Context, prompt, keep string) ([]byte, error) {
	if !terminal(g.in) {
		return nil, usagef("--record needs a terminal to be stopped at; record a file and give it with --audio")
	}
	if keep != "" {
		if _, err := os.Lstat(keep); !errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("--keep-audio %s exists; give another name", keep)
		}
	}
	r, err := record.Find()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	fmt.Fprintf(g.err, "%s\n\nRecording with %s. Speak; Enter stops, Ctrl-C gives up.\n", prompt, r.Name)
	stop := make(chan struct{})
	go func() { // ends with the program at the latest
		_, _ = bufio.NewReader(g.in).ReadString('\n')
		close(stop)
	}()
	sound, err := r.Record(ctx, stop, longestRecording, g.meter())
	fmt.Fprintln(g.err)
	switch {
	case ctx.Err() != nil:
		return nil, &exitError{exitInterrupted, errors.New("interrupted; nothing of the recording is kept")}
	case err != nil:
		return nil, err
	}
	audio := speech.WAVFile(record.Rate, sound)
	if keep != "" {
		if err := writeNew(keep, audio); err != nil {
			return nil, err
		}
		fmt.Fprintf(g.err, "grader: the recording is kept in %s\n", keep)
	}
	return audio, nil
}

// meter shows time and level on a line of the terminal.
func (g *globals) meter() func(time.Duration, float64) {
	if !terminal(g.err) {
		return func(time.Duration, float64) {}
	}
	const width = 20
	return func(passed time.Duration, level float64) {
		n := int(level*width + 0.5)
		fmt.Fprintf(g.err, "\r%s [%s%s]", transcript.Clock(int(passed.Milliseconds())), strings.Repeat("#", n), strings.Repeat("-", width-n))
	}
}

// writeNew writes a file that must not exist. A file that cannot be written whole is removed.
func writeNew(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keep the recording: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep the recording: %w", errors.Join(err, os.Remove(name)))
	}
	return nil
}
