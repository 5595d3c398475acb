"use strict";
// What the explorable pages share: drawing on canvas, colours, keyboard, touch, live regions.
Course.ui = (() => {
  const NAMES = [
    "ink", "muted", "paper", "line", "blue", "orange", "green", "low", "zero", "high", "pixel", "frame",
  ];
  const find = (root, selector) => root.querySelector(selector);
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // The colours --x-… of explore.css as they are now, in the light or the dark page.
  function colours(element) {
    const style = getComputedStyle(element);
    return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--x-${name}`).trim()]));
  }

  // A number for reading, with a true minus sign.
  function number(value, digits = 2) {
    const text = value.toFixed(digits);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
  }

  // A large number for reading, as course_utils.arithmetic.scaled writes it: 705600 is "706 k".
  function scaled(value) {
    if (value === 0) return "–";
    let power = 0;
    for (; value >= 999.5 && power < 4; power++) value /= 1000;
    return `${Number(value.toPrecision(3))} ${["", "k", "M", "G", "T"][power]}`.trim();
  }

  // Draw on a canvas in CSS pixels, sharp on every screen: draw(context, width, height, colours).
  // ratio: height / width. Returns a function that asks for drawing again, once a frame.
  function surface(canvas, ratio, draw) {
    let asked = false;
    let shown = [0, 0];
    function paint() {
      asked = false;
      const width = canvas.clientWidth;
      if (!width) return;
      const height = Math.round(width * (typeof ratio === "function" ? ratio(width) : ratio));
      const scale = globalThis.devicePixelRatio || 1;
      const size = [Math.round(width * scale), Math.round(height * scale)];
      if (size[0] !== shown[0] || size[1] !== shown[1]) {
        [canvas.width, canvas.height] = shown = size; // empties it, so only when it must
        canvas.style.height = `${height}px`;
      }
      const context = canvas.getContext("2d");
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, width, height);
      draw(context, width, height, colours(canvas));
    }
    function redraw() {
      if (!asked) requestAnimationFrame(paint);
      asked = true;
    }
    new ResizeObserver(redraw).observe(canvas);
    const theme = new MutationObserver(redraw);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    redraw();
    return redraw;
  }

  function channelsOf(colour) {
    return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  }

  // Colours for numbers: grey from low to high; or blue, white, orange when they have a sign.
  function shades(low, high, ramp = ["#000000", "#ffffff"]) {
    const stops = ramp.map(channelsOf);
    return (value) => {
      const place = clamp((value - low) / (high - low || 1), 0, 1) * (stops.length - 1);
      const stop = Math.min(stops.length - 2, Math.floor(place));
      return stops[stop].map((from, i) => from + (place - stop) * (stops[stop + 1][i] - from));
    };
  }

  // Draw numbers (height × width) as an image into the box {x, y, width, height}.
  const scratch = document.createElement("canvas");
  function drawMap(context, values, [height, width], box, shade) {
    scratch.width = width;
    scratch.height = height;
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      image.data.set(shade(values[i]), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    scratch.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(scratch, box.x, box.y, box.width, box.height);
  }

  // Read a file of the reader's own as grey levels 0 to 1, at most `side` pixels a side. It stays
  // in the browser. Returns a promise of a tensor (1, H, W).
  async function readImage(file, side) {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
    const width = Math.max(1, Math.round(bitmap.width * scale));
    const height = Math.max(1, Math.round(bitmap.height * scale));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.fillStyle = "white"; // transparency is laid on white, as course_utils.data does
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const grey = new Float32Array(width * height);
    for (let i = 0; i < grey.length; i++) {
      grey[i] = (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 765; // the mean, as in lecture 02
    }
    return { data: grey, shape: [1, height, width] };
  }

  // Tell a reader who cannot see the canvas; only what still holds after a pause is spoken.
  const pending = new WeakMap();
  function say(element, text) {
    clearTimeout(pending.get(element));
    pending.set(element, setTimeout(() => { element.textContent = text; }, 300));
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  // Call move(dx, dy) for arrow keys on a focused element; with Shift five at once.
  function arrows(element, move) {
    element.addEventListener("keydown", (event) => {
      const step = ARROWS[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const by = event.shiftKey ? 5 : 1;
      move(step[0] * by, step[1] * by);
    });
  }

  // Call move(x, y, event) while a pointer is held down on an element, and for a tap; x and y are
  // CSS pixels from its upper left corner. hover: also while a mouse moves over it.
  function pointer(element, move, hover = false) {
    const tell = (event) => {
      const box = element.getBoundingClientRect();
      move(event.clientX - box.left, event.clientY - box.top, event);
    };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      tell(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (event.buttons || (hover && event.pointerType === "mouse")) tell(event);
    });
  }

  // Return a new button that calls press(). label: its name, where its text is only a sign.
  function button(text, press, label = null) {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text, ariaLabel: label });
    made.addEventListener("click", press);
    return made;
  }

  // Call start(root) for the piece's element once the page is there. It may return a promise.
  async function piece(name, start) {
    const root = document.getElementById(name);
    if (!root) return;
    await start(root);
    root.classList.add("alive");
  }

  return {
    find, clamp, reducedMotion, colours, number, scaled, surface, shades, drawMap, readImage, say, arrows,
    pointer, button, piece,
  };
})();
