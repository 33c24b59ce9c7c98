package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

const sha256Digits = 64

var (
	scopes  = []string{"grade", "rubric:read", "admin"}
	details = []string{"", "SCORE", "CANDIDATE", "COACH"}
	levels  = []string{"debug", "info", "warn", "error"}
)

// problems checks everything that can be checked without a call, and names each setting by its path.
func (s *Serve) problems() Problems {
	var bad Problems
	add := func(path, format string, args ...any) { bad = append(bad, path+": "+fmt.Sprintf(format, args...)) }
	s.checkAddresses(add)
	s.checkJudge(add)
	if sp := s.Speech.For(); sp.URL != "" || sp.Model != "" {
		if err := sp.Validate(); err != nil {
			add("speech", "%v", err)
		}
	}
	s.checkNumbers(add)
	s.checkKeys(add)
	if (s.TLS.CertFile == "") != (s.TLS.KeyFile == "") {
		add("tls", "needs both cert_file and key_file")
	}
	for i, o := range s.CORS.Origins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.RawQuery != "") {
			add(fmt.Sprintf("cors.origins[%d]", i), "%q is no origin; it looks like https://app.example.com", o)
		}
	}
	if _, err := s.Proxies(); err != nil {
		add("trusted_proxies", "%v", err)
	}
	if e := s.Trace.Endpoint; e != "" {
		if u, err := url.Parse(e); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			add("trace.endpoint", "%q is no URL of a collector; it looks like http://127.0.0.1:4318", e)
		}
	}
	if !slices.Contains(levels, s.Log.Level) {
		add("log.level", "%q is unknown; use %s", s.Log.Level, strings.Join(levels, ", "))
	}
	if s.Log.Format != "text" && s.Log.Format != "json" {
		add("log.format", "%q is unknown; use text or json", s.Log.Format)
	}
	return bad
}

func (s *Serve) checkAddresses(add func(string, string, ...any)) {
	if s.GRPCAddr == Off && s.HTTPAddr == Off {
		add("grpc_addr", "both gRPC and HTTP are off; serve one of them")
	}
	for _, at := range [][2]string{{"grpc_addr", s.GRPCAddr}, {"http_addr", s.HTTPAddr}, {"admin_addr", s.AdminAddr}} {
		path, addr := at[0], at[1]
		if addr == Off {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			add(path, "%q is no address; it looks like 127.0.0.1:8080", addr)
			continue
		}
		if path == "admin_addr" {
			if s.Pprof && !loopback(addr) && !s.Insecure {
				add("pprof", "profiles on %s can be read by others; use a loopback address, or --insecure", addr)
			}
			continue
		}
		if missing := s.unguarded(); missing != "" && !loopback(addr) && !s.Insecure {
			add(path, "%s can be reached by others, and there %s; add what is missing, or say --insecure where something in front of the server does it", addr, missing)
		}
	}
}

// unguarded says what is missing for serving strangers.
func (s *Serve) unguarded() string {
	switch {
	case len(s.Keys) == 0 && s.TLS.CertFile == "":
		return "are neither keys nor TLS"
	case len(s.Keys) == 0:
		return "are no keys"
	case s.TLS.CertFile == "":
		return "is no TLS, so that keys travel in the clear"
	}
	return ""
}

// Proxies are the networks of the proxies that are trusted.
func (s Serve) Proxies() ([]netip.Prefix, error) {
	out := make([]netip.Prefix, len(s.Trusted))
	for i, text := range s.Trusted {
		network, err := netip.ParsePrefix(text)
		if one, alone := netip.ParseAddr(text); alone == nil {
			network, err = netip.PrefixFrom(one, one.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no network; it looks like 10.0.0.0/8 or 10.0.0.1", text)
		}
		out[i] = network.Masked()
	}
	return out, nil
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Serve) checkJudge(add func(string, string, ...any)) {
	j := s.Judge
	switch {
	case j.URL != "" && j.Model == "":
		add("judge.model", "is missing; say which model at %s to ask", j.URL)
	case j.URL == "" && j.Model != "":
		add("judge.url", "is missing; say where the model %s is", j.Model)
	default:
		if err := j.For().Validate(); err != nil {
			add("judge", "%v", err)
		}
	}
}

func (s *Serve) checkNumbers(add func(string, string, ...any)) {
	type number struct {
		path  string
		value float64
		zero  bool // is allowed
	}
	l, t := s.Limits, s.Timeouts
	for _, n := range []number{
		{"limits.in_flight", float64(l.InFlight), false}, {"limits.key_rate", l.KeyRate, true}, {"limits.key_burst", float64(l.KeyBurst), true},
		{"limits.address_rate", l.AddressRate, true}, {"limits.address_burst", float64(l.AddressBurst), true},
		{"timeouts.request", t.Request.Seconds(), false}, {"timeouts.header", t.Header.Seconds(), false}, {"timeouts.read", t.Read.Seconds(), false},
		{"timeouts.idle", t.Idle.Seconds(), false}, {"timeouts.heartbeat", t.Heartbeat.Seconds(), false}, {"timeouts.drain", t.Drain.Seconds(), false},
		{"judge.timeout", s.Judge.Timeout.Seconds(), false}, {"judge.concurrency", float64(s.Judge.Concurrency), false}, {"judge.max_cost", s.Judge.MaxCost, true},
		{"speech.timeout", s.Speech.Timeout.Seconds(), false}, {"speech.concurrency", float64(s.Speech.Concurrency), false}, {"speech.max_bytes", float64(s.Speech.MaxBytes), false},
	} {
		switch {
		case n.value < 0 && n.zero:
			add(n.path, "must not be below 0")
		case n.value <= 0 && !n.zero:
			add(n.path, "must be above 0")
		}
	}
}

func (s *Serve) checkKeys(add func(string, string, ...any)) {
	seen := map[string]bool{}
	for i, k := range s.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		if k.Name == "" || seen[k.Name] {
			add(at+".name", "%q is empty or used before; every key has a name of its own", k.Name)
		}
		seen[k.Name] = true
		if _, err := hex.DecodeString(k.SHA256.Reveal()); err != nil || len(k.SHA256) != sha256Digits {
			add(at+".sha256", "must be 64 hexadecimal digits, the SHA-256 of the key; grader config key makes one")
		}
		if len(k.Scopes) == 0 {
			add(at+".scopes", "are missing; use %s", strings.Join(scopes, ", "))
		}
		for _, sc := range k.Scopes {
			if !slices.Contains(scopes, sc) {
				add(at+".scopes", "%q is unknown; use %s", sc, strings.Join(scopes, ", "))
			}
		}
		if !slices.Contains(details, k.Detail) {
			add(at+".detail", "%q is unknown; use SCORE, CANDIDATE or COACH", k.Detail)
		}
		if k.Rate < 0 || k.Burst < 0 || k.JudgePerDay < 0 {
			add(at, "rate, burst and judge_per_day must not be below 0")
		}
	}
}
