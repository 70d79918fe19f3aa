"use strict";
// What the page cannot do without a script. Each part looks for its elements and does nothing if they are missing.

(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const all = (selector, inside = document) => Array.from(inside.querySelectorAll(selector));

  /** Gives a sentence to screen readers. */
  function announce(sentence) {
    byId("announcer").textContent = sentence;
  }

  /** Shows the result of a click on the button for a moment. */
  function answer(button, word) {
    const label = button.dataset.label || button.textContent;
    button.dataset.label = label;
    button.textContent = word;
    announce(word);
    setTimeout(() => { button.textContent = label; }, 1500);
  }

  // The theme of the system is used until the user chooses one with the button. The choice is remembered if the browser allows it.
  const THEME = "fisherlens-theme";
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches;
  }

  function setUpTheme() {
    const button = byId("theme");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem(THEME, root.dataset.theme);
      } catch {
        // Private windows and some local files have no storage; then the choice is valid for this page only.
      }
      show();
    });
    systemIsDark.addEventListener("change", show);
    show();
  }

  // Contents: the section that is being read is marked.
  function setUpContents() {
    const links = new Map(all("nav a").map((link) => [link.getAttribute("href").slice(1), link]));
    const sections = all("main > section");
    if (!("IntersectionObserver" in window) || sections.length === 0) {
      return;
    }
    const visible = new Set();
    const mark = () => {
      const first = sections.find((section) => visible.has(section));
      if (!first) {
        return;
      }
      for (const [id, link] of links) {
        if (id === first.getAttribute("aria-labelledby")) {
          link.setAttribute("aria-current", "location");
        } else {
          link.removeAttribute("aria-current");
        }
      }
    };
    // A section counts as being read when it reaches the upper part of the window.
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          visible.add(entry.target);
        } else {
          visible.delete(entry.target);
        }
      }
      mark();
    }, { rootMargin: "-10% 0px -70% 0px" });
    sections.forEach((section) => observer.observe(section));
  }

  // Tables: copied as CSV or LaTeX; the page contains both texts.
  async function copy(text) {
    if (navigator.clipboard && window.isSecureContext) {
      try {
        await navigator.clipboard.writeText(text);
        return true;
      } catch {
        // The browser refused; try the old way.
      }
    }
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    area.setAttribute("aria-hidden", "true");
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    let isCopied = false;
    try {
      isCopied = document.execCommand("copy");
    } catch {
      isCopied = false;
    }
    area.remove();
    if (focused) {
      focused.focus({ preventScroll: true });
    }
    return isCopied;
  }

  function setUpTables() {
    for (const button of all("button[data-copy]")) {
      button.addEventListener("click", async () => {
        const holder = button.parentElement.querySelector(`template[data-text="${button.dataset.copy}"]`);
        const isCopied = await copy(holder.content.textContent);
        answer(button, isCopied ? "Copied" : "The browser refused to copy");
      });
    }
  }

  // Figures: saved with the colours and fonts of the style sheet, on a light background.
  const KEPT = ["fill", "stroke", "stroke-width", "stroke-linejoin", "stroke-linecap", "stroke-dasharray", "paint-order",
    "font-family", "font-size", "opacity", "fill-opacity", "stroke-opacity"];

  /** The figure as the text of a file. */
  function standalone(svg) {
    const theme = root.dataset.theme;
    root.dataset.theme = "light";
    const twin = svg.cloneNode(true);
    const twins = [twin, ...all("*", twin)];
    [svg, ...all("*", svg)].forEach((element, index) => {
      const style = getComputedStyle(element);
      for (const name of KEPT) {
        twins[index].setAttribute(name, style.getPropertyValue(name));
      }
    });
    const page = getComputedStyle(document.body).backgroundColor;
    root.dataset.theme = theme || "";
    const { width, height } = svg.viewBox.baseVal;
    twin.setAttribute("width", width / 4);
    twin.setAttribute("height", height / 4);
    twin.removeAttribute("style");
    twin.removeAttribute("class");
    const ground = document.createElementNS(svg.namespaceURI, "rect");
    ground.setAttribute("width", "100%");
    ground.setAttribute("height", "100%");
    ground.setAttribute("fill", page);
    twin.prepend(ground);
    return new XMLSerializer().serializeToString(twin);
  }

  function setUpFigures() {
    for (const button of all("button[data-save]")) {
      button.addEventListener("click", () => {
        const svg = button.closest("figure").querySelector("svg.chart");
        const blob = new Blob([standalone(svg)], { type: "image/svg+xml" });
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = button.dataset.save;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
        answer(button, "Saved");
      });
    }
  }

  // The gallery: which examples are shown, by which rule, and how. The address contains the state, so that it can be linked to.
  const START = "#examples?";

  function setUpGallery() {
    const form = byId("filters");
    const gallery = byId("gallery");
    if (!form || !gallery) {
      return;
    }
    const selects = all("select[data-filter]", form);
    const radios = all('input[name="rule"]', form);
    const positive = byId("positive-only");
    const opacity = byId("opacity");
    const examples = all(".example", gallery);
    const groups = all(".group", gallery).reverse();
    const firstRule = radios.find((radio) => radio.defaultChecked);

    function filter() {
      let n = 0;
      for (const example of examples) {
        const isShown = selects.every((select) => !select.value || example.dataset[select.dataset.filter] === select.value);
        example.hidden = !isShown;
        n += isShown ? 1 : 0;
      }
      for (const group of groups) {
        group.hidden = !group.querySelector(".example:not([hidden])");
      }
      const sentence = `${n} of ${examples.length} examples`;
      if (byId("shown").textContent !== sentence) {
        byId("shown").textContent = sentence;
      }
    }

    function draw() {
      const rule = radios.find((radio) => radio.checked);
      if (rule) {
        for (const kind of [".heatmap", ".over"]) {
          for (const pictures of all(".pictures", gallery)) {
            const maps = all(kind, pictures);
            // An example without a heatmap by that rule does not change.
            if (maps.some((map) => map.dataset.rule === rule.value)) {
              maps.forEach((map) => map.toggleAttribute("hidden", map.dataset.rule !== rule.value));
            }
          }
        }
      }
      root.classList.toggle("positive", positive.checked);
      root.style.setProperty("--overlay", opacity.value);
      form.querySelector("output").textContent = Number(opacity.value).toFixed(2);
    }

    function write() {
      const state = new URLSearchParams();
      for (const select of selects) {
        if (select.value) {
          state.set(select.dataset.filter, select.value);
        }
      }
      const rule = radios.find((radio) => radio.checked);
      if (rule && rule !== firstRule) {
        state.set("rule", rule.value);
      }
      if (positive.checked) {
        state.set("positive", "1");
      }
      if (opacity.value !== opacity.defaultValue) {
        state.set("overlay", opacity.value);
      }
      const words = state.toString();
      history.replaceState(null, "", words ? START + words : "#examples");
    }

    function read() {
      if (!location.hash.startsWith(START)) {
        return;
      }
      const state = new URLSearchParams(location.hash.slice(START.length));
      for (const select of selects) {
        const value = state.get(select.dataset.filter) || "";
        select.value = all("option", select).some((option) => option.value === value) ? value : "";
      }
      const rule = radios.find((radio) => radio.value === state.get("rule")) || firstRule;
      if (rule) {
        rule.checked = true;
      }
      positive.checked = state.get("positive") === "1";
      opacity.value = state.get("overlay") || opacity.defaultValue;
      byId("examples").scrollIntoView();
    }

    const apply = () => { filter(); draw(); };
    form.addEventListener("input", () => { apply(); write(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    // The controls get their initial values only after this event.
    form.addEventListener("reset", () => setTimeout(() => { apply(); write(); }));
    addEventListener("hashchange", () => { read(); apply(); });
    read();
    apply();
  }

  setUpTheme();
  setUpContents();
  setUpTables();
  setUpFigures();
  setUpGallery();
})();
