package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/rubric"
)

type explainFlags struct {
	point string
	text  string
}

func newExplain(g *globals) *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain QUESTION [FILE|-]",
		Short: "Show why an answer did or did not hit the checks of a point",
		Example: `  grader explain event-loop-phases --point phase-order --text "timers, then poll, then check"
  grader explain event-loop-phases answer.txt`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: g.completeQuestion(true),
		RunE:              func(c *cobra.Command, args []string) error { return g.explain(args, f, c.Flags().Changed("text")) },
	}
	c.Flags().StringVar(&f.point, "point", "", "a point or misconception; without it all of them, a line each")
	c.Flags().StringVar(&f.text, "text", "", "the answer itself")
	completeFlag(c, "point", g.completePoint)
	return c
}

func (g *globals) explain(args []string, f explainFlags, textGiven bool) error {
	graders, err := g.graders()
	if err != nil {
		return err
	}
	q, p, err := graders.program(args[0])
	if err != nil {
		return err
	}
	point, misconception := -1, -1
	if f.point != "" {
		misconception = slices.IndexFunc(q.Misconceptions, func(m rubric.Misconception) bool { return m.ID == f.point })
		if misconception < 0 {
			if point, err = q.Point(f.point); err != nil {
				return err
			}
		}
	}
	text, err := g.answerText(args[1:], f.text, textGiven, "Type the answer")
	if err != nil {
		return err
	}
	r := p.Read(canon.Read(text, p.Lexicon()))
	switch {
	case misconception >= 0:
		printTokens(g.out, r.Text)
		fmt.Fprintf(g.out, "\nmisconception %s: %s\n", f.point, strings.ToLower(r.Misconception(misconception).Status.String()))
		printTraces(g.out, r.ExplainMisconception(misconception), 1)
	case point >= 0:
		printTokens(g.out, r.Text)
		fd := r.Point(point)
		fmt.Fprintf(g.out, "\npoint %s: %s", f.point, levelName(fd))
		if len(fd.Missing) > 0 {
			fmt.Fprintf(g.out, ", missing %s", strings.Join(fd.Missing, "; "))
		}
		fmt.Fprintln(g.out)
		printTraces(g.out, r.ExplainPoint(point), 1)
	default:
		explainAll(g.out, q, r)
	}
	return nil
}

// explainAll prints a line for every point and misconception.
func explainAll(w io.Writer, q *rubric.Question, r *check.Reading) {
	for i := range q.Points {
		fd := r.Point(i)
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-36s %-12s %s", q.Points[i].ID, levelName(fd), quotes(r, fd)), " "))
	}
	for i := range q.Misconceptions {
		a := r.Misconception(i)
		fmt.Fprintf(w, "%-36s %s\n", q.Misconceptions[i].ID, strings.ToLower(a.Status.String()))
	}
}

func levelName(f check.Finding) string {
	switch {
	case len(f.Against) > 0:
		return "contradicted"
	case f.Level == check.Full:
		return "hit"
	case f.Level == check.Partial:
		return "partial"
	}
	return strings.ToLower(f.Status.String())
}

func quotes(r *check.Reading, f check.Finding) string {
	var out []string
	for _, e := range append(f.Against, f.Support...) {
		s := r.Text.Quote(e.First, e.Last-1)
		out = append(out, fmt.Sprintf("%q", r.Text.Source[s.Start:max(s.Start, s.End)]))
	}
	return strings.Join(out, " ")
}

func printTokens(w io.Writer, t *canon.Text) {
	fmt.Fprintln(w, "canonical tokens (what stands before a word: / clause, // sentence; [..] free words):")
	for _, s := range t.Sentences {
		var b strings.Builder
		for i := s.First; i < s.Last; i++ {
			tok := &t.Tokens[i]
			if tok.Break == canon.BreakClause {
				b.WriteString(" /")
			}
			word := tok.Stem
			if tok.Free {
				word = "[" + word + "]"
			}
			if tok.IsNum && tok.Num.Unit != canon.UnitNone {
				word += map[canon.Unit]string{canon.UnitBytes: "B", canon.UnitMillis: "ms", canon.UnitPercent: "%"}[tok.Num.Unit]
			}
			if tok.Alias != nil {
				word += fmt.Sprintf("{heard %q}", tok.Alias.Heard)
			}
			b.WriteString(" " + word)
		}
		fmt.Fprintf(w, "  //%s\n", b.String())
	}
}

func printTraces(w io.Writer, traces []check.Trace, depth int) {
	indent := strings.Repeat("  ", depth)
	for _, t := range traces {
		fmt.Fprintf(w, "%s%s: %s", indent, t.Expr, strings.ToLower(t.Status.String()))
		if t.Status == check.Affirmed && t.Level == check.Partial {
			fmt.Fprint(w, " (partial)")
		}
		if t.Note != "" {
			fmt.Fprintf(w, " (%s)", t.Note)
		}
		fmt.Fprintln(w)
		for _, m := range t.Matches {
			fmt.Fprintf(w, "%s  · %q %s", indent, shorten(m.Quote, 100), strings.ToLower(m.Status.String()))
			if m.Why != "" {
				fmt.Fprintf(w, ", %s", m.Why)
			}
			if m.Heard != "" {
				fmt.Fprintf(w, ", %s", m.Heard)
			}
			fmt.Fprintln(w)
		}
		printTraces(w, t.Parts, depth+1)
	}
}

func shorten(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-3]) + "..."
}
