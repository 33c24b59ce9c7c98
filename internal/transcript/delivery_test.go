package transcript

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

// spoken gives every word half a second; "…" is a pause of five.
func spoken(text string) *Transcript {
	var t Transcript
	at := 1000
	for w := range strings.FieldsSeq(text) {
		if w == "…" {
			at += 5000
			continue
		}
		t.Words = append(t.Words, Word{Text: w, Times: Times{at, at + 500, true}})
		at += 500
	}
	return &t
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		expected   time.Duration
		want       *Delivery
		advice     []string
	}{
		{"no words", "", 0, nil, nil},
		{"too short to tell", "poll then check", 0, nil, nil},
		{"plain", "the poll phase waits for events and runs them one by", 6 * time.Second,
			&Delivery{DurationMS: 5500, WordCount: 11, WordsPerMinute: 120, LengthRatio: 5.5 / 6}, nil},
		{"fillers", "Um, you know, it is kind of a loop, um", 0,
			&Delivery{DurationMS: 5000, WordCount: 10, WordsPerMinute: 120, Fillers: []FillerCount{{"um", 2}, {"kind of", 1}, {"you know", 1}}, FillersPerMinute: 48},
			[]string{"“um” most of all"}},
		{"a kind is none", "what kind of loop is this sort of queue", 0, &Delivery{DurationMS: 4500, WordCount: 9, WordsPerMinute: 120}, nil},
		{"pause and length", "the … loop runs the … next tick queue", time.Minute,
			&Delivery{DurationMS: 13500, WordCount: 7, WordsPerMinute: 7 / 13.5 * 60, LongestPauseMS: 5000, LengthRatio: 0.225},
			[]string{"slowly", "One pause is long", "Much shorter"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := spoken(tt.text).Delivery(tt.expected)
			require.Empty(t, cmp.Diff(tt.want, got, cmpopts.EquateApprox(1e-9, 0)))
			if got == nil {
				return
			}
			advice := got.Advice()
			require.Len(t, advice, len(tt.advice), "%q", advice)
			for i, a := range tt.advice {
				require.Contains(t, advice[i], a)
			}
		})
	}
	require.Nil(t, (&Transcript{Words: []Word{{Text: "a"}}}).Delivery(0), "no times")
}
