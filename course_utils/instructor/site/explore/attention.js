"use strict";
// Attention: choose a patch of a picture, and see what it reads in each block and head.
Course.ui.piece("attention", async (root) => {
  const { ops, ui } = Course;
  const source = Course.data.attention;
  const SIDE = 32;
  const PIXELS = SIDE * SIDE;
  const GRID = 8; // patches of a side
  const PATCHES = GRID * GRID;
  const TOKENS = PATCHES + 1; // the class token is number 0
  const HEADS = 4;
  const find = (name) => ui.find(root, `.${name}`);

  const pictures = await Course.inflate(source.pictures);
  const weights = Object.entries(source.weights).map(([name, array]) => [name, ops.unpack(array)]);
  const run = Course.vit(Object.fromEntries(weights), HEADS);
  // head: 0 to 3, or HEADS for the mean of all; reader: the token that reads.
  const state = { picture: 0, block: 0, head: HEADS, reader: 0, found: null };

  function image(number) {
    const data = new Float32Array(3 * PIXELS);
    for (let i = 0; i < data.length; i++) {
      const channel = Math.floor(i / PIXELS);
      data[i] = (pictures.data[number * data.length + i] / 255 - source.mean[channel]) / source.std[channel];
    }
    return { data, shape: [3, SIDE, SIDE] };
  }

  // --- weights ---
  // What token `reader` reads of each token, in one head or as the mean of all.
  function row(block, head, reader) {
    const chosen = head < HEADS ? [head] : [...Array(HEADS).keys()];
    const mean = new Float64Array(TOKENS);
    for (const one of chosen) {
      for (let key = 0; key < TOKENS; key++) {
        mean[key] += state.found.maps[block][one][reader * TOKENS + key] / chosen.length;
      }
    }
    return mean;
  }

  const distance = (a, b) => Math.hypot((a % GRID) - (b % GRID), Math.floor(a / GRID) - Math.floor(b / GRID));

  // The mean distance of what patch `patch` reads with weights of the patches, in patches.
  function reach(patch, shares) {
    let [sum, all] = [0, 0];
    shares.forEach((share, other) => {
      sum += share * distance(patch, other);
      all += share;
    });
    return sum / all;
  }

  const evenly = new Float64Array(PATCHES).fill(1);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const patches = [...Array(PATCHES).keys()];
  const even = mean(patches.map((patch) => reach(patch, evenly)));
  const reachOf = (block, head) => mean(patches.map((patch) => reach(patch, row(block, head, patch + 1).subarray(1))));

  // --- choices ---
  function choosePicture(number) {
    state.picture = number;
    state.found = run(image(number));
    writeDistances();
    update();
  }

  function choose(change) {
    Object.assign(state, change);
    update();
  }

  function move(dx, dy) {
    const patch = Math.max(0, state.reader - 1);
    const x = ui.clamp((patch % GRID) + dx, 0, GRID - 1);
    const y = ui.clamp(Math.floor(patch / GRID) + dy, 0, GRID - 1);
    choose({ reader: 1 + y * GRID + x });
  }

  // --- in words ---
  const place = (patch) => `row ${Math.floor(patch / GRID) + 1}, column ${(patch % GRID) + 1}`;
  const percent = (share) => `${ui.number(100 * share, 1)} %`;

  function write() {
    const shares = row(state.block, state.head, state.reader);
    const most = patches.reduce((best, patch) => (shares[patch + 1] > shares[best + 1] ? patch : best), 0);
    const head = state.head < HEADS ? `head ${state.head + 1}` : `the mean of ${HEADS} heads`;
    const reader = state.reader ? `the patch in ${place(state.reader - 1)}` : "the class token";
    let text = `In block ${state.block + 1}, ${head}, ${reader} reads most from the patch in <strong>${place(most)}</strong>: ` +
      `${percent(shares[most + 1])}, or ${ui.number(shares[most + 1] * TOKENS, 1)} times an even share.`;
    if (state.reader) {
      const patch = state.reader - 1;
      text += ` What it reads is ${ui.number(reach(patch, shares.subarray(1)))} patches away, on average; with equal weights it would be ${ui.number(reach(patch, evenly))}.`;
    }
    find("reads").innerHTML = text;
    ui.say(find("live"), find("reads").textContent);
    const what = `${source.classes[source.labels[state.picture]]} on a photograph`;
    find("picture").setAttribute("aria-label", `${what}. Now ${reader} reads.`);
    find("read").setAttribute("aria-label", find("reads").textContent);
    find("legend").textContent = `What it reads of each patch, from 0 (the colour of the page) to ${percent(shares[most + 1])}.`;
    find("token").setAttribute("aria-pressed", state.reader === 0);
    for (const [group, chosen] of [["choice", state.picture], ["blocks", state.block], ["heads", (state.head + 1) % (HEADS + 1)]]) {
      [...find(group).children].forEach((button, n) => button.setAttribute("aria-pressed", n === chosen));
    }
  }

  function writeDistances() {
    const all = state.found.maps.map((heads, block) => heads.map((_, head) => reachOf(block, head)));
    all.forEach((heads, block) => heads.forEach((value, head) => {
      find("distances").tBodies[0].rows[block].cells[head + 1].textContent = ui.number(value, 1);
    }));
    const flat = all.flat();
    const near = flat.indexOf(Math.min(...flat));
    const far = flat.indexOf(Math.max(...flat));
    const name = (n) => `head ${(n % HEADS) + 1} of block ${Math.floor(n / HEADS) + 1}`;
    find("distances-answer").innerHTML =
      `Equal weights: ${ui.number(even, 1)} patches. The nearest reader is ${name(near)} with <strong>${ui.number(flat[near], 1)}</strong>, ` +
      `the farthest ${name(far)} with <strong>${ui.number(flat[far], 1)}</strong>.`;
    const answer = state.found.logits.indexOf(Math.max(...state.found.logits));
    find("network-note").textContent =
      `The network calls this picture ${source.classes[answer]}; it is ${source.classes[source.labels[state.picture]]}. ` +
      `It is right for ${percent(source.accuracy)} of ${source.tested.toLocaleString("en")} test images.`;
  }

  function update() {
    write();
    for (const redraw of drawings) redraw();
  }

  // --- drawings ---
  const places = Array.from({ length: PIXELS }, (_, i) => i);
  function colour(number) { // of pixel i of a picture, as drawMap asks for it
    const at = number * 3 * PIXELS;
    return (i) => [0, 1, 2].map((channel) => pictures.data[at + channel * PIXELS + i]);
  }

  function frame(context, width, colours) {
    if (!state.reader) return;
    const unit = width / GRID;
    const [x, y] = [(state.reader - 1) % GRID, Math.floor((state.reader - 1) / GRID)];
    for (const [ink, thick] of [["#ffffff", 5], [colours.orange, 2.5]]) {
      context.strokeStyle = ink;
      context.lineWidth = thick;
      context.strokeRect(x * unit + 1, y * unit + 1, unit - 2, unit - 2);
    }
  }

  function drawGrid(context, width, ink) {
    context.strokeStyle = ink;
    context.lineWidth = 1;
    for (let n = 0; n <= GRID; n++) {
      const at = (n * width) / GRID;
      context.strokeRect(at, 0, 0, width);
      context.strokeRect(0, at, width, 0);
    }
  }

  function drawPicture(context, width, height, colours) {
    ui.drawMap(context, places, [SIDE, SIDE], { x: 0, y: 0, width, height }, colour(state.picture));
    drawGrid(context, width, "rgb(255 255 255 / 35%)");
    frame(context, width, colours);
  }

  function drawRead(context, width, height, colours) {
    const shares = row(state.block, state.head, state.reader).subarray(1);
    const shade = ui.shades(0, Math.max(...shares), [colours.paper, colours.ink]);
    ui.drawMap(context, shares, [GRID, GRID], { x: 0, y: 0, width, height }, shade);
    drawGrid(context, width, colours.line);
    frame(context, width, colours);
  }

  // --- wiring ---
  function build() {
    source.labels.forEach((label, number) => {
      const picture = document.createElement("canvas");
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", `A garment on a photograph: ${source.classes[label]}`);
      find("choice").appendChild(ui.button("", () => choosePicture(number))).append(picture);
      ui.surface(picture, 1, (context, width, height) => {
        ui.drawMap(context, places, [SIDE, SIDE], { x: 0, y: 0, width, height }, colour(number));
      });
    });
    find("heads").appendChild(ui.button("all heads", () => choose({ head: HEADS })));
    for (let n = 0; n < HEADS; n++) find("heads").appendChild(ui.button(`head ${n + 1}`, () => choose({ head: n })));
    run(image(0)).maps.forEach((_, block) => {
      find("blocks").appendChild(ui.button(`block ${block + 1}`, () => choose({ block })));
      const made = find("distances").tBodies[0].insertRow();
      made.innerHTML = `<th scope="row">${block + 1}</th>${"<td></td>".repeat(HEADS)}`;
    });
    find("token").addEventListener("click", () => choose({ reader: 0 }));
    ui.arrows(find("picture"), move);
    ui.pointer(find("picture"), (x, y) => {
      const unit = find("picture").clientWidth / GRID;
      const [column, line] = [x, y].map((at) => ui.clamp(Math.floor(at / unit), 0, GRID - 1));
      choose({ reader: 1 + line * GRID + column });
    });
  }

  let drawings = [];
  build();
  state.reader = 1 + 3 * GRID + 4;
  choosePicture(0);
  drawings = [ui.surface(find("picture"), 1, drawPicture), ui.surface(find("read"), 1, drawRead)];
});
