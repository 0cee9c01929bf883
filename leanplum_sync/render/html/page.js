"use strict";
// Sorts, searches and opens the groups of a plan. Values are only ever inserted as text, never as HTML.
const PAGE = 100; // users shown at once
const FEW = 50; // matches that are opened automatically
const table = document.getElementById("groups");
const body = table.tBodies[0];
const search = document.getElementById("search");
const kind = document.getElementById("kind");
const count = document.getElementById("count");
const none = document.getElementById("none");
const groups = JSON.parse(document.getElementById("members").textContent).map((group, number) => {
  const row = document.getElementById("r" + number);
  return {
    row,
    number,
    total: group.total,
    users: group.users,
    words: group.users.map((user) => user.join("\n").toLowerCase()),
    // Without the examples: users are searched separately.
    text: [".change", ".attribute", ".before-and-after"].map((part) => row.querySelector(part).textContent).join("\n").toLowerCase(),
    opener: row.querySelector(".opener"),
    matches: row.querySelector(".matches"),
    panel: null,
    chosen: false, // opened or closed by the reader, which filtering respects
    shown: PAGE,
    order: null,
  };
});

const element = (name, text, attributes = {}) => {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const amount = (number, unit) => number.toLocaleString("en") + " " + unit + (number === 1 ? "" : "s");
const compare = new Intl.Collator("en", { numeric: true }).compare;

const query = () => search.value.trim().toLowerCase();
const found = (group) => {
  const words = query();
  return !words || group.text.includes(words) ? group.users : group.users.filter((_, n) => group.words[n].includes(words));
};

const draw = (group) => {
  const users = [...found(group)];
  if (group.order) {
    const { column, sign } = group.order;
    users.sort((one, other) => sign * compare(one[column], other[column]));
  }
  const cell = group.panel.firstChild;
  const names = ["User", "Before", "After", "Source row"];
  const head = element("tr", null);
  names.forEach((name, column) => {
    const title = element("th", null, { scope: "col" });
    if (column === 3) title.className = "row";
    const button = element("button", name, { type: "button" });
    if (group.order && group.order.column === column) {
      title.setAttribute("aria-sort", group.order.sign > 0 ? "ascending" : "descending");
    }
    button.addEventListener("click", () => {
      const again = group.order && group.order.column === column;
      group.order = { column, sign: again ? -group.order.sign : 1 };
      draw(group);
      cell.querySelectorAll("th button")[column].focus();
    });
    title.append(button);
    head.append(title);
  });
  const rows = element("tbody", null);
  for (const user of users.slice(0, group.shown)) {
    const row = element("tr", null);
    user.forEach((text, column) => {
      const field = element("td", null);
      if (column === 3) field.className = "row";
      field.append(column === 3 ? text : element("code", text));
      row.append(field);
    });
    rows.append(row);
  }
  const inner = element("table", null);
  inner.append(element("caption", "Users of this group", { class: "unseen" }), element("thead", null), rows);
  inner.tHead.append(head);
  cell.replaceChildren(inner);
  if (users.length > group.shown) {
    const further = element("button", "Show more users", { type: "button", class: "further" });
    further.addEventListener("click", () => {
      const seen = group.shown;
      group.shown += 5 * PAGE;
      draw(group);
      const next = cell.querySelector("table").tBodies[0].rows[seen];
      next.setAttribute("tabindex", "-1");
      next.focus();
    });
    cell.append(further);
  }
  const shown = Math.min(group.shown, users.length);
  if (shown < group.total) cell.append(element("p", shown.toLocaleString("en") + " of " + amount(group.total, "user") + " shown", { class: "note" }));
};

const set = (group, isOpen) => {
  group.opener.setAttribute("aria-expanded", String(isOpen));
  if (isOpen && !group.panel) {
    group.panel = element("tr", null, { class: "members", id: "g" + group.number, role: "row" });
    group.panel.append(element("td", null, { colspan: "5", role: "cell" }));
    group.row.after(group.panel);
  }
  if (group.panel) {
    group.panel.hidden = !isOpen || group.row.hidden;
    if (isOpen) draw(group);
  }
};
const isOpen = (group) => group.opener.getAttribute("aria-expanded") === "true";

const filter = () => {
  const words = query();
  const hits = groups.map((group) => {
    const byName = group.text.includes(words);
    const users = words && !byName ? found(group).length : 0;
    group.row.hidden = Boolean((kind.value && group.row.dataset.kind !== kind.value) || (words && !byName && !users));
    group.matches.textContent = users ? amount(users, "match").replace("matchs", "matches") : "";
    return group.row.hidden ? 0 : users;
  });
  const few = hits.reduce((sum, hit) => sum + hit, 0) <= FEW;
  groups.forEach((group, number) => {
    group.shown = PAGE;
    set(group, group.chosen ? isOpen(group) : few && hits[number] > 0);
  });
  const visible = groups.filter((group) => !group.row.hidden).length;
  count.textContent = visible === groups.length ? amount(visible, "group") : visible + " of " + amount(groups.length, "group");
  none.hidden = visible > 0;
};

const sort = (title, key) => {
  const falls = title.getAttribute("aria-sort") === "ascending" || (!title.hasAttribute("aria-sort") && key === "users");
  table.tHead.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  title.setAttribute("aria-sort", falls ? "descending" : "ascending");
  const sign = falls ? -1 : 1;
  const value = (group) => group.row.dataset[key];
  [...groups].sort((one, other) => sign * compare(value(one), value(other)) || one.number - other.number).forEach((group) => {
    body.append(group.row);
    if (group.panel) body.append(group.panel);
  });
};

groups.forEach((group) =>
  group.opener.addEventListener("click", () => {
    group.chosen = true;
    set(group, !isOpen(group));
  }),
);
table.tHead.querySelectorAll("button").forEach((button) =>
  button.addEventListener("click", () => sort(button.parentElement, button.dataset.sort)),
);
search.addEventListener("input", () => {
  groups.forEach((group) => { group.chosen = false; });
  filter();
});
kind.addEventListener("change", filter);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && event.target === search && search.value) {
    search.value = "";
    search.dispatchEvent(new Event("input"));
  }
});
document.querySelector(".controls").hidden = false;
