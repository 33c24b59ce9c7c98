// Package calibrate measures decisions against labels: balanced F1 and its kin, with bootstrap intervals over answers
// and two trivial baselines. It knows nothing of grading and does no I/O; callers bring decisions and labels together.
// The main entry is Measure.
package calibrate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Item is one labelled point of one answer.
type Item struct {
	Answer   string
	Question string
	Point    string
	Kind     string
	Modality string
	Label    string  // met, partial, missed, contradicted
	Decision string  // the same words, or unknown
	Words    int     // length of the answer
	Overlap  float64 // idf-weighted share of the statement's words that the answer holds
}

// Claim is one labelled misconception or habit of one answer.
type Claim struct {
	Answer, Question, ID string
	Label, Decision      string // asserted, rejected, absent; present, absent
}

// Measures are the figures for one set of items; every share is 0 to 1.
type Measures struct {
	Items      int     `json:"items"`
	BalancedF1 float64 `json:"balancedF1"`
	Low        float64 `json:"low"` // 95 % bootstrap interval of BalancedF1 over answers
	High       float64 `json:"high"`
	StrictF1   float64 `json:"strictF1"` // balanced F1 of met alone
	Kappa      float64 `json:"kappa"`
	Precision  float64 `json:"precision"` // of credited points
	Recall     float64 `json:"recall"`
	AUC        float64 `json:"auc"` // within answers, mean over answers with both classes
}

// Row is a named set of measures.
type Row struct {
	Name string `json:"name"`
	Measures
}

// KindRow tells whether a kind's full hits may be MET without a judge.
type KindRow struct {
	Kind        string  `json:"kind"`
	FullHits    int     `json:"fullHits"`
	Precision   float64 `json:"precision"`   // met or partial counted as right
	WilsonLower float64 `json:"wilsonLower"` // lower bound of the 95 % interval
}

// Point is one point's errors.
type Point struct {
	Question string   `json:"question"`
	Point    string   `json:"point"`
	Items    int      `json:"items"`
	Lost     []string `json:"lost"`  // answers that made the claim and were not credited
	False    []string `json:"false"` // answers that did not and were
}

// Report is everything that a calibration says.
type Report struct {
	Answers              int       `json:"answers"`
	Rows                 []Row     `json:"rows"`
	Baselines            []Row     `json:"baselines"`
	Kinds                []KindRow `json:"kinds"`
	ContradictedLabels   int       `json:"contradictedLabels"`
	ContradictedCredited int       `json:"contradictedCredited"`
	ContradictedFound    int       `json:"contradictedFound"`
	ContradictedClaimed  int       `json:"contradictedClaimed"`
	Misconceptions       ClaimRow  `json:"misconceptions"`
	Habits               ClaimRow  `json:"habits"`
	Worst                []Point   `json:"worst"`
}

// ClaimRow measures the positive class of misconceptions (asserted) or habits (present).
type ClaimRow struct {
	Items     int     `json:"items"`
	Positive  int     `json:"positive"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

const (
	bootstrapRounds = 1000
	bootstrapSeed   = 20261125
	worstPoints     = 15
	midLow, midHigh = 0.2, 0.8
)

// Compare measures one witness, or one run, on all answers and on those 20 to 80 % met.
func Compare(name string, items []Item) []Row {
	r := Report{}
	mid := midAnswers(items)
	r.add(name+", all answers", items, func(Item) bool { return true })
	r.add(name+", 20-80 % met", items, func(i Item) bool { return mid[i.Answer] })
	return r.Rows
}

// Agreement is how far two runs over the same items decide alike, as labels and decisions would: Label of each item is
// the first run's decision.
func Agreement(items []Item) (same, kappa float64) {
	n := 0.0
	for _, i := range items {
		if i.Label == i.Decision {
			n++
		}
	}
	c, _ := count(items)
	return ratio(n, float64(len(items))), c.kappa()
}

// Measure computes the report. The same input gives the same figures.
func Measure(items []Item, misconceptions, habits []Claim) Report {
	r := Report{}
	mid := midAnswers(items)
	isMid := func(i Item) bool { return mid[i.Answer] }
	answers := map[string]bool{}
	for _, i := range items {
		answers[i.Answer] = true
		if i.Label == "contradicted" {
			r.ContradictedLabels++
			if credited(i) {
				r.ContradictedCredited++
			}
		}
		if i.Decision == "contradicted" {
			r.ContradictedClaimed++
			if i.Label == "contradicted" {
				r.ContradictedFound++
			}
		}
	}
	r.Answers = len(answers)
	r.add("all answers", items, func(Item) bool { return true })
	r.add("20-80 % met", items, isMid)
	for _, m := range values(items, func(i Item) string { return i.Modality }) {
		r.add("modality "+m, items, func(i Item) bool { return i.Modality == m })
	}
	for _, k := range values(items, func(i Item) string { return i.Kind }) {
		r.add("kind "+k, items, func(i Item) bool { return i.Kind == k })
		r.Kinds = append(r.Kinds, kindRow(k, items))
	}
	for _, b := range []struct {
		name  string
		value func(Item) float64
	}{{"length", func(i Item) float64 { return float64(i.Words) }}, {"idf overlap", func(i Item) float64 { return i.Overlap }}} {
		for _, set := range []struct {
			name string
			keep func(Item) bool
		}{{"all answers", func(Item) bool { return true }}, {"20-80 % met", isMid}} {
			r.Baselines = append(r.Baselines, baseline(b.name+", "+set.name, keep(items, set.keep), b.value))
		}
	}
	r.Misconceptions = claimRow(misconceptions, "asserted")
	r.Habits = claimRow(habits, "present")
	r.Worst = worst(items)
	return r
}

func (r *Report) add(name string, items []Item, want func(Item) bool) {
	if set := keep(items, want); len(set) > 0 {
		m := measure(set)
		m.Low, m.High = bootstrap(set)
		r.Rows = append(r.Rows, Row{name, m})
	}
}

func keep(items []Item, want func(Item) bool) []Item {
	var out []Item
	for _, i := range items {
		if want(i) {
			out = append(out, i)
		}
	}
	return out
}

func values(items []Item, key func(Item) string) []string {
	var out []string
	for _, i := range items {
		if k := key(i); k != "" && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// midAnswers are the answers of which 20 to 80 % of the labelled points are met or partly met.
func midAnswers(items []Item) map[string]bool {
	met, all := map[string]int{}, map[string]int{}
	for _, i := range items {
		all[i.Answer]++
		if claimed(i) {
			met[i.Answer]++
		}
	}
	mid := map[string]bool{}
	for a, n := range all {
		share := float64(met[a]) / float64(n)
		mid[a] = share >= midLow && share <= midHigh
	}
	return mid
}

func claimed(i Item) bool  { return i.Label == "met" || i.Label == "partial" }
func credited(i Item) bool { return i.Decision == "met" || i.Decision == "partial" }

// confusion counts a binary decision against a binary label.
type confusion struct{ tp, fp, fn, tn float64 }

func (c *confusion) add(label, decision bool) {
	switch {
	case label && decision:
		c.tp++
	case decision:
		c.fp++
	case label:
		c.fn++
	default:
		c.tn++
	}
}

func f1(tp, fp, fn float64) float64 {
	if tp == 0 {
		return 0
	}
	return 2 * tp / (2*tp + fp + fn)
}

// balancedF1 is the mean of the F1 of both classes.
func (c confusion) balancedF1() float64 { return (f1(c.tp, c.fp, c.fn) + f1(c.tn, c.fn, c.fp)) / 2 }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// kappa is Cohen's (1960).
func (c confusion) kappa() float64 {
	n := c.tp + c.fp + c.fn + c.tn
	agree := ratio(c.tp+c.tn, n)
	chance := ratio((c.tp+c.fp)*(c.tp+c.fn)+(c.tn+c.fn)*(c.tn+c.fp), n*n)
	return ratio(agree-chance, 1-chance)
}

func count(items []Item) (lenient, strict confusion) {
	for _, i := range items {
		lenient.add(claimed(i), credited(i))
		strict.add(i.Label == "met", i.Decision == "met")
	}
	return lenient, strict
}

func measure(items []Item) Measures {
	c, strict := count(items)
	return Measures{Items: len(items), BalancedF1: c.balancedF1(), StrictF1: strict.balancedF1(), Kappa: c.kappa(),
		Precision: ratio(c.tp, c.tp+c.fp), Recall: ratio(c.tp, c.tp+c.fn), AUC: auc(items)}
}

// auc is the mean over answers of the chance that a claimed point has more credit than one that is not.
func auc(items []Item) float64 {
	credit := map[string]float64{"met": 1, "partial": 0.5, "contradicted": -0.5}
	byAnswer := map[string][]Item{}
	var order []string
	for _, i := range items {
		if byAnswer[i.Answer] == nil {
			order = append(order, i.Answer)
		}
		byAnswer[i.Answer] = append(byAnswer[i.Answer], i)
	}
	sum, n := 0.0, 0.0
	for _, a := range order {
		wins, pairs := 0.0, 0.0
		for _, p := range byAnswer[a] {
			for _, q := range byAnswer[a] {
				if !claimed(p) || claimed(q) {
					continue
				}
				pairs++
				switch d := credit[p.Decision] - credit[q.Decision]; {
				case d > 0:
					wins++
				case d == 0:
					wins += 0.5
				}
			}
		}
		if pairs > 0 {
			sum += wins / pairs
			n++
		}
	}
	return ratio(sum, n)
}

// bootstrap returns the 2.5th and 97.5th percentile of balanced F1 over answers drawn with replacement.
func bootstrap(items []Item) (low, high float64) {
	counts := map[string]*confusion{}
	var answers []*confusion
	for _, i := range items {
		c := counts[i.Answer]
		if c == nil {
			c = &confusion{}
			counts[i.Answer] = c
			answers = append(answers, c)
		}
		c.add(claimed(i), credited(i))
	}
	rng := rand.New(rand.NewPCG(bootstrapSeed, uint64(len(items))))
	draws := make([]float64, bootstrapRounds)
	for k := range draws {
		var sum confusion
		for range answers {
			c := answers[rng.IntN(len(answers))]
			sum.tp, sum.fp, sum.fn, sum.tn = sum.tp+c.tp, sum.fp+c.fp, sum.fn+c.fn, sum.tn+c.tn
		}
		draws[k] = sum.balancedF1()
	}
	slices.Sort(draws)
	return draws[bootstrapRounds*25/1000], draws[bootstrapRounds*975/1000-1]
}

// baseline credits every point whose value reaches a threshold; the threshold is the best one for these very items,
// which flatters the baseline.
func baseline(name string, items []Item, value func(Item) float64) Row {
	thresholds := make([]float64, len(items))
	for k, i := range items {
		thresholds[k] = value(i)
	}
	slices.Sort(thresholds)
	thresholds = slices.Compact(thresholds)
	best := Measures{}
	for _, t := range thresholds {
		set := slices.Clone(items)
		var c confusion
		for k := range set {
			set[k].Decision = "missed"
			if value(set[k]) >= t {
				set[k].Decision = "met"
			}
			c.add(claimed(set[k]), credited(set[k]))
		}
		if c.balancedF1() > best.BalancedF1 {
			best = measure(set)
			best.Low, best.High = c.balancedF1(), c.balancedF1()
		}
	}
	return Row{name, best}
}

// kindRow measures full hits with the Wilson score interval (Wilson 1927), z = 1.96.
func kindRow(kind string, items []Item) KindRow {
	r := KindRow{Kind: kind}
	right := 0.0
	for _, i := range items {
		if i.Kind == kind && i.Decision == "met" {
			r.FullHits++
			if claimed(i) {
				right++
			}
		}
	}
	n := float64(r.FullHits)
	if n == 0 {
		return r
	}
	const z = 1.96
	p := right / n
	r.Precision = p
	r.WilsonLower = (p + z*z/(2*n) - z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))) / (1 + z*z/n)
	return r
}

func claimRow(claims []Claim, positive string) ClaimRow {
	var c confusion
	for _, x := range claims {
		c.add(x.Label == positive, x.Decision == positive)
	}
	return ClaimRow{len(claims), int(c.tp + c.fn), ratio(c.tp, c.tp+c.fp), ratio(c.tp, c.tp+c.fn), f1(c.tp, c.fp, c.fn)}
}

func worst(items []Item) []Point {
	type key struct{ q, p string }
	points := map[key]*Point{}
	var order []*Point
	for _, i := range items {
		k := key{i.Question, i.Point}
		p := points[k]
		if p == nil {
			p = &Point{Question: i.Question, Point: i.Point}
			points[k] = p
			order = append(order, p)
		}
		p.Items++
		switch {
		case claimed(i) && !credited(i):
			p.Lost = append(p.Lost, i.Answer)
		case !claimed(i) && credited(i):
			p.False = append(p.False, i.Answer)
		}
	}
	slices.SortStableFunc(order, func(a, b *Point) int {
		return cmp.Compare(len(b.Lost)+len(b.False), len(a.Lost)+len(a.False))
	})
	var out []Point
	for _, p := range order[:min(worstPoints, len(order))] {
		if len(p.Lost)+len(p.False) > 0 {
			out = append(out, *p)
		}
	}
	return out
}
