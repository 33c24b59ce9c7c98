// Package record takes sound from the microphone, with a program that is installed for it. It keeps the sound in memory
// and writes no file. The main entries are Find and Recorder.Record.
package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Rate of the sound in samples a second; a sample is 16 bits, little endian, of one channel.
const Rate = 16000

// ErrNoRecorder means that no program that records is installed.
var ErrNoRecorder = errors.New("no program that records is installed; install arecord (alsa-utils), parec (pulseaudio-utils), rec (sox) or ffmpeg, or record a file in another way and give it with --audio")

// Recorder is an installed program that writes what the microphone hears to its standard output.
type Recorder struct {
	Name string
	path string
	args []string
}

// programs are those that are looked for, best first.
func programs() []Recorder {
	pulse, alsa := []string{"-f", "pulse", "-i", "default"}, []string{"-f", "alsa", "-i", "default"}
	list := []Recorder{
		{Name: "arecord", args: []string{"-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1"}},
		{Name: "parec", args: []string{"--raw", "--format=s16le", "--rate=16000", "--channels=1", "--latency-msec=100"}},
		{Name: "rec", args: []string{"-q", "-t", "raw", "-b", "16", "-e", "signed-integer", "-L", "-r", "16000", "-c", "1", "-"}},
	}
	source := pulse
	switch {
	case runtime.GOOS == "darwin":
		source = []string{"-f", "avfoundation", "-i", ":0"}
	case os.Getenv("PULSE_SERVER") == "" && os.Getenv("XDG_RUNTIME_DIR") == "":
		source = alsa
	}
	return append(list, Recorder{Name: "ffmpeg", args: append(append([]string{"-nostdin", "-v", "error"}, source...), "-ac", "1", "-ar", "16000", "-f", "s16le", "-")})
}

// Find returns the first recorder that is installed. The error is ErrNoRecorder.
func Find() (*Recorder, error) {
	for _, p := range programs() {
		if path, err := exec.LookPath(p.Name); err == nil {
			p.path = path
			return &p, nil
		}
	}
	return nil, ErrNoRecorder
}

const (
	step = 100 * time.Millisecond // between two readings of the level
	// beginWait is the time that a program has to write its first sound; wireless microphones take seconds.
	beginWait = 5 * time.Second
	// endWait is the time that a program has to end once it is told to.
	endWait = 2 * time.Second
	// floorDB is the level of silence, in decibels under full scale.
	floorDB = -60.0
)

// Record records until stop is closed, most is reached or the program ends, and returns the samples. meter is called ten
// times a second with the time that has passed and the level from 0 (silence) to 1. The error is the context's when that
// ends, or says why the program gave no sound.
func (r *Recorder) Record(ctx context.Context, stop <-chan struct{}, most time.Duration, meter func(passed time.Duration, level float64)) ([]byte, error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(within, r.path, r.args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = endWait
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("record with %s: %w", r.Name, err)
	}
	begun := make(chan struct{})
	go func() {
		select {
		case <-stop:
		case <-within.Done():
			return
		}
		select { // an early stop still gets what is on its way
		case <-begun:
		case <-time.After(beginWait):
		case <-within.Done():
		}
		cancel()
	}()
	begin := sync.OnceFunc(func() { close(begun) })
	sound := read(out, int(most/step), func(passed time.Duration, level float64) {
		begin()
		meter(passed, level)
	})
	cancel()
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // an interrupted program reports its interruption
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(sound) == 0:
		said := lastLine(problem.String())
		if said == "" {
			said = "it wrote nothing"
		}
		return nil, fmt.Errorf("%s recorded no sound: %s; check the microphone, or give a file with --audio", r.Name, said)
	}
	return sound, nil
}

// lastLine is where a program says what ended it; libraries write before.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(strings.Fields(lines[len(lines)-1]), " ")
}

// read takes the sound step by step until it ends.
func read(in io.Reader, steps int, meter func(time.Duration, float64)) []byte {
	const size = Rate * 2 * int(step) / int(time.Second)
	var sound []byte
	for n := 1; n <= steps; n++ {
		chunk := make([]byte, size)
		got, err := io.ReadFull(in, chunk)
		sound = append(sound, chunk[:got/2*2]...)
		if err != nil {
			break
		}
		meter(time.Duration(n)*step, level(chunk))
	}
	return sound
}

// level is how loud samples are, from 0 to 1, by decibels.
func level(samples []byte) float64 {
	sum := 0.0
	for i := 0; i+1 < len(samples); i += 2 {
		v := float64(int16(binary.LittleEndian.Uint16(samples[i:]))) / (1 << 15)
		sum += v * v
	}
	db := 10 * math.Log10(sum/float64(len(samples)/2))
	return min(max(1-db/floorDB, 0), 1)
}
