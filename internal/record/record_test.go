package record

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// install puts a shell script that stands in for a recorder on a PATH of its own.
func install(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700))
	t.Setenv("PATH", dir)
}

func TestFind(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Find()
	require.ErrorIs(t, err, ErrNoRecorder)
	for _, p := range programs() {
		install(t, p.Name, "")
		r, err := Find()
		require.NoError(t, err)
		require.Equal(t, p.Name, r.Name)
	}
}

func TestRecord(t *testing.T) {
	const second = "PATH=/usr/bin:/bin; head -c 32000 /dev/zero"
	tests := []struct {
		name, script string
		stop         bool
		most         time.Duration
		seconds      float64
		says         string
	}{
		{"stopped", second + "; exec sleep 60", true, time.Minute, 1, ""},
		{"ends by itself", second, false, time.Minute, 1, ""},
		{"half a sample", "PATH=/usr/bin:/bin; head -c 32001 /dev/zero", false, time.Minute, 1, ""},
		{"too long", "PATH=/usr/bin:/bin; exec cat /dev/zero", false, 500 * time.Millisecond, 0.5, ""},
		{"no microphone", "echo 'ALSA lib pcm.c:1: unknown PCM' >&2; echo 'audio open error:  no such device' >&2; exit 1", false, time.Minute, 0, "arecord recorded no sound: audio open error: no such device; check the microphone"},
		{"nothing", "", false, time.Minute, 0, "it wrote nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			install(t, "arecord", tt.script)
			r, err := Find()
			require.NoError(t, err)
			stop := make(chan struct{})
			var passed time.Duration
			sound, err := r.Record(t.Context(), stop, tt.most, func(d time.Duration, level float64) {
				require.Zero(t, level)
				if passed = d; tt.stop && d == time.Second {
					close(stop)
				}
			})
			if tt.says != "" {
				require.ErrorContains(t, err, tt.says)
				return
			}
			require.NoError(t, err)
			require.Len(t, sound, int(tt.seconds*Rate)*2)
			require.InDelta(t, tt.seconds, passed.Seconds(), 0.001)
		})
	}
}

// An interrupted recording ends the program and gives nothing.
func TestRecordIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	install(t, "arecord", "PATH=/usr/bin:/bin; trap 'touch "+dir+"/ended; exit' INT; head -c 3200 /dev/zero; while :; do sleep 0.01; done")
	r, err := Find()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	sound, err := r.Record(ctx, nil, time.Minute, func(time.Duration, float64) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, sound)
	require.FileExists(t, filepath.Join(dir, "ended"))
}

func TestLevel(t *testing.T) {
	t.Parallel()
	sine := func(amplitude float64) []byte {
		var out []byte
		for i := range 1600 {
			out = binary.LittleEndian.AppendUint16(out, uint16(int16(amplitude*math.Sin(float64(i)/8))))
		}
		return out
	}
	require.Zero(t, level(make([]byte, 3200)))
	require.InDelta(t, 0.95, level(sine(math.MaxInt16)), 0.01)
	require.InDelta(t, 0.62, level(sine(math.MaxInt16/10.)), 0.01)
}
