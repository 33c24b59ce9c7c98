// Sorts the tables by the column whose heading is pressed. Without it they stand as they were written.
(() => {
  const value = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent.trim();
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => {
      if (head.hasAttribute("data-fixed")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const numbers = head.classList.contains("n");
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === (numbers ? "descending" : "ascending") ? !numbers : numbers;
        const order = (a, b) => {
          const x = value(a, i), y = value(b, i);
          if (x === "" || y === "") return (x === "") - (y === ""); // what has no figure comes last, both ways
          return (down ? -1 : 1) * (numbers ? x - y : x.localeCompare(y));
        };
        table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
      });
    });
  }
})();
