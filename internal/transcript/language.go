package transcript

import "strings"

// languages are the tags of languages that Whisper calls by their names.
var languages = map[string]string{"english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt",
	"dutch": "nl", "polish": "pl", "russian": "ru", "ukrainian": "uk", "japanese": "ja", "chinese": "zh", "korean": "ko", "hindi": "hi",
	"arabic": "ar", "turkish": "tr", "swedish": "sv"}

// LanguageTag is the tag of a language that may be given by its English name, as Whisper does.
func LanguageTag(name string) string {
	if tag, ok := languages[strings.ToLower(name)]; ok {
		return tag
	}
	return strings.ReplaceAll(name, "_", "-")
}
