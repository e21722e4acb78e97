import assert from "node:assert/strict";
import test from "node:test";
import { ImageGestures } from "../../pycawamp/web/static/console/imagegestures.js";
import { Camera } from "../../pycawamp/web/static/plot/camera.js";
import { Gestures } from "../../pycawamp/web/static/plot/gestures.js";

const SIZE = { width: 100, height: 100 };

/** The part of a canvas that gestures use. */
class Surface extends EventTarget {
  clientLeft = 0;
  clientTop = 0;
  getBoundingClientRect() {
    return { left: 0, top: 0 };
  }
  setPointerCapture() {}
  send(kind, keys) {
    const event = Object.assign(new Event(kind, { cancelable: true }), { button: 0, shiftKey: false, altKey: false, ctrlKey: false, metaKey: false }, keys);
    this.dispatchEvent(event);
    return event;
  }
}

class Viewport {
  selected = [];
  follows = 0;
  select(...part) {
    this.selected.push(part);
  }
  follow() {
    this.follows += 1;
  }
}

function plot() {
  const surface = new Surface();
  const viewport = new Viewport();
  const gestures = new Gestures(surface, viewport, () => ({ left: 0, width: 100 }), () => {});
  return { surface, viewport, gestures };
}

function image() {
  const surface = new Surface();
  const gestures = new ImageGestures(surface, new Camera(), () => ({ picture: SIZE, surface: SIZE }), () => {});
  return { surface, gestures };
}

test("a drag selects a part of a plot when it is released", () => {
  const { surface, viewport } = plot();
  surface.send("pointerdown", { clientX: 20, clientY: 0 });
  surface.send("pointermove", { clientX: 60, clientY: 0 });
  surface.send("pointerup", {});
  assert.deepEqual(viewport.selected, [[0.2, 0.6]]);
});

test("a drag that the browser cancels selects nothing, and ends", () => {
  const { surface, viewport, gestures } = plot();
  surface.send("pointerdown", { clientX: 20, clientY: 0 });
  surface.send("pointermove", { clientX: 60, clientY: 0 });
  surface.send("pointercancel", {});
  surface.send("pointermove", { clientX: 80, clientY: 0 });
  assert.equal(gestures.selection, null);
  surface.send("pointerup", {});
  assert.deepEqual(viewport.selected, []);
});

test("a drag marks a region of an image, and a click clears it", () => {
  const { surface, gestures } = image();
  surface.send("pointerdown", { clientX: 10, clientY: 10 });
  surface.send("pointermove", { clientX: 30, clientY: 20 });
  surface.send("pointerup", {});
  assert.deepEqual(gestures.region, { x: 10, y: 10, width: 20, height: 10 });
  surface.send("pointerdown", { clientX: 50, clientY: 50 });
  surface.send("pointerup", {});
  assert.equal(gestures.region, null);
});

test("keys with a modifier are not handled", () => {
  const { surface, viewport } = plot();
  assert.equal(surface.send("keydown", { key: "0", ctrlKey: true }).defaultPrevented, false);
  assert.equal(surface.send("keydown", { key: "x" }).defaultPrevented, false);
  assert.equal(surface.send("keydown", { key: "0" }).defaultPrevented, true);
  assert.equal(viewport.follows, 1);
});
