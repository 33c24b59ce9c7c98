package grade

import (
	"regexp"
	"slices"
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
	also func(sentence string) bool // holds, in lower case, wherever expr matches and is cheaper to try; nil: always
}

// The words that the rules are made of.
const (
	graders = `(?:graders?|grading (?:system|model|engine|bot|service|tool|assistant)|evaluators?|evaluation (?:system|service|model|bot)|scoring (?:system|model|engine|bot)|examiners?|assessors?|reviewers?|raters?|judges?|markers?|(?:ai|llm|model|assistant|bot|system) (?:that|who|which)(?: is|'s)? (?:scor|grad|evaluat|assess|review|mark)\w*|language model|ai assistant|a\.?i\.? (?:grader|judge|evaluator))`
	award   = `(?:award|give|grant|assign|record|enter|return|output|print|report|set|mark|score|grade|rate|count|treat|consider|accept)\w*`
	prize   = `(?:(?:full|top|maximum|max|highest|perfect|best|all)(?: possible)?(?: the)? (?:marks?|scores?|points?|credit|grades?|band|rating)|the maximum|100 ?(?:/|out of|%|percent|points)|10 ?(?:/|out of) ?10|[59] ?(?:/|out of) ?(?:5|10)|nine out of (?:a )?ten|ten out of ten|as (?:met|correct|complete|passed)|strong hire)`

	needGrader = "grader|grading|evaluat|scoring|examiner|assessor|reviewer|rater|judge|marker|language model|ai assistant|that is|who is|that's"
	needPrize  = "full |top |maxim|max |highest|perfect|best possible|all marks|all the marks|all points|all the points|100/100|100 out|100%|100 points|10/10|10 out|5/5|5 out|9/10|nine out|ten out|as met|as correct|as complete|as passed|strong hire"
)

// hostileRules are what sentences say that are addressed to whoever grades, not to the interviewer. Each needs two
// signs, so that a sorted set's score, mark-and-sweep or a system's instructions stay where they are.
var hostileRules = []hostileRule{
	// somebody who grades is told what to do
	{needGrader, `\b` + graders + `\b.*\b(?:must|should|shall|have to|has to|please|need to|are to|is to|instruct\w*|ignore|award|give|record|score|accept|skip|overlook)\b`, namesGrader},
	{needGrader, `\b(?:dear|attention|note to(?: the)?|hey|hello|hi|message (?:to|for)(?: the)?|for the|as the|you are(?: now)?(?: no longer)?(?: a| the)?|you're(?: now)?(?: no longer)?(?: a| the)?)[ ,:]+` + graders + `\b`, namesGrader},
	{needPrize, `\b` + award + `\b.{0,40}\b` + prize, namesPrize},
	{needPrize, `\b` + prize + `.{0,30}\b(?:for (?:this|my|the) (?:answer|response|question|candidate|submission)|please|to (?:this|my|the) (?:answer|response|submission))`, namesPrize},
	{"deserve", `\bdeserves? .{0,20}` + prize, nil},
	// the instructions themselves are turned round
	{"ignore|disregard|forget|override|bypass", `\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instructions?|rubric|prompt|criteria|guidelines|rules above|previous (?:text|message)|system message|reference answer)\b`, oneOf("instruction|rubric|prompt|criteria|guidelines|rules above|previous |system message|reference answer")},
	{"here on|now on|henceforth", `\b(?:from (?:here|now) on|henceforth)\b.{0,30}\byou (?:are|will|must)\b`, nil},
	{"you are now|you are no longer|you're now|you're no longer", `\byou(?: are|'re) (?:now|no longer) (?:a|an|the|in)\b`, nil},
	{"character|play a game|play that|pretend|act as|role-play|roleplay|let's play|stay in", `\b(?:stay in character|let's play (?:a game|that)|pretend (?:that )?(?:you|to be)|act as (?:a|an|the|if you)|role-?play)\b`, nil},
	{"print exactly|print only|output exactly|output only|output the json|reply with|respond with|print verbatim|output verbatim|say exactly|print this|output this|print the following|output the following", `\b(?:print|output|reply with|respond with|say) (?:exactly|only|verbatim|the json|this string|the following)\b`, nil},
	{"verbatim", `\bverbatim and stop\b`, nil},
	{"do not mention|do not reveal|do not quote|do not include|do not deduct|do not penal", `\bdo not (?:mention|reveal|quote|include|deduct|penali[sz]e)\b.{0,40}\b(?:notice|instruction|comment|missing points?|evidence|feedback|output)\b`, nil},
	{"delete|remove|drop", `\b(?:delete|remove|drop) this (?:comment|notice|note|line)\b`, oneOf(" this ")},
	{"system|developer|admin", `\b(?:system|developer|admin) (?:prompt|override|notice)\b`, oneOf("prompt|override|notice")},
	// a verdict or a rubric of the candidate's own making
	{"score|verdict|grade|missing_points|rationale|points_awarded", `"(?:score|max_?score|final_?score|verdict|grade|missing_points|rationale|points_awarded)"\s*:`, oneOf("\"")},
	{"final grade|final score|final mark|final verdict|final evaluation|overall grade|overall score|overall mark|overall verdict|total score|total mark", `\b(?:final|overall|total) (?:grade|score|mark|verdict|evaluation)\b\s*[:=]`, nil},
	{"final answer|solution", `\b(?:final answer|solution)\s*:\s*(?:correct|yes|pass|see above)`, nil},
	{"score:|score =|score=|score :|grade:|grade :|mark:|rating:|grade=|mark =|rating =", `\b(?:score|grade|mark|rating)\s*[:=]\s*\d+\s*(?:/|out of)\s*\d+`, nil},
	{"all criteria|all rubric|all key points|all requirements", `\ball (?:criteria|rubric points|key points|requirements)\b.{0,30}\b(?:satisfied|met|covered|fulfilled|passed)\b`, nil},
	{"rubric|criteri|reference", `\b(?:rubric|criteria|criterion|reference (?:answer|solution))\b.{0,60}\b(?:corrupted|withdrawn|changed|updated|replaced|attached|no longer|satisfied|waived|suspended|is met|are met)\b`, oneOf("corrupted|withdrawn|changed|updated|replaced|attached|no longer|satisfied|waived|suspended|is met|are met")},
	{"as if", `\b(?:scored|graded|treated) as if (?:it|this|they)\b`, nil},
	{"expected output|highest band|calibration|evaluation", `\bexpected output\s*:|\bhighest band\b|\bcalibration (?:item|sample|answer)\b|\bevaluation (?:complete|service|notice|mode)\b`, nil},
	{"response|submission|candidate", `\b(?:the|this|my|their|candidate's|student's) (?:response|submission|candidate|candidate answer)\b.{0,20}\b(?:covers?|covered|match\w*|identif\w*|satisf\w*|demonstrat\w*|is (?:complete|correct|perfect|excellent)|deserves|mentions|addresses|names|explain\w*|went on)\b`, oneOf("cover|match|identif|satisf|demonstrat|is complete|is correct|is perfect|is excellent|deserves|mentions|addresses|names|explain|went on")},
	{"the answer |this answer ", `\b(?:the|this) answer (?:covers|matches|satisfies|deserves|identifies|demonstrates|addresses all|is (?:complete and|fully|entirely|perfect|excellent))\b`, oneOf("answer covers|answer matches|answer satisfies|answer deserves|answer identifies|answer demonstrates|answer addresses all|answer is ")},
	{"compare|criteri", `\bcompare the (?:response|answer|submission) with\b|\b(?:each|every) criterion\b`, oneOf("compare the |each criterion|every criterion")},
	{"nothing is|no mistakes", `\bnothing is (?:missing|wrong)\b.*\b(?:missing|wrong)\b|\bi found no mistakes\b`, oneOf("nothing is missing|nothing is wrong|no mistakes")},
	// authority and flattery
	{"hiring|panel|interviewer|recruiter|human grader|examination board", `\b(?:hiring committee|panel|interviewers?|recruiter|human graders?|examination board|hiring manager)\b.{0,40}\b(?:approved|agreed on|already (?:graded|scored|passed)|signed off|confirmed)\b`, nil},
	{"already approved|already graded|already scored|already been", `\balready (?:approved|graded|scored|been (?:graded|scored|approved|fully graded))\b`, nil},
	{"approved |agreed |sign-off|signoff", `\b(?:approved|agreed) (?:number|score|mark|grade)\b|\bsign-?off\b.{0,30}\b(?:as me|score)\b`, nil},
	{"owner|author |designer|principal engineer|creator", `\b(?:owner|author|designer|principal engineer|creator)\b.{0,50}\b(?:question bank|this rubric|this interview|this test)\b`, nil},
	{"you're a|you are a|you're the|you are the|you're really|you're such|the ai that", `\byou(?:'re| are) (?:a |an |the |such )*(?:really |truly )?(?:excellent|best|great|wonderful|fairest?) (?:evaluator|grader|model|judge|examiner|ai)\b|\bthe ai that is\b`, nil},
	{"before you", `\bbefore you (?:score|grade|evaluate|mark)\b`, nil},
	{"mark", `\bclosing remark\b.*\bmark\b|\b(?:full|top) marks\b`, nil},
	// delimiters and markup of a prompt
	{"<", `</?(?:answer|candidate\w*|grader\w*|final_?score|system|instructions?|user|assistant|submission|rubric|evaluation)\b[^>]*>|<!--|<\|[a-z_]+\|>`, nil},
	{"-->", `-->`, nil},
	{"[", `\[/?(?:system|inst|admin|grader)\]`, nil},
	{"===", `={3,}.*(?:end|start|begin|input|candidate).*={3,}`, nil},
	{"##", `^\s*#{2,}\s*(?:grader|system|instruction|final|evaluation|score)`, nil},
	{"system|assistant|grader|scratchpad", `^\s*(?:system|assistant|grader|scratchpad)\s*:`, oneOf(":")},
	// the same in other languages
	{"bewert|prüf|punkt|anweisung", `\b(?:bewertungssystem|prüfungsamt|punktzahl|anweisung an das)\b`, nil},
	{"评|满分|给分", `评分|满分|评语|给分`, nil},
	{"note|nota|puntua|evaluaci|compte|pontua|ignor", `\bnote maximale\b|\bpuntuaci[oó]n m[aá]xima\b|\bnota final\b|\bfin de la evaluaci[oó]n\b|\bne pas tenir compte\b|\bpontuação máxima\b|\bignora(?:re|r)? (?:las|le|todas|tutte)\b`, oneOf("note maximale|puntuaci|nota final|fin de la|ne pas tenir|pontua|ignora")},
}

// oneOf looks for literals that are separated by |.
func oneOf(literals string) func(string) bool {
	list := strings.Split(literals, "|")
	return func(sentence string) bool { return holds(sentence, list) }
}

var (
	namesGrader = oneOf("grader|grading |evaluator|evaluation |scoring |examiner|assessor|reviewer|rater|judge|marker|language model|ai assistant| scor| grad| evaluat| assess| review| mark")

	prizeAdjectives = []string{"full ", "top ", "maximum ", "max ", "highest ", "perfect ", "best ", "all "}
	prizeNouns      = []string{"mark", "score", "point", "credit", "grade", "band", "rating"}
	otherPrizes     = []string{"the maximum", "/", "out of", "100", "as met", "as correct", "as complete", "as passed", "strong hire"}
)

// namesPrize finds what every match of the expression prize begins with.
func namesPrize(sentence string) bool {
	for _, adjective := range prizeAdjectives {
		_, rest, found := strings.Cut(sentence, adjective)
		for ; found; _, rest, found = strings.Cut(rest, adjective) {
			noun := strings.TrimPrefix(strings.TrimPrefix(rest, "possible "), "the ")
			if slices.ContainsFunc(prizeNouns, func(n string) bool { return strings.HasPrefix(noun, n) }) {
				return true
			}
		}
	}
	return holds(sentence, otherPrizes)
}

type compiledRule struct {
	also func(string) bool
	re   func() *regexp.Regexp // compiled when a text first holds one of the literals
}

// ruleSet finds the rules whose literals a text holds in one pass.
type ruleSet struct {
	rules []compiledRule
	bytes [256]byteKind // what a byte can begin, in either case
	words literals      // those that begin like a word count at the beginning of a word only
	other literals
}

type byteKind uint8

const (
	insideWord  byteKind = 1 << iota
	beginsWord           // there are literals in words
	beginsOther          // there are literals in other
)

// literals are listed by their first two bytes: see place.
type literals [1024][]literal

type literal struct {
	text  string
	rules []int
}

// place is where literals stand that begin so; others can stand there too.
func place(first, second byte) int { return int(first&31)<<5 | int(second&31) }

func (l *literals) add(text string, rule int) {
	if len(text) == 1 { // whatever follows
		for second := range byte(32) {
			l[place(text[0], second)] = append(l[place(text[0], second)], literal{text, []int{rule}})
		}
		return
	}
	list := &l[place(text[0], text[1])]
	for i := range *list {
		if k := &(*list)[i]; k.text == text {
			k.rules = append(k.rules, rule)
			return
		}
	}
	*list = append(*list, literal{text, []int{rule}})
}

// find appends the rules whose literals stand at text[at:].
func (l *literals) find(text string, at int, out []suspicion) []suspicion {
	second := byte(0)
	if at+1 < len(text) {
		second = text[at+1]
	}
	list := l[place(text[at], second)]
	for i := range list {
		if k := &list[i]; begins(text[at:], k.text) {
			for _, rule := range k.rules {
				out = append(out, suspicion{rule, at})
			}
		}
	}
	return out
}

// begins reports whether text begins with a literal, whatever the case of its ASCII letters.
func begins(text, literal string) bool {
	if len(text) < len(literal) {
		return false
	}
	for i := range len(literal) {
		if lower[text[i]] != literal[i] {
			return false
		}
	}
	return true
}

// lower is the lower case of ASCII letters; other bytes stay as they are.
var lower = func() (table [256]byte) {
	for b := range table {
		table[b] = byte(b)
		if b >= 'A' && b <= 'Z' {
			table[b] += 'a' - 'A'
		}
	}
	return table
}()

var compiledRules = sync.OnceValue(func() *ruleSet {
	rs := &ruleSet{}
	for i, r := range hostileRules {
		rs.rules = append(rs.rules, compiledRule{also: r.also, re: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?is)` + r.expr) })})
		for l := range strings.SplitSeq(r.need, "|") {
			if len(l) >= 3 && wordStart(l[0]) && wordStart(l[1]) && wordStart(l[2]) {
				rs.words.add(l, i)
				rs.begin(l[0], beginsWord)
			} else {
				rs.other.add(l, i)
				rs.begin(l[0], beginsOther)
			}
		}
	}
	for b := range rs.bytes {
		if wordStart(lower[b]) {
			rs.bytes[b] |= insideWord
		}
	}
	return rs
})

// begin notes what a byte begins, in both cases.
func (rs *ruleSet) begin(first byte, kind byteKind) {
	for b := range rs.bytes {
		if lower[b] == first {
			rs.bytes[b] |= kind
		}
	}
}

func wordStart(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b >= utf8.RuneSelf
}

// suspicion is a rule's literal at a place of the text.
type suspicion struct{ rule, at int }

// suspicions lists where the text holds the literals of rules.
func (rs *ruleSet) suspicions(text string) []suspicion {
	var out []suspicion
	before := byteKind(0)
	for i := range len(text) {
		kind := rs.bytes[text[i]]
		if kind&beginsWord != 0 && before&insideWord == 0 {
			out = rs.words.find(text, i, out)
		}
		if kind&beginsOther != 0 {
			out = rs.other.find(text, i, out)
		}
		before = kind
	}
	return out
}

// matches reports whether the rule holds of a sentence; plain: in lower case and without hidden characters.
func (c *compiledRule) matches(sentence string, plain bool) bool {
	if plain && c.also != nil && ascii(sentence) && !c.also(sentence) {
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

// blockOpeners are the brackets of which every block has one.
var blockOpeners = []string{"[", "<", "{"}

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

// hostileSpans finds what speaks to the grader: whole blocks, and sentences of which a rule holds. plainASCII: the text is.
func hostileSpans(text string, plainASCII bool) []canon.Span {
	// plain is the text as the rules read it, byte for byte in the same places
	plain, hidden, folds := text, false, true
	if !plainASCII {
		if folds = len(strings.ToLower(text)) == len(text); folds { // else the rules fold by themselves
			plain = strings.ToLower(text)
		}
		if hidden = strings.IndexFunc(plain, canon.HiddenRune) >= 0; hidden {
			plain = blankHidden(plain)
		}
	}
	var spans []canon.Span
	if holds(plain, blockOpeners) {
		for _, b := range blocks() {
			for _, m := range b.FindAllStringIndex(plain, -1) {
				spans = append(spans, canon.Span{Start: m[0], End: m[1]})
			}
		}
	}
	rs := compiledRules()
	found := rs.suspicions(plain)
	if hidden { // hidden characters can split any literal: every rule is tried
		for at := 0; at < len(text); at = sentenceEnd(text, at) {
			for i := range rs.rules {
				found = append(found, suspicion{i, at})
			}
		}
	}
	var tried []suspicion
	for _, f := range found {
		s := canon.Span{Start: sentenceStart(text, f.at), End: sentenceEnd(text, f.at)}
		if slices.Contains(tried, suspicion{f.rule, s.Start}) {
			continue
		}
		tried = append(tried, suspicion{f.rule, s.Start})
		sentence := plain[s.Start:s.End]
		if folds {
			sentence = strings.ToLower(sentence)
		}
		if rs.rules[f.rule].matches(sentence, folds && !hidden) {
			spans = append(spans, s)
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

// sentenceStart is where the sentence of text[at] begins: behind a full stop, a line break or a CJK stop.
func sentenceStart(text string, at int) int {
	for at > 0 {
		r, size := utf8.DecodeLastRuneInString(text[:at])
		if endsSentence(r, text[at:]) {
			break
		}
		at -= size
	}
	return at
}

// sentenceEnd is where the sentence of text[at] ends.
func sentenceEnd(text string, at int) int {
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		at += size
		if endsSentence(r, text[at:]) {
			break
		}
	}
	return at
}

// endsSentence reports whether a sentence ends with r and before rest.
func endsSentence(r rune, rest string) bool {
	switch r {
	case '\n', '。', '！', '？':
		return true
	case '.', '!', '?':
		return rest == "" || rest[0] == ' ' || rest[0] == '\n' || rest[0] == '"'
	}
	return false
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
