package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/metadata"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
)

// Scope is something that a key allows.
type Scope string

// The scopes.
const (
	ScopeGrade      Scope = "grade"
	ScopeRubricRead Scope = "rubric:read"
	ScopeAdmin      Scope = "admin"
)

// Key is an API key as the server knows it: by its digest.
type Key struct {
	// Name stands in logs.
	Name   string
	SHA256 [sha256.Size]byte
	Scopes []Scope
	// Detail is the highest level of detail: SCORE, CANDIDATE or COACH. Empty is what the scopes allow.
	Detail string
	// Rate in requests a second, and Burst; a rate of 0 is the server's default.
	Rate  float64
	Burst int
	// JudgePerDay is how many answers may be judged in a day (UTC), those from the cache not counted. 0 is no bound.
	JudgePerDay int
}

// caller is who asks: a key, or anybody where there are no keys.
type caller struct {
	name    string
	scopes  []Scope
	highest graderv1.Detail_Value
	rate    *rate.Limiter // nil: no limit
	budget  *dayBudget    // nil: no bound
}

// anybody is the caller of a server without keys.
var anybody = &caller{scopes: []Scope{ScopeGrade, ScopeRubricRead}, highest: graderv1.Detail_COACH}

func (c *caller) may(s Scope) error {
	if slices.Contains(c.scopes, s) {
		return nil
	}
	e := refuse(graderv1.ErrorReason_SCOPE_MISSING, "the key lacks the scope %s; use one that has it", s)
	e.metadata = map[string]string{"scope": string(s)}
	return e
}

type callerKey struct{}

func callerOf(ctx context.Context) *caller {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c
	}
	return &caller{} // may do nothing
}

// keyring knows the callers by their keys.
type keyring struct {
	digests [][sha256.Size]byte
	callers []*caller
}

func newKeyring(keys []Key, perKey Rate) *keyring {
	r := &keyring{}
	for i := range keys {
		k := &keys[i]
		c := &caller{name: k.Name, scopes: k.Scopes, highest: graderv1.Detail_Value(graderv1.Detail_Value_value[k.Detail])}
		if c.highest == graderv1.Detail_UNSPECIFIED {
			c.highest = graderv1.Detail_COACH
		}
		own := Rate{k.Rate, k.Burst}
		if own.PerSecond == 0 {
			own = perKey
		}
		c.rate = own.limiter()
		if k.JudgePerDay > 0 {
			c.budget = &dayBudget{most: k.JudgePerDay, now: time.Now}
		}
		r.digests, r.callers = append(r.digests, k.SHA256), append(r.callers, c)
	}
	return r
}

// identify finds the caller of a request by its metadata. It takes the same time for every key.
func (r *keyring) identify(md metadata.MD) (*caller, error) {
	if len(r.callers) == 0 {
		return anybody, nil
	}
	secret := secretIn(md)
	if secret == "" {
		return nil, refuse(graderv1.ErrorReason_KEY_MISSING, "an API key is needed: send Authorization: Bearer KEY")
	}
	digest := sha256.Sum256([]byte(secret))
	found := -1
	for i := range r.digests {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(digest[:], r.digests[i][:]), i, found)
	}
	if found < 0 {
		return nil, refuse(graderv1.ErrorReason_KEY_UNKNOWN, "the API key is not known; check it, or ask the operator for one")
	}
	return r.callers[found], nil
}

func secretIn(md metadata.MD) string {
	for _, v := range md.Get("authorization") {
		if scheme, rest, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "bearer") {
			return strings.TrimSpace(rest)
		}
	}
	if v := md.Get("x-api-key"); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Rate is a limit of requests a second with a burst. Zero is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

func (r Rate) limiter() *rate.Limiter {
	if r.PerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(r.PerSecond), max(1, r.Burst))
}

// dayBudget counts answers that were judged on one day in UTC.
type dayBudget struct {
	most int
	now  func() time.Time

	mu   sync.Mutex
	day  string
	used int
}

// take spends one, or reports false.
func (b *dayBudget) take() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	if b.used >= b.most {
		return false
	}
	b.used++
	return true
}

// giveBack returns one that was not needed.
func (b *dayBudget) giveBack() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = max(0, b.used-1)
}

func (b *dayBudget) left() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	return b.most - b.used
}

func (b *dayBudget) turn() {
	if day := b.now().UTC().Format(time.DateOnly); day != b.day {
		b.day, b.used = day, 0
	}
}

// untilTomorrow is the time until the next day in UTC.
func untilTomorrow(now time.Time) time.Duration {
	now = now.UTC()
	next := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC)
	return time.Duration(math.Ceil(next.Sub(now).Seconds())) * time.Second
}
