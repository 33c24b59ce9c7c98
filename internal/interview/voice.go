package interview

import (
	"regexp"
)

// followUp begins what refers to an answer just given.
var followUp = regexp.MustCompile(`(?i)^(mm+[- ]?\w*|okay|ok|right|sure|good|great|yeah|so|interesting|fair enough|i see|got it|,|\.|-|\s)*\b(and|but|then|what about|what if|how about|why|anything else|what else|could you|can you|say more|go on|you (mentioned|said)|what do you mean|how so|for example|such as|in that case|if (that|it|they|those|you))\b`)

// What voices are like where no label tells them, as logarithms of odds.
const (
	voiceMark       = 3.0  // the interviewer asks
	voiceForm       = 0.8  // or tells to
	voiceSecond     = 0.6  // and says "you"
	voiceFirst      = -1.6 // the candidate says "I"
	voiceBackground = 1.5  // who listens is mostly the interviewer
	voiceNext       = 1.0
	voiceFollows    = 1.0   // "and what about that?"
	voiceLength     = -0.13 // a content word: the candidate talks
	voiceClaim      = -4.0  // a statement about the topic is mostly the candidate's
	voiceContext    = -2.5  // if no question follows; "an exception escapes. What happens?"
	changeRole      = -3.0
	longPause       = 2.0 // when who speaks changes
	noPause         = -1.0
	midSentence     = -4.0
	afterQuestion   = 2.5  // somebody answers
	goesOn          = -2.5 // who has asked says something else instead

	longPauseMS = 450
	noPauseMS   = 150
)

// voice is how much a piece sounds like an interviewer rather than a candidate.
func voice(u *unit) float64 {
	odds := voiceLength * float64(len(u.words))
	add := func(is bool, by float64) {
		if is {
			odds += by
		}
	}
	add(u.mark, voiceMark)
	add(!u.mark && u.form && !u.states, voiceForm)
	add(u.second > 0, voiceSecond)
	add(u.first > 0, voiceFirst)
	add(u.background, voiceBackground)
	add(u.next, voiceNext)
	add(u.mark && u.follows, voiceFollows)
	return odds
}

// claims reports whether a piece is a statement.
func (u *unit) claims() bool {
	return !u.mark && (!u.form || u.states) && !u.background && !u.next && u.smallTalk == 0
}

// turn is how probable it is that one voice, or another one, goes on behind a piece.
func (u *unit) turn(before *unit, from, to role) float64 {
	if from == to {
		if before.mark && from == interviewer && !u.mark {
			return goesOn
		}
		return 0
	}
	score := changeRole
	if !u.full {
		score += midSentence
	}
	switch {
	case u.pauseMS >= longPauseMS:
		score += longPause
	case u.pauseMS >= 0 && u.pauseMS < noPauseMS:
		score += noPause
	}
	if before.mark && from == interviewer {
		score += afterQuestion
	}
	return score
}
