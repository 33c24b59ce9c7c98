package report

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vivagrader/grader/internal/check"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/interview"
	"github.com/vivagrader/grader/internal/review"
	"github.com/vivagrader/grader/internal/rubric"
	"github.com/vivagrader/grader/internal/transcript"
)

// interviewPage is what page/interview.html shows. Texts are as they are shown: names hidden where that is wanted.
type interviewPage struct {
	Title      string
	Number     int
	Candidate  string // empty where unknown or hidden
	Source     string // the file's name, without its folders; empty where hidden
	Roles      string
	Duration   string
	Words      string
	Warnings   []string
	Error      *review.Failure
	Headline   string
	Outcomes   []string
	Questions  []*question
	Categories []category
	Timeline   []segment
	End        string // of the timeline
	Missed     []*point
	Wrong      []*wrong
	Doubts     []doubt
	Anonymous  bool
	Timed      bool // there are quotes that can be played

	file                        string
	tally                       tally
	durationMS                  int
	candidateWords, gradedWords int
}

// The states of a question: those of critiques, and why there is none.
const (
	stateGraded      = string(grade.Graded)
	stateDegraded    = string(grade.Degraded)
	stateUngradable  = string(grade.Ungradable)
	stateLowCoverage = string(grade.ReasonLowCoverage)
	stateNotInBank   = string(interview.NotInBank)
	stateNotAnswered = string(interview.NotAnswered)
	stateFailed      = "FAILED"
)

// question is one question that was asked.
type question struct {
	Number     int
	ID         string // empty where it is not in the bank
	Title      string
	Category   string
	State      string
	StateText  string // empty for a plain graded one
	Asked      string
	Span       string // m:ss to m:ss
	Confidence string // empty where it is sure
	Score      string // the whole score in words
	Bar        *bar
	Band       string
	Summary    string
	Notes      []string // flags and the like
	Groups     []group
	Wrong      []*wrong
	Cleared    []*wrong // which the machine took for wrong and a human did not
	Advice     []string // habits
	Delivery   []string
	FollowUp   string
	Text       []piece

	score          *review.Score
	points         []*point
	startMS, endMS int
}

// bar is a score as the figures of a chart: per cent from the left.
type bar struct{ Low, Range string }

// group is the points of one decision.
type group struct {
	Title  string
	Points []*point
}

// point is one point of a question.
type point struct {
	ID, Kind  string
	Anchor    string
	Weight    int
	Statement string
	Verdict   string // in words
	Class     string
	Quotes    []quote
	Missing   []string
	Reason    string
	Gain      string // what full credit would add to the score of the question
	Question  *question
	second

	decision, machine grade.Decision
	decidedBy         grade.Decider
	reasons           []string
	gain              float64
}

// wrong is a wrong claim with its correction.
type wrong struct {
	ID, Claim  string
	Anchor     string
	Severity   int
	Quotes     []quote
	Correction string
	Question   *question
	second
}

// second is what there is to say about a decision beside it: doubt, or what a human settled.
type second struct {
	Doubt    string // why it is doubtful; empty where it is not
	Settled  bool
	Machine  string // what the machine said, in words, where a human settled it
	Note     string
	Reviewer string
}

// open reports whether a human should still look at it.
func (s *second) open() bool { return s.Doubt != "" && !s.Settled }

// doubt is a doubtful decision that nobody settled, with the link to its place.
type doubt struct {
	Candidate, Link, Anchor string
	Question                *question
	Statement, Verdict, Why string
	Weight                  int
}

// quote is words of the answer, with the time where it is known.
type quote struct {
	Text, HeardAs string
	Timed         bool
	Clock         string
	Start, End    string // in seconds, for the player

	startMS int
}

// piece is a stretch of the answer: plain, credited or charged.
type piece struct {
	Text, Class string
}

// category is a row of the chart by category.
type category struct {
	Name      string
	Count     int
	Low, High string
	Bar       *bar
}

// segment is a question on the timeline: per cent from the left.
type segment struct {
	Question *question
	X, Width string
	Middle   string
}

const (
	// shownMissed is the number of missed points that are listed at the top.
	shownMissed = 8
	// sureConfidence is the confidence from which a match of question and words is not worth a remark: 98 of 100 such are
	// right (docs/interview.md).
	sureConfidence = 0.6
)

func newInterviewPage(iv *asked, file string, o Options) *interviewPage {
	n := newNamer(iv, o.Anonymous)
	p := &interviewPage{Title: n.title, Number: iv.number, Anonymous: o.Anonymous, tally: newTally(), file: file,
		Roles: rolesText[iv.Roles], Warnings: n.texts(iv.Warnings), durationMS: iv.DurationMs, candidateWords: iv.CandidateWords, gradedWords: iv.GradedWords}
	if !o.Anonymous {
		if iv.Source != "" {
			p.Source = path.Base(filepath.ToSlash(iv.Source))
		}
		if len(interview.NameWords(iv.Candidate)) > 0 { // not just "Candidate"
			p.Candidate = iv.Candidate
		}
	}
	if iv.DurationMs > 0 {
		p.Duration = transcript.Clock(iv.DurationMs)
	}
	if iv.CandidateWords > 0 {
		p.Words = fmt.Sprintf("%d of the candidate's %d words stand in a graded answer", iv.GradedWords, iv.CandidateWords)
	}
	if e := iv.Error; e != nil {
		p.Error = &review.Failure{Code: e.Code, Message: n.text(e.Message)}
	}
	for i, l := range iv.lines {
		q := newQuestion(i+1, l, o.Question(l.QuestionID), n)
		p.Questions = append(p.Questions, q)
		p.Wrong = append(p.Wrong, q.Wrong...)
		p.tally.add(q)
		p.Doubts = append(p.Doubts, q.doubts(p)...)
		p.Timed = p.Timed || slices.ContainsFunc(q.points, func(pt *point) bool { return len(pt.Quotes) > 0 && pt.Quotes[0].Timed })
	}
	p.Headline, p.Outcomes = headline(&p.tally), outcomes(&p.tally)
	p.Categories = categories(p.Questions)
	p.timeline()
	p.Missed = worthMost(p.Questions)
	return p
}

var rolesText = map[interview.RoleSource]string{
	interview.RolesFromMap:     "the map file says who speaks",
	interview.RolesFromLabels:  "speaker labels say who speaks",
	interview.RolesFromSpeech:  "who speaks is told by who asks",
	interview.RolesFromContent: "one channel without labels: who speaks is a guess",
}

func headline(t *tally) string {
	if t.scored == 0 {
		return "No question could be scored."
	}
	s := "Mean score " + t.low()
	if t.high() != t.low() {
		s += " to " + t.high()
	}
	return s + " of 100 over " + count(t.scored, "scored question") + "."
}

// outcomes counts what is not a plain score, in words.
func outcomes(t *tally) []string {
	var out []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			out = append(out, "1 "+one)
		case n > 1:
			out = append(out, fmt.Sprintf("%d %s", n, many))
		}
	}
	add(t.lowCoverage, "of them could be decided only in part", "of them could be decided only in part")
	add(t.ungradable, "answer could not be graded", "answers could not be graded")
	add(t.notInBank, "question is not in the bank", "questions are not in the bank")
	add(t.notAnswered, "question was not answered", "questions were not answered")
	add(t.failed, "question failed", "questions failed")
	add(t.doubtful, "doubtful decision to settle", "doubtful decisions to settle")
	add(t.settled, "decision settled by a human", "decisions settled by a human")
	return out
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// categories are the means by category, in the order in which they were asked.
func categories(questions []*question) []category {
	type sums struct {
		low, high float64
		n         int
	}
	var names []string
	byName := map[string]*sums{}
	for _, q := range questions {
		if q.score == nil || q.Category == "" {
			continue
		}
		s, ok := byName[q.Category]
		if !ok {
			s = &sums{}
			byName[q.Category] = s
			names = append(names, q.Category)
		}
		s.low, s.high, s.n = s.low+q.score.Low, s.high+q.score.High, s.n+1
	}
	out := make([]category, len(names))
	for i, name := range names {
		s := byName[name]
		low, high := s.low/float64(s.n), s.high/float64(s.n)
		out[i] = category{Name: name, Count: s.n, Low: mean(s.low, s.n), High: mean(s.high, s.n), Bar: newBar(low, high)}
	}
	return out
}

func newBar(low, high float64) *bar {
	return &bar{Low: figure(low), Range: figure(max(0, high-low))}
}

// timeline places the questions whose times are known.
func (p *interviewPage) timeline() {
	end := p.durationMS
	for _, q := range p.Questions {
		end = max(end, q.endMS)
	}
	if end == 0 {
		return
	}
	percent := func(ms int) string { return figure(100 * float64(ms) / float64(end)) }
	for _, q := range p.Questions {
		if q.endMS > q.startMS {
			p.Timeline = append(p.Timeline, segment{q, percent(q.startMS), percent(q.endMS - q.startMS), percent((q.startMS + q.endMS) / 2)})
		}
	}
	p.End = transcript.Clock(end)
}

// worthMost are the missed and half-met points of the whole interview that weigh most.
func worthMost(questions []*question) []*point {
	var out []*point
	for _, q := range questions {
		for _, p := range q.points {
			if p.decision == grade.Missed || p.decision == grade.PartlyMet {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *point) int {
		return cmp.Or(cmp.Compare(lost(b), lost(a)), cmp.Compare(b.gain, a.gain))
	})
	return out[:min(len(out), shownMissed)]
}

// lost is the weight that a point did not earn.
func lost(p *point) float64 { return float64(p.Weight) * (1 - p.decision.Credit()) }

func newQuestion(number int, l *review.Line, rub *rubric.Question, n namer) *question {
	q := &question{Number: number, ID: l.QuestionID, Asked: n.text(l.Asked), startMS: l.StartMS, endMS: l.EndMS}
	q.Title = cmp.Or(q.ID, "A question that is not in the bank")
	if rub != nil {
		q.Title, q.Category = rub.Title, rub.Category
	}
	if l.EndMS > l.StartMS {
		q.Span = transcript.Clock(l.StartMS) + "–" + transcript.Clock(l.EndMS)
	}
	if l.Confidence < sureConfidence && l.Outcome != stateNotInBank {
		q.Confidence = fmt.Sprintf("%.0f %%", 100*l.Confidence)
	}
	q.State = state(l)
	q.StateText = stateText(l, q.State, n)
	if c := l.Critique; c != nil {
		q.critique(l, c, rub, n)
	}
	return q
}

func state(l *review.Line) string {
	switch {
	case l.Error != nil:
		return stateFailed
	case l.Critique == nil:
		return l.Outcome
	case l.LowCoverage():
		return stateLowCoverage
	}
	return string(l.Critique.State)
}

func stateText(l *review.Line, state string, n namer) string {
	switch state {
	case stateFailed:
		return "Failed, not graded: " + n.text(l.Error.Message)
	case stateNotInBank:
		return "Not in the bank: nothing here was graded."
	case stateNotAnswered:
		return "Not answered: the candidate said nothing to it."
	case stateUngradable:
		return "Not graded: " + l.Critique.Summary
	case stateLowCoverage:
		return fmt.Sprintf("No full score: only %.0f %% of the weight could be decided.", 100*l.Score().Coverage)
	case stateDegraded:
		return "The judge failed; keywords decided alone."
	}
	return ""
}

func (q *question) critique(l *review.Line, c *review.Critique, rub *rubric.Question, n namer) {
	q.FollowUp = c.FollowUp
	if q.score = l.Score(); q.score != nil {
		q.Score, q.Band, q.Bar = scoreText(q.score), q.score.Band, newBar(q.score.Low, q.score.High)
		if c.Mode == grade.ModeKeywords {
			q.Band = "at least " + q.Band
		}
		q.Summary = summary(l)
	}
	for _, f := range c.Flags {
		if text := flagText[f]; text != "" {
			q.Notes = append(q.Notes, text)
		}
	}
	all := 0
	for i := range c.Points {
		all += c.Points[i].Weight
	}
	doubts := map[any]review.Doubt{}
	for _, d := range review.Doubts(l, rub) {
		if d.Misconception != nil {
			doubts[d.Misconception] = d
		} else {
			doubts[d.Point] = d
		}
	}
	for i := range c.Points {
		q.points = append(q.points, newPoint(q, l, &c.Points[i], doubts, float64(all), n))
	}
	q.Groups = groups(q.points, c.Mode)
	for i := range c.Misconceptions {
		m := &c.Misconceptions[i]
		switch claimed := l.Claims(m) == grade.Asserted; {
		case claimed:
			q.Wrong = append(q.Wrong, newWrong(q, l, m, rub, doubts, n))
		case m.Decision == grade.Asserted:
			q.Cleared = append(q.Cleared, newWrong(q, l, m, rub, doubts, n))
		}
	}
	for _, h := range c.Habits {
		if h.Decision == grade.Present {
			q.Advice = append(q.Advice, h.Advice)
		}
	}
	q.Delivery = delivery(c.Delivery)
	if c.Transcript != nil {
		q.Text = pieces(c.Transcript.Text, l, c, n)
	}
}

func scoreText(s *review.Score) string {
	if s.High > s.Low {
		return figure(s.Low) + " to " + figure(s.High)
	}
	return figure(s.Low)
}

// summary is the critique's own, or, where a human changed decisions, a count of what they are now.
func summary(l *review.Line) string {
	if l.Review == nil {
		return l.Critique.Summary
	}
	met, partly := 0, 0
	for i := range l.Critique.Points {
		switch l.Final(&l.Critique.Points[i]) {
		case grade.Met:
			met++
		case grade.PartlyMet:
			partly++
		default:
		}
	}
	return fmt.Sprintf("%d of %d points met, %d partly, with the decisions of a human.", met, len(l.Critique.Points), partly)
}

var flagText = map[grade.Flag]string{
	grade.FlagInjection:       "Sentences that speak to the grader were taken out; they earn nothing and cost nothing.",
	grade.FlagLowTranscript:   "The transcript is doubtful: speech may be missing or misheard. Listen to the recording before you rely on this.",
	grade.FlagUnverifiedQuote: "The judge quoted words that are not in the answer; keywords decided there.",
	grade.FlagOffTopic:        "The answer is one to another question of the bank.",
	grade.FlagKeywordDump:     "A list of terms, not an answer.",
	grade.FlagEcho:            "The answer repeats the question.",
}

// newWrong is a wrong claim in the rubric's words.
func newWrong(q *question, l *review.Line, m *review.Misconception, rub *rubric.Question, doubts map[any]review.Doubt, n namer) *wrong {
	w := &wrong{ID: m.ID, Claim: m.ID, Anchor: fmt.Sprintf("m%d-%s", q.Number, m.ID), Severity: 1, Quotes: quotes(m.Evidence, n),
		Correction: m.Correction, Question: q}
	if rub != nil {
		for i := range rub.Misconceptions {
			if o := &rub.Misconceptions[i]; o.ID == m.ID {
				w.Claim, w.Severity = o.Statement, o.Severity
			}
		}
	}
	if d, ok := doubts[m]; ok {
		w.Doubt = d.Why()
	}
	if l.Review != nil {
		if s, ok := l.Review.Misconceptions[m.ID]; ok {
			w.settle(strings.ToLower(string(m.Decision)), s.Note, s.Reviewer, n)
		}
	}
	return w
}

func (s *second) settle(machine, note, reviewer string, n namer) {
	s.Settled, s.Machine, s.Note = true, machine, n.text(note)
	if n.label == "" {
		s.Reviewer = reviewer
	}
}

// doubts are the decisions on which nobody has settled a doubt.
func (q *question) doubts(p *interviewPage) []doubt {
	var out []doubt
	for _, w := range q.Wrong {
		if w.open() {
			out = append(out, doubt{p.Title, pagesFolder + "/" + p.file + "#" + w.Anchor, w.Anchor, q, w.Claim, "Wrong claim", w.Doubt, w.Severity})
		}
	}
	for _, pt := range q.points {
		if pt.open() {
			out = append(out, doubt{p.Title, pagesFolder + "/" + p.file + "#" + pt.Anchor, pt.Anchor, q, pt.Statement, pt.Verdict, pt.Doubt, pt.Weight})
		}
	}
	return out
}

var verdicts = map[grade.Decision]string{grade.Met: "Met", grade.PartlyMet: "Partly met", grade.Missed: "Missed",
	grade.Contradicted: "Contradicted", grade.Unknown: "Undecided"}

func newPoint(q *question, l *review.Line, p *review.Point, doubts map[any]review.Doubt, all float64, n namer) *point {
	final := l.Final(p)
	out := &point{ID: p.ID, Anchor: fmt.Sprintf("q%d-%s", q.Number, p.ID), Kind: strings.ToLower(strings.ReplaceAll(p.Kind, "_", "-")),
		Weight: p.Weight, Statement: p.Statement, Verdict: verdicts[final], Class: strings.ToLower(string(final)), Quotes: quotes(p.Evidence, n),
		Missing: p.Missing, Reason: n.text(p.Reason), Question: q, decision: final, machine: p.Decision, decidedBy: p.DecidedBy}
	out.gain = 100 * (1 - final.Credit()) * float64(p.Weight) / all
	out.Gain = figure(out.gain)
	if c := p.Witnesses.Check; final == grade.Unknown || final == grade.Missed && c != nil && c.Finding == check.Absent.String() {
		out.Reason = "" // the verdict says it
	}
	if d, ok := doubts[p]; ok {
		out.Doubt, out.reasons = d.Why(), reasonCodes(d)
	}
	if l.Review == nil {
		return out
	}
	if s, ok := l.Review.Points[p.ID]; ok {
		out.settle(strings.ToLower(verdicts[p.Decision]), s.Note, s.Reviewer, n)
		if s.Decision != p.Decision {
			out.Missing, out.Reason = nil, ""
		}
	}
	return out
}

// groups sort the points for a reader: what was wrong first, then what counted, then what was missed.
func groups(points []*point, mode grade.Mode) []group {
	missed := "Missed: a strong answer also says"
	if mode == grade.ModeKeywords {
		missed = "Not found in the words: a strong answer also says"
	}
	order := []struct {
		decision grade.Decision
		title    string
	}{
		{grade.Contradicted, "Put right"}, {grade.Met, "What counted"}, {grade.PartlyMet, "Half there"},
		{grade.Missed, missed}, {grade.Unknown, "Could not be decided"},
	}
	var out []group
	for _, o := range order {
		g := group{Title: o.title}
		for _, p := range points {
			if p.decision == o.decision {
				g.Points = append(g.Points, p)
			}
		}
		slices.SortStableFunc(g.Points, func(a, b *point) int { return b.Weight - a.Weight })
		if len(g.Points) > 0 {
			out = append(out, g)
		}
	}
	return out
}

func quotes(evidence []review.Evidence, n namer) []quote {
	var out []quote
	for _, e := range evidence {
		q := quote{Text: n.text(e.Quote), HeardAs: n.text(e.HeardAs)}
		if e.StartMS != nil {
			q.Timed, q.startMS, q.Clock, q.Start = true, *e.StartMS, transcript.Clock(*e.StartMS), seconds(*e.StartMS)
			if e.EndMS != nil {
				q.End = seconds(*e.EndMS)
			}
		}
		out = append(out, q)
	}
	return out
}

func seconds(ms int) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

// shownFillers is the number of different fillers that are counted out.
const shownFillers = 3

func delivery(d *review.Delivery) []string {
	if d == nil {
		return nil
	}
	t := transcript.Delivery{DurationMS: d.DurationMS, WordCount: d.WordCount, WordsPerMinute: d.WordsPerMinute,
		FillersPerMinute: d.FillersPerMinute, LongestPauseMS: d.LongestPauseMS, LengthRatio: d.LengthRatio}
	for _, f := range d.Fillers {
		t.Fillers = append(t.Fillers, transcript.FillerCount(f))
	}
	line := transcript.Clock(d.DurationMS)
	if d.LengthRatio > 0 {
		line += " of the " + transcript.Clock(int(float64(d.DurationMS)/d.LengthRatio)) + " that the question expects"
	}
	line += fmt.Sprintf(", %.0f words a minute, longest pause %.1f s", d.WordsPerMinute, float64(d.LongestPauseMS)/1000)
	var fillers []string
	for _, f := range d.Fillers[:min(len(d.Fillers), shownFillers)] {
		fillers = append(fillers, fmt.Sprintf("“%s” %d", f.Text, f.Count))
	}
	if len(fillers) > 0 {
		line += ", fillers " + strings.Join(fillers, ", ")
	}
	return append([]string{line + "."}, t.Advice()...)
}

// pieces cut the answer at the quotes that decided something. Where quotes overlap, what is charged shows.
func pieces(text string, l *review.Line, c *review.Critique, n namer) []piece {
	runes := []rune(text)
	class := make([]string, len(runes))
	mark := func(evidence []review.Evidence, name string) {
		for _, e := range evidence {
			for i := max(0, e.Start); i < min(e.End, len(runes)); i++ {
				class[i] = name
			}
		}
	}
	for i := range c.Points {
		if p := &c.Points[i]; l.Final(p).Credit() > 0 {
			mark(p.Evidence, "credited")
		}
	}
	for i := range c.Points {
		if p := &c.Points[i]; l.Final(p) == grade.Contradicted {
			mark(p.Evidence, "charged")
		}
	}
	for i := range c.Misconceptions {
		if m := &c.Misconceptions[i]; l.Claims(m) == grade.Asserted {
			mark(m.Evidence, "charged")
		}
	}
	var out []piece
	for from := 0; from < len(runes); {
		to := from + 1
		for to < len(runes) && class[to] == class[from] {
			to++
		}
		out = append(out, piece{n.text(string(runes[from:to])), class[from]})
		from = to
	}
	return out
}
