// Customers as dots on the floors of a tower. Python sends one byte a customer and month: 0 to 4 is the
// loyalty layer, 5 not a customer yet, 6 to 10 gone for a cause. Everything that moves is moved here.
const ABSENT = 5;
const calm = () => window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)").matches;

function bytes(view) {
  return view && view.buffer ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(0);
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

function render({ model, el }) {
  const words = model.get("words"), layers = model.get("layers"), causes = model.get("causes");
  const inks = [...model.get("layer_colours"), "#000", ...model.get("cause_colours")];
  const make = (tag, name, parent, more) => {
    const node = Object.assign(document.createElement(tag), more || {});
    if (name) node.className = name;
    parent.append(node);
    return node;
  };
  const box = make("div", "cs-crowd", el);
  const bar = make("div", "cs-crowd-bar", box);
  const play = make("button", "cs-crowd-play", bar, { type: "button" });
  const time = make("label", "cs-crowd-time", bar);
  time.append(words.month);
  const slide = make("input", "", time, { type: "range", min: 0, step: 1, value: 0 });
  slide.setAttribute("aria-label", words.month);
  const clock = make("output", "", time);
  const pace = make("label", "", bar);
  const speed = make("select", "", pace);
  for (const rate of [1, 2, 4, 8, 16]) make("option", "", speed, { value: rate, textContent: rate, selected: rate === 4 });
  speed.setAttribute("aria-label", words.speed);
  pace.append(words.speed);
  const worlds = make("span", "cs-crowd-worlds", bar);
  const lives = [words.without, words.with].map((text) => make("button", "", worlds, { type: "button", textContent: text }));
  const ask = make("label", "", bar);
  ask.append(words.follow);
  const number = make("input", "", ask, { type: "number", min: 0, step: 1 });
  number.setAttribute("aria-label", words.follow);
  const canvas = make("canvas", "", box);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  const follow = make("div", "cs-crowd-follow", box);
  follow.setAttribute("aria-live", "polite");
  const pen = canvas.getContext("2d");

  // the data, its counts, and where every dot is and wants to be
  let ids = [], sources = new Uint8Array(0), codes = [], months = 0, count = 0, counts = [];
  let here = new Float32Array(0), places = new Map(), column = new Int32Array(0), home = new Map();
  let plan = null, month = model.get("month"), world = model.get("world"), chosen = model.get("chosen");
  let playing = false, carried = 0, last = 0, frame = 0, jump = true, sent = -1;
  const rate = () => Number(speed.value);

  function read() {
    const before = new Map(ids.map((id, k) => [id, k])), old = here;
    ids = model.get("ids");
    sources = bytes(model.get("sources"));
    codes = [bytes(model.get("without")), bytes(model.get("with_policy"))];
    months = model.get("months");
    count = ids.length;
    here = new Float32Array(2 * count).fill(-1);
    for (let i = 0; i < count; i++) {
      const was = before.get(ids[i]);
      if (was !== undefined) here.set(old.subarray(2 * was, 2 * was + 2), 2 * i);
    }
    home = new Map(ids.map((id, k) => [id, k]));
    counts = codes.map((all) => {
      const found = [];
      for (let m = 0; m <= months; m++) {
        const row = new Int32Array(13);  // eleven codes, then who came by each of the two doors so far
        for (let i = 0, at = m * count; i < count; i++, at++) {
          row[all[at]]++;
          if (sources[i] && all[at] !== ABSENT) row[10 + sources[i]]++;
        }
        found.push(row);
      }
      return found;
    });
    slide.max = months;
    month = Math.min(month, months);
    plan = null;
  }

  // -- where things stand ------------------------------------------------------------------------
  // The largest dots for which every pile of every month of both worlds fits below its ceiling.
  function arrange() {
    const width = box.clientWidth || 860, small = width < 700;
    const height = Math.round(Math.max(330, Math.min(720, width * 0.505)));
    const left = small ? 104 : 156, right = small ? 132 : 190, entry = 54;
    const x0 = left, x1 = width - right, tall = height - entry;
    const least = 52;
    let found = null;
    for (let cell = 13; cell >= 2; cell -= 0.5) {
      const across = Math.max(1, Math.floor((x1 - x0 - 8) / cell));
      place(across);
      const rows = new Int32Array(5), pile = new Int32Array(5 * across);
      for (const all of codes) {
        for (let m = 0; m <= months; m++) {
          pile.fill(0);
          for (let i = 0, at = m * count; i < count; i++, at++) {
            const code = all[at];
            if (code < ABSENT) {
              const high = ++pile[code * across + column[i]];
              if (high > rows[code]) rows[code] = high;
            }
          }
        }
      }
      const need = [...rows].map((r) => Math.max(least, r * cell + 7));
      const sum = need.reduce((a, b) => a + b, 0);
      if (sum <= tall || cell === 2) {
        const spare = Math.max(0, tall - sum) / 5;
        let bottom = tall;
        const floors = need.map((h) => {
          const own = Math.min(h + spare, tall), floor = { bottom, top: bottom - own };
          bottom -= own;
          return floor;
        });
        found = { width, height, small, x0, x1, tall, cell, across, floors, entry };
        break;
      }
    }
    plan = found;
    plan.doors = causes.map((_, k) => ({
      x: x1 + 12, y: (k + 0.08) * (height / 5), w: 20, h: 0.84 * (height / 5),
    }));
    plan.gates = [0, 1].map((k) => ({ x: x0 + (0.06 + 0.5 * k) * (x1 - x0), y: tall + 12, w: 46, h: entry - 16 }));
    places = new Map();
    const ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    // A dot of each colour, drawn once: copying it is faster than drawing thousands of circles.
    plan.ratio = ratio;
    plan.stamps = inks.map((ink, code) => {
      const stamp = document.createElement("canvas"), r = Math.max(0.9, plan.cell * 0.43);
      stamp.width = stamp.height = Math.ceil((2 * r + 2) * ratio);
      const brush = stamp.getContext("2d");
      brush.fillStyle = code === ABSENT ? "#9a9a9a" : ink;
      brush.beginPath();
      brush.arc(stamp.width / 2, stamp.height / 2, r * ratio, 0, 7);
      brush.fill();
      return stamp;
    });
    jump = true;
  }

  // A column for life, so that who climbs goes straight up: filled evenly floor by floor at the start.
  function place(across) {
    column = new Int32Array(count);
    const next = new Int32Array(ABSENT + 1);
    for (let i = 0; i < count; i++) {
      const first = codes[0].length ? Math.min(codes[0][i], ABSENT) : ABSENT;
      column[i] = (next[first]++ * 7) % across;
    }
    if (across % 7 === 0) for (let i = 0; i < count; i++) column[i] = (column[i] + (i % 7)) % across;
  }

  function aims(m, w) {
    const key = 2 * m + w;
    if (places.has(key)) return places.get(key);
    const found = new Float32Array(2 * count), { cell, across, floors, x0, x1, doors, gates } = plan;
    const start = x0 + (x1 - x0 - across * cell) / 2, pile = new Int32Array(5 * across), all = codes[w];
    for (let i = 0, at = m * count; i < count; i++, at++) {
      const code = all[at];
      let x, y;
      if (code < ABSENT) {
        x = start + (column[i] + 0.5) * cell;
        y = floors[code].bottom - 3 - (pile[code * across + column[i]]++ + 0.5) * cell;
      } else {
        const door = code === ABSENT ? gates[sources[i] === 2 ? 1 : 0] : doors[code - 6];
        x = door.x + door.w / 2;
        y = door.y + door.h * (0.2 + 0.6 * ((i * 37) % 100) / 100);
      }
      found[2 * i] = x;
      found[2 * i + 1] = y;
    }
    if (places.size > 140) places.clear();
    places.set(key, found);
    return found;
  }

  // -- drawing -----------------------------------------------------------------------------------
  function write(text, x, y, font, colour, align) {
    pen.font = font;
    pen.fillStyle = colour;
    pen.textAlign = align || "left";
    pen.fillText(text, x, y);
  }

  function scene() {
    const { width, height, small, x0, x1, tall, floors, doors, gates } = plan;
    const row = counts[world][month], then = counts[world][Math.max(0, month - 1)];
    const face = "system-ui,'Noto Sans CJK SC','WenQuanYi Micro Hei',sans-serif";
    const size = small ? 12 : 14.5;
    pen.clearRect(0, 0, width, height);
    pen.textBaseline = "middle";
    const all = row.slice(0, 5).reduce((a, b) => a + b, 0);
    floors.forEach((floor, k) => {
      pen.fillStyle = k % 2 ? "#f3f6f9" : "#f9fafb";
      pen.fillRect(x0, floor.top, x1 - x0, floor.bottom - floor.top);
      pen.fillStyle = inks[k];
      pen.fillRect(x0 - 6, floor.top + 1, 6, floor.bottom - floor.top - 2);
      const middle = (floor.top + floor.bottom) / 2, lines = layers[k], step = size + 3;
      const first = middle - (lines.length * step) / 2 - 2;
      lines.forEach((line, n) => write(line, x0 - 14, first + n * step, `${n ? "" : "600 "}${size}px ${face}`, n ? "#4a4a4a" : "#1b1b1b", "right"));
      const share = all ? Math.round((100 * row[k]) / all) : 0;
      write(`${row[k]} · ${share} %`, x0 - 14, first + lines.length * step + 1, `600 ${size + 1}px ${face}`, "#0a3a75", "right");
    });
    pen.fillStyle = "#5a5a5a";
    pen.fillRect(x0 - 6, tall, x1 - x0 + 6, 2);
    causes.forEach((lines, k) => {
      const door = doors[k], now = row[6 + k] - then[6 + k];
      pen.fillStyle = inks[6 + k];
      pen.fillRect(door.x, door.y, door.w, door.h);
      pen.fillStyle = "#fff";
      pen.beginPath();
      pen.arc(door.x + door.w - 6, door.y + door.h / 2, 2.4, 0, 7);
      pen.fill();
      const x = door.x + door.w + 8, middle = door.y + door.h / 2, step = size + 3;
      const first = middle - ((lines.length + 1) * step) / 2 + step / 2;
      lines.forEach((line, n) => write(line, x, first + n * step, `${n ? "" : "600 "}${size - (line.length > 16 ? 1.5 : 0)}px ${face}`, n ? "#4a4a4a" : "#1b1b1b"));
      write(`${row[6 + k]}${now > 0 ? `  +${now}` : ""}`, x, first + lines.length * step + 2, `600 ${size + 2}px ${face}`, "#1b1b1b");
    });
    gates.forEach((gate, k) => {
      const now = row[11 + k] - then[11 + k];
      pen.fillStyle = "#3d3d3d";
      pen.fillRect(gate.x, gate.y, gate.w, gate.h);
      pen.fillStyle = "#fff";
      pen.beginPath();
      pen.moveTo(gate.x + gate.w / 2, gate.y + 8);
      pen.lineTo(gate.x + gate.w / 2 + 8, gate.y + gate.h - 10);
      pen.lineTo(gate.x + gate.w / 2 - 8, gate.y + gate.h - 10);
      pen.fill();
      write(k ? words.referred : words.won, gate.x + gate.w + 8, gate.y + gate.h / 2 - 9, `600 ${size}px ${face}`, "#1b1b1b");
      write(`${row[11 + k]}${now > 0 ? `  +${now}` : ""}`, gate.x + gate.w + 8, gate.y + gate.h / 2 + 10, `600 ${size + 1}px ${face}`, "#1b1b1b");
    });
    write(words.arrive, x0 - 14, tall + 32, `${size}px ${face}`, "#4a4a4a", "right");
  }

  // Moves every dot a step towards its place and draws all; true while something still moves.
  function draw(share) {
    if (!plan) arrange();
    scene();
    const aim = aims(month, world), all = codes[world], at = month * count;
    const r = Math.max(0.9, plan.cell * 0.43), side = plan.stamps[0].width / plan.ratio;
    let moving = false;
    for (let i = 0; i < count; i++) {
      const k = 2 * i, code = all[at + i];
      let dx = aim[k] - here[k], dy = aim[k + 1] - here[k + 1];
      if (share >= 1 || jump || here[k] < 0) {
        here[k] = aim[k];
        here[k + 1] = aim[k + 1];
        dx = dy = 0;
      } else if (dx * dx + dy * dy > 0.16) {
        here[k] += dx * share;
        here[k + 1] += dy * share;
        moving = true;
      } else if (dx || dy) {
        here[k] = aim[k];
        here[k + 1] = aim[k + 1];
      }
      if (code >= ABSENT && dx * dx + dy * dy < 30) continue;  // through the door
      pen.drawImage(plan.stamps[code], here[k] - side / 2, here[k + 1] - side / 2, side, side);
    }
    if (chosen >= 0 && chosen < count) {
      const x = here[2 * chosen], y = here[2 * chosen + 1];
      pen.lineWidth = 5;
      pen.strokeStyle = "#fff";
      pen.beginPath();
      pen.arc(x, y, r + 6, 0, 7);
      pen.stroke();
      pen.lineWidth = 3;
      pen.strokeStyle = "#d55e00";
      pen.stroke();
      const text = `#${ids[chosen]}`, face = "600 14px system-ui,sans-serif";
      pen.font = face;
      const wide = pen.measureText(text).width + 10, from = x + r + 10 + wide < plan.width ? x + r + 10 : x - r - 10 - wide;
      pen.fillStyle = "rgba(255,255,255,0.92)";
      pen.fillRect(from, y - 11, wide, 22);
      write(text, from + 5, y, face, "#a63f00");
    }
    jump = false;
    return moving;
  }

  function tick(now) {
    frame = 0;
    if (!count) return;
    const past = Math.min(0.1, last ? (now - last) / 1000 : 0.016);
    last = now;
    if (playing) {
      carried += past * rate();
      if (carried >= 1) {
        const steps = Math.floor(carried);
        carried -= steps;
        month = Math.min(months, month + steps);
        if (month >= months) pause();
        tell();
      }
    }
    const moving = draw(calm() ? 1 : 1 - Math.exp(-past * Math.max(5, 2.2 * rate())));
    if (playing || moving) frame = requestAnimationFrame(tick);
    else last = 0;
  }
  const soon = () => {
    if (!frame) frame = requestAnimationFrame(tick);
  };

  // -- what is said ------------------------------------------------------------------------------
  function life(w) {
    const all = codes[w], seen = [];
    for (let m = 0; m <= months; m++) seen.push(all[m * count + chosen]);
    return seen;
  }

  function story(seen) {
    const first = seen.findIndex((code) => code !== ABSENT);
    if (first < 0) return words.not_here;
    const end = seen.findIndex((code, m) => m >= first && code > ABSENT);
    const back = end >= 0 && seen.slice(end).some((code) => code < ABSENT);
    const left = end >= 0 && !back ? `${fill(words.left, { month: end - 1 })} · ${causes[seen[end] - 6][0]}` : words.stays;
    return left;
  }

  function ribbon(seen) {
    const strip = document.createElement("canvas"), ratio = window.devicePixelRatio || 1;
    const wide = Math.max(200, (box.clientWidth || 800) * 0.22), one = wide / seen.length;
    strip.width = wide * ratio;
    strip.height = 16 * ratio;
    strip.style.cssText = `width:${wide}px;height:16px;flex:0 0 auto`;
    const ink = strip.getContext("2d");
    ink.scale(ratio, ratio);
    seen.forEach((code, m) => {
      if (code < ABSENT) {
        ink.fillStyle = inks[code];
        ink.fillRect(Math.floor(m * one), 2, Math.ceil(one) + 1, 12);
      } else if (code > ABSENT && m && seen[m - 1] < ABSENT) {
        ink.fillStyle = inks[code];
        ink.fillRect(m * one, 0, 5, 16);
      }
    });
    ink.fillStyle = "#d55e00";
    ink.fillRect(month * one, 0, 2, 16);
    return strip;
  }

  let told = "";
  function tell() {
    slide.value = month;
    clock.textContent = `${month} / ${months}`;
    play.textContent = playing ? `❚❚ ${words.pause}` : month >= months && months ? `↻ ${words.again}` : `▶ ${words.play}`;
    lives.forEach((button, k) => button.setAttribute("aria-pressed", String(k === world)));
    if (!count) return;
    const row = counts[world][month], sum = row.slice(0, 5).reduce((a, b) => a + b, 0);
    const floors = layers.map((names, k) => `${names[0]} ${row[k]}`).join(", ");
    canvas.setAttribute("aria-label", `${words.label}. ${words.month} ${month}: ${sum} ${words.customers}; ${floors}`);
    const key = `${chosen}/${month}/${model.get("version")}`;
    if (key === told) return;
    told = key;
    follow.replaceChildren();
    if (chosen < 0 || chosen >= count) {
      follow.textContent = number.value && !home.has(Number(number.value)) ? words.unknown : words.nobody;
      follow.setAttribute("aria-live", "polite");
      return;
    }
    // The ribbons change with every month: not to be read aloud while playing.
    follow.setAttribute("aria-live", playing ? "off" : "polite");
    const source = sources[chosen] ? [words.won, words.referred][sources[chosen] - 1] : "";
    [words.without, words.with].forEach((name, w) => {
      const line = make("div", "", follow), seen = life(w), now = seen[month];
      line.style.cssText = `display:flex;flex-wrap:wrap;align-items:center;gap:0 10px;font-size:15px;line-height:1.3;${w === world ? "font-weight:600" : ""}`;
      const head = make("span", "", line, { textContent: `#${ids[chosen]} ${name}` });
      head.style.cssText = "flex:0 0 206px";
      line.append(ribbon(seen));
      const standing = now < ABSENT ? layers[now][0] : "";
      make("span", "", line, { textContent: [source, standing, story(seen)].filter(Boolean).join(" · ") });
    });
  }

  function report() {
    const now = `${month}/${world}/${chosen}`;
    if (sent === now) return;
    sent = now;
    model.set({ month, world, chosen });
    model.save_changes();
  }

  // -- what the reader does ----------------------------------------------------------------------
  function pause() {
    playing = false;
    carried = 0;
    told = "";
    tell();
    report();
  }
  function start() {
    if (month >= months) month = 0;
    playing = true;
    told = "";
    tell();
    soon();
  }
  const toggle = () => (playing ? pause() : start());
  function go(to) {
    month = Math.max(0, Math.min(months, to));
    playing = false;
    carried = 0;
    tell();
    soon();
  }
  function pursue(k) {
    chosen = k;
    told = "";
    if (k >= 0) number.value = ids[k];
    tell();
    soon();
    report();
  }
  play.addEventListener("click", toggle);
  slide.addEventListener("input", () => go(Number(slide.value)));
  slide.addEventListener("change", report);
  lives.forEach((button, k) => button.addEventListener("click", () => {
    world = k;
    told = "";
    tell();
    soon();
    report();
  }));
  number.addEventListener("change", () => {
    const found = home.get(Number(number.value));
    pursue(number.value !== "" && found !== undefined ? found : -1);
  });
  canvas.addEventListener("click", (event) => {
    const frame = canvas.getBoundingClientRect(), x = event.clientX - frame.left, y = event.clientY - frame.top;
    let best = -1, near = Math.max(12, plan.cell) ** 2;
    for (let i = 0; i < count; i++) {
      if (codes[world][month * count + i] >= ABSENT) continue;
      const far = (here[2 * i] - x) ** 2 + (here[2 * i + 1] - y) ** 2;
      if (far < near) [best, near] = [i, far];
    }
    if (best < 0) number.value = "";
    pursue(best);
  });
  box.addEventListener("keydown", (event) => {
    const own = ["INPUT", "SELECT"].includes(event.target.tagName);
    if (event.key === " " && (event.target === canvas || event.target === slide || event.target === box)) toggle();
    else if (event.key === "ArrowRight" && !own) (go(month + 1), report());
    else if (event.key === "ArrowLeft" && !own) (go(month - 1), report());
    else if (event.key === "Home" && !own) (go(0), report());
    else if (event.key === "End" && !own) (go(months), report());
    else if (event.key === "Escape") {
      number.value = "";
      pursue(-1);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // Notebooks have their own keys for a selected cell.
  box.dataset.lmSuppressShortcuts = "true";

  model.on("change:version", () => {
    read();
    chosen = model.get("chosen");
    month = Math.min(model.get("month"), months);
    told = "";
    tell();
    soon();
  });
  for (const what of ["month", "world", "chosen"]) {
    model.on(`change:${what}`, () => {
      if (model.get("month") !== month && !playing) month = Math.min(model.get("month"), months);
      world = model.get("world");
      chosen = model.get("chosen");
      tell();
      soon();
    });
  }
  let wide = 0;
  const size = new ResizeObserver(() => {
    if (box.clientWidth === wide || !count) return;
    wide = box.clientWidth;
    plan = null;
    told = "";
    tell();
    soon();
  });
  read();
  tell();
  size.observe(box);
  soon();
  return () => {
    size.disconnect();
    cancelAnimationFrame(frame);
  };
}

export default { render };
