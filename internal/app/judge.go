// Package app joins the parts: it is the one place that builds a judge, a grader or a server from a configuration. Only
// cmd and tests import it.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/vivagrader/grader/internal/config"
	"github.com/vivagrader/grader/internal/grade"
	"github.com/vivagrader/grader/internal/judge"
	"github.com/vivagrader/grader/internal/llm"
)

// Judge is a judge that is ready to be asked, with the client behind it.
type Judge struct {
	grade.Judged
	Client *llm.Client
}

var _ judge.Completer = (*llm.Client)(nil)

// NewJudge builds the judge that cfg describes. Errors are those of the configuration; no call is made.
func NewJudge(cfg config.Judge, log *slog.Logger) (*Judge, error) {
	var prices *llm.Prices
	if cfg.Prices != "" {
		var err error
		if prices, err = llm.LoadPrices(cfg.Prices); err != nil {
			return nil, err
		}
	}
	client, err := llm.New(llm.Config{BaseURL: cfg.URL, Model: cfg.Model, APIKey: cfg.APIKey.Reveal(), Concurrency: cfg.Concurrency,
		CacheDir: cfg.CacheDir, NoCache: cfg.NoCache, MaxCost: cfg.MaxCost, Prices: prices, Logger: log})
	if err != nil {
		return nil, err
	}
	evidence := judge.Evidence(cfg.Evidence)
	j := judge.New(client, nonceKey(), evidence)
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = config.DefaultJudgeTimeout
	}
	return &Judge{Client: client, Judged: grade.Judged{Judge: bounded{j, timeout}, Endpoint: cfg.URL, Model: cfg.Model, PromptHash: judge.PromptHash(j.Evidence())}}, nil
}

// bounded gives every answer the same time, all attempts and re-asks together.
type bounded struct {
	judge   *judge.Judge
	timeout time.Duration
}

func (b bounded) Judge(ctx context.Context, req judge.Request) (judge.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	start := time.Now()
	r, err := b.judge.Judge(ctx, req)
	r.Elapsed = time.Since(start)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) { // whatever was under way when it struck
		err = &llm.Error{Kind: llm.Timeout, Message: fmt.Sprintf("no verdicts within %s: %v", b.timeout, err), Err: ctx.Err()}
	}
	return r, err
}

// Sample is the judge asked once more: runs with another number share no cached reply. A nil judge stays nil.
func (j *Judge) Sample(n int) *Judge {
	if j == nil || n == 0 {
		return j
	}
	again := *j
	again.Judged.Sample = n
	return &again
}

// Probe asks the endpoint once, before many answers are sent. Its error is a configuration that cannot work: a URL that
// is none, a refused key, an unknown model. An endpoint that is unreachable, slow or limiting is no error: grading goes
// on degraded.
func (j *Judge) Probe(ctx context.Context) error {
	err := j.Client.Probe(ctx)
	var e *llm.Error
	if errors.As(err, &e) && e.Permanent() {
		return err
	}
	return ctx.Err()
}

// Usage is what the judge's calls have cost, and what the cache has saved.
func (j *Judge) Usage() (spent, saved grade.Usage) {
	t := j.Client.Totals()
	return grade.UsageOf(t.Spent), grade.UsageOf(t.Saved)
}

const nonceKeyBytes = 32

// nonceKey is random for each installation, and kept so that the same answer gets the same nonce. Where it cannot be
// kept it is random for each run, which costs nothing but that.
func nonceKey() []byte {
	key := make([]byte, nonceKeyBytes)
	_, _ = rand.Read(key) // never fails
	dir, err := os.UserConfigDir()
	if err != nil {
		return key
	}
	file := filepath.Join(dir, "grader", "nonce.key")
	if kept, err := os.ReadFile(file); err == nil && len(kept) == nonceKeyBytes {
		return kept
	} else if !errors.Is(err, fs.ErrNotExist) {
		return key
	}
	if os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return key
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil { // another process was first
		if kept, err := os.ReadFile(file); err == nil && len(kept) == nonceKeyBytes {
			return kept
		}
		return key
	}
	defer func() { _ = f.Close() }()
	_, _ = f.Write(key)
	return key
}
