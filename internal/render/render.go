// Package render writes a critique for a person at a terminal: short, wrapped, the strongest and the weakest thing
// first, quotes in the candidate's own words. The main entry is Critique.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/transcript"
)

// Options say how to write.
type Options struct {
	Width       int    // columns; 0 means 80, and lines are never wider than 100
	Color       bool   // escape sequences for colour
	Text        string // the submitted text, for the sentences that earned nothing
	Title       string // of the question
	ModelAnswer string // printed at the end unless empty
	Hint        string // one line at the very end, unless empty
}

const (
	defaultWidth = 80
	maxWidth     = 100
	minWidth     = 40
	// quoteRunes is the length at which a quote is cut in the middle.
	quoteRunes = 150
	// shownSentences is the number of sentences without effect that are quoted.
	shownSentences = 3
)

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

type printer struct {
	w     io.Writer
	width int
	color bool
	err   error
}

// Critique writes c. The error is the first one of w.
func Critique(w io.Writer, c *grade.Critique, o Options) error {
	p := &printer{w: w, width: min(max(o.Width, minWidth), maxWidth), color: o.Color}
	if o.Width == 0 {
		p.width = defaultWidth
	}
	p.head(c, o)
	if c.State != grade.Ungradable {
		p.wrong(c)
		p.met(c)
		p.partly(c)
		p.nextTime(c)
		p.habits(c)
		p.unmapped(c, o.Text)
		p.delivery(c)
		if c.FollowUp != "" {
			p.section("An interviewer would ask next")
			p.para("  ", c.FollowUp)
		}
	}
	if o.ModelAnswer != "" {
		p.section("A model answer")
		p.para("  ", o.ModelAnswer)
	}
	if o.Hint != "" {
		p.print("\n")
		p.para("", p.paint(dim, o.Hint))
	}
	return p.err
}

func (p *printer) print(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

func (p *printer) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) head(c *grade.Critique, o Options) {
	title := o.Title
	if title == "" {
		title = c.QuestionID
	}
	p.print(p.paint(bold, title) + "\n")
	if s := c.Score; s != nil {
		var line string
		if s.Value != nil {
			line = fmt.Sprintf("Score %s of 100", figure(*s.Value))
		} else {
			line = fmt.Sprintf("No score: only %.0f %% of the weight could be decided; at least %s", 100*s.Coverage, figure(s.Low))
		}
		band := s.Band
		if c.Mode == grade.ModeKeywords {
			band = "at least " + band
		}
		line += ", " + band
		if s.High > s.Low {
			line += fmt.Sprintf(" (range %s to %s)", figure(s.Low), figure(s.High))
		}
		p.para("", line)
	} else {
		p.print("Not graded\n")
	}
	p.print("\n")
	p.para("", c.Summary)
	for _, f := range c.Flags {
		if text := Flag(f); text != "" {
			p.para("", p.paint(yellow, text))
		}
	}
}

// Flag is what a reader of the critique should know of a flag; empty where the summary says it.
func Flag(f grade.Flag) string { return flagText[f] }

var flagText = map[grade.Flag]string{
	grade.FlagInjection:       "Sentences that speak to the grader were taken out; they earn nothing and cost nothing.",
	grade.FlagLowTranscript:   "The transcript is doubtful: speech may be missing or misheard. Listen to the recording before you rely on this.",
	grade.FlagUnverifiedQuote: "The judge quoted words that are not in the answer; keywords decided there.",
}

func figure(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }

func (p *printer) section(title string) { p.print("\n" + p.paint(bold, title) + "\n") }

func (p *printer) wrong(c *grade.Critique) {
	shown := map[string]bool{}
	started := false
	start := func() {
		if !started {
			p.section("Put right")
			started = true
		}
	}
	for i := range c.Misconceptions {
		m := &c.Misconceptions[i]
		if m.Decision != grade.Asserted {
			continue
		}
		start()
		p.quotes("  "+p.paint(red, "x")+" You said ", m.Evidence)
		p.para("    ", m.Correction)
		for _, e := range m.Evidence {
			shown[e.Quote] = true
		}
	}
	for i := range c.Points {
		pt := &c.Points[i]
		if pt.Decision != grade.Contradicted || slices.ContainsFunc(pt.Evidence, func(e grade.Evidence) bool { return shown[e.Quote] }) {
			continue
		}
		start()
		p.quotes("  "+p.paint(red, "x")+" You said ", pt.Evidence)
		p.para("    ", "This reads as the opposite of: "+pt.Statement)
	}
}

func (p *printer) met(c *grade.Critique) {
	points := byWeight(c, grade.Met)
	if len(points) == 0 {
		return
	}
	p.section("What counted")
	for _, pt := range points {
		p.para2("  "+p.paint(green, "+")+" ", "    ", pt.Statement)
		p.quotes("    ", pt.Evidence[:min(1, len(pt.Evidence))])
	}
}

func (p *printer) partly(c *grade.Critique) {
	points := byWeight(c, grade.PartlyMet)
	if len(points) == 0 {
		return
	}
	p.section("Half there")
	for _, pt := range points {
		p.para2("  "+p.paint(yellow, "~")+" ", "    ", pt.Statement)
		p.quotes("    ", pt.Evidence[:min(1, len(pt.Evidence))])
		if len(pt.Missing) > 0 {
			p.para("    ", "Not found: "+strings.Join(pt.Missing, "; "))
		}
	}
}

func byWeight(c *grade.Critique, d grade.Decision) []*grade.PointResult {
	var out []*grade.PointResult
	for i := range c.Points {
		if c.Points[i].Decision == d {
			out = append(out, &c.Points[i])
		}
	}
	slices.SortStableFunc(out, func(a, b *grade.PointResult) int { return b.Weight - a.Weight })
	return out
}

// nextTime lists what was missed, with what it would have added.
func (p *printer) nextTime(c *grade.Critique) {
	points := byWeight(c, grade.Missed)
	if len(points) == 0 {
		return
	}
	all := 0.0
	for i := range c.Points {
		all += float64(c.Points[i].Weight)
	}
	title := "Missed: a strong answer also says"
	if c.Mode == grade.ModeKeywords {
		title = "Not found in your words: a strong answer also says"
	}
	p.section(title)
	for _, pt := range points {
		gain := fmt.Sprintf("%+.0f", 100*float64(pt.Weight)/all)
		p.para2(fmt.Sprintf("  %4s  ", gain), "        ", pt.Statement)
	}
}

func (p *printer) habits(c *grade.Critique) {
	started := false
	for _, h := range c.Habits {
		if h.Decision != grade.Present {
			continue
		}
		if !started {
			p.section("A habit to work on")
			started = true
		}
		p.para("  ", h.Advice)
	}
}

func (p *printer) unmapped(c *grade.Critique, text string) {
	runes := []rune(text)
	var quotes []string
	n := 0
	for _, s := range c.Sentences {
		if s.Role != grade.Unmapped || s.End > len(runes) {
			continue
		}
		n++
		if len(quotes) < shownSentences {
			quotes = append(quotes, cut(string(runes[s.Start:s.End]), 70))
		}
	}
	if n == 0 || len(c.Sentences) < 3 {
		return
	}
	p.section(fmt.Sprintf("Earned nothing: %d of %d sentences", n, len(c.Sentences)))
	for _, q := range quotes {
		p.para("  ", p.paint(dim, "“"+q+"”"))
	}
}

func (p *printer) quotes(first string, evidence []grade.Evidence) {
	if len(evidence) == 0 {
		return
	}
	var parts []string
	for _, e := range evidence {
		q := "“" + cut(e.Quote, quoteRunes) + "”"
		if e.HeardAs != "" {
			q += " (heard as “" + e.HeardAs + "”)"
		}
		if e.StartMS != nil {
			q += " at " + transcript.Clock(*e.StartMS)
		}
		parts = append(parts, q)
	}
	p.para2(first, "    ", p.paint(dim, strings.Join(parts, " … ")))
}

// delivery says how the answer was spoken.
func (p *printer) delivery(c *grade.Critique) {
	d := c.Delivery
	if d == nil {
		return
	}
	p.section("How it was spoken")
	p.para("  ", d.String())
	for _, a := range d.Advice() {
		p.para("  ", a)
	}
}

// cut shortens a quote to about n runes by leaving out words in its middle.
func cut(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	head, tail := string(r[:n*2/3]), string(r[len(r)-n/3:])
	if i := strings.LastIndexByte(head, ' '); i > 0 {
		head = head[:i]
	}
	if i := strings.IndexByte(tail, ' '); i >= 0 && i+1 < len(tail) {
		tail = tail[i+1:]
	}
	return head + " … " + tail
}

func (p *printer) para(indent, text string) { p.para2(indent, indent, text) }

// para2 wraps text to the width, with one indent for the first line and another for the rest.
func (p *printer) para2(first, rest, text string) { p.print(Wrap(first, rest, text, p.width)) }

// Wrap breaks text into lines of at most width columns, with one indent for the first line and another for the rest.
// Escape sequences for colour take no room. Words are never cut.
func Wrap(first, rest, text string, width int) string {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(text, "\n") {
		line, used := first, visible(first)
		fresh := true
		for word := range strings.FieldsSeq(paragraph) {
			w := visible(word)
			if !fresh && used+1+w > width {
				out.WriteString(strings.TrimRight(line, " ") + "\n")
				line, used, fresh = rest, visible(rest), true
			}
			if !fresh {
				line += " "
				used++
			}
			line += word
			used += w
			fresh = false
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
		first = rest
	}
	return out.String()
}

// visible is the number of columns of s, escape sequences not counted.
func visible(s string) int {
	n := 0
	for {
		i := strings.IndexByte(s, '\x1b')
		if i < 0 {
			return n + utf8.RuneCountInString(s)
		}
		n += utf8.RuneCountInString(s[:i])
		j := strings.IndexByte(s[i:], 'm')
		if j < 0 {
			return n
		}
		s = s[i+j+1:]
	}
}
