// Where does everything stand? Each unfolded box is laid out by dagre, from the inside out.
"use strict";

const FONT = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const GAP = { nodesep: 22, ranksep: 24, edgesep: 12 };
const PAD = 14, HEADER = 30, WIDEST = 250;

const measure = (() => {
  const context = document.createElement("canvas").getContext("2d");
  const known = new Map();
  return (words, font) => {
    const key = `${font}|${words}`;
    if (!known.has(key)) {
      context.font = font;
      known.set(key, context.measureText(words).width);
    }
    return known.get(key);
  };
})();

const NAME_FONT = `600 12.5px ${FONT}`, DETAIL_FONT = `11px ${FONT}`;

/** Shortens a text to a width, in the middle, where names differ least. */
function shorten(words, font, width) {
  if (measure(words, font) <= width) return words;
  let keep = words.length - 1;
  const cut = () => `${words.slice(0, Math.ceil(keep / 2))}…${words.slice(words.length - Math.floor(keep / 2))}`;
  while (keep > 4 && measure(cut(), font) > width) keep--;
  return cut();
}

/** Size of an item that is shown as one node. */
function nodeSize(lines, folded) {
  const widths = [measure(lines[0], NAME_FONT), lines[1] ? measure(lines[1], DETAIL_FONT) : 0];
  const width = Math.min(Math.max(...widths), WIDEST) + 24 + (folded ? 22 : 0);
  return { width: Math.max(width, 56), height: lines[1] ? 40 : 28 };
}

/**
 * Places of all visible items, and the points of all edges.
 *
 * An edge that leaves or enters a box passes a port on its border, one for each item it comes from,
 * so that what belongs together runs together. `lines(item)` gives an item's one or two lines.
 */
class Layout {
  constructor(graph, view, lines, turned) {
    Object.assign(this, { graph, view, lines, turned });
    this.boxOf = new Map();
    for (const [box, items] of view.boxes) for (const item of items) this.boxOf.set(item, box);
    this.wires = new Map([...view.boxes.keys()].map((box) => [box, new Map()]));
    this.routes = view.edges.map((edge) => this.#wire(edge));
    this.local = new Map(); // box → size, places of its items and points of its wires
    this.place = new Map(); // item → centre and size, in the whole drawing
    const root = this.#arrange(0);
    this.width = root.width;
    this.height = root.height;
    this.#settle(0, 0, 0);
    view.edges.forEach((edge, k) => {
      edge.points = this.#points(this.routes[k]);
      this.#straighten(edge);
    });
  }

  /** Boxes around an item, the innermost first, ending with the root. */
  #chain(item) {
    const chain = [];
    for (let box = this.boxOf.get(item); ; box = this.boxOf.get(~box)) {
      chain.push(box);
      if (box === 0) return chain;
    }
  }

  /** Splits an edge into wires, one in each box it passes. */
  #wire({ source, target }) {
    const up = this.#chain(source), down = this.#chain(target);
    const common = up.find((box) => down.includes(box));
    const route = [];
    const add = (box, from, to) => {
      const key = `${from}|${to}|${source}`;
      if (!this.wires.get(box).has(key)) this.wires.get(box).set(key, { from, to });
      route.push([box, key]);
    };
    let at = source;
    for (const box of up.slice(0, up.indexOf(common))) { add(box, at, `out ${source}`); at = ~box; }
    const entered = down.slice(0, down.indexOf(common)).reverse();
    const goal = entered.length ? ~entered[0] : target;
    add(common, at, goal);
    entered.forEach((box, k) => {
      add(box, `in ${source}`, k + 1 < entered.length ? ~entered[k + 1] : target);
    });
    return route;
  }

  #arrange(box) {
    const flow = new dagre.graphlib.Graph({ multigraph: true });
    flow.setGraph({ rankdir: this.turned ? "LR" : "TB", ...GAP });
    const items = this.view.boxes.get(box);
    for (const item of items) {
      const opened = item < 0 && this.view.boxes.has(~item);
      flow.setNode(String(item), opened ? this.#arrange(~item) : nodeSize(this.lines(item), item < 0));
    }
    const ports = new Set();
    for (const [key, { from, to }] of this.wires.get(box)) {
      for (const end of [from, to]) if (typeof end === "string") ports.add(end);
      for (const end of [from, to]) if (typeof end === "string" && !flow.hasNode(end)) flow.setNode(end, { width: 2, height: 2 });
      flow.setEdge(String(from), String(to), { weight: 2 }, key);
    }
    this.#pin(flow, ports);
    dagre.layout(flow);
    return this.#keep(box, flow, items, ports);
  }

  /** Pulls ports to the borders: those of entry before everything, those of exit behind. */
  #pin(flow, ports) {
    const ends = { in: "first", out: "last" };
    for (const port of ports) {
      const entry = port.startsWith("in");
      const end = entry ? ends.in : ends.out;
      if (!flow.hasNode(end)) flow.setNode(end, { width: 1, height: 1 });
      if (entry) flow.setEdge(end, port, { weight: 30 });
      else flow.setEdge(port, end, { weight: 30 });
    }
  }

  /** Takes places over, the box's own corner at zero. */
  #keep(box, flow, items, ports) {
    const root = box === 0;
    const spots = items.map((item) => flow.node(String(item)));
    const wires = new Map();
    for (const edge of flow.edges()) if (edge.name) wires.set(edge.name, flow.edge(edge).points);
    const along = this.turned ? "x" : "y"; // ports and wires to them need no room of their own there
    const inner = [...wires.values()].flat();
    const low = (axis, side) => Math.min(...spots.map((s) => s[axis] - s[side] / 2), ...(axis === along ? [] : inner.map((p) => p[axis])));
    const high = (axis, side) => Math.max(...spots.map((s) => s[axis] + s[side] / 2), ...(axis === along ? [] : inner.map((p) => p[axis])));
    const slack = (kind) => (along === kind && ports.size ? 10 : 0);
    const [x0, x1] = [low("x", "width") - slack("x"), high("x", "width") + slack("x")];
    const [y0, y1] = [low("y", "height") - slack("y"), high("y", "height") + slack("y")];
    for (const p of inner) { p.x = clamp(p.x, x0, x1); p.y = clamp(p.y, y0, y1); }
    const head = root ? 0 : HEADER;
    const name = root ? 0 : headerWidth(this.graph, ~box, this.lines(~box));
    const width = Math.max(x1 - x0, name - 2 * PAD) + 2 * PAD;
    // from left to right the middle of a box is that of its content, so that lines stay straight
    const height = y1 - y0 + 2 * PAD + (this.turned ? 2 * head : head);
    const dx = (width - (x1 - x0)) / 2 - x0, dy = PAD + head - y0;
    const move = ({ x, y }) => ({ x: x + dx, y: y + dy });
    const borders = new Map();
    for (const port of ports) {
      const { x, y } = move(flow.node(port));
      const entry = port.startsWith("in");
      borders.set(port, this.turned ? { x: entry ? 0 : width, y } : { x, y: entry ? 0 : height });
    }
    const places = new Map(items.map((item, k) => [item, { ...spots[k], ...move(spots[k]) }]));
    for (const [key, points] of wires) wires.set(key, points.map(move));
    this.local.set(box, { width, height, places, wires, borders });
    return { width, height };
  }

  /** Turns places within boxes into places in the whole drawing. */
  #settle(box, x, y) {
    const local = this.local.get(box);
    Object.assign(local, { x, y });
    if (box !== 0 && !this.turned) this.#mirror(box, local);
    for (const [item, spot] of local.places) {
      const left = x + spot.x - spot.width / 2, top = y + spot.y - spot.height / 2;
      this.place.set(item, { x: left, y: top, width: spot.width, height: spot.height });
      if (item < 0 && this.view.boxes.has(~item)) this.#settle(~item, left, top);
    }
  }

  /** Mirrors a box where lines from outside would otherwise cross on the way to their ports. */
  #mirror(box, local) {
    const outside = this.local.get(this.boxOf.get(~box));
    const meets = [];
    for (const [key, { from, to }] of this.wires.get(this.boxOf.get(~box))) {
      const points = outside.wires.get(key), source = key.split("|")[2];
      if (to === ~box && points.length > 1) meets.push([points[points.length - 2].x, local.borders.get(`in ${source}`)?.x]);
      if (from === ~box && points.length > 1) meets.push([points[1].x, local.borders.get(`out ${source}`)?.x]);
    }
    let crossings = 0;
    meets.forEach(([far, near], k) => {
      for (const [otherFar, otherNear] of meets.slice(k + 1)) crossings += Math.sign((far - otherFar) * (near - otherNear)) || 0;
    });
    if (crossings >= 0) return;
    const flip = (spot) => { spot.x = local.width - spot.x; };
    for (const spot of [...local.places.values(), ...local.borders.values(), ...[...local.wires.values()].flat()]) flip(spot);
  }

  /** Points of an edge: those of its wires, joined at the ports. */
  #points(route) {
    const points = [];
    route.forEach(([box, key], k) => {
      const local = this.local.get(box), { from, to } = this.wires.get(box).get(key);
      const wire = local.wires.get(key).map((p) => ({ x: p.x + local.x, y: p.y + local.y }));
      if (wire.length === 3) wire[1].free = true; // between neighbours there is nothing to go around
      const shift = (spot, inside) => ({ x: spot.x + inside.x, y: spot.y + inside.y });
      if (typeof from === "string") { wire.shift(); points.push(shift(local.borders.get(from), local)); }
      else if (k > 0) wire.shift(); // it comes out of a box, whose port is there already
      if (typeof to === "string") { wire.pop(); wire.push(shift(local.borders.get(to), local)); }
      else if (k < route.length - 1) wire.pop(); // it goes into a box, whose port comes next
      points.push(...wire);
    });
    return points;
  }

  /** Takes small bends out of the ends of a line, which stay on the border of their nodes. */
  #straighten({ points, source, target }) {
    const [across, side] = this.turned ? ["y", "height"] : ["x", "width"];
    const align = (end, next, item) => {
      const spot = this.place.get(item), wanted = points[next][across];
      const inside = wanted > spot[across] + 5 && wanted < spot[across] + spot[side] - 5;
      if (inside && Math.abs(points[end][across] - wanted) < 9) points[end][across] = wanted;
    };
    for (let k = points.length - 2; k > 0; k--) {
      const slope = points[k - 1][across] - points[k + 1][across];
      if (points[k].free && Math.abs(slope) < 30) points.splice(k, 1);
    }
    const last = points.length - 1;
    if (last > 0) align(0, 1, source);
    if (last > 1) align(last, last - 1, target);
  }
}

function clamp(value, low, high) { return Math.min(Math.max(value, low), high); }

/** Width that the header of an unfolded box needs. */
function headerWidth(graph, item, lines) {
  const detail = lines[1] ? measure(lines[1], DETAIL_FONT) + 10 : 0;
  return measure(lines[0], NAME_FONT) + detail + 56;
}

/** A smooth line through points, in the direction of the flow. */
function curve(points, turned) {
  let line = `M${round(points[0].x)},${round(points[0].y)}`;
  for (let k = 1; k < points.length; k++) {
    const a = points[k - 1], b = points[k];
    if (turned) {
      const middle = (a.x + b.x) / 2;
      line += `C${round(middle)},${round(a.y)} ${round(middle)},${round(b.y)} ${round(b.x)},${round(b.y)}`;
    } else {
      const middle = (a.y + b.y) / 2;
      line += `C${round(a.x)},${round(middle)} ${round(b.x)},${round(middle)} ${round(b.x)},${round(b.y)}`;
    }
  }
  return line;
}

function round(x) { return Math.round(x * 10) / 10; }
