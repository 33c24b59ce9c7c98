//go:build linux

package main

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/judge/judgetest"
)

// TestBatchJudgedMemory: ten times as many answers take hardly more memory.
func TestBatchJudgedMemory(t *testing.T) {
	t.Parallel()
	peak := func(answers int) int64 {
		d, _ := newDesk(t, answers, judgetest.Options{}, nil)
		c := d.batch("out.jsonl", "--judge", "required")
		_, stderr, code := d.run(c)
		require.Zero(t, code, stderr)
		return c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss // KiB
	}
	few, many := peak(300), peak(3000)
	require.Less(t, many, few+few/2)
	t.Logf("%d MiB for 300 answers, %d MiB for 3,000", few>>10, many>>10)
}
