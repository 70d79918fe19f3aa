"use strict";
// The test adds this script to the page: it uses every kind of control and writes what it sees into the page.
(async () => {
  const seen = { error: null };
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const change = (element, name, value) => {
    element[name] = value;
    element.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const shown = () => one("#shown").textContent;
  try {
    seen.linked = shown();
    one('#filters [type="reset"]').click();
    await wait(50);
    seen.after_reset = shown();
    seen.address_after_reset = location.hash;

    change(one('[data-filter="class"]'), "value", "horse");
    seen.horses = shown();
    seen.shown_horses = all("#gallery .example:not([hidden])").filter((e) => e.dataset.class === "horse").length;
    seen.empty_groups_shown = all("#gallery .group:not([hidden])").filter((g) => !g.querySelector(".example:not([hidden])")).length;
    change(one('[data-filter="found"]'), "value", "yes");
    seen.address = location.hash;

    one('#filters [value="naive"]').click();
    const maps = all("#gallery .heatmap:not([hidden])");
    seen.n_heatmaps_shown = maps.length;
    seen.rule = Array.from(new Set(maps.map((map) => map.dataset.rule))).join();
    one("#positive-only").click();
    seen.positive = document.documentElement.classList.contains("positive");
    seen.filter = getComputedStyle(maps[0].querySelector("image")).filter;
    change(one("#opacity"), "value", "0.25");
    seen.opacity = getComputedStyle(one("#gallery .over:not([hidden]) .top")).opacity;

    const theme = () => getComputedStyle(document.documentElement).colorScheme.replace("light dark", "light");
    seen.themes = [theme()];
    one("#theme").click();
    seen.themes.push(theme());
    one("#theme").click();
    seen.themes.push(theme());
    seen.remembered = localStorage.getItem("fisherlens-theme");

    const tables = all("table").find((table) => table.caption.textContent === "A by class").closest(".scroll").nextElementSibling;
    const clipboard = (value) => Object.defineProperty(navigator, "clipboard", { value, configurable: true });
    clipboard({ writeText: async (text) => { seen.csv = text; } });
    tables.querySelector('[data-copy="csv"]').click();
    await wait(50);
    clipboard(undefined);
    document.execCommand = () => { seen.latex = document.activeElement.value; return true; };
    tables.querySelector('[data-copy="latex"]').click();
    await wait(50);

    let blob = null;
    URL.createObjectURL = (given) => { blob = given; return "#"; };
    HTMLAnchorElement.prototype.click = function () { seen.saved_as = this.download; };
    one('[data-save="a-by-order.svg"]').click();
    seen.svg = await blob.text();

    one("#context").scrollIntoView();
    await wait(500);
    seen.current = all("nav [aria-current]").length;
  } catch (error) {
    seen.error = String(error && error.stack || error);
  }
  const results = document.createElement("pre");
  results.id = "results";
  results.textContent = JSON.stringify(seen);
  document.body.append(results);
})();
