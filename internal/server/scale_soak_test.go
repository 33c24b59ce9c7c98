//go:build soak

package server

// How large the crowd is that the service has to bear.
const (
	idleConnections = 2000
	slowReaders     = 200
	crowdRequests   = 1000
	drainClients    = 64
)
