// Names for screen readers: ipywidgets draws labels beside its controls without saying whose they are.
function text(node) {
  return node ? node.textContent.replace(/\s+/g, " ").trim() : "";
}

function tidy(page) {
  for (const control of page.querySelectorAll(".cs-control")) {
    const name = text(control.querySelector(".cs-label, .cs-statement"));
    const unit = text(control.querySelector(".cs-unit"));
    if (!name) continue;
    const label = unit ? `${name}, ${unit}` : name;
    for (const part of control.querySelectorAll("[role=slider], .noUi-handle, input, select, .widget-readout")) {
      if (part.getAttribute("aria-label") !== label) part.setAttribute("aria-label", label);
    }
  }
  for (const readout of page.querySelectorAll(".widget-readout[contenteditable=true]")) {
    if (!readout.hasAttribute("role")) readout.setAttribute("role", "textbox");
  }
}

export default {
  render({ model, el }) {
    el.style.display = "none";
    let observer;
    let tries = 0;
    const start = () => {
      const page = el.closest(".cs-page");
      if (!page) {
        if (tries++ < 50) setTimeout(start, 100);
        return;
      }
      const speak = () => page.setAttribute("lang", model.get("language") === "zh" ? "zh-CN" : "en");
      speak();
      model.on("change:language", speak);
      tidy(page);
      observer = new MutationObserver(() => tidy(page));
      observer.observe(page, { childList: true, subtree: true });
    };
    setTimeout(start, 0);
    return () => observer && observer.disconnect();
  },
};
