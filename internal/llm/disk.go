package llm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	diskShards    = 256
	diskRescan    = 64        // puts into a shard after which its size is looked up again, for other processes write too
	diskEntryMax  = 4 << 20   // a file larger than this is none of ours
	diskTempStale = time.Hour // a temporary file this old was left by a process that died
)

// diskStore keeps one file for each reply, in 256 shards by the first two digits of its id. Files appear complete or
// not at all, so any number of processes can share a folder. Each shard has its share of the size bound and drops its
// oldest files; nothing is ever locked. When writing fails it says so once and only reads from then on.
type diskStore struct {
	dir    string
	bound  int64 // of one shard
	log    *slog.Logger
	broken atomic.Bool
	shards [diskShards]diskShard
}

type diskShard struct {
	mu    sync.Mutex
	bytes int64 // as of the last look, plus what this process has written since
	puts  int
}

func newDiskStore(dir string, bytes int64, log *slog.Logger) *diskStore {
	return &diskStore{dir: dir, bound: max(1, bytes/diskShards), log: log}
}

// diskEntry is the content of a file. Sum is over everything else: a file that was cut, mixed up or edited is a miss.
type diskEntry struct {
	entry
	ID  string `json:"id"`
	Sum string `json:"sum"`
}

func (d diskEntry) sum() string {
	d.Sum = ""
	data, _ := json.Marshal(d)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

func (s *diskStore) path(id string) string { return filepath.Join(s.dir, id[:2], id+".json") }

func (s *diskStore) get(id string) (entry, bool) {
	var d diskEntry
	data, err := readBounded(s.path(id))
	if err != nil || json.Unmarshal(data, &d) != nil || d.ID != id || d.Sum != d.sum() {
		return entry{}, false
	}
	return d.entry, true
}

// readBounded reads a small file; a larger one is an error.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, diskEntryMax+1))
	if err == nil && len(data) > diskEntryMax {
		err = errors.New("file is too large")
	}
	return data, err
}

func (s *diskStore) put(ctx context.Context, id string, e entry) {
	if s.broken.Load() {
		return
	}
	d := diskEntry{entry: e, ID: id}
	d.Sum = d.sum()
	data, err := json.Marshal(d)
	if err != nil || int64(len(data)) > s.bound {
		return
	}
	if err := writeFile(s.path(id), data); err != nil {
		if !s.broken.Swap(true) {
			s.log.WarnContext(ctx, "llm cache cannot be written, going on without", slog.String("dir", s.dir), slog.Any("error", err))
		}
		return
	}
	s.keepBound(id[:2], int64(len(data)))
}

// writeFile makes path hold data, or leaves it as it was. Folders are made as needed. Replies can quote people, so
// nobody else may read them. It does not sync: after a power cut a file may be empty, which is a miss.
func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".tmp-*")
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		f, err = os.CreateTemp(dir, ".tmp-*")
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// keepBound drops the oldest files of a shard when it is over its bound, down to nine tenths of it.
func (s *diskStore) keepBound(name string, written int64) {
	n, err := hex.DecodeString(name)
	if err != nil {
		return
	}
	shard := &s.shards[n[0]]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	look := shard.puts%diskRescan == 0
	shard.puts++
	shard.bytes += written
	if !look && shard.bytes <= s.bound {
		return
	}
	files := listShard(filepath.Join(s.dir, name))
	shard.bytes = 0
	for _, f := range files {
		shard.bytes += f.size
	}
	if shard.bytes <= s.bound {
		return
	}
	slices.SortFunc(files, func(a, b cacheFile) int { return a.modified.Compare(b.modified) })
	for _, f := range files {
		if shard.bytes <= s.bound/10*9 {
			return
		}
		if err := os.Remove(f.path); err == nil || errors.Is(err, fs.ErrNotExist) {
			shard.bytes -= f.size
		}
	}
}

type cacheFile struct {
	path     string
	size     int64
	modified time.Time
}

// listShard returns a shard's files, and removes what dead processes left.
func listShard(dir string) []cacheFile {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var files []cacheFile
	for _, e := range found {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		f := cacheFile{path: filepath.Join(dir, e.Name()), size: info.Size(), modified: info.ModTime()}
		switch {
		case strings.HasSuffix(e.Name(), ".json"):
			files = append(files, f)
		case strings.HasPrefix(e.Name(), ".tmp-") && time.Since(f.modified) > diskTempStale:
			_ = os.Remove(f.path)
		}
	}
	return files
}

// DefaultCacheDir is grader/replies in the user's cache folder (XDG_CACHE_HOME on Linux). It need not exist.
func DefaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(dir, "grader", "replies"), nil
}

var ours = regexp.MustCompile(`^(?:[0-9a-f]{2}/(?:[0-9a-f]{64}\.json|\.tmp-\d+)|endpoints/(?:[0-9a-f]{32}\.json|\.tmp-\d+))$`)

// ClearCache removes every reply from dir, with what is remembered of endpoints, and tells how many files and bytes
// these were. Files that this package did not write stay. A folder that does not exist is empty.
func ClearCache(dir string) (files int, bytes int64, err error) {
	folders, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, fmt.Errorf("clear cache: %w", err)
	}
	var problems []error
	for _, folder := range folders {
		found, err := os.ReadDir(filepath.Join(dir, folder.Name()))
		if !folder.IsDir() || err != nil {
			continue
		}
		for _, f := range found {
			info, err := f.Info()
			if !ours.MatchString(folder.Name()+"/"+f.Name()) || err != nil || !info.Mode().IsRegular() {
				continue
			}
			if err := os.Remove(filepath.Join(dir, folder.Name(), f.Name())); err != nil {
				problems = append(problems, err)
				continue
			}
			files++
			bytes += info.Size()
		}
		_ = os.Remove(filepath.Join(dir, folder.Name())) // only if it is empty now
	}
	if err := errors.Join(problems...); err != nil {
		return files, bytes, fmt.Errorf("clear cache: %w", err)
	}
	return files, bytes, nil
}
