"use strict";

const log = document.getElementById("log");
const rows = document.getElementById("rows");

function follow() {
  const most = 2_000_000; // Signs that the page keeps; the whole log has all.
  const state = document.getElementById("state");
  const search = document.getElementById("search");
  const tail = document.getElementById("tail");
  const hits = document.getElementById("hits");
  const source = new EventSource(log.dataset.events);
  let text = "";
  let drawn = 0;
  let planned = false;

  function draw() {
    planned = false;
    const word = search.value;
    if (word) {
      const parts = [];
      let place = 0;
      let count = 0;
      const where = text.toLowerCase();
      const what = word.toLowerCase();
      for (let at = where.indexOf(what); at >= 0 && where.length === text.length; at = where.indexOf(what, at + what.length)) {
        count += 1;
        if (count <= 2000) {
          const mark = document.createElement("mark");
          mark.textContent = text.slice(at, at + what.length);
          parts.push(text.slice(place, at), mark);
          place = at + what.length;
        }
      }
      parts.push(text.slice(place));
      log.replaceChildren(...parts);
      hits.textContent = count === 1 ? "1 hit" : `${count} hits`;
      drawn = -1;
      if (document.activeElement === search) {
        log.querySelector("mark")?.scrollIntoView({ block: "nearest" });
      }
    } else {
      if (drawn < 0 || drawn > text.length) {
        log.replaceChildren();
        drawn = 0;
      }
      log.append(text.slice(drawn));
      drawn = text.length;
      hits.textContent = "";
      if (tail.checked) {
        log.scrollTop = log.scrollHeight;
      }
    }
  }

  function plan() {
    if (!planned) {
      planned = true;
      setTimeout(draw, 50);
    }
  }

  source.addEventListener("log", (event) => {
    text += JSON.parse(event.data).text;
    if (text.length > most) {
      text = text.slice(-most / 2);
      drawn = -1;
    }
    plan();
  });
  source.addEventListener("state", (event) => {
    const found = JSON.parse(event.data);
    state.textContent = found.state;
    state.className = `state ${found.state}`;
  });
  source.addEventListener("end", () => {
    source.close();
    if (log.dataset.ended === "0") {
      location.reload();
    }
  });
  search.addEventListener("input", plan);
}

async function refresh() {
  try {
    const answer = await fetch("/rows");
    // What has the focus stays where it is.
    if (answer.ok && !rows.contains(document.activeElement)) {
      const text = await answer.text();
      if (text !== rows.dataset.text) {
        rows.dataset.text = text;
        rows.innerHTML = text;
      }
    }
  } catch {
    // The service is away; the next look may find it.
  }
  setTimeout(refresh, 2000);
}

if (log) follow();
if (rows) refresh();
