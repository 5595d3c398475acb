"use strict";

const at = (id) => document.getElementById(id);
const percent = (share) =>
  share < 0.001 ? "< 0.1%" : share > 0.999 ? "> 99.9%" : `${(100 * share).toFixed(1)}%`;
let chosen = null; // the file that was asked about last, and what to call it
let asked = 0; // only the answer to the last question is shown

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function say(headline, sentences, kind = "") {
  at("said").replaceChildren(
    element("strong", headline, { class: kind }),
    ...sentences.filter(Boolean).map((text) => element("p", text)),
  );
}

const network = () => document.querySelector("input[name=network]:checked")?.value;

async function ask() {
  if (!chosen || !network()) return;
  const number = ++asked;
  const { file, name } = chosen;
  say("One moment", [`Looking at ${name}`]);
  let answer;
  try {
    const place = `answer?network=${encodeURIComponent(network())}`;
    const reply = await fetch(place, { method: "POST", body: file });
    if (!reply.ok) throw new Error(await reply.text());
    answer = await reply.json();
  } catch {
    answer = { problem: "The program did not answer. Look at the window where it was started." };
  }
  if (number !== asked) return;
  at("answer").hidden = Boolean(answer.problem);
  if (answer.problem) say("No answer", [`${name}: ${answer.problem}`], "problem");
  else show(answer, name);
}

function show(answer, name) {
  const [first] = answer.classes;
  const headline = answer.is_known ? `${first.name}, ${percent(first.probability)}` : "I do not know";
  say(headline, [`${name}. ${answer.why}`, answer.remark]);
  at("seen").src = answer.seen;
  at("seen").alt = `${name}, as the network saw it`;
  at("seen").className = answer.size < 100 ? "coarse" : "";
  at("seen-how").textContent =
    `What the network saw: the middle square, scaled to ${answer.size}\u00a0×\u00a0${answer.size} pixels.`;
  at("classes-title").textContent = answer.is_known
    ? "The most probable classes"
    : "The most probable classes, if it had to answer";
  at("classes").replaceChildren(...answer.classes.map(classRow));
  at("near").hidden = answer.neighbours.length === 0;
  at("near-how").textContent =
    `Of ${answer.training_images.toLocaleString("en")} training images of the course, those whose ` +
    "features point most nearly the same way. The number is the cosine: 1 is exactly the same way.";
  at("neighbours").replaceChildren(...answer.neighbours.map(neighbourItem));
}

function classRow({ name, probability }) {
  const row = document.createElement("tr");
  const track = element("td", "", { class: "track" });
  const bar = element("span", "", { class: "bar" });
  bar.style.width = `${100 * probability}%`;
  track.append(bar);
  const number = element("td", percent(probability), { class: "number" });
  row.append(element("th", name, { scope: "row" }), number, track);
  return row;
}

function neighbourItem({ name, similarity, image }) {
  const item = document.createElement("li");
  const figure = document.createElement("figure");
  const picture = element("img", "", { src: image, alt: `Training image: ${name}`, class: "coarse" });
  figure.append(picture, element("figcaption", `${name}, ${similarity.toFixed(2)}`));
  item.append(figure);
  return item;
}

function choose(file, name) {
  chosen = { file, name };
  return ask();
}

async function chooseExample() {
  const reply = await fetch(`example?network=${encodeURIComponent(network())}`);
  at("file").value = "";
  await choose(await reply.blob(), "A test image");
}

function offer(known) {
  for (const [place, { name, about, missing, has_examples }] of known.entries()) {
    const label = element("label", "");
    const button = element("input", "", { type: "radio", name: "network", value: name });
    button.disabled = Boolean(missing);
    button.checked = place === 0;
    button.dataset.examples = has_examples ? "yes" : "";
    label.append(button, ` ${about ?? name}`);
    if (missing) label.append(element("span", ` ${missing}`, { class: "missing" }));
    at("networks").append(label);
  }
  showExampleButton();
}

function showExampleButton() {
  at("example").hidden = !document.querySelector("input[name=network]:checked")?.dataset.examples;
}

function takeDropped(event) {
  event.preventDefault();
  at("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) choose(file, file.name);
}

at("networks").addEventListener("change", () => { showExampleButton(); ask(); });
at("file").addEventListener("change", () => {
  const [file] = at("file").files;
  if (file) choose(file, file.name);
});
at("example").addEventListener("click", chooseExample);
at("form").addEventListener("submit", (event) => event.preventDefault());
// The whole window takes a file: beside the frame the browser would open it in place of the page.
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
window.addEventListener("dragleave", () => at("drop").classList.remove("over"));
window.addEventListener("drop", takeDropped);
fetch("networks").then((reply) => reply.json()).then(offer);
