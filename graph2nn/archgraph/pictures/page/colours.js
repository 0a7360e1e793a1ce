// Which colour has a node, and how are numbers written?
"use strict";

const RAMP = ["#fff3c4", "#fcd27a", "#f89c4f", "#e45f56", "#b1316f", "#6a1b7a", "#2f0f5c"];
const SIGNED = ["#1f5fa8", "#78a9db", "#f2f2f2", "#ef9a84", "#b92f2f"];
const STATUS = { failed: "#d92d20", added: "#1a9850", removed: "#d73027", changed: "#e08a00", "": "#9aa4b1" };

function rgb(hex) { return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)); }

/** Whether black writing is easier to read on a colour than white (contrast as of WCAG 2.2). */
function light(hex) {
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = rgb(hex).map((c) => linear(c / 255));
  const shine = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return (shine + 0.05) / 0.05 > 1.05 / (shine + 0.05);
}

/** Colour at a place from 0 to 1 of a list of colours. */
function blend(ramp, place) {
  const at = Math.min(Math.max(place, 0), 1) * (ramp.length - 1);
  const k = Math.min(Math.floor(at), ramp.length - 2);
  const low = rgb(ramp[k]), high = rgb(ramp[k + 1]);
  const mixed = low.map((x, i) => Math.round(x + (high[i] - x) * (at - k)));
  return `#${mixed.map((x) => x.toString(16).padStart(2, "0")).join("")}`;
}

/** Maps numbers to colours: by their square roots where they span much, around 0 where signed. */
class Scale {
  constructor(values) {
    const known = values.filter((value) => value !== null && Number.isFinite(value));
    const low = known.reduce((least, value) => Math.min(least, value), 0);
    this.high = known.reduce((most, value) => Math.max(most, value), 0);
    this.empty = known.length === 0;
    this.signed = low < 0;
    if (this.signed) this.high = Math.max(this.high, -low);
    this.low = this.signed ? -this.high : 0;
    this.ramp = this.signed ? SIGNED : RAMP;
    this.power = !this.signed && known.some((value) => value > 0 && value < this.high / 20) ? 2 : 1;
  }

  colour(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return null;
    const place = (value - this.low) / (this.high - this.low || 1);
    return blend(this.ramp, place ** (1 / this.power));
  }

  /** Number at a place from 0 to 1 of the scale. */
  value(place) { return this.low + (this.high - this.low) * place ** this.power; }
}

/** A number in at most four figures: 1.28 M. */
function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(2);
  for (const [power, sign] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= power) return `${Number((value / power).toPrecision(3))} ${sign}`;
  }
  return String(Number(value.toPrecision(4)));
}

/** A number in full. */
function full(value) {
  return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(6)));
}

/** Colours of the visible items: by kind, by what differs, or by a number. */
class Colouring {
  constructor(graph, name, items) {
    this.graph = graph;
    this.column = name === "kind" || name === "difference" ? null : graph.column(name);
    this.byStatus = name === "difference";
    if (this.column) this.scale = new Scale(items.map((item) => this.column.value(...graph.range(item))));
  }

  /** Colour of an item; null is that of modules. */
  of(item) {
    if (this.byStatus) {
      const status = statusOf(this.graph, item);
      return status ? STATUS[status] : null;
    }
    if (this.column) return this.scale.colour(this.column.value(...this.graph.range(item)));
    const look = this.look(item);
    return look < 0 ? null : this.graph.styles[look].colour;
  }

  /** Kind of an item: of a module that is one operation and its parameters, that operation's. */
  look(item) {
    const { nodes } = this.graph;
    if (item >= 0) return nodes.look[item];
    return this.graph.plain(~item) ? nodes.look[this.graph.groups[~item].start] : -1;
  }
}

/** What is special about an item; of a group what is special in it. */
function statusOf(graph, item) {
  if (!graph.status) return "";
  const [start, stop] = graph.range(item);
  const found = new Set(graph.status.slice(start, stop));
  if (found.has("failed")) return "failed";
  if (found.size === 1) return [...found][0];
  return "changed";
}
