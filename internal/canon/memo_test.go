package canon_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/canon"
)

const spoken = "Um, process dot next stick runs e poll at 16 KB, doesn't it? The settimeout of UV_THREADPOOL_SIZE — n't ＨＴＴＰ."

func patterns() *canon.Lexicon { return lexicon("process.nextTick", "setTimeout", "time out", "epoll") }

func TestWhatWasReadBeforeChangesNothing(t *testing.T) {
	t.Parallel()
	l := patterns()
	first := stems(canon.Read(spoken, l))
	for range 3 {
		canon.Read(strings.ToUpper(spoken)+" nexttick NextTick settimeouts can't", l).Release()
		require.Equal(t, first, stems(canon.Read(spoken, l)))
	}
	require.Equal(t, first, stems(canon.Read(spoken, patterns())))
}

func TestPatternsAddedAfterAReadCount(t *testing.T) {
	t.Parallel()
	l := canon.NewLexicon(nil)
	require.Equal(t, "time out", stems(canon.Read("time out", l)))
	l.Prepare("timeout")
	id := l.Add("timeout", false)[0].ID
	r := canon.Read("time out", l)
	require.Equal(t, "timeout", stems(r))
	require.Equal(t, []int32{id}, r.Tokens[0].IDs)
}

func TestConcurrentReads(t *testing.T) {
	t.Parallel()
	l := patterns()
	want := stems(canon.Read(spoken, patterns()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				r := canon.Read(spoken, l)
				if got := stems(r); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				r.Release()
			}
		})
	}
	wg.Wait()
}

func BenchmarkRead(b *testing.B) {
	l := patterns()
	text := strings.Repeat(spoken+" ", 12)
	b.ReportAllocs()
	for b.Loop() {
		canon.Read(text, l).Release()
	}
}
