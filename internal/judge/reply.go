package judge

import (
	"encoding/json"
	"errors"
	"strings"
)

// errNoReply is a reply without an object that holds a points array.
var errNoReply = errors.New("the reply holds no JSON object with a points array")

// entry is one decided id of a reply.
type entry struct {
	ID        string   `json:"id"`
	Quotes    []string `json:"quotes"`
	Sentences []int    `json:"sentences"`
	Reason    string   `json:"reason"`
	Verdict   string   `json:"verdict"`
}

type reply struct {
	Points         []entry `json:"points"`
	Misconceptions []entry `json:"misconceptions"`
	Habits         []entry `json:"habits"`
}

// maxObjects bounds the places at which an object is looked for in a reply.
const maxObjects = 200

// parseReply finds the reply in what a model wrote: thinking blocks are dropped, and the last object with a points array
// counts, for some models restate the schema first.
func parseReply(content string) (*reply, error) {
	content = dropThinking(content)
	var last *reply
	tries := 0
	for at := strings.IndexByte(content, '{'); at >= 0 && tries < maxObjects; tries++ {
		var raw map[string]json.RawMessage
		dec := json.NewDecoder(strings.NewReader(content[at:]))
		next := at + 1
		if err := dec.Decode(&raw); err == nil {
			if r := asReply(raw); r != nil {
				last, next = r, at+int(dec.InputOffset())
			}
		}
		i := strings.IndexByte(content[next:], '{')
		if i < 0 {
			break
		}
		at = next + i
	}
	if last == nil {
		return nil, errNoReply
	}
	return last, nil
}

// asReply reads an object with a points array; entries of another form are left out and so asked again.
func asReply(raw map[string]json.RawMessage) *reply {
	var list []json.RawMessage
	if json.Unmarshal(raw["points"], &list) != nil || list == nil {
		return nil
	}
	return &reply{entries(raw["points"]), entries(raw["misconceptions"]), entries(raw["habits"])}
}

func entries(raw json.RawMessage) []entry {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	var out []entry
	for _, item := range list {
		var e entry
		if json.Unmarshal(item, &e) == nil && e.ID != "" {
			e.Verdict = strings.ToLower(strings.TrimSpace(e.Verdict))
			out = append(out, e)
		}
	}
	return out
}

// dropThinking removes <think> blocks; an unclosed one swallows the rest, and a lone closing tag everything before it.
func dropThinking(s string) string {
	for _, tag := range []string{"think", "thinking", "reasoning"} {
		open, closing := "<"+tag+">", "</"+tag+">"
		if i := strings.LastIndex(s, closing); i >= 0 {
			s = s[i+len(closing):]
		}
		if i := strings.Index(s, open); i >= 0 {
			s = s[:i]
		}
	}
	return s
}
