//go:build soak

package app

import "time"

// How long the judge is away: half of it hanging, half of it failing.
const (
	outage       = time.Minute
	outageBudget = 2 * time.Second // for one answer
)
