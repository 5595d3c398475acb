"use strict";
// Sizes, second part: a stack of layers as a table, and what its numbers see of the image.
Course.stack = (root) => {
  const { ops, ui } = Course;
  const networks = Course.data.sizes;
  const find = (name) => ui.find(root, `.${name}`);
  const KINDS = { conv: "conv", pool: "max pool", linear: "linear" }; // as arithmetic.trace has them
  const FIELDS = ["filters", "kernel", "stride", "padding"];
  const USES = { conv: FIELDS, pool: FIELDS.slice(1), linear: ["filters"] };
  const LEAST = { filters: 1, kernel: 1, stride: 1, padding: 0 };
  const MOST_LAYERS = 30;
  const OWN = "own";
  const state = { layers: [], rows: [], chosen: 0, x: 0, y: 0 };

  function preset() {
    const network = networks[find("network").value];
    if (!network) return;
    state.layers = network.layers.map((layer) => ({ ...layer }));
    [find("depth").value, find("side").value] = network.input;
    const pooling = state.layers.findLastIndex(({ kind }) => kind === "pool");
    state.chosen = Math.max(0, pooling);
    build();
  }

  function changed() {
    find("network").value = OWN;
    compute();
  }

  function input(at, name) {
    const box = document.createElement("input");
    Object.assign(box, { type: "number", min: LEAST[name], max: 8192, value: state.layers[at][name] });
    box.ariaLabel = `${name} of layer ${at + 1}`;
    box.addEventListener("input", () => {
      if (!Number.isInteger(box.valueAsNumber) || box.valueAsNumber < LEAST[name]) return;
      state.layers[at][name] = box.valueAsNumber;
      changed();
    });
    return box;
  }

  function kindOf(at) {
    const select = document.createElement("select");
    select.append(...Object.entries(KINDS).map(([kind, text]) => new Option(text, kind)));
    select.value = state.layers[at].kind;
    select.ariaLabel = `kind of layer ${at + 1}`;
    select.addEventListener("change", () => {
      const defaults = { filters: 16, kernel: 3, stride: 1, padding: 0, dilation: 1 };
      state.layers[at] = { ...defaults, ...state.layers[at], kind: select.value };
      build();
      changed();
    });
    return select;
  }

  function remove(at) {
    state.layers.splice(at, 1);
    state.chosen = ui.clamp(state.chosen, 0, Math.max(0, state.layers.length - 1));
    build();
    changed();
    find("add").focus();
  }

  // One row a layer; its numbers are filled in by compute().
  function build() {
    const body = ui.find(root, ".stack tbody");
    body.replaceChildren(...state.layers.map((layer, at) => {
      const row = document.createElement("tr");
      row.insertCell().append(kindOf(at));
      for (const name of FIELDS) {
        const cell = row.insertCell();
        if (USES[layer.kind].includes(name)) cell.append(input(at, name));
      }
      for (let i = 0; i < 4; i++) row.insertCell().className = "number";
      row.insertCell().append(ui.button("×", () => remove(at), `remove layer ${at + 1}`));
      return row;
    }));
    compute();
  }

  function compute() {
    const [depth, side] = [find("depth").valueAsNumber, find("side").valueAsNumber];
    if (!(depth > 0 && side > 0)) return;
    state.rows = ops.trace([depth, side, side], state.layers);
    [...ui.find(root, ".stack tbody").rows].forEach((row, at) => fill(row, state.rows[at], at));
    total();
    choose(state.chosen);
  }

  function fill(row, result, at) {
    const cells = [...row.cells].slice(5, 9);
    for (const cell of cells) cell.replaceChildren();
    if (!result) return;
    if (result.error) {
      cells[0].textContent = "does not fit";
      return;
    }
    cells[0].textContent = result.output.join("×");
    cells[1].textContent = result.parameters ? result.parameters.toLocaleString("en") : "–";
    cells[2].textContent = ui.scaled(result.flops);
    if (result.field) {
      const see = () => choose(at);
      cells[3].append(ui.button(`${result.field.size} px`, see, `show what layer ${at + 1} sees`));
    } else cells[3].textContent = "all";
  }

  const good = () => state.rows.filter((row) => !row.error);
  const sum = (name) => good().reduce((all, row) => all + row[name], 0);

  function total() {
    const foot = ui.find(root, ".stack tfoot");
    const head = document.createElement("th");
    Object.assign(head, { textContent: "total", colSpan: 6, scope: "row" });
    const row = document.createElement("tr");
    row.append(head);
    for (const text of [sum("parameters").toLocaleString("en"), ui.scaled(sum("flops")), "", ""]) {
      Object.assign(row.insertCell(), { className: "number", textContent: text });
    }
    foot.replaceChildren(row);
    find("stack-answer").textContent = summary();
  }

  function summary() {
    const wrong = state.rows.findIndex((row) => row.error);
    if (wrong >= 0) return `Layer ${wrong + 1} does not fit. ${state.rows[wrong].error}`;
    if (!sum("parameters")) return "These layers have no parameters.";
    const of = (kind, name) => state.rows.filter((_, at) => state.layers[at].kind === kind)
      .reduce((all, row) => all + row[name], 0);
    const share = (kind, name) => Math.round((100 * of(kind, name)) / sum(name));
    return (
      `Linear layers hold ${share("linear", "parameters")} % of the parameters; ` +
      `convolutions do ${share("conv", "flops")} % of the FLOPs.`
    );
  }

  // Show the receptive field of one layer.
  function choose(at) {
    state.chosen = at;
    [...ui.find(root, ".stack tbody").rows].forEach((row, i) => {
      row.classList.toggle("chosen", i === at);
      const shown = ui.find(row, ".number button");
      if (shown) shown.ariaPressed = String(i === at);
    });
    const [, rows = 1] = state.rows[at]?.output ?? [];
    place(Math.floor(rows / 2), Math.floor(rows / 2));
  }

  const seen = () => (state.rows[state.chosen]?.field ? state.rows[state.chosen] : null);

  function place(x, y) {
    const last = seen() ? seen().output[1] - 1 : 0;
    state.x = ui.clamp(Math.round(x), 0, last);
    state.y = ui.clamp(Math.round(y), 0, last);
    const text = describe();
    find("field").setAttribute("aria-label", text);
    find("field-legend").textContent =
      `${text} Dashed: what the next one sees. ` +
      "Tap the image or use the arrow keys to choose another.";
    ui.say(find("stack-live"), text);
    drawField();
  }

  function range(unit, { size, jump, start }) {
    const side = find("side").valueAsNumber;
    const first = ui.clamp(start + unit * jump, 0, side - 1);
    return [first, ui.clamp(start + unit * jump + size - 1, first, side - 1)];
  }

  function describe() {
    if (!seen()) return "What it sees: choose a convolution or a pooling.";
    const { field, output } = seen();
    const [top, bottom] = range(state.y, field);
    const [left, right] = range(state.x, field);
    return (
      `Layer ${state.chosen + 1} gives ${output[1]}×${output[2]} numbers a map. The one at row ` +
      `${state.y}, column ${state.x} sees rows ${top} to ${bottom} and columns ${left} to ${right} of the image.`
    );
  }

  // The image, what no number of the layer sees, and the fields of the chosen number's ancestors.
  const drawField = ui.surface(find("field"), 1, (context, width, height, colours) => {
    const unit = width / find("side").valueAsNumber;
    context.fillStyle = colours.pixel;
    context.fillRect(0, 0, width, height);
    if (!seen()) return;
    const { field, output } = seen();
    context.fillStyle = colours.frame;
    const [, end] = range(output[1] - 1, field);
    context.fillRect((end + 1) * unit, 0, width, height);
    context.fillRect(0, (end + 1) * unit, width, height);
    square(context, unit, field, [state.x, state.y], colours.blue);
    neighbour(context, unit, field, output, colours.orange);
  });

  function square(context, unit, { size, jump, start }, [x, y], colour) {
    context.strokeStyle = colour;
    context.fillStyle = `${colour}40`;
    context.lineWidth = 3;
    const box = [start + x * jump, start + y * jump].map((from) => from * unit);
    context.fillRect(...box, size * unit, size * unit);
    context.strokeRect(...box, size * unit, size * unit);
  }

  // The next number to the right sees a square one jump further.
  function neighbour(context, unit, { size, jump, start }, output, colour) {
    if (state.x + 1 >= output[2]) return;
    context.strokeStyle = colour;
    context.setLineDash([6, 4]);
    context.lineWidth = 2;
    const [x, y] = [start + (state.x + 1) * jump, start + state.y * jump];
    context.strokeRect(x * unit, y * unit, size * unit, size * unit);
    context.setLineDash([]);
  }

  function add() {
    if (state.layers.length >= MOST_LAYERS) return;
    const at = state.layers.findIndex(({ kind }) => kind === "linear");
    const layer = { kind: "conv", filters: 16, kernel: 3, stride: 1, padding: 1, dilation: 1 };
    state.chosen = at < 0 ? state.layers.length : at;
    state.layers.splice(state.chosen, 0, layer);
    build();
    changed();
  }

  const names = Object.entries(networks).map(([name, { title }]) => new Option(title, name));
  find("network").append(...names, new Option("your own", OWN));
  find("network").addEventListener("change", preset);
  for (const name of ["side", "depth"]) find(name).addEventListener("input", changed);
  find("add").addEventListener("click", add);
  ui.arrows(find("field"), (dx, dy) => place(state.x + dx, state.y + dy));
  ui.pointer(find("field"), (x, y) => {
    if (!seen()) return;
    const { size, jump, start } = seen().field;
    const unit = find("field").clientWidth / find("side").valueAsNumber;
    place((x / unit - size / 2 - start) / jump, (y / unit - size / 2 - start) / jump);
  });
  preset();
};
