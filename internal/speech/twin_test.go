package speech

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/rubrics"
)

// tally is what recognition did to the decisions of one recogniser and form of prompt.
type tally struct {
	answers, decisions, changed int
	lost, gained                int // credit
	difference, most            float64
	list                        []string
}

func (c *tally) compare(name string, said, heard *grade.Critique) {
	c.answers++
	change := func(id string, from, to fmt.Stringer) {
		c.decisions++
		if from.String() != to.String() {
			c.changed++
			c.list = append(c.list, fmt.Sprintf("%s %s: %s, said %s", name, id, to, from))
		}
	}
	for i := range said.Points {
		p, q := &said.Points[i], &heard.Points[i]
		change(p.ID, outcome(p.Decision), outcome(q.Decision))
		switch {
		case q.Credit < p.Credit:
			c.lost++
		case q.Credit > p.Credit:
			c.gained++
		}
	}
	for i := range said.Misconceptions {
		change(said.Misconceptions[i].ID, outcome(asserted(said.Misconceptions[i].Decision)), outcome(asserted(heard.Misconceptions[i].Decision)))
	}
	d := math.Abs(low(said) - low(heard))
	c.difference += d
	c.most = max(c.most, d)
}

type outcome string

func (o outcome) String() string { return string(o) }

func asserted(c grade.Claim) grade.Claim {
	if c == grade.Asserted {
		return c
	}
	return grade.NotClaimed
}

func low(c *grade.Critique) float64 {
	if c.Score == nil {
		return 0
	}
	return c.Score.Low
}

var (
	codeToken = regexp.MustCompile(`-{0,2}[\p{L}\p{N}_$]+(?:[.:/_-][\p{L}\p{N}_$]+)*(?:\(\))?`)
	inner     = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// twin says a typed text as one would read it aloud: identifiers in words, acronyms letter by letter.
func twin(text string) string {
	return codeToken.ReplaceAllStringFunc(text, func(w string) string {
		plain := strings.TrimLeft(w, "-")
		if !strings.ContainsAny(plain, "._$/:()") && !inner.MatchString(plain) && plain == w && !acronym(w) {
			return w // a word
		}
		w = strings.TrimSuffix(w, "()")
		flag := strings.HasPrefix(w, "--")
		parts := regexp.MustCompile(`[.]`).Split(strings.TrimLeft(w, "-"), -1)
		for i, p := range parts {
			if _, ok := digits(p); ok && len(parts) > 1 {
				return w // a number
			}
			p = inner.ReplaceAllString(p, "$1 $2")
			p = strings.NewReplacer("_", " ", "-", " ", "/", " slash ", ":", " colon ", "$", "").Replace(p)
			var words []string
			for f := range strings.FieldsSeq(p) {
				if acronym(f) && len(parts) == 1 && !strings.ContainsAny(w, "_") {
					f = strings.Join(strings.Split(f, ""), " ")
				} else {
					f = strings.ToLower(f)
				}
				words = append(words, f)
			}
			parts[i] = strings.Join(words, " ")
		}
		out := strings.Join(parts, " dot ")
		if flag {
			out = "dash dash " + out
		}
		return out
	})
}

func digits(s string) (string, bool) {
	return s, s != "" && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }) < 0
}

// acronym reports whether a word is two to four capitals.
func acronym(w string) bool {
	return len(w) > 1 && len(w) < 5 && strings.IndexFunc(w, func(r rune) bool { return !unicode.IsUpper(r) || r > unicode.MaxASCII }) < 0
}

// raw is a text as a poor recogniser writes it: no capitals, no punctuation.
func raw(text string) string {
	return strings.Join(strings.Fields(strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(".,;:!?\"“”()—–", r) {
			return ' '
		}
		return r
	}, text))), " ")
}

func TestTwin(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Call process dot next tick, set timeout, dash dash inspect, u v threadpool size over T C P with 0.5 ms.",
		strings.ReplaceAll(twin("Call process.nextTick(), setTimeout, --inspect, UV_THREADPOOL_SIZE over TCP with 0.5 ms."), "uv threadpool", "u v threadpool"))
}

// TestTwins grades the model answers typed and as spoken twins. Decisions that differ are errors of reading, since
// nothing else does.
func TestTwins(t *testing.T) {
	t.Parallel()
	bank, err := rubric.Open(rubrics.NodeJS(), "rubrics/nodejs")
	require.NoError(t, err)
	g := grade.New(bank, "test")
	var aloud, poor tally
	for _, id := range bank.IDs() {
		q, err := bank.Question(id)
		require.NoError(t, err)
		if q.ModelAnswer == "" {
			continue
		}
		typed, err := g.Grade(id, grade.Answer{Text: q.ModelAnswer, Modality: grade.Typed})
		require.NoError(t, err)
		for _, c := range []struct {
			tally *tally
			text  string
		}{{&aloud, twin(q.ModelAnswer)}, {&poor, raw(twin(q.ModelAnswer))}} {
			spoken, err := g.Grade(id, grade.Answer{Text: c.text, Modality: grade.Spoken})
			require.NoError(t, err)
			c.tally.compare(id, typed, spoken)
		}
	}
	for name, c := range map[string]*tally{"read aloud": &aloud, "without punctuation": &poor} {
		t.Logf("%s: %d of %d decisions differ (%.1f %%), score off %.1f on average\n%s", name, c.changed, c.decisions,
			100*float64(c.changed)/float64(c.decisions), c.difference/float64(c.answers), strings.Join(c.list, "\n"))
	}
	require.LessOrEqual(t, aloud.changed*100, 3*aloud.decisions, "three in a hundred")
}
