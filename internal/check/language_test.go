package check_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/diag"
	"github.com/vivagrader/grader/internal/rubric"
)

const bankYAML = `apiVersion: grader/v1
id: pots
title: Pots
language: en
version: 1.0.0
sets:
  maker: "potter | ceramist"
`

const questionHead = `apiVersion: grader/v1
id: pots
number: 1
category: pots
stage: screen
title: Pots
prompt: "What is a good pot?"
expect_seconds: 30
follow_up: "Why?"
`

// question has one point whose keys, check and the like, are given as YAML with an indent of four, and what comes after
// the points.
func question(point, rest string) string {
	return questionHead + "points:\n  - id: pot\n    kind: mechanism\n    weight: 1\n    statement: \"A pot.\"\n" + point + rest
}

// compile compiles a question file that can be decoded.
func compile(tb testing.TB, file string) (*check.Program, error) {
	tb.Helper()
	b, err := rubric.Open(fstest.MapFS{"bank.yaml": {Data: []byte(bankYAML)}, "pots.yaml": {Data: []byte(file)}}, "bank")
	require.NoError(tb, err)
	q, err := b.Question("pots")
	require.NoError(tb, err)
	return check.Compile(q)
}

// outcome is a finding in one word, with what is missing behind it.
func outcome(f check.Finding) string {
	s := strings.ToLower(f.Status.String())
	switch {
	case len(f.Against) > 0 && f.Status == check.Reversed:
		s = "reversed"
	case len(f.Against) > 0:
		s = "contradicted"
	case f.Level == check.Full:
		s = "hit"
	case f.Level == check.Partial:
		s = "partial"
	}
	if len(f.Missing) > 0 && f.Level == check.Partial {
		s += ": " + strings.Join(f.Missing, ", ")
	}
	return s
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	type texts map[string]string
	tests := []struct {
		name  string
		check string
		texts texts
	}{
		{"phrase", `check: "round pot"`, texts{
			"It is a round pot.":                    "hit",
			"Round pots are best.":                  "hit",
			"It is a round heavy pot.":              "hit",    // one other word in between
			"It is round, heavy pots are not.":      "absent", // a phrase does not run over a comma and a word
			"The pot is round.":                     "absent",
			"It is round. Pots are heavy.":          "absent", // not across a sentence's end
			"It is not a round pot.":                "contradicted",
			"It does not use that round pot.":       "contradicted",
			"They never touch this round pot.":      "contradicted",
			"Is it a round pot? I don't know.":      "hedged",
			"Some people say it is a round pot.":    "hedged",
			"I've heard it is a round pot.":         "hedged",
			"You need a round pot. Well, no.":       "hedged",
			"They are round pots. They aren't.":     "hedged",
			"It is a round pot. It isn't, if flat.": "hedged",
			"It is a square pot, not a round pot.":  "contradicted",
			"Not a flat pan but a round pot.":       "hit",
			"but not for pans those are round pots": "hit",
			"It's a round pot, no wait, a flat one": "hedged",
		}},
		{"alternatives", `check: "round | oval"`, texts{
			"It is oval.":  "hit",
			"It is round.": "hit",
			"It is flat.":  "absent",
		}},
		{"optional word", `check: "round clay? pot"`, texts{
			"A round clay pot.": "hit",
			"A round pot.":      "hit",
		}},
		{"prefix", `check: "ceram*"`, texts{
			"It is ceramic.":   "hit",
			"I like ceramics.": "hit",
			"It is clay.":      "absent",
		}},
		{"in order within a sentence", `check: "clay .. fired"`, texts{
			"The clay is shaped, dried, and then fired.": "hit",
			"It is fired, and made of clay.":             "absent",
		}},
		{"near in any order", `check: "clay & fired"`, texts{
			"It is fired and made of clay.":         "hit",
			"It is made of clay. Then it is fired.": "hit", // across a sentence's end
			"It is made of clay.":                   "absent",
		}},
		{"near within so many steps", `check: "clay &3 fired"`, texts{
			"clay is fired": "hit",
			"clay, which everybody in the village has, gets fired": "absent",
		}},
		{"near without", `check: "clay & fired &! twice"`, texts{
			"The clay is fired.":                         "hit",
			"The clay is fired twice.":                   "absent",
			"The clay is fired. Some do it twice a day.": "hit", // other sentences do not count
		}},
		{"near as a mapping", `check: {near: ["clay", "fired"], within: 6, unless: "twice"}`, texts{
			"The clay is fired.":       "hit",
			"The clay is fired twice.": "absent",
		}},
		{"brackets and precedence", `check: "(clay | stone) pot & fired | wooden bowl"`, texts{
			"A stone pot is fired.": "hit",
			"A wooden bowl.":        "hit",
			"A clay pot.":           "absent",
		}},
		{"set of the bank", `check: "$maker"`, texts{
			"The ceramist makes it.": "hit",
			"The baker makes it.":    "absent",
		}},
		{"denied", `check: "~leak*"`, texts{
			"It does not leak.":              "hit",
			"It never leaks.":                "hit",
			"It leaks.":                      "absent",
			"A pot without leaking is good.": "hit",
		}},
		{"denied group", `check: "~(pot & glaze)"`, texts{
			"A pot needs no glaze.":  "hit",
			"The pot gets a glaze.":  "absent",
			"The pot has no handle.": "absent",
		}},
		{"denied as a mapping", `check: {denied: "pot & glaze"}`, texts{
			"A pot needs no glaze.": "hit",
		}},
		{"negation in the pattern", `check: "not leak"`, texts{
			"It does not leak.": "hit",
		}},
		{"asked", `check: {asked: "how hot"}`, texts{
			"First, how hot does it get?": "hit",
		}},
		{"not asked", `check: "how hot"`, texts{
			"First, how hot does it get? I don't know.": "hedged",
		}},
		{"list of alternatives", `check: ["round pot", {near: ["clay", "fired"]}]`, texts{
			"A round pot.":     "hit",
			"Clay gets fired.": "hit",
		}},
		{"any", `check: {any: ["round pot", "clay"]}`, texts{"It is clay.": "hit"}},
		{"all", `check: {all: ["round", "heavy", "fired"]}`, texts{
			"It is heavy. It is round. It was fired.": "hit",
			"It is heavy and round.":                  "partial",
			"It is heavy.":                            "absent",
		}},
		{"at least", `check: {at_least: 2, of: ["clay", "stone", "wood"]}`, texts{
			"It can be of stone or of wood.": "hit",
			"It can be of stone.":            "partial",
			"It can be of glass.":            "absent",
		}},
		{"order", `check: {order: ["shape", "dry", "fire", "glaze"]}`, texts{
			"First you shape it, then dry it, then fire it and glaze it.": "hit",
			"First you fire it, then you shape it, dry it and glaze it.":  "reversed",
			"You shape it and then you dry it.":                           "partial",
			"You glaze it.":                                               "absent",
		}},
		{"order of fewer", `check: {order: ["shape", "dry", "fire", "glaze"], need: 3}`, texts{
			"You shape it, fire it and glaze it.": "hit",
		}},
		{"cyclic order", `check: {order: ["spring", "summer", "autumn", "winter"], cyclic: true}`, texts{
			"Autumn, then winter, then spring, and then summer comes.": "hit",
			"Autumn comes, then spring, then winter, then summer.":     "reversed",
		}},
		{"before", `check: {before: {first: "drying", then: "firing"}}`, texts{
			"Drying comes before firing.":   "hit",
			"Firing comes after drying.":    "hit",
			"Once drying is done, firing.":  "hit",
			"Drying, followed by firing.":   "hit",
			"Drying → firing":               "hit",
			"Firing comes before drying.":   "reversed",
			"Drying comes after firing.":    "reversed",
			"Both drying and firing count.": "absent",
		}},
		{"before, within", `check: {before: {first: "drying", then: "firing"}, within: 4}`, texts{
			"Drying before firing.": "hit",
			"Drying is what everybody in our whole village does well before firing.": "absent",
		}},
		{"figure in a phrase", `check: "16 KB buffer | 4 thread"`, texts{
			"a sixteen kilobyte buffer": "hit",
			"a 16KB buffer":             "hit",
			"a 16384 byte buffer":       "hit",
			"a 17 KB buffer":            "absent",
			"four threads":              "hit",
		}},
		{"number", `check: {number: 200 ms}`, texts{
			"It takes two hundred milliseconds.": "hit",
			"It takes 0.2 seconds.":              "hit",
			"It takes 200 bytes.":                "absent",
			"It does not take 200 ms.":           "contradicted",
		}},
		{"number between", `check: {number: {min: 50 ms, max: 200 ms}}`, texts{
			"It takes 100 ms.": "hit",
			"It takes 300 ms.": "absent",
			"It takes 100 KB.": "absent",
		}},
		{"number at least", `check: {near: [{number: {min: 1000}}, "pot"]}`, texts{
			"We made 5000 pots.": "hit",
			"We made 500 pots.":  "absent",
		}},
		{"parts", "check:\n      parts:\n        the clay: \"clay\"\n        the fire: \"fired\"\n        the glaze: \"glaze\"", texts{
			"The clay is fired and gets a glaze.": "hit",
			"The clay is fired.":                  "partial: the glaze",
			"The clay is good.":                   "absent",
			"The clay is not fired.":              "contradicted",
		}},
		{"parts, partial at one, need two", "check:\n      parts:\n        the clay: \"clay\"\n        the fire: \"fired\"\n        the glaze: \"glaze\"\n      need: 2\n      partial_at: 1", texts{
			"The clay is fired.": "hit",
			"The clay is good.":  "partial: the fire, the glaze",
		}},
		{"partial", "check: \"clay & fired\"\n    partial: \"clay\"", texts{
			"Clay is what you need.": "partial",
			"Clay gets fired.":       "hit",
		}},
		{"contradicted", "check: \"round\"\n    contradicted: \"square\"", texts{
			"It is round.":               "hit",
			"It is square.":              "contradicted",
			"It is round, not square.":   "hit",
			"It is square and not round": "contradicted",
		}},
		{"name", "check: \"fire* & clay\"\n    name: \"kiln | furnace\"", texts{
			"Clay is fired in a kiln.": "hit",
			"Clay is fired.":           "partial: kiln",
			"It goes into a kiln.":     "absent",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := compile(t, question("    "+tt.check+"\n", ""))
			require.NoError(t, err)
			got := texts{}
			for text := range tt.texts {
				got[text] = outcome(p.Read(canon.Read(text, p.Lexicon())).Point(0))
			}
			if diff := cmp.Diff(tt.texts, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.check, diff)
			}
		})
	}
}

func TestMisconceptionsAndHabits(t *testing.T) {
	t.Parallel()
	p, err := compile(t, question("    check: \"round\"\n", "misconceptions:\n  - id: flat\n    statement: \"A pot is flat.\"\n    why_wrong: \"It is round.\"\n    check: \"pot .. flat\"\n"))
	require.NoError(t, err)
	for text, want := range map[string]check.Status{
		"A pot is flat.":                         check.Affirmed,
		"A pot is not flat.":                     check.Denied,
		"It is a myth that a pot is flat.":       check.Hedged,
		"Unlike a pan, a pot is round.":          check.Absent,
		"Some say a pot is flat, but it is not.": check.Hedged,
	} {
		got := p.Read(canon.Read(text, p.Lexicon())).Misconception(0)
		require.Equal(t, want, got.Status, text)
	}
}

func TestEvidenceIsWhereTheWordsStand(t *testing.T) {
	t.Parallel()
	p, err := compile(t, question("    check: \"round pot\"\n", ""))
	require.NoError(t, err)
	const text = "Well, I like flat pans. But 🍵 a Round Pot is best."
	r := p.Read(canon.Read(text, p.Lexicon()))
	f := r.Point(0)
	require.Len(t, f.Support, 1)
	span := r.Text.Quote(f.Support[0].First, f.Support[0].Last-1)
	require.Equal(t, "Round Pot", text[span.Start:span.End])
}

func TestCompileReportsEveryMistake(t *testing.T) {
	t.Parallel()
	first := strings.Count(questionHead, "\n") + 1 + 5 // the line of the first key of the point
	tests := []struct {
		name, point, rest string
		want              []string // line:column: message, the line counted from that one
	}{
		{"unknown set", "    check: \"round & $shape\"\n", "", []string{"0:21: unknown set $shape"}},
		{"bracket", "    check: \"round & (pot | jug\"\n", "", []string{"0:31: a bracket is not closed"}},
		{"stray bracket", "    check: \"round) pot\"\n", "", []string{"0:18: unexpected \")\""}},
		{"empty", "    check: \"\"\n", "", []string{"0:12: the expression is empty"}},
		{"empty alternative", "    check: \"round |\"\n", "", []string{"0:20: a phrase is missing here"}},
		{"nothing before ..", "    check: \".. pot\"\n", "", []string{"0:12: nothing stands before .."}},
		{"denial of nothing", "    check: \"round ~\"\n", "", []string{"0:20: ~ denies"}},
		{"distance", "    check: \"round &900 pot\"\n", "", []string{"0:23: the distance after & must be 1 to 200"}},
		{"stray ?", "    check: \"? round\"\n", "", []string{"0:12: \"?\" stands behind a word"}},
		{"only optional", "    check: \"round? pot?\"\n", "", []string{"0:24: a phrase is missing here"}},
		{"unknown node", "    check: {nearby: [\"a\"]}\n", "", []string{"0:12: expected one of the keys any, all"}},
		{"near of text", "    check: {near: \"a\"}\n", "", []string{"0:19: expected a list of expressions"}},
		{"before without then", "    check: {before: {first: \"a\"}}\n", "", []string{"0:21: before needs the keys first and then"}},
		{"at_least without of", "    check: {at_least: 2}\n", "", []string{"0:12: at_least needs a list beside it: of"}},
		{"at_least too many", "    check: {at_least: 3, of: [\"x\", \"b\"]}\n", "", []string{"0:23: at_least must be a whole number from 1 to 2"}},
		{"number", "    check: {number: many}\n", "", []string{"0:21: expected a figure"}},
		{"key beside", "    check: {near: [\"x\"], about: 3}\n", "", []string{"0:26: unknown key \"about\"; known beside it: near, within, unless"}},
		{"without", "    check: {without: \"a\"}\n", "", []string{"0:12: write \"A &! B\""}},
		{"parts", "    check: {parts: [\"a\"]}\n", "", []string{"0:20: parts must map names to expressions"}},
		{"need", "    check: {parts: {x: \"x\"}, need: 2}\n", "", []string{"0:36: need must be a whole number from 1 to 1"}},
		{"cycle", "    check: \"$a\"\n", "sets:\n  a: \"x | $b\"\n  b: \"y | $a\"\n", []string{"2:6: set $a refers to itself", "3:6: set $b refers to itself"}},
		{"several", "    check: \"round & $shape\"\n    partial: \"(\"\n    name: {number: x}\n", "misconceptions:\n  - {id: flat, statement: \"A.\", why_wrong: \"B.\", check: \"$no\"}\n",
			[]string{"0:21: unknown set $shape", "1:16: a phrase is missing", "2:20: expected a figure", "4:57: unknown set $no"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := compile(t, question(tt.point, tt.rest))
			var list diag.List
			require.ErrorAs(t, err, &list)
			var got []string
			for _, d := range list {
				require.Equal(t, "bank/pots.yaml", d.File)
				require.NotEmpty(t, d.Rule)
				got = append(got, fmt.Sprintf("%d:%d: %s", d.Line-first, d.Column, d.Message))
			}
			require.Len(t, got, len(tt.want), "%q", got)
			for i := range got {
				require.True(t, strings.HasPrefix(got[i], tt.want[i]), "got  %s\nwant %s", got[i], tt.want[i])
			}
		})
	}
}

// FuzzCompile holds that compiling and running an expression never panics, that mistakes come as diagnostics with a
// place, and that evidence stays inside the text.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"round pot", "a | b & c &! d", "a &12 b", "clay .. fired", "word? pot*", "$maker (a | b)", "~(x & y) ~z", "16 KB | 50 %", "process.nextTick",
		"--max-old-space-size", "((((", "a..b", "for...of", "&", "~", "$", "a & ", "?*!", "\u00e9\u200b🍵", "a &! b &! c", "... ..", "one | 1",
	} {
		f.Add(seed, "The potter fires a round clay pot of 16 KB; it is not 50 % and never leaks. process.nextTick?")
	}
	bank, err := rubric.Open(fstest.MapFS{"bank.yaml": {Data: []byte(bankYAML)}, "pots.yaml": {Data: []byte(question("    check: \"pot\"\n", ""))}}, "bank")
	require.NoError(f, err)
	sound, err := bank.Question("pots")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, expr, text string) {
		q := *sound
		q.Points = append([]rubric.Point(nil), sound.Points...)
		node := *sound.Points[0].Check
		node.Value = expr
		q.Points[0].Check = &node
		p, err := check.Compile(&q)
		if err != nil {
			var list diag.List
			require.ErrorAs(t, err, &list)
			for _, d := range list {
				require.Positive(t, d.Line)
				require.Positive(t, d.Column)
			}
			return
		}
		r := p.Read(canon.Read(text, p.Lexicon()))
		got := r.Point(0)
		for _, e := range append(got.Support, got.Against...) {
			require.GreaterOrEqual(t, e.First, 0)
			require.Less(t, e.First, e.Last)
			require.LessOrEqual(t, e.Last, len(r.Text.Tokens))
		}
		r.ExplainPoint(0)
	})
}
