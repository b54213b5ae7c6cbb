// Rows of monthly tiles on a canvas; a row can be chosen with the mouse or the arrow keys.
const MARKS = ["", "N", "C", "F", "P", "R"];

// black or white, whichever reads better on the colour
function ink(colour) {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16) / 255);
  return 0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2 > 0.18 ? "#000" : "#fff";
}

function render({ model, el }) {
  const box = document.createElement("div");
  box.style.cssText = "width:100%;font:14px system-ui,sans-serif;color:#1b1b1b";
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "spinbutton");
  canvas.setAttribute("aria-valuemin", "0");
  canvas.style.cssText = "width:100%;display:block;cursor:pointer";
  const said = document.createElement("div");
  said.setAttribute("aria-live", "polite");
  said.style.cssText = "min-height:20px;margin-top:4px";
  const legend = document.createElement("div");
  legend.style.cssText = "display:grid;grid-template-columns:repeat(auto-fill,minmax(158px,1fr));gap:2px 8px;"
    + "margin-top:4px;color:#333;font-size:13px;line-height:1.25";
  box.append(canvas, said, legend);
  el.append(box);

  function key(colour, text, mark) {
    const item = document.createElement("span");
    item.style.cssText = "display:flex;align-items:flex-start";
    const spot = document.createElement("span");
    spot.style.cssText = `flex:0 0 15px;width:15px;height:15px;margin-right:5px;background:${colour};`
      + `color:${ink(colour)};font-size:11px;font-weight:700;line-height:15px;text-align:center;vertical-align:-2px;`
      + (mark ? "border-radius:8px" : "");
    spot.textContent = mark || "";
    item.append(spot, text);
    legend.append(item);
  }

  function name(row) {
    const names = model.get("names"), [month, cause] = model.get("exits")[row] || [-1, 0];
    const end = month >= 0 ? `✕ ${month + 1}: ${model.get("causes")[cause - 1]}` : "✓";
    return `#${names[row]}  ${end}`;
  }

  function draw() {
    const rows = model.get("rows"), exits = model.get("exits"), colours = model.get("layer_colours");
    const chosen = model.get("chosen");
    const width = box.clientWidth || 480, ratio = window.devicePixelRatio || 1;
    const left = 34, tall = Math.max(14, Math.min(20, width / 26));
    const months = rows.length ? rows[0].length : 1;
    const wide = (width - left - 12) / months, height = rows.length * tall + 20;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, width, height);
    pen.textBaseline = "middle";
    rows.forEach((row, r) => {
      const y = r * tall;
      pen.fillStyle = r === chosen ? "#000" : "#5a5a5a";
      pen.font = `${r === chosen ? "bold " : ""}12px system-ui,sans-serif`;
      pen.textAlign = "right";
      pen.fillText(model.get("names")[r], left - 6, y + tall / 2);
      for (let m = 0; m < row.length; m++) {
        if (row[m] === ".") continue;
        pen.fillStyle = colours[+row[m]];
        pen.fillRect(left + m * wide, y + 1, Math.ceil(wide) - 0.5, tall - 2);
      }
      const [month, cause] = exits[r] || [-1, 0];
      if (month >= 0) {
        const x = left + (month + 1) * wide + 2;
        pen.fillStyle = model.get("cause_colours")[cause - 1];
        pen.beginPath();
        pen.arc(x + 5, y + tall / 2, tall / 2 - 1, 0, 7);
        pen.fill();
        pen.fillStyle = ink(model.get("cause_colours")[cause - 1]);
        pen.font = "bold 11px system-ui,sans-serif";
        pen.textAlign = "center";
        pen.fillText(MARKS[cause], x + 5, y + tall / 2 + 0.5);
      }
      if (r === chosen) {
        pen.strokeStyle = "#d55e00";
        pen.lineWidth = 2;
        pen.strokeRect(left - 1, y, width - left - 1, tall);
      }
    });
    pen.fillStyle = "#5a5a5a";
    pen.font = "12px system-ui,sans-serif";
    pen.textAlign = "center";
    for (let m = 0; m <= months; m += 12) pen.fillText(String(m), left + m * wide, rows.length * tall + 10);
    const stay = exits.filter((e) => e[0] < 0).length;
    canvas.setAttribute("aria-label", `${model.get("label")}: ${stay} / ${rows.length} ✓`);
    canvas.setAttribute("aria-valuemax", String(rows.length - 1));
    canvas.setAttribute("aria-valuenow", String(Math.max(0, chosen)));
    canvas.setAttribute("aria-valuetext", chosen >= 0 && chosen < rows.length ? name(chosen) : "–");
    said.textContent = chosen >= 0 && chosen < rows.length ? name(chosen) : "";
  }

  function choose(row) {
    const last = model.get("rows").length - 1;
    model.set("chosen", Math.max(0, Math.min(last, row)));
    model.save_changes();
  }
  canvas.addEventListener("click", (event) => {
    const at = canvas.getBoundingClientRect();
    const tall = (at.height - 20) / Math.max(1, model.get("rows").length);
    choose(Math.floor((event.clientY - at.top) / tall));
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(model.get("chosen") + step);
  });
  model.get("layers").forEach((text, k) => key(model.get("layer_colours")[k], text, ""));
  model.get("causes").forEach((text, k) => key(model.get("cause_colours")[k], text, MARKS[k + 1]));
  let waiting = 0;
  const soon = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  };
  for (const what of ["rows", "exits", "names", "chosen"]) model.on(`change:${what}`, soon);
  const size = new ResizeObserver(soon);
  size.observe(box);
  soon();
  return () => size.disconnect();
}

export default { render };
