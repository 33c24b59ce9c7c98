package transcript

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the largest transcript that Parse reads: hours of any recogniser's JSON.
const MaxBytes = 32 << 20

// known lists the formats for errors.
const known = "WebVTT, SRT, text with or without speaker labels, or the JSON of Whisper, Deepgram, AssemblyAI, AWS Transcribe or grader"

var (
	bom     = []byte("\ufeff")
	srtTime = regexp.MustCompile(`(?m)^\s*(?:\d+:)?\d{1,2}:\d{2}[,.]\d{1,3}\s*-->`)
)

// Parse reads a transcript; the format is told by the content. Errors wrap ErrFormat, ErrEmpty or ErrTimes and say in
// one line what to do.
func Parse(data []byte) (*Transcript, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: it is larger than %d MiB; give a transcript of one recording", ErrFormat, MaxBytes>>20)
	}
	data = bytes.TrimPrefix(data, bom)
	if what := binary(data); what != "" {
		return nil, fmt.Errorf("%w: this is %s", ErrFormat, what)
	}
	trimmed := bytes.TrimSpace(data)
	var t *Transcript
	var err error
	switch {
	case len(trimmed) == 0:
		return nil, fmt.Errorf("%w: the file is empty; give the one that the recogniser wrote", ErrEmpty)
	case trimmed[0] == '{':
		t, err = parseJSON(trimmed)
	case bytes.HasPrefix(trimmed, []byte("WEBVTT")):
		t, err = parseSubtitles(string(trimmed), WebVTT)
	case srtTime.Match(trimmed):
		t, err = parseSubtitles(string(trimmed), SRT)
	default:
		t, err = parsePlain(string(trimmed))
	}
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(t.Text) == "" {
		return nil, fmt.Errorf("%w: it is well-formed %s without any speech; check that the recording holds a voice", ErrEmpty, t.Format)
	}
	return t, nil
}

// binary says what data is when it is no UTF-8 text, or nothing.
func binary(data []byte) string {
	head := data[:min(len(data), 12)]
	at := func(i int, magic string) bool {
		return len(head) >= i+len(magic) && string(head[i:i+len(magic)]) == magic
	}
	switch {
	case at(0, "\xff\xfe"), at(0, "\xfe\xff"):
		return "UTF-16 text; save it as UTF-8"
	case at(0, "RIFF"), at(0, "fLaC"), at(0, "OggS"), at(0, "ID3"), at(4, "ftyp"), at(0, "\x1aE\xdf\xa3"):
		return "a recording; use grader transcribe or --audio"
	case !utf8.Valid(data):
		return "no valid UTF-8; convert it, for instance with iconv"
	case bytes.IndexByte(data, 0) >= 0:
		return "binary data; give " + known
	}
	return ""
}
