package speech

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Kind is a kind of sound file, by its usual extension.
type Kind string

// The kinds. Containers need ffmpeg; the others go to the recogniser as they are.
const (
	WAV  Kind = "wav"
	FLAC Kind = "flac"
	MP3  Kind = "mp3"
	Ogg  Kind = "ogg"
	MP4  Kind = "m4a"
	WebM Kind = "webm"
)

// container reports whether the kind is passed through ffmpeg first.
func (k Kind) container() bool { return k == MP4 || k == WebM }

// Errors of recordings; each comes wrapped with what to do.
var (
	// ErrNotAudio means that the data is no sound file of a known kind.
	ErrNotAudio = errors.New("not a recording")
	// ErrNoSound means that the file holds no sound.
	ErrNoSound = errors.New("the recording is empty")
	// ErrTooLong means that the recording is too large or too long.
	ErrTooLong = errors.New("the recording is too long")
	// ErrNeedsFFmpeg means that ffmpeg has to convert the file and is not there.
	ErrNeedsFFmpeg = errors.New("ffmpeg is needed")
)

// Sniff tells the kind of a sound file by its content.
func Sniff(data []byte) (Kind, error) {
	at := func(i int, magic string) bool {
		return len(data) >= i+len(magic) && string(data[i:i+len(magic)]) == magic
	}
	switch {
	case len(data) == 0:
		return "", fmt.Errorf("%w: the file has no bytes; record it again", ErrNoSound)
	case at(0, "RIFF") && at(8, "WAVE"), at(0, "RF64") && at(8, "WAVE"):
		return WAV, nil
	case at(0, "fLaC"):
		return FLAC, nil
	case at(0, "OggS"):
		return Ogg, nil
	case at(4, "ftyp"):
		return MP4, nil
	case at(0, "\x1aE\xdf\xa3"):
		return WebM, nil
	case at(0, "ID3"):
		return MP3, nil
	}
	if _, ok := mp3Frame(data); ok {
		return MP3, nil
	}
	return "", fmt.Errorf("%w: the file is no wav, flac, mp3, ogg, m4a, mp4 or webm; for a transcript use --transcript", ErrNotAudio)
}

// Duration is how long a recording is by its own account. known is false for containers, and for headers that do not
// say, as streams have them.
func Duration(data []byte, kind Kind) (d time.Duration, known bool) {
	switch kind {
	case WAV:
		w, err := readWAV(data)
		if err != nil {
			return 0, false
		}
		return w.duration(), true
	case FLAC:
		return flacDuration(data)
	case Ogg:
		return oggDuration(data)
	case MP3:
		return mp3Duration(data)
	default:
		return 0, false
	}
}

// wave is the sound in a WAV file. Samples are the bytes that are there, whatever the header says.
type wave struct {
	format, channels, bits int
	rate, align            int
	samples                []byte
	cut                    bool // the header says more than there is
}

var errWAV = fmt.Errorf("%w: the wav header cannot be read; export the file again", ErrNotAudio)

func readWAV(data []byte) (wave, error) {
	var w wave
	if len(data) < 12 {
		return w, errWAV
	}
	for at := 12; at+8 <= len(data); {
		id, size := string(data[at:at+4]), int(binary.LittleEndian.Uint32(data[at+4:]))
		body := data[at+8:]
		if id == "data" {
			w.cut = size > len(body) && size < 0x7fffff00 // streams say all ones
			w.samples = body[:min(size, len(body))]
			break
		}
		if size > len(body) {
			break
		}
		if id == "fmt " && size >= 16 {
			w.format, w.channels = int(binary.LittleEndian.Uint16(body)), int(binary.LittleEndian.Uint16(body[2:]))
			w.rate, w.align = int(binary.LittleEndian.Uint32(body[4:])), int(binary.LittleEndian.Uint16(body[12:]))
			w.bits = int(binary.LittleEndian.Uint16(body[14:]))
		}
		at += 8 + size + size%2
	}
	if w.rate <= 0 || w.align <= 0 || w.channels <= 0 {
		return w, errWAV
	}
	return w, nil
}

func (w *wave) duration() time.Duration {
	d, _ := lasting(float64(len(w.samples)/w.align), float64(w.rate))
	return d
}

// flacDuration reads the first metadata block, which has the number of samples in 36 bits; 0 is unknown.
func flacDuration(data []byte) (time.Duration, bool) {
	const block = 8 // behind "fLaC" and the block's header
	if len(data) < block+18 {
		return 0, false
	}
	v := binary.BigEndian.Uint64(data[block+10:])
	rate, samples := v>>44, v&(1<<36-1)
	if rate == 0 || samples == 0 {
		return 0, false
	}
	return lasting(float64(samples), float64(rate))
}

// lasting is unknown for what no recording lasts: such a header is garbage.
func lasting(samples, rate float64) (time.Duration, bool) {
	const longest = 1000 * time.Hour
	seconds := samples / rate
	if seconds < 0 || seconds > longest.Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// oggDuration is the position of the last page over the rate in the first packet: always 48 kHz for Opus.
func oggDuration(data []byte) (time.Duration, bool) {
	rate, skip := 0.0, 0.0
	head := data[:min(len(data), 256)]
	if i := bytes.Index(head, []byte("OpusHead")); i >= 0 && i+12 <= len(head) {
		rate, skip = 48000, float64(binary.LittleEndian.Uint16(head[i+10:]))
	} else if i := bytes.Index(head, []byte("\x01vorbis")); i >= 0 && i+16 <= len(head) {
		rate = float64(binary.LittleEndian.Uint32(head[i+12:]))
	}
	last := bytes.LastIndex(data, []byte("OggS"))
	if rate == 0 || last < 0 || last+14 > len(data) {
		return 0, false
	}
	position := int64(binary.LittleEndian.Uint64(data[last+6:]))
	if position < 0 { // no packet ends on the page
		return 0, false
	}
	return lasting(max(0, float64(position)-skip), rate)
}

// frame is the header of an MP3 frame.
type frame struct {
	length  int
	samples int
	rate    int
}

// mp3Frame reads the frame header at the start of data. Layer III only.
func mp3Frame(data []byte) (frame, bool) {
	if len(data) < 4 || data[0] != 0xff || data[1]&0xe6 != 0xe2 {
		return frame{}, false
	}
	version := data[1] >> 3 & 3 // 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5
	bitrates := [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0}
	rates := [4]int{44100, 48000, 32000, 0}
	f := frame{samples: 1152, rate: rates[data[2]>>2&3]}
	if version != 3 {
		bitrates = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0}
		f.samples, f.rate = 576, f.rate/2
	}
	if version == 0 {
		f.rate /= 2
	}
	bitrate := bitrates[data[2]>>4] * 1000
	if version == 1 || bitrate == 0 || f.rate == 0 {
		return frame{}, false
	}
	f.length = f.samples/8*bitrate/f.rate + int(data[2]>>1&1)
	return f, true
}

// mp3Duration walks over the frames, behind the tag if there is one.
func mp3Duration(data []byte) (time.Duration, bool) {
	at := 0
	if len(data) > 10 && string(data[:3]) == "ID3" {
		at = 10 + (int(data[6]&0x7f)<<21 | int(data[7]&0x7f)<<14 | int(data[8]&0x7f)<<7 | int(data[9]&0x7f))
	}
	seconds, frames := 0.0, 0
	for at < len(data) {
		f, ok := mp3Frame(data[at:])
		if !ok {
			at++
			continue
		}
		seconds += float64(f.samples) / float64(f.rate)
		frames++
		at += f.length
	}
	return time.Duration(seconds * float64(time.Second)), frames > 0
}

// mp3Channels reads the mode of the first frame.
func mp3Channels(data []byte) int {
	for at := 0; at+4 <= len(data); at++ {
		if _, ok := mp3Frame(data[at:]); ok {
			if data[at+3]>>6 == 3 {
				return 1
			}
			return 2
		}
	}
	return 0
}
