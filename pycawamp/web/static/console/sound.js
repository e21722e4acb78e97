/** A sound for new alarms, if enabled. Browsers play no sound until the page is clicked or a key is pressed. */

const KEY = "pycaserver-sound";
/** Successive tones in hertz: more of them for worse alarms. */
const TONES = { disconnected: [440], minor: [520, 520], major: [660, 880, 660], invalid: [880, 660, 880, 660] };
const SECONDS = 0.16;
const VOLUME = 0.2;
/** Minimum time between two sounds (ms). A burst of alarms plays one. */
const PAUSE = 1500;

export class Sound {
  #box;
  #note;
  /** @type {AudioContext | null} */
  #context = null;
  #last = -PAUSE;

  /** @param {HTMLInputElement} box @param {HTMLElement} note shows why there is no sound */
  constructor(box, note) {
    this.#box = box;
    this.#note = note;
    box.checked = remembered();
    box.addEventListener("change", () => this.#chosen());
    for (const event of ["pointerdown", "keydown"]) document.addEventListener(event, () => this.#wake());
    this.#showState();
  }

  /** @param {string} level of the alarm */
  play(level) {
    const now = performance.now();
    const context = this.#context;
    if (!this.#box.checked || context?.state !== "running" || now - this.#last < PAUSE) return;
    this.#last = now;
    (TONES[level] ?? []).forEach((hertz, i) => tone(context, hertz, context.currentTime + i * SECONDS));
  }

  #chosen() {
    try {
      localStorage.setItem(KEY, String(this.#box.checked));
    } catch {
      // Sounds work without storage.
    }
    this.#wake().then(() => this.play("minor"));
  }

  async #wake() {
    if (!this.#box.checked) return this.#showState();
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") await this.#context.resume();
    return this.#showState();
  }

  #showState() {
    const isSilent = this.#box.checked && this.#context?.state !== "running";
    this.#note.textContent = isSilent ? "Click on the page once: browsers play no sound before that." : "";
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY) === "true";
  } catch {
    return false;
  }
}

/** @param {AudioContext} context @param {number} hertz @param {number} start seconds, by the clock of the context */
function tone(context, hertz, start) {
  const gain = context.createGain();
  const oscillator = context.createOscillator();
  oscillator.frequency.value = hertz;
  // Fading in and out avoids clicks.
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(VOLUME, start + 0.02);
  gain.gain.linearRampToValueAtTime(0, start + SECONDS);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + SECONDS);
}
