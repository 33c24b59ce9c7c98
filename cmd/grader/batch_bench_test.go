package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/app"
	"github.com/vivagrader/grader/internal/batch"
	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/judge/judgetest"
)

// BenchmarkBatchJudged is a batch on a judge that takes 200 ms with 32 slots, against a bare loop of 32 workers that
// post the same prompts to the same endpoint and look at nothing, in turns. DESIGN 7 wants a ratio of 1.05 at most.
func BenchmarkBatchJudged(b *testing.B) {
	const answers, slots = 1280, 32
	d, _ := newDesk(b, answers, judgetest.Options{Delay: 200 * time.Millisecond}, nil)
	graders, err := (&globals{}).graders()
	require.NoError(b, err)
	prompts := &recorder{}
	recording := batchGrader{graders, &app.Judge{Judged: grade.Judged{Judge: prompts}}}
	_, _, err = batch.Each(batch.Config{In: d.in}, func(id string, a grade.Answer) error {
		_, err := recording.Grade(b.Context(), id, a)
		return err
	})
	require.NoError(b, err)

	var flags batchFlags
	flags.judge.config.Concurrency = slots
	var bare, ours time.Duration
	for b.Loop() {
		bare += bareLoop(b, d.url, prompts.bodies, slots)

		start := time.Now()
		j, err := app.NewJudge(config.Judge{URL: d.url, Model: "label-judge", Concurrency: slots, CacheDir: b.TempDir()}, nil)
		require.NoError(b, err)
		cfg := batch.Config{In: d.in, Out: b.TempDir() + "/out.jsonl", Settings: map[string]string{}}
		require.NoError(b, flags.addJudge(&globals{}, &cfg, judgeAuto, j))
		cfg.Ready = nil
		s, err := batch.Run(b.Context(), batchGrader{graders, j}, cfg)
		require.NoError(b, err)
		ours += time.Since(start)
		require.Equal(b, answers, s.States["GRADED"])
		require.Equal(b, len(prompts.bodies), s.Spent.Requests)
	}
	b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio")
	b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s")
	b.ReportMetric(ours.Seconds()/float64(b.N), "batch-s")
}

// recorder keeps the prompts instead of sending them.
type recorder struct{ bodies [][]byte }

func (r *recorder) Judge(_ context.Context, req judge.Request) (judge.Result, error) {
	var body struct {
		Model    string              `json:"model"`
		Messages []map[string]string `json:"messages"`
	}
	body.Model = "label-judge"
	for _, m := range judge.New(nil, nil, judge.Quotes).Prompt(req).Messages {
		body.Messages = append(body.Messages, map[string]string{"role": m.Role, "content": m.Content})
	}
	data, err := json.Marshal(body)
	r.bodies = append(r.bodies, data)
	return judge.Result{}, err
}

func bareLoop(b *testing.B, url string, bodies [][]byte, workers int) time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	work := make(chan []byte)
	var done sync.WaitGroup
	start := time.Now()
	for range workers {
		done.Go(func() {
			for body := range work {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"/chat/completions", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					continue
				}
				res, err := client.Do(req)
				if err != nil {
					b.Error(err)
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	for _, body := range bodies {
		work <- body
	}
	close(work)
	done.Wait()
	return time.Since(start)
}
