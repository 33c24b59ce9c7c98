package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
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
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error { return g.explain(args, f) },
	}
	c.Flags().StringVar(&f.point, "point", "", "a point or misconception; without it all of them, a line each")
	c.Flags().StringVar(&f.text, "text", "", "the answer itself")
	return c
}

func (g *globals) explain(args []string, f explainFlags) error {
	graders, err := g.graders()
	if err != nil {
		return err
	}
	q, p, err := graders.program(args[0])
	if err != nil {
		return err
	}
	text, err := g.answerText(args[1:], f.text)
	if err != nil {
		return err
	}
	r := p.Read(canon.Read(text, p.Lexicon()))
	if f.point == "" {
		for i := range q.Points {
			fd := r.Point(i)
			fmt.Fprintf(g.out, "%-36s %-8s %s\n", q.Points[i].ID, levelName(fd), quotes(r, fd))
		}
		for i := range q.Misconceptions {
			a := r.Misconception(i)
			fmt.Fprintf(g.out, "%-36s %s\n", q.Misconceptions[i].ID, strings.ToLower(a.Status.String()))
		}
		return nil
	}
	printTokens(g.out, r.Text)
	for i := range q.Misconceptions {
		if q.Misconceptions[i].ID == f.point {
			fmt.Fprintf(g.out, "\nmisconception %s: %s\n", f.point, strings.ToLower(r.Misconception(i).Status.String()))
			printTraces(g.out, r.ExplainMisconception(i), 1)
			return nil
		}
	}
	i, err := q.Point(f.point)
	if err != nil {
		return err
	}
	fd := r.Point(i)
	fmt.Fprintf(g.out, "\npoint %s: %s", f.point, levelName(fd))
	if len(fd.Missing) > 0 {
		fmt.Fprintf(g.out, ", missing %s", strings.Join(fd.Missing, "; "))
	}
	fmt.Fprintln(g.out)
	printTraces(g.out, r.ExplainPoint(i), 1)
	return nil
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
