package speech

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

const (
	// levelMS is the step in which the loudness of a channel is measured.
	levelMS = 50
	// silentDB is the level, in decibels under full scale, that no voice stays under; fadedDB is how much less than the
	// loudest channel a channel may have before it is only what leaks into it; steadyDB is the least difference between
	// loud and quiet that speech has, and no hum.
	silentDB, fadedDB, steadyDB = -60, 40, 6
	// A step holds a voice when it is at most voiceDB under the loud steps of its channel, aboveDB over the quiet ones,
	// and compared so not leakDB under another channel.
	voiceDB, aboveDB, leakDB = 30, 6, 15
	// togetherMax is the share of all steps with a voice in which several channels have one, up to which they are
	// different people: two who talk over one another now and then, and not two microphones before one mouth.
	togetherMax = 0.35
	// aloneMS is how long each of them has to speak alone.
	aloneMS = 1000
	// A pause of turnPauseMS is left out where each channel goes to the recogniser alone, since there the others talk; one
	// of longPauseMS elsewhere, since recognisers invent and repeat words in long silence. padMS stays at its ends.
	turnPauseMS, longPauseMS, padMS = 2000, 10_000, 500
)

// voices are the channels on which somebody speaks, each with the steps in which he does.
type voices struct {
	channels []int
	active   [][]bool
	sound    []bool // the steps that are not silent on every channel
	silent   bool   // no channel is ever as loud as a voice
}

// voices listens to every channel for itself.
func (w *wave) voices() voices {
	levels := make([][]float64, w.channels)
	loud, quiet := make([]float64, w.channels), make([]float64, w.channels)
	for c := range levels {
		levels[c] = w.levels(c)
		loud[c], quiet[c] = percentile(levels[c], 0.99), percentile(levels[c], 0.10)
	}
	var v voices
	most := slices.Max(loud)
	v.silent = most < silentDB
	for c := range levels {
		if loud[c] >= silentDB && loud[c] >= most-fadedDB && (w.channels == 1 || loud[c]-quiet[c] >= steadyDB) {
			v.channels = append(v.channels, c)
		}
	}
	for _, c := range v.channels {
		active := make([]bool, len(levels[c]))
		for i, l := range levels[c] {
			active[i] = l >= loud[c]-voiceDB && l >= quiet[c]+aboveDB && !slices.ContainsFunc(v.channels, func(o int) bool {
				return levels[o][i]-loud[o]-leakDB > l-loud[c]
			})
		}
		v.active = append(v.active, active)
	}
	v.sound = make([]bool, len(levels[0]))
	for i := range v.sound {
		for c := range levels {
			steady := loud[c]-quiet[c] < 2*steadyDB
			v.sound[i] = v.sound[i] || levels[c][i] >= silentDB && (steady || levels[c][i] >= quiet[c]+aboveDB)
		}
	}
	return v
}

// apart reports whether each of the channels has a speaker of its own.
func (v voices) apart() bool {
	if len(v.channels) < 2 {
		return false
	}
	alone := make([]int, len(v.channels))
	voiced, together := 0, 0
	for i := range v.active[0] {
		n, last := 0, 0
		for c := range v.active {
			if v.active[c][i] {
				n, last = n+1, c
			}
		}
		switch {
		case n == 1:
			alone[last]++
			voiced++
		case n > 1:
			voiced++
			together++
		}
	}
	return slices.Min(alone) >= aloneMS/levelMS && float64(together) <= togetherMax*float64(voiced)
}

// spoken are the stretches with a voice, padded. Pauses of less than pause milliseconds stay inside them.
func (w *wave) spoken(active []bool, pause int) []stretch {
	step, pad := w.rate*levelMS/1000, w.rate*padMS/1000
	var out []stretch
	for i := range active {
		if !active[i] {
			continue
		}
		at := stretch{max(0, i*step-pad), min(w.length(), (i+1)*step+pad)}
		if n := len(out); n > 0 && at.from-out[n-1].to < (pause-2*padMS)*w.rate/1000 {
			out[n-1].to = at.to
		} else {
			out = append(out, at)
		}
	}
	return out
}

// pauses is the number of pauses of longPauseMS that the stretches leave out, those at the ends included.
func (w *wave) pauses(spoken []stretch) int {
	least := (longPauseMS - 2*padMS) * w.rate / 1000
	n, end := 0, 0
	for _, s := range append(slices.Clone(spoken), stretch{w.length(), w.length()}) {
		if s.from-end >= least {
			n++
		}
		end = s.to
	}
	return n
}

// levels is the loudness of a channel in steps of levelMS, in decibels under full scale, at least -96.
func (w *wave) levels(channel int) []float64 {
	step := w.rate * levelMS / 1000
	if step == 0 {
		return nil
	}
	out := make([]float64, 0, w.length()/step)
	for at := 0; at+step <= w.length(); at += step {
		sum := 0.0
		for i := at; i < at+step; i++ {
			v := float64(w.sample(i, channel))
			sum += v * v
		}
		out = append(out, max(-96, 10*math.Log10(sum/float64(step)/(1<<30))))
	}
	return out
}

func percentile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return math.Inf(-1)
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(share*float64(len(sorted)-1))]
}

// channelName is what a speaker is called of whom only the channel is known.
func channelName(channel, of int) string {
	if of == 2 {
		return []string{"Left", "Right"}[channel]
	}
	return fmt.Sprintf("Channel %d", channel+1)
}

// channels is the number of channels by the header of a recording; 0 where it does not say.
func channels(data []byte, kind Kind) int {
	head := data[:min(len(data), 256)]
	switch kind {
	case WAV:
		if w, err := readWAV(data); err == nil {
			return w.channels
		}
	case FLAC: // 3 bits behind the rate
		if len(head) > 20 {
			return int(head[20]>>1&7) + 1
		}
	case Ogg:
		if n, ok := behind(head, "OpusHead", 1); ok {
			return n
		}
		n, _ := behind(head, "\x01vorbis", 4)
		return n
	case MP3:
		return mp3Channels(data)
	default:
	}
	return 0
}

func behind(head []byte, magic string, skip int) (int, bool) {
	for at := 0; at+len(magic)+skip < len(head); at++ {
		if string(head[at:at+len(magic)]) == magic {
			return int(head[at+len(magic)+skip]), true
		}
	}
	return 0, false
}

// sample is one sample of a channel, or the mean of all where channel is negative.
func (w *wave) sample(i, channel int) int16 {
	if channel >= 0 {
		return int16(binary.LittleEndian.Uint16(w.samples[i*w.align+2*channel:]))
	}
	sum := 0
	for c := range w.channels {
		sum += int(int16(binary.LittleEndian.Uint16(w.samples[i*w.align+2*c:])))
	}
	return int16(sum / w.channels)
}
