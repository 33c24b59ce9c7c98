package config

import (
	"cmp"
	"fmt"
	"net/url"
	"time"
)

// Speech says which recogniser writes recordings down. The zero value is none.
type Speech struct {
	// URL of an OpenAI-compatible endpoint, with its /v1. Variables: GRADER_SPEECH_URL, else OPENAI_BASE_URL.
	URL string
	// Model at the endpoint, for example whisper-1. Variable: GRADER_SPEECH_MODEL.
	Model string
	// APIKey for the endpoint. Variables: GRADER_SPEECH_API_KEY, else OPENAI_API_KEY.
	APIKey Secret
	// Timeout for one recording, all attempts and passes together.
	Timeout time.Duration
}

// DefaultSpeechTimeout is the time for one recording: an hour of speech takes minutes.
const DefaultSpeechTimeout = 15 * time.Minute

// WithEnv fills in what is empty from the environment.
func (s Speech) WithEnv(getenv func(string) string) Speech {
	s.URL = cmp.Or(s.URL, getenv("GRADER_SPEECH_URL"), getenv("OPENAI_BASE_URL"))
	s.Model = cmp.Or(s.Model, getenv("GRADER_SPEECH_MODEL"))
	s.APIKey = Secret(cmp.Or(s.APIKey.Reveal(), getenv("GRADER_SPEECH_API_KEY"), getenv("OPENAI_API_KEY")))
	if s.URL == "" && s.Model != "" && s.APIKey != "" {
		s.URL = openAIURL
	}
	return s
}

// Configured reports whether there is an endpoint to ask.
func (s Speech) Configured() bool { return s.URL != "" && s.Model != "" }

// Validate says what is wrong or missing, in one line that says what to do.
func (s Speech) Validate() error {
	u, err := url.Parse(s.URL)
	switch {
	case s.URL == "" && s.Model == "":
		return fmt.Errorf("a recording needs a recogniser and none is configured; set --speech-url and --speech-model, or GRADER_SPEECH_URL and GRADER_SPEECH_MODEL")
	case s.URL == "":
		return fmt.Errorf("a speech model is given and no endpoint; set --speech-url or GRADER_SPEECH_URL")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("speech URL %q is none; give one such as http://127.0.0.1:8802/v1", s.URL)
	case s.Model == "":
		return fmt.Errorf("the recogniser at %s needs a model, such as whisper-1; set --speech-model or GRADER_SPEECH_MODEL", s.URL)
	case s.Timeout <= 0:
		return fmt.Errorf("speech timeout must be positive, not %s", s.Timeout)
	}
	return nil
}
