package llm_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vivagrader/grader/internal/llm"
)

func Example() {
	client, err := llm.New(llm.Config{BaseURL: "http://127.0.0.1:11434/v1", Model: "qwen2.5:1.5b"})
	if err != nil {
		fmt.Println(err) // one line that says what to change
		return
	}
	defer client.Close()

	// Everything that may pass is tried again until the deadline.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	res, err := client.Complete(ctx, llm.Request{
		Messages:   []llm.Message{{Role: "user", Content: "Is 7 prime? Reply as {\"prime\": true} or {\"prime\": false}."}},
		SchemaName: "prime",
		Schema:     []byte(`{"type":"object","properties":{"prime":{"type":"boolean"}},"required":["prime"],"additionalProperties":false}`),
		MaxTokens:  20,
		Key:        "is-prime/1:7",
	})
	var failed *llm.Error
	if errors.As(err, &failed) && failed.Permanent() {
		fmt.Println("no request will work before this is settled:", failed)
		return
	}
	fmt.Println(res.Content, res.Spent.OutputTokens, client.Totals().Spent.Cost)
}
