//go:build browser

package server

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/vivagrader/grader/internal/speech"
)

// heardTree is an answer to black-tea with a word that the recogniser got wrong, and a hole.
const heardTree = `{"text":" You need boiling water. It steeps for tree minutes.","language":"english","duration":8,
"segments":[{"start":0,"end":2,"text":" You need boiling water. It steeps for tree minutes.","avg_logprob":-0.2,"compression_ratio":1.1,"no_speech_prob":0.01}],
"words":[{"word":"You","start":0,"end":0.2},{"word":"need","start":0.2,"end":0.4},{"word":"boiling","start":0.4,"end":0.7},{"word":"water","start":0.7,"end":1},
{"word":"It","start":6.2,"end":6.3},{"word":"steeps","start":6.3,"end":6.6},{"word":"for","start":6.6,"end":6.8},{"word":"tree","start":6.8,"end":7.1},{"word":"minutes","start":7.1,"end":7.6}]}`

// listener is a recogniser that hands on what it is given.
func listener(t *testing.T, reply string) (client *speech.Client, given <-chan []byte) {
	t.Helper()
	calls := make(chan []byte, 10) // one recording, and doubtful parts of it again
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, _, err := r.FormFile("file")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		audio, _ := io.ReadAll(file)
		calls <- audio
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, reply)
	}))
	t.Cleanup(srv.Close)
	return speech.New(speech.Config{URL: srv.URL + "/v1", Model: "whisper-1", HTTPClient: srv.Client()}), calls
}

// TestBrowserVoice answers aloud. The microphone plays something like a voice.
func TestBrowserVoice(t *testing.T) {
	voice := filepath.Join(t.TempDir(), "voice.wav")
	require.NoError(t, os.WriteFile(voice, babble(20), 0o600))
	open := browser(t, chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-file-for-fake-audio-capture", voice), chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	for name, test := range map[string]func(*testing.T, opener){"aloud": testAloud, "unheard": testUnheard} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// microphone answers for the user when the page asks for the microphone.
func (b *tab) microphone(setting cdpbrowser.PermissionSetting) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, longestWait)
	defer cancel()
	_, err := chromedp.CallBrowser(ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{Permission: &cdpbrowser.PermissionDescriptor{Name: "microphone"}, Setting: setting,
		Origin: b.origin, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID})
	require.NoError(b.t, err)
}

func testAloud(t *testing.T, open opener) {
	client, given := listener(t, heardTree)
	b := at(t, open, start(t, Config{Speech: client}), "tea/black-tea")
	eval[bool](b, "(() => { const start = AudioBufferSourceNode.prototype.start; window.played = []; AudioBufferSourceNode.prototype.start = function (...a) { played.push(a); start.apply(this, a) }; return true })()")
	b.write("#answer", "What I typed before.")
	b.microphone(cdpbrowser.PermissionSettingGranted)
	b.click("#record")
	b.shows("#voice-time", "0:02 of 0:30")
	b.until("document.querySelector('#voice-level').value > 0.1")
	b.looks("voice-recording")
	b.click("#record-stop")
	b.until("document.querySelector('#answer').value.includes('tree minutes')")
	audio := <-given
	require.Equal(t, "RIFF", string(audio[:4]))
	require.EqualValues(t, 1, binary.LittleEndian.Uint16(audio[22:]), "channels")
	require.EqualValues(t, 16000, binary.LittleEndian.Uint32(audio[24:]), "samples a second")
	require.Greater(t, len(audio), 44+2*2*16000)
	require.Greater(t, loudest(audio[44:]), 1000)
	b.shows("#voice-note", "This is what was heard")
	b.shows("#voice-doubts", "Speech may be missing here")
	b.looks("voice-heard")

	corrected := "You need boiling water. It steeps for three minutes."
	b.write("#answer", "\n  "+corrected)
	b.click("#send")
	b.shows("#by", "By keywords")
	b.marked(corrected, 2)
	b.shows("#delivery", "words a minute")
	b.looks("voice-graded")
	b.click("#card-boiling-water .play")
	require.Equal(t, [][]float64{{0, 0, 1}}, eval[[][]float64](b, "played"))
	b.until("document.querySelector('#card-boiling-water .play').ariaPressed === 'true'")
	b.until("document.querySelector('#card-boiling-water .play').ariaPressed === 'false'")

	b.click("#voice-undo")
	require.Equal(t, "What I typed before.", eval[string](b, "document.querySelector('#answer').value"))
	require.False(t, eval[bool](b, "document.querySelector('#voice-play').checkVisibility()"))
}

// babble is a recording that browsers take for a voice and do not suppress as noise: a hum of many harmonics that swells
// four times a second, as syllables do, at a pitch that wanders.
func babble(seconds int) []byte {
	const rate = 16000
	data := wav(2*rate*seconds, 0)
	binary.LittleEndian.PutUint32(data[24:], rate)
	binary.LittleEndian.PutUint32(data[28:], 2*rate)
	phase := 0.0
	for i := range rate * seconds {
		at := float64(i) / rate
		phase += 2 * math.Pi * (140 + 30*math.Sin(2*math.Pi*0.7*at)) / rate
		sum := 0.0
		for h := 1; h <= 20; h++ {
			sum += math.Sin(phase*float64(h)) / float64(h)
		}
		swell := math.Pow(math.Sin(2*math.Pi*2*at), 2)
		binary.LittleEndian.PutUint16(data[44+2*i:], uint16(int16(9000*swell*sum)))
	}
	return data
}

// testUnheard loses nothing when the recogniser fails, and when nothing can be recorded.
func testUnheard(t *testing.T, open opener) {
	b := at(t, open, start(t, Config{Speech: fakeSpeech(t, http.StatusInternalServerError, `{"error":{"message":"broken"}}`)}), "tea/black-tea", "503")
	b.microphone(cdpbrowser.PermissionSettingGranted)
	b.write("#answer", "The water has to boil.")
	b.click("#record")
	b.shows("#voice-time", "0:01 of 0:30")
	b.press(kb.Escape)
	b.click("#send")
	b.shows("#problem", "Stop the recording first")
	b.click("#record-cancel")
	b.shows("#voice-note", "Discarded.")
	b.click("#record")
	b.shows("#voice-time", "0:01 of 0:30")
	eval[bool](b, "(() => { const now = performance.now.bind(performance); performance.now = () => now() + 10 * 60000; return true })()") // the longest recording stops by itself
	b.shows("#voice-note", "The recording is still here.")
	b.shows("#voice-again", "Write it down again")
	b.looks("voice-failed")
	require.Equal(t, "The water has to boil.", eval[string](b, "document.querySelector('#answer').value"))
	b.click("#voice-drop")
	require.False(t, eval[bool](b, "document.querySelector('#voice-again').checkVisibility()"))

	b.click("#record")
	b.shows("#voice-time", "0:01 of 0:30")
	eval[bool](b, "(() => { const stop = MediaStreamTrack.prototype.stop; MediaStreamTrack.prototype.stop = function () { window.stopped = true; stop.apply(this) }; return true })()")
	b.click(".crumbs a")
	b.shows("#list", "Black tea")
	b.until("window.stopped") // nobody listens to whoever has left
	b.run(chromedp.NavigateBack())
	b.shows("#record-text", "Record the answer")
	b.microphone(cdpbrowser.PermissionSettingDenied)
	b.click("#record")
	b.shows("#voice-note", "does not let this page use the microphone")
	b.looks("voice-denied")
}

// testUnequipped has neither a microphone nor, then, a recogniser.
func testUnequipped(t *testing.T, open opener) {
	b := at(t, open, start(t, Config{Speech: fakeSpeech(t, 0, "")}), "tea/black-tea")
	b.microphone(cdpbrowser.PermissionSettingGranted)
	b.click("#record")
	b.shows("#voice-note", "No microphone was found")
	b.looks("voice-none")
	b = at(t, open, start(t, Config{}), "tea/black-tea")
	require.False(t, eval[bool](b, "document.querySelector('#voice').checkVisibility()"))
}

// loudest is the largest of samples with 16 bits.
func loudest(samples []byte) int {
	most := 0
	for i := 0; i+1 < len(samples); i += 2 {
		most = max(most, int(int16(binary.LittleEndian.Uint16(samples[i:]))))
	}
	return most
}
