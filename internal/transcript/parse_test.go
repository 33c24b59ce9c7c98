package transcript

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// turn is a segment as tests write it.
type turn struct {
	speaker, text string
	start, end    int
}

func turns(t *Transcript) []turn {
	var out []turn
	for _, s := range t.Segments {
		out = append(out, turn{s.Speaker, s.Text, s.StartMS, s.EndMS})
	}
	return out
}

func sample(t *testing.T, name string) *Transcript {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	tr, err := Parse(data)
	require.NoError(t, err)
	whole(t, tr)
	return tr
}

// whole holds that every place is the text that it is said to be.
func whole(t *testing.T, tr *Transcript) {
	t.Helper()
	for _, w := range tr.Words {
		require.True(t, 0 <= w.Start && w.Start <= w.End && w.End <= len(tr.Text), "%+v", w)
		if w.Start < w.End {
			require.Equal(t, fold(w.Text).text, fold(tr.Text[w.Start:w.End]).text)
		}
	}
	for _, s := range tr.Segments {
		require.True(t, 0 <= s.Start && s.Start <= s.End && s.End <= len(tr.Text), "%+v", s)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	dialogue := []turn{
		{"Interviewer", "What runs first?", 0, 1500},
		{"Candidate", "The next tick queue, then promises.", 2000, 4500},
	}
	said := "What runs first?\nThe next tick queue, then promises."
	tests := []struct {
		file    string
		format  Format
		text    string
		want    []turn
		words   int
		quote   string // in the text
		startMS int    // of the quote
		endMS   int
	}{
		{"voices.vtt", WebVTT, said + " So both drain.", append(dialogue[:2:2], turn{"Candidate", "So both drain.", 4500, 6000}), 0, "promises", 2000, 4500},
		{"labels.srt", SRT, said, dialogue, 0, "next tick", 2000, 4500},
		{"labels.txt", Plain, said, []turn{{"Interviewer", "What runs first?", 0, 0}, {"Candidate", "The next tick queue, then promises.", 0, 0}}, 0, "next tick", 0, 0},
		{"times.txt", Plain, said, []turn{{"Ann Lee", "What runs first?", 1000, 3000}, {"Bo", "The next tick queue,", 3000, 4000}, {"Bo", "then promises.", 4000, 4000}}, 0, "next tick", 3000, 4000},
		{"plain.txt", Plain, "Timers: they run first.\nPoll: I/O.\nCheck: set immediate.", nil, 0, "Poll", 0, 0},
		{"whisper.json", Whisper, "The next tick queue, then promises.", []turn{{"", "The next tick queue,", 0, 1200}, {"", "then promises.", 1200, 2200}}, 6, "tick queue", 500, 1200},
		{"whisper-cli.json", Whisper, "The next tick.", []turn{{"", "The next tick.", 0, 900}}, 3, "tick", 500, 900},
		{"openai-diarized.json", Whisper, said, []turn{{"A", "What runs first?", 0, 1500}, {"B", "The next tick queue, then promises.", 2000, 4500}}, 0, "promises", 2000, 4500},
		{"deepgram.json", Deepgram, said, []turn{{"speaker 0", "What runs first?", 0, 1500}, {"speaker 1", "The next tick queue, then promises.", 2000, 4500}}, 9, "queue, then", 3000, 4000},
		{"deepgram-channels.json", Deepgram, "What runs first?\nMhm. The next tick.", []turn{{"channel 0", "What runs first?", 0, 1500}, {"channel 1", "Mhm.", 700, 900}, {"channel 1", "The next tick.", 2000, 3500}}, 7, "tick", 3000, 3500},
		{"assemblyai.json", AssemblyAI, said, []turn{{"A", "What runs first?", 0, 1500}, {"B", "The next tick queue, then promises.", 2000, 4500}}, 9, "queue, then", 3000, 4000},
		{"aws.json", AWS, said, []turn{{"spk_0", "What runs first?", 0, 1500}, {"spk_1", "The next tick queue, then promises.", 2000, 4500}}, 9, "queue, then", 3000, 4000},
		{"own.json", Own, "The next tick queue.", []turn{{"A", "The next tick queue.", 0, 1200}}, 4, "tick queue", 500, 1200},
		{"corrected.json", Own, "process.nextTick runs before promises.", nil, 5, "runs before", 700, 1100},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			tr := sample(t, tt.file)
			require.Equal(t, tt.format, tr.Format)
			require.Equal(t, tt.text, tr.Text)
			require.Empty(t, cmp.Diff(tt.want, turns(tr), cmp.AllowUnexported(turn{})))
			require.Len(t, tr.Words, tt.words)
			at := strings.Index(tr.Text, tt.quote)
			require.GreaterOrEqual(t, at, 0)
			times := tr.TimesAt(at, at+len(tt.quote))
			require.Equal(t, Times{tt.startMS, tt.endMS, tt.endMS > 0}, times)
		})
	}
}

func TestParseDetails(t *testing.T) {
	t.Parallel()
	tr := sample(t, "whisper.json")
	require.Equal(t, "english", tr.Language)
	require.Equal(t, 2500, tr.DurationMS)
	require.True(t, tr.Timed())
	require.Equal(t, &Quality{-0.2, 1.5, 0.01}, tr.Segments[0].Quality)
	require.InDelta(t, 0.99, *sample(t, "aws.json").Words[0].Confidence, 1e-9)
	require.InDelta(t, 0.9, *sample(t, "own.json").Words[0].Confidence, 1e-9)
}

func TestParseProblems(t *testing.T) {
	t.Parallel()
	vtt := func(cues string) string { return "WEBVTT\n\n" + cues }
	tests := []struct {
		name, data string
		is         error
		says       string
	}{
		{"nothing", "", ErrEmpty, "the file is empty"},
		{"blanks", " \n\t\n", ErrEmpty, "the file is empty"},
		{"no cues", vtt(""), ErrEmpty, "well-formed WebVTT without any speech"},
		{"silence", `{"text":"","segments":[],"duration":3}`, ErrEmpty, "check that the recording holds a voice"},
		{"audio", "RIFF\x00\x00\x00\x00WAVEfmt ", ErrFormat, "use grader transcribe or --audio"},
		{"mp4", "\x00\x00\x00\x18ftypM4A ", ErrFormat, "--audio"},
		{"UTF-16", "\xff\xfeh\x00i\x00", ErrFormat, "save it as UTF-8"},
		{"latin-1", "caf\xe9", ErrFormat, "iconv"},
		{"bad JSON", `{"text": `, ErrFormat, "the JSON cannot be read"},
		{"other JSON", `{"name":"x"}`, ErrFormat, "JSON without text, words, segments or results"},
		{"a recogniser's error", `{"error":{"message":"no credit"}}`, ErrFormat, "no credit"},
		{"unfinished", `{"id":"1","status":"processing","text":null}`, ErrFormat, "fetch the transcript when its status is completed"},
		{"backwards cue", vtt("00:05.000 --> 00:01.000\nhello there\n"), ErrTimes, "ends at 0:01, before it begins at 0:05"},
		{"cues out of order", vtt("00:09.000 --> 00:10.000\nb\n\n00:01.000 --> 00:02.000\na\n"), ErrTimes, "put them in the order of time"},
		{"overlap", vtt("00:00.000 --> 00:09.000\na\n\n00:02.000 --> 00:11.000\nb\n"), ErrTimes, "while the one before it lasts to 0:09"},
		{"no times", vtt("soon --> later\na\n"), ErrTimes, "line 3"},
		{"half a time", vtt("00:00.000 -->\na\n"), ErrTimes, "00:01:02.500 --> 00:01:04.000"},
		{"milliseconds for seconds", `{"text":"a","words":[{"word":"a","start":1e9,"end":2e9}]}`, ErrTimes, "not within a day"},
		{"negative", `{"text":"a","words":[{"word":"a","start":-5,"end":2}]}`, ErrTimes, "not within a day"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tt.data))
			require.ErrorIs(t, err, tt.is)
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestPeopleMayTalkAtOnce(t *testing.T) {
	t.Parallel()
	tr, err := Parse([]byte("WEBVTT\n\n00:00.000 --> 00:09.000\n<v Ann>So tell me\n\n00:02.000 --> 00:11.000\n<v Bo>Yes, right\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"Ann", "Bo"}, tr.Speakers())
}

func TestCandidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data, speaker, want, says string
	}{
		{"no labels", "I would use a stream.", "", "I would use a stream.", ""},
		{"role", "Interviewer: Why?\nCandidate: Because.\nInterviewer: And?\nCandidate: So.", "", "Because. So.", ""},
		{"Q and A", "Q: Why?\nA: Because.", "", "Because.", ""},
		{"one role known", "Interviewer: Why?\nBo Li: Because.\nInterviewer: And?\nBo Li: So.", "", "Because. So.", ""},
		{"by name", "Ann: Why?\nBo: Because.\nAnn: Oh.", "bo", "Because.", ""},
		{"nobody says", "Ann: Why is that?\nBo: Because.\nAnn: Oh.", "", "", "the speakers are Ann (4 words), Bo (1 words); say who is the candidate with --speaker"},
		{"missing", "Interviewer: Why?\nInterviewer: Hello?", "", "", "only Interviewer speaks"},
		{"wrong name", "Interviewer: Why?\nCandidate: So.", "Eve", "", `nobody is called "Eve"`},
		{"name without labels", "So.", "Eve", "", "it names no speakers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr, err := Parse([]byte(tt.data))
			require.NoError(t, err)
			got, err := tr.Candidate(tt.speaker)
			if tt.says != "" {
				require.ErrorIs(t, err, ErrNoCandidate)
				require.ErrorContains(t, err, tt.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got.Text)
		})
	}
}

func TestCandidateKeepsTimes(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"deepgram.json", "assemblyai.json", "aws.json"} {
		tr := sample(t, file)
		got, err := tr.Candidate(tr.Segments[1].Speaker)
		require.NoError(t, err)
		whole(t, got)
		require.Equal(t, "The next tick queue, then promises.", got.Text)
		require.Len(t, got.Words, 6)
		require.Equal(t, Times{2000, 2500, true}, got.TimesAt(0, 3))
	}
}

func TestCandidateKeepsCorrections(t *testing.T) {
	t.Parallel()
	tr, err := Parse([]byte(`{"text":"Why? Because process.nextTick runs first.","segments":[{"text":"Why?","startMs":0,"endMs":500,"speaker":"Interviewer"},
{"text":"Because next stick runs first.","startMs":1000,"endMs":3000,"speaker":"Candidate"}],"words":[{"text":"Why","startMs":0,"endMs":500},
{"text":"Because","startMs":1000,"endMs":1400},{"text":"next","startMs":1400,"endMs":1700},{"text":"stick","startMs":1700,"endMs":2000},{"text":"runs","startMs":2000,"endMs":2500},{"text":"first","startMs":2500,"endMs":3000}]}`))
	require.NoError(t, err)
	got, err := tr.Candidate("")
	require.NoError(t, err)
	require.Equal(t, "Because process.nextTick runs first", got.Text)
	require.Equal(t, Times{2000, 3000, true}, got.TimesAt(25, len(got.Text)))
	whole(t, got)
}

func TestCorrectedText(t *testing.T) {
	t.Parallel()
	const said = "the next stick queue runs before the promise micro task queue and then set immediate runs in the check phase after poll"
	long := strings.Repeat("This was added by hand and nobody said it. ", 5)
	tests := []struct{ name, text, lost string }{
		{"untouched", said, ""},
		{"spelled right", "The process.nextTick queue runs before the promise microtask queue, and then setImmediate runs in the check phase after poll.", "next stick"},
		{"something added", "The next stick queue runs before the promise micro task queue. " + long + "And then set immediate runs in the check phase after poll.", ""},
		{"something added before", long + said, ""},
		{"the start taken out", "set immediate runs in the check phase after poll", "the next stick queue runs before the promise micro task queue and then"},
		{"the end taken out", "the next stick queue runs before the promise", "micro task queue and then set immediate runs in the check phase after poll"},
		{"another text", long, "the next stick queue runs before the promise micro task queue and then set immediate runs in the check phase after poll"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var words []Word
			for i, w := range strings.Fields(said) {
				words = append(words, Word{Text: w, Times: Times{100 * i, 100*i + 90, true}})
			}
			tr, err := New(tt.text, nil, words)
			require.NoError(t, err)
			var lost []string
			for i, w := range tr.Words {
				if w.Start == w.End {
					lost = append(lost, w.Text)
					continue
				}
				require.Equal(t, w.Text, strings.ToLower(tt.text[w.Start:w.End]))
				require.Equal(t, 100*i, tr.TimesAt(w.Start, w.End).StartMS)
			}
			require.Equal(t, tt.lost, strings.Join(lost, " "))
		})
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	require.NoError(f, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := Parse(data)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NotEmpty(t, strings.TrimSpace(tr.Text))
		whole(t, tr)
		if c, err := tr.Candidate(""); err == nil {
			whole(t, c)
		}
	})
}

func TestLabelled(t *testing.T) {
	t.Parallel()
	in := "[0:00] Left: How does it work?\n[0:05] Right: It runs. It polls.\n[1:12] Left: Right."
	tr, err := Parse([]byte(in))
	require.NoError(t, err)
	require.Equal(t, []string{"Left", "Right"}, tr.Speakers())
	require.Equal(t, in, tr.Labelled())
	plain, err := Parse([]byte("It runs."))
	require.NoError(t, err)
	require.Equal(t, "It runs.", plain.Labelled())
}

func TestBetween(t *testing.T) {
	t.Parallel()
	at := func(start, end int) Times { return Times{start, end, true} }
	q := &Quality{AvgLogprob: -0.5}
	timed, err := New("“It polls,” then checks. Then it closes.",
		[]Segment{{Text: "“It polls,” then checks.", Times: at(0, 4000), Quality: q}, {Text: "Then it closes.", Times: at(4000, 7000)}},
		[]Word{{Text: "It", Times: at(0, 1000)}, {Text: "polls", Times: at(1000, 2000)}, {Text: "then", Times: at(2500, 3000)}, {Text: "checks", Times: at(3000, 4000)},
			{Text: "Then", Times: at(4000, 4400)}, {Text: "it", Times: at(4400, 5000)}, {Text: "closes", Times: at(5000, 7000)}})
	require.NoError(t, err)
	segments, err := New("", []Segment{{Text: "It polls.", Times: at(0, 3000)}, {Text: "It checks.", Times: at(3000, 6000)}}, nil)
	require.NoError(t, err)
	tests := []struct {
		name     string
		in       *Transcript
		from, to int
		text     string
		words    int
		segments []Segment
	}{
		{"start", timed, 0, 2400, "“It polls,”", 2, []Segment{{Text: "“It polls,”", Times: at(0, 2000), Quality: q, Start: 0, End: len("“It polls,”")}}},
		{"middle", timed, 2400, 4500, "then checks. Then", 3, []Segment{{Text: "then checks.", Times: at(2500, 4000), Quality: q, Start: 0, End: 12}, {Text: "Then", Times: at(4000, 4400), Start: 13, End: 17}}},
		{"end", timed, 4500, 9000, "it closes.", 2, []Segment{{Text: "it closes.", Times: at(4400, 7000), Start: 0, End: 10}}},
		{"nothing", timed, 9000, 9999, "", 0, nil},
		{"segments alone", segments, 2000, 6000, "It checks.", 0, []Segment{{Text: "It checks.", Times: at(3000, 6000), Start: 0, End: 10}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := tt.in.Between(tt.from, tt.to)
			require.Equal(t, tt.text, out.Text)
			require.Len(t, out.Words, tt.words)
			for _, w := range out.Words {
				require.Equal(t, w.Text, out.Text[w.Start:w.End])
			}
			require.Empty(t, cmp.Diff(tt.segments, out.Segments))
		})
	}
}
