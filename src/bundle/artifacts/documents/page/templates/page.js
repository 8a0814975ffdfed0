"use strict";

// What a script of data gives, by its name; pages that are opened as files cannot read data in another way.
const bundlePage = {
  waiting: new Map(),
  loaded: new Map(),
  take(name, text) {
    const found = this.waiting.get(name);
    if (found) found(JSON.parse(text));
  },
  load(name, path) {
    if (!this.loaded.has(name)) {
      this.loaded.set(name, new Promise((resolve, reject) => {
        this.waiting.set(name, resolve);
        const script = document.createElement("script");
        script.src = document.body.dataset.up + "page/" + path + ".js";
        script.onerror = () => reject(new Error(name + " cannot be read"));
        document.head.append(script);
      }));
    }
    return this.loaded.get(name);
  },
  extract(name) { return this.load(name, name); },
  bundle(name) { return this.load(name, name.split("/").map(encodeURIComponent).join("/")); },
};

function bytes(size) {
  const units = ["kB", "MB", "GB", "TB", "PB"];
  if (size === 1) return "1 byte";
  if (size < 1000) return size.toLocaleString("en") + " bytes";
  let power = 0;
  while (size >= 1000 ** (power + 2) && power < units.length - 1) power += 1;
  return (size / 1000 ** (power + 1)).toFixed(1) + " " + units[power];
}

function counted(count, noun) { return count + " " + noun + (count === 1 ? "" : "s"); }

function element(name, options, ...children) {
  const made = Object.assign(document.createElement(name), options);
  made.append(...children);
  return made;
}

// Calls once after the last of several events, and not before the next frame.
function settled(action) {
  let asked = 0;
  return () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(action);
  };
}

function offerCopies() {
  const folder = new URL(document.body.dataset.up || ".", location.href).href.replace(/[^/]*$/, "").replace(/\/$/, "");
  for (const code of document.querySelectorAll("pre.line > code")) {
    // Readers may have another address for the remote than the person who published to it.
    if (code.dataset.address && /^https?:/.test(folder)) {
      const quoted = /^[\w@%+=:,.\/-]+$/.test(folder) ? folder : "'" + folder.replaceAll("'", "'\"'\"'") + "'";
      code.textContent = code.textContent.replace(code.dataset.address, () => quoted);
    }
    const button = element("button", { type: "button", textContent: "Copy" });
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      } catch {
        getSelection().selectAllChildren(code);
      }
    });
    code.after(button);
  }
}

// The places of bundles that have a package whose name and version contain a text.
function holders({ bundles, packages }, text) {
  const found = new Set();
  for (const [name, ...places] of packages) {
    if (name.includes(text)) places.forEach((place) => found.add(bundles[place]));
  }
  return found;
}

// A group out of view keeps its place, also if no row of it is shown.
function hideEmpty(rows) {
  for (const group of new Set(rows.map((one) => one.row.parentElement))) {
    group.hidden = [...group.rows].every((row) => row.hidden);
  }
}

function searchBundles() {
  const search = document.getElementById("search");
  if (!search) return;
  const rows = [...document.querySelectorAll("#bundles tbody tr")].map((row) => ({
    row, version: row.dataset.version.toLowerCase(), cells: [...row.querySelectorAll("[data-bundle]")],
  }));
  const cells = rows.reduce((sum, one) => sum + one.cells.length, 0);
  const show = async () => {
    const text = search.value.trim().toLowerCase();
    let having = new Set();
    if (text) {
      try { having = holders(await bundlePage.extract("search"), text); } catch { /* then versions alone are searched */ }
      if (text !== search.value.trim().toLowerCase()) return;
    }
    let count = 0;
    for (const { row, version, cells: own } of rows) {
      const named = version.includes(text);
      let any = named;
      for (const cell of own) {
        const fits = named || having.has(cell.dataset.bundle) || cell.dataset.platform.includes(text);
        cell.classList.toggle("none", !fits);
        any ||= fits;
        count += fits;
      }
      row.hidden = !any;
    }
    hideEmpty(rows);
    document.getElementById("found").textContent = text ? count + " of " + counted(cells, "bundle") : "";
  };
  search.addEventListener("input", settled(show));
  if (search.value) show();
}

function searchPackages() {
  const search = document.getElementById("search-packages");
  if (!search) return;
  const rows = [...document.querySelectorAll("#packages tbody tr")].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const show = () => {
    const text = search.value.trim().toLowerCase();
    let count = 0;
    for (const one of rows) {
      one.row.hidden = !one.text.includes(text);
      count += !one.row.hidden;
    }
    hideEmpty(rows);
    document.getElementById("found-packages").textContent = text ? count + " of " + counted(rows.length, "package") : "";
  };
  search.addEventListener("input", settled(show));
  if (search.value) show();
}

async function tellSharing() {
  const rows = [...document.querySelectorAll("#layers tbody tr")];
  const own = document.querySelector("[data-compare]");
  if (!own || !rows.length) return;
  const sharing = await bundlePage.extract("sharing").catch(() => null);
  if (!sharing) return;
  for (const row of rows) {
    const places = Object.hasOwn(sharing.layers, row.dataset.digest) ? sharing.layers[row.dataset.digest] : [];
    const others = places.map((place) => sharing.bundles[place]).filter((name) => name !== own.dataset.compare);
    const named = others.slice(0, 3).map((name) => name.replace("/", " ")).join(", ");
    row.lastElementChild.textContent = named + (others.length > 3 ? " and " + (others.length - 3) + " more" : "");
  }
}

addEventListener("DOMContentLoaded", () => {
  for (const part of document.querySelectorAll("[data-scripted]")) part.hidden = false;
  offerCopies();
  searchBundles();
  searchPackages();
  tellSharing();
});
