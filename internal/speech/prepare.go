package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// prepare checks a recording and makes of it what the recogniser takes: the file itself, or converted, or in parts.
func (c *Client) prepare(ctx context.Context, audio []byte, r *Result) ([]clip, error) {
	kind, err := Sniff(audio)
	if err != nil {
		return nil, err
	}
	if len(audio) > MaxBytes {
		return nil, fmt.Errorf("%w: more than %d MiB; give one interview at a time", ErrTooLong, MaxBytes>>20)
	}
	if kind.container() {
		if audio, err = c.convert(ctx, audio, kind); err != nil {
			return nil, err
		}
		kind = WAV
	}
	if err := c.checkLength(audio, kind, r); err != nil {
		return nil, err
	}
	if len(audio) <= c.cfg.MaxUpload {
		return []clip{{data: audio, kind: kind}}, nil
	}
	if kind != WAV {
		if audio, err = c.convert(ctx, audio, kind); err != nil {
			return nil, fmt.Errorf("%w; the recogniser takes %d MB at a time, and only ffmpeg can cut a %s file", err, c.cfg.MaxUpload/1e6, kind)
		}
	}
	return c.splits.split(audio)
}

func (c *Client) checkLength(audio []byte, kind Kind, r *Result) error {
	if kind == WAV {
		w, err := readWAV(audio)
		if err != nil {
			return err
		}
		if w.cut {
			r.note("the file is cut off: its header promises more sound than there is")
		}
	}
	d, known := Duration(audio, kind)
	switch {
	case known && d < shortestDuration:
		return fmt.Errorf("%w: it lasts %s; record it again", ErrNoSound, d)
	case d > c.cfg.MaxDuration:
		return fmt.Errorf("%w: %s, and at most %s are taken; give one interview at a time", ErrTooLong, d.Round(1e9), c.cfg.MaxDuration)
	}
	return nil
}

// convert has ffmpeg make 16 kHz mono WAV, what recognisers hear inside. The input goes through a file, since MP4 has
// its index at the end; it is removed at once.
func (c *Client) convert(ctx context.Context, audio []byte, kind Kind) ([]byte, error) {
	program, err := exec.LookPath(c.cfg.FFmpeg)
	if err != nil {
		return nil, fmt.Errorf("%w to read %s files, and it is not installed; install ffmpeg, or convert the file to wav, flac, mp3 or ogg", ErrNeedsFFmpeg, kind)
	}
	f, err := os.CreateTemp("", "grader-*."+string(kind))
	if err != nil {
		return nil, fmt.Errorf("keep the recording for ffmpeg: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(audio)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("keep the recording for ffmpeg: %w", err)
	}
	seconds := fmt.Sprintf("%.0f", c.cfg.MaxDuration.Seconds()+1) // enough to see that it is too long
	cmd := exec.CommandContext(ctx, program, "-nostdin", "-v", "error", "-i", f.Name(), "-t", seconds, "-vn", "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le", "-f", "wav", "-")
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, failure(ctx, ctx.Err(), c.cfg)
		}
		return nil, fmt.Errorf("%w: ffmpeg finds no sound in the %s file (%s)", ErrNotAudio, kind, oneLine(strings.ReplaceAll(problem.String(), f.Name(), "it")))
	}
	return out.Bytes(), nil
}
