//go:build browser

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// shots is where the screenshots of the last run are, to be looked at.
const shots = "../../.build/browser"

// longestWait bounds a wait; a browser on a busy machine is slow.
const longestWait = 20 * time.Second

// opener opens a page in a window of its own. What the page complains about fails the test, but for what is forgiven.
type opener func(t *testing.T, url string, forgiven ...string) *tab

// browser starts a headless Chromium.
func browser(t *testing.T, flags ...chromedp.ExecAllocatorOption) opener {
	t.Helper()
	require.NoError(t, os.MkdirAll(shots, 0o755))
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("lang", "en-US"))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(options, flags...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx), "needs chromium")
	return func(t *testing.T, url string, forgiven ...string) *tab { return openTab(ctx, t, url, forgiven) }
}

// tab is one page of a browser, with everything that it asked for and complained about.
type tab struct {
	t      *testing.T
	ctx    context.Context
	origin string

	width       int64
	preferences map[string]string

	mu         sync.Mutex
	complaints []string
	foreign    []string
}

func openTab(browser context.Context, t *testing.T, url string, forgiven []string) *tab {
	t.Helper()
	b := &tab{t: t, origin: originOf(url), preferences: map[string]string{}}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(func() {
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(t, b.foreign, "requests to other hosts")
		for _, c := range b.complaints {
			require.True(t, containsAny(c, forgiven), "the browser complains: %s", c)
		}
	})
	require.NoError(t, chromedp.Do(ctx)) // with the context itself, which the tab lives as long as
	b.size(deskWidth)
	b.prefers("prefers-reduced-motion", "reduce") // nothing moves under the pointer
	protocol(b, log.Enable, cdp.Empty{})
	b.run(chromedp.Navigate(url))
	return b
}

func originOf(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.origin+"/") && !strings.HasPrefix(u, "blob:") && !strings.HasPrefix(u, "data:") {
			b.foreign = append(b.foreign, u)
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
	}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, longestWait)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, actions...))
}

// protocol sends a command of the protocol.
func protocol[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, longestWait)
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	require.NoError(b.t, err)
	return r
}

// size sets the width of the window, in CSS pixels.
func (b *tab) size(width int64) {
	b.t.Helper()
	b.width = width
	protocol(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 600})
}

// prefers sets a preference of the user, such as a dark colour scheme.
func (b *tab) prefers(feature, value string) {
	b.t.Helper()
	b.preferences[feature] = value
	var all []*emulation.MediaFeature
	for name, value := range b.preferences {
		all = append(all, &emulation.MediaFeature{Name: name, Value: value})
	}
	protocol(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: all})
}

// eval returns the value of an expression.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, longestWait)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, expression)
	return v
}

// until waits for a condition of the page.
func (b *tab) until(condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, longestWait)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[bool]("Boolean("+condition+")"))
	require.NoError(b.t, err, "%s never held; the page says:\n%s", condition, eval[string](b, "document.body.innerText"))
}

// shows waits for a text to be seen within an element.
func (b *tab) shows(selector, text string) {
	b.t.Helper()
	data, _ := json.Marshal([]string{selector, text})
	b.until(fmt.Sprintf("(([s, t]) => { const e = document.querySelector(s); return e && e.checkVisibility() && e.innerText.includes(t) })(%s)", data))
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	data, _ := json.Marshal(selector)
	return eval[string](b, "document.querySelector("+string(data)+").innerText")
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// write replaces the text of a field as a paste does.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	data, _ := json.Marshal([]string{selector, text})
	eval[bool](b, fmt.Sprintf("(([s, t]) => { const e = document.querySelector(s); e.focus(); e.value = t; e.dispatchEvent(new Event('input', { bubbles: true })); return true })(%s)", data))
}

// press presses keys, one after the other.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.run(chromedp.KeyEvent(k))
	}
}

func (b *tab) focused() string {
	b.t.Helper()
	return eval[string](b, "document.activeElement.id || document.activeElement.innerText || document.activeElement.tagName")
}

// tallest is how much of a page is worth a picture, in pixels.
const tallest = 5000

// shot keeps a picture of the whole page.
func (b *tab) shot(name string) {
	b.t.Helper()
	yes, height := true, eval[float64](b, "document.documentElement.scrollHeight")
	png := protocol(b, cdpage.CaptureScreenshot, cdpage.CaptureScreenshotParams{CaptureBeyondViewport: &yes, OptimizeForSpeed: &yes, Clip: &cdpage.Viewport{Width: float64(b.width), Height: min(tallest, height), Scale: 1}}).Data
	require.NoError(b.t, os.WriteFile(filepath.Join(shots, name+".png"), png, 0o644))
}

// fits requires that nothing has to be scrolled sideways.
func (b *tab) fits() {
	b.t.Helper()
	require.LessOrEqual(b.t, eval[int64](b, "document.documentElement.scrollWidth"), b.width, "the page is wider than the window")
}

// readable requires the contrast of WCAG 2 AA of every text that is seen.
func (b *tab) readable() {
	b.t.Helper()
	require.Empty(b.t, eval[[]string](b, "("+contrastScript+")()"), "too little contrast")
}

// looks keeps pictures of the page as it is, on a desk and on a phone, light and dark, and requires that all of it can
// be read without scrolling sideways.
func (b *tab) looks(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.prefers("prefers-color-scheme", scheme)
		for device, width := range map[string]int64{"desk": deskWidth, "phone": phoneWidth} {
			b.size(width)
			b.fits()
			b.readable()
			b.shot(fmt.Sprintf("%s-%s-%s", name, device, scheme))
		}
	}
	b.prefers("prefers-color-scheme", "light")
	b.size(narrowWidth)
	b.fits()
	b.size(deskWidth)
}

// Widths in CSS pixels; the narrow one is a desk's at four times the size.
const deskWidth, phoneWidth, narrowWidth = 1280, 390, 320

// contrastScript lists the texts whose contrast is less than WCAG 2 AA wants: 4.5, or 3 where they are large.
const contrastScript = `() => {
  const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1] }
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0)
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c } return [255, 255, 255, 1] }
  const bad = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let n; (n = walker.nextNode());) {
    const e = n.parentElement
    if (!n.data.trim() || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue
    const s = getComputedStyle(e)
    const [a, b] = [light(parse(s.color)), light(behind(e))].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    const size = parseFloat(s.fontSize)
    const large = size >= 24 || size >= 18.66 && Number(s.fontWeight) >= 700
    if (ratio < (large ? 3 : 4.5)) bad.push(ratio.toFixed(2) + " " + n.data.trim().slice(0, 40) + " (" + e.tagName + "." + e.className + ")")
  }
  return bad
}`
