// What is said beside the drawing? Numbers of what is selected, the legend, results of a search.
"use strict";

function element(tag, { words, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (words !== undefined) made.textContent = words;
  made.append(...children);
  return made;
}

/** Fills the panel with what is known of an item. `actions` are called by its links and buttons. */
function fillPanel(panel, graph, folding, item, actions) {
  panel.hidden = item === null;
  if (item === null) return;
  const group = item < 0 ? graph.groups[~item] : null;
  const close = element("button", { class: "close", title: "Close (Esc)", words: "×" });
  close.onclick = () => actions.select(null);
  const parts = [close, element("h2", { words: graph.label(item) }), element("p", { class: "path", words: pathWords(graph, item) })];
  const status = statusOf(graph, item);
  if (status) parts.push(element("p", { class: `badge ${status}`, words: status }));
  if (group && group.role === "repeat") parts.push(...repeatControls(graph, folding, ~item, actions));
  else parts.push(...blockNotes(graph, folding, item));
  parts.push(factsTable(graph, item));
  if (group && graph.groups.length) {
    const opened = folding.isOpen(~item);
    const button = element("button", { class: "toggle", words: opened ? "Fold" : "Unfold" });
    button.onclick = () => actions.toggle(~item);
    parts.push(button);
  }
  parts.push(...neighbours(graph, item, actions));
  panel.replaceChildren(...parts);
}

function pathWords(graph, item) {
  const group = item < 0 ? graph.groups[~item] : null;
  const kind = group ? { repeat: `${group.count} × ${group.kind || "block"}`, stretch: "operations", part: "sequence" }[group.role] ?? group.kind : graph.name(item);
  return graph.places ? "" : [graph.path(item), kind].filter(Boolean).join("  ·  ");
}

function repeatControls(graph, folding, g, actions) {
  const group = graph.groups[g], count = group.count;
  const how = group.series ? "one behind the other" : "side by side";
  const at = folding.block.get(g) ?? 0;
  const words = element("p", { class: "quiet", words: `${count} equal blocks, ${how}. Numbers below are those of all.` });
  const back = element("button", { words: "‹", title: "The block before" });
  const next = element("button", { words: "›", title: "The next block" });
  const shown = graph.groups[~group.items[at]];
  const label = element("span", { words: ` ${shown.label || `block ${at + 1}`} (${at + 1} of ${count}) ` });
  back.onclick = () => actions.block(g, (at + count - 1) % count);
  next.onclick = () => actions.block(g, (at + 1) % count);
  const every = element("button", { words: folding.every.has(g) ? "Show one" : `Show all ${count}` });
  every.onclick = () => actions.every(g);
  return [words, element("p", { class: "controls" }, back, label, next, every)];
}

/** Of which blocks an item is one example. */
function blockNotes(graph, folding, item) {
  const repeat = graph.around(item).map((g) => graph.groups[g]).find((group) => group.role === "repeat");
  if (!repeat || folding.every.has(repeat.number)) return [];
  return [element("p", { class: "quiet", words: `Stands for ${repeat.count} equal ones (${repeat.label}); numbers are those of this one.` })];
}

function factsTable(graph, item) {
  const [start, stop] = graph.range(item);
  const rows = [];
  const add = (name, value) => rows.push(element("tr", {}, element("th", { words: name.replaceAll("_", " ") }), element("td", { words: value })));
  if (item < 0) add("operations", full(stop - start));
  else {
    if (!graph.places) add("operation", graph.name(item));
    add("node", String(graph.nodes.number[item]));
  }
  for (const column of graph.columns) {
    const value = column.value(start, stop);
    if (value === null || value === undefined || value === "") continue;
    if (!column.numbers) for (const part of String(value).split("; ")) add(column.name, part);
    else add(column.name, `${full(value)}${Math.abs(value) >= 1e4 ? `  (${short(value)})` : ""}`);
  }
  return element("table", {}, element("tbody", {}, ...rows));
}

/** What the item reads, and what reads it, as links. */
function neighbours(graph, item, actions) {
  const [start, stop] = graph.range(item);
  const inside = (v) => v >= start && v < stop;
  const before = new Set(), after = new Set();
  for (let e = 0; e < graph.sources.length; e++) {
    const u = graph.sources[e], v = graph.targets[e];
    if (inside(v) && !inside(u)) before.add(u);
    if (inside(u) && !inside(v)) after.add(v);
  }
  const list = (title, nodes) => {
    if (!nodes.size) return [];
    const links = [...nodes].slice(0, 30).map((v) => {
      const link = element("button", { class: "link", words: nodeWords(graph, v) });
      link.onclick = () => actions.reveal(v);
      return element("li", {}, link);
    });
    if (nodes.size > 30) links.push(element("li", { class: "quiet", words: `and ${nodes.size - 30} more` }));
    return [element("h3", { words: `${title} (${nodes.size})` }), element("ul", {}, ...links)];
  };
  if (graph.places && !graph.places.directed) return list("Neighbours", new Set([...before, ...after]));
  return [...list("Reads", before), ...list("Is read by", after)];
}

function nodeWords(graph, v) {
  const path = graph.path(v);
  if (graph.places) return graph.name(v);
  return path ? `${graph.name(v)}  ${path}` : `${graph.name(v)}  #${graph.nodes.number[v]}`;
}

/** What colours mean. */
function fillLegend(legend, graph, colours, items) {
  const rows = [];
  if (colours.column) rows.push(...scaleRows(colours));
  else if (colours.byStatus) {
    const shown = new Set(items.map((item) => statusOf(graph, item)));
    for (const status of ["failed", "added", "removed", "changed"]) {
      if (shown.has(status)) rows.push(swatch(STATUS[status], status));
    }
    rows.push(swatch(null, "same in both"));
  } else {
    const looks = [...new Set(items.map((item) => colours.look(item)).filter((look) => look >= 0))].sort((a, b) => a - b);
    rows.push(...looks.map((look) => swatch(graph.styles[look].colour, graph.styles[look].name)));
    if (items.some((item) => item < 0)) rows.push(swatch(null, "module"));
    if (graph.status && graph.status.includes("failed")) rows.push(swatch(STATUS.failed, "failed"));
  }
  if (items.some((item) => item < 0 && graph.groups[~item].role === "repeat")) {
    rows.push(element("div", { class: "key" }, element("i", { class: "stacked" }), "equal blocks, shown once"));
  }
  if (graph.weight) rows.push(element("div", { class: "key quiet", words: "thick: strong" }));
  legend.replaceChildren(...rows);
}

function swatch(colour, words) {
  const key = element("i", { class: colour ? "" : "plain" });
  if (colour) key.style.setProperty("--c", colour);
  return element("div", { class: "key" }, key, words);
}

function scaleRows({ column, scale }) {
  const title = element("div", { class: "title", words: column.name.replaceAll("_", " ") });
  if (scale.empty) return [title, element("div", { class: "quiet", words: "no numbers here" })];
  const bar = element("div", { class: "ramp" });
  bar.style.background = `linear-gradient(to right, ${scale.ramp.join(", ")})`;
  const ends = element("div", { class: "ends" }, ...[0, 0.5, 1].map((place) => element("span", { words: short(scale.value(place)) })));
  return [title, bar, ends];
}

/** Finds items whose name, module or parameters have all words of a question. */
class Finder {
  constructor(graph) {
    this.graph = graph;
    this.entries = null;
  }

  #index() {
    const { graph } = this;
    const parameters = graph.column("parameter names");
    const entries = graph.groups.slice(1).filter((group) => group.role === "module").map((group) => {
      const item = ~group.number;
      const shown = [group.kind || graph.label(item), group.path];
      return { item, words: `${group.label} ${group.path} ${group.kind}`.toLowerCase(), shown };
    });
    for (let v = 0; v < graph.size; v++) {
      const more = parameters ? parameters.value(v, v + 1) ?? "" : "";
      const path = graph.path(v);
      entries.push({ item: v, words: `${graph.name(v)} ${path} ${more} #${graph.nodes.number[v]}`.toLowerCase(), shown: [graph.name(v), path || `#${graph.nodes.number[v]}`] });
    }
    return entries;
  }

  find(question) {
    const wanted = question.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) return [];
    this.entries ??= this.#index();
    const found = this.entries.filter(({ words }) => wanted.every((word) => words.includes(word)));
    const last = wanted[wanted.length - 1];
    const rank = ({ shown }) => { // whole names before beginnings of names before the rest
      const [name, tail] = [shown[0].toLowerCase(), shown[1].toLowerCase().split(".").pop()];
      if (name === wanted.join(" ") || tail === last) return 0;
      return name.startsWith(wanted[0]) ? 1 : 2;
    };
    const once = new Map(); // of equal blocks the first that is found stands for the others
    for (const entry of found) {
      const key = this.graph.original(entry.item);
      if (once.has(key)) once.get(key).count++;
      else once.set(key, { ...entry, count: 1 });
    }
    return [...once.values()].map((entry) => [rank(entry), entry]).sort((a, b) => a[0] - b[0]).map(([, entry]) => entry);
  }
}
