"use strict";
// K-NN beside LeNet-5: a garment to move, and three answers that follow.
Course.ui.piece("garments", async (root) => {
  const { classify, ops, ui } = Course;
  const source = Course.data.garments;
  const { SIDE, INNER } = classify;
  const K = 5;
  const FAR = 6; // pixels from the middle, in the map of places
  const SHIFTS = 9; // 0 to 8 pixels, for all garments
  const BUDGET = 6; // milliseconds of a frame for work in the background
  const METHODS = [
    { name: "knn", title: "5-NN", colour: "orange", dash: [] },
    { name: "plain", title: "LeNet-5", colour: "blue", dash: [7, 4] },
    { name: "moved", title: "LeNet-5, moved images", colour: "green", dash: [2, 3] },
  ];
  const find = (name) => ui.find(root, `.${name}`);
  const percent = (share) => `${Math.round(100 * share)} %`;

  const [known, asked] = await Promise.all([source.known, source.asked].map(Course.inflate));
  const inner = (images, n) => images.data.subarray(n * INNER * INNER, (n + 1) * INNER * INNER);
  const garments = source.asked.labels.map((_, n) => classify.framed(inner(asked, n)));
  const nearest = classify.nearestIn(known.data);
  const networks = Object.fromEntries(Object.entries(source.weights).map(([name, packed]) => {
    const weights = Object.entries(packed).map(([layer, array]) => [layer, ops.unpack(array)]);
    return [name, classify.lenet(Object.fromEntries(weights), source.mean, source.std)];
  }));
  const perClass = garments.length / source.classes.length;
  const state = { base: garments[0], label: 0, number: 0, scale: 1, dx: 0, dy: 0, pen: null };

  // What the three say to an image.
  function answers(image) {
    const neighbours = nearest(image, K);
    const votes = source.classes.map(() => 0);
    for (const { index } of neighbours) votes[source.known.labels[index]] += 1 / K;
    const found = { knn: { neighbours, shares: votes } };
    for (const [name, network] of Object.entries(networks)) {
      const { logits, maps } = network(image);
      found[name] = { logits, maps, shares: ops.softmax(logits) };
    }
    for (const one of Object.values(found)) one.answer = classify.largest(one.shares);
    return found;
  }

  // Work that may wait: step() does one piece and returns whether there is more. What was asked for
  // last comes first.
  const jobs = [];
  let idle = true;
  function later(step) {
    jobs.unshift(step);
    if (idle) requestAnimationFrame(work);
    idle = false;
  }
  function work() {
    const start = performance.now();
    while (jobs.length && performance.now() - start < BUDGET) if (!jobs[0]()) jobs.shift();
    idle = !jobs.length;
    if (!idle) requestAnimationFrame(work);
  }

  // --- the garment that is chosen, and where it is ---
  const sized = () => classify.zoomed(state.base, state.scale);
  const image = () => classify.shifted(state.sized, state.dx, state.dy);

  function show(base, label) {
    Object.assign(state, { base, label, dx: 0, dy: 0, scale: 1 });
    find("scale").value = 1;
    resize();
  }

  function resize() {
    find("size").textContent = percent(state.scale);
    state.sized = sized();
    tryPlaces();
    move(0, 0);
  }

  function choose(number) {
    state.number = number;
    state.pen = null;
    show(garments[number], source.asked.labels[number]);
  }

  function move(dx, dy) {
    state.dx = ui.clamp(state.dx + dx, -SIDE / 2, SIDE / 2);
    state.dy = ui.clamp(state.dy + dy, -SIDE / 2, SIDE / 2);
    state.found = answers(image());
    write();
    for (const redraw of drawings) redraw();
  }

  // --- in words ---
  function direction() {
    const parts = [];
    if (state.dx) parts.push(`${Math.abs(state.dx)} ${state.dx > 0 ? "right" : "left"}`);
    if (state.dy) parts.push(`${Math.abs(state.dy)} ${state.dy > 0 ? "down" : "up"}`);
    return parts.join(", ") || "in the middle";
  }

  function said({ name, title }) {
    const { answer } = state.found[name];
    const verdict = state.label === null ? "" : answer === state.label ? " ✓" : " ✗";
    return `${title}: <strong>${source.classes[answer]}</strong>${verdict}`;
  }

  function write() {
    find("place").textContent = direction();
    const what = state.label === null ? "Your drawing" : source.classes[state.label];
    find("now").innerHTML = `<strong>${what}</strong>, ${direction()}. ${METHODS.map(said).join(" · ")}`;
    ui.say(find("live"), find("now").textContent);
    for (const [k, row] of [...find("shares").tBodies[0].rows].entries()) {
      row.classList.toggle("true", k === state.label);
      METHODS.forEach(({ name }, column) => {
        const share = state.found[name].shares[k];
        const cell = row.cells[column + 1];
        cell.style.setProperty("--share", share);
        cell.textContent = name === "knn" ? Math.round(K * share) : percent(share);
      });
    }
    const filled = state.label === null ? "the same as in the middle" : "right";
    find("legend").textContent = `Each square is a place, up to ${FAR} pixels from the middle. Filled: the answer there is ${filled}. ` +
      "The frame is where the garment is now. Tap a square to move it there.";
    const [drawn, pressed] = state.pen ? ["Drag to draw. Arrow keys move the pen; the space bar lowers and lifts it.", true]
      : ["Drag the garment, or use the arrow keys (with Shift, five pixels).", false];
    find("how").textContent = drawn;
    find("draw").setAttribute("aria-pressed", pressed);
    find("draw").textContent = pressed ? "Done: move it" : "Draw your own";
    for (const [k, button] of [...find("choice").children].entries()) {
      button.setAttribute("aria-pressed", k === state.label);
    }
    find("stage").setAttribute("aria-label", `${what}, ${direction()}. ${find("how").textContent}`);
  }

  // --- drawings ---
  const grey = ui.shades(0, 255);

  function drawStage(context, width, height, colours) {
    const unit = width / SIDE;
    ui.drawMap(context, image(), [SIDE, SIDE], { x: 0, y: 0, width, height }, grey);
    const outline = (x, y, dash) => {
      context.setLineDash(dash);
      context.strokeRect((2 + x) * unit, (2 + y) * unit, INNER * unit, INNER * unit);
    };
    context.lineWidth = 1.5;
    context.strokeStyle = colours.line;
    outline(0, 0, [4, 4]);
    if (state.pen) {
      context.setLineDash([]);
      context.strokeStyle = state.pen.down ? colours.orange : "#ffffff";
      context.strokeRect(state.pen.x * unit, state.pen.y * unit, unit, unit);
    } else if (state.dx || state.dy) {
      context.strokeStyle = "#ffffff";
      outline(state.dx, state.dy, []);
    }
  }

  function labelled(context, text, x, y, colours, align = "center") {
    context.fillStyle = colours.ink;
    context.font = "13px sans-serif";
    context.textAlign = align;
    context.fillText(text, x, y);
  }

  function drawNeighbours(context, width, height, colours) {
    const step = width / K;
    state.found.knn.neighbours.forEach(({ index, distance }, n) => {
      const box = { x: n * step + 2, y: 0, width: step - 4, height: step - 4 };
      ui.drawMap(context, inner(known, index), [INNER, INNER], box, grey);
      const name = source.classes[source.known.labels[index]].replace("/top", "");
      labelled(context, name, (n + 0.5) * step, step + 12, colours);
      labelled(context, Math.round(distance), (n + 0.5) * step, step + 29, colours);
    });
  }

  function drawMaps(context, width, height, colours) {
    const { data, shape: [filters, rows, columns] } = state.found.plain.maps;
    const step = width / 3;
    const shade = ui.shades(0, mapTop, [colours.paper, colours.ink]);
    for (let filter = 0; filter < filters; filter++) {
      const box = { x: (filter % 3) * step + 2, y: Math.floor(filter / 3) * step + 2, width: step - 4, height: step - 4 };
      ui.drawMap(context, data.subarray(filter * rows * columns), [rows, columns], box, shade);
      context.strokeStyle = colours.line;
      context.strokeRect(box.x, box.y, box.width, box.height);
    }
  }

  // --- at which places around the middle is the answer right? ---
  const WIDE = 2 * FAR + 1;
  let places = null;
  function tryPlaces() {
    const wanted = {};
    const middle = answers(state.sized);
    for (const { name } of METHODS) wanted[name] = state.label ?? middle[name].answer;
    const tried = { right: Object.fromEntries(METHODS.map(({ name }) => [name, []])), done: 0 };
    const order = [...Array(WIDE * WIDE).keys()].sort((a, b) => distance(a) - distance(b));
    places = tried;
    const sizedNow = state.sized;
    later(() => {
      if (places !== tried) return false;
      const cell = order[tried.done];
      const found = answers(classify.shifted(sizedNow, (cell % WIDE) - FAR, Math.floor(cell / WIDE) - FAR));
      for (const { name } of METHODS) tried.right[name][cell] = found[name].answer === wanted[name];
      tried.done += 1;
      if (tried.done === order.length || tried.done % 10 === 0) tellPlaces();
      return tried.done < order.length;
    });
  }
  const distance = (cell) => Math.hypot((cell % WIDE) - FAR, Math.floor(cell / WIDE) - FAR);

  function tellPlaces() {
    const counts = METHODS.map(({ name, title }) => `${title} at ${places.right[name].filter(Boolean).length}`);
    const word = state.label === null ? "unchanged" : "right";
    const text = `Of ${places.done} places, the answer is ${word} with ${counts.join(", with ")}.`;
    find("places-answer").textContent = text;
    find("places").setAttribute("aria-label", text);
    drawPlaces();
  }

  function placesGrid(width) {
    const step = width / 3;
    return { step, unit: Math.floor((step - 10) / WIDE), top: 24 };
  }

  function paintPlaces(context, width, height, colours) {
    const { step, unit, top } = placesGrid(width);
    METHODS.forEach(({ name, title, colour }, n) => {
      const left = n * step;
      labelled(context, n < 2 ? title : width < 480 ? "moved images" : title, left, 14, colours, "left");
      for (let cell = 0; cell < WIDE * WIDE; cell++) {
        const right = places.right[name][cell];
        const box = [left + (cell % WIDE) * unit, top + Math.floor(cell / WIDE) * unit, unit - 1, unit - 1];
        context.fillStyle = right ? colours[colour] : colours.paper;
        context.strokeStyle = colours.line;
        if (right) context.fillRect(...box);
        else if (right === false) context.strokeRect(box[0] + 0.5, box[1] + 0.5, box[2] - 1, box[3] - 1);
      }
      context.lineWidth = 3;
      context.strokeStyle = colours.ink;
      if (Math.max(Math.abs(state.dx), Math.abs(state.dy)) <= FAR) {
        context.strokeRect(left + (state.dx + FAR) * unit - 1, top + (state.dy + FAR) * unit - 1, unit + 1, unit + 1);
      }
      context.lineWidth = 1;
    });
  }

  // --- all garments ---
  let measured = null;
  function measure() {
    const rights = Object.fromEntries(METHODS.map(({ name }) => [name, Array(SHIFTS).fill(0)]));
    let done = 0;
    measured = { rights, tried: Array(SHIFTS).fill(0) };
    find("measure").disabled = true;
    later(() => {
      const [shift, n] = [Math.floor(done / garments.length), done % garments.length];
      const [x, y] = [[1, 1], [-1, 1], [-1, -1], [1, -1]][n % 4]; // to the four corners in turn
      const found = answers(classify.shifted(garments[n], x * shift, y * shift));
      for (const { name } of METHODS) rights[name][shift] += found[name].answer === source.asked.labels[n];
      measured.tried[shift] += 1;
      done += 1;
      find("progress").textContent = `${done} of ${SHIFTS * garments.length}`;
      if (done % garments.length === 0) drawCurves();
      if (done < SHIFTS * garments.length) return true;
      tellCurves();
      return false;
    });
  }

  function tellCurves() {
    const at = (name, shift) => percent(measured.rights[name][shift] / garments.length);
    const pair = (name) => `from ${at(name, 0)} to <strong>${at(name, 3)}</strong>`;
    const stored = (name, shift) => `${(100 * source.accuracy[name][shift]).toFixed(1)} %`;
    find("curves-answer").hidden = false;
    find("curves-answer").innerHTML =
      `Moved by 3 pixels, 5-NN falls ${pair("knn")}, LeNet-5 ${pair("plain")}, LeNet-5 with moved images ` +
      `${pair("moved")}. At 6 pixels, farther than in training, that one has ${at("moved", 6)}. On 2,000 test images, ` +
      `after training, the two LeNet-5 had ${stored("plain", 3)} and ${stored("moved", 3)} at 3 pixels.`;
    find("progress").textContent = "";
    ui.say(find("live"), find("curves-answer").textContent);
    find("curves").setAttribute("aria-label", find("curves-answer").textContent);
  }

  function paintCurves(context, width, height, colours) {
    const [left, right, top, bottom] = [44, width - 12, 70, height - 40];
    const x = (shift) => left + ((right - left) * shift) / (SHIFTS - 1);
    const y = (share) => bottom - (bottom - top) * share;
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      context.strokeStyle = colours.line;
      context.globalAlpha = 0.4;
      context.strokeRect(left, y(share), right - left, 0);
      context.globalAlpha = 1;
      labelled(context, percent(share), left - 6, y(share) + 4, colours, "right");
    }
    for (let shift = 0; shift < SHIFTS; shift++) labelled(context, shift, x(shift), bottom + 16, colours);
    labelled(context, "shift in x and in y (pixels)", (left + right) / 2, bottom + 34, colours);
    METHODS.forEach(({ name, title, colour, dash }, n) => {
      context.strokeStyle = context.fillStyle = colours[colour];
      context.lineWidth = 2.5;
      context.setLineDash(dash);
      context.beginPath();
      context.moveTo(left, 10 + 18 * n);
      context.lineTo(left + 30, 10 + 18 * n);
      measured?.tried.forEach((tried, shift) => {
        if (tried < garments.length) return;
        const place = [x(shift), y(measured.rights[name][shift] / tried)];
        if (shift) context.lineTo(...place);
        else context.moveTo(...place);
      });
      context.stroke();
      context.setLineDash([]);
      labelled(context, title, left + 38, 14 + 18 * n, colours, "left");
    });
  }

  // --- a drawing of one's own ---
  function paint(x, y) {
    const image = Uint8Array.from(state.base);
    for (let row = 0; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++) {
        const near = ui.clamp(2 - Math.hypot(column + 0.5 - x, row + 0.5 - y), 0, 1);
        const place = row * SIDE + column;
        image[place] = Math.max(image[place], Math.round(220 * near));
      }
    }
    state.pen = { ...state.pen, x: Math.floor(x), y: Math.floor(y) };
    state.base = image;
    resize();
  }

  function movePen(dx, dy) {
    state.pen.x = ui.clamp(state.pen.x + dx, 2, SIDE - 3);
    state.pen.y = ui.clamp(state.pen.y + dy, 2, SIDE - 3);
    if (state.pen.down) paint(state.pen.x + 0.5, state.pen.y + 0.5);
    else move(0, 0);
  }

  function toggleDrawing() {
    if (state.pen) {
      state.pen = null;
      return resize();
    }
    state.pen = { x: SIDE / 2, y: SIDE / 2, down: false };
    find("stage").focus();
    return show(new Uint8Array(SIDE * SIDE), null);
  }

  // --- wiring ---
  function buildControls() {
    source.classes.forEach((name, k) => {
      const button = ui.button("", () => choose(k * perClass));
      button.title = name;
      const picture = document.createElement("canvas");
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", `A garment of the class ${name}`);
      button.append(picture);
      find("choice").append(button);
      ui.surface(picture, 1, (context, width) => {
        ui.drawMap(context, inner(asked, k * perClass), [INNER, INNER], { x: 0, y: 0, width, height: width }, grey);
      });
      const row = find("shares").tBodies[0].insertRow();
      row.innerHTML = `<th scope="row">${name}</th>${'<td class="share"></td>'.repeat(METHODS.length)}`;
    });
  }

  function another() {
    const start = Math.floor(state.number / perClass) * perClass;
    choose(start + ((state.number - start + 1) % perClass));
  }

  let grip = null;
  function drag(x, y, event) {
    const unit = find("stage").clientWidth / SIDE;
    if (state.pen) return paint(x / unit, y / unit);
    if (event.type === "pointerdown") grip = { x: x / unit - state.dx, y: y / unit - state.dy };
    return move(Math.round(x / unit - grip.x) - state.dx, Math.round(y / unit - grip.y) - state.dy);
  }

  function jump(x, y) {
    const { step, unit, top } = placesGrid(find("places").clientWidth);
    const column = Math.floor((x % step) / unit);
    const row = Math.floor((y - top) / unit);
    if (column >= WIDE || row < 0 || row >= WIDE) return;
    move(column - FAR - state.dx, row - FAR - state.dy);
  }

  function listen() {
    find("another").addEventListener("click", another);
    find("draw").addEventListener("click", toggleDrawing);
    find("middle").addEventListener("click", () => move(-state.dx, -state.dy));
    find("measure").addEventListener("click", measure);
    find("scale").addEventListener("input", (event) => {
      state.scale = Number(event.target.value);
      resize();
    });
    for (const button of find("pad").querySelectorAll("button")) {
      button.addEventListener("click", () => move(...button.dataset.move.split(" ").map(Number)));
    }
    ui.arrows(find("stage"), (dx, dy) => (state.pen ? movePen(dx, dy) : move(dx, dy)));
    find("stage").addEventListener("keydown", (event) => {
      if (event.key !== " " || !state.pen) return;
      event.preventDefault();
      state.pen.down = !state.pen.down;
      movePen(0, 0);
    });
    ui.pointer(find("stage"), drag);
    ui.pointer(find("places"), jump);
  }

  // The brightest answer of any chosen garment: one scale of greys for all maps.
  const mapTop = garments.reduce((top, _, n) => (n % perClass ? top : Math.max(top, ...networks.plain(garments[n]).maps.data)), 0);
  let drawings = [];
  const drawCurves = ui.surface(find("curves"), (width) => Math.min(0.8, 340 / width), paintCurves);
  buildControls();
  choose(2 * perClass);
  const drawPlaces = ui.surface(find("places"), (width) => (placesGrid(width).unit * WIDE + 30) / width, paintPlaces);
  drawings = [
    ui.surface(find("stage"), 1, drawStage),
    ui.surface(find("neighbours"), (width) => (width / K + 34) / width, drawNeighbours),
    ui.surface(find("maps"), 2 / 3, drawMaps),
    drawPlaces,
  ];
  listen();
});
