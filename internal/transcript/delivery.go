package transcript

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Delivery is how an answer was spoken, for advice and never for the score.
type Delivery struct {
	DurationMS       int // from the first word to the end of the last one
	WordCount        int
	WordsPerMinute   float64 // over the whole duration, pauses included
	Fillers          []FillerCount
	FillersPerMinute float64
	LongestPauseMS   int
	// LengthRatio is the duration over the time that a good answer takes; 0 where that is unknown.
	LengthRatio float64
}

// FillerCount is a filler and how often it was used.
type FillerCount struct {
	Text  string
	Count int
}

// fillers are words that say nothing, longest phrases first. Recognisers leave most "um"s out, so that counts are low
// rather than high. "Like" and "so" are not among them: mostly they are words.
var fillers = [][]string{
	{"you", "know", "what", "i", "mean"}, {"at", "the", "end", "of", "the", "day"}, {"you", "know"}, {"i", "mean"}, {"sort", "of"}, {"kind", "of"},
	{"um"}, {"umm"}, {"uh"}, {"er"}, {"erm"}, {"hmm"}, {"mm"}, {"mhm"}, {"basically"}, {"actually"}, {"literally"}, {"obviously"},
}

// asked are words behind which "kind of" and "sort of" mean a kind and a sort.
var asked = []string{"what", "which", "a", "the", "this", "that", "some", "any", "every", "each", "one", "another"}

// minDeliveryMS is the least speech whose pace means anything.
const minDeliveryMS = 3000

// Delivery measures how the words were spoken; nil where their times are unknown or the answer is too short to tell.
// expected is the time that a good answer takes, 0 if unknown.
func (t *Transcript) Delivery(expected time.Duration) *Delivery {
	if !t.Timed() {
		return nil
	}
	first, end, pause := t.Words[0].StartMS, t.Words[0].EndMS, 0
	for i := range t.Words {
		pause = max(pause, t.Words[i].StartMS-end)
		end = max(end, t.Words[i].EndMS)
	}
	d := &Delivery{DurationMS: end - first, WordCount: len(t.Words), LongestPauseMS: pause}
	if d.DurationMS < minDeliveryMS {
		return nil
	}
	minutes := float64(d.DurationMS) / 60_000
	d.WordsPerMinute = float64(d.WordCount) / minutes
	total := 0
	d.Fillers = t.fillers()
	for _, f := range d.Fillers {
		total += f.Count
	}
	d.FillersPerMinute = float64(total) / minutes
	if expected > 0 {
		d.LengthRatio = float64(d.DurationMS) / float64(expected.Milliseconds())
	}
	return d
}

// fillers counts them, the most frequent first.
func (t *Transcript) fillers() []FillerCount {
	words := make([]string, len(t.Words))
	for i := range t.Words {
		words[i] = strings.ToLower(strings.Trim(t.Words[i].Text, ".,;:!?…\"'-"))
	}
	counts := map[string]int{}
	for i := 0; i < len(words); i++ {
		n := fillerAt(words, i)
		if n > 0 {
			counts[strings.Join(words[i:i+n], " ")]++
			i += n - 1
		}
	}
	var out []FillerCount
	for text, n := range counts {
		out = append(out, FillerCount{text, n})
	}
	slices.SortFunc(out, func(a, b FillerCount) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Text, b.Text))
	})
	return out
}

// fillerAt is the number of words of the filler that begins at i; 0 if none does.
func fillerAt(words []string, i int) int {
	for _, f := range fillers {
		if i+len(f) > len(words) || !slices.Equal(words[i:i+len(f)], f) {
			continue
		}
		if (f[0] == "kind" || f[0] == "sort") && i > 0 && slices.Contains(asked, words[i-1]) {
			continue
		}
		return len(f)
	}
	return 0
}

const (
	// shownFillers is the number of different fillers that are counted out, shownPauseMS the least pause that is worth a word.
	shownFillers = 3
	shownPauseMS = 2000
)

// String is how it was spoken, in one line.
func (d *Delivery) String() string {
	line := Clock(d.DurationMS)
	if d.LengthRatio > 0 {
		line += " of the " + Clock(int(float64(d.DurationMS)/d.LengthRatio)) + " that the question expects"
	}
	line += fmt.Sprintf(", %.0f words a minute", d.WordsPerMinute)
	if d.LongestPauseMS >= shownPauseMS {
		line += fmt.Sprintf(", longest pause %.1f s", float64(d.LongestPauseMS)/1000)
	}
	var counts []string
	for _, f := range d.Fillers[:min(len(d.Fillers), shownFillers)] {
		counts = append(counts, fmt.Sprintf("%d “%s”", f.Count, f.Text))
	}
	if len(counts) > 0 {
		line += ", fillers: " + strings.Join(counts, ", ")
	}
	return line + "."
}

const (
	slowPace, fastPace = 100, 190 // words a minute; calm speech is 130 to 160
	manyFillers        = 6        // a minute
	longPauseMS        = 4000
	shortRatio         = 0.4
	longRatio          = 1.75
)

// Advice is what to work on in the delivery, a sentence each; none for an ordinary one.
func (d *Delivery) Advice() []string {
	var out []string
	switch {
	case d.WordsPerMinute > fastPace:
		out = append(out, "You speak fast: take a breath at the end of each point.")
	case d.WordsPerMinute < slowPace:
		out = append(out, "You speak slowly, or with many pauses: say the next point before you polish the last one.")
	}
	if d.FillersPerMinute > manyFillers && len(d.Fillers) > 0 {
		out = append(out, "Many fillers, “"+d.Fillers[0].Text+"” most of all: a silent pause sounds surer.")
	}
	if d.LongestPauseMS >= longPauseMS {
		out = append(out, "One pause is long: say that you are thinking, and about what.")
	}
	switch {
	case d.LengthRatio > longRatio:
		out = append(out, "Much longer than the question wants: lead with the answer and stop when it is said.")
	case d.LengthRatio > 0 && d.LengthRatio < shortRatio:
		out = append(out, "Much shorter than the question wants: there is time for how and why.")
	}
	return out
}
