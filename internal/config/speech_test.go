package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpeech(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		given Speech
		env   []string
		want  Speech
		says  string
	}{
		{"nothing", Speech{}, nil, Speech{}, "none is configured"},
		{"flags first", Speech{URL: "http://a/v1", Model: "m"}, []string{"GRADER_SPEECH_URL", "http://b/v1", "GRADER_SPEECH_MODEL", "n"}, Speech{URL: "http://a/v1", Model: "m"}, ""},
		{"own variables", Speech{}, []string{"GRADER_SPEECH_URL", "http://b/v1", "GRADER_SPEECH_MODEL", "n", "GRADER_SPEECH_API_KEY", "k", "OPENAI_BASE_URL", "http://c/v1", "OPENAI_API_KEY", "o"},
			Speech{URL: "http://b/v1", Model: "n", APIKey: "k"}, ""},
		{"those of other tools", Speech{Model: "n"}, []string{"OPENAI_BASE_URL", "http://c/v1", "OPENAI_API_KEY", "o"}, Speech{URL: "http://c/v1", Model: "n", APIKey: "o"}, ""},
		{"key and model alone", Speech{Model: "whisper-1"}, []string{"OPENAI_API_KEY", "o"}, Speech{URL: openAIURL, Model: "whisper-1", APIKey: "o"}, ""},
		{"model alone", Speech{Model: "whisper-1"}, nil, Speech{Model: "whisper-1"}, "no endpoint"},
		{"no URL", Speech{URL: "x", Model: "m"}, nil, Speech{URL: "x", Model: "m"}, `speech URL "x" is none`},
		{"no model", Speech{URL: "http://a/v1"}, nil, Speech{URL: "http://a/v1"}, "needs a model"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.given.Timeout, tt.want.Timeout = DefaultSpeechTimeout, DefaultSpeechTimeout
			got := tt.given.WithEnv(env(tt.env...))
			require.Equal(t, tt.want, got)
			err := got.Validate()
			if tt.says == "" {
				require.NoError(t, err)
				require.True(t, got.Configured())
				return
			}
			require.ErrorContains(t, err, tt.says)
		})
	}
	require.ErrorContains(t, Speech{URL: "http://a", Model: "m"}.Validate(), "must be positive")
}
