package transcript

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/asticode/go-astisub"
)

var (
	cueTime = regexp.MustCompile(`^\s*((?:\d+:)?\d{1,2}:\d{2}[,.]\d{1,3})\s*-->\s*((?:\d+:)?\d{1,2}:\d{2}[,.]\d{1,3})(?:\s.*)?$`)
	voice   = regexp.MustCompile(`(\S\s*)(<v[ .])`)
	aside   = regexp.MustCompile(`^(?:(?:STYLE|REGION)\s*$|Region: |X-TIMESTAMP-MAP)`)
	inline  = regexp.MustCompile(`<(?:\d+:)?\d{2}:\d{2}[.,]\d+>`)
)

// parseSubtitles reads WebVTT or SRT. Speakers come from voice tags, or from labels at the start of a line; such a label
// holds until the next one.
func parseSubtitles(text string, format Format) (t *Transcript, err error) {
	text, err = tidySubtitles(text, format)
	if err != nil {
		return nil, err
	}
	read := astisub.ReadFromWebVTT
	if format == SRT {
		read = astisub.ReadFromSRT
	}
	subs, err := read(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %s cannot be read: %s; export it again", ErrFormat, format, strings.TrimPrefix(err.Error(), "astisub: "))
	}
	var segments []Segment
	names := subtitleSpeakers(subs)
	speaker := ""
	for _, item := range subs.Items {
		times := Times{int(item.StartAt / time.Millisecond), int(item.EndAt / time.Millisecond), true}
		voiced := ""
		for _, line := range item.Lines {
			said := lineText(line)
			voiced = firstOf(line.VoiceName, voiced)
			if name, rest, ok := cutLabel(said); ok && names[name] {
				speaker, said = name, rest
			}
			by := firstOf(voiced, speaker)
			if n := len(segments); n > 0 && segments[n-1].Times == times && segments[n-1].Speaker == by {
				segments[n-1].Text = strings.TrimSpace(segments[n-1].Text + " " + said)
			} else if said != "" {
				segments = append(segments, Segment{Text: said, Speaker: by, Times: times})
			}
		}
	}
	t, err = New("", segments, nil)
	t.Format = format
	return t, err
}

// tidySubtitles takes out what the library stumbles over: settings of cues, times inside a line, a second voice in one
// line (it becomes a line of its own).
func tidySubtitles(text string, format Format) (string, error) {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	out := make([]string, 0, len(lines))
	style := false // of style sheets and regions nothing is needed
	for i, line := range lines {
		blank := strings.TrimSpace(line) == ""
		style = style || i > 0 && format == WebVTT && aside.MatchString(line)
		switch m := cueTime.FindStringSubmatch(line); {
		case m != nil:
			style = false
			out = append(out, m[1]+" --> "+m[2])
		case style:
			style = !blank
			out = append(out, "")
		case strings.Contains(line, "-->"):
			return "", fmt.Errorf("%w: line %d of the %s, %q, is no time such as 00:01:02.500 --> 00:01:04.000; correct it", ErrTimes, i+1, format, clip(line))
		default:
			line = inline.ReplaceAllString(line, "")
			if format == WebVTT {
				line = voice.ReplaceAllString(line, "$1\n$2")
			}
			out = append(out, line)
		}
	}
	text = strings.Join(out, "\n")
	const longest = 60 << 10 // the library reads no longer lines, and says nothing
	for i, line := range strings.Split(text, "\n") {
		if len(line) > longest {
			return "", fmt.Errorf("%w: line %d of the %s has more than %d KiB; break it into cues", ErrFormat, i+1, format, longest>>10)
		}
	}
	return text + "\n", nil
}

func lineText(l astisub.Line) string {
	var parts []string
	for _, i := range l.Items {
		parts = append(parts, i.Text)
	}
	return strings.Join(strings.Fields(strings.TrimPrefix(strings.TrimSpace(strings.Join(parts, "")), "- ")), " ")
}

// subtitleSpeakers are the labels that name people, among those at the start of lines.
func subtitleSpeakers(subs *astisub.Subtitles) map[string]bool {
	var lines []string
	for _, item := range subs.Items {
		for _, l := range item.Lines {
			lines = append(lines, lineText(l))
		}
	}
	return speakers(lines)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
