package speech

import (
	"encoding/binary"
	"fmt"
	"math"
)

// splitter cuts PCM sound into files of at most max bytes, at the quietest place near the end of each.
type splitter struct{ max int }

const (
	// windowMS is the silence that a cut wants; searchMS is how far before the limit it is looked for.
	windowMS = 300
	searchMS = 60_000
	pcm      = 1
	// extensible is the format tag behind which PCM of several channels hides.
	extensible = 0xfffe
	headBytes  = 44
)

// split returns the parts in order; each is a WAV file.
func (s splitter) split(data []byte) ([]clip, error) {
	w, err := readWAV(data)
	if err != nil {
		return nil, err
	}
	if w.format != pcm && w.format != extensible || w.bits != 16 || w.align != 2*w.channels {
		return nil, fmt.Errorf("%w: only 16-bit PCM can be cut into parts of %d MB; convert the wav file to flac or ogg", ErrTooLong, s.max/1e6)
	}
	perSecond := w.rate * w.align
	most := (s.max - headBytes) / w.align * w.align
	if most < perSecond {
		return nil, fmt.Errorf("%w: a second of this sound is more than the recogniser takes", ErrTooLong)
	}
	var clips []clip
	for at := 0; at < len(w.samples); {
		end := len(w.samples) / w.align * w.align
		if end-at > most {
			end = w.quietest(max(at+most/2, at+most-perSecond*(searchMS/1000)), at+most)
		}
		if end <= at {
			break
		}
		clips = append(clips, clip{data: w.file(at, end), kind: WAV, startMS: int(int64(at) * 1000 / int64(perSecond))})
		at = end
	}
	return clips, nil
}

// quietest is the middle of the window with the least energy between two bytes.
func (w *wave) quietest(from, to int) int {
	const step = 10 // ms
	from = from / w.align * w.align
	frame := max(w.rate*step/1000, 1) * w.align
	var energy []float64
	for at := from; at+frame <= to; at += frame {
		sum := 0.0
		for i := at; i+1 < at+frame; i += 2 {
			v := float64(int16(binary.LittleEndian.Uint16(w.samples[i:])))
			sum += v * v
		}
		energy = append(energy, sum)
	}
	width := min(windowMS/step, len(energy))
	best, least, sum := 0, math.Inf(1), 0.0
	for i, e := range energy {
		sum += e
		if i >= width {
			sum -= energy[i-width]
		}
		if i >= width-1 && sum < least {
			best, least = i-width+1, sum
		}
	}
	return from + (best+width/2)*frame
}

// file is a part of the sound with a header of its own.
func (w *wave) file(from, to int) []byte {
	out := make([]byte, 0, headBytes+to-from)
	le := binary.LittleEndian
	out = append(out, "RIFF"...)
	out = le.AppendUint32(out, uint32(headBytes-8+to-from))
	out = append(out, "WAVEfmt "...)
	out = le.AppendUint32(out, 16)
	out = le.AppendUint16(out, pcm)
	out = le.AppendUint16(out, uint16(w.channels))
	out = le.AppendUint32(out, uint32(w.rate))
	out = le.AppendUint32(out, uint32(w.rate*w.align))
	out = le.AppendUint16(out, uint16(w.align))
	out = le.AppendUint16(out, uint16(w.bits))
	out = append(out, "data"...)
	out = le.AppendUint32(out, uint32(to-from))
	return append(out, w.samples[from:to]...)
}
