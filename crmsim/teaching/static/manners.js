// Names for screen readers: ipywidgets draws labels beside its controls without saying whose they are.
function text(node) {
  return node ? node.textContent.replace(/\s+/g, " ").trim() : "";
}

// the buttons of a player show a picture only
const PLAYER = {
  "fa-play": ["Play", "播放"], "fa-pause": ["Pause", "暂停"], "fa-stop": ["Stop", "停止"],
  "fa-retweet": ["Repeat", "循环播放"], "fa-repeat": ["Repeat", "循环播放"],
};

function tidy(page) {
  const chinese = page.getAttribute("lang") === "zh-CN" ? 1 : 0;
  for (const button of page.querySelectorAll(".widget-play button, button.jupyter-button")) {
    const icon = button.querySelector("i");
    const known = icon && Object.keys(PLAYER).find((name) => icon.classList.contains(name));
    if (!known || button.textContent.trim()) continue;
    const label = PLAYER[known][chinese];
    if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
  }
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
    let waiting;
    const start = () => {
      const page = el.closest(".cs-page");
      if (!page) {
        // a machine at work may take long to put the page together
        waiting = setTimeout(start, 100);
        return;
      }
      const speak = () => {
        page.setAttribute("lang", model.get("language") === "zh" ? "zh-CN" : "en");
        tidy(page);
      };
      speak();
      // What changed while a front end was still fetching the page is lost to it: ask for it once more.
      model.send({ here: true });
      model.on("change:language", speak);
      tidy(page);
      observer = new MutationObserver(() => tidy(page));
      // a player's picture changes by its class
      observer.observe(page, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
    };
    waiting = setTimeout(start, 0);
    return () => {
      clearTimeout(waiting);
      if (observer) observer.disconnect();
    };
  },
};
