"use strict";
// Calibration: stored logits, a temperature, a threshold, top-k.
Course.ui.piece("calibration", (root) => {
  const { ops, ui } = Course;
  const given = Course.data.calibration;
  const find = (name) => ui.find(root, `.${name}`);
  const labels = ops.unpack(given.labels).data;
  const pictures = ops.unpack(given.pictures);
  const CLASSES = given.classes.length;
  const BINS = 10;
  const state = { at: 0, answers: [], plain: [] };
  const unpacked = {}; // logits by network and shift, unpacked when they are first asked for

  const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
  const temperature = () => 2 ** Number(find("temperature").value);
  const threshold = () => Number(find("threshold").value) / 100;
  const part = () => Number(find("part").value);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

  function logits() {
    const [network, shift] = [find("network").value, find("shift").value];
    unpacked[network + shift] ??= ops.unpack(given.logits[network][shift]).data;
    return unpacked[network + shift];
  }

  // One answer for each image of a part: its probabilities, class, confidence, and the true class's
  // rank, 0 for the first.
  function answersAt(heat, which = part()) {
    const numbers = logits();
    return Array.from({ length: given.part }, (_, i) => {
      const image = which * given.part + i;
      const own = numbers.subarray(image * CLASSES, (image + 1) * CLASSES);
      const probabilities = ops.softmax(own, heat);
      const answer = own.indexOf(Math.max(...own));
      const label = labels[image];
      const rank = own.reduce((before, logit) => before + (logit > own[label]), 0);
      return { probabilities, answer, label, rank, confidence: probabilities[answer] };
    });
  }

  const isRight = ({ answer, label }) => answer === label;
  const accuracyOf = (answers) => mean(answers.map((one) => Number(isRight(one))));
  const lossOf = (answers) => mean(answers.map(({ probabilities, label }) => -Math.log(probabilities[label])));

  // Groups of equal width by confidence; group b is (b / BINS, (b + 1) / BINS].
  function groups(answers) {
    const found = Array.from({ length: BINS }, () => []);
    for (const one of answers) found[Math.max(0, Math.ceil(one.confidence * BINS) - 1)].push(one);
    return found.map((group) => ({
      count: group.length, accuracy: accuracyOf(group), confidence: mean(group.map((one) => one.confidence)),
    }));
  }

  // The expected calibration error (Guo et al. 2017): mean gap of the groups, weighted by their size.
  function errorOf(answers) {
    return groups(answers).filter(({ count }) => count)
      .reduce((sum, { count, accuracy, confidence }) => sum + count * Math.abs(accuracy - confidence), 0) / answers.length;
  }

  // The temperature with the lowest cross-entropy: the loss is convex in 1 / T, so the zero of its
  // slope is found by halving, as course_utils.inspection does.
  function bestTemperature() {
    const numbers = logits();
    let [low, high] = [Math.log(0.01), Math.log(100)];
    for (let i = 0; i < 40; i++) {
      const middle = (low + high) / 2;
      const slope = mean(answersAt(Math.exp(middle), 0).map(({ probabilities, label }, image) => {
        const own = numbers.subarray(image * CLASSES, (image + 1) * CLASSES);
        return probabilities.reduce((sum, share, k) => sum + share * own[k], 0) - own[label];
      }));
      if (slope <= 0) high = middle;
      else low = middle;
    }
    return Math.exp((low + high) / 2);
  }

  function update() {
    const heat = temperature();
    find("shown-temperature").value = heat.toFixed(2);
    find("temperature").setAttribute("aria-valuetext", heat.toFixed(2));
    find("shown-threshold").value = percent(threshold(), 0);
    find("shown-k").value = find("k").value;
    state.answers = answersAt(heat);
    write();
    drawReliability();
    drawKept();
    show();
  }

  function write() {
    const k = Number(find("k").value);
    const { answers } = state;
    const count = answers.length.toLocaleString("en");
    const kept = answers.filter(({ confidence }) => confidence >= threshold());
    const changed = answers.filter((one, i) => one.answer !== state.plain[i].answer).length;
    const within = mean(answers.map(({ rank }) => Number(rank < k)));
    find("line-all").textContent =
      `Right: ${percent(accuracyOf(answers))}; among the top ${k}: ${percent(within)}. ` +
      `Mean confidence: ${percent(mean(answers.map((one) => one.confidence)))}. ` +
      `Calibration error: ${percent(errorOf(answers))}; cross-entropy: ${lossOf(answers).toFixed(3)}.`;
    find("line-kept").textContent = kept.length
      ? `Kept at ${percent(threshold(), 0)} or more: ${kept.length} of ${count}; of these, ${percent(accuracyOf(kept))} are right.`
      : `Kept at ${percent(threshold(), 0)} or more: none.`;
    find("line-changed").textContent =
      `Predicted classes that the temperature changed: ${changed} of ${count}.`;
    ui.say(find("live"), `${find("line-all").textContent} ${find("line-kept").textContent}`);
  }

  // New images: what they are answered at temperature 1, and which temperature would be best.
  function choose() {
    state.plain = answersAt(1);
    find("best").textContent =
      `On the 1,000 images to choose with: ${bestTemperature().toFixed(2)}. Look at the other 1,000 with it.`;
    update();
  }

  const PAD = { left: 60, right: 10, top: 8, bottom: 40 }; // for the labels, in CSS pixels
  // Axes from 0 % to 100 %; returns functions from shares to pixels.
  function axes(context, width, height, colours, across, along, low = 0) {
    const x = (share) => PAD.left + share * (width - PAD.left - PAD.right);
    const y = (share) => height - PAD.bottom - ((share - low) / (1 - low)) * (height - PAD.top - PAD.bottom);
    context.font = "12px sans-serif";
    context.fillStyle = colours.ink;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.strokeRect(x(0), y(1), x(1) - x(0), y(low) - y(1));
    context.textAlign = "center";
    for (const share of [0, 0.5, 1]) context.fillText(`${100 * share} %`, ui.clamp(x(share), 0, width - 20), height - 24);
    context.fillText(across, (x(0) + x(1)) / 2, height - 6);
    context.textAlign = "right";
    for (const share of [low, (1 + low) / 2, 1]) context.fillText(`${Math.round(100 * share)} %`, x(0) - 4, y(share) + 5);
    context.save();
    context.translate(11, (y(low) + y(1)) / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText(along, 0, 0);
    context.restore();
    return { x, y };
  }

  function dashed(context, from, to, colour) {
    context.setLineDash([5, 4]);
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    context.setLineDash([]);
  }

  const drawReliability = ui.surface(find("reliability"), 0.8, (context, width, height, colours) => {
    const { x, y } = axes(context, width, height, colours, "confidence", "right");
    const found = groups(state.answers);
    found.forEach(({ count, accuracy, confidence }, bin) => {
      if (!count) return;
      const [left, wide] = [x(bin / BINS) + 1, x(1 / BINS) - x(0) - 2];
      context.fillStyle = colours.blue;
      context.fillRect(left, y(accuracy), wide, y(0) - y(accuracy));
      context.strokeStyle = colours.orange;
      context.lineWidth = 2;
      const top = y(Math.max(accuracy, confidence));
      context.strokeRect(left + 1, top, wide - 2, Math.abs(y(confidence) - y(accuracy)));
      context.fillStyle = colours.ink;
      context.fillRect(left, y(confidence) - 1, wide, 2);
    });
    dashed(context, [x(0), y(0)], [x(1), y(1)], colours.ink);
    const told = found.flatMap(({ count, accuracy, confidence }) =>
      (count ? `${percent(confidence, 0)} sure, ${percent(accuracy, 0)} right` : []));
    find("reliability").setAttribute("aria-label", `Groups by confidence: ${told.join("; ")}.`);
  });

  // Sorted by confidence: how many of the surest answers are right, for every number of them.
  const drawKept = ui.surface(find("kept"), 0.8, (context, width, height, colours) => {
    const sorted = [...state.answers].sort((a, b) => b.confidence - a.confidence);
    let right = 0;
    const curve = sorted.map((one, i) => (right += Number(isRight(one))) / (i + 1));
    const low = Math.max(0, Math.floor(10 * curve.at(-1)) / 10 - 0.1);
    const { x, y } = axes(context, width, height, colours, "kept", "of these right", low);
    context.strokeStyle = colours.blue;
    context.lineWidth = 2;
    context.beginPath();
    curve.forEach((share, i) => {
      if (i >= 20) context.lineTo(x((i + 1) / curve.length), y(Math.max(low, share))); // fewer say little
    });
    context.stroke();
    const kept = sorted.filter(({ confidence }) => confidence >= threshold()).length;
    if (kept) {
      context.fillStyle = colours.orange;
      context.beginPath();
      context.arc(x(kept / curve.length), y(Math.max(low, curve[kept - 1])), 6, 0, 2 * Math.PI);
      context.fill();
    }
    find("kept").setAttribute("aria-label",
      `Of all answers ${percent(curve.at(-1))} are right; of the surest half ${percent(curve[curve.length / 2 - 1])}; ` +
      `at the threshold ${kept} are kept.`);
  });

  const SHOWN = given.shown.length / 2; // pictures of each part
  const shownAt = () => state.answers[state.at];

  function show() {
    const { probabilities, answer, label, rank } = shownAt();
    const k = Number(find("k").value);
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    find("bars").replaceChildren(...order.map((name, at) => {
      const bar = document.createElement("li");
      bar.textContent = `${given.classes[name]} ${percent(probabilities[name])}`;
      bar.style.setProperty("--share", probabilities[name]);
      bar.classList.toggle("among", at < k);
      bar.classList.toggle("true", name === label);
      return bar;
    }));
    find("verdict").textContent =
      `Picture ${state.at + 1} of ${SHOWN}: ${given.classes[label]}. The network says ${given.classes[answer]}` +
      `${answer === label ? ", which is right." : `; the true class is number ${rank + 1}.`}`;
    find("picture").setAttribute("aria-label", `A garment of the class ${given.classes[label]}`);
    drawPicture();
  }

  const drawPicture = ui.surface(find("picture"), 1, (context, width, height) => {
    const [, rows, columns] = pictures.shape;
    const area = rows * columns;
    const at = (part() * SHOWN + state.at) * area;
    const unit = width / columns;
    const levels = pictures.data.subarray(at, at + area);
    context.fillStyle = "#000000";
    context.fillRect(0, 0, width, height);
    const left = Number(find("shift").value) * unit;
    ui.drawMap(context, levels, [rows, columns], { x: left, y: 0, width, height }, ui.shades(0, 255));
  });

  function step(by, isWanted = () => true) {
    for (let i = 0; i < SHOWN; i++) {
      state.at = (state.at + by + SHOWN) % SHOWN;
      if (isWanted(shownAt())) break;
    }
    show();
  }

  find("shift").append(new Option("as they are", 0), new Option(`moved by ${given.shift} pixels`, given.shift));
  for (const name of ["network", "shift", "part"]) find(name).addEventListener("change", choose);
  for (const name of ["temperature", "threshold", "k"]) find(name).addEventListener("input", update);
  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  find("mistake").addEventListener("click", () => step(1, (one) => !isRight(one)));
  choose();
});
