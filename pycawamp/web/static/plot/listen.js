/** Listens for wheel, drag, double click and keys on a canvas. */

/** With fewer pixels between press and release, it is a click. */
export const CLICK_PIXELS = 4;

/**
 * @typedef {object} Gestures
 * @property {(event: WheelEvent) => void} wheel
 * @property {(event: PointerEvent) => void} press a drag begins
 * @property {(event: PointerEvent) => void} move
 * @property {() => void} release the drag has ended
 * @property {() => void} cancel the browser has ended the drag
 * @property {() => void} leave also during a drag, as the pointer is captured
 * @property {() => void} reset
 * @property {(key: string) => (() => void) | null} action the action of a key
 */

/** @param {HTMLCanvasElement} canvas @param {Gestures} gestures @param {() => void} changed called after each gesture */
export function listen(canvas, gestures, changed) {
  const on = (kind, react, options) =>
    canvas.addEventListener(kind, (event) => {
      if (react(event) !== false) changed();
    }, options);
  on("wheel", (event) => {
    event.preventDefault();
    gestures.wheel(event);
  }, { passive: false });
  on("pointerdown", (event) => {
    if (event.button !== 0) return false;
    canvas.setPointerCapture(event.pointerId);
    gestures.press(event);
  });
  on("pointermove", (event) => gestures.move(event));
  on("pointerup", () => gestures.release());
  on("pointercancel", () => gestures.cancel());
  on("pointerleave", () => gestures.leave());
  on("dblclick", () => gestures.reset());
  on("keydown", (event) => {
    const act = event.altKey || event.ctrlKey || event.metaKey ? null : gestures.action(event.key);
    if (!act) return false;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
}
