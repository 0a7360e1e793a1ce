// How is the graph drawn? As SVG elements: boxes of modules below, edges, operations on top.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, parent = null, words = null) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  if (words !== null) element.textContent = words;
  if (parent) parent.append(element);
  return element;
}

/** Short name of an item in the document: n12 or g3. */
function idOf(item) { return item < 0 ? `g${~item}` : `n${item}`; }

/** Draws a view into the layers of the page and remembers the elements of each item. */
class Drawing {
  constructor(graph, layers) {
    this.graph = graph;
    this.layers = layers;
    this.elements = new Map();
  }

  /** Everything anew. `lines(item)` are an item's texts, `colours` a Colouring. */
  show(view, layout, lines, colours) {
    for (const layer of Object.values(this.layers)) layer.replaceChildren();
    this.elements.clear();
    this.view = view;
    this.layout = layout;
    const parts = { boxes: document.createDocumentFragment(), edges: document.createDocumentFragment(), nodes: document.createDocumentFragment() };
    for (const box of view.boxes.keys()) if (box !== 0) this.#box(~box, parts, lines, colours);
    for (const edge of view.edges) this.#edge(edge, parts.edges);
    for (const items of view.boxes.values()) {
      for (const item of items) if (item >= 0 || !view.boxes.has(~item)) this.#node(item, parts.nodes, lines, colours);
    }
    for (const [name, layer] of Object.entries(this.layers)) layer.append(parts[name]);
  }

  #frame(item, parent, kind, opened) {
    const status = statusOf(this.graph, item);
    return make("g", {
      class: `item ${kind}${status ? ` ${status}` : ""}`, "data-id": idOf(item), tabindex: -1,
      role: "button", "aria-label": this.graph.label(item),
      "aria-expanded": item < 0 ? String(opened) : null,
    }, parent);
  }

  #node(item, parent, lines, colours) {
    const { x, y, width, height } = this.layout.place.get(item);
    const group = item < 0 ? this.graph.groups[~item] : null;
    const kind = group ? (group.role === "repeat" ? "folded repeat" : "folded") : "leaf";
    const g = this.#frame(item, parent, kind, false);
    g.setAttribute("transform", `translate(${round(x)},${round(y)})`);
    const colour = colours.of(item);
    paint(g, colour, colours.column !== null);
    if (group && group.role === "repeat") {
      for (const step of [6, 3]) make("rect", { class: "sheet", x: step, y: step, width, height, rx: 7 }, g);
    }
    make("rect", { class: "card", width, height, rx: group ? 7 : 5 }, g);
    if (colour && !colours.column) make("path", { class: "stripe", d: stripe(height, group ? 7 : 5) }, g);
    const room = width - 18 - (group ? 22 : 0), middle = (width - (group ? 22 : 0)) / 2;
    const [name, detail] = lines(item);
    make("text", { class: "name", x: middle, y: detail ? 17 : 18.5 }, g, shorten(name, NAME_FONT, room));
    if (detail) make("text", { class: "detail", x: middle, y: 32 }, g, shorten(detail, DETAIL_FONT, room));
    if (group) sign(g, width - 15, height / 2, false);
    make("title", {}, g, [name, detail, this.graph.path(item)].filter(Boolean).join("\n"));
    this.elements.set(item, g);
  }

  #box(item, parts, lines, colours) {
    const { x, y, width, height } = this.layout.place.get(item);
    const repeat = this.graph.groups[~item].role === "repeat";
    const at = `translate(${round(x)},${round(y)})`;
    const back = make("g", { class: `back${repeat ? " repeat" : ""}`, transform: at, "data-box": idOf(item) }, parts.boxes);
    if (repeat) for (const step of [6, 3]) make("rect", { class: "sheet", x: step, y: step, width, height, rx: 9 }, back);
    make("rect", { class: "area", width, height, rx: 9 }, back);
    const g = this.#frame(item, parts.nodes, repeat ? "box repeat" : "box", true);
    g.setAttribute("transform", at);
    paint(g, colours.column ? colours.of(item) : null, false);
    const [name, detail] = lines(item);
    const wide = Math.min(headerWidth(this.graph, item, [name, detail]), width);
    make("rect", { class: "head", x: 1, y: 1, width: wide - 2, height: HEADER - 6, rx: 8 }, g);
    make("text", { class: "name", x: 12, y: 18 }, g, name);
    if (detail) make("text", { class: "detail", x: 12 + measure(name, NAME_FONT) + 10, y: 18 }, g, detail);
    sign(g, wide - 16, 14, true);
    make("title", {}, g, [name, detail, this.graph.path(item)].filter(Boolean).join("\n"));
    this.elements.set(item, g);
  }

  #edge(edge, parent) {
    edge.element = make("path", {
      class: `edge${edge.status ? ` ${edge.status}` : ""}`, d: curve(edge.points, this.layout.turned),
      "data-from": idOf(edge.source), "data-to": idOf(edge.target), "marker-end": "url(#head)",
    }, parent);
    make("title", {}, edge.element, this.#carried(edge));
  }

  /** Names of both ends, and the shape of what runs between them. */
  #carried({ source, target, count }) {
    const { graph } = this, shapes = graph.column("output_shape");
    const shape = source >= 0 && shapes ? shapes.value(source, source + 1) : null;
    const ends = `${graph.label(source)} → ${graph.label(target)}`;
    return [ends, shape, count > 1 ? `${count} edges` : ""].filter(Boolean).join("\n");
  }

  /** Marks an item, and the edges that lead to it and away from it. */
  select(item) {
    this.layers.edges.classList.toggle("dimmed", item !== null);
    for (const [other, element] of this.elements) element.classList.toggle("selected", other === item);
    const [start, stop] = item === null ? [-1, -1] : this.graph.range(item);
    const within = (end) => {
      const [a, b] = this.graph.range(end);
      return a >= start && b <= stop;
    };
    for (const edge of this.view.edges) {
      const into = item !== null && within(edge.target) && !within(edge.source);
      const out = item !== null && within(edge.source) && !within(edge.target);
      edge.element.classList.toggle("in", into);
      edge.element.classList.toggle("out", out);
      edge.element.setAttribute("marker-end", `url(#head${into ? "-in" : out ? "-out" : ""})`);
      if (into || out) this.layers.edges.append(edge.element);
    }
  }
}

/** Gives an element its colour: as a tint under dark writing, or in full where it stands for a number. */
function paint(element, colour, strong) {
  if (!colour) return;
  element.style.setProperty("--c", colour);
  element.classList.add(strong ? "strong" : "tinted");
  if (strong) element.classList.add(light(colour) ? "ink-dark" : "ink-light");
}

function stripe(height, radius) {
  return `M5,0 H${radius} Q0,0 0,${radius} V${height - radius} Q0,${height} ${radius},${height} H5 Z`;
}

/** The sign that folds and unfolds. */
function sign(parent, x, y, opened) {
  const g = make("g", { class: "sign", transform: `translate(${x},${y})` }, parent);
  make("circle", { r: 8 }, g);
  make("path", { d: opened ? "M-4,0 H4" : "M-4,0 H4 M0,-4 V4" }, g);
}

/** Draws nodes at places of their own (relational graphs, wirings, layers in columns). */
class PlacedDrawing {
  constructor(graph, layers) {
    Object.assign(this, { graph, layers });
    this.elements = new Map();
  }

  show(view, _layout, lines, colours) {
    const { graph, layers } = this, { x, y, size, captions } = graph.places;
    for (const layer of Object.values(layers)) layer.replaceChildren();
    this.elements.clear();
    this.view = view;
    const levels = 8, lines_ = Array.from({ length: levels }, () => []);
    const weight = graph.weight;
    for (let e = 0; e < graph.sources.length; e++) {
      const strength = weight ? Math.min(levels - 1, Math.floor(weight[e] * levels)) : levels - 1;
      lines_[strength].push(this.#line(e));
    }
    const most = graph.sources.length;
    lines_.forEach((paths, level) => {
      if (!paths.length) return;
      const share = weight ? (level + 1) / levels : 0.5;
      make("path", {
        class: "edge placed", d: paths.join(""), "data-level": level, "data-edges": paths.length,
        style: `stroke-width:${round(0.3 + 2.6 * share)};opacity:${Math.max(0.1, Math.min(1, (700 / most) ** 0.5) * (0.25 + 0.75 * share)).toFixed(3)}`,
      }, layers.edges);
    });
    for (const [left, top, words] of captions) {
      words.split("\n").forEach((line, k) => make("text", { class: "caption", x: left, y: top + 15 * k }, layers.nodes, line));
    }
    const named = graph.size <= 120;
    for (let v = 0; v < graph.size; v++) {
      const g = make("g", { class: "item dot", "data-id": idOf(v), transform: `translate(${x[v]},${y[v]})`, tabindex: -1, role: "button", "aria-label": graph.name(v) }, layers.nodes);
      const colour = colours.of(v);
      paint(g, colour, true);
      make("circle", { class: "card", r: size / 2 }, g);
      if (named && size >= 16) make("text", { class: "number", y: 3.5 }, g, shorten(graph.name(v), DETAIL_FONT, size - 2));
      make("title", {}, g, lines(v).filter(Boolean).join("\n"));
      this.elements.set(v, g);
    }
    this.extra = make("g", {}, layers.edges);
  }

  #line(e) {
    const { x, y } = this.graph.places, u = this.graph.sources[e], v = this.graph.targets[e];
    return `M${x[u]},${y[u]}L${x[v]},${y[v]}`;
  }

  select(item) {
    this.extra.replaceChildren();
    this.layers.edges.classList.toggle("dimmed", item !== null);
    for (const [other, element] of this.elements) element.classList.toggle("selected", other === item);
    if (item === null) return;
    const into = [], out = [];
    for (let e = 0; e < this.graph.sources.length; e++) {
      if (this.graph.targets[e] === item) into.push(this.#line(e));
      if (this.graph.sources[e] === item) out.push(this.#line(e));
    }
    make("path", { class: "edge in", d: into.join("") }, this.extra);
    make("path", { class: "edge out", d: out.join("") }, this.extra);
  }
}
