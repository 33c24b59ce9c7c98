package speech

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/transcript"
)

func TestDoubts(t *testing.T) {
	t.Parallel()
	word := func(text string, start, end int) transcript.Word {
		return transcript.Word{Text: text, Times: transcript.Times{StartMS: start, EndMS: end, Known: true}}
	}
	var loop, list []transcript.Word
	for i := range 24 {
		loop = append(loop, word([]string{"and", "then", "it"}[i%3], 100*i, 100*i+90))
		list = append(list, word(string(rune('a'+i)), 100*i, 100*i+90))
	}
	segment := func(q transcript.Quality) []transcript.Segment {
		return []transcript.Segment{{Text: "You", Times: transcript.Times{StartMS: 1000, EndMS: 2000, Known: true}, Quality: &q}}
	}
	tests := []struct {
		name string
		in   transcript.Transcript
		want []Doubt
	}{
		{"nothing", transcript.Transcript{}, nil},
		{"under the gap", transcript.Transcript{Words: []transcript.Word{word("a", 0, 500), word("b", 4499, 5000)}}, nil},
		{"gap", transcript.Transcript{Words: []transcript.Word{word("a", 0, 500), word("b", 4500, 5000)}}, []Doubt{{Lost, 500, 4500}}},
		{"under the long word", transcript.Transcript{Words: []transcript.Word{word("a", 0, 2999)}}, nil},
		{"long word", transcript.Transcript{Words: []transcript.Word{word("a", 0, 3000)}}, []Doubt{{Lost, 0, 3000}}},
		{"silent start", transcript.Transcript{Words: []transcript.Word{word("a", 9000, 9500)}}, nil},
		{"loop", transcript.Transcript{Words: loop}, []Doubt{{Loop, 0, 2390}}},
		{"list", transcript.Transcript{Words: list}, nil},
		{"said twice", transcript.Transcript{Words: append(list[:3:3], list[:3]...)}, nil},
		{"compression", transcript.Transcript{Segments: segment(transcript.Quality{CompressionRatio: 2.5})}, []Doubt{{Loop, 1000, 2000}}},
		{"invented", transcript.Transcript{Segments: segment(transcript.Quality{NoSpeechProb: 0.61, AvgLogprob: -0.71})}, []Doubt{{Invented, 1000, 2000}}},
		{"quiet but sure", transcript.Transcript{Segments: segment(transcript.Quality{NoSpeechProb: 0.9, AvgLogprob: -0.7})}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, cmp.Diff(tt.want, Doubts(&tt.in), cmpopts.EquateEmpty()))
		})
	}
}

func TestUnsure(t *testing.T) {
	t.Parallel()
	words := func(confidence ...float64) *transcript.Transcript {
		var tr transcript.Transcript
		for _, c := range confidence {
			tr.Words = append(tr.Words, transcript.Word{Text: "a", Confidence: &c})
		}
		return &tr
	}
	require.False(t, Unsure(words()))
	require.False(t, Unsure(words(0.3, 0.95)))
	require.True(t, Unsure(words(0.3, 0.8)))
	segment := func(logprob float64) *transcript.Transcript {
		return &transcript.Transcript{Segments: []transcript.Segment{{Times: transcript.Times{EndMS: 1000, Known: true}, Quality: &transcript.Quality{AvgLogprob: logprob}}}}
	}
	require.False(t, Unsure(segment(-0.7)))
	require.True(t, Unsure(segment(-0.8)))
}

func TestOnlyNames(t *testing.T) {
	t.Parallel()
	const vocabulary = "Node.js interview: libuv, setTimeout."
	for text, want := range map[string]bool{"": false, "Node, libuv, setTimeout.js": true, "Node.js interviewer. Node.js interviewer.": true, "libuv waits": false, "Nodes": true, "set": false} {
		require.Equal(t, want, onlyNames(text, vocabulary), text)
	}
	require.False(t, onlyNames("libuv", ""))
}

func TestUnintelligible(t *testing.T) {
	t.Parallel()
	heard := func(logprob float64, language string) *transcript.Transcript {
		return &transcript.Transcript{Language: language, Segments: []transcript.Segment{{Times: transcript.Times{EndMS: 1000, Known: true}, Quality: &transcript.Quality{AvgLogprob: logprob}}}}
	}
	confidence := 0.3
	words := &transcript.Transcript{Words: []transcript.Word{{Text: "a", Confidence: &confidence}}}
	read := heard(0, "")
	read.Segments[0].Quality, read.Segments[0].Confidence = nil, &confidence
	var loop []word
	for i := range 40 {
		loop = append(loop, word{[]string{"and", "then"}[i%2], float64(i), float64(i + 1)})
	}
	looped, err := transcript.Parse([]byte(verbose(loop...)))
	require.NoError(t, err)
	tests := []struct {
		name string
		in   *transcript.Transcript
		want bool
	}{
		{"nothing known", &transcript.Transcript{Text: "a"}, false},
		{"an answer", heard(-0.3, "english"), false},
		{"little trust", heard(-0.9, "english"), false},
		{"hardly any trust", heard(-1.1, "english"), true},
		{"the same, read from our own JSON", read, true},
		{"words without confidence", words, true},
		{"another language, well heard", heard(-0.3, "german"), false},
		{"another language, badly heard", heard(-0.9, "la"), true},
		{"a language of unknown name", heard(-0.9, ""), false},
		{"mostly a loop", looped, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, Unintelligible(tt.in, "en"))
		})
	}
}
