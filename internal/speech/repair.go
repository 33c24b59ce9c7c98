package speech

import (
	"context"
	"errors"
	"slices"

	"github.com/vivagrader/grader/internal/llm"
	"github.com/vivagrader/grader/internal/transcript"
)

const (
	// breathMS is the pause between two words at which a transcript can be cut, looked for reachMS around a doubt.
	breathMS, reachMS = 300, 5000
	// faintMS is the sound with a voice in it that a pause may have: a cough, a breath, a word's end.
	faintMS = 700
	// gainMS is how much less the second pass has to leave in doubt.
	gainMS = 1000
	// maxSpans is the number of doubtful spans in one clip above which the whole clip is taken again.
	maxSpans = 6
)

// span is a part of a clip that is in doubt, from pause to pause, with the doubts in it.
type span struct {
	startMS, endMS int
	doubts         []Doubt
}

// repair takes what is in doubt once more without the vocabulary: the doubtful spans where the sound can be cut, else the
// whole clip. It returns the transcript with the better of both in each span, and the doubts that remain. What neither
// has words for is a pause, unless it is mostly sound. Without a vocabulary the whole would come back as it was, so that only spans are tried.
func (c *Client) repair(ctx context.Context, cl clip, t *transcript.Transcript, prompted bool, r *Result) (*transcript.Transcript, []Doubt, error) {
	doubts := serious(t)
	if len(doubts)+len(silentEnds(t, t.DurationMS)) == 0 {
		return t, nil, nil
	}
	sound, steps := c.heardSound(ctx, cl, t.TimesAt(0, len(t.Text)).EndMS)
	if sound != nil {
		doubts = append(doubts, silentEnds(t, sound.ms(sound.length()))...)
		slices.SortFunc(doubts, func(a, b Doubt) int { return a.StartMS - b.StartMS })
	}
	if sound == nil && t.Text == "" {
		doubts = silentEnds(t, t.DurationMS)
	}
	doubts = slices.DeleteFunc(doubts, func(d Doubt) bool { return quiet(d, steps) })
	spans := spansOf(t, doubts)
	if len(spans) == 0 {
		return t, nil, nil
	}
	var whole *transcript.Transcript
	if sound == nil || len(spans) > maxSpans {
		if !prompted {
			return t, doubts, nil
		}
		var err error
		if whole, err = c.listen(ctx, cl, "", r); err != nil {
			return c.unrepaired(ctx, t, doubts, err, r)
		}
	}
	var left []Doubt
	for _, s := range spans {
		second := whole
		if whole == nil {
			var err error
			if second, err = c.listenTo(ctx, sound, s, r); err != nil {
				return c.unrepaired(ctx, t, doubts, err, r)
			}
		}
		var remain []Doubt
		t, remain = r.better(cl, t, second.Between(s.startMS, s.endMS), s, steps)
		left = append(left, remain...)
	}
	return t, left, nil
}

// unrepaired keeps the first pass when the second fails.
func (c *Client) unrepaired(ctx context.Context, t *transcript.Transcript, doubts []Doubt, err error, r *Result) (*transcript.Transcript, []Doubt, error) {
	if ctx.Err() != nil {
		return nil, nil, err
	}
	kind := llm.KindUnspecified
	if e, ok := errors.AsType[*llm.Error](err); ok {
		kind = e.Kind
	}
	r.note("the second pass over what is in doubt failed (%s)", kind)
	return t, doubts, nil
}

// serious are the doubts that a second pass may settle. Invented text is dropped and needs none.
func serious(t *transcript.Transcript) []Doubt {
	return slices.DeleteFunc(Doubts(t), func(d Doubt) bool { return d.Kind == Invented })
}

// silentEnds are the beginning and the end of a clip where they have no words for a while. Most are silent; only the
// sound can tell.
func silentEnds(t *transcript.Transcript, lengthMS int) []Doubt {
	switch {
	case t.Text == "" && lengthMS >= gapMS:
		return []Doubt{{Lost, 0, lengthMS}}
	case !t.Timed():
		return nil
	}
	var out []Doubt
	first, last := t.Words[0].StartMS, t.Words[len(t.Words)-1].EndMS
	if first >= gapMS {
		out = append(out, Doubt{Lost, 0, first})
	}
	if lengthMS-last >= gapMS {
		out = append(out, Doubt{Lost, last, lengthMS})
	}
	return out
}

// heardSound is the sound of a clip in the clip's own time, with the steps of levelMS in which it is not silent; nil
// where it cannot be had, or is shorter than the recogniser makes it.
func (c *Client) heardSound(ctx context.Context, cl clip, endMS int) (*wave, []bool) {
	data, kind := cl.file()
	w, err := c.sound(ctx, data, kind)
	if err != nil || w.ms(w.length())+breathMS < endMS {
		return nil, nil
	}
	return w, w.voices().sound
}

// quiet reports whether a stretch without words is known to be without sound, too.
func quiet(d Doubt, steps []bool) bool {
	return d.Kind == Lost && len(steps) > 0 && soundMS(d, steps) <= faintMS
}

// sounds reports whether the better half of a stretch without words is known to have sound: a voice that nobody understood
// rather than a pause.
func sounds(d Doubt, steps []bool) bool { return 2*soundMS(d, steps) > d.length() }

func soundMS(d Doubt, steps []bool) int {
	n := 0
	for i := d.StartMS / levelMS; i < min(d.EndMS/levelMS, len(steps)); i++ {
		if steps[i] {
			n++
		}
	}
	return n * levelMS
}

// listenTo takes a span of the sound, and gives its transcript in the time of the clip.
func (c *Client) listenTo(ctx context.Context, sound *wave, s span, r *Result) (*transcript.Transcript, error) {
	at := stretch{min(s.startMS*sound.rate/1000, sound.length()), min(s.endMS*sound.rate/1000, sound.length())}
	cl := clip{sound: sound, channel: -1, stretches: []stretch{at}}
	t, err := c.listen(ctx, cl, "", r)
	if err != nil {
		return nil, err
	}
	return cl.inRecording(t), nil
}

// better puts the second pass into the span if it leaves less in doubt there, and returns what remains.
func (r *Result) better(cl clip, first, second *transcript.Transcript, s span, steps []bool) (*transcript.Transcript, []Doubt) {
	old := first.Between(s.startMS, s.endMS)
	before, after := s.holes(old, steps), s.holes(second, steps)
	both := func(d Doubt, others []Doubt) bool { return d.Kind == Lost && slices.ContainsFunc(others, d.samePlace) }
	var left []Doubt
	for _, d := range s.doubts {
		if both(d, after) && !sounds(d, steps) {
			r.note("%s: a second pass has none either, so that it counts as a pause", cl.doubtInRecording(d))
		} else {
			left = append(left, d)
		}
	}
	if extent(after) > extent(before)-gainMS && (old.Text != "" || second.Text == "") {
		return first, left
	}
	for _, d := range left {
		r.note("%s: taken again without the vocabulary, and that pass was kept", cl.doubtInRecording(d))
	}
	out := concat([]*transcript.Transcript{first.Between(0, s.startMS), second, first.Between(s.endMS, endless)})
	out.DurationMS = first.DurationMS
	return out, slices.DeleteFunc(after, func(d Doubt) bool { return both(d, before) })
}

const endless = 1 << 40

// holes are the doubts of a pass over the span, in which silence at the ends is a hole, too. What is silent is none.
func (s *span) holes(t *transcript.Transcript, steps []bool) []Doubt {
	out := serious(t)
	switch {
	case t.Text == "":
		out = []Doubt{{Lost, s.startMS, s.endMS}}
	case t.Timed():
		first, last := t.Words[0].StartMS, t.Words[len(t.Words)-1].EndMS
		if first-s.startMS >= gapMS {
			out = append([]Doubt{{Lost, s.startMS, first}}, out...)
		}
		if s.endMS-last >= gapMS {
			out = append(out, Doubt{Lost, last, s.endMS})
		}
	}
	return slices.DeleteFunc(out, func(d Doubt) bool { return quiet(d, steps) })
}

// samePlace reports whether another pass has a hole at the same place.
func (d Doubt) samePlace(o Doubt) bool {
	both := min(d.EndMS, o.EndMS) - max(d.StartMS, o.StartMS)
	return o.Kind == Lost && 2*both >= max(d.length(), o.length())
}

func extent(doubts []Doubt) int {
	sum := 0
	for _, d := range doubts {
		sum += d.length() + 1
	}
	return sum
}

// spansOf widens doubts to the pauses beside them and joins those that meet.
func spansOf(t *transcript.Transcript, doubts []Doubt) []span {
	var out []span
	for _, d := range doubts {
		s := span{pauseBefore(t, d.StartMS), pauseAfter(t, d.EndMS), []Doubt{d}}
		if n := len(out); n > 0 && s.startMS <= out[n-1].endMS {
			out[n-1].endMS = max(out[n-1].endMS, s.endMS)
			out[n-1].doubts = append(out[n-1].doubts, d)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// pauseBefore is the middle of the last pause before a time, or the time itself where none is near.
func pauseBefore(t *transcript.Transcript, ms int) int {
	at, end := ms, 0
	if ms < reachMS {
		at = 0
	}
	for i := range t.Words {
		w := &t.Words[i]
		if !w.Known || w.StartMS > ms {
			break
		}
		if w.StartMS-end >= breathMS && w.StartMS >= ms-reachMS {
			at = (w.StartMS + end) / 2
		}
		end = max(end, w.EndMS)
	}
	return at
}

// pauseAfter is the middle of the first pause behind a time, the end where that is near, or else the time itself.
func pauseAfter(t *transcript.Transcript, ms int) int {
	end := ms
	for i := range t.Words {
		w := &t.Words[i]
		if !w.Known || w.EndMS <= ms {
			continue
		}
		if w.StartMS > ms+reachMS {
			return ms
		}
		if w.StartMS >= ms && w.StartMS-end >= breathMS {
			return (w.StartMS + end) / 2
		}
		end = max(end, w.EndMS)
	}
	return max(t.DurationMS, end)
}
