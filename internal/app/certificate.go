package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certCheck is how often the certificate's files are looked at, at most.
const certCheck = 5 * time.Second

// certificate is the server's certificate. It is read again when its files change; one that cannot be read leaves the old
// one in force.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	now     *tls.Certificate
	changed time.Time // of the files, when they were read
	checked time.Time
}

func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("tls: %w; give a certificate and its key in PEM", err)
	}
	return c, nil
}

func (c *certificate) read() error {
	at, err := c.modified()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.now, c.changed, c.checked = &pair, at, time.Now()
	return nil
}

// modified is when the younger of the files was written.
func (c *certificate) modified() (time.Time, error) {
	cert, err := os.Stat(c.certFile)
	if err != nil {
		return time.Time{}, err
	}
	key, err := os.Stat(c.keyFile)
	if err != nil {
		return time.Time{}, err
	}
	if key.ModTime().After(cert.ModTime()) {
		return key.ModTime(), nil
	}
	return cert.ModTime(), nil
}

func (c *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) >= certCheck {
		c.checked = time.Now()
		if at, err := c.modified(); err == nil && !at.Equal(c.changed) {
			c.try(hello.Context())
		}
	}
	return c.now, nil
}

func (c *certificate) reload(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.try(ctx)
}

// try reads the files. The caller holds the lock.
func (c *certificate) try(ctx context.Context) {
	if err := c.read(); err != nil {
		c.log.ErrorContext(ctx, "certificate not reloaded, the old one stays", slog.String("error", err.Error()))
		return
	}
	c.log.InfoContext(ctx, "certificate reloaded")
}
