// A path model: boxes of latent variables, arrows as wide as their coefficients, each with its interval.
const COLOURS = { sure: "#0072b2", unsure: "#8a8a8a", negative: "#d55e00" };
const WORDS = { sure: "#005a8e", unsure: "#5c5c5c", negative: "#a63f00" };
const FONT = 'system-ui,"Noto Sans","Noto Sans CJK SC","Microsoft YaHei","WenQuanYi Micro Hei",sans-serif';
const NS = "http://www.w3.org/2000/svg";
const WIDE = 112, TALL = 50;

function made(kind, attributes, words) {
  const found = document.createElementNS(NS, kind);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  if (words !== undefined) found.textContent = words;
  return found;
}

// where the line from the middle of a box to (x, y) leaves the box
function edge(box, x, y, room) {
  const dx = x - box.cx, dy = y - box.cy;
  const part = Math.min((WIDE / 2 + room) / Math.max(Math.abs(dx), 1e-6), (TALL / 2 + room) / Math.max(Math.abs(dy), 1e-6));
  return [box.cx + dx * part, box.cy + dy * part];
}

const overlap = (a, b) =>
  Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));

function render({ model, el }) {
  const box = document.createElement("div");
  box.style.cssText = "width:100%";
  el.append(box);

  function draw() {
    const wide = box.clientWidth || 480, high = Math.max(360, Math.min(620, wide * 0.86));
    const svg = made("svg", { width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, role: "img",
      "aria-label": model.get("label"), "font-family": FONT, style: "display:block" });
    const boxes = {};
    for (const b of model.get("boxes")) {
      boxes[b.key] = { ...b, cx: WIDE / 2 + 2 + b.x * (wide - WIDE - 4), cy: TALL / 2 + 2 + b.y * (high - TALL - 4) };
    }
    const taken = Object.values(boxes).map((b) => [b.cx - WIDE / 2, b.cy - TALL / 2, b.cx + WIDE / 2, b.cy + TALL / 2]);
    const arrows = model.get("arrows").map((a) => {
      const from = boxes[a.from], to = boxes[a.to];
      const thick = 1.2 + 9 * Math.min(Math.abs(a.value), 1), head = 7 + 1.3 * thick;
      const [x0, y0] = edge(from, to.cx, to.cy, 1), [x1, y1] = edge(to, from.cx, from.cy, 2);
      return { ...a, thick, head, x0, y0, x1, y1 };
    });
    // strong arrows below thin ones
    for (const a of [...arrows].sort((a, b) => b.thick - a.thick)) {
      const long = Math.hypot(a.x1 - a.x0, a.y1 - a.y0) || 1, ux = (a.x1 - a.x0) / long, uy = (a.y1 - a.y0) / long;
      const bx = a.x1 - ux * a.head, by = a.y1 - uy * a.head, half = 0.5 * a.head + 0.2 * a.thick;
      svg.append(made("line", { x1: a.x0, y1: a.y0, x2: bx, y2: by, stroke: COLOURS[a.state], "stroke-width": a.thick,
        ...(a.state === "unsure" ? { "stroke-dasharray": "6 4" } : {}) }));
      svg.append(made("polygon", { fill: COLOURS[a.state],
        points: `${a.x1},${a.y1} ${bx - uy * half},${by + ux * half} ${bx + uy * half},${by - ux * half}` }));
    }
    for (const b of Object.values(boxes)) {
      const aim = b.key === model.get("target");
      svg.append(made("rect", { x: b.cx - WIDE / 2, y: b.cy - TALL / 2, width: WIDE, height: TALL, rx: 9,
        fill: aim ? "#d6e8f5" : "#f2f7fb", stroke: "#0072b2", "stroke-width": aim ? 3 : 1.6 }));
      svg.append(made("text", { x: b.cx, y: b.cy - 4, "text-anchor": "middle", "font-size": 16, "font-weight": 600,
        fill: "#1b1b1b" }, b.name));
      svg.append(made("text", { x: b.cx, y: b.cy + 15, "text-anchor": "middle", "font-size": 13, fill: "#4a4a4a" }, b.below));
    }
    for (const a of arrows) {
      const half = 38, tall = a.range ? 17 : 9;
      let best = null, least = Infinity;
      for (const t of [0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74, 0.2, 0.8]) {
        const x = a.x0 + t * (a.x1 - a.x0), y = a.y0 + t * (a.y1 - a.y0);
        const own = [x - half, y - tall, x + half, y + tall];
        let cost = 60 * Math.abs(t - 0.5) + 40 * (Math.max(0, -own[0]) + Math.max(0, own[2] - wide));
        for (const other of taken) cost += overlap(own, other);
        if (cost < least) [best, least] = [[x, y, own], cost];
      }
      taken.push(best[2]);
      svg.append(made("rect", { x: best[0] - 24, y: best[1] - tall + 3, width: 48, height: 2 * tall - 4, rx: 6, fill: "#fff",
        "fill-opacity": 0.85 }));
      const [x, y] = best, halo = { "text-anchor": "middle", fill: WORDS[a.state], stroke: "#fff", "stroke-width": 5,
        "paint-order": "stroke", "stroke-linejoin": "round" };
      svg.append(made("text", { x, y: a.range ? y - 2 : y + 5, "font-size": 16, "font-weight": 650, ...halo }, a.told));
      if (a.range) svg.append(made("text", { x, y: y + 13, "font-size": 12.5, ...halo }, a.range));
    }
    box.replaceChildren(svg);
  }

  let waiting = 0;
  const soon = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  };
  for (const what of ["boxes", "arrows", "target", "label"]) model.on(`change:${what}`, soon);
  const size = new ResizeObserver(soon);
  size.observe(box);
  soon();
  return () => size.disconnect();
}

export default { render };
