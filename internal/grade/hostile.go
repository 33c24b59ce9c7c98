package grade

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/vivagrader/grader/internal/canon"
)

// triggers are cheap signs that a text may speak to the grader; without any of them no pattern is tried.
var triggers = []string{"grad", "scor", "evaluat", "rubric", "mark", "instruct", "candidate", "</", "[/", "<!--", "===", "system", "verdict",
	"criteri", "points for", "maximum", "prompt", "pretend", "role", "assess", "examin", "bewert", "punkt", "note ", "nota", "评", "分", "approved",
	"step by step", "step-by-step", "ignore", "disregard", "assistant", "language model", " ai ", "an ai", "the ai", "a.i", "solution:", "final answer", "judge", "### ", "<|", "reviewer"}

// hostileRules are what sentences say that are addressed to whoever grades, not to the interviewer. Each needs two
// signs, so that a sorted set's score, mark-and-sweep or a rate limiter's judge of character stay where they are.
var hostileRules = sync.OnceValue(func() []*regexp.Regexp {
	graders := `(?:graders?|grading (?:system|model|engine|bot|service|tool|assistant)|evaluators?|evaluation (?:system|service|model|bot)|scoring (?:system|model|engine|bot)|examiners?|assessors?|reviewers?|raters?|judges?|markers?|(?:ai|llm|model|assistant|bot|system) (?:that|who|which)(?: is|'s)? (?:scor|grad|evaluat|assess|review|mark)\w*|language model|ai assistant|a\.?i\.? (?:grader|judge|evaluator))`
	award := `(?:award|give|grant|assign|record|enter|return|output|print|report|set|mark|score|grade|rate|count|treat|consider|accept)\w*`
	prize := `(?:(?:full|top|maximum|max|highest|perfect|best|all)(?: possible)?(?: the)? (?:marks?|scores?|points?|credit|grades?|band|rating)|maximum|100 ?(?:/|out of|%|percent|points)|10 ?(?:/|out of) ?10|[59] ?(?:/|out of) ?(?:5|10)|nine out of (?:a )?ten|ten out of ten|passed|as (?:met|correct|complete|passed)|strong hire)`
	var out []*regexp.Regexp
	for _, p := range []string{
		// somebody who grades is told what to do
		`\b` + graders + `\b.*\b(?:must|should|shall|have to|has to|please|need to|will|are to|is to|instruct\w*|note|ignore|award|give|record|score|mark|treat|accept|skip|overlook)\b`,
		`\b(?:dear|attention|note to(?: the)?|hey|hello|hi|message (?:to|for)(?: the)?|for the|as the|you are(?: now)?(?: no longer)?(?: a| the)?|you're(?: now)?(?: no longer)?(?: a| the)?)[ ,:]+` + graders + `\b`,
		`\b` + award + `\b.{0,40}\b` + prize,
		`\b` + prize + `.{0,30}\b(?:for (?:this|my|the) (?:answer|response|question|candidate|submission)|please|to (?:this|my|the) (?:answer|response|submission))`,
		`\bdeserves? .{0,20}` + prize,
		// the instructions themselves are turned round
		`\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instructions?|rubric|prompt|criteria|guidelines|rules above|previous (?:text|message)|system message|reference answer)\b`,
		`\b(?:from (?:here|now) on|henceforth)\b.{0,30}\byou\b`,
		`\byou (?:are|'re) (?:now |no longer )(?:a|an|the|in)\b`, `\byou're (?:now |no longer )`,
		`\b(?:stay in character|let's play (?:a game|that)|pretend (?:that )?(?:you|to be)|act as (?:a|an|the|if you)|role-?play)\b`,
		`\b(?:print|output|reply with|respond with|return|say) (?:exactly|only|verbatim|the json|this string|the following)\b`, `\bverbatim and stop\b`,
		`\bdo not (?:mention|reveal|quote|include|deduct|penali[sz]e)\b.{0,40}\b(?:notice|instruction|comment|this|output|missing|points?|evidence)\b.{0,30}(?:$|output|evidence|feedback)`,
		`\b(?:delete|remove|drop) this (?:comment|notice|note|line)\b`,
		`\b(?:system|developer|admin) (?:prompt|message|notice|override)\b`,
		// a verdict or a rubric of the candidate's own making
		`"?\b(?:score|max_?score|final_?score|verdict|grade|missing_points|rationale|points_awarded)"?\s*:\s*(?:"|\[|\{|\d)`,
		`\b(?:final|overall|total) (?:grade|score|mark|verdict|evaluation|result)\b\s*[:=]`, `\bfinal answer\s*:\s*(?:correct|yes|pass)`, `\bsolution\s*:\s*(?:yes|see above|correct)`,
		`\b(?:score|grade|mark|rating)\s*[:=]\s*\d+\s*(?:/|out of)\s*\d+`,
		`\ball (?:criteria|rubric points|key points|points|requirements)\b.{0,30}\b(?:satisfied|met|covered|fulfilled|passed)\b`,
		`\b(?:rubric|criteria|reference (?:answer|solution))\b.{0,60}\b(?:corrupted|withdrawn|changed|updated|replaced|attached|no longer|satisfied|waived|suspended|is met|are met)\b`,
		`\b(?:scored|graded|treated|counted) as if\b`, `\bexpected output\s*:`, `\bhighest band\b`, `\bcalibration (?:item|sample|answer)\b`, `\bevaluation (?:complete|service|notice|mode)\b`,
		`\b(?:the|this|my|their|candidate's|student's) (?:response|submission|candidate|candidate answer)\b.{0,20}\b(?:covers?|covered|match\w*|identif\w*|contains|satisf\w*|demonstrat\w*|is (?:complete|correct|perfect|excellent)|deserves|mentions|addresses|names|shows|explain\w*|went on)\b`,
		`\b(?:the|this) answer (?:covers|matches|satisfies|deserves|identifies|demonstrates|addresses all|is (?:complete and|fully|entirely|perfect|excellent))\b`,
		`\bcompare the (?:response|answer|submission) with\b`, `\b(?:each|every|all) (?:criterion|criteria)\b`,
		`\bnothing is (?:missing|wrong)\b.*\b(?:missing|wrong)\b`, `\bi found no mistakes\b`,
		// authority and flattery
		`\b(?:hiring committee|panel|interviewers?|recruiter|human graders?|prüfungsamt|examination board|manager)\b.{0,40}\b(?:approved|agreed on|already (?:graded|scored|passed|approved)|signed off|confirmed)\b`,
		`\balready (?:approved|graded|scored|awarded|been (?:graded|scored|approved|passed|fully graded))\b`, `\b(?:approved|agreed) (?:number|score|mark|grade)\b`, `\bsign-?off\b.{0,30}\b(?:writing|as me|score)\b`,
		`\b(?:owner|author|designer|principal engineer)\b.{0,50}\b(?:question bank|rubric|this interview|this test)\b`,
		`\b(?:you're|you are) (?:a |an |the )?(?:really |such a |truly )?(?:excellent|best|great|wonderful|fairest?) (?:evaluator|grader|model|judge|examiner|ai)\b`, `\bbest model we\b`, `\bthe ai that is\b`, `\bbefore you (?:score|grade|evaluate|mark)\b`,
		`\bclosing remark\b.*\bmark\b`, `\bfull marks\b`, `\btop marks\b`,
		// delimiters and markup of a prompt
		`</?(?:answer|candidate\w*|grader\w*|final_?score|system|instructions?|user|assistant|submission|response|rubric|evaluation)\b[^>]*>`, `<!--`, `-->`,
		`\[/?(?:system|inst|admin|grader)\]`, `<\|[a-z_]+\|>`, `={3,}.*(?:end|start|begin|input|candidate).*={3,}`, `^#{2,}\s*(?:grader|system|instruction|final|evaluation|score)`,
		`^\s*(?:system|assistant|grader|thought process|scratchpad)\s*:`,
		// the same in other languages
		`\b(?:bewertungssystem|bewertung|prüfer|punktzahl|höchste punktzahl|volle punktzahl|anweisung an)\b`, `(?:评分|满分|评语|给分)`,
		`\bnote maximale\b`, `\bpuntuaci[oó]n m[aá]xima\b`, `\bnota final\b`, `\bfin de la evaluaci[oó]n\b`, `\bne pas tenir compte\b`, `\bpontuação máxima\b`, `\bignora(?:re|r)? (?:las|le|todas|tutte)\b`,
	} {
		out = append(out, regexp.MustCompile(`(?is)`+p))
	}
	return out
})

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

// hostileSpans finds what speaks to the grader: whole blocks, and sentences of which a rule holds. It costs next to
// nothing for an answer without a trigger word.
func hostileSpans(text string) []canon.Span {
	lower := strings.ToLower(text)
	if len(lower) != len(text) { // folding changed lengths somewhere: the rules fold by themselves
		lower = text
	}
	plain := stripHidden(lower)
	if !slices.ContainsFunc(triggers, func(t string) bool { return strings.Contains(plain, t) }) {
		return nil
	}
	var spans []canon.Span
	for _, b := range blocks() {
		for _, m := range b.FindAllStringIndex(lower, -1) {
			spans = append(spans, canon.Span{Start: m[0], End: m[1]})
		}
	}
	sentences := roughSentences(text)
	for _, s := range sentences {
		clean := stripHidden(lower[s.Start:s.End])
		if slices.ContainsFunc(hostileRules(), func(r *regexp.Regexp) bool { return r.MatchString(clean) }) {
			spans = append(spans, s)
		}
	}
	return merge(text, spans)
}

func stripHidden(s string) string {
	if strings.IndexFunc(s, canon.HiddenRune) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if canon.HiddenRune(r) {
			return -1
		}
		return r
	}, s)
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
