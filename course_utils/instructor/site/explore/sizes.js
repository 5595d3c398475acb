"use strict";
// Sizes, first part: one layer, its windows, and the pixels that none of them reads.
Course.ui.piece("sizes", (root) => {
  const { ops, ui } = Course;
  const find = (name) => ui.find(root, `.${name}`);
  const SLIDERS = ["size", "kernel", "stride", "padding", "dilation"];
  const state = { x: 0, y: 0, layer: null };

  // What the controls say, and what follows; output 0 and a reason where the kernel does not fit.
  function compute() {
    const layer = Object.fromEntries(SLIDERS.map((name) => [name, Number(find(name).value)]));
    const { size, kernel, stride, padding, dilation } = layer;
    layer.ceil = find("rounding").value === "up";
    layer.span = dilation * (kernel - 1) + 1;
    try {
      layer.output = ops.convSize(size, kernel, stride, padding, dilation, layer.ceil);
    } catch (error) {
      layer.output = 0;
      layer.reason = error.message;
    }
    layer.counts = ops.readCounts(size, layer.output, kernel, stride, padding, dilation);
    layer.unread = [...layer.counts.keys()].filter((pixel) => !layer.counts[pixel]);
    return layer;
  }

  function update() {
    for (const name of SLIDERS) find(`shown-${name}`).value = find(name).value;
    state.layer = compute();
    place(state.x, state.y);
    const sentences = state.layer.output ? [formula(), loss(), costs()] : [state.layer.reason];
    find("answer").innerHTML = sentences.join("<br>");
    tick();
  }

  function place(x, y) {
    const last = Math.max(0, state.layer.output - 1);
    state.x = ui.clamp(Math.round(x), 0, last);
    state.y = ui.clamp(Math.round(y), 0, last);
    describe();
    drawInput();
    drawOutput();
  }

  function formula() {
    const { size, kernel, stride, padding, dilation, span, output, ceil } = state.layer;
    const [open, close] = ceil ? ["⌈", "⌉"] : ["⌊", "⌋"];
    const kernelText = dilation > 1 ? `(${dilation}·${kernel - 1} + 1)` : `${kernel}`;
    return (
      `${open}(${size} + 2·${padding} − ${kernelText}) / ${stride}${close} + 1 = ` +
      `${open}${size + 2 * padding - span} / ${stride}${close} + 1 = <strong>${output}</strong>`
    );
  }

  function loss() {
    const { unread, output, size, stride, padding, span } = state.layer;
    const over = (output - 1) * stride + span - size - 2 * padding;
    const hangs = over > 0 ? ` The last window hangs ${over} over the edge.` : "";
    if (!unread.length) return `Every row and column is read.${hangs}`;
    const numbers = unread.map((pixel) => pixel + 1).join(", ");
    return `Never read: ${unread.length} of ${size} rows, and as many columns (number ${numbers}).${hangs}`;
  }

  function costs() {
    const [channels, filters] = ["channels", "filters"].map((name) => find(name).valueAsNumber);
    if (!(channels > 0 && filters > 0)) return "Give whole numbers of channels and filters.";
    const { kernel, output } = state.layer;
    const weights = channels * kernel * kernel;
    const parameters = filters * (weights + 1);
    const flops = 2 * filters * output * output * weights;
    return (
      `Parameters: ${filters}·(${kernel}·${kernel}·${channels} + 1) = ` +
      `<strong>${parameters.toLocaleString("en")}</strong>. FLOPs: ` +
      `2·${filters}·${output}·${output}·${weights} = <strong>${flops.toLocaleString("en")}</strong>.`
    );
  }

  const TASKS = {
    half: ({ size, output, unread }) => size === 12 && output === 6 && !unread.length,
    across: ({ size, kernel, span, output }) => size === 9 && kernel === 3 && span >= 9 && output > 0,
    unread: ({ size, unread, output }) => output > 0 && unread.length > size / 2,
  };

  // A task once solved stays solved.
  function tick() {
    for (const [name, isSolved] of Object.entries(TASKS)) {
      const mark = ui.find(root, `[data-task=${name}] span`);
      if (isSolved(state.layer) && !mark.textContent) {
        mark.textContent = "✓ found";
        ui.say(find("live"), "Task solved.");
      }
    }
  }

  function describe() {
    const { size, padding, output, unread } = state.layer;
    const sizes = `An image of ${size}×${size} with padding ${padding} gives ${output}×${output}`;
    const lost = unread.length ? `${unread.length} rows are never read` : "every row is read";
    const at = `the window is at row ${state.y}, column ${state.x}`;
    find("input").setAttribute("aria-label", `${sizes}; ${lost}; ${at}.`);
    find("output").setAttribute("aria-label", `The output: ${output}×${output} numbers; ${at}.`);
    ui.say(find("live"), `${sizes}; ${lost}; ${at}.`);
  }

  // How many pixels the drawing of the input is wide: the frame, and what hangs over it.
  function extent() {
    const { size, padding, output, stride, span } = state.layer;
    return Math.max(size + 2 * padding, output ? (output - 1) * stride + span : 0);
  }

  function cell(context, x, y, unit, colour) {
    context.fillStyle = colour;
    context.fillRect(x * unit + 0.5, y * unit + 0.5, unit - 1, unit - 1);
  }

  function cross(context, x, y, unit, colour) {
    const [a, b] = [0.25 * unit, 0.75 * unit];
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.beginPath();
    for (const [from, to] of [[a, b], [b, a]]) {
      context.moveTo(x * unit + a, y * unit + from);
      context.lineTo(x * unit + b, y * unit + to);
    }
    context.stroke();
  }

  function outline(context, x, y, side, unit, colour, width = 3) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(x * unit + 1, y * unit + 1, side * unit - 2, side * unit - 2);
  }

  const drawInput = ui.surface(find("input"), 1, (context, width, height, colours) => {
    const { size, padding, counts, output } = state.layer;
    const unit = width / extent();
    for (let y = 0; y < size + 2 * padding; y++) {
      for (let x = 0; x < size + 2 * padding; x++) {
        const [row, column] = [y - padding, x - padding];
        const inside = Math.min(row, column) >= 0 && Math.max(row, column) < size;
        cell(context, x, y, unit, inside ? colours.pixel : colours.frame);
        if (inside && !(counts[row] && counts[column])) cross(context, x, y, unit, colours.orange);
      }
    }
    if (output) drawWindow(context, unit, colours);
  });

  function drawWindow(context, unit, colours) {
    const { kernel, stride, dilation, span } = state.layer;
    const [left, top] = [state.x * stride, state.y * stride];
    context.fillStyle = colours.blue;
    for (let tap = 0; tap < kernel * kernel; tap++) {
      const x = left + (tap % kernel) * dilation + 0.5;
      const y = top + Math.floor(tap / kernel) * dilation + 0.5;
      context.beginPath();
      context.arc(x * unit, y * unit, Math.max(2, unit / 6), 0, 2 * Math.PI);
      context.fill();
    }
    outline(context, left, top, span, unit, colours.blue);
  }

  const outputRatio = () => Math.max(1, state.layer.output) / extent();
  // Drawn at the scale of the input: what is lost in size is seen.
  const drawOutput = ui.surface(find("output"), outputRatio, (context, width, height, colours) => {
    const unit = width / extent();
    const { output } = state.layer;
    for (let i = 0; i < output * output; i++) {
      cell(context, i % output, Math.floor(i / output), unit, colours.pixel);
    }
    if (output) outline(context, state.x, state.y, 1, unit, colours.blue);
  });

  for (const name of SLIDERS) find(name).addEventListener("input", update);
  for (const name of ["rounding", "channels", "filters"]) find(name).addEventListener("input", update);
  ui.arrows(find("input"), (dx, dy) => place(state.x + dx, state.y + dy));
  ui.pointer(find("input"), (x, y) => {
    const { stride, span } = state.layer;
    const unit = find("input").clientWidth / extent();
    place((x / unit - span / 2) / stride, (y / unit - span / 2) / stride);
  });
  ui.pointer(find("output"), (x, y) => {
    const unit = find("output").clientWidth / extent();
    place(x / unit - 0.5, y / unit - 0.5);
  });
  update();
  Course.stack(root);
});
