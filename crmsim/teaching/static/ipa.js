// Importance over performance with a cross-hair that is dragged, or moved with the arrow keys.
const COLOURS = { concentrate: "#a63f00", keep_up: "#0072b2", low_priority: "#6e6e6e", overkill: "#00664a" };
const TINTS = { concentrate: "#fdf0e8", keep_up: "#eaf3fa", low_priority: "#f5f5f5", overkill: "#e9f5f0" };
const FONT = 'system-ui,"Noto Sans","Noto Sans CJK SC","Microsoft YaHei","WenQuanYi Micro Hei",sans-serif';

function render({ model, el }) {
  const box = document.createElement("div");
  box.style.cssText = "width:100%";
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.style.cssText = "width:100%;display:block;cursor:move;touch-action:none";
  box.append(canvas);
  el.append(box);
  const edge = { left: 62, right: 12, top: 12, bottom: 50 };
  let wide = 520, high = 440;
  let own = null; // the cross-hair while it is dragged here

  const cross = () => own || model.get("cross");
  const across = (x) => {
    const [a, b] = model.get("x_range");
    return edge.left + ((x - a) / (b - a)) * (wide - edge.left - edge.right);
  };
  const up = (y) => {
    const [a, b] = model.get("y_range");
    return high - edge.bottom - ((y - a) / (b - a)) * (high - edge.top - edge.bottom);
  };
  const where = (x, y) => {
    const [cx, cy] = cross();
    return y >= cy ? (x >= cx ? "keep_up" : "concentrate") : x >= cx ? "overkill" : "low_priority";
  };

  function ticks(a, b) {
    const raw = (b - a) / 5, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= raw);
    const found = [];
    for (let t = Math.ceil(a / step) * step; t <= b + 1e-9; t += step) found.push(+t.toFixed(6));
    return found;
  }

  function boxes(pen, points, corners) {
    // names beside their points, at the first of the places that is free of points, names and corners
    const taken = points.map((p) => [across(p.x) - 9, up(p.y) - 9, across(p.x) + 9, up(p.y) + 9]);
    taken.push(...corners);
    return points.map((p, k) => {
      const long = pen.measureText(p.name).width, x = across(p.x), y = up(p.y);
      let best = null, least = Infinity;
      for (const [dx, dy] of [[13, 0], [-13 - long, 0], [-long / 2, -20], [-long / 2, 20], [10, -17], [10, 17],
        [-10 - long, -17], [-10 - long, 17]]) {
        const own = [x + dx, y + dy - 10, x + dx + long, y + dy + 10];
        let cost = 50 * (Math.max(0, edge.left - own[0]) + Math.max(0, own[2] - wide + edge.right)
          + Math.max(0, edge.top - own[1]) + Math.max(0, own[3] - high + edge.bottom));
        taken.forEach((other, j) => {
          if (j === k) return;
          cost += Math.max(0, Math.min(own[2], other[2]) - Math.max(own[0], other[0]))
            * Math.max(0, Math.min(own[3], other[3]) - Math.max(own[1], other[1]));
        });
        if (cost < least) [best, least] = [[x + dx, y + dy, own], cost];
      }
      taken.push(best[2]);
      return best;
    });
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1, points = model.get("points");
    wide = box.clientWidth || 520;
    high = Math.max(330, Math.min(680, wide * 0.82));
    canvas.width = wide * ratio;
    canvas.height = high * ratio;
    canvas.style.height = `${high}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, wide, high);
    const [cx, cy] = cross(), x = across(cx), y = up(cy);
    const l = edge.left, r = wide - edge.right, t = edge.top, b = high - edge.bottom;
    const parts = { concentrate: [l, t, x, y], keep_up: [x, t, r, y], low_priority: [l, y, x, b], overkill: [x, y, r, b] };
    const names = model.get("quadrants");
    for (const [key, [x0, y0, x1, y1]] of Object.entries(parts)) {
      pen.fillStyle = TINTS[key];
      pen.fillRect(x0, y0, x1 - x0, y1 - y0);
    }
    pen.font = `14px ${FONT}`;
    pen.fillStyle = "#333";
    pen.strokeStyle = "#dddddd";
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    for (const v of ticks(...model.get("x_range"))) {
      pen.textAlign = "center";
      pen.fillText(String(v), across(v), b + 13);
    }
    for (const v of ticks(...model.get("y_range"))) {
      pen.textAlign = "right";
      pen.fillText(String(v), l - 7, up(v));
    }
    pen.font = `16px ${FONT}`;
    pen.textAlign = "center";
    pen.fillText(model.get("x_label"), (l + r) / 2, high - 12);
    pen.save();
    pen.translate(14, (t + b) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(model.get("y_label"), 0, 0);
    pen.restore();
    const corners = [];
    for (const [key, [x0, y0, x1, y1]] of Object.entries(parts)) {
      const right = key === "keep_up" || key === "overkill", upper = key === "keep_up" || key === "concentrate";
      if (Math.abs(y1 - y0) < 24) continue;
      const words = names[key] || key, room = Math.abs(x1 - x0) - 14;
      // a narrow field takes smaller words rather than a part of them
      pen.font = `600 15px ${FONT}`;
      const size = Math.max(10, Math.min(15, (15 * room) / pen.measureText(words).width));
      pen.font = `600 ${size}px ${FONT}`;
      const long = Math.min(pen.measureText(words).width, room), middle = upper ? y0 + 14 : y1 - 12;
      corners.push(right ? [x1 - 7 - long, middle - 9, x1 - 7, middle + 9] : [x0 + 7, middle - 9, x0 + 7 + long, middle + 9]);
      pen.save();
      pen.beginPath();
      pen.rect(x0, y0, x1 - x0, y1 - y0);
      pen.clip();
      pen.textAlign = right ? "right" : "left";
      pen.fillStyle = COLOURS[key];
      pen.fillText(words, right ? x1 - 7 : x0 + 7, middle);
      pen.restore();
    }
    pen.strokeStyle = "#1b1b1b";
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(x, t);
    pen.lineTo(x, b);
    pen.moveTo(l, y);
    pen.lineTo(r, y);
    pen.stroke();
    pen.fillStyle = "#fff";
    pen.beginPath();
    pen.arc(x, y, 8, 0, 7);
    pen.fill();
    pen.stroke();
    if (model.get("truth")) {
      pen.strokeStyle = "#000";
      pen.lineWidth = 1.6;
      for (const p of points) {
        const [u, v] = [across(p.true_x), up(p.true_y)];
        pen.setLineDash([4, 3]);
        pen.beginPath();
        pen.moveTo(across(p.x), up(p.y));
        pen.lineTo(u, v);
        pen.stroke();
        pen.beginPath();
        pen.arc(u, v, 6, 0, 7);
        pen.stroke();
        pen.setLineDash([]);
      }
    }
    const first = model.get("first");
    for (const p of points) {
      const colour = COLOURS[where(p.x, p.y)];
      pen.strokeStyle = colour;
      pen.globalAlpha = 0.4;
      pen.lineWidth = 2.5;
      if (p.low_x !== undefined) {
        pen.beginPath();
        pen.moveTo(across(p.low_x), up(p.y));
        pen.lineTo(across(p.high_x), up(p.y));
        pen.moveTo(across(p.x), up(p.low_y));
        pen.lineTo(across(p.x), up(p.high_y));
        pen.stroke();
      }
      pen.globalAlpha = 1;
      pen.fillStyle = colour;
      pen.beginPath();
      pen.arc(across(p.x), up(p.y), 7.5, 0, 7);
      pen.fill();
      if (!own && p.key === first) {
        pen.lineWidth = 2.5;
        pen.beginPath();
        pen.arc(across(p.x), up(p.y), 12.5, 0, 7);
        pen.stroke();
      }
    }
    pen.font = `600 15px ${FONT}`;
    pen.textAlign = "left";
    boxes(pen, points, corners).forEach(([u, v], k) => {
      pen.lineWidth = 3.5;
      pen.strokeStyle = "rgba(255,255,255,0.9)";
      pen.strokeText(points[k].name, u, v);
      pen.fillStyle = COLOURS[where(points[k].x, points[k].y)];
      pen.fillText(points[k].name, u, v);
    });
    canvas.setAttribute("aria-label", `${model.get("label")}: ${cx.toPrecision(3)}, ${cy.toPrecision(3)}`);
  }

  let waiting = 0, sending = 0;
  const soon = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  };
  function move(x, y, last) {
    const inside = (v, [a, b]) => Math.max(a, Math.min(b, v));
    own = [inside(x, model.get("x_range")), inside(y, model.get("y_range"))];
    clearTimeout(sending);
    const send = () => {
      model.set("cross", own.map((v) => +v.toFixed(3)));
      model.save_changes();
      own = null;
      soon();
    };
    // the words follow a little behind the hand
    if (last) send();
    else sending = setTimeout(send, 150);
    soon();
  }
  function hand(event, last) {
    const at = canvas.getBoundingClientRect(), [xa, xb] = model.get("x_range"), [ya, yb] = model.get("y_range");
    const x = xa + ((event.clientX - at.left - edge.left) / (wide - edge.left - edge.right)) * (xb - xa);
    const y = ya + ((high - edge.bottom - event.clientY + at.top) / (high - edge.top - edge.bottom)) * (yb - ya);
    move(x, y, last);
  }
  let held = false;
  canvas.addEventListener("pointerdown", (event) => {
    held = true;
    canvas.setPointerCapture(event.pointerId);
    hand(event, false);
  });
  canvas.addEventListener("pointermove", (event) => held && hand(event, false));
  canvas.addEventListener("pointerup", (event) => {
    if (held) hand(event, true);
    held = false;
  });
  canvas.addEventListener("pointercancel", () => {
    held = false;
  });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const [xa, xb] = model.get("x_range"), [ya, yb] = model.get("y_range"), step = event.shiftKey ? 0.05 : 0.01;
    const [cx, cy] = cross();
    move(cx + way[0] * step * (xb - xa), cy + way[1] * step * (yb - ya), false);
  });
  for (const what of ["points", "cross", "truth", "first", "quadrants", "x_range", "y_range"]) {
    model.on(`change:${what}`, soon);
  }
  const size = new ResizeObserver(soon);
  size.observe(box);
  soon();
  return () => {
    clearTimeout(sending);
    size.disconnect();
  };
}

export default { render };
