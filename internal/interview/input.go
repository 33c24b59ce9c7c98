package interview

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vivagrader/grader/internal/speech"
	"github.com/vivagrader/grader/internal/transcript"
)

// Input is one interview that was given.
type Input struct {
	Name   string // as in Result.Interview
	Path   string // as it was given, or found below the folder that was
	Audio  bool   // a recording, to be written down first
	Length time.Duration
	hash   string // of the content
	notes  []string
	err    error // why it cannot be read
}

// Endings of the files that are looked at in a folder; transcripts in the order of preference.
var (
	transcriptEndings = []string{".json", ".vtt", ".srt", ".txt"}
	audioEndings      = []string{".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".mov", ".webm", ".mkv", ".aac"}
)

// Find lists the interviews of the files and folders, by their paths, each once. In a folder every file that looks like
// a recording or a transcript is one, except hidden ones and what stands in the folder out; a recording with a
// transcript of the same name beside it is read from the transcript. The error wraps ErrInput.
func Find(paths []string, out string) ([]Input, error) {
	var all []Input
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: read %s: %s", ErrInput, p, reason(err))
		case info.IsDir():
			found, err := folder(p, out)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		case info.Mode().IsRegular():
			all = append(all, Input{Name: stem(filepath.Base(p)), Path: p, Audio: hasEnding(p, audioEndings)})
		default:
			return nil, fmt.Errorf("%w: %s is no file; give files and folders", ErrInput, p)
		}
	}
	all = distinctFiles(all)
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: no recording and no transcript in %s; their names end in %s", ErrInput, strings.Join(paths, ", "),
			strings.Join(append(slices.Clone(audioEndings), transcriptEndings...), " "))
	}
	for i := range all {
		all[i].look()
	}
	return all, nil
}

// ErrInput means that what was given to read is none.
var ErrInput = errors.New("nothing to grade")

// folder lists the interviews below a folder.
func folder(dir, out string) ([]Input, error) {
	own, _ := os.Stat(out)
	groups := map[string][]string{} // by path without ending
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			if info, err := d.Info(); err == nil && own != nil && os.SameFile(info, own) {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, journalFile)); err == nil { // of another run
				return fs.SkipDir
			}
			return nil
		}
		if hasEnding(path, audioEndings) || hasEnding(path, transcriptEndings) {
			groups[stem(path)] = append(groups[stem(path)], path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: read %s: %s", ErrInput, dir, reason(err))
	}
	var found []Input
	for at, files := range groups {
		name, err := filepath.Rel(dir, at)
		if err != nil {
			return nil, fmt.Errorf("%w: read %s: %w", ErrInput, dir, err)
		}
		found = append(found, choose(filepath.ToSlash(name), files))
	}
	slices.SortFunc(found, func(a, b Input) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// choose takes one of the files that differ in their endings only: a transcript rather than a recording.
func choose(name string, files []string) Input {
	in := Input{Name: name}
	for _, e := range append(slices.Clone(transcriptEndings), audioEndings...) {
		for _, f := range files {
			switch {
			case !hasEnding(f, []string{e}):
			case in.Path != "":
				if hasEnding(f, transcriptEndings) {
					in.notes = append(in.notes, fmt.Sprintf("%s was not read: %s has the same name", filepath.Base(f), filepath.Base(in.Path)))
				}
			case hasEnding(f, transcriptEndings) && len(files) > 1 && !readable(f):
				in.notes = append(in.notes, fmt.Sprintf("%s was not read: it is no transcript", filepath.Base(f)))
			default:
				in.Path, in.Audio = f, hasEnding(f, audioEndings)
			}
		}
	}
	if in.Path == "" {
		in.Path, in.notes = files[0], nil
	}
	return in
}

// readable reports whether a file is a transcript.
func readable(path string) bool {
	data, err := readFile(path, transcript.MaxBytes)
	if err != nil {
		return false
	}
	_, err = transcript.Parse(data)
	return err == nil
}

func hasEnding(path string, endings []string) bool {
	return slices.Contains(endings, strings.ToLower(filepath.Ext(path)))
}

func stem(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }

// distinctFiles leaves out what was given twice, and gives interviews of the same name their whole path.
func distinctFiles(all []Input) []Input {
	var out []Input
	seen, names := map[string]bool{}, map[string]int{}
	for _, in := range all {
		key := in.Path
		if abs, err := filepath.Abs(in.Path); err == nil {
			key = abs
		}
		if !seen[key] {
			seen[key] = true
			names[in.Name]++
			out = append(out, in)
		}
	}
	used := map[string]bool{}
	for i := range out {
		if names[out[i].Name] > 1 {
			out[i].Name = strings.TrimPrefix(filepath.ToSlash(stem(filepath.Clean(out[i].Path))), "/")
		}
		if used[out[i].Name] { // they differ in their endings only
			out[i].Name += filepath.Ext(out[i].Path)
		}
		used[out[i].Name] = true
	}
	return out
}

// look reads an input once: what it is made of, and how long a recording lasts.
func (in *Input) look() {
	f, err := os.Open(in.Path)
	if err != nil {
		in.err = errors.New(reason(err))
		return
	}
	defer func() { _ = f.Close() }() // read only
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		in.err = errors.New(reason(err))
		return
	}
	in.hash = hex.EncodeToString(sum.Sum(nil))
	if !in.Audio {
		return
	}
	data, err := readFile(in.Path, speech.MaxBytes)
	if err != nil {
		return
	}
	if kind, err := speech.Sniff(data); err == nil {
		in.Length, _ = speech.Duration(data, kind)
	}
}

// readFile reads a file up to a limit.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("the file is larger than %d MiB; give one interview at a time", most>>20)
	}
	return data, err
}

// reason is an error of the file system without the path and the name of the system call.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
