// Command labeljudge serves the label judge on loopback, to measure the judged way of an answer without a model:
//
//	go run ./internal/judge/judgetest/labeljudge --answers answers.jsonl --labels labels.jsonl --addr 127.0.0.1:8899
//	grader calibrate --answers answers.jsonl --labels labels.jsonl --judge required --judge-url http://127.0.0.1:8899/v1 --judge-model label-judge
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/vivagrader/grader/internal/judge/judgetest"
)

func main() {
	var o judgetest.Options
	answers := flag.String("answers", "", "JSON Lines with id, question_id and text")
	labels := flag.String("labels", "", "JSON Lines with id, points, misconceptions, habits and quotes")
	addr := flag.String("addr", "127.0.0.1:8899", "address, on loopback")
	flag.Float64Var(&o.Flip, "flip", 0, "share of verdicts that are turned round")
	flag.Float64Var(&o.Fault, "fault", 0, "share of calls with each of seven faults")
	flag.BoolVar(&o.InventQuotes, "invent-quotes", false, "make every quote up")
	flag.BoolVar(&o.Obey, "obey", false, "obey answers that speak of scores")
	flag.BoolVar(&o.PlainText, "plain", false, "plain text with a thinking block")
	flag.BoolVar(&o.Hang, "hang", false, "never answer")
	flag.DurationVar(&o.Delay, "delay", 0, "delay of every reply")
	flag.Uint64Var(&o.Seed, "seed", 1, "of the faults")
	flag.Parse()
	known := map[string]*judgetest.Labels{}
	for _, file := range []string{*answers, *labels} {
		if err := merge(file, known); err != nil {
			fail(err)
		}
	}
	list := make([]judgetest.Labels, 0, len(known))
	for _, l := range known {
		list = append(list, *l)
	}
	srv := &http.Server{Addr: *addr, Handler: judgetest.New(list, o), ReadHeaderTimeout: 5 * time.Second}
	slog.Info("label judge", "answers", len(list), "addr", *addr)
	fail(srv.ListenAndServe())
}

func fail(err error) {
	slog.Error("label judge", "error", err)
	os.Exit(1)
}

// merge reads lines with an id into the labels known so far.
func merge(file string, known map[string]*judgetest.Labels) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 4<<20)
	for s.Scan() {
		var id struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(s.Bytes(), &id); err != nil {
			return err
		}
		if known[id.ID] == nil {
			known[id.ID] = &judgetest.Labels{}
		}
		if err := json.Unmarshal(s.Bytes(), known[id.ID]); err != nil {
			return err
		}
	}
	return s.Err()
}
