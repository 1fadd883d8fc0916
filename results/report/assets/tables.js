// Tables that can be sorted by any column and filtered by any text. They are complete without this script.
"use strict";
(() => {
  const collator = new Intl.Collator("en", { numeric: true });

  function compare(left, right) {
    if (left === right) return 0;
    if (left === "") return 1; // what is missing comes last, whatever the direction
    if (right === "") return -1;
    const [a, b] = [Number(left), Number(right)];
    return Number.isNaN(a) || Number.isNaN(b) ? collator.compare(left, right) : a - b;
  }

  function sort(table, column, head) {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row, place) => [row.cells[column].dataset.key, place, row]);
    keyed.sort(([left, before], [right, after]) => {
      const order = compare(left, right);
      const missing = left === "" || right === "";
      return (ascending || missing ? order : -order) || before - after;
    });
    body.append(...keyed.map(([, , row]) => row));
  }

  function filter(table, words, count) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} ${count.dataset.noun}`;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => sort(table, column, head));
    });
  }
  for (const input of document.querySelectorAll("input[data-filter]")) {
    const table = document.getElementById(input.dataset.filter);
    const count = document.querySelector(`[data-count="${CSS.escape(input.dataset.filter)}"]`);
    input.addEventListener("input", () => filter(table, input.value, count));
  }
})();
