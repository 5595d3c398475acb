"use strict";
// Inside a network: the maps of each layer of a VGG-11 for a picture, and what one unit sees.
Course.ui.piece("inside", async (root) => {
  const { ops, ui } = Course;
  const source = Course.data.inside;
  const SIDE = 32;
  const PIXELS = SIDE * SIDE;
  const find = (name) => ui.find(root, `.${name}`);
  const percent = (share) => `${Math.round(100 * share)} %`;

  const pictures = await Course.inflate(source.pictures);
  const { layers, run } = await Course.network(source);
  const shown = layers.filter((layer) => layer.kind !== "linear");
  const fields = shown.map((_, at) => ops.receptiveField(shown.slice(0, at + 1).map(({ kind }) => (
    kind === "pool" ? { kernel: 2, stride: 2 } : { kernel: 3, padding: 1 }
  ))));
  const state = { picture: 0, layer: 4, map: 0, x: 4, y: 4, whole: null, outputs: null };

  // --- the picture ---
  // The pixels as the network reads them. Outside the window {left, right, top, bottom}, if there is
  // one, they are 0: the mean colour.
  function inputs(number, window) {
    const data = new Float32Array(3 * PIXELS);
    for (let i = 0; i < data.length; i++) {
      const [channel, x, y] = [Math.floor(i / PIXELS), i % SIDE, Math.floor(i / SIDE) % SIDE];
      if (window && (x < window.left || x > window.right || y < window.top || y > window.bottom)) continue;
      const value = pictures.data[number * data.length + i] / 255;
      data[i] = (value - source.mean[channel]) / source.std[channel];
    }
    return { data, shape: [3, SIDE, SIDE] };
  }

  // --- the unit ---
  function windowOf({ layer, x, y }) {
    const { size, jump, start } = fields[layer];
    const [left, top] = [start + x * jump, start + y * jump];
    return { left, top, right: left + size - 1, bottom: top + size - 1, size };
  }
  const maps = () => state.outputs[state.layer];
  const area = () => maps().shape[1] * maps().shape[2];
  const mapOf = (number) => maps().data.subarray(number * area(), (number + 1) * area());
  const valueOf = (outputs) => outputs[state.layer].data[state.map * area() + state.y * maps().shape[2] + state.x];

  function choosePicture(number) {
    state.picture = number;
    state.whole = run(inputs(number));
    state.map = strongest();
    update();
  }

  // Show the state: the picture as it is, or without what lies outside the window.
  function update() {
    state.outputs = state.whole;
    state.map = Math.min(state.map, maps().shape[0] - 1);
    state.x = Math.min(state.x, maps().shape[2] - 1);
    state.y = Math.min(state.y, maps().shape[1] - 1);
    if (find("hide").checked) state.outputs = run(inputs(state.picture, windowOf(state)));
    write();
    for (const redraw of drawings) redraw();
  }

  function chooseLayer(layer) {
    const [before, after] = [fields[state.layer].jump, fields[layer].jump];
    state.x = Math.floor((state.x * before) / after); // about the same place of the picture
    state.y = Math.floor((state.y * before) / after);
    state.layer = layer;
    state.map = strongest();
    update();
  }

  // The map with the largest answer at the unit's place: a unit that has something to say.
  function strongest() {
    const { data, shape: [count, rows, columns] } = state.whole[state.layer];
    let best = 0;
    const at = (map) => data[(map * rows + state.y) * columns + state.x];
    for (let map = 1; map < count; map++) if (at(map) > at(best)) best = map;
    return best;
  }

  function moveUnit(x, y) {
    const [, rows, columns] = maps().shape;
    state.x = ui.clamp(x, 0, columns - 1);
    state.y = ui.clamp(y, 0, rows - 1);
    update();
  }

  function chooseMap(number) {
    if (number >= 0 && number < maps().shape[0]) {
      state.map = number;
      update();
    }
  }

  // --- in words ---
  const zeros = (values) => values.reduce((sum, value) => sum + (value === 0), 0) / values.length;
  const size = ([, rows, columns]) => `${rows}×${columns}`;

  function writeUnit() {
    const { name } = shown[state.layer];
    const seen = windowOf(state);
    const inside = (from, to) => Math.min(to, SIDE - 1) - Math.max(from, 0) + 1;
    const share = (inside(seen.left, seen.right) * inside(seen.top, seen.bottom)) / PIXELS;
    const value = ui.number(valueOf(state.outputs), 4);
    const hidden = find("hide").checked
      ? ` With the rest hidden it is ${value}; the whole picture gives ${ui.number(valueOf(state.whole), 4)}.` : "";
    find("unit").innerHTML =
      `${name}, map ${state.map + 1}, row ${state.y}, column ${state.x}: this unit answers <strong>${value}</strong>. ` +
      `It sees ${seen.size} × ${seen.size} pixels, which hold ${percent(share)} of the picture.${hidden}`;
    ui.say(find("live"), find("unit").textContent);
    find("map").setAttribute("aria-label", `Map ${state.map + 1} of ${name}. Row ${state.y}, column ${state.x}: ${value}`);
    find("picture").setAttribute("aria-label",
      `${source.classes[source.labels[state.picture]]} on a photograph. The unit sees columns ${seen.left} to ${seen.right}, rows ${seen.top} to ${seen.bottom}.`);
  }

  function writeTable() {
    for (const [at, row] of [...find("summary").tBodies[0].rows].entries()) {
      const { data, shape } = state.whole[at];
      const texts = [shape[0], size(shape), `${fields[at].size}×${fields[at].size}`, percent(zeros(data)), ui.number(data.reduce((a, b) => Math.max(a, b)))];
      texts.forEach((text, column) => { row.cells[column + 1].textContent = text; });
    }
    const wide = fields.findIndex((field) => field.size > SIDE);
    const [last, pooled] = [shown.length - 2, shown.length - 1];
    const zero = (at) => percent(zeros(state.whole[at].data));
    find("summary-answer").innerHTML =
      `From <strong>${shown[wide].name}</strong> on, a unit sees more than the image: ${fields[wide].size} × ${fields[wide].size} pixels. ` +
      `ReLU makes zeros: ${zero(last)} of ${shown[last].name}'s numbers. ${shown[pooled].name} keeps the largest of each four: ${zero(pooled)} are 0.`;
  }

  function write() {
    const { name } = shown[state.layer];
    const label = source.labels[state.picture];
    writeUnit();
    writeTable();
    find("all").textContent = `All ${maps().shape[0]} maps of ${name}, ${size(maps().shape)} each. Tap one to choose it, or use the arrow keys.`;
    find("maps").setAttribute("aria-label", `${find("all").textContent} Map ${state.map + 1} is chosen.`);
    const shares = ops.softmax(state.outputs.at(-1).data);
    [...find("shares").tBodies[0].rows].forEach((row, k) => {
      row.classList.toggle("true", k === label);
      row.cells[1].style.setProperty("--share", shares[k]);
      row.cells[1].textContent = percent(shares[k]);
    });
    for (const [group, chosen] of [["choice", state.picture], ["layers", state.layer]]) {
      [...find(group).children].forEach((button, n) => button.setAttribute("aria-pressed", n === chosen));
    }
  }

  // --- drawings ---
  function colour(number) { // of pixel i of a picture, as drawMap asks for it
    const at = number * 3 * PIXELS;
    return (i) => [0, 1, 2].map((channel) => pictures.data[at + channel * PIXELS + i]);
  }
  const places = Array.from({ length: PIXELS }, (_, i) => i);

  function drawPicture(context, width, height, colours) {
    const unit = width / SIDE;
    const { left, top, right, bottom, size: side } = windowOf(state);
    ui.drawMap(context, places, [SIDE, SIDE], { x: 0, y: 0, width, height }, colour(state.picture));
    context.fillStyle = find("hide").checked ? "#808080" : "rgb(0 0 0 / 45%)";
    context.beginPath(); // all but the window
    context.rect(0, 0, width, height);
    context.rect(Math.max(0, left) * unit, Math.max(0, top) * unit,
      (Math.min(SIDE, right + 1) - Math.max(0, left)) * unit, (Math.min(SIDE, bottom + 1) - Math.max(0, top)) * unit);
    context.fill("evenodd");
    for (const [ink, thick] of [["#ffffff", 5], [colours.orange, 2.5]]) {
      context.strokeStyle = ink;
      context.lineWidth = thick;
      context.strokeRect(left * unit, top * unit, side * unit, side * unit);
    }
  }

  const shade = (colours) => ui.shades(0, maps().data.reduce((a, b) => Math.max(a, b)), [colours.paper, colours.ink]);

  function frame(context, colours, x, y, width, height) {
    for (const [ink, thick] of [[colours.paper, 5], [colours.orange, 2.5]]) {
      context.strokeStyle = ink;
      context.lineWidth = thick;
      context.strokeRect(x, y, width, height);
    }
  }

  function drawMap(context, width, height, colours) {
    const [, rows, columns] = maps().shape;
    ui.drawMap(context, mapOf(state.map), [rows, columns], { x: 0, y: 0, width, height }, shade(colours));
    context.strokeStyle = colours.line;
    context.strokeRect(0, 0, width, height);
    const [unitX, unitY] = [width / columns, height / rows];
    frame(context, colours, state.x * unitX + 1, state.y * unitY + 1, unitX - 2, unitY - 2);
  }

  function across() { // maps beside each other
    const [count] = maps().shape;
    return count > 64 || (count === 64 && find("maps").clientWidth > 480) ? 16 : 8;
  }
  function drawMaps(context, width, height, colours) {
    const [count, rows, columns] = maps().shape;
    const step = width / across();
    const fill = shade(colours);
    const box = (n) => [(n % across()) * step + 1, Math.floor(n / across()) * step + 1, step - 2, step - 2];
    for (let n = 0; n < count; n++) {
      const [x, y, wide, high] = box(n);
      ui.drawMap(context, mapOf(n), [rows, columns], { x, y, width: wide, height: high }, fill);
      context.strokeStyle = colours.line;
      context.lineWidth = 1;
      context.strokeRect(x, y, wide, high);
    }
    frame(context, colours, ...box(state.map));
  }

  // --- wiring ---
  function build() {
    source.labels.forEach((label, number) => {
      const picture = document.createElement("canvas");
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", `${source.classes[label]} on a photograph, number ${number % 2 + 1}`);
      find("choice").appendChild(ui.button("", () => choosePicture(number))).append(picture);
      ui.surface(picture, 1, (context, width, height) => {
        ui.drawMap(context, places, [SIDE, SIDE], { x: 0, y: 0, width, height }, colour(number));
      });
    });
    shown.forEach(({ name }, at) => {
      find("layers").appendChild(ui.button(name, () => chooseLayer(at)));
      const row = find("summary").tBodies[0].insertRow();
      row.innerHTML = `<th scope="row">${name}</th>${"<td></td>".repeat(5)}`;
    });
    for (const name of source.classes) {
      const row = find("shares").tBodies[0].insertRow();
      row.innerHTML = `<th scope="row">${name}</th><td class="share"></td>`;
    }
    find("weights-note").textContent =
      "The weights are rounded to 8 bits, so that this page is small. Of " +
      `${source.tested.toLocaleString("en")} test images, ${source.agrees.toLocaleString("en")} get the same answer as without rounding.`;
  }

  function listen() {
    find("hide").addEventListener("change", update);
    ui.arrows(find("map"), (dx, dy) => moveUnit(state.x + dx, state.y + dy));
    ui.arrows(find("maps"), (dx, dy) => chooseMap(state.map + dx + dy * across()));
    ui.pointer(find("map"), (x, y) => {
      const [, rows, columns] = maps().shape;
      const side = find("map").clientWidth;
      moveUnit(Math.floor((x / side) * columns), Math.floor((y / side) * rows));
    });
    ui.pointer(find("maps"), (x, y) => {
      const step = find("maps").clientWidth / across();
      chooseMap(Math.floor(x / step) + across() * Math.floor(y / step));
    });
  }

  let drawings = [];
  build();
  choosePicture(4);
  drawings = [
    ui.surface(find("picture"), 1, drawPicture),
    ui.surface(find("map"), 1, drawMap),
    ui.surface(find("maps"), () => maps().shape[0] / across() ** 2, drawMaps),
  ];
  listen();
});
