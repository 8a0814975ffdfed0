"use strict";

// The same rules as `bundle diff` has for two bundles.
function difference(before, after) {
  const named = (values) => new Map(values.map((one) => [JSON.stringify([one.set, one.name]), one]));
  const pairs = (mapping) => new Map(Object.entries(mapping || {}));
  const order = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
  const changes = (old, young, differ) => {
    const keys = [...new Set([...old.keys(), ...young.keys()])].sort(order);
    return {
      added: keys.filter((key) => !old.has(key)).map((key) => young.get(key)),
      removed: keys.filter((key) => !young.has(key)).map((key) => old.get(key)),
      changed: keys.filter((key) => old.has(key) && young.has(key) && differ(old.get(key), young.get(key)))
        .map((key) => ({ before: old.get(key), after: young.get(key) })),
    };
  };
  const differing = (...names) => (one, other) => names.some((name) => one[name] !== other[name]);
  const otherPackage = (one, other) => differing("version", "decision", "reason")(one, other)
    || (one.file && other.file && differing("file", "sha256")(one, other));
  const byDigest = (layers) => new Map([...layers].sort((one, other) => order(
    one.name + "\0" + one.version + "\0" + one.digest, other.name + "\0" + other.version + "\0" + other.digest)).map((one) => [one.digest, one]));
  const [old, young] = [byDigest(before.layers), byDigest(after.layers)];
  const added = [...young.values()].filter((one) => !old.has(one.digest));
  const compressed = pairs(after.compressed);
  const known = added.every((one) => compressed.has(one.digest));
  const appearing = (first, second) => {
    const stated = new Set([...first.values()].flat());
    const found = new Map();
    for (const [component, names] of [...second].sort((one, other) => order(one[0], other[0]))) {
      for (const name of new Set(names)) {
        if (!stated.has(name) || (first.has(component) && !first.get(component).includes(name))) {
          found.set(name, [...(found.get(name) || []), component]);
        }
      }
    }
    return [...found].sort((one, other) => order(one[0], other[0]));
  };
  const licences = before.licences && after.licences && [pairs(before.licences), pairs(after.licences)];
  return {
    platform: before.platform !== after.platform,
    python: ["requested", "actual", "source"].some((name) => before.python[name] && after.python[name] && before.python[name] !== after.python[name]),
    packages: changes(named(before.packages), named(after.packages), otherPackage),
    leftOut: changes(named(before.left_out), named(after.left_out), differing("kind", "reason")),
    layers: { added, removed: [...old.values()].filter((one) => !young.has(one.digest)) },
    transfer: { layers: added.length, compressed: known, size: added.reduce((sum, one) => sum + (known ? compressed.get(one.digest) : one.size), 0) },
    floor: before.floor && after.floor && changes(pairs(before.floor), pairs(after.floor), (one, other) => one !== other),
    floors: [pairs(before.floor), pairs(after.floor)],
    licences: licences && { added: appearing(...licences), removed: appearing(licences[1], licences[0]) },
  };
}

function step(before, after) { return before === after ? after : before + " → " + after; }

function part(id, title, headings, rows) {
  if (!rows.length) return [];
  const column = (text) => element("th", { scope: "col", role: "columnheader", textContent: text });
  const head = element("tr", { role: "row" }, ...["", ...headings].map(column));
  head.firstChild.setAttribute("aria-label", "change");
  const body = rows.map(([sign, ...cells]) => element("tr", { role: "row", className: { "+": "added", "−": "removed" }[sign] || "" },
    element("td", { role: "cell", className: "sign", textContent: sign }),
    ...cells.map((text, place) => element(place ? "td" : "th", { role: place ? "cell" : "rowheader", textContent: text }))));
  const groups = [];
  while (body.length) groups.push(element("tbody", { role: "rowgroup" }, ...body.splice(0, 10)));
  const table = element("table", { role: "table", className: "rows changes" }, element("thead", { role: "rowgroup" }, head), ...groups);
  const region = element("div", { className: "scroll", tabIndex: 0 }, table);
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", title);
  return [element("section", { id }, element("h2", { textContent: title }), region)];
}

function counts(changes) {
  return changes.added.length + " added, " + changes.removed.length + " removed, " + changes.changed.length + " changed";
}

function python(side) { return side.python.actual + (side.python.source ? " (" + side.python.source + ")" : ""); }

function sections(before, after, found) {
  const called = (one) => one.name + (one.set ? " (set " + one.set + ")" : "");
  const layer = (sign) => (one) => [sign, (one.name + " " + one.version).trim(), one.kind, bytes(one.size)];
  const parts = [];
  const facts = [];
  if (found.platform) facts.push(["~", "platform", step(before.platform, after.platform)]);
  if (found.python) facts.push(["~", "Python", step(python(before), python(after))]);
  if (found.floor) {
    const [old, young] = found.floors;
    for (const system of [...new Set([...old.keys(), ...young.keys()])].sort()) {
      if (old.get(system) !== young.get(system)) facts.push(["~", "oldest " + system, step(old.get(system) || "none", young.get(system) || "none")]);
    }
  }
  parts.push(...part("facts", "Runtime", ["What", "Change"], facts));
  parts.push(...part("packages", "Packages: " + counts(found.packages), ["Package", "Version", "Form", "Reason"], [
    ...found.packages.added.map((one) => ["+", called(one), one.version, one.decision, one.reason]),
    ...found.packages.removed.map((one) => ["−", called(one), one.version, one.decision, one.reason]),
    ...found.packages.changed.map(({ before: old, after: young }) => {
      const told = old.version !== young.version || old.decision !== young.decision || old.reason !== young.reason;
      return ["~", called(young), step(old.version, young.version), step(old.decision, young.decision), told ? young.reason : "another file: " + step(old.file, young.file)];
    }),
  ]));
  parts.push(...part("left-out", "Left out: " + counts(found.leftOut), ["Package", "How", "Reason"], [
    ...found.leftOut.added.map((one) => ["+", called(one), one.kind, one.reason]),
    ...found.leftOut.removed.map((one) => ["−", called(one), one.kind, one.reason]),
    ...found.leftOut.changed.map(({ before: old, after: young }) => ["~", called(young), step(old.kind, young.kind), step(old.reason, young.reason)]),
  ]));
  parts.push(...part("layers", "Layers: " + counted(found.transfer.layers, "layer") + " to move", ["Layer", "Kind", "Size"],
    [...found.layers.added.map(layer("+")), ...found.layers.removed.map(layer("−"))]));
  if (found.licences) {
    parts.push(...part("licences", "Licences", ["Licence", "Components"], [
      ...found.licences.added.map(([name, components]) => ["+", name, components.join(", ")]),
      ...found.licences.removed.map(([name, components]) => ["−", name, components.join(", ")]),
    ]));
  }
  return parts;
}

addEventListener("DOMContentLoaded", () => {
  const [before, after] = [document.getElementById("before"), document.getElementById("after")];
  const [told, place] = [document.getElementById("told"), document.getElementById("difference")];
  const known = new Set([...before.options].map((option) => option.value));
  const chosen = () => [before.value, after.value];

  async function show() {
    const [first, second] = chosen();
    if (!first || !second) {
      told.textContent = "Choose two bundles.";
      place.replaceChildren();
      return;
    }
    try {
      const sides = await Promise.all([bundlePage.bundle(first), bundlePage.bundle(second)]);
      if (String(chosen()) !== String([first, second])) return;
      const found = difference(...sides);
      const shown = sections(...sides, found);
      const { layers, size, compressed } = found.transfer;
      const missing = [["floor", "the oldest system"], ["licences", "licences"]].filter(([name]) => !found[name]).map(([, title]) => title);
      told.textContent = (shown.length ? (layers ? "An upgrade moves " + counted(layers, "layer") + " of " + bytes(size) + (compressed ? ", compressed." : ", uncompressed; nothing tells the compressed size.") : "An upgrade moves no layer.") : "Nothing differs.")
        + (missing.length ? " Not compared, because not both tell: " + missing.join(", ") + "." : "");
      place.replaceChildren(...shown);
    } catch (error) {
      told.textContent = error.message + ". Reload the page.";
      place.replaceChildren();
    }
  }

  function choose() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const [select, name] of [[before, "a"], [after, "b"]]) {
      if (known.has(asked.get(name) || "")) select.value = asked.get(name) || "";
    }
    show();
  }

  function changed() {
    history.replaceState(null, "", "#a=" + before.value + "&b=" + after.value);
    show();
  }

  before.addEventListener("change", changed);
  after.addEventListener("change", changed);
  document.getElementById("swap").addEventListener("click", () => {
    [before.value, after.value] = [after.value, before.value];
    changed();
  });
  addEventListener("hashchange", choose);
  choose();
});
