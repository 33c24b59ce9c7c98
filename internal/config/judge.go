// Package config is the only place that reads the environment: it turns flags, GRADER_* variables and defaults into
// plain values, with secrets in a type that does not print itself.
package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"time"
)

// Secret is a value that must not be shown.
type Secret string

const redacted = "<redacted>"

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the value from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal returns the value, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

// Judge says which model judges answers, and how. The zero value is no judge.
type Judge struct {
	// URL of an OpenAI-compatible endpoint, with its /v1. Variables: GRADER_JUDGE_URL, else OPENAI_BASE_URL.
	URL string
	// Model at the endpoint. Variable: GRADER_JUDGE_MODEL.
	Model string
	// APIKey for the endpoint. Variables: GRADER_JUDGE_API_KEY, else OPENAI_API_KEY.
	APIKey Secret
	// Timeout for one answer, all attempts and re-asks together.
	Timeout time.Duration
	// Evidence is quotes, or sentences for models that cannot quote.
	Evidence string
	// Concurrency is the most calls at once.
	Concurrency int
	// CacheDir keeps replies on disk; they hold quotes from answers.
	CacheDir string
	// NoCache neither reads nor writes replies.
	NoCache bool
	// MaxCost in US dollars for one run; 0 is no limit.
	MaxCost float64
	// Prices is a file that replaces the built-in price list.
	Prices string
}

// Defaults of Judge.
const (
	DefaultJudgeTimeout     = 60 * time.Second
	DefaultJudgeConcurrency = 32
	openAIURL               = "https://api.openai.com/v1"
)

// WithEnv fills in what is empty from the environment.
func (j Judge) WithEnv(getenv func(string) string) Judge {
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	own := first(j.URL, getenv("GRADER_JUDGE_URL"))
	j.URL = first(own, getenv("OPENAI_BASE_URL"))
	j.Model = first(j.Model, getenv("GRADER_JUDGE_MODEL"))
	j.APIKey = Secret(first(j.APIKey.Reveal(), getenv("GRADER_JUDGE_API_KEY"), getenv("OPENAI_API_KEY")))
	if j.URL == "" && j.Model != "" && j.APIKey != "" {
		j.URL = openAIURL
	}
	return j
}

// Configured reports whether there is an endpoint to ask.
func (j Judge) Configured() bool { return j.URL != "" && j.Model != "" }

// Validate says what is wrong, in one line that says what to do; nil for no judge at all.
func (j Judge) Validate() error {
	if j.URL == "" && j.Model == "" {
		return nil
	}
	u, err := url.Parse(j.URL)
	switch {
	case j.URL == "":
		return fmt.Errorf("a judge model is given and no endpoint; set --judge-url or GRADER_JUDGE_URL")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("judge URL %q is none; give one such as http://127.0.0.1:8080/v1", j.URL)
	case j.Timeout < 0:
		return fmt.Errorf("judge timeout must be positive, not %s", j.Timeout)
	case j.Concurrency < 0:
		return fmt.Errorf("judge concurrency must be positive, not %d", j.Concurrency)
	case j.MaxCost < 0:
		return fmt.Errorf("the highest cost must be positive, not %g", j.MaxCost)
	case j.Evidence != "" && j.Evidence != "quotes" && j.Evidence != "sentences":
		return fmt.Errorf("judge evidence %q is unknown; use quotes or sentences", j.Evidence)
	}
	return nil
}
