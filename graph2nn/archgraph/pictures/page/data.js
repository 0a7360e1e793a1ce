// What does the file hold? The nodes, edges and modules of the network, and what of them is shown.
"use strict";

/**
 * Items are numbers: node v is v (its place in the order of nodes), group g is ~g, below zero.
 * A group covers the nodes from `start` to `stop - 1`.
 */
class Graph {
  constructor(data) {
    Object.assign(this, data);
    this.size = data.nodes.number.length;
    this.columns = data.columns.map((column) => new Column(column, this.size));
    this.status = data.nodes.status;
    this.sources = Int32Array.from(data.edges[0]);
    this.targets = Int32Array.from(data.edges[1]);
    this.inside = new Int32Array(this.size); // innermost group of each node
    data.groups.forEach((group, g) => {
      group.number = g; // parents come before children, so that the innermost wins
      this.inside.fill(g, group.start, group.stop);
    });
    this.repeats = data.groups.filter((group) => group.role === "repeat");
    for (const repeat of this.repeats) repeat.length = (repeat.stop - repeat.start) / repeat.count;
    this.#findSeries();
  }

  name(v) { return text(this.nodes.name, v); }

  module(v) { return text(this.nodes.module, v); }

  column(name) { return this.columns.find((column) => column.name === name); }

  /** The name an item is shown under. */
  label(item) {
    if (item < 0) return this.groups[~item].label || this.groups[~item].kind || "…";
    return this.module(item) || this.name(item);
  }

  /** First and last node + 1 of an item. */
  range(item) {
    return item < 0 ? [this.groups[~item].start, this.groups[~item].stop] : [item, item + 1];
  }

  /** Groups around an item, the innermost first, without the root. */
  around(item) {
    const found = [];
    let g = item < 0 ? this.groups[~item].parent : this.inside[item];
    for (; g > 0; g = this.groups[g].parent) found.push(g);
    return found;
  }

  /** Whether a group is a module of one operation and its parameters, which tells little unfolded. */
  plain(g) { return this.groups[g].plain; }

  /** What stands at the same place of equal blocks has the same number. */
  original(item) {
    const [start, stop] = this.range(item);
    let at = start;
    for (const g of this.around(item).reverse()) {
      const group = this.groups[g];
      if (group.role === "repeat") at = group.start + ((at - group.start) % group.length);
    }
    return `${at} ${stop - start} ${item < 0 ? this.groups[~item].role : ""}`;
  }

  /** Qualified name of the module that an item is, or lies in. */
  path(item) {
    if (item < 0 && this.groups[~item].path) return this.groups[~item].path;
    const own = item >= 0 ? this.module(item) : "";
    const outer = this.around(item).map((g) => this.groups[g]).find((group) => group.role === "module");
    return [outer ? outer.path : "", own].filter(Boolean).join(".");
  }

  /** Which repeats are a chain of blocks, and which stand side by side. */
  #findSeries() {
    for (const repeat of this.repeats) repeat.series = false;
    for (let e = 0; e < this.sources.length; e++) {
      const u = this.sources[e], v = this.targets[e];
      for (let g = this.inside[u]; g > 0; g = this.groups[g].parent) {
        const group = this.groups[g];
        if (group.role === "repeat" && !group.series) group.series = apart(group, u, v);
      }
    }
  }
}

/** Numbers or texts of the nodes. */
class Column {
  constructor({ name, total, numbers, texts }, size) {
    Object.assign(this, { name, total, numbers, texts });
    if (!numbers) return;
    this.sums = new Float64Array(size + 1);
    this.counts = new Int32Array(size + 1);
    numbers.forEach((value, v) => {
      this.sums[v + 1] = this.sums[v] + (value ?? 0);
      this.counts[v + 1] = this.counts[v] + (value === null ? 0 : 1);
    });
  }

  /** Value of a stretch of nodes: a number, a text, or null. */
  value(start, stop) {
    if (!this.numbers) return stop - start === 1 ? text(this.texts, start) : null;
    if (stop - start === 1) return this.numbers[start];
    const count = this.counts[stop] - this.counts[start];
    if (!count || !this.total) return null;
    if (this.total === "max") {
      return this.numbers.slice(start, stop).reduce((most, x) => (x !== null && x > most ? x : most), -Infinity);
    }
    const sum = this.sums[stop] - this.sums[start];
    return this.total === "mean" ? sum / count : sum;
  }
}

function text({ texts, index }, v) { return texts[index[v]]; }

/** Whether two nodes lie in different blocks of a repeat. */
function apart(repeat, u, v) {
  const inside = v >= repeat.start && v < repeat.stop && u >= repeat.start && u < repeat.stop;
  const block = (w) => Math.floor((w - repeat.start) / repeat.length);
  return inside && block(u) !== block(v);
}

/** What is unfolded: groups, of repeats the block that stands for all, or all blocks. */
class Folding {
  constructor(graph) {
    this.graph = graph;
    this.opened = new Set();
    this.block = new Map(); // repeat → number of the block that is shown
    this.every = new Set(); // repeats of which every block is shown
  }

  copy() {
    const other = new Folding(this.graph);
    Object.assign(other, { opened: new Set(this.opened), block: new Map(this.block), every: new Set(this.every) });
    return other;
  }

  /** Groups without a box of their own: a block that stands for all, a sequence in a repeat. */
  hidden(g) {
    const group = this.graph.groups[g];
    const above = group.parent >= 0 ? this.graph.groups[group.parent] : null;
    return group.role === "part" && !this.every.has(group.parent)
      || (above !== null && above.role === "repeat" && !this.every.has(group.parent));
  }

  isOpen(g) { return g === 0 || this.opened.has(g) || this.hidden(g); }

  /** Unfold a group; where there is but one thing in it, that, too. */
  open(g) {
    for (;;) {
      this.opened.add(g);
      const { items, role } = this.graph.groups[g];
      const next = role === "repeat" && !this.every.has(g) ? this.graph.groups[~items[0]].items : items;
      if (next.length !== 1 || next[0] >= 0) return;
      g = ~next[0];
    }
  }

  close(g) {
    const { start, stop } = this.graph.groups[g];
    for (const inner of [...this.opened]) {
      const group = this.graph.groups[inner];
      if (group.start >= start && group.stop <= stop && inner >= g) this.opened.delete(inner);
    }
  }

  /** Unfold what is around a node, and let the blocks it is in stand for the others. */
  reveal(item) {
    const [start] = this.graph.range(item);
    for (const g of this.graph.around(item)) {
      this.opened.add(g);
      const group = this.graph.groups[g];
      if (group.role === "repeat") this.block.set(g, Math.floor((start - group.start) / group.length));
    }
  }

  /**
   * What is shown: for each node the item that stands for it, and the visible items of each box.
   * Edges between blocks of a repeat of which one is shown are left out.
   */
  view() {
    const { graph } = this;
    const shown = new Int32Array(graph.size);
    const boxes = new Map([[0, []]]);
    const single = [];
    const visit = (g, box) => {
      const group = graph.groups[g];
      if (group.role === "repeat" && !this.every.has(g)) {
        const k = Math.min(this.block.get(g) ?? 0, group.count - 1);
        const at = group.start + k * group.length;
        single.push(group);
        visit(~group.items[k], box);
        for (let other = group.start; other < group.stop; other += group.length) {
          if (other !== at) shown.copyWithin(other, at, at + group.length);
        }
        return;
      }
      for (const item of group.items) {
        if (item < 0 && this.isOpen(~item)) {
          const own = this.hidden(~item);
          if (!own) { boxes.get(box).push(item); boxes.set(~item, []); }
          visit(~item, own ? box : ~item);
        } else {
          boxes.get(box).push(item);
          const [start, stop] = graph.range(item);
          shown.fill(item, start, stop);
        }
      }
    };
    if (graph.groups.length) visit(0, 0);
    else shown.forEach((_, v) => { shown[v] = v; boxes.get(0).push(v); });
    return { shown, boxes, edges: this.#edges(shown, single) };
  }

  #edges(shown, single) {
    const { sources, targets, edgeStatus } = this.graph;
    const found = new Map();
    for (let e = 0; e < sources.length; e++) {
      const u = sources[e], v = targets[e], a = shown[u], b = shown[v];
      if (a === b || single.some((repeat) => apart(repeat, u, v))) continue;
      const key = `${a} ${b}`;
      const known = found.get(key);
      if (known) known.count++;
      else found.set(key, { source: a, target: b, count: 1, status: edgeStatus ? edgeStatus[e] : "" });
    }
    return [...found.values()];
  }
}
