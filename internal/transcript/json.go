package transcript

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// jsonWord has the fields of a word in all the formats that call it a word.
type jsonWord struct {
	Word           string
	PunctuatedWord string `json:"punctuated_word"`
	Text           string
	Start, End     *float64
	StartMS        *float64 `json:"startMs"`
	EndMS          *float64 `json:"endMs"`
	StartSnake     *float64 `json:"start_ms"`
	EndSnake       *float64 `json:"end_ms"`
	Confidence     *float64
	Probability    *float64
	Speaker        label
	Channel        label
}

// jsonSegment is the same for segments and utterances.
type jsonSegment struct {
	jsonWord
	Transcript       string
	AvgLogprob       *float64 `json:"avg_logprob"`
	CompressionRatio *float64 `json:"compression_ratio"`
	NoSpeechProb     *float64 `json:"no_speech_prob"`
	Words            []jsonWord
}

// label is a speaker's name or number.
type label string

func (l *label) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*l = label(s)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(data, &n); err == nil && n != "" {
		*l = label("speaker " + n.String())
	}
	return nil // what is neither is no label
}

type jsonTranscript struct {
	Text         *string
	Words        []jsonWord
	Segments     []jsonSegment
	Utterances   []jsonSegment
	Language     string
	Doubtful     bool
	LanguageCode string `json:"language_code"`
	Duration     float64
	AudioSeconds float64 `json:"audio_duration"`
	Status       string
	Error        json.RawMessage
	Results      *jsonResults
	Metadata     struct{ Duration float64 }
}

func parseJSON(data []byte) (*Transcript, error) {
	var j jsonTranscript
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, fmt.Errorf("%w: the JSON cannot be read: %s; give %s", ErrFormat, jsonProblem(err), known)
	}
	var t *Transcript
	var err error
	switch {
	case j.Results != nil && len(j.Results.Channels) > 0:
		t, err = j.deepgram()
	case j.Results != nil && (len(j.Results.Items) > 0 || len(j.Results.Transcripts) > 0):
		t, err = j.aws()
	case j.Status == "queued" || j.Status == "processing" || j.Status == "error":
		return nil, fmt.Errorf("%w: AssemblyAI says %q; fetch the transcript when its status is completed", ErrFormat, j.Status)
	case j.assembly():
		t, err = j.speech(AssemblyAI, 1)
	case j.own():
		t, err = j.speech(Own, 1)
	case j.Text != nil || len(j.Segments) > 0 || len(j.Words) > 0:
		t, err = j.speech(Whisper, 1000)
	case len(j.Error) > 0 && string(j.Error) != "null":
		return nil, fmt.Errorf("%w: the JSON is the error of a recogniser: %s", ErrFormat, clip(string(j.Error)))
	default:
		return nil, fmt.Errorf("%w: JSON without text, words, segments or results; give %s", ErrFormat, known)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Format, err)
	}
	t.Doubtful = j.Doubtful
	t.Language = cmp.Or(j.Language, j.LanguageCode, t.Language)
	if ms := Millis(cmp.Or(j.Duration, j.AudioSeconds, j.Metadata.Duration)); ms <= dayMS {
		t.DurationMS = max(ms, 0)
	}
	return t, nil
}

func jsonProblem(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("%v at byte %d", e, e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s is %s", e.Field, e.Value)
	}
	return err.Error()
}

// assembly reports whether the fields are AssemblyAI's: words have a text and times in milliseconds.
func (j *jsonTranscript) assembly() bool {
	return len(j.Utterances) > 0 || j.AudioSeconds > 0 || j.Status == "completed" ||
		len(j.Words) > 0 && j.Words[0].Text != "" && j.Words[0].Start != nil
}

// own reports whether the fields are those of the contract's Transcript.
func (j *jsonTranscript) own() bool {
	return slices.ContainsFunc(j.Words, func(w jsonWord) bool { return w.Text != "" }) ||
		slices.ContainsFunc(j.Segments, func(s jsonSegment) bool { return s.StartMS != nil || s.StartSnake != nil }) ||
		j.Text != nil && j.Words == nil && j.Segments == nil && j.Duration == 0
}

// speech reads the formats that are a text with lists of segments and words. unit is milliseconds in their time.
func (j *jsonTranscript) speech(format Format, unit float64) (*Transcript, error) {
	segments, words := j.Segments, j.Words
	if len(segments) == 0 {
		segments = j.Utterances
	}
	speakers := false
	var outSegments []Segment
	for i := range segments {
		s := segments[i].segment(unit)
		speakers = speakers || s.Speaker != ""
		outSegments = append(outSegments, s)
		if len(j.Words) == 0 {
			words = append(words, segments[i].Words...)
		}
	}
	var outWords []Word
	for i := range words {
		if w := words[i].word(unit); w.Text != "" {
			outWords = append(outWords, w)
		}
	}
	text := ""
	if j.Text != nil && (!speakers || format == Own) { // turns of speakers keep their lines
		text = *j.Text
	}
	t, err := New(text, outSegments, outWords)
	t.Format = format
	return t, err
}

func (w *jsonWord) word(unit float64) Word {
	return Word{Text: strings.TrimSpace(cmp.Or(w.PunctuatedWord, w.Word, w.Text)), Times: w.times(unit), Confidence: share(cmp.Or(w.Confidence, w.Probability)), Speaker: string(w.Speaker)}
}

func (s *jsonSegment) segment(unit float64) Segment {
	out := Segment{Text: strings.TrimSpace(cmp.Or(s.Text, s.Transcript)), Times: s.times(unit), Confidence: share(s.Confidence), Speaker: string(s.Speaker)}
	if s.AvgLogprob != nil || s.CompressionRatio != nil || s.NoSpeechProb != nil {
		out.Quality = &Quality{value(s.AvgLogprob), value(s.CompressionRatio), value(s.NoSpeechProb)}
	}
	return out
}

func (w *jsonWord) times(unit float64) Times {
	if start, end := cmp.Or(w.StartMS, w.StartSnake), cmp.Or(w.EndMS, w.EndSnake); start != nil && end != nil {
		return Times{Millis(*start / 1000), Millis(*end / 1000), true}
	}
	if w.Start == nil || w.End == nil {
		return Times{}
	}
	return Times{Millis(*w.Start * unit / 1000), Millis(*w.End * unit / 1000), true}
}

func value(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

// share is a confidence where it is one.
func share(p *float64) *float64 {
	if p == nil || *p < 0 || *p > 1 {
		return nil
	}
	return p
}

// jsonResults is what Deepgram and AWS Transcribe call results.
type jsonResults struct {
	// Deepgram
	Channels []struct {
		Alternatives []struct {
			Transcript string
			Words      []jsonWord
		}
		DetectedLanguage string `json:"detected_language"`
	}
	// AWS
	Transcripts   []struct{ Transcript string }
	Items         []awsItem
	SpeakerLabels struct {
		Segments []struct{ Items []awsItem }
	} `json:"speaker_labels"`
	ChannelLabels struct {
		Channels []struct {
			Label string `json:"channel_label"`
			Items []awsItem
		}
	} `json:"channel_labels"`
	LanguageCode string `json:"language_code"`
}

type awsItem struct {
	Start        string `json:"start_time"`
	End          string `json:"end_time"`
	Type         string
	Alternatives []struct{ Confidence, Content string }
	Speaker      string `json:"speaker_label"`
	Channel      string `json:"channel_label"`
}

func (j *jsonTranscript) deepgram() (*Transcript, error) {
	var words []Word
	text, language := "", ""
	for i, c := range j.Results.Channels {
		if len(c.Alternatives) == 0 {
			continue
		}
		language = cmp.Or(language, c.DetectedLanguage)
		text = cmp.Or(text, c.Alternatives[0].Transcript)
		for k := range c.Alternatives[0].Words {
			w := c.Alternatives[0].Words[k].word(1000)
			if len(j.Results.Channels) > 1 {
				w.Speaker = strings.TrimSpace(fmt.Sprintf("channel %d %s", i, w.Speaker))
			}
			words = append(words, w)
		}
	}
	t, err := fromWords(words, text)
	t.Format, t.Language = Deepgram, language
	return t, err
}

func (j *jsonTranscript) aws() (*Transcript, error) {
	r := j.Results
	speakers := map[string]string{}
	for _, s := range r.SpeakerLabels.Segments {
		for _, i := range s.Items {
			speakers[i.Start] = i.Speaker
		}
	}
	items := r.Items
	if len(r.ChannelLabels.Channels) > 1 {
		items = nil
		for _, c := range r.ChannelLabels.Channels {
			for _, i := range c.Items {
				i.Speaker = c.Label
				items = append(items, i)
			}
		}
	}
	var words []Word
	for _, i := range items {
		if len(i.Alternatives) == 0 {
			continue
		}
		a := i.Alternatives[0]
		if i.Type == "punctuation" {
			if len(words) > 0 {
				words[len(words)-1].Text += a.Content
			}
			continue
		}
		w := Word{Text: a.Content, Speaker: cmp.Or(i.Speaker, speakers[i.Start])}
		start, err1 := strconv.ParseFloat(i.Start, 64)
		end, err2 := strconv.ParseFloat(i.End, 64)
		if err1 == nil && err2 == nil {
			w.Times = Times{Millis(start), Millis(end), true}
		}
		if c, err := strconv.ParseFloat(a.Confidence, 64); err == nil {
			w.Confidence = share(&c)
		}
		words = append(words, w)
	}
	text := ""
	if len(r.Transcripts) > 0 { // there is one
		text = r.Transcripts[0].Transcript
	}
	t, err := fromWords(words, text)
	t.Format, t.Language = AWS, r.LanguageCode
	return t, err
}

// turnPauseMS is the silence at which a turn ends when several people have a channel each.
const turnPauseMS = 1000

// fromWords makes turns of words that know their speakers, in the order in which the turns begin. Without words the text
// is all there is.
func fromWords(words []Word, text string) (*Transcript, error) {
	var turns [][]Word
	many := false
	for i, w := range words {
		fresh := i == 0 || w.Speaker != words[i-1].Speaker || w.Known && w.StartMS > words[i-1].EndMS+turnPauseMS
		if fresh {
			turns = append(turns, nil)
		}
		turns[len(turns)-1] = append(turns[len(turns)-1], w)
		many = many || w.Speaker != words[0].Speaker
	}
	if !many {
		if len(words) > 0 {
			text = ""
		}
		return New(text, nil, words)
	}
	slices.SortStableFunc(turns, func(a, b []Word) int { return a[0].StartMS - b[0].StartMS })
	var segments []Segment
	var ordered []Word
	for _, turn := range turns {
		var b bytes.Buffer
		for i, w := range turn {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(w.Text)
		}
		first, last := turn[0], turn[len(turn)-1]
		segments = append(segments, Segment{Text: b.String(), Speaker: first.Speaker, Times: Times{first.StartMS, last.EndMS, first.Known && last.Known}})
		ordered = append(ordered, turn...)
	}
	return New("", segments, ordered)
}
