package speech

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/vivagrader/grader/internal/transcript"
)

// DoubtKind is a way in which recognisers fail without saying so.
type DoubtKind string

// The kinds.
const (
	// Lost means that a stretch of the recording has no words: speech may have been skipped there.
	Lost DoubtKind = "LOST"
	// Loop means that the recogniser repeats itself.
	Loop DoubtKind = "LOOP"
	// Invented means words where, by the recogniser's own figures, nobody spoke.
	Invented DoubtKind = "INVENTED"
)

// Doubt is a stretch of a transcript that is probably wrong, in milliseconds of the recording.
type Doubt struct {
	Kind           DoubtKind
	StartMS, EndMS int
}

func (d Doubt) length() int { return d.EndMS - d.StartMS }

// String says the doubt in words, with its time.
func (d Doubt) String() string {
	at := transcript.Clock(d.StartMS) + " to " + transcript.Clock(d.EndMS)
	switch d.Kind {
	case Lost:
		return "no words from " + at
	case Loop:
		return "the recogniser repeats itself from " + at
	case Invented:
		return "words without a voice from " + at
	}
	return fmt.Sprintf("%s from %s", d.Kind, at)
}

// Bounds measured on 96 stored transcripts (docs/speech.md): they find all six that lost speech, with one false alarm.
const (
	// gapMS between two words is lost speech.
	gapMS = 4000
	// wordMS is the length of a word that hides lost speech: recognisers stretch the word beside a hole over it.
	wordMS = 3000
	// compressionMax is Whisper's own alarm for repetitions.
	compressionMax = 2.4
	// A segment is invented when both hold.
	noSpeechMin = 0.6
	logprobMax  = -0.7
)

// Doubts looks a transcript over for lost speech, loops and invented text, in the order of time. A transcript without
// times of words or segments can hide them all. The start and the end of a recording may be silent.
func Doubts(t *transcript.Transcript) []Doubt {
	doubts := lost(t)
	for i := range t.Segments {
		s := &t.Segments[i]
		switch {
		case !s.Known:
		case invented(s):
			doubts = append(doubts, Doubt{Invented, s.StartMS, s.EndMS})
		case s.Quality != nil && s.Quality.CompressionRatio > compressionMax:
			doubts = append(doubts, Doubt{Loop, s.StartMS, s.EndMS})
		}
	}
	doubts = append(doubts, loops(t)...)
	slices.SortStableFunc(doubts, func(a, b Doubt) int { return a.StartMS - b.StartMS })
	return doubts
}

func invented(s *transcript.Segment) bool {
	return s.Quality != nil && s.Quality.NoSpeechProb > noSpeechMin && s.Quality.AvgLogprob < logprobMax
}

// echo reports whether a segment in which probably nobody speaks has no words but those of the vocabulary.
func echo(s *transcript.Segment, vocabulary string) bool {
	if s.Quality == nil || s.Quality.NoSpeechProb <= noSpeechMin {
		return false
	}
	return onlyNames(s.Text, vocabulary)
}

// onlyNames reports whether a text has words, and none but those of the vocabulary, "interviewer" for "interview" too.
func onlyNames(text, vocabulary string) bool {
	words, names := bare(text), bare(vocabulary)
	known := func(w string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return w == n || len(n) >= 4 && strings.HasPrefix(w, n) })
	}
	return len(words) > 0 && len(names) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !known(w) })
}

// bare are the words of a text without case and punctuation, identifiers taken apart.
func bare(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// lost finds gaps between words and words that are too long; without words, gaps between segments.
func lost(t *transcript.Transcript) []Doubt {
	var out []Doubt
	last := -1
	see := func(at transcript.Times) {
		if !at.Known {
			return
		}
		if last >= 0 && at.StartMS-last >= gapMS {
			out = append(out, Doubt{Lost, last, at.StartMS})
		}
		last = max(last, at.EndMS)
	}
	for i := range t.Words {
		w := t.Words[i].Times
		if w.Known && w.EndMS-w.StartMS >= wordMS {
			out = append(out, Doubt{Lost, w.StartMS, w.EndMS})
		}
		see(w)
	}
	if len(t.Words) == 0 {
		for i := range t.Segments {
			if t.Segments[i].Quality != nil { // people who write subtitles leave pauses
				see(t.Segments[i].Times)
			}
		}
	}
	return out
}

// trust is what a recogniser has in its words at least: the mean confidence of the words, and the mean log probability of
// the segments, weighted by their time.
type trust struct{ confidence, logprob float64 }

// Bounds measured on 96 stored transcripts of answers, which have -0.31 or more, and on noise, music, speech backwards
// and other languages, which have -0.75 or less where the recogniser writes anything. Whisper itself gives up at -1.
var (
	sureEnough = trust{0.6, -0.7}
	hopeless   = trust{0.37, -1.0}
)

// Unsure reports whether the recogniser trusts its own words so little that a reader should not.
func Unsure(t *transcript.Transcript) bool { return sureEnough.missing(t) }

// Unintelligible reports whether the words are not worth grading: the recogniser trusts them hardly at all, or it trusts
// them little and heard another language than the given one (a tag such as "en"), or loops are the better half of them.
func Unintelligible(t *transcript.Transcript, language string) bool {
	heard := transcript.LanguageTag(t.Language)
	foreign := heard != "" && language != "" && !strings.HasPrefix(heard, language)
	looped, spoken := 0, t.TimesAt(0, len(t.Text))
	for _, d := range Doubts(t) {
		if d.Kind == Loop {
			looped += d.length()
		}
	}
	return hopeless.missing(t) || foreign && Unsure(t) || looped > 0 && 2*looped > spoken.EndMS-spoken.StartMS
}

// missing reports whether the recogniser has less trust in what it wrote.
func (b trust) missing(t *transcript.Transcript) bool {
	sum, n := 0.0, 0
	for i := range t.Words {
		if c := t.Words[i].Confidence; c != nil {
			sum += *c
			n++
		}
	}
	logprob, weight := 0.0, 0.0
	for i := range t.Segments {
		s := &t.Segments[i]
		w := float64(max(s.EndMS-s.StartMS, 1))
		switch {
		case !s.Known:
		case s.Quality != nil:
			logprob, weight = logprob+w*s.Quality.AvgLogprob, weight+w
		case s.Confidence != nil && *s.Confidence > 0:
			logprob, weight = logprob+w*math.Log(*s.Confidence), weight+w
		}
	}
	return n > 0 && sum < b.confidence*float64(n) || weight > 0 && logprob < b.logprob*weight
}

const (
	// loopWords is the least number of words that a loop repeats in a row, loopLength the words in one round at most.
	loopWords  = 16
	loopLength = 24
)

// loops finds words that come again at once, several times or at length: "and then and then and then". People repeat a
// few words; nobody says sixteen of them again.
func loops(t *transcript.Transcript) []Doubt {
	words := make([]string, len(t.Words))
	for i := range t.Words {
		words[i] = strings.ToLower(strings.Trim(t.Words[i].Text, ".,;:!?"))
	}
	var out []Doubt
	for i := 0; i < len(words); i++ {
		n := repeated(words[i:])
		if n == 0 {
			continue
		}
		first, last := t.Words[i], t.Words[min(i+n, len(words))-1]
		if first.Known && last.Known {
			out = append(out, Doubt{Loop, first.StartMS, max(first.StartMS, last.EndMS)})
		}
		i += n
	}
	return out
}

// repeated is the number of words at the start that are one phrase over and over; 0 where there is no loop.
func repeated(words []string) int {
	for size := 1; size <= loopLength && 2*size <= len(words); size++ {
		n := size
		for n < len(words) && words[n] == words[n-size] {
			n++
		}
		if again := n - size; again >= loopWords || again >= 4*size && again >= 6 {
			return n
		}
	}
	return 0
}
