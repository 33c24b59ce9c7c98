package speech

import (
	"encoding/binary"
	"math"
)

const (
	// windowMS is the silence that a cut wants; searchMS is how far before the limit it is looked for.
	windowMS = 300
	searchMS = 60_000
	// headBytes is the header of the files that are made here.
	headBytes = 44
	pcm       = 1
	// extensible is the format tag behind which PCM of several channels hides.
	extensible = 0xfffe
)

// maxChannels is the number of channels above which nobody looks for speakers.
const maxChannels = 16

// cuttable reports whether the sound can be cut here: 16-bit PCM.
func (w *wave) cuttable() bool {
	return (w.format == pcm || w.format == extensible) && w.bits == 16 && w.align == 2*w.channels && w.channels <= maxChannels
}

// length is the number of samples of each channel.
func (w *wave) length() int { return len(w.samples) / w.align }

// ms is the time that so many samples take.
func (w *wave) ms(samples int) int { return int(int64(samples) * 1000 / int64(w.rate)) }

// pack shares stretches out among clips of at most most samples, in order. A stretch that is longer is cut at its
// quietest places.
func (w *wave) pack(channel int, stretches []stretch, most int) []clip {
	var clips []clip
	room := 0
	add := func(s stretch) {
		if s.to-s.from > room || len(clips) == 0 {
			clips = append(clips, clip{sound: w, channel: channel})
			room = most
		}
		last := &clips[len(clips)-1]
		last.stretches = append(last.stretches, s)
		room -= s.to - s.from
	}
	for _, s := range stretches {
		for s.to-s.from > most {
			end := w.quietest(channel, max(s.from+most/2, s.from+most-w.rate*(searchMS/1000)), s.from+most)
			add(stretch{s.from, end})
			s.from = end
		}
		if s.from < s.to {
			add(s)
		}
	}
	return clips
}

// quietest is the middle of the window with the least energy between two samples.
func (w *wave) quietest(channel, from, to int) int {
	const step = 10 // ms
	frame := max(w.rate*step/1000, 1)
	var energy []float64
	for at := from; at+frame <= to; at += frame {
		sum := 0.0
		for i := at; i < at+frame; i++ {
			v := float64(w.sample(i, channel))
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

// file is a channel of the stretches, or the mean of all channels, as a WAV file.
func (w *wave) file(channel int, stretches []stretch) []byte {
	size := 0
	for _, s := range stretches {
		size += 2 * (s.to - s.from)
	}
	out := wavHead(w.rate, size)
	for _, s := range stretches {
		if w.channels == 1 {
			out = append(out, w.samples[2*s.from:2*s.to]...)
			continue
		}
		for i := s.from; i < s.to; i++ {
			out = binary.LittleEndian.AppendUint16(out, uint16(w.sample(i, channel)))
		}
	}
	return out
}

// WAVFile is a WAV file of samples: 16 bits, little endian, one channel.
func WAVFile(rate int, samples []byte) []byte {
	return append(wavHead(rate, len(samples)), samples...)
}

// wavHead is the header of a WAV file of one channel, with room for its sound.
func wavHead(rate, size int) []byte {
	le := binary.LittleEndian
	out := append(make([]byte, 0, headBytes+size), "RIFF"...)
	out = append(le.AppendUint32(out, uint32(headBytes-8+size)), "WAVEfmt "...)
	out = le.AppendUint16(le.AppendUint32(out, 16), pcm)
	out = le.AppendUint16(out, 1)
	out = le.AppendUint32(out, uint32(rate))
	out = le.AppendUint32(out, uint32(2*rate))
	out = le.AppendUint16(le.AppendUint16(out, 2), 16)
	return le.AppendUint32(append(out, "data"...), uint32(size))
}
