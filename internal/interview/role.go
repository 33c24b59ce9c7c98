package interview

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/transcript"
)

// role says who speaks.
type role uint8

const (
	nobody role = iota // not known
	interviewer
	candidate
)

func (r role) String() string { return [...]string{"", "interviewer", "candidate"}[r] }

// ErrNoCandidate means that nobody in an interview can be the candidate.
var ErrNoCandidate = errors.New("no candidate in the interview")

// cast are the roles of the speakers of one interview.
type cast struct {
	roles     map[string]role // by label; empty where there are no labels
	candidate string          // the candidate's label
	source    RoleSource
}

// castOf finds out who the candidate is. A label that says so decides, then who asks less; wanted, if not empty, is the
// candidate's label, given by hand.
func castOf(text string, ps []piece, wanted string) (*cast, error) {
	labels := speakersOf(ps)
	c := &cast{roles: map[string]role{}, source: RolesFromLabels}
	switch {
	case len(labels) == 0 && wanted != "":
		return nil, fmt.Errorf("%w: no speaker is named in it, so that %q cannot be found; leave the speaker out", ErrNoCandidate, wanted)
	case len(labels) == 0, len(labels) == 1 && wanted == "" && !transcript.SaysCandidate(labels[0]) && !transcript.SaysInterviewer(labels[0]):
		c.source = RolesFromContent // one label for everybody tells no more than none
		return c, nil
	case wanted != "" && !slices.Contains(labels, wanted):
		return nil, fmt.Errorf("%w: nobody is called %q; the speakers are %s", ErrNoCandidate, wanted, strings.Join(labels, ", "))
	case wanted != "":
		c.candidate = wanted
	default:
		c.candidate = said(labels)
	}
	if c.candidate == "" {
		others := slices.DeleteFunc(slices.Clone(labels), transcript.SaysInterviewer)
		switch len(others) {
		case 0:
			return nil, fmt.Errorf("%w: only %s speaks; give the whole transcript", ErrNoCandidate, strings.Join(labels, ", "))
		case 1:
			c.candidate = others[0]
		default:
			c.candidate, c.source = answers(text, ps, others), RolesFromSpeech
		}
	}
	for _, l := range labels {
		c.roles[l] = interviewer
	}
	c.roles[c.candidate] = candidate
	return c, nil
}

// said is the label that says candidate, if there is exactly one. A letter says so only where both Q and A speak.
func said(labels []string) string {
	both := slices.Contains(labels, "Q") && slices.Contains(labels, "A")
	found := slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return !transcript.SaysCandidate(l) || len(l) == 1 && !both })
	if len(found) == 1 {
		return found[0]
	}
	return ""
}

func speakersOf(ps []piece) []string {
	var out []string
	for i := range ps {
		if s := ps[i].speaker; s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// answers is the speaker who says most, in the longest turns, and asks least.
func answers(text string, ps []piece, labels []string) string {
	type share struct{ words, asking, turns int }
	shares := map[string]*share{}
	for _, l := range labels {
		shares[l] = &share{}
	}
	last := ""
	for i := range ps {
		s, ok := shares[ps[i].speaker]
		if !ok {
			continue
		}
		said := text[ps[i].start:ps[i].end]
		n := len(strings.Fields(said))
		s.words += n
		if c := readCues(said); c.mark || c.form && c.second > 0 {
			s.asking += n
		}
		if ps[i].speaker != last {
			s.turns++
			last = ps[i].speaker
		}
	}
	score := func(l string) float64 {
		s := shares[l]
		if s.words == 0 {
			return 0
		}
		asks := float64(s.asking) / float64(s.words)
		return float64(s.words) * max(0, 1-2*asks) * float64(s.words) / float64(s.turns+1)
	}
	return slices.MaxFunc(labels, func(a, b string) int { return cmp.Compare(score(a), score(b)) })
}
