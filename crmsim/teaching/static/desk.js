// A day at the hotline: the line, the seats, those who hung up; the clock can be played, stopped and moved.
const COLOUR = { question: "#0072b2", problem: "#d55e00", lost: "#a63f00", seat: "#5a5a5a", soft: "#d4d4d4", ink: "#1b1b1b" };
const HOURS_A_SECOND = [0.1, 0.25, 0.5, 1];

function render({ model, el }) {
  const box = document.createElement("div");
  box.style.cssText = "width:100%;font:15px system-ui,sans-serif;color:#1b1b1b";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.style.cssText = "width:100%;display:block";
  const bar = document.createElement("div");
  bar.style.cssText = "display:flex;gap:8px;align-items:center;margin-top:4px";
  const play = document.createElement("button");
  const clock = document.createElement("input");
  const speed = document.createElement("select");
  play.type = "button";
  play.style.cssText = "min-width:44px;height:34px;font-size:17px;border:1px solid #888;border-radius:6px;background:#eee;cursor:pointer";
  clock.type = "range";
  clock.style.cssText = "flex:1 1 auto;height:30px";
  speed.style.cssText = "height:34px;font-size:15px";
  bar.append(play, clock, speed);
  const said = document.createElement("div");
  said.setAttribute("aria-live", "polite");
  said.style.cssText = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)";
  box.append(canvas, bar, said);
  el.append(box);

  const still = window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let now = -1, running = !still, last = 0, frame = 0, line = [], places = new Map();
  const words = (name) => model.get("words")[name] || "";
  const hour = (t) => {
    const minutes = Math.round(t * 60);
    return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
  };

  // length of the line after each change, for the strip below
  function prepare() {
    const d = model.get("day");
    line = [];
    if (!d.arrives) return;
    const changes = [];
    d.arrives.forEach((t, k) => {
      const out = d.kind[k] === 0 ? d.begins[k] : d.leaves[k];
      if (out > t) changes.push([t, 1], [out, -1]);
    });
    changes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    let n = 0;
    for (const [t, step] of changes) line.push([t, (n += step)]);
    clock.min = d.opens;
    clock.max = end(d);
    clock.step = 1 / 60;
    if (now < d.opens || now > end(d)) now = still ? end(d) : d.opens;
    const keep = speed.value || "1";
    speed.replaceChildren(...HOURS_A_SECOND.map((each, k) => {
      const option = document.createElement("option");
      option.value = String(k);
      option.textContent = words("speed").replace("{n}", String(Math.round(each * 60)));
      return option;
    }));
    speed.value = keep;
    speed.setAttribute("aria-label", words("faster"));
    clock.setAttribute("aria-label", words("clock"));
  }

  function end(d) {
    return Math.max(d.closes, ...d.leaves.slice(-40)) + 1 / 60;
  }

  function count(d) {
    const found = { waiting: [], busy: {}, helped: 0, lost: 0, came: 0, waited: 0 };
    for (let k = 0; k < d.arrives.length && d.arrives[k] <= now; k++) {
      found.came++;
      if (d.kind[k] === 0) {
        if (d.begins[k] > now) found.waiting.push(k);
        else {
          found.waited += d.begins[k] - d.arrives[k];
          found.helped++;
          if (d.leaves[k] > now) found.busy[d.agent[k]] = k;
        }
      } else if (d.leaves[k] > now) found.waiting.push(k);
      else found.lost++;
    }
    return found;
  }

  function draw() {
    const d = model.get("day");
    // on a wide page everything grows
    const wide = box.clientWidth || 480, grown = Math.max(1, Math.min(1.8, wide / 480));
    const width = wide / grown, ratio = grown * (window.devicePixelRatio || 1);
    const height = Math.round(Math.min(400, Math.max(330, width * 0.78)));
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.height = `${height * grown}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, width, height);
    play.textContent = running ? "❚❚" : "▶";
    play.setAttribute("aria-label", words(running ? "pause" : "play"));
    if (!d.arrives) return;
    clock.value = now;
    clock.setAttribute("aria-valuetext", hour(now));
    const is = count(d);
    const font = (size, weight = "") => { pen.font = `${weight} ${size}px system-ui,sans-serif`; };
    const dot = (x, y, r, colour, ring) => {
      pen.beginPath();
      pen.arc(x, y, r, 0, 7);
      pen.fillStyle = colour;
      pen.fill();
      if (ring) { pen.strokeStyle = ring; pen.lineWidth = 2; pen.stroke(); }
    };
    const colour = (k) => (d.problem[k] ? COLOUR.problem : COLOUR.question);
    // who comes walks in from the left; who moves up glides, as long as the clock runs
    const seen = new Map();
    const glide = (k, x, y) => {
      const from = places.get(k) || [-12, y];
      const to = running ? [from[0] + 0.22 * (x - from[0]), from[1] + 0.22 * (y - from[1])] : [x, y];
      seen.set(k, to);
      return to;
    };

    // the clock and the counts
    pen.textBaseline = "alphabetic";
    pen.fillStyle = COLOUR.ink;
    font(32, "650");
    pen.textAlign = "left";
    pen.fillText(hour(now), 0, 32);
    const counts = [["waiting", is.waiting.length], ["helped", is.helped], ["lost", is.lost],
      ["wait", is.helped ? Math.round(3600 * is.waited / is.helped) : 0]];
    const place = (width - 122) / counts.length;
    counts.forEach(([name, n], k) => {
      const x = 122 + k * place;
      pen.fillStyle = name === "lost" && n ? COLOUR.lost : COLOUR.ink;
      font(24, "650");
      pen.fillText(name === "wait" ? words("seconds").replace("{n}", n) : String(n), x, 24);
      pen.fillStyle = "#5a5a5a";
      font(14);
      pen.fillText(words(name), x, 43);
    });

    // seats on the right, in a column or two
    const top = 58, strip = 96, floor = height - strip - 26;
    const rows = Math.min(d.agents, 4), columns = Math.ceil(d.agents / rows);
    const tall = Math.min(92, (floor - top - 10) / rows), seat = Math.min(34, tall / 2 - 4);
    const right = width - columns * (2 * seat + 24) - 4;
    for (let a = 0; a < d.agents; a++) {
      const x = right + 20 + seat + Math.floor(a / rows) * (2 * seat + 24);
      const y = top + (floor - top) / 2 + (a % rows - (rows - 1) / 2) * tall;
      pen.fillStyle = "#f2f2f2";
      pen.strokeStyle = COLOUR.seat;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.rect(x - seat, y - seat, 2 * seat, 2 * seat);
      pen.fill();
      pen.stroke();
      const k = is.busy[a];
      if (k !== undefined) {
        const [gx, gy] = glide(k, x, y);
        dot(gx, gy, seat * 0.42, colour(k));
        pen.beginPath();
        const part = (now - d.begins[k]) / Math.max(1e-9, d.leaves[k] - d.begins[k]);
        pen.arc(x, y, seat * 0.72, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * part);
        pen.strokeStyle = colour(k);
        pen.lineWidth = 4;
        pen.stroke();
      }
    }
    pen.fillStyle = "#5a5a5a";
    font(14);
    pen.textAlign = "right";
    pen.fillText(words("agents"), width - 2, top + 6);

    // the line: who has waited longest stands nearest to the seats; the longer, the redder the ring
    pen.textAlign = "left";
    pen.fillText(words("line"), 0, top + 6);
    const radius = 9, step = 24, across = Math.max(1, Math.floor((right - 10) / step));
    is.waiting.forEach((k, n) => {
      const row = Math.floor(n / across);
      const wanted = top + 44 + row * step;
      if (wanted > floor - 30) return;
      const [x, y] = glide(k, right - 10 - (n % across) * step, wanted);
      const minutes = 60 * (now - d.arrives[k]);
      dot(x, y, radius, colour(k), minutes > 5 ? COLOUR.ink : "#ffffff");
      if (minutes >= 1) {
        pen.fillStyle = "#ffffff";
        font(11, "700");
        pen.textAlign = "center";
        pen.fillText(String(Math.min(99, Math.floor(minutes))), x, y + 4);
      }
    });

    places = seen;

    // those who hung up lie on the floor
    pen.textAlign = "left";
    const spots = Math.max(1, Math.floor((right - 12) / 11));
    for (let n = 0; n < is.lost; n++) {
      const x = 5 + (n % spots) * 11, y = floor - 6 - Math.floor(n / spots) * 11;
      pen.strokeStyle = COLOUR.lost;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(x - 3, y - 3); pen.lineTo(x + 3, y + 3); pen.moveTo(x + 3, y - 3); pen.lineTo(x - 3, y + 3);
      pen.stroke();
    }
    pen.strokeStyle = COLOUR.soft;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, floor + 2); pen.lineTo(width, floor + 2);
    pen.stroke();

    // the day: length of the line, hung up as ticks
    const foot = height - 18, begin = d.opens, finish = Number(clock.max);
    const at = (t) => 24 + (width - 32) * (t - begin) / (finish - begin);
    const most = Math.max(2, ...line.map((point) => point[1]));
    const up = (n) => foot - (strip - 26) * n / most;
    for (const past of [false, true]) {
      pen.beginPath();
      pen.moveTo(at(begin), foot);
      let n = 0;
      for (const [t, after] of line) {
        if (past && t > now) break;
        pen.lineTo(at(t), up(n));
        pen.lineTo(at(t), up(after));
        n = after;
      }
      const to = past ? now : finish;
      pen.lineTo(at(to), up(past ? n : 0));
      pen.lineTo(at(to), foot);
      pen.fillStyle = past ? "#0072b2" : "#cfe0ee";
      pen.fill();
    }
    d.arrives.forEach((_, k) => {
      if (d.kind[k] === 1) {
        pen.strokeStyle = d.leaves[k] <= now ? COLOUR.lost : "#e3c4b3";
        pen.lineWidth = 2;
        pen.beginPath();
        pen.moveTo(at(d.leaves[k]), foot - strip + 22); pen.lineTo(at(d.leaves[k]), foot - strip + 30);
        pen.stroke();
      }
    });
    pen.strokeStyle = COLOUR.ink;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(at(now), foot - strip + 22); pen.lineTo(at(now), foot);
    pen.stroke();
    pen.fillStyle = "#5a5a5a";
    font(13);
    pen.textAlign = "right";
    pen.fillText(String(most), 20, up(most) + 5);
    pen.fillText("0", 20, foot + 2);
    pen.textAlign = "center";
    for (let t = Math.ceil(begin); t <= d.closes; t += 1) pen.fillText(String(t), at(t), height - 2);
    const told = words("told").replace("{time}", hour(now)).replace("{came}", is.came)
      .replace("{waiting}", is.waiting.length).replace("{lost}", is.lost);
    canvas.setAttribute("aria-label", told);
    if (!running && said.textContent !== told) said.textContent = told;
  }

  function tick(time) {
    const d = model.get("day");
    if (running && d.arrives) {
      if (last) now += Math.min(0.2, (time - last) / 1000) * HOURS_A_SECOND[Number(speed.value) || 0];
      last = time;
      if (now >= end(d)) { now = end(d); running = false; }
      draw();
      frame = requestAnimationFrame(tick);
    } else {
      last = 0;
      frame = 0;
      draw();
    }
  }
  const soon = () => { if (!frame) frame = requestAnimationFrame(tick); };
  play.addEventListener("click", () => {
    const d = model.get("day");
    running = !running;
    if (running && d.arrives && now >= end(d)) now = d.opens;
    last = 0;
    soon();
  });
  clock.addEventListener("input", () => { now = Number(clock.value); soon(); });
  const renew = () => { prepare(); soon(); };
  model.on("change:day", renew);
  model.on("change:words", renew);
  const size = new ResizeObserver(soon);
  size.observe(box);
  renew();
  return () => { size.disconnect(); cancelAnimationFrame(frame); };
}

export default { render };
