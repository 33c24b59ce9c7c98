package interview

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/internal/wire"
)

// heard is a transcript, and what is known of its quality.
type heard struct {
	transcript *transcript.Transcript
	doubts     []speech.Doubt
	notes      []string
}

// hear reads a transcript, or has a recording written down.
func (r *run) hear(ctx context.Context, j *job) (*heard, error) {
	if j.in.err != nil {
		return nil, fmt.Errorf("read it: %w", j.in.err)
	}
	if j.in.Audio {
		return r.listen(ctx, j)
	}
	data, err := readFile(j.in.Path, transcript.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read it: %s", reason(err))
	}
	return parse(data)
}

// kept is what a transcript that this package has written holds beside its words.
type kept struct {
	Duration float64    `json:"duration"` // of the recording, in seconds
	Notes    []string   `json:"notes"`
	Doubts   []keptSpan `json:"doubts"`
}

type keptSpan struct {
	Kind    speech.DoubtKind `json:"kind"`
	StartMs int              `json:"startMs"`
	EndMs   int              `json:"endMs"`
}

// parse reads a transcript. Doubts are looked for where none were written down with it.
func parse(data []byte) (*heard, error) {
	t, err := transcript.Parse(data)
	if err != nil {
		return nil, err
	}
	h := &heard{transcript: t}
	var k kept
	if json.Unmarshal(data, &k) == nil && k.Doubts != nil {
		h.notes = k.Notes
		for _, d := range k.Doubts {
			h.doubts = append(h.doubts, speech.Doubt{Kind: d.Kind, StartMS: d.StartMs, EndMS: d.EndMs})
		}
		return h, nil
	}
	h.doubts = speech.Doubts(t)
	for _, d := range h.doubts {
		h.notes = append(h.notes, fmt.Sprintf("%s: speech may be missing or wrong there, listen to it", d))
	}
	return h, nil
}

// listen has a recording written down. Its transcript is kept: it costs more than all the rest, and a map speaks of its
// words. What is read is what was kept, so that a run that is taken up gives the same results.
func (r *run) listen(ctx context.Context, j *job) (*heard, error) {
	name := filepath.Join(r.cfg.Out, transcriptsDir, filepath.FromSlash(j.in.Name)+".json")
	if data, err := os.ReadFile(name); err == nil {
		if h, err := parse(data); err == nil {
			return h, nil
		}
	}
	if r.cfg.Recogniser == nil {
		return nil, fmt.Errorf("%w: set --speech-url and --speech-model", errNoRecogniser)
	}
	audio, err := readFile(j.in.Path, speech.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read it: %s", reason(err))
	}
	within := ctx
	if r.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, r.cfg.Timeout)
		defer cancel()
	}
	res, err := r.cfg.Recogniser.Transcribe(within, audio, "")
	if err != nil {
		return nil, fmt.Errorf("write it down: %w", err)
	}
	if strings.TrimSpace(res.Transcript.Text) == "" {
		return nil, fmt.Errorf("%w: nothing is said in the recording", ErrNoCandidate)
	}
	if r.cfg.Anonymous {
		res.Transcript, _ = anonymous(res.Transcript, j.in.Path, "")
	}
	data, err := keep(name, res)
	if err != nil {
		return nil, err
	}
	return parse(data)
}

// keep writes a transcript as a whole or not at all, and returns what it has written.
func keep(name string, res *speech.Result) ([]byte, error) {
	k := kept{Duration: float64(res.Transcript.DurationMS) / 1000, Notes: res.Notes, Doubts: []keptSpan{}}
	for _, d := range res.Doubts {
		k.Doubts = append(k.Doubts, keptSpan{d.Kind, d.StartMS, d.EndMS})
	}
	data, err := wire.Marshal(wire.Transcript(res.Transcript))
	if err != nil {
		return nil, err
	}
	more, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	data = append(append(bytes.TrimSuffix(data, []byte("}")), ','), append(more[1:], '\n')...)
	tmp := name + ".tmp"
	err = os.MkdirAll(filepath.Dir(name), 0o777)
	if err == nil {
		err = os.WriteFile(tmp, data, 0o666)
	}
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errKeep, reason(err))
	}
	return data, nil
}

// errKeep means that the folder of results cannot be written: it ends the run.
var errKeep = errors.New("keep the transcript")
