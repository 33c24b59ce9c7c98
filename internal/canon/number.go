package canon

import (
	"slices"
	"strconv"
	"strings"
)

var units = map[string]Number{
	"b": {Value: 1, Unit: UnitBytes}, "byte": {Value: 1, Unit: UnitBytes}, "bytes": {Value: 1, Unit: UnitBytes},
	"kb": {Value: 1 << 10, Unit: UnitBytes}, "kib": {Value: 1 << 10, Unit: UnitBytes}, "kilobyte": {Value: 1 << 10, Unit: UnitBytes}, "kilobytes": {Value: 1 << 10, Unit: UnitBytes},
	"kbytes": {Value: 1 << 10, Unit: UnitBytes}, "kilobites": {Value: 1 << 10, Unit: UnitBytes},
	"mb": {Value: 1 << 20, Unit: UnitBytes}, "mib": {Value: 1 << 20, Unit: UnitBytes}, "megabyte": {Value: 1 << 20, Unit: UnitBytes}, "megabytes": {Value: 1 << 20, Unit: UnitBytes},
	"meg": {Value: 1 << 20, Unit: UnitBytes}, "megs": {Value: 1 << 20, Unit: UnitBytes},
	"gb": {Value: 1 << 30, Unit: UnitBytes}, "gib": {Value: 1 << 30, Unit: UnitBytes}, "gigabyte": {Value: 1 << 30, Unit: UnitBytes}, "gigabytes": {Value: 1 << 30, Unit: UnitBytes},
	"gig": {Value: 1 << 30, Unit: UnitBytes}, "gigs": {Value: 1 << 30, Unit: UnitBytes},
	"tb": {Value: 1 << 40, Unit: UnitBytes}, "terabyte": {Value: 1 << 40, Unit: UnitBytes}, "terabytes": {Value: 1 << 40, Unit: UnitBytes},
	"us": {Value: 0.001, Unit: UnitMillis}, "microsecond": {Value: 0.001, Unit: UnitMillis}, "microseconds": {Value: 0.001, Unit: UnitMillis},
	"ms": {Value: 1, Unit: UnitMillis}, "msec": {Value: 1, Unit: UnitMillis}, "millisecond": {Value: 1, Unit: UnitMillis}, "milliseconds": {Value: 1, Unit: UnitMillis},
	"millis": {Value: 1, Unit: UnitMillis}, "milli": {Value: 1, Unit: UnitMillis},
	"s": {Value: 1000, Unit: UnitMillis}, "sec": {Value: 1000, Unit: UnitMillis}, "secs": {Value: 1000, Unit: UnitMillis}, "second": {Value: 1000, Unit: UnitMillis}, "seconds": {Value: 1000, Unit: UnitMillis},
	"min": {Value: 60000, Unit: UnitMillis}, "mins": {Value: 60000, Unit: UnitMillis}, "minute": {Value: 60000, Unit: UnitMillis}, "minutes": {Value: 60000, Unit: UnitMillis},
	"h": {Value: 3600000, Unit: UnitMillis}, "hour": {Value: 3600000, Unit: UnitMillis}, "hours": {Value: 3600000, Unit: UnitMillis},
	"percent": {Value: 1, Unit: UnitPercent}, "pct": {Value: 1, Unit: UnitPercent},
}

var multipliers = map[string]float64{"k": 1e3, "hundred": 100, "thousand": 1e3, "million": 1e6, "billion": 1e9, "mil": 1e6}

var smallNumbers = map[string]float64{
	"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
	"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
	"seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50,
	"sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}

// scanFigure reads 16, 1,000, 1.45, 16KB, 10k, 99th.
func scanFigure(w string) (Number, bool) {
	i := 0
	for i < len(w) && (isDigit(w[i]) || w[i] == '.' || w[i] == ',') {
		i++
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(w[:i], ",", ""), 64)
	if err != nil {
		return Number{}, false
	}
	suffix := strings.ToLower(w[i:])
	switch suffix {
	case "", "x", "th", "st", "nd", "rd", "s'":
		return Number{Value: v}, true
	case "k":
		return Number{Value: v * 1e3, Kilo: true}, true
	case "m":
		return Number{Value: v * 1e6}, true
	}
	if u, ok := units[suffix]; ok {
		return Number{Value: v * u.Value, Unit: u.Unit}, true
	}
	return Number{}, false
}

// longestUnit is the length of the longest unit, "microseconds".
const longestUnit = 12

// writtenUnit reports whether w is a unit in any mix of cases.
func writtenUnit(w string) bool {
	if len(w) > longestUnit {
		return false
	}
	_, unit := units[strings.ToLower(w)]
	return unit
}

// joinNumbers makes one token of number words and their unit: "sixteen kilobytes", "four twenty nine", "1 ms".
func (l *Lexicon) joinNumbers(in []raw) []raw {
	begins := func(t raw) bool { return t.isNum || t.is(beginsNumbers) }
	first := slices.IndexFunc(in, begins)
	if first < 0 {
		return in
	}
	out := in[:first]
	for i := first; i < len(in); {
		t := in[i]
		if t.locked || !begins(t) {
			out = append(out, t)
			i++
			continue
		}
		v, unit, kilo, next, ok := numberAt(in, i)
		if !ok {
			out = append(out, t)
			i++
			continue
		}
		t.num, t.isNum, t.end = Number{v, unit, kilo}, true, in[next-1].end
		if next-i > 1 || t.text != "one" {
			t.wordInfo = l.word(strconv.FormatFloat(v, 'f', -1, 64))
		}
		out = append(out, t)
		i = next
	}
	for i := range out { // "50 to 100 KB": the unit counts for both
		if out[i].isNum && out[i].num.Unit == UnitNone && i+2 < len(out) && out[i+2].isNum && out[i+2].num.Unit != UnitNone &&
			(out[i+1].text == "to" || out[i+1].text == "or" || out[i+1].text == "and") {
			out[i].num = scaleLike(out[i].num.Value, out[i+2])
		} else if out[i].isNum && out[i].num.Unit == UnitNone && i+1 < len(out) && out[i+1].isNum && out[i+1].glued && out[i+1].num.Unit != UnitNone {
			out[i].num = scaleLike(out[i].num.Value, out[i+1])
		}
	}
	return out
}

func versionFigure(w string) bool {
	return len(w) > 2 && w[0] == 'v' && isDigit(w[1]) && allDigits(w[1:])
}

// scaleLike gives v the unit and size of t, whose own value tells the factor (50 to 100 KB).
func scaleLike(v float64, t raw) Number {
	factor := 1.0
	switch t.num.Unit {
	case UnitBytes:
		for _, f := range []float64{1 << 40, 1 << 30, 1 << 20, 1 << 10} {
			if t.num.Value >= f {
				factor = f
				break
			}
		}
	case UnitMillis:
		for _, f := range []float64{3600000, 60000, 1000} {
			if t.num.Value >= f {
				factor = f
				break
			}
		}
	default:
	}
	return Number{Value: v * factor, Unit: t.num.Unit}
}

// numberAt reads the longest number that starts at in[i]; next is the token after it.
func numberAt(in []raw, i int) (v float64, unit Unit, kilo bool, next int, ok bool) {
	adjacent := func(j int) bool { return j < len(in) && in[j].brk == BreakNone && !in[j].locked }
	start := i
	switch {
	case in[i].isNum:
		v, unit, kilo, ok = in[i].num.Value, in[i].num.Unit, in[i].num.Kilo, true
		i++
		if adjacent(i) && in[i].isNum && in[i].text == "000" && v < 1000 { // 100 000
			v *= 1000
			i++
		}
	case in[i].is(isVersion):
		f, err := strconv.ParseFloat(in[i].text[1:], 64)
		if err != nil {
			return 0, 0, false, 0, false
		}
		return f, UnitNone, false, i + 1, true
	default:
		v, i, ok = wordsToNumber(in, i)
	}
	if !ok {
		return 0, 0, false, 0, false
	}
	if adjacent(i) && unit == UnitNone && in[i].text == "point" && adjacent(i+1) {
		if in[i+1].is(isNumberWord) && in[i+1].small < 10 {
			var digits strings.Builder
			digits.WriteString("0.")
			i++
			for adjacent(i) && in[i].is(isNumberWord) {
				digits.WriteString(strconv.Itoa(int(in[i].small)))
				i++
			}
			f, _ := strconv.ParseFloat(digits.String(), 64)
			v += f
		} else if in[i+1].isNum {
			f, err := strconv.ParseFloat("0."+in[i+1].text, 64)
			if err == nil {
				v += f
				i += 2
			}
		}
	}
	for adjacent(i) && unit == UnitNone && in[i].multiplier > 0 {
		v *= in[i].multiplier
		kilo = kilo || in[i].text == "k"
		i++
	}
	// the 8 of UTF-8 counts nothing
	if named := in[start].glued && start > 0 && !in[start-1].isNum; adjacent(i) && unit == UnitNone && !named {
		w := in[i].text
		// "one second" counts; "the second s" and a lone letter after a word do not
		if u := in[i].unit; u.Unit != UnitNone && !(len(w) == 1 && !in[start].isNum) {
			v, unit = v*u.Value, u.Unit
			i++
			if w == "milli" && adjacent(i) && (in[i].text == "seconds" || in[i].text == "second") {
				i++
			}
		} else if w == "per" && adjacent(i+1) && in[i+1].text == "cent" {
			unit = UnitPercent
			i += 2
		}
	}
	return v, unit, kilo, i, true
}

// wordsToNumber reads number words from in[i] on.
func wordsToNumber(in []raw, i int) (v float64, next int, ok bool) {
	start := i
	total, cur, last := 0.0, 0.0, -1.0
	for i < len(in) && !in[i].isNum && !in[i].locked && (i == start || in[i].brk == BreakNone) {
		w, n, small := in[i].text, in[i].small, in[i].is(isNumberWord)
		switch {
		case small:
			switch {
			case last < 0:
				cur = n
			case last >= 20 && last < 100 && n > 0 && n < 10: // twenty five
				cur += n
			case last == 100 || last >= 1000: // two hundred six
				cur += n
			case last < 10 && n >= 10 && cur < 10: // four twenty (nine), one twenty eight
				cur = cur*100 + n
			case last >= 10 && last < 100 && n >= 20 && cur < 100: // twenty twenty
				cur = cur*100 + n
			default:
				return total + cur, i, true
			}
			last = n
		case w == "oh" && last >= 1 && last < 10 && i+1 < len(in):
			d := in[i+1].small
			if !in[i+1].is(isNumberWord) || d >= 10 {
				return total + cur, i, true
			}
			cur = cur*100 + d
			last = 10
			i++
		case w == "hundred":
			if last < 0 {
				if i == start && (i == 0 || in[i-1].text != "a") {
					return 0, 0, false
				}
				cur = 1
			}
			cur *= 100
			last = 100
		case w == "thousand" || w == "million" || w == "billion":
			if last < 0 {
				if i == 0 || in[i-1].text != "a" {
					return 0, 0, false
				}
				cur = 1
			}
			total += cur * in[i].multiplier
			cur, last = 0, 1000
		case w == "and" && (last == 100 || last == 1000) && i+1 < len(in):
			if in[i+1].small == 0 { // zero, or no number
				return total + cur, i, true
			}
		default:
			if last < 0 {
				return 0, 0, false
			}
			return total + cur, i, true
		}
		i++
	}
	return total + cur, i, last >= 0
}
