"use strict";
// Image kernels: nine weights on a photograph, one window written out.
Course.ui.piece("kernels", (root) => {
  const { ops, ui } = Course;
  const photographs = Course.data.kernels;
  const PRESETS = {
    "vertical edges": [-1, 0, 1, -1, 0, 1, -1, 0, 1],
    "horizontal edges": [-1, -1, -1, 0, 0, 0, 1, 1, 1],
    blur: Array(9).fill(1 / 9),
    sharpen: [0, -1, 0, -1, 5, -1, 0, -1, 0],
    outline: [-1, -1, -1, -1, 8, -1, -1, -1, -1],
    "nothing changes": [0, 0, 0, 0, 1, 0, 0, 0, 0],
  };
  const OWN = "your own weights";
  const SIDE = 112; // pixels of a reader's own photograph, as of ours
  const find = (name) => ui.find(root, `.${name}`);
  const state = { image: null, alt: "", weights: [...PRESETS["vertical edges"]], x: 30, y: 8, output: null };
  const padding = () => Number(find("padding").value);
  const stride = () => Number(find("stride").value);

  function choose(image, alt) {
    state.image = image;
    state.alt = alt;
    convolve();
  }

  function convolve() {
    const weight = { data: Float32Array.from(state.weights), shape: [1, 1, 3, 3] };
    state.output = ops.conv2d(state.image, weight, null, stride(), padding());
    place(state.x, state.y);
  }

  // Put the window at output column x and row y.
  function place(x, y) {
    const [, rows, columns] = state.output.shape;
    state.x = ui.clamp(Math.round(x), 0, columns - 1);
    state.y = ui.clamp(Math.round(y), 0, rows - 1);
    write();
    drawInput();
    drawOutput();
  }

  // The nine pixels under the window; 0 in the frame of padding.
  function pixels() {
    const [, height, width] = state.image.shape;
    return state.weights.map((_, tap) => {
      const x = state.x * stride() - padding() + (tap % 3);
      const y = state.y * stride() - padding() + Math.floor(tap / 3);
      return x < 0 || y < 0 || x >= width || y >= height ? 0 : state.image.data[y * width + x];
    });
  }

  const sumOf = (values) => values.reduce((a, b) => a + b, 0);
  const hasSign = () => Math.abs(sumOf(state.weights)) < 0.005;

  function write() {
    const seen = pixels();
    const products = seen.map((pixel, tap) => pixel * state.weights[tap]);
    seen.forEach((pixel, tap) => {
      const cell = find("pixels").children[tap];
      cell.textContent = ui.number(pixel);
      cell.style.background = `rgb(${Array(3).fill(Math.round(255 * pixel)).join()})`;
      cell.style.color = pixel > 0.5 ? "#000" : "#fff";
      find("products").children[tap].textContent = ui.number(products[tap]);
    });
    const [, rows, columns] = state.output.shape;
    const [, height, width] = state.image.shape;
    const answer = ui.number(sumOf(products));
    find("answer").innerHTML =
      `The nine products add up to <strong>${answer}</strong>. The weights add up to ` +
      `${ui.number(sumOf(state.weights))}; the mean of the nine pixels is ${ui.number(sumOf(seen) / 9)}. ` +
      `The image has ${height}×${width} pixels, the output ${rows}×${columns}.`;
    ui.say(find("live"), `Row ${state.y}, column ${state.x}: the sum is ${answer}`);
    find("input").setAttribute(
      "aria-label", `${state.alt}. The window is at row ${state.y}, column ${state.x} of the output.`);
  }

  function frame(context, box, colour) {
    context.lineWidth = 4;
    context.strokeStyle = "#ffffff";
    context.strokeRect(box.x, box.y, box.width, box.height);
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.strokeRect(box.x, box.y, box.width, box.height);
  }

  // The image in its frame of padding fills the canvas; unit: CSS pixels of one pixel.
  const framed = () => state.image.shape.slice(1).map((side) => side + 2 * padding());
  const drawInput = ui.surface(find("input"), () => framed()[0] / framed()[1], (context, width, height, colours) => {
    const unit = width / framed()[1];
    const [, rows, columns] = state.image.shape;
    context.fillStyle = "#000000"; // the frame of zeros
    context.fillRect(0, 0, width, height);
    const box = { x: padding() * unit, y: padding() * unit, width: columns * unit, height: rows * unit };
    ui.drawMap(context, state.image.data, [rows, columns], box, ui.shades(0, 1));
    const at = { x: state.x * stride() * unit, y: state.y * stride() * unit };
    frame(context, { ...at, width: 3 * unit, height: 3 * unit }, colours.high);
  });

  const drawOutput = ui.surface(find("output"), () => state.output.shape[1] / state.output.shape[2], (context, width, height, colours) => {
    const [, rows, columns] = state.output.shape;
    const { data } = state.output;
    const [low, high] = [data.reduce((a, b) => Math.min(a, b)), data.reduce((a, b) => Math.max(a, b))];
    const most = Math.max(-low, high, 1e-6);
    const shade = hasSign()
      ? ui.shades(-most, most, [colours.low, colours.zero, colours.high]) : ui.shades(0, 1);
    ui.drawMap(context, data, [rows, columns], { x: 0, y: 0, width, height }, shade);
    const unit = width / columns;
    frame(context, { x: state.x * unit - 2, y: state.y * unit - 2, width: unit + 4, height: unit + 4 }, colours.high);
    const range = `Numbers from ${ui.number(low)} to ${ui.number(high)}`;
    find("legend").textContent = hasSign()
      ? `The output. ${range}: blue is negative, white 0, orange positive.`
      : `The output. ${range}: black is 0 or less, white 1 or more.`;
    find("output").setAttribute("aria-label", `Output of the kernel ${find("preset").value}. ${range}.`);
  });

  function showWeights() {
    [...find("weights").children].forEach((input, tap) => {
      input.value = Number(state.weights[tap].toFixed(2));
    });
  }

  function build() {
    find("photograph").replaceChildren(
      ...Object.entries(photographs).map(([name, { title }]) => new Option(title, name)));
    find("preset").replaceChildren(...[...Object.keys(PRESETS), OWN].map((name) => new Option(name)));
    for (let tap = 0; tap < 9; tap++) {
      find("pixels").append(document.createElement("span"));
      find("products").append(document.createElement("span"));
      const input = document.createElement("input");
      Object.assign(input, { type: "number", step: "0.1", ariaLabel: `weight, row ${Math.floor(tap / 3) + 1}, column ${(tap % 3) + 1}` });
      input.addEventListener("input", () => {
        if (!Number.isFinite(input.valueAsNumber)) return; // while one types
        state.weights[tap] = input.valueAsNumber;
        find("preset").value = OWN;
        convolve();
      });
      find("weights").append(input);
    }
  }

  function ours() {
    const { alt, image } = photographs[find("photograph").value];
    const { data, shape } = ops.unpack(image);
    choose({ data: Float32Array.from(data, (level) => level / 255), shape: [1, ...shape] }, alt);
  }

  function preset() {
    const chosen = PRESETS[find("preset").value];
    if (!chosen) return;
    state.weights = [...chosen];
    showWeights();
    convolve();
  }

  async function own() {
    const [file] = find("own").files;
    if (!file) return;
    try {
      choose(await ui.readImage(file, SIDE), `Your photograph, ${file.name}`);
    } catch {
      ui.say(find("live"), "This file is not an image that the browser can read.");
      find("answer").textContent = "This file is not an image that the browser can read.";
    }
  }

  build();
  showWeights();
  ours();
  find("photograph").addEventListener("change", ours);
  find("preset").addEventListener("change", preset);
  find("padding").addEventListener("change", convolve);
  find("stride").addEventListener("change", convolve);
  find("own").addEventListener("change", own);
  ui.arrows(find("input"), (dx, dy) => place(state.x + dx, state.y + dy));
  ui.pointer(find("input"), (x, y) => {
    const unit = find("input").clientWidth / framed()[1];
    place((x / unit - 1.5) / stride(), (y / unit - 1.5) / stride());
  });
  ui.pointer(find("output"), (x, y) => {
    const unit = find("output").clientWidth / state.output.shape[2];
    place(x / unit - 0.5, y / unit - 0.5);
  });
});
