package speech

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// spokenLoop is a phrase over and over.
func spokenLoop(at float64) []word {
	var out []word
	for i := range 30 {
		out = append(out, word{[]string{"and", "then"}[i%2], at + 0.1*float64(i), at + 0.1*float64(i) + 0.1})
	}
	return out
}

// everyTenth is a word for each tenth of a second.
func everyTenth(from, to int) []word {
	var out []word
	for i := 10 * from; i < 10*to; i++ {
		out = append(out, word{fmt.Sprintf("w%d", i), float64(i) / 10, float64(i+1) / 10})
	}
	return out
}

// Only what is in doubt is taken again where the sound can be cut: the rest keeps its spelling.
func TestDoubtfulSpansAreTakenAgain(t *testing.T) {
	t.Parallel()
	full := hears(t)
	everywhere := turns(26, 8000, 0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 24, 25)
	first := func(words ...word) recogniser {
		return func(u upload) (int, string, string) {
			if u.prompt != "" {
				return ok(verbose(words...))
			}
			return full(u)
		}
	}
	head := []word{{"libuv", 0, 1}, {"polls", 1, 3}, {"and", 3.5, 3.9}}
	tail := []word{{"epoll", 13.1, 14}, {"closes", 14, 15.9}, {"late", 24, 25.9}}
	tests := []struct {
		name    string
		reply   recogniser
		uploads []int // milliseconds of each
		text    string
		notes   []string
		doubts  int
	}{
		{"lost speech", first(append(head, tail...)...), []int{26_000, 9850}, "libuv polls tick7 … epoll closes late",
			[]string{"no words from 0:03 to 0:13: taken again without the vocabulary, and that pass was kept"}, 0},
		{"lost speech at the end", first(append(everyTenth(0, 13), word{"last", 13, 14})...), []int{26_000, 12_000}, "w0 … tick7-11900",
			[]string{"no words from 0:14 to 0:26: taken again"}, 0},
		{"nothing was heard", first(), []int{26_000, 26_000}, "tick7-0 … tick7-25900", []string{"no words from 0:00 to 0:26: taken again"}, 0},
		{"a loop", first(append(append(head, spokenLoop(5)...), tail...)...), []int{26_000, 8650}, "libuv polls and tick7 … epoll closes late",
			[]string{"the recogniser repeats itself from 0:05 to 0:08: taken again", "no words"}, 0},
		{"silence is a pause", first(append(everyTenth(0, 16), word{"b", 24, 26})...), []int{26_000}, "w0 … w158 w159 b", nil, 0},
		{"nobody speaks in the second pass", func(u upload) (int, string, string) {
			if u.prompt != "" {
				return ok(verbose(append(head, tail...)...))
			}
			return ok(`{"text":""}`)
		}, []int{26_000, 9850}, "libuv polls and epoll closes late", []string{"speech may be missing"}, 1},
		{"no second pass", func(u upload) (int, string, string) {
			if u.prompt != "" {
				return ok(verbose(append(head, tail...)...))
			}
			return 400, "application/json", `{"error":{"message":"no"}}`
		}, []int{26_000, 9850}, "libuv polls and epoll closes late", []string{"failed", "speech may be missing"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, tr := client(tt.reply, Config{})
			r, err := c.Transcribe(t.Context(), tones(1000, everywhere), "T: libuv.")
			require.NoError(t, err)
			var sizes []int
			for _, u := range tr.seen {
				w, err := readWAV(u.audio)
				require.NoError(t, err)
				sizes = append(sizes, w.ms(w.length()))
			}
			require.Len(t, sizes, len(tt.uploads))
			before, after, _ := strings.Cut(tt.text, " … ")
			require.True(t, strings.HasPrefix(r.Transcript.Text, before), r.Transcript.Text)
			require.True(t, strings.HasSuffix(r.Transcript.Text, after), r.Transcript.Text)
			require.Len(t, r.Doubts, tt.doubts)
			require.Len(t, r.Notes, len(tt.notes), "%q", r.Notes)
			for i, n := range tt.notes {
				require.Contains(t, r.Notes[i], n)
			}
			for _, w := range r.Transcript.Words {
				require.Equal(t, w.Text, r.Transcript.Text[w.Start:w.End])
				if strings.HasPrefix(w.Text, "tick") {
					require.Greater(t, max(everywhere[w.StartMS/100], everywhere[(w.EndMS-1)/100]), int16(1000), "%v", w)
				}
			}
			for i, ms := range tt.uploads {
				require.InDelta(t, ms, sizes[i], 200)
			}
		})
	}
}

// What the recogniser takes for invented is left out, and where there is sound that is a doubt.
func TestInventedTextWhereThereIsSound(t *testing.T) {
	t.Parallel()
	const reply = `{"text":" It waits. Thank you.","duration":12,"segments":[{"start":0,"end":4,"text":" It waits.","avg_logprob":-0.2},{"start":8,"end":11,"text":" Thank you.","avg_logprob":-0.9,"no_speech_prob":0.8}],` +
		`"words":[{"word":"It","start":0,"end":2},{"word":"waits","start":2,"end":4},{"word":"Thank","start":8,"end":9},{"word":"you","start":9,"end":11}]}`
	for name, tt := range map[string]struct {
		loud   []int
		doubts []Doubt
	}{
		"silence": {[]int{0, 1, 2, 3}, nil},
		"sound":   {[]int{0, 1, 2, 3, 8, 9, 10}, []Doubt{{Invented, 8000, 11000}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := client(func(upload) (int, string, string) { return ok(reply) }, Config{})
			r, err := c.Transcribe(t.Context(), tones(1000, turns(12, 8000, tt.loud...)), "")
			require.NoError(t, err)
			require.Equal(t, "It waits.", r.Transcript.Text)
			require.Equal(t, tt.doubts, r.Doubts)
			require.Contains(t, r.Notes[0], "at 0:08 is left out: nobody speaks there")
		})
	}
}
