package speech

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/transcript"
)

// hears is a recogniser that writes a word for every loud tenth of a second, and nothing for quiet ones.
func hears(t *testing.T) recogniser {
	return func(u upload) (int, string, string) {
		w, err := readWAV(u.audio)
		require.NoError(t, err)
		var words []word
		for i := 0; i+w.rate/10 <= w.length(); i += w.rate / 10 {
			loudest := int16(0)
			for k := range w.rate / 10 {
				loudest = max(loudest, w.sample(i+k, -1))
			}
			if at := float64(i) / float64(w.rate); loudest > 1000 {
				words = append(words, word{fmt.Sprintf("tick%d-%d", loudest/1000, i), at, at + 0.1})
			}
		}
		return ok(verbose(words...))
	}
}

func TestLongRecordingsAreCutAtSilences(t *testing.T) {
	t.Parallel()
	tenths := loud(60)
	quiet := []int{17, 18, 19, 34, 35, 36, 37}
	for _, q := range quiet {
		tenths[q] = 10
	}
	for name, cfg := range map[string]Config{"bytes": {MaxUpload: 4200}, "seconds": {MaxPart: 2100 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, tr := client(hears(t), cfg)
			r, err := c.Transcribe(t.Context(), sound(1000, 2, tenths), "") // 6 s
			require.NoError(t, err)
			require.Len(t, tr.seen, 4)
			total := 0
			for _, u := range tr.seen {
				require.LessOrEqual(t, len(u.audio), 4300)
				w, err := readWAV(u.audio)
				require.NoError(t, err)
				require.Equal(t, 1, w.channels)
				total += w.length()
			}
			require.Equal(t, 6000, total, "nothing is lost between the parts")
			require.InDelta(t, len(tenths)-len(quiet), len(r.Transcript.Words), 2, "parts begin within a tenth")
			for i, w := range r.Transcript.Words {
				require.Greater(t, max(tenths[w.StartMS/100], tenths[(w.EndMS-1)/100]), int16(1000), "word %d", i)
			}
			require.Equal(t, 6000, r.Transcript.DurationMS)
		})
	}
}

// turns is the loudness of a channel on which somebody speaks in the given seconds.
func turns(seconds, level int, spoken ...int) []int16 {
	out := make([]int16, 10*seconds)
	for i := range out {
		out[i] = 5
		if slices.Contains(spoken, i/10) {
			out[i] = int16(level)
		}
	}
	return out
}

func leak(from, into []int16, share int16) []int16 {
	out := slices.Clone(into)
	for i, a := range from {
		out[i] = max(out[i], a/share)
	}
	return out
}

func TestChannels(t *testing.T) {
	t.Parallel()
	left, right := turns(20, 8000, 0, 1, 2, 9, 10, 18), turns(20, 5000, 4, 5, 6, 12, 13, 14, 15)
	hum := make([]int16, 200)
	for i := range hum {
		hum[i] = 900
	}
	tests := []struct {
		name     string
		channels [][]int16
		speakers []string
		uploads  int
		notes    []string
	}{
		{"a speaker a side", [][]int16{left, right}, []string{"Left", "Right"}, 2, []string{"each channel has its own speaker: they were transcribed apart, as Left and Right"}},
		{"who also hear one another faintly", [][]int16{leak(right, left, 20), leak(left, right, 20)}, []string{"Left", "Right"}, 2, []string{"transcribed apart"}},
		{"three speakers", [][]int16{left, right, turns(20, 6000, 7, 8, 16, 17)}, []string{"Channel 1", "Channel 2", "Channel 3"}, 3, []string{"Channel 1 and Channel 2 and Channel 3"}},
		{"one voice on both", [][]int16{left, left}, nil, 1, nil},
		{"one voice, nearer to one side", [][]int16{left, leak(left, turns(20, 0), 4)}, nil, 1, nil},
		{"one side is silent", [][]int16{make([]int16, 200), right}, nil, 1, []string{"only one channel (right) has a voice"}},
		{"one side hums", [][]int16{left, hum}, nil, 1, []string{"only one channel (left) has a voice"}},
		{"mono", [][]int16{left}, nil, 1, nil},
		{"silence", [][]int16{make([]int16, 200)}, nil, 0, []string{"the recording is silent"}},
		{"silence on both", [][]int16{make([]int16, 200), make([]int16, 200)}, nil, 0, []string{"the recording is silent"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, tr := client(hears(t), Config{})
			r, err := c.Transcribe(t.Context(), tones(1000, tt.channels...), "")
			require.NoError(t, err)
			require.Equal(t, tt.speakers, r.Transcript.Speakers())
			require.Len(t, tr.seen, tt.uploads)
			r.Notes = slices.DeleteFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "no words") }) // pauses
			require.Len(t, r.Notes, len(tt.notes))
			for i, n := range tt.notes {
				require.Contains(t, r.Notes[i], n)
			}
		})
	}
}

// The channels of two speakers go to the recogniser without their pauses, and come back as turns in the order of time.
func TestSpeakersOnChannels(t *testing.T) {
	t.Parallel()
	left, right := turns(30, 8000, 0, 1, 2, 12, 13, 25, 26), turns(30, 5000, 5, 6, 7, 8, 17, 18, 19, 20, 21)
	audio := tones(1000, left, right)
	check := func(t *testing.T, reply recogniser, words bool) {
		c, tr := client(reply, Config{})
		r, err := c.Transcribe(t.Context(), audio, "")
		require.NoError(t, err)
		for _, u := range tr.seen {
			w, err := readWAV(u.audio)
			require.NoError(t, err)
			require.Less(t, w.length(), 14000, "pauses are left out")
		}
		type turn struct {
			speaker string
			second  int
		}
		var got []turn
		for _, s := range r.Transcript.Segments {
			got = append(got, turn{s.Speaker, (s.StartMS + 600) / 1000})
			require.Equal(t, s.Text, r.Transcript.Text[s.Start:s.End])
		}
		require.Equal(t, []turn{{"Left", 0}, {"Right", 5}, {"Left", 12}, {"Right", 17}, {"Left", 25}}, got)
		require.Empty(t, r.Doubts, "a pause while the other speaks is no lost speech")
		if words {
			require.Len(t, r.Transcript.Words, 160)
			for _, w := range r.Transcript.Words {
				spoken := left
				if w.Speaker == "Right" {
					spoken = right
				}
				require.Greater(t, spoken[(w.StartMS+50)/100], int16(1000), "%v", w)
			}
		}
		one, err := r.Transcript.Candidate("right")
		require.NoError(t, err)
		require.NotContains(t, one.Text, "tick7")
	}
	t.Run("words", func(t *testing.T) { t.Parallel(); check(t, hears(t), true) })
	t.Run("text alone", func(t *testing.T) {
		t.Parallel()
		check(t, func(u upload) (int, string, string) {
			w, err := readWAV(u.audio)
			require.NoError(t, err)
			return ok(fmt.Sprintf(`{"text":"tick%d"}`, w.ms(w.length())/1000))
		}, false)
	})
}

// Recognisers invent words in long silence, so it does not reach them.
func TestLongSilenceIsLeftOut(t *testing.T) {
	t.Parallel()
	c, tr := client(hears(t), Config{})
	r, err := c.Transcribe(t.Context(), tones(1000, turns(80, 8000, 12, 13, 18, 19, 40, 41, 42)), "")
	require.NoError(t, err)
	require.Len(t, tr.seen, 1)
	w, err := readWAV(tr.seen[0].audio)
	require.NoError(t, err)
	require.InDelta(t, 13000, w.length(), 100, "8 s and 3 s, and half a second at each end")
	var seconds []int
	for _, w := range r.Transcript.Words {
		if s := (w.StartMS + 50) / 1000; len(seconds) == 0 || seconds[len(seconds)-1] != s {
			seconds = append(seconds, s)
		}
	}
	require.Equal(t, []int{12, 13, 18, 19, 40, 41, 42}, seconds)
	require.Contains(t, r.Notes, "silence of 10 s or more was left out 3 times")
}

// Two who talk at once keep their own words in order, whoever began first.
func TestSpeakersWhoTalkAtOnce(t *testing.T) {
	t.Parallel()
	said := func(speaker string, at ...int) (track, *transcript.Transcript) {
		var words []transcript.Word
		for i, ms := range at {
			words = append(words, transcript.Word{Text: fmt.Sprintf("%s%d", speaker, i), Times: transcript.Times{StartMS: ms, EndMS: ms + 500, Known: true}})
		}
		tr, err := transcript.New("", []transcript.Segment{{Text: join(words), Times: transcript.Times{StartMS: at[0], EndMS: at[len(at)-1] + 500, Known: true}}}, words)
		require.NoError(t, err)
		return track{speaker: speaker}, tr
	}
	a, ann := said("Ann", 0, 3000, 6000, 9000)
	b, bo := said("Bo", 4000, 4600)
	out, err := conversation([]track{a, b}, []*transcript.Transcript{ann, bo})
	require.NoError(t, err)
	require.Equal(t, "Ann0 Ann1 Ann2 Ann3\nBo0 Bo1", out.Text)
}

func join(words []transcript.Word) string {
	out := ""
	for _, w := range words {
		out += " " + w.Text
	}
	return out
}

func TestChannelsByHeader(t *testing.T) {
	t.Parallel()
	flac := append([]byte("fLaC\x00\x00\x00\x22"), make([]byte, 34)...)
	binary.BigEndian.PutUint64(flac[18:], 16000<<44|1<<41|40000)
	require.Equal(t, 2, channels(flac, FLAC))
	require.Equal(t, 2, channels(tones(1000, loud(1), loud(1)), WAV))
	require.Equal(t, 2, channels([]byte("OggSxxxxxxxxxxOpusHead\x01\x02\x38\x01"), Ogg))
	require.Equal(t, 1, channels([]byte("OggSxxxxxxxxxx\x01vorbis\x00\x00\x00\x00\x01xx"), Ogg))
	require.Equal(t, 2, channels([]byte("\xff\xfb\x90\x00"), MP3))
	require.Equal(t, 1, channels([]byte("ID3xxx\xff\xfb\x90\xc0"), MP3))
	require.Equal(t, 0, channels([]byte("\x00\x00\x00\x18ftypM4A  "), MP4))
}
