"use strict";
// Every claim of the lectures and its stored runs, sorted and drawn.
Course.ui.piece("claims", (root) => {
  const { ui } = Course;
  const { lectures } = Course.data.claims;
  const claims = Course.data.claims.claims.map((claim, order) => ({
    ...claim, order, failures: claim.tried - claim.held,
  }));
  const find = (name) => ui.find(root, `.${name}`);
  const AT_ONCE = 30;
  // The order in which a key is read first: what is closest to failing on top.
  const FIRST = { deviations: 1, failures: -1, tried: -1, order: 1 };
  const KINDS = {
    all: () => true,
    varied: ({ deviations }) => deviations !== null,
    fixed: ({ deviations }) => deviations === null,
    failed: ({ failures }) => failures > 0,
  };
  const state = { key: "deviations", direction: 1, shown: AT_ONCE };

  function chosen() {
    const words = find("words").value.trim().toLowerCase();
    const lecture = find("lecture").value;
    return claims
      .filter(KINDS[find("which").value])
      .filter((claim) => !lecture || claim.lecture === lecture)
      .filter(({ sentence }) => sentence.toLowerCase().includes(words))
      .sort(compare);
  }

  // Claims without a number come last, in both directions.
  function compare(a, b) {
    const [left, right] = [a[state.key], b[state.key]];
    if (left === null || right === null) return (left === null) - (right === null) || a.order - b.order;
    return state.direction * (left - right) || a.order - b.order;
  }

  function make(tag, className, text = "") {
    return Object.assign(document.createElement(tag), { className, textContent: text });
  }

  const digits = (value) => (value === null ? "–" : String(Number(value.toPrecision(2))).replace("-", "−"));

  function item(claim) {
    const made = make("li", "claim");
    const link = make("a", "", claim.lecture);
    link.href = `${lectures[claim.lecture].page}#evidence`;
    link.title = lectures[claim.lecture].title;
    const sentence = make("p", "sentence");
    sentence.append(link, ` ${claim.sentence}`);
    const held = claim.failures ? make("strong", "", `held ${claim.held} of ${claim.tried}`)
      : make("span", "", `held ${claim.held} of ${claim.tried}`);
    const numbers = make("p", "numbers");
    numbers.append(held);
    if (claim.bound) numbers.append(`; bound ${claim.bound}; mean ${digits(claim.mean)}`);
    if (claim.deviations !== null) numbers.append(`; deviations ${digits(claim.deviations)}`);
    made.append(sentence, numbers);
    if (claim.margin !== null) made.append(band(claim));
    return made;
  }

  const SVG = "http://www.w3.org/2000/svg";
  function draw(parent, tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    parent.append(made);
    return made;
  }

  // The margins of the runs on a line, 0 is the bound; one row for each length of training.
  function band({ margins, margin, bound }) {
    const all = margins.flat();
    const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
    const x = (value) => 6 + (228 * (value - low)) / (high - low || 1);
    const height = 6 + 14 * margins.length;
    const image = draw(document.createElement("div"), "svg", {
      viewBox: `0 0 240 ${height}`, class: "band", role: "img",
      "aria-label": `The runs lie from ${digits(margin)} to ${digits(Math.max(...all))} inside the bound ${bound}`,
    });
    margins.forEach((runs, row) => {
      const y = 10 + 14 * row;
      const [from, to] = [x(Math.min(...runs)), x(Math.max(...runs))];
      draw(image, "rect", { x: from - 3, y: y - 3, width: to - from + 6, height: 6, rx: 3, class: `spread row${row}` });
      for (const run of runs) draw(image, "circle", { cx: x(run), cy: y, r: 2.5, class: `run row${row}` });
    });
    draw(image, "line", { x1: x(0), x2: x(0), y1: 0, y2: height, class: "bound" });
    return image;
  }

  function update() {
    const found = chosen();
    find("list").replaceChildren(...found.slice(0, state.shown).map(item));
    const count = Math.min(state.shown, found.length);
    find("shown").textContent = `${count} of ${found.length} claims are shown.`;
    find("further").hidden = count === found.length;
    for (const button of root.querySelectorAll(".sorting button")) {
      const isChosen = button.dataset.key === state.key;
      button.ariaPressed = String(isChosen);
      button.textContent = `${button.dataset.key === "order" ? "lecture" : button.dataset.key}` +
        (isChosen ? (state.direction > 0 ? " ▲" : " ▼") : "");
    }
  }

  function summary() {
    const sum = (name) => claims.reduce((all, claim) => all + claim[name], 0);
    const failed = claims.filter(({ failures }) => failures).length;
    const varied = claims.filter(KINDS.varied);
    const close = varied.filter(({ deviations }) => deviations < 2).length;
    find("answer").textContent =
      `${claims.length} claims of ${Object.keys(lectures).length} lectures, tried ` +
      `${sum("tried").toLocaleString("en")} times, held ${sum("held").toLocaleString("en")} times. ` +
      `${failed} failed in at least one run. ${varied.length} are about numbers that vary between ` +
      `runs; ${close} of these lie within two standard deviations of their bound.`;
  }

  function fromTheTop() {
    state.shown = AT_ONCE;
    update();
  }

  for (const [id, { title }] of Object.entries(lectures)) find("lecture").append(new Option(`${id} ${title}`, id));
  for (const name of ["lecture", "which"]) find(name).addEventListener("change", fromTheTop);
  find("words").addEventListener("input", fromTheTop);
  find("further").addEventListener("click", () => {
    const first = state.shown;
    state.shown += AT_ONCE;
    update();
    ui.find(find("list").children[first], "a").focus(); // the button may be gone
  });
  for (const button of root.querySelectorAll(".sorting button")) {
    button.addEventListener("click", () => {
      const { key } = button.dataset;
      state.direction = key === state.key ? -state.direction : FIRST[key];
      state.key = key;
      fromTheTop();
    });
  }
  summary();
  update();
});
