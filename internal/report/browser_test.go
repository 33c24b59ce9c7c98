//go:build browser

package report_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/report"
)

// TestBrowserReports opens the pages as a reader does, from the disk.
func TestBrowserReports(t *testing.T) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	require.NoError(t, chromedp.Do(ctx), "needs chromium")
	open := func(file string, width int64) {
		_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 600})
		require.NoError(t, err)
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("file://"+file)))
	}
	holds := func(condition string) {
		t.Helper()
		_, err := chromedp.Run(ctx, chromedp.Poll[bool]("Boolean("+condition+")"))
		require.NoError(t, err, condition)
	}

	dir := copyOf(t, "testdata/tea")
	index, err := report.Write(dir, report.Options{Question: tea})
	require.NoError(t, err)
	page := filepath.Join(filepath.Dir(index), "interviews", "mara-quist.html")
	for _, width := range []int64{1280, 390} {
		for _, file := range []string{index, page} {
			open(file, width)
			holds(fmt.Sprintf("document.documentElement.scrollWidth <= %d", width))
			holds("getComputedStyle(document.body).maxWidth && getComputedStyle(document.querySelector('main')).maxWidth !== 'none'") // the style is let in
		}
	}

	// a quote plays at its second, from a file of the reader's
	open(page, 1280)
	holds("document.querySelectorAll('button.t').length === 0")
	require.NoError(t, chromedp.Do(ctx, chromedp.SetUploadFiles(chromedp.CSS("#recording"), []string{silence(t, 60)})))
	holds("document.querySelectorAll('button.t').length === document.querySelectorAll('.t').length && !document.querySelector('.player').hidden")
	require.NoError(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#q1-steep-time button.t"), chromedp.NodeVisible)))
	holds("document.querySelector('audio').currentTime > 8.6 && document.querySelector('audio').currentTime < 12")
	holds("document.querySelector('audio').paused") // at the end of the quote

	// the table of candidates sorts both ways, what has no figure last
	open(index, 1280)
	press := "document.querySelector('th[aria-sort] button').click()"
	order := "[...document.querySelectorAll('#candidates ~ .scroll tbody')[0].rows].map(r => r.cells[0].textContent).join()"
	holds(order + " === '1,2,3'")
	holds("(" + press + ", " + order + " === '1,2,3' && document.querySelector('th[aria-sort]').getAttribute('aria-sort') === 'ascending')")
	holds("(document.querySelectorAll('th button')[0].click(), " + order + " === '3,2,1')")
}

// silence is a wav file of so many seconds.
func silence(t *testing.T, seconds int) string {
	t.Helper()
	const rate = 8000
	n := uint32(seconds * rate)
	data := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+n)...)
	data = append(data, "WAVEfmt "...)
	for _, v := range []uint32{16, 1 | 1<<16, rate, rate, 1 | 8<<16} {
		data = binary.LittleEndian.AppendUint32(data, v)
	}
	data = append(binary.LittleEndian.AppendUint32(append(data, "data"...), n), make([]byte, n)...)
	name := filepath.Join(t.TempDir(), "silence.wav")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return name
}
