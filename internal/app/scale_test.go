//go:build !soak

package app

import "time"

// How long the judge is away: half of it hanging, half of it failing. With the tag soak it is a minute.
const (
	outage       = 2 * time.Second
	outageBudget = 200 * time.Millisecond // for one answer
)
