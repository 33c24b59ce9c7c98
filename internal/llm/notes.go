package llm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"sync"
	"time"
)

const (
	notesLast    = 7 * 24 * time.Hour // then the endpoint is tried anew from the top rung
	verifiedLast = time.Hour          // how long a probe need not be repeated
)

// notes is what a client has learned of its endpoint and model, kept beside the replies for the next process. Losing
// it costs a few refused calls. It is written only when something changes, and never holds the key.
type notes struct {
	path string // empty: not kept

	mu   sync.Mutex
	data notesData
}

type notesData struct {
	Rung          string    `json:"rung,omitempty"`
	NoTemperature bool      `json:"no_temperature,omitempty"`
	TokenField    int       `json:"token_field,omitempty"`
	Learned       time.Time `json:"learned,omitzero"`
	Verified      time.Time `json:"verified,omitzero"`
	// KeyTag is 16 bits of a digest of the key, to notice that it was changed. Nothing can be told of the key by it.
	KeyTag string `json:"key_tag,omitempty"`
}

func loadNotes(cfg Config, at address) *notes {
	n := &notes{}
	if cfg.CacheDir == "" || cfg.NoCache {
		return n
	}
	sum := sha256.Sum256([]byte(at.base + "?" + at.apiVersion + "\x00" + cfg.Model))
	n.path = filepath.Join(cfg.CacheDir, "endpoints", hex.EncodeToString(sum[:16])+".json")
	data, err := readBounded(n.path)
	if err != nil || json.Unmarshal(data, &n.data) != nil || n.data.TokenField < 0 || n.data.TokenField > int(tokensUnsaid) {
		n.data = notesData{}
	}
	if age := time.Since(n.data.Learned); age > notesLast || age < 0 {
		n.data.Rung, n.data.NoTemperature, n.data.TokenField = "", false, 0
	}
	return n
}

func (n *notes) rung() Rung {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, err := ParseRung(n.data.Rung)
	if err != nil || r == RungAuto {
		return RungSchema
	}
	return r
}

func (n *notes) setRung(r Rung) {
	n.change(func(d *notesData) bool {
		same := d.Rung == r.String()
		d.Rung = r.String()
		return !same
	})
}

func (n *notes) speech() speech {
	n.mu.Lock()
	defer n.mu.Unlock()
	return speech{noTemperature: n.data.NoTemperature, tokens: tokenField(n.data.TokenField)}
}

func (n *notes) setSpeech(s speech) {
	n.change(func(d *notesData) bool {
		d.NoTemperature, d.TokenField = s.noTemperature, int(s.tokens)
		return true
	})
}

// change applies set and saves when it reports a change.
func (n *notes) change(set func(*notesData) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if set(&n.data) {
		n.data.Learned = time.Now()
		n.save()
	}
}

func keyTag(key string) string {
	sum := sha256.Sum256([]byte("grader key tag\x00" + key))
	return hex.EncodeToString(sum[:2])
}

// verified reports whether a probe with this key went well not long ago.
func (n *notes) verified(key string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	age := time.Since(n.data.Verified)
	return n.data.KeyTag == keyTag(key) && age >= 0 && age < verifiedLast
}

func (n *notes) setVerified(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.data.Verified, n.data.KeyTag = time.Now(), keyTag(key)
	n.save()
}

// distrust makes the next probe ask again.
func (n *notes) distrust() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.data.Verified.IsZero() {
		return
	}
	n.data.Verified, n.data.KeyTag = time.Time{}, ""
	n.save()
}

// save does its best. The caller holds the lock.
func (n *notes) save() {
	if n.path == "" {
		return
	}
	if data, err := json.Marshal(n.data); err == nil {
		_ = writeFile(n.path, data)
	}
}
