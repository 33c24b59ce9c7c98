package speech

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVocabulary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		statements []string
		want       string
	}{
		{"no names", []string{"The loop waits. It is slow."}, ""},
		{"spelled like code", []string{"Calls process.nextTick and setImmediate.", "Set UV_THREADPOOL_SIZE or --inspect; setImmediate again."},
			"T: process.nextTick, setImmediate, UV_THREADPOOL_SIZE, --inspect."},
		{"capitals inside a sentence", []string{"Names Redis. Then Linux uses epoll, p99 and V8."}, "T: Redis, Linux, p99, V8."},
		{"known in lower case", []string{"Node's pool comes from libuv."}, "T: libuv."},
		{"units and compounds", []string{"Takes 64 KB of CPU-bound work with Retry-After."}, "T: CPU, Retry-After."},
		{"a long list", []string{strings.Repeat("x ", 3) + "aB bB cB dB eB fB gB hB iB jB kB lB mB nB oB pB qB rB sB tB uB vB wB xB yB zB aC bC cC dC eC fC"},
			"T: aB, bB, cB, dB, eB, fB, gB, hB, iB, jB, kB, lB, mB, nB, oB, pB, qB, rB, sB, tB, uB, vB, wB, xB, yB, zB, aC, bC, cC, dC."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, Vocabulary("T", tt.statements, map[string]bool{"libuv": true}))
		})
	}
}
