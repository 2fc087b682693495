"use strict";
// Tables sort by their headings and filter as one types. Without this script everything is still there to read.
(() => {
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
  };

  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b));

  function sortBy(table, heading) {
    const column = heading.cellIndex;
    const before = heading.getAttribute("aria-sort");
    const numeric = heading.classList.contains("number");
    const descending = before ? before === "ascending" : numeric;
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [valueOf(row, column), row]);
    keyed.sort((a, b) => (descending ? compare(b[0], a[0]) : compare(a[0], b[0])));
    body.append(...keyed.map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  function makeSortable(table) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sortBy(table, heading));
      heading.append(button);
    }
  }

  function makeFilterable(filter) {
    const box = filter.querySelector("input");
    const status = filter.querySelector("[role=status]");
    const rows = [...filter.closest(".table").querySelectorAll("tbody tr")];
    const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase());
    box.addEventListener("input", () => {
      const wanted = box.value.trim().toLowerCase().split(/\s+/);
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !wanted.every((word) => texts[i].includes(word));
        shown += !row.hidden;
      });
      status.textContent = box.value ? `${shown} of ${rows.length} rows` : "";
    });
    filter.hidden = false;
  }

  // A long queue opens with its worst findings, so that what comes after it is not out of reach.
  function foldQueue(list, first) {
    const rest = [...list.children].slice(first);
    if (rest.length === 0) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "more";
    button.textContent = `Show the other ${rest.length}`;
    rest.forEach((card) => { card.hidden = true; });
    button.addEventListener("click", () => {
      rest.forEach((card) => { card.hidden = false; });
      rest[0].tabIndex = -1;
      rest[0].focus();
      button.remove();
    });
    list.after(button);
  }

  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll(".filter").forEach(makeFilterable);
  document.querySelectorAll("ol.cards").forEach((list) => foldQueue(list, 30));
})();
