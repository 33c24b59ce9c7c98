package interview

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/vivagrader/grader/internal/canon"
)

// cues are what the form of a piece tells, whatever it is about.
type cues struct {
	mark       bool // it ends with a question mark
	form       bool // it begins as questions and requests do
	states     bool // as a statement can, too, and it ends with a full stop
	next       bool // it announces another question
	personal   bool // it asks about the candidate's own past, plans or likes
	smallTalk  int  // phrases of greeting, thanking, arranging
	background bool // nothing but "mm-hm", "right", "okay": who listens says that
	first      int  // of the speaker's own words: I, my, we
	second     int  // you, your
}

// leadIn is what stands before the verb of a question or request.
const leadIn = `(?i)^(please |now |so |then |and |but |also |okay |ok |right |let's say |just |maybe |first |next )*`

var (
	// imperatives ask for something; openings begin questions, and statements too.
	imperatives = regexp.MustCompile(leadIn + `(tell|explain|describe|walk me|walk us|take me|take us|talk me|talk about|give me|give us|name|design|show|compare|contrast|outline|sketch|lay out|list|define|argue|convince|imagine|suppose|picture|say you|let's say|pretend)\b`)
	openings    = regexp.MustCompile(leadIn + `(how|what|what's|why|when|which|where|who|whose|do you|did you|does|is there|is it|are there|are you|can you|could you|would you|will you|have you|should|if you|you have|you've|you are|you're|your|we need|we want|our)\b`)
	announces   = regexp.MustCompile(`(?i)\b(next (one|question|up|topic|thing)|(first|second|third|fourth|fifth|sixth|last|final|another|new|different) (one|question|topic|thing)|question (number )?(one|two|three|four|five|six|\d+)|(let's|let us|let me|shall we|i'd like to|i want to|can we|could we) (move|switch|change|start|begin|turn|jump|go|get|continue)|moving on|change of (topic|subject)|switching gears|going back|(go|come|get|back) (back )?to|other (topic|subject)|something (completely |entirely |totally |quite )?(else|different|new)|first up|kick (off|us off)|to (start|begin|finish|close|wrap up|round off))\b|^\W*((okay|ok|right|so|and|good|great|thanks|all right|alright)\W+)*(next|finally|lastly|last|first|second|third)\W*([,.:?]|$)`)
	personals   = regexp.MustCompile(`(?i)\b(tell (me|us) (a bit |a little |something )?about (yourself|your|a time|a conflict|a project|a situation|the last)|about yourself|a time when|your (background|experience|career|cv|resume|strengths?|weakness(es)?|manager|salary|hobbies|motivation|goals)|(what|any|some|much|years of) experience|experience (do you have|have you)|have you (ever )?(worked|used|led|managed)|proud(est)? of|why (do you want|did you (leave|apply)|us\b|this company)|in five years|do you (like|prefer|enjoy|look for|dislike)|how do you (decide|prioriti[sz]e|keep up|stay|learn|cope|relax)|what (motivates|drives|annoys|interests) you)\b`)
	smallTalks  = []*regexp.Regexp{
		regexp.MustCompile(`(?i)\b(hi|hello|hey|good (morning|afternoon|evening)|nice to (meet|see)|welcome|how are you|how's it going|how was (your|the) (day|week|weekend|trip|flight|journey|morning|holiday|drive)|pleased to)\b`),
		regexp.MustCompile(`(?i)\b(thanks|thank you|cheers|appreciate|goodbye|bye|see you|take care|have a (good|great|nice|lovely)|enjoy the rest|all the best)\b`),
		regexp.MustCompile(`(?i)\b((can|do) you (hear|see)|hear me|see me|my (microphone|camera|screen|mic|headset)|my audio|on mute|muted|my connection|connection (is|okay|ok|bad)|the link|zoom|the call|browser tab)\b`),
		regexp.MustCompile(`(?i)\b(shall we (start|begin|go|get)|ready (when|to|for)|are you ready|let's (start|begin|get going|get started|dive|do it|go)|go ahead|sounds good|any questions (before|for)|questions? for (us|me)|questions you (have|would)|ask (me|us) anything|anything you('d| would)? (like|want) to (ask|know)|that's (all|it|everything)|all from (me|us|my side)|be in touch|get back to you|hear from us|next steps|we('ll| will) let you know|the (team|company|role|position|job)|how big is the|coffee|weather|weekend|holiday|lunch|some water|(i'm|my name is|i am) [A-Z][a-z]+\b|introduce|(a|few|some|couple of|three|four|five|six|two|\d+) questions|about \w+ minutes|take your time|stop me|no rush|no wrong answers|interrupt|take notes|recorded|recording this)\b`),
	}
	backgroundWords = canon.WordSet(`mm hmm mhm mhmm hm uh huh um ah oh okay ok right yeah yep yes yup sure good great nice fine cool perfect excellent
		alright all got it i see exactly true interesting makes sense that makes sense fair enough gotcha lovely thanks thank you go on and so well
		please continue carry on absolutely correct no wow ha haha brilliant super wonderful understood noted very of course that's is`)
	firstPerson  = canon.WordSet("i i'd i'm i've i'll my me we we'd we've mine myself our")
	secondPerson = canon.WordSet("you your you'd you've you're you'll yours yourself")
)

// readCues reads the form of a piece.
func readCues(text string) cues {
	c := cues{background: true}
	words := strings.FieldsFunc(strings.ToLower(strings.ReplaceAll(text, "’", "'")), func(r rune) bool { return !wordRune(r) && r != '\'' })
	for _, w := range words {
		switch {
		case firstPerson[w]:
			c.first++
		case secondPerson[w]:
			c.second++
		}
		c.background = c.background && backgroundWords[w]
	}
	mark := strings.HasSuffix(strings.TrimRightFunc(text, func(r rune) bool { return !wordRune(r) && r != '?' }), "?")
	c.background = c.background && len(words) <= maxBackground && !(mark && len(words) > 2)
	c.next, c.personal = announces.MatchString(text), personals.MatchString(text)
	for _, r := range smallTalks {
		c.smallTalk += len(r.FindAllStringIndex(text, -1))
	}
	if !c.background {
		c.mark = mark
		begins := strings.TrimLeftFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
		request := imperatives.MatchString(begins)
		c.form = request || openings.MatchString(begins)
		c.states = !request && strings.HasSuffix(text, ".")
	}
	return c
}

// maxBackground is the number of words above which a piece is more than a sign of listening.
const maxBackground = 6
