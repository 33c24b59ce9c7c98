package canon_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/canon"
)

func lexicon(patterns ...string) *canon.Lexicon {
	l := canon.NewLexicon([]canon.Alias{
		{Means: "nextTick", Heard: "next stick", Misheard: true},
		{Means: "epoll", Heard: "e poll"},
		{Means: "check phase", Heard: "czech phase", Misheard: true},
	})
	for _, p := range patterns {
		l.Prepare(p)
	}
	for _, p := range patterns {
		l.Add(p, false)
	}
	return l
}

func stems(t *canon.Text) string {
	var out []string
	for _, tok := range t.Tokens {
		out = append(out, tok.Stem)
	}
	return strings.Join(out, " ")
}

func TestTypedAndSpokenReadAlike(t *testing.T) {
	t.Parallel()
	l := lexicon("process.nextTick", "setTimeout", "UV_THREADPOOL_SIZE", "thread pool", "I/O", "epoll", "fs.readFileSync", "--max-old-space-size", "libuv", "check phase", "HTTP")
	for name, variants := range map[string][]string{
		"method":      {"process.nextTick()", "process dot next tick", "process.nexttick", "process next tick", "PROCESS.NEXTTICK", "process next stick"},
		"joined word": {"setTimeout", "set timeout", "set time out", "settimeout", "SetTimeout"},
		"variable":    {"UV_THREADPOOL_SIZE", "UV underscore thread pool underscore size", "uv thread pool size", "u v thread pool size"},
		"letters":     {"I/O", "i o", "IO", "I slash O"},
		"spelled":     {"epoll", "e poll", "e p o l l"},
		"flag":        {"--max-old-space-size", "dash dash max dash old dash space dash size", "max old space size"},
		"alias":       {"check phase", "czech phase", "check-phase"},
		"fullwidth":   {"ＨＴＴＰ", "HTTP", "h t t p"},
		"hidden":      {"lib\u200buv", "libuv", "lib\u00aduv"},
	} {
		want := stems(canon.Read(variants[0], l))
		for _, v := range variants[1:] {
			require.Equal(t, want, stems(canon.Read(v, l)), "%s: %q", name, v)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	l := lexicon("threads")
	for text, want := range map[string]canon.Number{
		"4":                 {Value: 4},
		"four":              {Value: 4},
		"twenty five":       {Value: 25},
		"two hundred six":   {Value: 206},
		"four twenty nine":  {Value: 429},
		"five oh three":     {Value: 503},
		"1,000":             {Value: 1000},
		"five thousand":     {Value: 5000},
		"10k":               {Value: 10000, Kilo: true},
		"ten thousand":      {Value: 10000},
		"1.45":              {Value: 1.45},
		"one point four":    {Value: 1.4},
		"v20":               {Value: 20},
		"16 KB":             {Value: 16384, Unit: canon.UnitBytes},
		"16KiB":             {Value: 16384, Unit: canon.UnitBytes},
		"sixteen kilobytes": {Value: 16384, Unit: canon.UnitBytes},
		"1 ms":              {Value: 1, Unit: canon.UnitMillis},
		"one millisecond":   {Value: 1, Unit: canon.UnitMillis},
		"2 seconds":         {Value: 2000, Unit: canon.UnitMillis},
		"ninety percent":    {Value: 90, Unit: canon.UnitPercent},
		"90 %":              {Value: 90, Unit: canon.UnitPercent},
		"90%":               {Value: 90, Unit: canon.UnitPercent},
	} {
		r := canon.Read("about "+text+" threads", l)
		found := false
		for _, tok := range r.Tokens {
			if tok.IsNum && tok.Num == want {
				found = true
				require.Equal(t, text, r.Source[tok.Start:tok.End], "span of %q", text)
			}
		}
		require.True(t, found, "%q reads %s", text, stems(r))
	}
}

func TestOneIsAWordToo(t *testing.T) {
	t.Parallel()
	r := canon.Read("the first one wins", lexicon("one"))
	require.Equal(t, "the first one win", stems(r))
}

func TestSentences(t *testing.T) {
	t.Parallel()
	l := lexicon("fs.readFile")
	for text, want := range map[string]int{
		"It calls fs.readFile. Then it returns.":              2,
		"e.g. epoll, i.e. the kernel":                         1,
		"Version 1.45 moved it. Node 20 has it!":              2,
		"One\nTwo\n\nThree":                                   3,
		"a wrapped\nline":                                     1,
		"- one thing\n- another":                              2,
		"process.nextTick runs first, then promises; always.": 1,
	} {
		require.Len(t, canon.Read(text, l).Sentences, want, text)
	}
	raw := strings.Repeat("so you start with the timers and you look at what has expired and you run that ", 6)
	require.Greater(t, len(canon.Read(raw, l).Sentences), 3, "unpunctuated speech is cut before words that begin a thought")
}

func TestFillersAndDoubledWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, "it run in the pol phase", stems(canon.Read("it um it runs uh in in the the poll phase", lexicon("poll phase"))))
}

func TestSpelling(t *testing.T) {
	t.Parallel()
	l := lexicon("serialise", "behaviour")
	for a, b := range map[string]string{"serialised": "serialized", "behaviours": "behavior", "ran": "running", "died": "dying", "queueing": "queued", "cancelled": "canceled"} {
		require.Equal(t, stems(canon.Read(a, l)), stems(canon.Read(b, l)))
	}
}

func FuzzRead(f *testing.F) {
	l := lexicon("process.nextTick", "setTimeout", "16 KB", "I/O", "thread pool")
	for _, s := range []string{"", "process dot next stick", "it's 16 KB, isn't it?", "a\u200bb \U000E0041 \u202e", "e\u0301poll 😀 ①２", "i o i o u v", "\xff\xfe", "four twenty nine point five per cent"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := canon.Read(s, l)
		last := 0
		for i, tok := range r.Tokens {
			if tok.Start < 0 || tok.End > len(s) || tok.Start >= tok.End {
				t.Fatalf("token %d of %q has the span %d:%d", i, s, tok.Start, tok.End)
			}
			if tok.Start < last {
				t.Fatalf("token %d of %q begins at %d, before %d", i, s, tok.Start, last)
			}
			last = tok.Start
		}
		covered := 0
		for _, sent := range r.Sentences {
			if sent.First != covered || sent.Last <= sent.First {
				t.Fatalf("sentences of %q do not tile the tokens", s)
			}
			covered = sent.Last
			if sent.Start < 0 || sent.End > len(s) || sent.Start >= sent.End {
				t.Fatalf("a sentence of %q has the span %d:%d", s, sent.Start, sent.End)
			}
		}
		if covered != len(r.Tokens) {
			t.Fatalf("sentences of %q end at token %d of %d", s, covered, len(r.Tokens))
		}
	})
}
