package llm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/llm/llmtest"
)

func testID(n int) string { return fmt.Sprintf("%064x", n) }

func TestDiskStoreMissesWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	good := entry{Content: "hello", Model: "m", InputTokens: 3}
	for name, damage := range map[string]func(path string, data []byte) error{
		"empty": func(p string, _ []byte) error { return os.WriteFile(p, nil, 0o600) },
		"cut":   func(p string, d []byte) error { return os.WriteFile(p, d[:len(d)/2], 0o600) },
		"edited": func(p string, d []byte) error {
			return os.WriteFile(p, []byte(strings.Replace(string(d), "hello", "hullo", 1)), 0o600)
		},
		"null":     func(p string, _ []byte) error { return os.WriteFile(p, []byte("null"), 0o600) },
		"binary":   func(p string, _ []byte) error { return os.WriteFile(p, []byte{0, 1, 2}, 0o600) },
		"huge":     func(p string, _ []byte) error { return os.Truncate(p, 1<<30) },
		"a folder": func(p string, _ []byte) error { return joinErr(os.Remove(p), os.MkdirAll(p, 0o700)) },
		"another's": func(p string, d []byte) error {
			return os.WriteFile(p, []byte(strings.ReplaceAll(string(d), testID(1), testID(2))), 0o600)
		},
		"disappeared": func(p string, _ []byte) error { return os.Remove(p) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDiskStore(t.TempDir(), 1<<20, (&logBuffer{}).logger())
			s.put(t.Context(), testID(1), good)
			got, ok := s.get(testID(1))
			require.True(t, ok)
			require.Equal(t, good, got)
			data, err := os.ReadFile(s.path(testID(1)))
			require.NoError(t, err)
			require.NoError(t, damage(s.path(testID(1)), data))
			_, ok = s.get(testID(1))
			require.False(t, ok)
		})
	}
}

func joinErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestDiskStoreIsBoundedAndDropsTheOldest(t *testing.T) {
	t.Parallel()
	s := newDiskStore(t.TempDir(), 256*10_000, (&logBuffer{}).logger())
	old := time.Now().Add(-time.Hour)
	for i := range 30 {
		s.put(t.Context(), testID(i), entry{Content: strings.Repeat("x", 1000)})
		at := old.Add(time.Duration(i) * time.Minute)
		require.NoError(t, joinErr(os.Chtimes(s.path(testID(i)), at, at)))
		var size int64
		for _, f := range listShard(filepath.Join(s.dir, "00")) {
			size += f.size
		}
		require.LessOrEqual(t, size, int64(10_000))
	}
	_, ok := s.get(testID(0))
	require.False(t, ok)
	_, ok = s.get(testID(29))
	require.True(t, ok)

	s.put(t.Context(), testID(99), entry{Content: strings.Repeat("x", 20_000)})
	_, ok = s.get(testID(99))
	require.False(t, ok, "larger than a shard")
}

func TestDiskStoreSharedByTwo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 2 {
		s := newDiskStore(dir, 256*4_000, (&logBuffer{}).logger())
		for w := range 4 {
			wg.Go(func() {
				for i := range 100 {
					id := testID(i % 7)
					s.put(t.Context(), id, entry{Content: id + strings.Repeat("y", 500+w)})
					if e, ok := s.get(id); ok && !strings.HasPrefix(e.Content, id) {
						t.Errorf("%s holds %s", id, e.Content)
					}
				}
			})
		}
	}
	wg.Wait()
	for path := range readTree(t, dir) {
		require.NotContains(t, path, ".tmp-")
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	log := &logBuffer{}
	s := llmtest.New(t, llmtest.Always(llmtest.Content("{}")))
	c := newClient(t, s.URL(), func(c *Config) { c.CacheDir, c.Logger = file, log.logger() })
	require.NoError(t, c.Probe(t.Context()))
	for i := range 5 {
		_, err := c.Complete(withTimeout(t, 10*time.Second), question(fmt.Sprint(i)))
		require.NoError(t, err)
	}
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	// A shard whose folder is a device stands for every place where files cannot be made.
	dir := t.TempDir()
	require.NoError(t, os.Symlink("/dev/full", filepath.Join(dir, "00")))
	log := &logBuffer{}
	s := newDiskStore(dir, 1<<20, log.logger())
	for i := range 3 {
		s.put(context.Background(), testID(i), entry{Content: "x"})
	}
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
}

func TestClearCacheRemovesOursAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := llmtest.New(t, llmtest.Always(llmtest.Content("{}")))
	c := newClient(t, s.URL(), func(c *Config) { c.CacheDir = dir })
	for i := range 20 {
		_, err := c.Complete(withTimeout(t, 10*time.Second), question(fmt.Sprint(i)))
		require.NoError(t, err)
	}
	mine := filepath.Join(dir, "thesis.json")
	require.NoError(t, os.WriteFile(mine, []byte("x"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ab"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ab", "notes.txt"), []byte("x"), 0o600))
	files, bytes, err := ClearCache(dir)
	require.NoError(t, err)
	require.Equal(t, 21, files, "twenty replies and what is known of the endpoint")
	require.Positive(t, bytes)
	require.Len(t, readTree(t, dir), 2)

	files, _, err = ClearCache(filepath.Join(dir, "none"))
	require.NoError(t, err)
	require.Zero(t, files)
}

func TestNotesSurviveTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := llmtest.New(t, llmtest.Refuse(llmtest.Reasoning(llmtest.Always(llmtest.Content("{}"))), "json_schema"))
	var first int
	for run := range 2 {
		c := newClient(t, s.URL(), func(c *Config) { c.CacheDir, c.Model = dir, "my-reasoner" })
		_, err := c.Complete(withTimeout(t, 10*time.Second), question(fmt.Sprint(run)))
		require.NoError(t, err)
		if run == 0 {
			first = s.Calls()
		}
	}
	require.Equal(t, 4, first)
	require.Equal(t, first+1, s.Calls())

	for path := range readTree(t, dir) {
		if strings.Contains(path, "endpoints") {
			require.NoError(t, os.WriteFile(path, []byte(`{"rung":"sideways","token_field":99`), 0o600))
		}
	}
	c := newClient(t, s.URL(), func(c *Config) { c.CacheDir, c.Model = dir, "my-reasoner" })
	require.Equal(t, RungSchema, c.Totals().Rung)
}
