package grade

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/canon"
	"github.com/vivagrader/grader/internal/rubric"
)

// topicCandidates is the number of other questions that an answer which earns nothing is read against.
const topicCandidates = 3

// topics tells which questions a text may be about, by the words that few questions have.
type topics struct {
	questions []topic
	weight    map[string]int // of a stem: its inverse document frequency among the questions, in thousandths
}

type topic struct {
	id    string
	stems map[string]bool
}

// newTopics reads the prompts and statements of all questions; those that do not load are left out.
func newTopics(b *rubric.Bank) *topics {
	lexicon := canon.NewLexicon(nil)
	t := &topics{weight: map[string]int{}}
	for _, id := range b.IDs() {
		q, err := b.Question(id)
		if err != nil {
			continue
		}
		var text strings.Builder
		text.WriteString(q.Title + ". " + q.Prompt)
		for i := range q.Points {
			text.WriteString("\n" + q.Points[i].Statement)
		}
		words := stems(canon.Read(text.String(), lexicon))
		for s := range words {
			t.weight[s]++
		}
		t.questions = append(t.questions, topic{id, words})
	}
	for s, df := range t.weight {
		t.weight[s] = int(1000 * math.Log(float64(len(t.questions)+1)/float64(df)))
	}
	return t
}

func stems(r *canon.Text) map[string]bool {
	stems := map[string]bool{}
	for i := range r.Tokens {
		if !r.Tokens[i].Func {
			stems[r.Tokens[i].Stem] = true
		}
	}
	return stems
}

// nearest lists the questions that share more with the text than its own one does, those that share most first.
func (t *topics) nearest(text *canon.Text, own string) []string {
	words := stems(text)
	type scored struct {
		id    string
		score int
	}
	var all []scored
	shared := func(q *topic) (score int) {
		for w := range words {
			if q.stems[w] {
				score += t.weight[w]
			}
		}
		return score
	}
	floor := 0
	for i := range t.questions {
		if t.questions[i].id == own {
			floor = shared(&t.questions[i])
		}
	}
	for i := range t.questions {
		if s := shared(&t.questions[i]); s > floor {
			all = append(all, scored{t.questions[i].id, s})
		}
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id)) })
	var out []string
	for _, s := range all[:min(topicCandidates, len(all))] {
		out = append(out, s.id)
	}
	return out
}

// offTopic reports whether the text earns next to nothing here and answers another question of the bank much better. The
// other questions are loaded only then.
func (d *draft) offTopic() bool {
	if d.gate.words < offTopicWords || d.gate.words > offTopicWordsMax || earned(d.q, d.reading) > offTopicEarned {
		return false
	}
	for _, id := range d.grader.topics().nearest(d.reading.Text, d.q.ID) {
		o, p, err := d.grader.Question(id)
		if err != nil {
			continue
		}
		r := p.Read(canon.Read(d.gate.masked, p.Lexicon()))
		share := earned(o, r)
		release(r)
		if share >= offTopicOther {
			return true
		}
	}
	return false
}
