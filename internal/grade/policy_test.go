package grade

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPolicyPage holds the table in docs/scoring.md against the policy.
func TestPolicyPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/scoring.md")
	require.NoError(t, err)
	for name, row := range map[string]seen{"nothing seen": seenNothing, "part seen": seenPart, "full hit": seenFull, "opposite seen": seenAgainst} {
		line := "| " + name
		for _, says := range []said{saidNothing, saidUnknown, saidMissed, saidPartial, saidMet, saidContradicted} {
			line += " | `" + string(policy[row][says].decision) + "`"
		}
		require.Contains(t, string(page), line+" |")
	}
	for _, row := range []seen{seenNothing, seenPart, seenCapped, seenFull, seenAgainst} {
		require.Len(t, policy[row], 6)
	}
}
