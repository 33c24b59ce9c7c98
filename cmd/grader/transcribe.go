package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/internal/wire"
)

// speechFlags say which recogniser writes recordings down.
type speechFlags struct{ config config.Speech }

func (f *speechFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.config.URL, "speech-url", "", "OpenAI-compatible recogniser with its /v1 (GRADER_SPEECH_URL)")
	c.Flags().StringVar(&f.config.Model, "speech-model", "", "model of the recogniser, such as whisper-1 (GRADER_SPEECH_MODEL)")
	c.Flags().DurationVar(&f.config.Timeout, "speech-timeout", config.DefaultSpeechTimeout, "time for one recording, all attempts and passes together")
}

// open returns the recogniser that is configured. Everything that can be checked without a call is bad usage.
func (f *speechFlags) open() (*speech.Client, error) {
	cfg := f.config.WithEnv(os.Getenv)
	if err := cfg.Validate(); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return speech.New(speech.Config{URL: cfg.URL, Model: cfg.Model, APIKey: cfg.APIKey.Reveal()}), nil
}

// spokenFlags give an answer as a recording or as a transcript.
type spokenFlags struct {
	audio, transcript, speaker string
	record                     bool
	keepAudio                  string
	speech                     speechFlags
}

func (f *spokenFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.audio, "audio", "", "the answer as a recording: wav, flac, mp3, ogg; m4a, mp4, webm with ffmpeg")
	c.Flags().StringVar(&f.transcript, "transcript", "", "the answer as a transcript: VTT, SRT, labelled text, or a recogniser's JSON (- is standard input)")
	c.Flags().StringVar(&f.speaker, "speaker", "", "who of the speakers in the transcript, or on the channels of the recording, is the candidate")
	c.Flags().BoolVar(&f.record, "record", false, "record the answer at the terminal: arecord, parec, rec or ffmpeg must be there")
	c.Flags().StringVar(&f.keepAudio, "keep-audio", "", "with --record: keep the recording in this file (wav), which must not exist")
	f.speech.add(c)
}

// given reports whether the answer is a recording or a transcript.
func (f *spokenFlags) given() bool {
	return f.audio != "" || f.transcript != "" || f.record || f.keepAudio != ""
}

// check refuses what cannot be given together.
func (f *spokenFlags) check() error {
	ways := 0
	for _, given := range []bool{f.audio != "", f.transcript != "", f.record} {
		if given {
			ways++
		}
	}
	switch {
	case f.keepAudio != "" && !f.record:
		return usagef("--keep-audio goes with --record")
	case ways > 1:
		return usagef("give the answer once: --audio, --transcript or --record")
	}
	return nil
}

// heard is a spoken answer: its transcript, and whether to trust it.
type heard struct {
	*transcript.Transcript
	doubtful bool
	notes    []string
}

// spoken reads an answer that is a recording or a transcript, or records it. Notes about a transcript go to stderr, a line
// each. What keeps e from taking recordings is said before anybody speaks.
func (g *globals) spoken(ctx context.Context, e engine, f *spokenFlags, prompt string) (*submission, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	switch {
	case f.record:
		if err := e.hears(ctx); err != nil {
			return nil, err
		}
		audio, err := g.record(ctx, prompt, f.keepAudio)
		return &submission{audio: audio, file: "the recording"}, err
	case f.audio != "":
		audio, err := g.readFile(f.audio, "recording", speech.MaxBytes)
		return &submission{audio: audio, file: f.audio, speaker: f.speaker}, err
	}
	h, err := g.readTranscript(f.transcript, f.speaker)
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return nil, err
	}
	h.tell(g.err)
	return &submission{answer: h.answer(), voice: h}, nil
}

// check refuses what is more than an answer.
func (h *heard) check() error {
	if len(h.Text) > grade.MaxTextBytes {
		return usagef("the transcript is longer than 32 KiB; an answer is a few minutes of speech, give one answer at a time")
	}
	return nil
}

// tell says what was noticed, a line each.
func (h *heard) tell(w io.Writer) {
	for _, n := range h.notes {
		fmt.Fprintf(w, "grader: %s\n", n)
	}
}

// keepCandidate leaves out what others say. Where nothing is said nobody has to be named.
func (h *heard) keepCandidate(name, speaker string) error {
	if h.Text == "" {
		return nil
	}
	t, err := h.Candidate(speaker)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	h.Transcript = t
	return nil
}

// answer is what to grade.
func (h *heard) answer() grade.Answer { return grade.Answer{Text: h.Text, Modality: grade.Spoken} }

// add puts what the transcript knows into the critique of the answer.
func (h *heard) add(c *grade.Critique, q *rubric.Question) {
	c.Hear(h.Transcript, time.Duration(q.ExpectSeconds)*time.Second, h.doubtful)
}

// listen has the recogniser write a recording down. name is what it is called in errors.
func listen(ctx context.Context, audio []byte, name, vocabulary string, f *speechFlags) (*heard, error) {
	client, err := f.open()
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()
	r, err := client.Transcribe(within, audio, vocabulary)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, speech.ErrNotAudio), errors.Is(err, speech.ErrNoSound), errors.Is(err, speech.ErrTooLong), errors.Is(err, speech.ErrNeedsFFmpeg):
		return nil, usagef("%s: %w", name, err)
	case err != nil:
		err = fmt.Errorf("transcribe %s: %w", name, err)
		if e, ok := errors.AsType[*llm.Error](err); ok && e.Permanent() {
			return nil, &exitError{exitUsage, err}
		}
		return nil, err
	}
	return &heard{r.Transcript, r.Doubtful(), r.Notes}, nil
}

// readTranscript reads a transcript and keeps what the candidate says. Doubts are looked for in the whole, where the
// interviewer's words are no gaps.
func (g *globals) readTranscript(name, speaker string) (*heard, error) {
	data, err := g.readFile(name, "transcript", transcript.MaxBytes)
	if err != nil {
		return nil, err
	}
	whole, err := transcript.Parse(data)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	t, err := whole.Candidate(speaker)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	h := &heard{Transcript: t, doubtful: t.Doubtful || speech.Unsure(t)}
	if whole.Format == transcript.Own { // transcribe has looked it over, with the sound
		return h, nil
	}
	for _, d := range speech.Doubts(whole) {
		h.doubtful = true
		h.notes = append(h.notes, fmt.Sprintf("%s: %s; listen to the recording there", name, d))
	}
	return h, nil
}

// readFile reads a file, or standard input for "-", up to a limit that is checked before anything is read where it can be.
func (g *globals) readFile(name, what string, most int64) ([]byte, error) {
	in := g.in
	var data bytes.Buffer
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usagef("read the %s: %s", what, reason(err))
		}
		defer func() { _ = f.Close() }() // read only
		info, err := f.Stat()
		switch {
		case err != nil:
			return nil, usagef("read the %s: %s", what, reason(err))
		case info.IsDir():
			return nil, usagef("%s is a folder; give one %s", name, what)
		case info.Size() > most:
			return nil, usagef("%s has %d MiB, and a %s may have %d; give one answer at a time", name, info.Size()>>20, what, most>>20)
		}
		in = f
		data.Grow(int(info.Size()) + bytes.MinRead) // once: a recording is large
	}
	_, err := data.ReadFrom(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return nil, usagef("read the %s: %s", what, reason(err))
	case int64(data.Len()) > most:
		return nil, usagef("the %s is larger than %d MiB; give one answer at a time", what, most>>20)
	}
	return data.Bytes(), nil
}

func newTranscribe(g *globals) *cobra.Command {
	var f speechFlags
	var question string
	var asJSON bool
	c := &cobra.Command{
		Use:   "transcribe FILE",
		Short: "Write a recording down, to be read and corrected before grading",
		Long: `Write a recording down, to be read and corrected before grading. FILE is wav, flac, mp3 or ogg; m4a, mp4 and webm
need ffmpeg. Speakers who have a channel each are told apart. What the recogniser may have lost, repeated or invented is
said on standard error. The JSON form keeps the times of words: correct its text and give the file to grade --transcript.`,
		Example: `  grader transcribe answer.ogg --question event-loop-phases
  grader transcribe answer.ogg --json > answer.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return g.transcribe(c.Context(), args[0], question, asJSON, &f)
		},
	}
	c.Flags().StringVar(&question, "question", "", "the question that is answered: its names help the recogniser")
	c.Flags().BoolVar(&asJSON, "json", false, "the transcript as one JSON object, with the times of words")
	f.add(c)
	return c
}

func (g *globals) transcribe(ctx context.Context, name, question string, asJSON bool, f *speechFlags) error {
	vocabulary := ""
	if question != "" {
		graders, err := g.graders()
		if err != nil {
			return err
		}
		_, q, err := graders.find(question)
		if err != nil {
			return err
		}
		vocabulary = speech.Vocabulary(q.Spellings())
	}
	audio, err := g.readFile(name, "recording", speech.MaxBytes)
	if err != nil {
		return err
	}
	h, err := listen(ctx, audio, name, vocabulary, f)
	if err != nil {
		return err
	}
	h.tell(g.err)
	if h.Text == "" {
		return &exitError{exitUngradable, fmt.Errorf("%s: nothing is said in the recording; check the microphone and record it again", name)}
	}
	if asJSON {
		line, err := wire.Marshal(wire.Transcript(h.Transcript))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(g.out, "%s\n", line)
		return err
	}
	_, err = fmt.Fprintln(g.out, h.Labelled())
	return err
}
