package canon

import (
	"strings"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
)

// irregular verbs and plurals, brought to their base before the stemmer (Porter2) sees them.
var irregular = func() map[string]string {
	m := map[string]string{}
	for line := range strings.FieldsFuncSeq(`run ran running|write wrote written writing|keep kept|send sent|leave left|hold held|throw threw thrown|lose lost
		build built|catch caught|fall fell fallen|go went goes going|take took taken taking|give gave given giving|get got gotten getting
		make made making|come came coming|become became|begin began begun|break broke broken|choose chose chosen|do did done does doing
		draw drew drawn|eat ate eaten|feel felt|find found|forget forgot forgotten|grow grew grown|know knew known|mean meant|meet met
		pay paid|rise rose risen|say said|see saw seen|sell sold|sleep slept|spend spent|stand stood|stick stuck|tell told|think thought
		understand understood|wake woke woken|blow blew blown|hang hung|freeze froze frozen|drive drove driven|shake shook shaken
		speak spoke spoken|steal stole stolen|bind bound|feed fed|fly flew flown|hide hid hidden|lead led|ride rode|ring rang rung
		seek sought|sit sat|sink sank sunk|slide slid|spin spun|swing swung|teach taught|tear tore torn|wear wore worn|win won|wind wound
		bring brought|buy bought|fight fought|be is are was were been being am|have has had having|die died dies dying
		sneak snuck|swap swapped|child children|process processes processed processing|access accesses accessed|bus buses
		index indices indexes|queue queues queued queueing queuing|thread threads threaded threading|memory memories|retry retries retried retrying
		tie tied ties tying|rethrow rethrew rethrown|rerun reran|overrun overran|redo redid redone|undo undid undone`, func(r rune) bool { return r == '|' || r == '\n' }) {
		words := strings.Fields(line)
		for _, w := range words[1:] {
			m[w] = words[0]
		}
	}
	return m
}()

// stem brings a folded word to the form that patterns compare.
func stem(w string) string {
	if base, ok := irregular[w]; ok {
		w = base
	}
	if len(w) < 3 || strings.ContainsAny(w, "0123456789") {
		return w
	}
	w = american(w)
	env := snowballstem.NewEnv(w)
	english.Stem(env)
	w = env.Current()
	if strings.HasSuffix(w, "ll") {
		w = w[:len(w)-1]
	}
	return w
}

// american spells the endings that differ between the two Englishes one way, roots of four letters and more.
func american(w string) string {
	for _, p := range [...][2]string{{"isation", "ization"}, {"isations", "izations"}, {"ise", "ize"}, {"ises", "izes"}, {"ised", "ized"},
		{"ising", "izing"}, {"yse", "yze"}, {"ysed", "yzed"}, {"ysing", "yzing"}, {"our", "or"}, {"ours", "ors"}} {
		if root, ok := strings.CutSuffix(w, p[0]); ok && len(root) >= 4 {
			return root + p[1]
		}
	}
	return w
}
