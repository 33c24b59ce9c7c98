package transcript

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// labelled is a line that begins with a name and a colon, with a time before or behind the name if there is one:
// "Ann: ...", "[00:01:02] Ann: ...", "Ann (1:02): ...", "**Ann:** ...".
var labelled = regexp.MustCompile(`^\s*[*_>-]*\s*(?:[\[(]?((?:\d+:)?\d{1,2}:\d{2})(?:[.,]\d+)?[\])]?\s*[-–]?\s*)?[*_]*([\p{L}][\p{L}\p{N} .'_-]{0,39}?)[*_]*\s*(?:[\[(]((?:\d+:)?\d{1,2}:\d{2})(?:[.,]\d+)?[\])])?\s*:[*_]*(?:\s+(.*))?$`)

var (
	candidates   = regexp.MustCompile(`(?i)^(the )?(candidate|interviewee|applicant|respondent|examinee|student|answerer|a|me)( ?\d+)?$`)
	interviewers = regexp.MustCompile(`(?i)^(the )?(interviewer|recruiter|moderator|host|examiner|assessor|coach|panel(list)?|hiring manager|questioner|q)( ?\d+)?$`)
	numbered     = regexp.MustCompile(`(?i)^(speaker|spk|person|voice)[ _]?[\da-z]{1,3}$`)
)

// SaysCandidate reports whether a label is one of a candidate, such as "Interviewee" or "A".
func SaysCandidate(label string) bool { return candidates.MatchString(label) }

// SaysInterviewer reports whether a label is one of who asks, such as "Interviewer 2" or "Q".
func SaysInterviewer(label string) bool { return interviewers.MatchString(label) }

// crowd is the number of speakers above which a label that comes only once is taken for the candidate's own colon.
const crowd = 3

// cutLabel splits a line into the name at its start and the rest.
func cutLabel(line string) (name, rest string, ok bool) {
	m := labelled.FindStringSubmatch(line)
	if m == nil {
		return "", line, false
	}
	return strings.TrimSpace(m[2]), strings.TrimSpace(m[4]), true
}

// speakers tells which labels name people. A role or "Speaker 1" does; other names count when there are at least two
// of them and one comes back, because "Note:" and "Timers:" are labels too.
func speakers(lines []string) map[string]bool {
	counts := map[string]int{}
	role, repeated, first := false, false, true
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, _, ok := cutLabel(line)
		ok = ok && nameLike(name)
		if first && !ok {
			return nil // a text that begins without a speaker has none
		}
		first = false
		if !ok {
			continue
		}
		counts[name]++
		role = role || plainRole(name)
		repeated = repeated || counts[name] > 1
	}
	role = role || counts["Q"] > 0 && counts["A"] > 0
	if !role && (len(counts) < 2 || !repeated) {
		return nil
	}
	out := map[string]bool{}
	for name, n := range counts {
		if n > 1 || plainRole(name) || len(counts) <= crowd {
			out[name] = true
		}
	}
	return out
}

// plainRole reports whether a label can only be a speaker's. A single letter says so only beside others.
func plainRole(name string) bool {
	return len(name) > 1 && (candidates.MatchString(name) || interviewers.MatchString(name) || numbered.MatchString(name))
}

// nameLike reports whether a label could be a name: at most four words, each with a capital or a digit first, or a role.
func nameLike(name string) bool {
	if candidates.MatchString(name) || interviewers.MatchString(name) || numbered.MatchString(name) {
		return true
	}
	words := strings.Fields(name)
	if len(words) > 4 {
		return false
	}
	for _, w := range words {
		if r := []rune(w)[0]; !unicode.IsUpper(r) && !unicode.IsDigit(r) && !slices.Contains([]string{"van", "von", "de", "der", "den", "da", "la"}, w) {
			return false
		}
	}
	return true
}

// parsePlain reads text: turns when its lines begin with speakers, else as it stands.
func parsePlain(text string) (*Transcript, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	lines := strings.Split(text, "\n")
	names := speakers(lines)
	if names == nil {
		t, err := New(text, nil, nil)
		t.Format = Plain
		return t, err
	}
	var turns []Segment
	timed := true
	for _, line := range lines {
		name, rest, ok := cutLabel(line)
		switch {
		case ok && names[name]:
			m := labelled.FindStringSubmatch(line)
			at, known := clockMS(firstOf(m[1], m[3]))
			timed = timed && known
			turns = append(turns, Segment{Text: rest, Speaker: name, Times: Times{at, at, known}})
		case strings.TrimSpace(line) == "":
		case len(turns) == 0:
			turns, timed = append(turns, Segment{Text: strings.TrimSpace(line)}), false
		default:
			last := &turns[len(turns)-1]
			last.Text = strings.TrimSpace(last.Text + " " + strings.TrimSpace(line))
		}
	}
	for i := range turns {
		switch {
		case !timed:
			turns[i].Times = Times{}
		case i+1 < len(turns):
			turns[i].EndMS = max(turns[i].EndMS, turns[i+1].StartMS)
		}
	}
	turns = slices.DeleteFunc(turns, func(s Segment) bool { return s.Text == "" })
	t, err := New("", turns, nil)
	t.Format = Plain
	return t, err
}

// clockMS reads m:ss or h:mm:ss.
func clockMS(s string) (int, bool) {
	if s == "" {
		return 0, false
	}
	total := 0
	for part := range strings.SplitSeq(s, ":") {
		n, err := strconv.Atoi(part)
		if err != nil || n > dayMS {
			return dayMS + 1, true
		}
		total = min(total*60+n, dayMS)
	}
	return min(total*1000, dayMS+1), true
}

// Speakers are the names in the transcript in the order in which they first speak, without the unknown one.
func (t *Transcript) Speakers() []string {
	var out []string
	add := func(s string) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for i := range t.Segments {
		add(t.Segments[i].Speaker)
	}
	for i := range t.Words {
		add(t.Words[i].Speaker)
	}
	return out
}

// Labelled is the text as Parse reads it back: with a line for each turn, "[1:02] Ann: ...", where speakers are known.
func (t *Transcript) Labelled() string {
	if len(t.Speakers()) == 0 {
		return t.Text
	}
	var b strings.Builder
	last := ""
	for i := range t.Segments {
		s := &t.Segments[i]
		switch {
		case b.Len() > 0 && s.Speaker == last:
			b.WriteByte(' ')
		case b.Len() > 0:
			b.WriteByte('\n')
			fallthrough
		default:
			if s.Known {
				fmt.Fprintf(&b, "[%s] ", Clock(s.StartMS))
			}
			b.WriteString(s.Speaker + ": ")
		}
		b.WriteString(s.Text)
		last = s.Speaker
	}
	return b.String()
}

// Candidate returns what the candidate says. The candidate is speaker if that is given; else the one whose label says
// so, or the only one whose label does not say interviewer. A transcript without speakers is the candidate's as a whole.
// Errors wrap ErrNoCandidate and say which speakers there are: nobody is guessed.
func (t *Transcript) Candidate(speaker string) (*Transcript, error) {
	all := t.Speakers()
	if speaker != "" {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.EqualFold(s, speaker) }) {
			return nil, fmt.Errorf("%w: nobody is called %q; %s", ErrNoCandidate, speaker, t.who(all))
		}
		return t.Only(func(s string) bool { return strings.EqualFold(s, speaker) })
	}
	if len(all) == 0 {
		return t, nil
	}
	var said, others []string
	for _, s := range all {
		switch {
		case candidates.MatchString(s) && (len(s) > 1 || slices.ContainsFunc(all, func(o string) bool { return strings.EqualFold(o, "q") })):
			said = append(said, s)
		case !interviewers.MatchString(s):
			others = append(others, s)
		}
	}
	if len(said) == 0 {
		said = others
	}
	switch len(said) {
	case 1:
		return t.Only(func(s string) bool { return s == said[0] })
	case 0:
		return nil, fmt.Errorf("%w: only %s speaks; give the whole transcript, or name the candidate with --speaker", ErrNoCandidate, strings.Join(all, ", "))
	}
	return nil, fmt.Errorf("%w: %s; say who is the candidate with --speaker", ErrNoCandidate, t.who(all))
}

func (t *Transcript) who(all []string) string {
	if len(all) == 0 {
		return "it names no speakers: leave --speaker out"
	}
	var parts []string
	for _, s := range all {
		n := 0
		for i := range t.Segments {
			if t.Segments[i].Speaker == s {
				n += len(strings.Fields(t.Segments[i].Text))
			}
		}
		parts = append(parts, fmt.Sprintf("%s (%d words)", s, n))
	}
	return "the speakers are " + strings.Join(parts, ", ")
}

// Only returns the transcript of the speakers that keep accepts, with a text of theirs alone.
func (t *Transcript) Only(keep func(speaker string) bool) (*Transcript, error) {
	var segments []Segment
	var words []Word
	for _, s := range t.Segments {
		if keep(s.Speaker) {
			if said := t.Text[s.Start:s.End]; said != "" && fold(said).text != fold(s.Text).text {
				s.Text = said // corrected by hand
			}
			segments = append(segments, s)
		}
	}
	for _, w := range t.Words {
		speaker := w.Speaker
		if speaker == "" {
			speaker = t.speakerAt(w)
		}
		if keep(speaker) {
			words = append(words, w)
		}
	}
	out, err := New("", segments, words)
	if err != nil {
		return nil, err
	}
	if out.Text == "" {
		return nil, fmt.Errorf("%w: the candidate says nothing", ErrNoCandidate)
	}
	out.Language, out.DurationMS, out.Format, out.Doubtful = t.Language, t.DurationMS, t.Format, t.Doubtful
	return out, nil
}

// speakerAt is who speaks the segment that a word stands in.
func (t *Transcript) speakerAt(w Word) string {
	for i := range t.Segments {
		if s := &t.Segments[i]; s.Start < w.End && w.Start < s.End {
			return s.Speaker
		}
	}
	return ""
}
