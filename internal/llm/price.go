package llm

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

//go:embed prices.json
var builtinPrices []byte

// Price is what a model costs, in US dollars per million tokens.
type Price struct {
	Input  float64 `json:"input"`
	Output float64 `json:"output"`
	// CachedInput is for tokens that the provider read from its prefix cache; nil charges them like others.
	CachedInput *float64 `json:"cached_input,omitempty"`
}

// Cost returns the price of u's tokens in US dollars.
func (p Price) Cost(u Usage) float64 {
	cached := min(u.CachedInputTokens, u.InputTokens)
	atCached := p.Input
	if p.CachedInput != nil {
		atCached = *p.CachedInput
	}
	return (float64(u.InputTokens-cached)*p.Input + float64(cached)*atCached + float64(u.OutputTokens)*p.Output) / 1e6
}

// Prices is a dated price list.
type Prices struct {
	// Date is the day of the list, as YYYY-MM-DD.
	Date string `json:"date"`
	// Note is for people who read the file.
	Note string `json:"note,omitempty"`
	// Models are prices by the model's name. The endpoint is not looked at.
	Models map[string]Price `json:"models"`
}

// BuiltinPrices returns the list in the binary. Prices change: show its date beside every cost.
var BuiltinPrices = sync.OnceValue(func() *Prices {
	p, err := parsePrices(builtinPrices)
	if err != nil {
		panic("built-in price list: " + err.Error())
	}
	return p
})

// LoadPrices reads a price list in the form of prices.json.
func LoadPrices(path string) (*Prices, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	p, err := parsePrices(data)
	if err != nil {
		return nil, fmt.Errorf("prices %s: %w", path, err)
	}
	return p, nil
}

func parsePrices(data []byte) (*Prices, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var p Prices
	if err := dec.Decode(&p); err != nil {
		return nil, err
	}
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		return nil, fmt.Errorf("date %q is not YYYY-MM-DD", p.Date)
	}
	for name, price := range p.Models {
		if price.Input < 0 || price.Output < 0 || price.CachedInput != nil && *price.CachedInput < 0 {
			return nil, fmt.Errorf("model %s: a price is below 0", name)
		}
	}
	return &p, nil
}

var dated = regexp.MustCompile(`-(20\d\d-\d\d-\d\d|20\d{6})$`)

// Of returns the price of a model. A dated version (gpt-4o-mini-2024-07-18) costs what the model itself does, unless it
// is listed; so does a model with its maker's name in front (openai/gpt-4o-mini).
func (p *Prices) Of(model string) (Price, bool) {
	_, bare, hasMaker := strings.Cut(model, "/")
	if !hasMaker {
		bare = model
	}
	for _, name := range []string{model, bare, dated.ReplaceAllString(bare, "")} {
		if price, ok := p.Models[name]; ok {
			return price, true
		}
	}
	return Price{}, false
}
