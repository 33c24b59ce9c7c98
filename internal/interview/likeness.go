package interview

import (
	"math"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/rubric"
)

// Question is a question of a bank, with the id that results call it by: bare, or BANK/QUESTION where several banks
// are in use.
type Question struct {
	ID string
	*rubric.Question
}

const (
	// topicShare is the share of content words that come from what a talk is about; the rest is anybody's. People
	// who answer say more of the question's words than people who ask it in their own.
	askShare    = 0.35
	answerShare = 0.12
	// borrowed is the share of an asking voice's words that are those of the answer.
	borrowed = 0.5
	// pair is what two words of the prompt in a row add, where no other prompt has them.
	pair = 0.7
	// elsewhere is how many other things an interview could be about, beside the bank: it keeps the words of a small
	// bank from being common.
	elsewhere = 20
	// unseen is the probability of a word that stands nowhere in the bank, in talk about anything.
	unseen = 1.0 / 5000
)

// Bank knows what the questions of one or several banks sound like: which words are said by who asks and who answers
// each. It is a word model: every content word adds the logarithm of how much more often it is said about a question
// than about anything, and words that the question does not have take a little off. It is safe for concurrent use.
type Bank struct {
	questions []Question
	lexicon   *canon.Lexicon
	words     map[string][]gain // by stem
	// phrases are the questions whose title or prompt has two words in a row.
	phrases map[[2]string][]int32
}

// gain is what a word adds for one question.
type gain struct {
	question    int32
	ask, answer float32
}

// plainWords are content words of any talk: they say nothing about its topic.
var plainWords = canon.WordSet(`question questions answer answers ask asks asking asked tell told explain describe talk talking walk sure good
	great nice fine thanks thank please people lot lots bit kind sort time times first second third fourth fifth last next final finally
	start starts begin finish end look looks see seen give given take takes taking put come comes coming work works working use uses used
	using useful example examples case cases point points idea ideas really actually basically maybe probably guess suppose imagine bad
	better best worse new old happen happens happened happening big small large little long short different difference part parts try
	call called find found help helps right wrong correct ever particular else another now today yesterday tomorrow moment minute minutes
	hour hours day days week weeks month months year years already turn turns move moving topic topics list lists share shared sharing
	notice usual usually perfect continue experience believe decide exactly simply simple easy hard complete completely total whole half
	back forward again front side top bottom left around together often sometimes somebody someone nobody everybody anybody person guy
	everything anything interesting important main basic quick quickly slowly fair brilliant wonderful exciting enough add added adding
	mention mentioned keep keeps kept leave left let feel felt hear heard seem seems show shows shown become becomes became turned
	remember forget learn learned understand understood care careful reason reasons question's matter matters sense word words
	story stories scenario scenarios situation problem problems thing's stuff everyone colleague company team project customer customers
	build built building create created decent normal normally likely possible possibly possibility able wonder wondering curious cool
	later early soon ago friday monday evening morning night number numbers two three four five six seven eight nine ten hundred twenty`)

// NewBank reads the words of the questions.
func NewBank(questions []Question) *Bank {
	b := &Bank{questions: questions, words: map[string][]gain{}, phrases: map[[2]string][]int32{}}
	var aliases []canon.Alias
	banks := map[*rubric.Bank]bool{}
	for _, q := range questions {
		if !banks[q.Bank] {
			banks[q.Bank] = true
			for _, a := range q.Bank.Aliases {
				aliases = append(aliases, canon.Alias{Means: a.Means, Heard: a.Heard, Misheard: a.Misheard})
			}
		}
	}
	b.lexicon = canon.NewLexicon(aliases)
	for _, q := range questions {
		b.lexicon.Prepare(asking(q) + "\n" + answering(q))
	}
	asks, answers := make([]shares, len(questions)), make([]shares, len(questions))
	common := shares{}
	for i, q := range questions {
		own := b.shares(asking(q))
		answers[i] = b.shares(answering(q)).mix(own, borrowed)
		asks[i] = own.mix(answers[i], borrowed)
		for w, p := range answers[i].mix(own, 0.5) {
			common[w] += p / float64(len(questions)+elsewhere)
		}
	}
	for i, q := range questions {
		for _, p := range b.pairs(q.Title + ".\n" + q.Prompt) {
			if at := b.phrases[p]; len(at) == 0 || at[len(at)-1] != int32(i) {
				b.phrases[p] = append(at, int32(i))
			}
		}
	}
	for w, p := range common {
		p += unseen
		for i := range questions {
			ask, answer := asks[i][w], answers[i][w]
			if ask > 0 || answer > 0 {
				b.words[w] = append(b.words[w], gain{int32(i), gainOf(ask/p, askShare), gainOf(answer/p, answerShare)})
			}
		}
	}
	return b
}

// gainOf is what a word adds that is said so many times as often as elsewhere, over what a word adds that is not.
func gainOf(ratio, share float64) float32 {
	return float32(math.Log(1-share+share*ratio) - math.Log(1-share))
}

// asking is what an interviewer has of a question.
func asking(q Question) string {
	return q.Title + ".\n" + q.Title + ".\n" + q.Prompt + "\n" + q.Prompt
}

// answering is what a candidate could say to it, right or wrong.
func answering(q Question) string {
	var text strings.Builder
	text.WriteString(q.Title + ".\n" + q.FollowUp + "\n" + q.ModelAnswer)
	for i := range q.Points {
		text.WriteString("\n" + q.Points[i].Statement)
		for _, a := range q.Points[i].Accept {
			text.WriteString("\n" + a)
		}
	}
	for i := range q.Misconceptions {
		text.WriteString("\n" + q.Misconceptions[i].Statement + " " + q.Misconceptions[i].WhyWrong)
	}
	for _, set := range q.Sets {
		expressions(&text, set.Expr)
	}
	for i := range q.Points {
		expressions(&text, q.Points[i].Check)
	}
	return text.String()
}

// expressions adds the words that a check looks for: the synonyms that its author thought of.
func expressions(text *strings.Builder, e rubric.Expr) {
	if e == nil {
		return
	}
	if e.Kind == yaml.ScalarNode {
		for w := range strings.FieldsFuncSeq(e.Value, func(r rune) bool { return !wordRune(r) && !strings.ContainsRune("$'.", r) }) {
			if !strings.HasPrefix(w, "$") {
				text.WriteString("\n" + w)
			}
		}
	}
	for _, c := range e.Content {
		expressions(text, c)
	}
}

// shares are the shares of words in a text.
type shares map[string]float64

// shares counts the content words of a text. Every occurrence after the first counts less, as talk repeats itself.
func (b *Bank) shares(text string) shares {
	counts := map[string]float64{}
	for _, w := range b.content(text) {
		counts[w]++
	}
	sum := 0.0
	for w, n := range counts {
		counts[w] = math.Sqrt(n)
		sum += counts[w]
	}
	for w := range counts {
		counts[w] /= sum
	}
	return counts
}

// mix takes a part of the words from elsewhere.
func (s shares) mix(other shares, part float64) shares {
	out := shares{}
	for w, p := range s {
		out[w] += (1 - part) * p
	}
	for w, p := range other {
		out[w] += part * p
	}
	return out
}

// content is a text's content words as stems, in order.
func (b *Bank) content(text string) []string {
	t := canon.Read(text, b.lexicon)
	defer t.Release()
	var out []string
	for i := range t.Tokens {
		k := &t.Tokens[i]
		if !k.Func && !plainWords[k.Word] && (len(k.Word) > 1 || k.IsNum) {
			if k.IsNum {
				out = append(out, k.Stem)
			} else {
				out = append(out, family(k.Stem))
			}
		}
	}
	return out
}

// pairs are two words in a row within a sentence, one of them at least no function word.
func (b *Bank) pairs(text string) [][2]string {
	t := canon.Read(text, b.lexicon)
	defer t.Release()
	var out [][2]string
	for i := 1; i < len(t.Tokens); i++ {
		x, y := &t.Tokens[i-1], &t.Tokens[i]
		if x.Sentence == y.Sentence && !(x.Func && y.Func) {
			out = append(out, [2]string{x.Stem, y.Stem})
		}
	}
	return out
}

// quoted is how much of each question's own wording a text has.
func (b *Bank) quoted(text string) []float64 {
	out := make([]float64, len(b.questions))
	for _, p := range b.pairs(text) {
		for _, q := range b.phrases[p] {
			out[q] += pair / float64(len(b.phrases[p]))
		}
	}
	return out
}

// familyLetters is the length from which words that begin alike count as one: handle, handler, handling.
const familyLetters = 6

func family(stem string) string {
	if len(stem) <= familyLetters {
		return stem
	}
	for i := range stem { // whole characters
		if i >= familyLetters {
			return stem[:i]
		}
	}
	return stem
}

// likeness adds up, for each question, how much more the words sound like it than like anything else: as asked, and as
// answered. Above 0 the question is the better explanation.
func (b *Bank) likeness(words []string) (ask, answer []float64) {
	ask, answer = make([]float64, len(b.questions)), make([]float64, len(b.questions))
	missAsk, missAnswer := math.Log(1-askShare)*float64(len(words)), math.Log(1-answerShare)*float64(len(words))
	for i := range ask {
		ask[i], answer[i] = missAsk, missAnswer
	}
	for _, w := range words {
		for _, g := range b.words[w] {
			ask[g.question] += float64(g.ask)
			answer[g.question] += float64(g.answer)
		}
	}
	return ask, answer
}
