package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FileVariable names the configuration file where no flag does.
const FileVariable = "GRADER_CONFIG"

// Sources are where the settings of a server come from.
type Sources struct {
	// File is YAML; empty is the file of GRADER_CONFIG, or none.
	File string
	// Getenv reads the environment.
	Getenv func(string) string
	// Flags are the flags that were given, as text by name.
	Flags map[string]string
}

// Problems is everything that is wrong with a configuration, a line each.
type Problems []string

// Error joins the problems.
func (p Problems) Error() string { return strings.Join(p, "\n") }

func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Load puts the settings together: defaults, file, variables, flags. Its error is Problems, all at once.
func Load(src Sources) (Serve, error) {
	s := DefaultServe()
	var bad Problems
	if src.File == "" {
		src.File = src.Getenv(FileVariable)
	}
	if src.File != "" {
		bad = append(bad, readFile(src.File, &s)...)
	}
	for _, f := range Fields() {
		if v := src.Getenv(f.Env); v != "" {
			if err := f.set(&s, v); err != nil {
				bad = append(bad, f.Env+": "+err.Error())
			}
		}
		if v, ok := src.Flags[f.Flag]; ok && f.Flag != "" {
			if err := f.set(&s, v); err != nil {
				bad = append(bad, "--"+f.Flag+": "+err.Error())
			}
		}
	}
	bad = append(bad, s.secrets()...)
	s.borrow(src.Getenv)
	bad = append(bad, s.problems()...)
	return s, bad.err()
}

func readFile(name string, s *Serve) Problems {
	data, err := os.ReadFile(name)
	if err != nil {
		return Problems{"read the configuration: " + err.Error()}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	err = dec.Decode(s)
	var wrong *yaml.TypeError
	switch {
	case errors.Is(err, io.EOF): // an empty file
		return nil
	case errors.As(err, &wrong):
		var bad Problems
		for _, line := range wrong.Errors {
			bad = append(bad, name+": "+plain(line))
		}
		return bad
	case err != nil:
		return Problems{name + ": " + strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Problems{name + ": holds more than one document; keep one"}
	}
	return nil
}

var (
	unknownField = regexp.MustCompile(`^(line \d+): field (\S+) not found in type .*$`)
	wrongType    = regexp.MustCompile("^(line \\d+): cannot unmarshal \\S+ `([^`]*)`.* into (\\S+)$")
)

// plain says a decoding error without the names of Go types.
func plain(line string) string {
	if m := unknownField.FindStringSubmatch(line); m != nil {
		return m[1] + ": unknown setting " + m[2] + "; docs/config.md lists them"
	}
	if m := wrongType.FindStringSubmatch(line); m != nil {
		want := map[string]string{"int": "a whole number", "float64": "a number", "bool": "true or false", "time.Duration": "a time such as 30s", "string": "text"}[m[3]]
		if want == "" {
			want = "something else"
		}
		return m[1] + ": cannot be what it is; it takes " + want // without the value: it could be a secret
	}
	return line
}

// secrets reads what stands in files of its own.
func (s *Serve) secrets() Problems {
	var bad Problems
	for _, k := range []struct {
		path, file string
		key        *Secret
	}{{"judge.api_key", s.Judge.APIKeyFile, &s.Judge.APIKey}, {"speech.api_key", s.Speech.APIKeyFile, &s.Speech.APIKey}} {
		if k.file == "" {
			continue
		}
		if *k.key != "" {
			bad = append(bad, k.path+"_file: the key is given twice; take out "+k.path)
			continue
		}
		data, err := os.ReadFile(k.file)
		if err != nil {
			bad = append(bad, k.path+"_file: "+err.Error())
			continue
		}
		*k.key = Secret(strings.TrimSpace(string(data)))
	}
	return bad
}

// borrow takes what is not said from the variables that other tools share.
func (s *Serve) borrow(getenv func(string) string) {
	with := s.Judge.For().WithEnv(getenv)
	if with.Configured() {
		s.Judge.URL, s.Judge.Model, s.Judge.APIKey = with.URL, with.Model, with.APIKey
	}
	if with := s.Speech.For().WithEnv(getenv); with.Configured() {
		s.Speech.URL, s.Speech.Model, s.Speech.APIKey = with.URL, with.Model, with.APIKey
	}
}

// YAML shows the configuration as a file, without its secrets.
func (s Serve) YAML() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("print the configuration: %w", err)
	}
	return b.Bytes(), nil
}
