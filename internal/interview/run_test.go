package interview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
	"github.com/vivagrader/grader/rubrics"
)

// keywords grades without a judge.
type keywords struct{ *grade.Grader }

func (k keywords) Grade(_ context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	return k.Grader.Grade(id, a)
}

// newKeywords grades with the built-in bank; questions are compiled once for all tests.
var newKeywords = sync.OnceValue(func() keywords {
	b, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	if err != nil {
		panic(err)
	}
	return keywords{grade.New(b, "test")}
})

// folderOf writes interviews into a folder: five with two questions each, one of which is in no bank, and what else is
// given.
func folderOf(t *testing.T, b *Bank, more map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{"one", "two", "three", "four", "five"} {
		q := b.questions[3*i]
		text := "Dana Smith: Hi Joe, shall we start? " + q.Prompt + "\nJoe Miller: " + q.ModelAnswer +
			"\nAisha: And tell me about a time when you lost a bet. How was that?\nJoe Miller: My sister won all my marbles, and I cried for a week.\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".txt"), []byte(text), 0o600))
	}
	for name, text := range more {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func configOf(t *testing.T, in, out string) Config {
	t.Helper()
	inputs, err := Find([]string{in}, out)
	require.NoError(t, err)
	return Config{Inputs: inputs, Out: out, Concurrency: 2}
}

// files reads all files below a folder, by their names; the journal without its times.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) == journalFile {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(data)
		return err
	}))
	return out
}

func decode[T any](t *testing.T, text string) []T {
	t.Helper()
	var out []T
	for line := range strings.Lines(text) {
		var v T
		require.NoError(t, json.Unmarshal([]byte(line), &v))
		out = append(out, v)
	}
	return out
}

func TestRunWritesALineForEachQuestion(t *testing.T) {
	t.Parallel()
	b, g := nodeBank(t), newKeywords()
	in := folderOf(t, b, map[string]string{"sub/broken.vtt": "WEBVTT\n", ".hidden.txt": "no", "notes.md": "no"})
	out := filepath.Join(in, "results")
	s, err := Run(t.Context(), b, g, configOf(t, in, out))
	require.NoError(t, err)
	got := files(t, out)
	recordings := decode[Recording](t, got[interviewsFile])
	require.Len(t, recordings, 6)
	require.Equal(t, []string{"five", "four", "one", "sub/broken", "three", "two"}, []string{recordings[0].Interview, recordings[1].Interview,
		recordings[2].Interview, recordings[3].Interview, recordings[4].Interview, recordings[5].Interview})
	require.Equal(t, "INVALID_ARGUMENT", recordings[3].Error.Code)
	require.Contains(t, recordings[3].Error.Message, "holds no words")
	require.Equal(t, map[string]int{"INVALID_ARGUMENT": 1}, s.Errors)
	lines := decode[Result](t, got[resultsFile])
	require.Len(t, lines, s.Questions)
	outside := 0
	for _, l := range lines {
		set := 0
		for _, is := range []bool{l.Critique != nil, l.Error != nil, l.Outcome != ""} {
			if is {
				set++
			}
		}
		require.Equal(t, 1, set, l)
		if l.Outcome == NotInBank {
			outside++
			require.Empty(t, l.QuestionID)
		}
		require.NotEmpty(t, l.Asked)
		require.Positive(t, l.Confidence)
		require.LessOrEqual(t, l.Confidence, 1.0)
	}
	require.Equal(t, 5, outside)
	require.Equal(t, recordings[0].CandidateWords+recordings[1].CandidateWords+recordings[2].CandidateWords+recordings[4].CandidateWords+recordings[5].CandidateWords, s.CandidateWords)
	require.Less(t, s.GradedWords, s.CandidateWords)

	again, err := Run(t.Context(), b, g, configOf(t, in, out))
	require.NoError(t, err)
	require.True(t, again.Unchanged)
	require.Equal(t, got, files(t, out))
}

// TestRunIsTakenUpFromAnyMoment makes of a finished run what a process that was killed would have left, at each step
// and with half-written lines, and takes it up.
func TestRunIsTakenUpFromAnyMoment(t *testing.T) {
	t.Parallel()
	b, g := nodeBank(t), newKeywords()
	in := folderOf(t, b, nil)
	whole := t.TempDir()
	cfg := configOf(t, in, whole)
	cfg.Map = filepath.Join(whole, "map.csv")
	_, err := Run(t.Context(), b, g, cfg)
	require.NoError(t, err)
	want := files(t, whole)
	require.Contains(t, want, "map.csv")
	lines, ends, err := readJournal(filepath.Join(whole, journalFile))
	require.NoError(t, err)
	require.Len(t, lines, 7, "settings, five interviews, the end")
	for done := range len(lines) {
		for _, torn := range []string{"", "half of a li"} {
			t.Run(fmt.Sprintf("%d lines %q", done, torn), func(t *testing.T) {
				out := t.TempDir()
				journal, err := os.ReadFile(filepath.Join(whole, journalFile))
				require.NoError(t, err)
				end := int64(0)
				sizes := []int64{0, 0, 0}
				if done > 0 {
					end = ends[done-1]
				}
				if done > 0 && lines[done-1].Sizes != nil {
					sizes = lines[done-1].Sizes
				} else if done > 0 {
					sizes = lines[done-2].Sizes
				}
				text := strings.ReplaceAll(string(journal[:end])+torn, whole, out)
				require.NoError(t, os.WriteFile(filepath.Join(out, journalFile), []byte(text), 0o600))
				for i, name := range []string{resultsFile, interviewsFile, "map.csv"} {
					data := want[name][:sizes[i]] + torn
					if done == len(lines) {
						data = want[name]
					}
					require.NoError(t, os.WriteFile(filepath.Join(out, name+partialSuffix), []byte(data), 0o600))
				}
				cfg := configOf(t, in, out)
				cfg.Map = filepath.Join(out, "map.csv")
				if done > 1 && done < len(lines) {
					_, err = Run(t.Context(), b, g, cfg)
					var refused *RefusedError
					require.ErrorAs(t, err, &refused)
					require.ErrorContains(t, err, "add --resume")
				}
				cfg.Resume = true
				s, err := Run(t.Context(), b, g, cfg)
				require.NoError(t, err)
				require.Equal(t, 5, s.Interviews)
				require.Equal(t, min(max(done-1, 0), 5), s.Kept)
				require.Equal(t, want, files(t, out))
			})
		}
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	b, g := nodeBank(t), newKeywords()
	in := folderOf(t, b, nil)
	finished := func(t *testing.T) Config {
		t.Helper()
		cfg := configOf(t, in, t.TempDir())
		cfg.Map = filepath.Join(t.TempDir(), "map.csv")
		_, err := Run(t.Context(), b, g, cfg)
		require.NoError(t, err)
		return cfg
	}
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, cfg *Config)
		want  string
	}{
		{"other settings", func(_ *testing.T, cfg *Config) { cfg.Speaker = "Joe Miller" }, "speaker has changed (was absent, is Joe Miller)"},
		{"other interviews", func(_ *testing.T, cfg *Config) { cfg.Inputs = cfg.Inputs[1:] }, "interviews has changed (was 5, is 4)"},
		{"a corrected map", func(t *testing.T, cfg *Config) {
			t.Helper()
			data, err := os.ReadFile(cfg.Map)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(cfg.Map, append(data, '\n'), 0o600))
		}, "has changed since it was written; choose another --out"},
		{"another process", func(t *testing.T, cfg *Config) {
			t.Helper()
			lock := flock.New(filepath.Join(cfg.Out, lockFile))
			got, err := lock.TryLock()
			require.NoError(t, err)
			require.True(t, got)
			t.Cleanup(func() { require.NoError(t, lock.Close()) })
		}, "another grader is writing into"},
		{"results without a journal", func(t *testing.T, cfg *Config) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(cfg.Out, journalFile)))
		}, "exists already and no run.jsonl says what it was made from"},
		{"a file for a folder", func(_ *testing.T, cfg *Config) { cfg.Out = filepath.Join(cfg.Out, resultsFile) }, "make the folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := finished(t)
			tt.spoil(t, &cfg)
			before := files(t, filepath.Dir(cfg.Out))
			_, err := Run(t.Context(), b, g, cfg)
			var refused *RefusedError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, before, files(t, filepath.Dir(cfg.Out)))
		})
	}
}

// paid is a grader whose answers cost a dollar each, and knows how many were under way at most.
type paid struct {
	keywords
	mu                  sync.Mutex
	cost                float64
	answers, busy, most int
}

func (p *paid) Grade(ctx context.Context, id string, a grade.Answer) (*grade.Critique, error) {
	p.mu.Lock()
	p.busy++
	p.most = max(p.most, p.busy)
	p.mu.Unlock()
	c, err := p.keywords.Grade(ctx, id, a)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.answers++
	p.cost++
	return c, err
}

func (p *paid) usage() (spent, saved grade.Usage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return grade.Usage{Requests: p.answers, Cost: p.cost, CostKnown: true}, grade.Usage{}
}

// TestRunStopsAtTheHighestCost: however many answers are graded at a time, the limit is passed by less than one of them.
func TestRunStopsAtTheHighestCost(t *testing.T) {
	t.Parallel()
	b, g := nodeBank(t), newKeywords()
	in := folderOf(t, b, nil)
	for _, tt := range []struct {
		most         float64
		concurrency  int
		cost         int
		interviewsIn []int
	}{
		{most: 2, concurrency: 1, cost: 2, interviewsIn: []int{2, 2}},
		{most: 2.5, concurrency: 1, cost: 3, interviewsIn: []int{3, 3}},
		{most: 3, concurrency: 5, cost: 3, interviewsIn: []int{0, 3}},
	} {
		t.Run(fmt.Sprintf("%g dollars, %d at a time", tt.most, tt.concurrency), func(t *testing.T) {
			t.Parallel()
			cfg := configOf(t, in, t.TempDir())
			p := &paid{keywords: g}
			cfg.Concurrency, cfg.Answers, cfg.MaxCost, cfg.Usage = tt.concurrency, 2*tt.concurrency, tt.most, p.usage
			s, err := Run(t.Context(), b, p, cfg)
			require.ErrorIs(t, err, ErrMaxCost)
			require.Equal(t, tt.cost, p.answers)
			require.GreaterOrEqual(t, s.Interviews, tt.interviewsIn[0])
			require.LessOrEqual(t, s.Interviews, tt.interviewsIn[1])
			written := s.Interviews
			cfg.Resume, cfg.MaxCost = true, 0
			s, err = Run(t.Context(), b, p, cfg)
			require.NoError(t, err)
			require.Equal(t, 5, s.Interviews)
			require.Equal(t, written, s.Kept)
		})
	}
}

func TestAnswersOfAllInterviewsAtATime(t *testing.T) {
	t.Parallel()
	cfg := configOf(t, folderOf(t, nodeBank(t), nil), t.TempDir())
	p := &paid{keywords: newKeywords()}
	cfg.Concurrency, cfg.Answers = 5, 2
	_, err := Run(t.Context(), nodeBank(t), p, cfg)
	require.NoError(t, err)
	require.LessOrEqual(t, p.most, 2)
	require.Equal(t, 5, p.answers)
}

func TestRunIsInterrupted(t *testing.T) {
	t.Parallel()
	b, g := nodeBank(t), newKeywords()
	cfg := configOf(t, folderOf(t, b, nil), t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cfg.Concurrency = 1
	cfg.Progress = func(s *Summary, _ Left) {
		if s.Interviews == 2 {
			cancel()
		}
	}
	s, err := Run(ctx, b, g, cfg)
	require.ErrorIs(t, err, context.Canceled)
	require.GreaterOrEqual(t, s.Interviews, 2)
	require.Less(t, s.Interviews, 5)
}

// fakeEar hears what the recording's bytes say behind its header.
type fakeEar struct {
	err   error
	took  int
	heard func()
}

func (f *fakeEar) Transcribe(_ context.Context, audio []byte, _ string) (*speech.Result, error) {
	if f.err != nil {
		return nil, f.err
	}
	f.took++
	if f.heard != nil {
		f.heard()
	}
	t, err := transcript.New(string(audio), nil, nil)
	return &speech.Result{Transcript: t, Notes: []string{"a pause"}, Doubts: []speech.Doubt{{Kind: speech.Lost, StartMS: 1, EndMS: 5000}}}, err
}

func TestRecordingsAreWrittenDownOnce(t *testing.T) {
	t.Parallel()
	b, g := nodeBank(t), newKeywords()
	said := "People say Node has just one thread. Is that right? What would you argue? I would say that my JavaScript runs on one thread in one isolate, and libuv keeps a pool of four native threads."
	in := folderOf(t, b, map[string]string{"talk.wav": said, "one.wav": "not looked at"})
	ctx, cancel := context.WithCancel(t.Context())
	ear := &fakeEar{heard: cancel} // interrupted just then
	cfg := configOf(t, in, t.TempDir())
	cfg.Recogniser, cfg.Concurrency = ear, 1
	_, err := Run(ctx, b, g, cfg)
	require.ErrorIs(t, err, context.Canceled)
	cfg.Resume = true
	_, err = Run(t.Context(), b, g, cfg)
	require.NoError(t, err)
	require.Equal(t, 1, ear.took)
	got := files(t, cfg.Out)
	require.Contains(t, got, "transcripts/talk.json")
	recordings := decode[Recording](t, got[interviewsFile])
	require.Equal(t, "talk", recordings[3].Interview)
	require.Equal(t, RolesFromContent, recordings[3].Roles)
	require.Contains(t, recordings[3].Warnings, "a pause")

	// the transcripts are interviews of the same names
	cfg2 := configOf(t, filepath.Join(cfg.Out, transcriptsDir), t.TempDir())
	_, err = Run(t.Context(), b, g, cfg2)
	require.NoError(t, err)
	again := decode[Recording](t, files(t, cfg2.Out)[interviewsFile])
	require.Equal(t, "talk", again[0].Interview)
	require.Equal(t, recordings[3].Warnings, again[0].Warnings)
	require.Equal(t, recordings[3].GradedWords, again[0].GradedWords)
}

func TestRecogniserFailures(t *testing.T) {
	t.Parallel()
	b, g := nodeBank(t), newKeywords()
	for _, tt := range []struct {
		name string
		ear  Recogniser
		code string
	}{
		{"none", nil, "FAILED_PRECONDITION"},
		{"down", &fakeEar{err: &llm.Error{Kind: llm.Unavailable}}, "UNAVAILABLE"},
		{"slow", &fakeEar{err: context.DeadlineExceeded}, "DEADLINE_EXCEEDED"},
		{"no audio", &fakeEar{err: fmt.Errorf("%w: text", speech.ErrNotAudio)}, "INVALID_ARGUMENT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := configOf(t, folderOf(t, b, map[string]string{"talk.wav": "x"}), t.TempDir())
			cfg.Recogniser = tt.ear
			s, err := Run(t.Context(), b, g, cfg)
			require.NoError(t, err)
			require.Equal(t, map[string]int{tt.code: 1}, s.Errors)
			require.Equal(t, 6, s.Interviews, "the others go on")
		})
	}
}

func TestAnonymousHidesNames(t *testing.T) {
	t.Parallel()
	b, g := nodeBank(t), newKeywords()
	in := folderOf(t, b, map[string]string{"karla-novak.txt": "Dana Smith: Hello Karla! People say Node has just one thread. Is that right?\nKarla: Thanks, Dana. My JavaScript runs on one thread, libuv has four.\nDana Smith: Thank you, Novak.\n"})
	cfg := configOf(t, in, t.TempDir())
	cfg.Anonymous, cfg.Map = true, filepath.Join(cfg.Out, "map.csv")
	cfg.Key = filepath.Join(t.TempDir(), "key.csv")
	_, err := Run(t.Context(), b, g, cfg)
	require.NoError(t, err)
	got := files(t, cfg.Out)
	recordings := decode[Recording](t, got[interviewsFile])
	require.Equal(t, "interview-003", recordings[2].Interview)
	require.Equal(t, "interview-003", recordings[2].Source)
	for name, text := range got {
		for _, hidden := range []string{"Karla", "Novak", "karla", "Dana", "Smith", "Joe", "Miller", "Aisha", "five.txt", in} {
			require.NotContains(t, text, hidden, name)
		}
	}
	journal, err := os.ReadFile(filepath.Join(cfg.Out, journalFile))
	require.NoError(t, err)
	require.NotContains(t, string(journal), "karla")
	key, err := os.ReadFile(cfg.Key)
	require.NoError(t, err)
	require.Contains(t, string(key), "interview-003,karla-novak,")
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"a.ogg": "x", "a.json": `{"not": "a transcript"}`, "b.wav": "x", "b.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nhello there\n",
		"c/d.txt": "hello", ".git/e.txt": "no", "readme.md": "no", "old/run.jsonl": "{}", "old/f.txt": "no", "Z.TXT": "hello"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	found, err := Find([]string{dir, filepath.Join(dir, "Z.TXT")}, filepath.Join(dir, "out"))
	require.NoError(t, err)
	var got []string
	for _, in := range found {
		name, _ := filepath.Rel(dir, in.Path)
		got = append(got, in.Name+" "+filepath.ToSlash(name))
	}
	require.Equal(t, []string{"Z Z.TXT", "a a.ogg", "b b.vtt", "c/d c/d.txt"}, got)
	require.Equal(t, []string{"a.json was not read: it is no transcript"}, found[1].notes)
	for _, paths := range [][]string{{filepath.Join(dir, "nothing")}, {filepath.Join(dir, "old")}} {
		_, err := Find(paths, "")
		require.ErrorIs(t, err, ErrInput)
	}
	require.NotErrorIs(t, errors.New("other"), ErrInput)
}
