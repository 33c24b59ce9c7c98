package llm

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/llm/llmtest"
)

// formats are the response formats of a server's requests, in order: s, j and t.
func formats(s *llmtest.Server) string {
	var b strings.Builder
	for _, r := range s.Requests() {
		b.WriteString(map[string]string{"json_schema": "s", "json_object": "j", "": "t"}[r.Format()])
	}
	return b.String()
}

func needsBrace(s string) error {
	if !strings.HasPrefix(s, "{") {
		return errors.New("no object")
	}
	return nil
}

func TestLadderGoesDownOnceAndRemembers(t *testing.T) {
	t.Parallel()
	ok := llmtest.Always(llmtest.Content("{}"))
	for name, tc := range map[string]struct {
		script llmtest.Script
		want   string
		rung   Rung
	}{
		"takes everything":  {ok, "sss", RungSchema},
		"no schema":         {llmtest.Refuse(ok, "json_schema"), "sjjj", RungJSON},
		"text only":         {llmtest.Refuse(ok, "json_schema", "json_object"), "sjttt", RungText},
		"no JSON mode":      {llmtest.Refuse(ok, "json_object"), "sss", RungSchema},
		"odd words for no":  {refuseWith(ok, llmtest.Reply{Status: 422, Body: []byte(`{"detail":"extra fields"}`)}), "stttt", RungText},
		"grammar fails":     {refuseWith(ok, llmtest.Status(500, "failed to parse grammar")), "sjttt", RungText},
		"nothing in schema": {uselessOn(ok, "json_schema"), "sssjsssjsssjjjjj", RungJSON},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := llmtest.New(t, tc.script)
			c := newClient(t, s.URL(), nil)
			n := 3
			if strings.HasPrefix(tc.want, "sssj") {
				n = 7
			}
			for range n {
				req := question("")
				req.Valid = needsBrace
				_, err := c.Complete(withTimeout(t, 20*time.Second), req)
				require.NoError(t, err)
			}
			if name == "odd words for no" {
				require.Equal(t, RungText, c.Totals().Rung)
				require.LessOrEqual(t, s.Calls(), 3*n)
				return
			}
			require.Equal(t, tc.want, formats(s))
			require.Equal(t, tc.rung, c.Totals().Rung)
		})
	}
}

func refuseWith(next llmtest.Script, r llmtest.Reply) llmtest.Script {
	return func(req llmtest.Request) llmtest.Reply {
		if req.Format() != "" {
			return r
		}
		return next(req)
	}
}

func uselessOn(next llmtest.Script, format string) llmtest.Script {
	return func(r llmtest.Request) llmtest.Reply {
		if r.Format() == format {
			return llmtest.Content("sorry")
		}
		return next(r)
	}
}

func TestLadderPutsTheSchemaInThePrompt(t *testing.T) {
	t.Parallel()
	for _, rung := range []Rung{RungSchema, RungJSON, RungText} {
		s := llmtest.New(t, llmtest.Always(llmtest.Content("{}")))
		c := newClient(t, s.URL(), func(c *Config) { c.Rung = rung })
		_, err := c.Complete(withTimeout(t, 10*time.Second), question(""))
		require.NoError(t, err)
		req := s.Requests()[0]
		require.Len(t, req.Messages, 2)
		require.True(t, strings.HasPrefix(req.Messages[0].Content, "be brief"))
		require.Equal(t, rung != RungSchema, strings.Contains(req.Messages[0].Content, string(testSchema)))
	}
}

func TestLadderProbesAgainWhenItBreaks(t *testing.T) {
	t.Parallel()
	// First an endpoint that takes text only; then another one behind the same URL that is of use with a schema only.
	var mu sync.Mutex
	second := false
	ok := llmtest.Always(llmtest.Content("{}"))
	textOnly := llmtest.Refuse(ok, "json_schema", "json_object")
	schemaOnly := uselessOn(uselessOn(ok, ""), "json_object")
	s := llmtest.New(t, func(r llmtest.Request) llmtest.Reply {
		mu.Lock()
		defer mu.Unlock()
		if second {
			return schemaOnly(r)
		}
		return textOnly(r)
	})
	c := newClient(t, s.URL(), nil)
	ask := func() {
		req := question("")
		req.Valid = needsBrace
		_, err := c.Complete(withTimeout(t, 20*time.Second), req)
		require.NoError(t, err)
	}
	ask()
	require.Equal(t, RungText, c.Totals().Rung)
	mu.Lock()
	second = true
	mu.Unlock()
	for range rescuesToMove + 1 { // the one success counts for the old endpoint
		ask()
	}
	require.Equal(t, RungSchema, c.Totals().Rung)
	before := s.Calls()
	ask()
	require.Equal(t, before+1, s.Calls())
}

func TestLadderCallsAreBounded(t *testing.T) {
	t.Parallel()
	useless := llmtest.Always(llmtest.Content("sorry"))
	for name, tc := range map[string]struct {
		script llmtest.Script
		rung   Rung
		most   int
	}{
		"useless everywhere":        {useless, RungAuto, ladderPasses * badReplyTries},
		"useless, pinned":           {useless, RungSchema, ladderPasses * badReplyTries},
		"useless in text, the only": {llmtest.Refuse(useless, "json_schema", "json_object"), RungAuto, 2 + ladderPasses*badReplyTries},
		"useless below the schema":  {llmtest.Refuse(useless, "json_schema"), RungAuto, 1 + ladderPasses*badReplyTries},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := llmtest.New(t, tc.script)
			c := newClient(t, s.URL(), func(c *Config) { c.Rung = tc.rung })
			req := question("k")
			req.Valid = needsBrace
			res, err := c.Complete(withTimeout(t, 30*time.Second), req)
			require.Equal(t, BadReply, kindOf(t, err))
			require.Equal(t, tc.most, s.Calls())
			require.Equal(t, s.Calls(), res.Spent.Requests)
			require.Equal(t, 0, c.Totals().CacheHits)
		})
	}
}

func TestPinnedRungThatIsRefused(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, llmtest.Refuse(llmtest.Always(llmtest.Content("{}")), "json_schema"))
	_, err := newClient(t, s.URL(), func(c *Config) { c.Rung = RungSchema }).Complete(withTimeout(t, 10*time.Second), question("k"))
	require.Equal(t, BadRequest, kindOf(t, err))
	require.Equal(t, 1, s.Calls())
}

func TestDialectLearnsOnce(t *testing.T) {
	t.Parallel()
	s := llmtest.New(t, llmtest.Reasoning(llmtest.Always(llmtest.Content("{}"))))
	c := newClient(t, s.URL(), func(c *Config) { c.Model = "my-reasoner" })
	for range 3 {
		_, err := c.Complete(withTimeout(t, 10*time.Second), question(""))
		require.NoError(t, err)
	}
	require.Equal(t, 5, s.Calls(), "two refusals, once")
	last := s.Requests()[4]
	require.Nil(t, last.Temperature)
	require.Equal(t, 100, *last.MaxCompletionTokens)
	require.Equal(t, RungSchema, c.Totals().Rung)
}

func TestKnownReasoningModelsCostNoRefusal(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-6-sol"} {
		s := llmtest.New(t, llmtest.Reasoning(llmtest.Always(llmtest.Content("{}"))))
		_, err := newClient(t, s.URL(), func(c *Config) { c.Model = model }).Complete(withTimeout(t, 10*time.Second), question(""))
		require.NoError(t, err, model)
		require.Equal(t, 1, s.Calls(), model)
	}
}
