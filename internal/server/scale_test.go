//go:build !soak

package server

// How large the crowd is: quick enough for every run. With the tag soak it is as large as the service has to bear.
const (
	idleConnections = 200
	slowReaders     = 40
	crowdRequests   = 100
	drainClients    = 8
)
