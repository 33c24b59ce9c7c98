// Recording from the microphone and playing it back. The recording stays in this tab; it is sent once, to be written
// down, as 16 kHz mono WAV, which every server that takes audio can read.

const rate = 16000;

// longest is the length of a recording in milliseconds at which it stops by itself.
export const longest = 10 * 60 * 1000;

// silenceLevel is what a microphone that is muted does not reach, of 1.
export const silenceLevel = 0.01;

// refusal says why there is no microphone, for a person.
function refusal(e) {
  switch (e.name) {
    case "NotAllowedError": return "The browser does not let this page use the microphone. Allow it in the site's settings, beside the address, and try again.";
    case "NotFoundError": return "No microphone was found. Connect one and try again, or type the answer.";
    case "NotReadableError": return "The microphone cannot be used: another program may have it.";
    default: return "The microphone cannot be used: " + e.message;
  }
}

// record starts recording. level reports ten times a second how loud it is, 0 to 1 or NaN where the browser does not say.
export async function record(level) {
  if (!navigator.mediaDevices) throw new Error("Browsers give the microphone only to pages over https or on localhost.");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  } catch (e) {
    throw new Error(refusal(e), { cause: e });
  }
  const recorder = new MediaRecorder(stream);
  const chunks = [];
  recorder.ondataavailable = (e) => chunks.push(e.data);
  const stopMeter = meter(stream, level);
  const started = performance.now();
  recorder.start(1000);
  const end = () => new Promise((done) => {
    stopMeter();
    recorder.onstop = () => { stream.getTracks().forEach((t) => t.stop()); done(); };
    if (recorder.state === "inactive") recorder.onstop(); else recorder.stop();
  });
  return {
    elapsed: () => performance.now() - started,
    // lost is called when the microphone goes away.
    set lost(f) { stream.getAudioTracks()[0].onended = f; },
    discard: end,
    async stop() {
      await end();
      return decode(new Blob(chunks, { type: recorder.mimeType }));
    },
  };
}

function meter(stream, level) {
  const context = new AudioContext();
  context.resume(); // some browsers want to be asked
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    level(context.state === "running" ? samples.reduce((most, s) => Math.max(most, Math.abs(s)), 0) : NaN);
  }, 100);
  return () => { clearInterval(timer); context.close(); };
}

// decode takes what the browser recorded apart; the browser converts the rate.
async function decode(blob) {
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await blob.arrayBuffer());
  return { sound, wav: wav(sound.getChannelData(0)) };
}

// wav writes samples as a WAV file with 16 bits each.
function wav(samples) {
  const header = 44;
  const view = new DataView(new ArrayBuffer(header + 2 * samples.length));
  const text = (at, s) => [...s].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((s, i) => view.setInt16(header + 2 * i, Math.max(-1, Math.min(1, s)) * 0x7fff, true));
  return new Blob([view], { type: "audio/wav" });
}

let playing = null;

// play plays a stretch of a recording and shows on the button that it does. Playing again, or another one, stops it.
export function play(sound, startMs, endMs, button) {
  const same = playing?.button === button;
  playing?.stop();
  if (same) return;
  const context = new AudioContext();
  const source = context.createBufferSource();
  source.buffer = sound;
  source.connect(context.destination);
  const stop = () => {
    if (playing?.source !== source) return;
    playing = null;
    button.setAttribute("aria-pressed", "false");
    context.close();
  };
  playing = { button, source, stop };
  source.onended = stop;
  button.setAttribute("aria-pressed", "true");
  source.start(0, startMs / 1000, (endMs - startMs) / 1000);
}

// silence stops what is played.
export function silence() { playing?.stop(); }
