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

  // The item under the pointer, or the next one by an arrow key, with its picture or text.
  function makeMap(map, items, popup) {
    const points = [...map.querySelectorAll("circle")];
    const places = points.map((point) => [Number(point.getAttribute("cx")), Number(point.getAttribute("cy"))]);
    const order = points.map((_, i) => i).sort((a, b) => places[a][0] - places[b][0]);
    let chosen = -1;
    points.forEach((point) => point.replaceChildren()); // the browser's own tooltip would cover ours

    const show = (i) => {
      if (chosen >= 0) points[chosen].classList.remove("chosen");
      chosen = i;
      popup.hidden = i < 0;
      if (i < 0) return;
      points[i].classList.add("chosen");
      const item = items[i];
      const words = document.createElement("div");
      const otherwise = points[i].getAttribute("fill") === "none" ? "predicted to be of another class" : "";
      for (const text of [item.label, otherwise, item.text, item.name]) {
        if (!text) continue;
        const line = document.createElement("span");
        line.dir = "auto";
        line.textContent = text;
        words.append(line);
      }
      popup.replaceChildren(words);
      if (item.picture) {
        const image = new Image();
        image.src = item.picture;
        image.alt = "";
        popup.prepend(image);
      }
      const at = points[i].getBoundingClientRect();
      const left = at.right + 10 + popup.offsetWidth > innerWidth ? at.left - 10 - popup.offsetWidth : at.right + 10;
      popup.style.left = `${Math.max(4, left)}px`;
      popup.style.top = `${Math.max(4, Math.min(at.top - 10, innerHeight - popup.offsetHeight - 4))}px`;
    };

    map.addEventListener("pointermove", (event) => {
      const here = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
      const reach = 10;
      let nearest = -1, least = reach * reach;
      places.forEach(([x, y], i) => {
        const distance = (x - here.x) ** 2 + (y - here.y) ** 2;
        if (distance <= least) [nearest, least] = [i, distance];
      });
      if (nearest !== chosen) show(nearest);
    });
    map.addEventListener("pointerleave", () => show(-1));
    map.addEventListener("blur", () => show(-1));
    map.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") show(-1);
      if (!step) return;
      event.preventDefault();
      const from = chosen < 0 ? (step > 0 ? -1 : order.length) : order.indexOf(chosen);
      show(order[Math.min(Math.max(from + step, 0), order.length - 1)]);
    });
  }

  const items = document.getElementById("items");
  if (items) {
    const known = JSON.parse(items.textContent);
    const popup = document.querySelector(".popup");
    document.querySelectorAll("svg.map").forEach((map) => makeMap(map, known, popup));
  }
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll(".filter").forEach(makeFilterable);
  document.querySelectorAll("ol.cards").forEach((list) => foldQueue(list, 30));
})();
