package server

import (
	"net/netip"
	"slices"
	"strings"
)

// proxies are the peers whose word about the address of their caller is taken. Nobody else's is.
type proxies []netip.Prefix

func (p proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a) })
}

// client is the address of the caller: the peer's, or the one next to the last proxy that is trusted, by X-Forwarded-For
// and Forwarded. Where the two disagree one of them was made up, and it is the peer's.
func (p proxies) client(peer string, forwardedFor, forwarded []string) string {
	from, err := parseAddress(peer)
	if err != nil {
		return peer
	}
	if !p.trust(from) {
		return from.String()
	}
	plain, standard := hops(forwardedFor), standardHops(forwarded)
	switch {
	case len(plain) == 0:
		return p.walk(from, standard).String()
	case len(standard) == 0 || p.walk(from, plain) == p.walk(from, standard):
		return p.walk(from, plain).String()
	}
	return from.String()
}

// walk goes from the nearest hop to the farthest until one is not trusted. What cannot be read ends it, too.
func (p proxies) walk(from netip.Addr, hops []string) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		a, err := parseAddress(hop)
		if err != nil || !p.trust(from) {
			break
		}
		from = a
	}
	return from
}

// hops are the addresses of X-Forwarded-For, the caller's first.
func hops(headers []string) []string {
	if len(headers) == 0 {
		return nil
	}
	return strings.Split(strings.Join(headers, ","), ",")
}

// standardHops are the addresses of Forwarded (RFC 7239), the caller's first. A hop that hides its caller is empty.
func standardHops(headers []string) []string {
	list := hops(headers)
	for i, hop := range list {
		list[i] = ""
		for pair := range strings.SplitSeq(hop, ";") {
			if name, value, _ := strings.Cut(pair, "="); strings.EqualFold(strings.TrimSpace(name), "for") {
				list[i] = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return list
}

// parseAddress reads an IP address, which may have a port.
func parseAddress(s string) (netip.Addr, error) {
	s = strings.TrimSpace(s)
	if with, err := netip.ParseAddrPort(s); err == nil {
		return with.Addr().Unmap().WithZone(""), nil
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err
}
