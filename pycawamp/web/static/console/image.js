/** A picture in a row's details, with zoom, colours, range, and the values under the pointer or in a region. */
import { Camera } from "../plot/camera.js";
import { COLORMAPS, colormap, LEVELS } from "../plot/colormap.js";
import { pixel, statistics } from "../plot/frame.js";
import { palette } from "../plot/palette.js";
import { Picture } from "../plot/picture.js";
import { Surface } from "../plot/surface.js";
import { el, setText } from "./dom.js";
import { download, fileName } from "./export.js";
import { ImageGestures } from "./imagegestures.js";

const HELP = "Zoom: wheel, + and −. Scroll: Shift-drag or arrow keys. Region: drag; a click clears it. Reset: double-click or 0.";
const FRAMES_MS = 2000;

export class ImageFigure {
  kind = "image";
  #watch;
  #clock;
  #redraw;
  #canvas;
  #surface;
  #camera = new Camera();
  #gestures;
  #picture = new Picture(() => this.#redraw());
  /** The update that was painted last, and its settings. */
  #painted = { update: null, how: "" };
  /** When the last pictures were received, in milliseconds since the page was opened. */
  #times = [];
  #size = { width: 1, height: 1 };
  #readout = el("output", { class: "note" });
  #limits;
  #auto;
  #map;
  #bar;

  /** @param {() => void} redraw requests a paint */
  constructor(watch, clock, redraw) {
    this.#watch = watch;
    this.#clock = clock;
    this.#redraw = redraw;
    this.#canvas = el("canvas", { class: "chart pixels", tabindex: "0", role: "img", "aria-label": `Picture of ${watch.name}. ${HELP}`, title: HELP });
    this.#surface = new Surface(this.#canvas, redraw);
    this.#gestures = new ImageGestures(this.#canvas, this.#camera, () => ({ picture: this.#picture.size, surface: this.#size }), redraw);
    this.#limits = ["Lowest", "Highest"].map((which) => this.#limit(`${which} value shown`));
    this.#auto = el("button", { type: "button", title: "Range of colours from the lowest to the highest value", on: { click: () => this.#toggleAuto() } }, "Auto");
    this.#map = el("select", { "aria-label": "Colours", on: { change: redraw } }, ...COLORMAPS.map((name) => el("option", {}, name)));
    this.#bar = el("canvas", { class: "colours", width: String(LEVELS), height: "1", "aria-hidden": "true" });
    const range = el("span", { class: "range" }, this.#limits[0], this.#bar, this.#limits[1]);
    const save = el("button", { type: "button", title: "Save the picture as a PNG file", on: { click: () => this.#save() } }, "PNG");
    const reset = el("button", { type: "button", title: "Show all of the picture", on: { click: () => this.#gestures.reset() } }, "All");
    this.element = el("figure", { class: "figure" }, this.#canvas, el("figcaption", {}, this.#readout, range, this.#auto, this.#map, save, reset));
  }

  paint() {
    const { update } = this.#watch;
    if (update) this.#take(update);
    const isGrey = this.#picture.frame?.colours === 1;
    for (const part of [this.#map, this.#auto, ...this.#limits, this.#bar]) part.hidden = !this.#picture.frame;
    this.#map.hidden = this.#bar.hidden = !isGrey;
    this.#auto.setAttribute("aria-pressed", String(this.#fixed() === null));
    this.#limits.forEach((field, i) => (field.placeholder = short(this.#picture.range[i])));
    this.#draw();
    setText(this.#readout, this.#picture.problem || this.#readoutText());
  }

  release() {
    this.#surface.release();
    this.#picture.release();
  }

  #take(update) {
    const fixed = this.#fixed();
    const how = JSON.stringify([fixed, this.#map.value, this.#watch.width]);
    if (update === this.#painted.update && how === this.#painted.how) return;
    if (update !== this.#painted.update) this.#count();
    if (how !== this.#painted.how) this.#paintBar();
    this.#painted = { update, how };
    this.#picture.show(update, this.#watch.width, fixed, this.#map.value);
  }

  #draw() {
    const surface = this.#surface.begin();
    const { size, canvas, problem } = this.#picture;
    if (!surface || problem || !size.width) return;
    const { context } = surface;
    this.#size = surface;
    const { scale, left, top } = this.#camera.place(size, surface);
    // Enlarged pixels are drawn as squares.
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(canvas, left, top, size.width * scale, size.height * scale);
    const { region } = this.#gestures;
    if (!region) return;
    context.strokeStyle = palette().accent;
    context.lineWidth = 1.5;
    context.strokeRect(left + region.x * scale, top + region.y * scale, region.width * scale, region.height * scale);
  }

  /** Shows size, rate, the pixel under the pointer, and the region. */
  #readoutText() {
    const { size, frame } = this.#picture;
    const parts = [`${size.width} × ${size.height}`, `${this.#rate()} frames/s`];
    const { hover, region } = this.#gestures;
    if (hover) parts.push(`(${hover.x}, ${hover.y})${frame ? ` = ${valueText(pixel(frame, hover.x, hover.y))}` : ""}`);
    if (region) parts.push(`region ${region.width} × ${region.height} at (${region.x}, ${region.y})${frame?.colours === 1 ? regionText(statistics(frame, region)) : ""}`);
    return parts.join(" · ");
  }

  #count() {
    const now = performance.now();
    this.#times = [...this.#times.filter((time) => now - time < FRAMES_MS), now];
  }

  #rate() {
    const times = this.#times.filter((time) => performance.now() - time < FRAMES_MS);
    if (times.length < 2) return "0";
    return (((times.length - 1) * 1000) / (times[times.length - 1] - times[0])).toFixed(1);
  }

  #limit(label) {
    return el("input", { type: "text", class: "limit", inputmode: "decimal", "aria-label": label, title: `${label}; empty: automatic`, on: { change: this.#redraw } });
  }

  /** @returns {[number, number] | null} the chosen range, if both ends are numbers */
  #fixed() {
    const ends = this.#limits.map(({ value }) => (value.trim() === "" ? NaN : Number(value)));
    const isRange = ends.every(Number.isFinite) && ends[0] < ends[1];
    const isUnfinished = this.#limits.some(({ value }) => value.trim() === "");
    for (const field of this.#limits) field.setAttribute("aria-invalid", String(!isRange && !isUnfinished));
    return isRange ? [ends[0], ends[1]] : null;
  }

  /** Fixes the current range, or makes it automatic again. */
  #toggleAuto() {
    const held = this.#fixed() === null ? this.#picture.range : ["", ""];
    this.#limits.forEach((field, i) => (field.value = String(held[i])));
    this.#redraw();
  }

  #paintBar() {
    const context = /** @type {CanvasRenderingContext2D} */ (this.#bar.getContext("2d"));
    const pixels = context.createImageData(LEVELS, 1);
    new Uint32Array(pixels.data.buffer).set(colormap(this.#map.value));
    context.putImageData(pixels, 0, 0);
  }

  #save() {
    const name = fileName(this.#watch.name, this.#clock.now(), "png");
    this.#picture.canvas.toBlob((blob) => blob && download(name, blob));
  }
}

function regionText({ count, sum, mean, low, high, centre }) {
  if (count === 0) return "";
  const middle = centre === null ? "" : `, centre (${centre[0].toFixed(1)}, ${centre[1].toFixed(1)})`;
  return `: mean ${short(mean)}, from ${short(low)} to ${short(high)}, sum ${short(sum)}${middle}`;
}

function valueText(value) {
  return Array.isArray(value) ? value.map(short).join(" ") : short(value);
}

function short(number) {
  return String(Number(Number(number).toPrecision(6)));
}
