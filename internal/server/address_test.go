package server

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	tests := []struct {
		name, peer    string
		forwardedFor  []string
		forwarded     []string
		want          string
		withoutConfig string // with no proxy trusted
	}{
		{"no proxy", "192.0.2.1:99", nil, nil, "192.0.2.1", "192.0.2.1"},
		{"a stranger makes it up", "192.0.2.1:99", []string{"198.51.100.7"}, []string{"for=198.51.100.7"}, "192.0.2.1", "192.0.2.1"},
		{"proxy says nothing", "10.0.0.1:99", nil, nil, "10.0.0.1", "10.0.0.1"},
		{"proxy", "10.0.0.1:99", []string{"198.51.100.7"}, nil, "198.51.100.7", "10.0.0.1"},
		{"the caller made up what stands on the left", "10.0.0.1:99", []string{"203.0.113.9, 198.51.100.7"}, nil, "198.51.100.7", "10.0.0.1"},
		{"the caller made up a proxy", "10.0.0.1:99", []string{"203.0.113.9, 10.0.0.9, 198.51.100.7"}, nil, "198.51.100.7", "10.0.0.1"},
		{"two proxies", "10.0.0.1:99", []string{"198.51.100.7, 10.0.0.2"}, nil, "198.51.100.7", "10.0.0.1"},
		{"two headers are one list", "10.0.0.1:99", []string{"203.0.113.9", "198.51.100.7, 10.0.0.2"}, nil, "198.51.100.7", "10.0.0.1"},
		{"only proxies", "10.0.0.1:99", []string{"10.0.0.3, 10.0.0.2"}, nil, "10.0.0.3", "10.0.0.1"},
		{"with a port", "10.0.0.1:99", []string{"198.51.100.7:1234"}, nil, "198.51.100.7", "10.0.0.1"},
		{"v6", "[fd00::1]:99", []string{"2001:db8::7"}, nil, "2001:db8::7", "fd00::1"},
		{"v6 with a port", "[fd00::1]:99", []string{"[2001:db8::7]:1234"}, nil, "2001:db8::7", "fd00::1"},
		{"v6 in brackets", "[fd00::1]:99", []string{"[2001:db8::7]"}, nil, "2001:db8::7", "fd00::1"},
		{"v4 as v6", "[::ffff:10.0.0.1]:99", []string{"::ffff:198.51.100.7"}, nil, "198.51.100.7", "10.0.0.1"},
		{"nonsense", "10.0.0.1:99", []string{"nobody"}, nil, "10.0.0.1", "10.0.0.1"},
		{"nonsense behind a proxy", "10.0.0.1:99", []string{"198.51.100.7, nobody, 10.0.0.2"}, nil, "10.0.0.2", "10.0.0.1"},
		{"empty", "10.0.0.1:99", []string{""}, nil, "10.0.0.1", "10.0.0.1"},
		{"standard", "10.0.0.1:99", nil, []string{`for=198.51.100.7;proto=https;by=10.0.0.1`}, "198.51.100.7", "10.0.0.1"},
		{"standard, quoted v6", "10.0.0.1:99", nil, []string{`for=203.0.113.9, For="[2001:db8::7]:4711"`}, "2001:db8::7", "10.0.0.1"},
		{"standard, hidden", "10.0.0.1:99", nil, []string{`for=198.51.100.7, for=_hidden`}, "10.0.0.1", "10.0.0.1"},
		{"standard, without a caller", "10.0.0.1:99", nil, []string{`for=198.51.100.7, proto=https`}, "10.0.0.1", "10.0.0.1"},
		{"both agree", "10.0.0.1:99", []string{"198.51.100.7"}, []string{"for=198.51.100.7"}, "198.51.100.7", "10.0.0.1"},
		{"one of the two is made up", "10.0.0.1:99", []string{"198.51.100.7"}, []string{"for=203.0.113.9"}, "10.0.0.1", "10.0.0.1"},
		{"no address at all", "@", []string{"198.51.100.7"}, nil, "@", "@"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, trusted.client(tt.peer, tt.forwardedFor, tt.forwarded), tt.name)
		require.Equal(t, tt.withoutConfig, proxies(nil).client(tt.peer, tt.forwardedFor, tt.forwarded), tt.name)
	}
}

// TestLimitsBehindAProxy: each caller behind a trusted proxy has a limit of its own, over HTTP and gRPC, and cannot shed
// it by making up hops.
func TestLimitsBehindAProxy(t *testing.T) {
	t.Parallel()
	cfg := Config{Keys: []Key{key("k", "k", "", ScopeGrade)}, PerAddress: Rate{0.001, 1}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	overHTTP := start(t, cfg)
	ask := func(forwardedFor string) int {
		return overHTTP.do(t, "GET", "/v1/banks", "", "X-Api-Key", "k", "X-Forwarded-For", forwardedFor).status
	}
	require.Equal(t, 200, ask("198.51.100.7"))
	require.Equal(t, 429, ask("198.51.100.7"))
	require.Equal(t, 429, ask("203.0.113.9, 198.51.100.7"), "made up")
	require.Equal(t, 200, ask("198.51.100.8"))
	require.Contains(t, overHTTP.log.String(), "address=198.51.100.8")

	overGRPC := start(t, cfg)
	call := func(forwardedFor string) error {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "k", "x-forwarded-for", forwardedFor)
		_, err := overGRPC.grpc.ListBanks(ctx, &graderv1.ListBanksRequest{})
		return err
	}
	require.NoError(t, call("198.51.100.7"))
	require.Error(t, call("203.0.113.9, 198.51.100.7"))
	require.NoError(t, call("198.51.100.8"))
	require.Contains(t, overGRPC.log.String(), "address=198.51.100.8")
}
