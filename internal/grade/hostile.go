package grade

import (
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/canon"
)

// hostileRule is one way of speaking to the grader. A sentence that holds none of the literals in need is never matched, which
// makes honest answers cheap.
type hostileRule struct {
	need string // literals, separated by |
	expr string
	also string // literals of which every match of expr holds one: cheaper to look for than expr
}

// The words that the rules are made of.
const (
	graders = `(?:graders?|grading (?:system|model|engine|bot|service|tool|assistant)|evaluators?|evaluation (?:system|service|model|bot)|scoring (?:system|model|engine|bot)|examiners?|assessors?|reviewers?|raters?|judges?|markers?|(?:ai|llm|model|assistant|bot|system) (?:that|who|which)(?: is|'s)? (?:scor|grad|evaluat|assess|review|mark)\w*|language model|ai assistant|a\.?i\.? (?:grader|judge|evaluator))`
	award   = `(?:award|give|grant|assign|record|enter|return|output|print|report|set|mark|score|grade|rate|count|treat|consider|accept)\w*`
	prize   = `(?:(?:full|top|maximum|max|highest|perfect|best|all)(?: possible)?(?: the)? (?:marks?|scores?|points?|credit|grades?|band|rating)|the maximum|100 ?(?:/|out of|%|percent|points)|10 ?(?:/|out of) ?10|[59] ?(?:/|out of) ?(?:5|10)|nine out of (?:a )?ten|ten out of ten|as (?:met|correct|complete|passed)|strong hire)`

	needGrader = "grader|grading|evaluat|scoring|examiner|assessor|reviewer|rater|judge|marker|language model|ai assistant|that is|who is|that's"
	needPrize  = "full |top |maxim|max |highest|perfect|best possible|all marks|all the marks|all points|all the points|100/100|100 out|100%|100 points|10/10|10 out|5/5|5 out|9/10|nine out|ten out|as met|as correct|as complete|as passed|strong hire"

	alsoGrader = "scor|grad|evaluat|assess|review|mark|examiner|rater|judge|language model|ai assistant"
	alsoPrize  = "mark|score|point|credit|grade|band|rating|the maximum|/|out of|%|percent|as met|as correct|as complete|as passed|strong hire"
)

// hostileRules are what sentences say that are addressed to whoever grades, not to the interviewer. Each needs two
// signs, so that a sorted set's score, mark-and-sweep or a system's instructions stay where they are.
var hostileRules = []hostileRule{
	// somebody who grades is told what to do
	{needGrader, `\b` + graders + `\b.*\b(?:must|should|shall|have to|has to|please|need to|are to|is to|instruct\w*|ignore|award|give|record|score|accept|skip|overlook)\b`, alsoGrader},
	{needGrader, `\b(?:dear|attention|note to(?: the)?|hey|hello|hi|message (?:to|for)(?: the)?|for the|as the|you are(?: now)?(?: no longer)?(?: a| the)?|you're(?: now)?(?: no longer)?(?: a| the)?)[ ,:]+` + graders + `\b`, alsoGrader},
	{needPrize, `\b` + award + `\b.{0,40}\b` + prize, alsoPrize},
	{needPrize, `\b` + prize + `.{0,30}\b(?:for (?:this|my|the) (?:answer|response|question|candidate|submission)|please|to (?:this|my|the) (?:answer|response|submission))`, alsoPrize},
	{"deserve", `\bdeserves? .{0,20}` + prize, ""},
	// the instructions themselves are turned round
	{"ignore|disregard|forget|override|bypass", `\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instructions?|rubric|prompt|criteria|guidelines|rules above|previous (?:text|message)|system message|reference answer)\b`, "instruction|rubric|prompt|criteria|guidelines|rules above|previous |system message|reference answer"},
	{"here on|now on|henceforth", `\b(?:from (?:here|now) on|henceforth)\b.{0,30}\byou (?:are|will|must)\b`, ""},
	{"you are now|you are no longer|you're now|you're no longer", `\byou(?: are|'re) (?:now|no longer) (?:a|an|the|in)\b`, ""},
	{"character|play a game|play that|pretend|act as|role-play|roleplay|let's play|stay in", `\b(?:stay in character|let's play (?:a game|that)|pretend (?:that )?(?:you|to be)|act as (?:a|an|the|if you)|role-?play)\b`, ""},
	{"print exactly|print only|output exactly|output only|output the json|reply with|respond with|print verbatim|output verbatim|say exactly|print this|output this|print the following|output the following", `\b(?:print|output|reply with|respond with|say) (?:exactly|only|verbatim|the json|this string|the following)\b`, ""},
	{"verbatim", `\bverbatim and stop\b`, ""},
	{"do not mention|do not reveal|do not quote|do not include|do not deduct|do not penal", `\bdo not (?:mention|reveal|quote|include|deduct|penali[sz]e)\b.{0,40}\b(?:notice|instruction|comment|missing points?|evidence|feedback|output)\b`, ""},
	{"delete|remove|drop", `\b(?:delete|remove|drop) this (?:comment|notice|note|line)\b`, " this "},
	{"system|developer|admin", `\b(?:system|developer|admin) (?:prompt|override|notice)\b`, "prompt|override|notice"},
	// a verdict or a rubric of the candidate's own making
	{"score|verdict|grade|missing_points|rationale|points_awarded", `"(?:score|max_?score|final_?score|verdict|grade|missing_points|rationale|points_awarded)"\s*:`, "\""},
	{"final grade|final score|final mark|final verdict|final evaluation|overall grade|overall score|overall mark|overall verdict|total score|total mark", `\b(?:final|overall|total) (?:grade|score|mark|verdict|evaluation)\b\s*[:=]`, ""},
	{"final answer|solution", `\b(?:final answer|solution)\s*:\s*(?:correct|yes|pass|see above)`, ""},
	{"score:|score =|score=|score :|grade:|grade :|mark:|rating:|grade=|mark =|rating =", `\b(?:score|grade|mark|rating)\s*[:=]\s*\d+\s*(?:/|out of)\s*\d+`, ""},
	{"all criteria|all rubric|all key points|all requirements", `\ball (?:criteria|rubric points|key points|requirements)\b.{0,30}\b(?:satisfied|met|covered|fulfilled|passed)\b`, ""},
	{"rubric|criteri|reference", `\b(?:rubric|criteria|criterion|reference (?:answer|solution))\b.{0,60}\b(?:corrupted|withdrawn|changed|updated|replaced|attached|no longer|satisfied|waived|suspended|is met|are met)\b`, ""},
	{"as if", `\b(?:scored|graded|treated) as if (?:it|this|they)\b`, ""},
	{"expected output|highest band|calibration|evaluation", `\bexpected output\s*:|\bhighest band\b|\bcalibration (?:item|sample|answer)\b|\bevaluation (?:complete|service|notice|mode)\b`, ""},
	{"response|submission|candidate", `\b(?:the|this|my|their|candidate's|student's) (?:response|submission|candidate|candidate answer)\b.{0,20}\b(?:covers?|covered|match\w*|identif\w*|satisf\w*|demonstrat\w*|is (?:complete|correct|perfect|excellent)|deserves|mentions|addresses|names|explain\w*|went on)\b`, "cover|match|identif|satisf|demonstrat|is complete|is correct|is perfect|is excellent|deserves|mentions|addresses|names|explain|went on"},
	{"the answer |this answer ", `\b(?:the|this) answer (?:covers|matches|satisfies|deserves|identifies|demonstrates|addresses all|is (?:complete and|fully|entirely|perfect|excellent))\b`, ""},
	{"compare|criteri", `\bcompare the (?:response|answer|submission) with\b|\b(?:each|every) criterion\b`, ""},
	{"nothing is|no mistakes", `\bnothing is (?:missing|wrong)\b.*\b(?:missing|wrong)\b|\bi found no mistakes\b`, ""},
	// authority and flattery
	{"hiring|panel|interviewer|recruiter|human grader|examination board", `\b(?:hiring committee|panel|interviewers?|recruiter|human graders?|examination board|hiring manager)\b.{0,40}\b(?:approved|agreed on|already (?:graded|scored|passed)|signed off|confirmed)\b`, ""},
	{"already approved|already graded|already scored|already been", `\balready (?:approved|graded|scored|been (?:graded|scored|approved|fully graded))\b`, ""},
	{"approved |agreed |sign-off|signoff", `\b(?:approved|agreed) (?:number|score|mark|grade)\b|\bsign-?off\b.{0,30}\b(?:as me|score)\b`, ""},
	{"owner|author |designer|principal engineer|creator", `\b(?:owner|author|designer|principal engineer|creator)\b.{0,50}\b(?:question bank|this rubric|this interview|this test)\b`, ""},
	{"you're a|you are a|you're the|you are the|you're really|you're such|the ai that", `\byou(?:'re| are) (?:a |an |the |such )*(?:really |truly )?(?:excellent|best|great|wonderful|fairest?) (?:evaluator|grader|model|judge|examiner|ai)\b|\bthe ai that is\b`, ""},
	{"before you", `\bbefore you (?:score|grade|evaluate|mark)\b`, ""},
	{"mark", `\bclosing remark\b.*\bmark\b|\b(?:full|top) marks\b`, ""},
	// delimiters and markup of a prompt
	{"<", `</?(?:answer|candidate\w*|grader\w*|final_?score|system|instructions?|user|assistant|submission|rubric|evaluation)\b[^>]*>|<!--|<\|[a-z_]+\|>`, ""},
	{"-->", `-->`, ""},
	{"[", `\[/?(?:system|inst|admin|grader)\]`, ""},
	{"===", `={3,}.*(?:end|start|begin|input|candidate).*={3,}`, ""},
	{"##", `^\s*#{2,}\s*(?:grader|system|instruction|final|evaluation|score)`, ""},
	{"system|assistant|grader|scratchpad", `^\s*(?:system|assistant|grader|scratchpad)\s*:`, ":"},
	// the same in other languages
	{"bewert|prüf|punkt|anweisung", `\b(?:bewertungssystem|prüfungsamt|punktzahl|anweisung an das)\b`, ""},
	{"评|满分|给分", `评分|满分|评语|给分`, ""},
	{"note|nota|puntua|evaluaci|compte|pontua|ignor", `\bnote maximale\b|\bpuntuaci[oó]n m[aá]xima\b|\bnota final\b|\bfin de la evaluaci[oó]n\b|\bne pas tenir compte\b|\bpontuação máxima\b|\bignora(?:re|r)? (?:las|le|todas|tutte)\b`, "note maximale|puntuaci|nota final|fin de la|ne pas tenir|pontua|ignora"},
}

type compiledRule struct {
	also []string
	re   func() *regexp.Regexp // compiled when a text first holds one of the literals
}

// ruleSet finds the rules whose literals a text holds in one pass. Literals are listed by their first byte: those that
// begin like a word count at the beginning of a word only, the others anywhere.
type ruleSet struct {
	rules    []compiledRule
	words    [256][]literal
	anywhere [256][]literal
}

type literal struct {
	text  string
	rules []int
}

func addLiteral(list []literal, text string, rule int) []literal {
	for i := range list {
		if list[i].text == text {
			list[i].rules = append(list[i].rules, rule)
			return list
		}
	}
	return append(list, literal{text, []int{rule}})
}

var compiledRules = sync.OnceValue(func() *ruleSet {
	rs := &ruleSet{}
	for i, r := range hostileRules {
		c := compiledRule{re: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?is)` + r.expr) })}
		if r.also != "" {
			c.also = strings.Split(r.also, "|")
		}
		rs.rules = append(rs.rules, c)
		for l := range strings.SplitSeq(r.need, "|") {
			list := &rs.anywhere[l[0]]
			if len(l) >= 3 && wordStart(l[0]) && wordStart(l[1]) && wordStart(l[2]) {
				list = &rs.words[l[0]]
			}
			*list = addLiteral(*list, l, i)
		}
	}
	return rs
})

func wordStart(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b >= utf8.RuneSelf
}

// suspicion is a rule's literal at a place of the text.
type suspicion struct{ rule, at int }

// suspicions lists where text, in lower case, holds the literals of rules.
func (rs *ruleSet) suspicions(text string) []suspicion {
	var out []suspicion
	find := func(list []literal, at int) {
		for _, l := range list {
			if strings.HasPrefix(text[at:], l.text) {
				for _, rule := range l.rules {
					out = append(out, suspicion{rule, at})
				}
			}
		}
	}
	inWord := false
	for i := range len(text) {
		b := text[i]
		start := wordStart(b)
		if start && !inWord {
			find(rs.words[b], i)
		}
		if list := rs.anywhere[b]; list != nil {
			find(list, i)
		}
		inWord = start
	}
	return out
}

// matches reports whether the rule holds of a sentence; plain: in lower case and without hidden characters.
func (c *compiledRule) matches(sentence string, plain bool) bool {
	if plain && len(c.also) > 0 && ascii(sentence) && !holds(sentence, c.also) {
		return false
	}
	return c.re().MatchString(strings.ReplaceAll(sentence, "\x01", ""))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func holds(text string, literals []string) bool {
	return slices.ContainsFunc(literals, func(l string) bool { return strings.Contains(text, l) })
}

// blocks are stretches that belong together once their opening is there.
var blocks = sync.OnceValue(func() []*regexp.Regexp {
	var out []*regexp.Regexp
	for _, p := range []string{
		`\[(?:system|inst|admin|grader)[^\]]*\].*?(?:\[/(?:system|inst|admin|grader)[^\]]*\]|$)`,
		`<!--.*?(?:-->|$)`,
		`<(?:grader\w*|system|final_?score|evaluation|instructions?)\b[^>]*>.*?(?:</(?:grader\w*|system|final_?score|evaluation|instructions?)>|$)`,
		`</(?:candidate_?\w*|answer|submission|response|user)>.*?(?:<(?:candidate_?\w*|answer|submission|response|user)>|$)`,
		`\{\s*"(?:score|max_?score|verdict|points|grade|result)"[^{}]*(?:\{[^{}]*\}[^{}]*)*\}`,
	} {
		out = append(out, regexp.MustCompile(`(?is)`+p))
	}
	return out
})

// hostileSpans finds what speaks to the grader: whole blocks, and sentences of which a rule holds.
func hostileSpans(text string) []canon.Span {
	lower := strings.ToLower(text)
	folded := len(lower) == len(text)
	if !folded { // folding changed lengths somewhere: the rules fold by themselves
		lower = text
	}
	plain := lower
	if !ascii(lower) && strings.IndexFunc(lower, canon.HiddenRune) >= 0 {
		plain = blankHidden(lower)
	}
	var spans []canon.Span
	if holds(plain, []string{"[", "<", "{"}) {
		for _, b := range blocks() {
			for _, m := range b.FindAllStringIndex(plain, -1) {
				spans = append(spans, canon.Span{Start: m[0], End: m[1]})
			}
		}
	}
	rs := compiledRules()
	found := rs.suspicions(plain)
	if plain != lower { // hidden characters can split any literal: every rule is tried
		for i := range rs.rules {
			for _, s := range roughSentences(text) {
				found = append(found, suspicion{i, s.Start})
			}
		}
	}
	if len(found) > 0 {
		sentences := roughSentences(text)
		var tried []suspicion
		for _, f := range found {
			k := sort.Search(len(sentences), func(k int) bool { return sentences[k].End > f.at })
			if k == len(sentences) || slices.Contains(tried, suspicion{f.rule, k}) {
				continue
			}
			tried = append(tried, suspicion{f.rule, k})
			if s := sentences[k]; rs.rules[f.rule].matches(plain[s.Start:s.End], folded && plain == lower) {
				spans = append(spans, s)
			}
		}
	}
	if len(spans) == 0 {
		return nil
	}
	return merge(text, spans)
}

// blankHidden replaces hidden characters by control bytes of the same length, so that places stay where they are.
func blankHidden(s string) string {
	var b strings.Builder
	for _, r := range s {
		if canon.HiddenRune(r) {
			b.WriteString(strings.Repeat("\x01", utf8.RuneLen(r)))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// roughSentences cuts at full stops, line breaks and CJK stops.
func roughSentences(text string) []canon.Span {
	var out []canon.Span
	start := 0
	flush := func(end int) {
		if strings.TrimSpace(text[start:end]) != "" {
			out = append(out, canon.Span{Start: start, End: end})
		}
		start = end
	}
	for i, r := range text {
		end := i + utf8.RuneLen(r)
		switch r {
		case '\n', '。', '！', '？':
			flush(end)
		case '.', '!', '?':
			if end >= len(text) || text[end] == ' ' || text[end] == '\n' || text[end] == '"' {
				flush(end)
			}
		}
	}
	flush(len(text))
	return out
}

// merge unites spans that overlap or have only blanks between them.
func merge(text string, spans []canon.Span) []canon.Span {
	slices.SortFunc(spans, func(a, b canon.Span) int { return a.Start - b.Start })
	var out []canon.Span
	for _, s := range spans {
		if n := len(out); n > 0 && (s.Start <= out[n-1].End || strings.TrimSpace(text[out[n-1].End:s.Start]) == "") {
			out[n-1].End = max(out[n-1].End, s.End)
			continue
		}
		out = append(out, s)
	}
	for i := range out { // blanks around a removed sentence are nobody's
		for out[i].Start < out[i].End && (text[out[i].Start] == ' ' || text[out[i].Start] == '\n') {
			out[i].Start++
		}
		for out[i].End > out[i].Start && (text[out[i].End-1] == ' ' || text[out[i].End-1] == '\n') {
			out[i].End--
		}
	}
	return out
}
