package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/vivagrader/grader/internal/transcript"
)

// prepare checks a recording and makes of it what the recogniser takes: the file itself, or its sound in parts, or each
// speaker's channel for itself. No track means that nobody speaks.
func (c *Client) prepare(ctx context.Context, audio []byte, r *Result) ([]track, error) {
	kind, err := Sniff(audio)
	if err != nil {
		return nil, err
	}
	if len(audio) > MaxBytes {
		return nil, fmt.Errorf("%w: more than %d MiB; give one interview at a time", ErrTooLong, MaxBytes>>20)
	}
	if err := c.checkLength(audio, kind, r); err != nil {
		return nil, err
	}
	as := []track{{clips: []clip{{data: audio, kind: kind}}}}
	d, known := Duration(audio, kind)
	tooLarge, tooLong := len(audio) > c.cfg.MaxUpload, known && d > c.cfg.MaxPart
	if kind != WAV && !kind.container() && !tooLarge && !tooLong && channels(audio, kind) < 2 {
		return as, nil
	}
	w, err := c.sound(ctx, audio, kind)
	switch {
	case err == nil:
		return c.tracks(w, as, r), nil
	case kind.container():
		return nil, err
	case tooLarge:
		return nil, fmt.Errorf("%w; the recogniser takes %d MB at a time, and only ffmpeg can cut this %s file", err, c.cfg.MaxUpload/1e6, kind)
	case ctx.Err() != nil:
		return nil, err
	}
	return as, nil // as it is: the recogniser may know better
}

// tracks shares a sound out. as is the recording as it came, which goes to the recogniser where nothing speaks against it.
func (c *Client) tracks(w *wave, as []track, r *Result) []track {
	most := min((c.cfg.MaxUpload-headBytes)/2, int(c.cfg.MaxPart.Seconds()*float64(w.rate)))
	v := w.voices()
	if v.apart() {
		var out []track
		for i, channel := range v.channels {
			out = append(out, track{channelName(channel, w.channels), w.pack(channel, w.spoken(v.active[i], turnPauseMS), most)})
		}
		r.note("each channel has its own speaker: they were transcribed apart, as %s", names(out))
		return out
	}
	channel, spoken := -1, w.spoken(v.sound, longPauseMS)
	pauses := w.pauses(spoken)
	switch {
	case v.silent:
		r.note("the recording is silent")
		return nil
	case len(v.channels) == 1 && w.channels > 1:
		channel = v.channels[0]
		r.note("only one channel (%s) has a voice, and it alone was transcribed", strings.ToLower(channelName(channel, w.channels)))
	case as[0].clips[0].kind.container():
	case len(as[0].clips[0].data) <= c.cfg.MaxUpload && pauses == 0 && w.length() <= most:
		return as
	}
	if pauses > 0 {
		r.note("silence of %d s or more was left out %s", longPauseMS/1000, times(pauses))
	} else {
		spoken = []stretch{{0, w.length()}}
	}
	return []track{{clips: w.pack(channel, spoken, most)}}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func names(tracks []track) string {
	var out []string
	for _, t := range tracks {
		out = append(out, t.speaker)
	}
	return strings.Join(out, " and ")
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
	if known {
		return c.checkDuration(d)
	}
	return nil
}

func (c *Client) checkDuration(d time.Duration) error {
	switch {
	case d < shortestDuration:
		return fmt.Errorf("%w: it lasts %s; record it again", ErrNoSound, d)
	case d > c.cfg.MaxDuration:
		return fmt.Errorf("%w: %s, and at most %s are taken; give one interview at a time", ErrTooLong, transcript.Clock(int(d.Milliseconds())), c.cfg.MaxDuration)
	}
	return nil
}

// sound is a recording as samples that can be cut: those of a WAV file, or what ffmpeg makes of any other.
func (c *Client) sound(ctx context.Context, audio []byte, kind Kind) (*wave, error) {
	if kind == WAV {
		if w, err := readWAV(audio); err != nil || w.cuttable() {
			return &w, err
		}
	}
	converted, err := c.convert(ctx, audio, kind)
	if err != nil {
		return nil, err
	}
	w, err := readWAV(converted)
	switch {
	case err != nil:
		return nil, err
	case !w.cuttable():
		return nil, fmt.Errorf("%w: it has %d channels; export it with one or two", ErrNotAudio, w.channels)
	}
	return &w, c.checkDuration(w.duration())
}

// whose is what ffmpeg puts before a message to say which part of it speaks.
var whose = regexp.MustCompile(`\[[^\]]* @ 0x[0-9a-f]+\] `)

// convert has ffmpeg make 16 kHz WAV, what recognisers hear inside. The input goes through a file, since MP4 has its
// index at the end; it is removed at once.
func (c *Client) convert(ctx context.Context, audio []byte, kind Kind) ([]byte, error) {
	program, err := exec.LookPath(c.cfg.FFmpeg)
	if err != nil {
		return nil, fmt.Errorf("%w to read this %s file, and it is not installed; install ffmpeg, or convert the file to wav, flac, mp3 or ogg", ErrNeedsFFmpeg, kind)
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
	cmd := exec.CommandContext(ctx, program, "-nostdin", "-v", "error", "-i", f.Name(), "-t", seconds, "-vn", "-ar", "16000", "-c:a", "pcm_s16le", "-f", "wav", "-")
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, failure(ctx, ctx.Err(), c.cfg)
		}
		return nil, fmt.Errorf("%w: ffmpeg finds no sound in the %s file (%s)", ErrNotAudio, kind, oneLine(whose.ReplaceAllString(strings.ReplaceAll(problem.String(), f.Name(), "it"), "")))
	}
	return out.Bytes(), nil
}
