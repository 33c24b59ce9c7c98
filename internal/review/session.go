package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/render"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/transcript"
)

// Console is where a human is asked: a terminal, or lines of a script.
type Console interface {
	// Ask returns one of the choices, and a note where one came with it. At the end of input it is io.EOF, after an
	// interruption the context's error.
	Ask(ctx context.Context, decide, walk []Choice) (choice, note string, err error)
}

// Choice is what a human can answer, by a key or by its word.
type Choice struct {
	Key  rune
	Word string
}

// The choices. Their words are what label lines say.
var (
	pointChoices = []Choice{{'m', "met"}, {'p', "partial"}, {'x', "missed"}, {'c', "contradicted"}}
	claimChoices = []Choice{{'a', "asserted"}, {'r', "rejected"}, {'x', "absent"}}
	walkChoices  = []Choice{{'s', "skip"}, {'b', "back"}, {'u', "undo"}, {'q', "quit"}}
)

// Session walks a human through the items of a file.
type Session struct {
	File     *File
	Answers  Answers
	Reviewer string // written beside each decision unless empty
	Console  Console
	Out      io.Writer
	Width    int // columns; 0 means 80
	Color    bool

	hinted bool
}

// Outcome is what came of a session.
type Outcome struct {
	Saved int // decisions that were made, changed or undone
	Left  int // doubtful decisions that nobody has settled
}

// Run asks about every item that is not settled yet and saves each decision at once. It ends when all are seen, at
// the key to quit, at the end of input, and with the context.
func (s *Session) Run(ctx context.Context) (Outcome, error) {
	var out Outcome
	items := s.File.Items
	for i := nextOpen(items, 0); i < len(items); {
		it := &items[i]
		l, err := s.show(i)
		if err != nil {
			return s.count(out), err
		}
		choices := pointChoices
		if it.Misconception {
			choices = claimChoices
		}
		choice, note, err := s.Console.Ask(ctx, choices, walkChoices)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.count(out), err
		}
		switch choice {
		case "quit":
			return s.count(out), nil
		case "back":
			i = max(0, i-1)
			continue
		case "undo":
			if !it.Settled {
				fmt.Fprintln(s.Out, "Nothing to undo here.")
				continue
			}
			choice = ""
		case "skip":
			i = nextOpen(items, i+1)
			continue
		}
		if err := s.save(it, l, choice, note); err != nil {
			return s.count(out), err
		}
		out.Saved++
		if it.Settled {
			i = nextOpen(items, i+1)
		}
	}
	return s.count(out), nil
}

func nextOpen(items []Item, from int) int {
	for from < len(items) && items[from].Settled {
		from++
	}
	return from
}

func (s *Session) count(out Outcome) Outcome {
	for _, it := range s.File.Items {
		if !it.Settled {
			out.Left++
		}
	}
	return out
}

// save settles the item, or takes its decision back where there is no choice, and says what became of the score.
func (s *Session) save(it *Item, l *Line, choice, note string) error {
	before := l.Score()
	q := s.File.question(l.QuestionID)
	switch decision := strings.ToUpper(choice); {
	case choice == "":
		l.unsettle(q, *it)
	case it.Misconception:
		l.SettleMisconception(q, it.ID, Settled[grade.Claim]{grade.Claim(decision), note, s.Reviewer})
	default:
		l.SettlePoint(q, it.ID, Settled[grade.Decision]{grade.Decision(decision), note, s.Reviewer})
	}
	if err := s.File.Save(*it, l); err != nil {
		return err
	}
	it.Settled = choice != ""
	what := "Undone"
	if it.Settled {
		what = "Saved as " + choice
	}
	fmt.Fprintf(s.Out, "%s; score %s\n", what, change(before, l.Score()))
	return nil
}

func change(before, after *Score) string {
	b, a := scoreText(before), scoreText(after)
	if a == b {
		return "still " + a + "."
	}
	return b + ", now " + a + "."
}

func scoreText(s *Score) string {
	if s == nil {
		return "none"
	}
	text := fmt.Sprintf("%s (%s)", number(s.Low), s.Band)
	if s.High > s.Low {
		text = fmt.Sprintf("%s to %s (%s)", number(s.Low), number(s.High), s.Band)
	}
	return text
}

func number(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }

// show prints an item and returns its line.
func (s *Session) show(i int) (*Line, error) {
	it := s.File.Items[i]
	l, q, d, err := s.File.Line(it)
	if err != nil {
		return nil, err
	}
	s.para("\n", s.bold(fmt.Sprintf("[%d/%d]", i+1, len(s.File.Items)))+" "+Clean(l.Name()+": "+q.Title))
	if l.Asked != "" {
		s.para("  ", "Asked: "+Clean(l.Asked))
	}
	evidence := s.showDecision(q, &d)
	if decision, note := l.Settled(it); decision != "" {
		s.para("  ", strings.TrimRight("Settled as "+s.bold(strings.ToLower(decision))+". "+Clean(note), " "))
	}
	s.answer(l, evidence)
	return l, nil
}

// showDecision prints what was decided, on what, and why it is doubtful. It returns the quotes.
func (s *Session) showDecision(q *rubric.Question, d *Doubt) []Evidence {
	if m := d.Misconception; m != nil {
		i := slices.IndexFunc(q.Misconceptions, func(o rubric.Misconception) bool { return o.ID == m.ID })
		if i >= 0 {
			s.para("  ", fmt.Sprintf("Wrong claim (costs %d): %s", q.Misconceptions[i].Severity, s.bold(q.Misconceptions[i].Statement)))
			s.para("  ", "Why it is wrong: "+q.Misconceptions[i].WhyWrong)
		}
		s.para("  ", "The grader says "+s.bold("asserted")+". "+d.Why())
		return m.Evidence
	}
	p := d.Point
	s.para("  ", fmt.Sprintf("Point (weight %d, %s): %s", p.Weight, strings.ToLower(strings.ReplaceAll(p.Kind, "_", "-")), s.bold(p.Statement)))
	s.para("  ", "The grader says "+s.bold(word(p.Decision))+". "+d.Why())
	if j := p.Witnesses.Judge; j != nil && j.Reason != "" {
		s.para("  ", "The judge's reason: "+Clean(j.Reason))
	}
	return p.Evidence
}

// answer prints the text with the quotes marked, or the quotes alone where the text is not known.
func (s *Session) answer(l *Line, evidence []Evidence) {
	text := s.Answers.Text(l)
	if text == "" {
		for _, e := range evidence {
			s.para("  ", "Quote: "+s.mark(Clean(e.Quote)))
		}
		if !s.hinted {
			s.para("  ", "The answers are not in the results; with --answers and the batch's input they are shown.")
			s.hinted = true
		}
		return
	}
	title := "Answer"
	if len(evidence) > 0 && evidence[0].StartMS != nil {
		title += ", quoted at " + transcript.Clock(*evidence[0].StartMS)
	}
	s.para("  ", title+":")
	s.para("    ", s.marked(text, evidence))
}

// marked marks the quotes in the text, word by word so that lines can break inside them.
func (s *Session) marked(text string, evidence []Evidence) string {
	runes := []rune(text)
	var b strings.Builder
	at := 0
	sorted := slices.SortedFunc(slices.Values(evidence), func(a, b Evidence) int { return cmp.Compare(a.Start, b.Start) })
	for _, e := range sorted {
		start, end := max(e.Start, at), min(e.End, len(runes))
		if start >= end {
			continue
		}
		b.WriteString(Clean(string(runes[at:start])) + s.mark(Clean(string(runes[start:end]))))
		at = end
	}
	b.WriteString(Clean(string(runes[at:])))
	return b.String()
}

func (s *Session) mark(quote string) string {
	if !s.Color {
		return "»" + quote + "«"
	}
	words := strings.Fields(quote)
	for i, w := range words {
		words[i] = "\x1b[7m" + w + "\x1b[0m"
	}
	return strings.Join(words, " ")
}

func (s *Session) bold(text string) string {
	if !s.Color {
		return Clean(text)
	}
	words := strings.Fields(Clean(text))
	for i, w := range words {
		words[i] = "\x1b[1m" + w + "\x1b[0m"
	}
	return strings.Join(words, " ")
}

const defaultWidth = 80

func (s *Session) para(indent, text string) {
	width := cmp.Or(s.Width, defaultWidth)
	fmt.Fprint(s.Out, render.Wrap(indent, strings.TrimLeft(indent, "\n"), text, min(width, 100)))
}

// Clean takes out what could steer a terminal: answers are strangers' words.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || canon.HiddenRune(r):
			return -1
		}
		return r
	}, s)
}
