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
	lexicon   *canon.Lexicon
	questions []topic
	weight    map[string]int // of a stem: its inverse document frequency among the questions, in thousandths
}

type topic struct {
	id    string
	stems map[string]bool
}

// newTopics reads the prompts and statements of all questions; those that do not load are left out.
func newTopics(b *rubric.Bank) *topics {
	t := &topics{lexicon: canon.NewLexicon(nil), weight: map[string]int{}}
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
		stems := t.stems(text.String())
		for s := range stems {
			t.weight[s]++
		}
		t.questions = append(t.questions, topic{id, stems})
	}
	for s, df := range t.weight {
		t.weight[s] = int(1000 * math.Log(float64(len(t.questions)+1)/float64(df)))
	}
	return t
}

func (t *topics) stems(text string) map[string]bool {
	stems := map[string]bool{}
	r := canon.Read(text, t.lexicon)
	for i := range r.Tokens {
		if !r.Tokens[i].Func {
			stems[r.Tokens[i].Stem] = true
		}
	}
	return stems
}

// nearest lists the questions other than own that share most with the text.
func (t *topics) nearest(text, own string) []string {
	words := t.stems(text)
	type scored struct {
		id    string
		score int
	}
	var all []scored
	for _, q := range t.questions {
		if q.id == own {
			continue
		}
		s := scored{id: q.id}
		for w := range words {
			if q.stems[w] {
				s.score += t.weight[w]
			}
		}
		all = append(all, s)
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
	for _, id := range d.grader.topics().nearest(d.gate.masked, d.q.ID) {
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
