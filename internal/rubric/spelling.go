package rubric

import "strings"

// Spellings are what a recogniser of speech should know before it hears an answer: what the bank is about, the texts that
// hold the question's names, and the names that the bank knows to be misheard, in lower case.
func (q *Question) Spellings() (topic string, texts []string, known map[string]bool) {
	texts, known = []string{q.Prompt}, map[string]bool{}
	for i := range q.Points {
		texts = append(append(texts, q.Points[i].Statement), q.Points[i].Accept...)
	}
	for _, a := range q.Bank.Aliases {
		if !strings.Contains(a.Means, " ") {
			known[strings.ToLower(a.Means)] = true
		}
	}
	return strings.TrimSuffix(q.Bank.Title, " questions"), texts, known
}
