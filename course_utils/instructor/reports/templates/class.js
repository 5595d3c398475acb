"use strict";
{
  // As a reader types it: without accents, in small letters.
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const search = document.getElementById("search");
  const found = document.getElementById("found");
  const parts = all("[data-view]");
  const details = all("details");
  const tables = all("table.sortable").map((table) => {
    const part = table.closest("[data-view]");
    const rows = all("tbody tr", table).map((row) => ({
      row,
      text: plain(`${row.textContent} ${part.dataset.title ?? ""}`),
    }));
    return { part, rows };
  });
  let opened = null; // what was open before the search

  const show = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    const view = document.querySelector("input[name=view]:checked").value;
    let count = 0;
    for (const { part, rows } of tables) {
      const isSeen = !view || part.dataset.view === view;
      for (const { row, text } of rows) {
        const fits = words.every((word) => text.includes(word));
        row.hidden = !fits;
        if (fits && isSeen) count += 1;
      }
    }
    for (const part of parts) {
      const isSeen = !view || part.dataset.view === view;
      part.hidden = !isSeen || (words.length > 0 && !part.querySelector("tbody tr:not([hidden])"));
    }
    if (words.length) {
      opened ??= details.filter((one) => one.open);
      for (const one of details) one.open = true;
    } else if (opened) {
      for (const one of details) one.open = opened.includes(one);
      opened = null;
    }
    found.textContent = words.length ? `${count} ${count === 1 ? "row" : "rows"} found` : "";
  };

  const order = new Intl.Collator(undefined, { numeric: true });
  const sort = (heading) => {
    const column = heading.cellIndex;
    const isFirst = heading.getAttribute("aria-sort") !== "ascending";
    const body = heading.closest("table").tBodies[0];
    const keyed = [...body.rows].map((row) => {
      const cell = row.cells[column];
      return { row, key: (cell.dataset.sort ?? cell.textContent).trim() };
    });
    keyed.sort((one, other) => {
      if (!one.key || !other.key) return !one.key - !other.key; // empty ones are last, always
      return order.compare(one.key, other.key) * (isFirst ? 1 : -1);
    });
    body.append(...keyed.map(({ row }) => row));
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", isFirst ? "ascending" : "descending");
  };

  for (const heading of all("table.sortable thead th")) {
    if (heading.closest("table").tBodies[0].rows.length < 2) continue;
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }
  search.addEventListener("input", show);
  for (const choice of all("input[name=view]")) choice.addEventListener("change", show);
  document.getElementById("tools").hidden = false;
  show(); // a browser may have kept what was typed
}
