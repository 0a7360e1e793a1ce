// What happens on a click? The state of the page, and everything that changes it.
"use strict";

(() => {
  const at = (id) => document.getElementById(id);
  const graph = new Graph(JSON.parse(at("data").textContent));
  const stage = at("stage"), world = at("world"), panel = at("panel");
  const layers = { boxes: at("boxes"), edges: at("edges"), nodes: at("nodes") };
  const drawing = graph.places ? new PlacedDrawing(graph, layers) : new Drawing(graph, layers);
  const finder = new Finder(graph);
  const camera = { x: 0, y: 0, scale: 1 };
  const FITS = 40, MOST = 700, READABLE = 0.72, LEAST = 0.62, SMALLEST = 0.02, LARGEST = 6;
  let folding = new Folding(graph), layout = null, colours = null, selected = null, turned = false;
  const changed = graph.status && graph.status.some((s) => s === "added" || s === "removed" || s === "changed");
  let colouring = graph.colour ?? (changed ? "difference" : "kind");

  // ---- texts of items -------------------------------------------------------------------------

  const shapes = graph.column("output_shape"), parameters = graph.column("parameters");
  const weights = graph.column("shape");

  function lines(item) {
    const [start, stop] = graph.range(item), group = item < 0 ? graph.groups[~item] : null;
    const number = colours && colours.column ? colours.column.value(start, stop) : undefined;
    if (group) {
      const counted = isNumber(graph.label(item)) && group.kind;
      const name = group.role === "repeat" ? repeatName(group) : counted ? `${graph.label(item)}: ${group.kind}` : graph.label(item);
      const size = parameters ? parameters.value(start, stop) : 0;
      const told = group.kind && name.includes(`: ${group.kind}`);
      const facts = group.role === "stretch" ? `${stop - start} operations` : told ? "" : group.kind;
      const detail = number !== undefined && number !== null ? short(number) : size ? short(size) : "";
      return [name, [facts, detail].filter(Boolean).join(" · ")];
    }
    const own = graph.module(item), operation = graph.name(item);
    const name = !own ? operation : isNumber(own) ? `${own}: ${operation}` : own;
    const shape = shapes ? shapes.value(start, stop) : weights ? weights.value(start, stop) : null;
    const told = !own || isNumber(own) || own.split(".").pop() === operation;
    const detail = number !== undefined ? (number === null ? "" : short(number)) : shape ?? "";
    return [name, [told ? "" : operation, detail].filter(Boolean).join(" · ")];
  }

  function isNumber(label) { return /^\d+$/.test(label); }

  function repeatName(group) {
    const opened = folding.isOpen(group.number) && !folding.every.has(group.number);
    const block = graph.groups[~group.items[folding.block.get(group.number) ?? 0]];
    const label = opened && block.label ? block.label : group.label || "sequence";
    return `${isNumber(label) && group.kind ? `${label}: ${group.kind}` : label}  ×${group.count}`;
  }

  // ---- drawing --------------------------------------------------------------------------------

  function placedLayout() {
    const { x, y, size, captions } = graph.places;
    const xs = [...x, ...captions.map((c) => c[0] + 30)], ys = [...y, ...captions.map((c) => c[1] + 15)];
    const low = (list) => list.reduce((a, b) => Math.min(a, b), Infinity) - size - 20;
    const high = (list) => list.reduce((a, b) => Math.max(a, b), -Infinity) + size + 20;
    const place = new Map();
    for (let v = 0; v < graph.size; v++) place.set(v, { x: x[v] - size / 2, y: y[v] - size / 2, width: size, height: size });
    return { x: low(xs), y: low(ys), width: high(xs) - low(xs), height: high(ys) - low(ys), place };
  }

  function compute(state) {
    const view = state.view();
    const items = [...view.boxes.values()].flat();
    colours = new Colouring(graph, colouring, items.filter((item) => item >= 0 || !view.boxes.has(~item)));
    const made = graph.places ? placedLayout() : new Layout(graph, view, lines, turned);
    return { view, items, made };
  }

  function draw() {
    const { view, items, made } = compute(folding);
    layout = made;
    drawing.show(view, layout, lines, colours);
    fillLegend(at("legend"), graph, colours, items);
    mark();
  }

  function mark() {
    drawing.select(selected);
    fillPanel(panel, graph, folding, selected, actions);
  }

  function aim() {
    world.setAttribute("transform", `translate(${round(camera.x)},${round(camera.y)}) scale(${camera.scale.toFixed(4)})`);
    stage.classList.toggle("far", camera.scale < 0.4);
  }

  /** The part of the window that the drawing has for itself. */
  function room() {
    const { width, height } = stage.getBoundingClientRect();
    return { width: width - (panel.hidden ? 0 : panel.offsetWidth + 12), height };
  }

  function fitScale(made, most = 1.25) {
    const { width, height } = room();
    return Math.min((width - 40) / made.width, (height - 40) / made.height, most);
  }

  function fit(least = SMALLEST) {
    const { width, height } = room();
    camera.scale = Math.max(fitScale(layout), least);
    const wide = layout.width * camera.scale, high = layout.height * camera.scale;
    camera.x = (width - wide) / 2 - (layout.x ?? 0) * camera.scale;
    camera.y = (high > height ? 20 : (height - high) / 2) - (layout.y ?? 0) * camera.scale;
    if (turned && wide > width) camera.x = 20;
    aim();
  }

  function centre(item) {
    const spot = layout.place.get(item);
    if (!spot) return;
    const { width, height } = room();
    camera.scale = Math.max(camera.scale, READABLE);
    const high = Math.min(spot.height * camera.scale, height - 80);
    camera.x = width / 2 - (spot.x + spot.width / 2) * camera.scale;
    camera.y = (height - high) / 2 - spot.y * camera.scale;
    aim();
  }

  /** Draws anew while an item stays where it is in the window. */
  function keeping(item, change) {
    const before = layout.place.get(item);
    const x = before ? before.x + before.width / 2 : 0, y = before ? before.y : 0;
    change();
    draw();
    const after = layout.place.get(item);
    if (before && after) {
      camera.x += (x - after.x - after.width / 2) * camera.scale;
      camera.y += (y - after.y) * camera.scale;
    }
    aim();
  }

  // ---- what can be done -----------------------------------------------------------------------

  const actions = {
    select(item) { selected = item; mark(); },
    toggle(g) {
      keeping(~g, () => { if (folding.isOpen(g)) folding.close(g); else folding.open(g); });
    },
    block(g, k) { keeping(~g, () => { folding.block.set(g, k); folding.open(g); }); },
    every(g) {
      keeping(~g, () => {
        folding.opened.add(g);
        if (!folding.every.delete(g)) folding.every.add(g);
      });
    },
    reveal(item) {
      folding.reveal(item);
      selected = item;
      draw();
      centre(item);
    },
  };

  /** Unfolds, the largest first, as long as everything fits the window and can be read. */
  function openWhatFits() {
    const tried = new Set();
    const { width, height } = room();
    for (let turn = 0; turn < 14; turn++) {
      const { boxes } = folding.view();
      const items = [...boxes.values()].flat();
      const folded = items.filter((item) => item < 0 && !boxes.has(~item) && !tried.has(item) && !graph.plain(~item));
      const size = (item) => graph.groups[~item].stop - graph.groups[~item].start;
      folded.sort((a, b) => graph.around(a).length - graph.around(b).length || size(b) - size(a));
      if (!folded.length || items.length > FITS) return;
      tried.add(folded[0]);
      const attempt = folding.copy();
      attempt.open(~folded[0]);
      if ([...attempt.view().boxes.values()].flat().length > FITS) continue;
      const kept = folding;
      folding = attempt; // texts of repeats depend on it
      const { made } = compute(attempt);
      if ((width - 40) / made.width < LEAST || (height - 40) / made.height < LEAST) folding = kept;
    }
  }

  function openLevel() {
    const { boxes } = folding.view();
    const anchor = selected ?? [...boxes.get(0)][0];
    const folded = [...boxes.values()].flat().filter((item) => item < 0 && !boxes.has(~item));
    const wanted = folded.filter((item) => !graph.plain(~item));
    const inWindow = (item) => {
      const { x, y, width, height } = layout.place.get(item);
      const middle = [camera.x + (x + width / 2) * camera.scale, camera.y + (y + height / 2) * camera.scale];
      return Math.hypot(middle[0] - room().width / 2, middle[1] - room().height / 2);
    };
    const next = (wanted.length ? wanted : folded).sort((a, b) => inWindow(a) - inWindow(b));
    let count = [...boxes.values()].flat().length;
    keeping(anchor, () => {
      for (const item of next) { // those nearest to the middle of the window first
        const [start, stop] = graph.range(item);
        count += Math.min(graph.groups[~item].items.length, stop - start);
        if (count > MOST && item !== next[0]) break;
        folding.open(~item);
      }
    });
  }

  function foldAll() {
    const outer = selected === null ? null : graph.around(selected).pop();
    folding.opened.clear();
    folding.every.clear();
    if (outer !== undefined && outer !== null) selected = ~outer;
    draw();
    fit(READABLE);
  }

  function turn() {
    turned = !turned;
    draw();
    fit(READABLE);
  }

  function theme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  }

  /** Goes along an edge to a neighbour that is shown. */
  function step(backwards) {
    if (selected === null) return;
    const found = drawing.view.edges?.find((edge) => (backwards ? edge.target : edge.source) === selected);
    if (!found) return;
    actions.select(backwards ? found.source : found.target);
    const spot = layout.place.get(selected), { width, height } = room();
    const x = spot.x * camera.scale + camera.x, y = spot.y * camera.scale + camera.y;
    if (x < 0 || y < 0 || x > width - 60 || y > height - 40) centre(selected);
  }

  /** The drawing as a file that needs neither this page nor its styles. */
  function save() {
    const copy = stage.cloneNode(true);
    const looks = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-weight", "font-family", "text-anchor", "display"];
    const from = stage.querySelectorAll("*"), to = copy.querySelectorAll("*");
    from.forEach((original, k) => {
      const style = getComputedStyle(original);
      to[k].setAttribute("style", looks.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    });
    const view = [(layout.x ?? 0) - 20, (layout.y ?? 0) - 20, layout.width + 40, layout.height + 40];
    copy.setAttribute("viewBox", view.join(" "));
    copy.setAttribute("xmlns", SVG);
    copy.setAttribute("width", view[2]);
    copy.setAttribute("height", view[3]);
    copy.querySelector("#world").removeAttribute("transform");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([copy.outerHTML], { type: "image/svg+xml" }));
    link.download = `${graph.title.replace(/\W+/g, "_") || "network"}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // ---- pointer --------------------------------------------------------------------------------

  function itemAt(target) {
    const found = target.closest?.("[data-id]");
    if (!found) return null;
    const number = Number(found.dataset.id.slice(1));
    return found.dataset.id[0] === "g" ? ~number : number;
  }

  function zoom(factor, x, y) {
    const scale = Math.min(Math.max(camera.scale * factor, SMALLEST), LARGEST);
    camera.x = x - (x - camera.x) * (scale / camera.scale);
    camera.y = y - (y - camera.y) * (scale / camera.scale);
    camera.scale = scale;
    aim();
  }

  const pointers = new Map();
  let moved = 0, pressed = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    pressed = event.target;
    moved = 0;
  });
  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const dx = event.clientX - last.x, dy = event.clientY - last.y;
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved > 4 && !stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, spot]) => spot);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (others.length) { // two fingers
      const frame = stage.getBoundingClientRect(), other = others[0];
      const before = Math.hypot(last.x - other.x, last.y - other.y), now = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      zoom(now / (before || 1), other.x - frame.left, other.y - frame.top);
      return;
    }
    camera.x += dx;
    camera.y += dy;
    aim();
  });
  const released = (event) => {
    const click = event.type === "pointerup" && pointers.size === 1 && moved <= 4;
    pointers.delete(event.pointerId);
    if (!click || !pressed) return;
    const item = itemAt(pressed);
    if (item !== null && item < 0 && pressed.closest(".sign")) actions.toggle(~item);
    else actions.select(item);
    stage.focus({ preventScroll: true });
  };
  stage.addEventListener("pointerup", released);
  stage.addEventListener("pointercancel", released);
  stage.addEventListener("dblclick", (event) => {
    const item = itemAt(event.target);
    if (item !== null && item < 0 && !event.target.closest(".sign")) actions.toggle(~item);
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });

  // ---- search and keys ------------------------------------------------------------------------

  const search = at("search"), results = at("results");
  let found = [], current = -1;

  function ask() {
    found = finder.find(search.value);
    current = -1;
    const rows = found.slice(0, 60).map(({ shown, count }, k) => {
      const row = element("li", { "data-result": k }, element("b", { words: shown[0] }), element("span", { words: shown[1] }));
      if (count > 1) row.append(element("i", { words: `×${count}`, title: `in ${count} equal blocks` }));
      row.onpointerdown = (event) => { event.preventDefault(); go(k); };
      return row;
    });
    if (found.length > 60) rows.push(element("li", { class: "quiet", words: `${found.length - 60} more` }));
    if (!found.length && search.value.trim()) rows.push(element("li", { class: "quiet", words: "nothing found" }));
    results.replaceChildren(...rows);
    results.hidden = rows.length === 0;
  }

  function go(k) {
    if (!found.length) return;
    current = (k + found.length) % found.length;
    actions.reveal(found[current].item);
    results.querySelectorAll("li").forEach((row, r) => row.classList.toggle("current", r === current));
    results.querySelector(".current")?.scrollIntoView({ block: "nearest" });
  }

  search.addEventListener("input", ask);
  search.addEventListener("focus", ask);
  search.addEventListener("blur", () => { results.hidden = true; });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go(current + (event.shiftKey ? -1 : 1));
    if (event.key === "ArrowDown") go(current + 1);
    if (event.key === "ArrowUp") go(current - 1);
    if (event.key === "Escape") search.blur();
    if (event.key.startsWith("Arrow") && event.key.length > 9) return;
    event.stopPropagation();
  });

  const keys = {
    e: openLevel, c: foldAll, f: () => fit(), d: turn, t: theme,
    Escape: () => actions.select(null),
    Enter: () => { if (selected !== null && selected < 0) actions.toggle(~selected); },
    ArrowUp: () => step(true), ArrowLeft: () => step(true), ArrowDown: () => step(false), ArrowRight: () => step(false),
    "+": () => zoom(1.2, room().width / 2, room().height / 2), "-": () => zoom(1 / 1.2, room().width / 2, room().height / 2),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
    if (event.key === "/") { event.preventDefault(); search.focus(); return; }
    if (event.target.closest("button") && event.key === "Enter") return;
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });

  // ---- the bar --------------------------------------------------------------------------------

  at("title").textContent = graph.title;
  at("subtitle").textContent = graph.subtitle;
  at("note").textContent = graph.note;
  at("note").hidden = !graph.note;
  const choices = ["kind", ...(changed ? ["difference"] : []), ...graph.columns.filter((column) => column.numbers).map((column) => column.name)];
  at("colour").append(...choices.map((name) => element("option", { value: name, words: name.replaceAll("_", " ") })));
  at("colour").value = colouring;
  at("colour").addEventListener("change", (event) => {
    colouring = event.target.value;
    keeping(selected ?? drawing.view.boxes.get(0)[0], () => {});
  });
  if (graph.groups.length <= 1) for (const id of ["more", "less"]) at(id).hidden = true;
  if (graph.places) at("turn").hidden = true;
  at("more").onclick = openLevel;
  at("less").onclick = foldAll;
  at("fit").onclick = () => fit();
  at("turn").onclick = turn;
  at("theme").onclick = theme;
  at("save").onclick = save;

  // ---- the start ------------------------------------------------------------------------------

  const failed = graph.status ? graph.status.indexOf("failed") : -1;
  if (!graph.places) {
    openWhatFits();
    const marked = graph.status ? graph.status.flatMap((s, v) => (s ? [v] : [])) : [];
    if (marked.length <= FITS) for (const v of marked) folding.reveal(v);
  }
  draw();
  fit(graph.places ? SMALLEST : LEAST);
  if (failed >= 0) {
    actions.select(failed);
    centre(failed);
  }
  window.addEventListener("resize", aim);
  requestAnimationFrame(() => requestAnimationFrame(() => {
    document.documentElement.dataset.ready = Math.round(performance.now());
  }));
})();
