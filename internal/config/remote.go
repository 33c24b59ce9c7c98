package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
)

// Remote says which server grades instead of this process. The zero value is none.
type Remote struct {
	// Addr of its gRPC: host:port, or with http:// or https:// before it. Variable: GRADER_SERVER.
	Addr string
	// Key for the server. Variable: GRADER_SERVER_KEY.
	Key Secret
	// KeyFile holds the key instead.
	KeyFile string
	// CAFile holds the certificates, PEM, that vouch for the server, instead of those of the system. Variable:
	// GRADER_SERVER_CA.
	CAFile string
}

// Variables that say which server grades.
const (
	ServerVariable    = "GRADER_SERVER"
	ServerKeyVariable = "GRADER_SERVER_KEY"
	serverCAVariable  = "GRADER_SERVER_CA"
)

const defaultGRPCPort = "9090"

// WithEnv fills in the key and the certificates from the environment where they are empty, or from the key's file.
func (r Remote) WithEnv(getenv func(string) string) (Remote, error) {
	r.CAFile = cmp.Or(r.CAFile, getenv(serverCAVariable))
	if r.KeyFile == "" {
		r.Key = Secret(cmp.Or(r.Key.Reveal(), getenv(ServerKeyVariable)))
		return r, nil
	}
	data, err := os.ReadFile(r.KeyFile)
	if err != nil {
		return r, fmt.Errorf("read the key for the server: %w", err)
	}
	if r.Key = Secret(strings.TrimSpace(string(data))); r.Key == "" {
		return r, fmt.Errorf("the key file %s is empty", r.KeyFile)
	}
	return r, nil
}

// Dial says where to connect, and whether with TLS: by the scheme, else for every host but this one.
func (r Remote) Dial() (target string, secure bool, err error) {
	scheme, rest, ok := strings.Cut(r.Addr, "://")
	if !ok {
		scheme, rest = "", r.Addr
	}
	u, err := url.Parse("//" + strings.TrimSuffix(rest, "/"))
	if err != nil || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || scheme != "" && scheme != "http" && scheme != "https" {
		return "", false, fmt.Errorf("server %q is none; give the address of its gRPC, such as 127.0.0.1:9090 or https://grader.example.com:9090", r.Addr)
	}
	target = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), defaultGRPCPort))
	secure = scheme == "https" || scheme == "" && !loopback(target)
	if !secure && r.Key != "" && !loopback(target) {
		return "", false, fmt.Errorf("the key would travel to %s in the clear; use https://", target)
	}
	if !secure && r.CAFile != "" {
		return "", false, fmt.Errorf("certificates for %s are of no use without TLS; use https://", target)
	}
	return target, secure, nil
}
