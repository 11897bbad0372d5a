"use strict";
// Shows the exchanges of this file. All captured text is put into text nodes, and nothing is
// fetched, so that it stays text whatever it is.
(() => {
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const SLOW = 1e9;
  const MAX_HEIGHT = 8e6;
  // The members of a row, as they are written.
  const [NUMBER, TIME, METHOD, HOST, PATH, STATUS, CLASS, TYPE, SIZE, CONNECT, SEND, WAIT, RECEIVE, CLIENT, SERVER, MARKS] =
    Array(16).keys();
  const CHUNK = 16, LINE = 17, TEXT = 18;

  const state = {
    rows: [], view: [], cursor: -1, mark: -1, sort: -1, down: false, invert: false,
    pattern: null, wanted: "", from: 0, to: 1, line: 24,
  };
  const chunks = [];
  const opened = new Map();

  /** An element with a class and a text. */
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const clear = (element) => element.replaceChildren();

  // -- numbers for people --
  const trimmed = (value, digits) => {
    const text = value.toFixed(digits);
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  };
  const size = (bytes) => {
    if (bytes === null) return "-";
    if (bytes < 1024) return `${bytes} B`;
    const units = ["KiB", "MiB", "GiB", "TiB"];
    let value = bytes / 1024, unit = 0;
    while (value >= 1023.5 && unit < 3) { value /= 1024; unit += 1; }
    return `${trimmed(value, value < 9.95 ? 1 : 0)} ${units[unit]}`;
  };
  const duration = (nanos) => {
    const millis = nanos / 1e6;
    if (millis < 999.5) return `${trimmed(millis, millis < 9.995 ? 2 : millis < 99.95 ? 1 : 0)} ms`;
    const seconds = millis / 1e3;
    return `${trimmed(seconds, seconds < 9.995 ? 2 : seconds < 99.95 ? 1 : 0)} s`;
  };
  const stamp = (micros) => {
    const date = new Date(micros / 1000);
    return Number.isNaN(date.getTime()) ? "" : date.toISOString();
  };

  // -- the data --
  /** The bytes of an element: gzip in base64. The end of a file that was cut is left out. */
  const packed = (element) => {
    const text = element.textContent.trim();
    const bytes = atob(text.slice(0, text.length - (text.length % 4)));
    return Uint8Array.from(bytes, (c) => c.charCodeAt(0));
  };
  /** What can be unpacked of an element that was cut. */
  const salvaged = async (bytes) => {
    const stream = new DecompressionStream("gzip");
    const writer = stream.writable.getWriter();
    writer.write(bytes).catch(() => {});
    const reader = stream.readable.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const late = new Promise((resolve) => setTimeout(resolve, 300, { done: true }));
      const { done, value } = await Promise.race([reader.read(), late]).catch(() => ({ done: true }));
      if (done) return text;
      text += decoder.decode(value, { stream: true });
    }
  };
  /** The lines of an element, each parsed; whether it was whole. */
  const unpack = async (element) => {
    let text = "", whole = true;
    try {
      const bytes = packed(element);
      try {
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
        text = await new Response(stream).text();
      } catch {
        whole = false;
        text = await salvaged(bytes);
      }
    } catch {
      whole = false;
    }
    const lines = [];
    for (const line of text.split("\n")) {
      try {
        if (line) lines.push(JSON.parse(line));
      } catch {
        whole = false;
      }
    }
    return { lines, whole };
  };

  const load = async () => {
    const first = document.querySelector("script.about");
    if (first) about((await unpack(first)).lines[0] || {});
    chunks.push(...document.querySelectorAll("script.details"));
    let whole = true, since = performance.now();
    for (const [at, element] of [...document.querySelectorAll("script.rows")].entries()) {
      const { lines, whole: complete } = await unpack(element);
      whole &&= complete;
      element.remove();
      for (const [line, row] of lines.entries()) {
        row[CHUNK] = at;
        row[LINE] = line;
        row[TEXT] = [row[METHOD], row[HOST] + row[PATH], row[STATUS], row[TYPE], row[CLIENT], row[SERVER], row[MARKS]].join(" ");
        state.rows.push(row);
      }
      if (at === 0 || performance.now() - since > 500) {
        apply();
        await new Promise((resolve) => setTimeout(resolve));
        since = performance.now();
      }
    }
    const last = document.querySelector("script.end");
    const end = last ? await unpack(last) : { lines: [], whole: false };
    const ended = whole && end.whole && end.lines.length > 0;
    if (ended) finished(end.lines[0]);
    else byId("notice").textContent = "This file does not end: the run goes on, or the file was cut. What there is of it is shown.";
    apply();
    if (state.cursor < 0 && state.view.length > 0) select(0);
    document.documentElement.dataset.ready = "yes";
  };

  const about = (facts) => {
    const parts = [facts.source, facts.pattern && `/${facts.pattern}/`, facts.filter].filter(Boolean);
    document.title = ["spygrep", ...parts].join(" · ");
    const place = byId("about");
    clear(place);
    place.append(make("b", "", parts.join(" · ")), make("span", "", ""), make("span", "", facts.secrets ? ` · ${facts.secrets}` : ""));
  };
  const finished = (facts) => {
    const when = state.rows.length > 0 ? ` · ${stamp(state.rows[0][TIME]).replace("T", " ").slice(0, 19)} UTC` : "";
    byId("about").children[1].textContent = ` · ${facts.summary}${when}`;
    if (facts.broken) byId("notice").textContent = facts.broken;
  };

  // -- the list --
  const end = (row) => row[TIME] + ((row[SEND] || 0) + Math.max(row[WAIT] || 0, 0) + (row[RECEIVE] || 0)) / 1000;
  const begin = (row) => row[TIME] - (row[CONNECT] || 0) / 1000;
  const wanted = (row) => {
    switch (state.wanted) {
      case "": return true;
      case "slow": return row[WAIT] >= SLOW;
      case "failed": return row[CLASS] === 9;
      case "bad": return row[CLASS] >= 4;
      case "marked": return row[MARKS] !== "";
      default: return row[CLASS] === Number(state.wanted);
    }
  };
  const value = (row) => {
    switch (state.sort) {
      case PATH: return row[HOST] + row[PATH];
      case SIZE: case WAIT: return row[state.sort] === null ? -1 : row[state.sort];
      default: return row[state.sort];
    }
  };

  /** Makes the view anew: filter, sort, and the range of the waterfall. */
  const apply = () => {
    const { rows, pattern } = state;
    const kept = state.cursor >= 0 ? state.view[state.cursor] : -1;
    let view = [];
    const invert = state.invert;
    for (let at = 0; at < rows.length; at += 1) {
      const row = rows[at];
      if (wanted(row) && (pattern === null || pattern.test(row[TEXT]) !== invert)) view.push(at);
    }
    if (state.sort !== TIME || state.down || rows.some((row, at) => at > 0 && rows[at - 1][TIME] > row[TIME])) {
      const keys = view.map((at) => value(rows[at]));
      const order = [...keys.keys()];
      const sign = state.down ? -1 : 1;
      const text = typeof keys[0] === "string";
      order.sort((a, b) => {
        const [x, y] = [keys[a], keys[b]];
        const by = text ? (x < y ? -1 : x > y ? 1 : 0) : x - y;
        return sign * by || view[a] - view[b];
      });
      view = order.map((at) => view[at]);
    }
    state.view = view;
    let from = Infinity, to = -Infinity;
    for (const at of view) {
      from = Math.min(from, begin(rows[at]));
      to = Math.max(to, end(rows[at]));
    }
    [state.from, state.to] = view.length > 0 ? [from, Math.max(to, from + 1)] : [0, 1];
    state.cursor = view.indexOf(kept);
    byId("count").textContent = `${view.length} of ${rows.length}`;
    byId("span").textContent = view.length > 0 ? `waterfall: ${duration((state.to - state.from) * 1000)}` : "";
    byId("grid").setAttribute("aria-rowcount", String(view.length + 1));
    byId("rows").style.height = `${Math.min(view.length * state.line, MAX_HEIGHT)}px`;
    draw();
  };

  const bar = (row) => {
    const svg = document.createElementNS(SVG, "svg");
    const width = state.to - state.from;
    const label = [];
    let at = begin(row);
    const parts = [["connect", row[CONNECT]], ["send", row[SEND]], ["wait", row[WAIT]], ["receive", row[RECEIVE]]];
    if (parts.every(([, nanos]) => nanos === null)) parts[1][1] = 0;
    for (const [name, nanos] of parts) {
      if (nanos === null) continue;
      const long = Math.max(nanos, 0) / 1000;
      const rect = document.createElementNS(SVG, "rect");
      rect.setAttribute("class", name);
      rect.setAttribute("x", `${(100 * (at - state.from)) / width}%`);
      rect.setAttribute("width", `${Math.max((100 * long) / width, 0.2)}%`);
      rect.setAttribute("y", name === "wait" || name === "receive" ? "25%" : "35%");
      rect.setAttribute("height", name === "wait" || name === "receive" ? "50%" : "30%");
      svg.append(rect);
      label.push(`${name} ${duration(Math.max(nanos, 0))}`);
      at += long;
    }
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label.join(", "));
    return svg;
  };

  const cells = (row) => {
    const place = make("span", "");
    place.append(make("span", "host", row[HOST]), document.createTextNode(row[PATH]));
    if (row[MARKS]) place.append(make("span", "quiet", `  ${row[MARKS]}`));
    place.title = row[HOST] + row[PATH];
    const time = make("span", "time", stamp(row[TIME]).slice(11, 23));
    time.title = stamp(row[TIME]);
    const slow = row[WAIT] !== null && row[WAIT] >= SLOW;
    const wait = row[WAIT] === null ? "-" : duration(Math.max(row[WAIT], 0)) + (slow ? " !" : "");
    const graph = make("span", "");
    graph.append(bar(row));
    return [
      time,
      make("span", "right quiet", row[NUMBER] > 0 ? String(row[NUMBER]) : ""),
      make("span", "", row[METHOD]),
      place,
      make("span", `s${row[CLASS]}`, row[STATUS]),
      make("span", "type", row[TYPE]),
      make("span", "right", size(row[SIZE])),
      make("span", slow ? "right slow" : "right", wait),
      graph,
    ];
  };

  /** The part of the view that can be seen: the first line, and how many. */
  const visible = () => {
    const grid = byId("grid");
    const seen = Math.ceil((grid.clientHeight - state.line) / state.line) + 1;
    const all = state.view.length * state.line;
    const tall = Math.min(all, MAX_HEIGHT);
    // A list that is taller than a browser's elements may be is scrolled by its share.
    const share = tall < all ? (all - grid.clientHeight) / Math.max(tall - grid.clientHeight, 1) : 1;
    return { first: Math.floor((grid.scrollTop * share) / state.line), seen, share };
  };

  const draw = () => {
    const grid = byId("grid"), place = byId("rows");
    const { first, seen, share } = visible();
    const shift = share === 1 ? 0 : grid.scrollTop - first * state.line;
    const lines = [];
    for (let at = Math.max(first - 2, 0); at < Math.min(first + seen + 2, state.view.length); at += 1) {
      const index = state.view[at];
      const line = make("div", state.mark === index ? "row marked" : "row");
      line.id = `row-${index}`;
      line.setAttribute("role", "row");
      line.setAttribute("aria-rowindex", String(at + 2));
      line.setAttribute("aria-selected", String(at === state.cursor));
      line.style.top = `${at * state.line + shift}px`;
      for (const cell of cells(state.rows[index])) {
        cell.setAttribute("role", "gridcell");
        line.append(cell);
      }
      line.addEventListener("mousedown", () => select(at));
      lines.push(line);
    }
    place.replaceChildren(...lines);
    const active = state.cursor >= 0 ? byId(`row-${state.view[state.cursor]}`) : null;
    if (active) grid.setAttribute("aria-activedescendant", active.id);
    else grid.removeAttribute("aria-activedescendant");
  };

  /** Puts the cursor on a line of the view, and shows its detail. */
  const select = (at) => {
    if (state.view.length === 0) return;
    state.cursor = Math.min(Math.max(at, 0), state.view.length - 1);
    const grid = byId("grid");
    const { first, seen, share } = visible();
    const page = Math.max(seen - 2, 1);
    if (state.cursor < first) grid.scrollTop = (state.cursor * state.line) / share;
    else if (state.cursor >= first + page) grid.scrollTop = ((state.cursor - page + 1) * state.line) / share;
    draw();
    void show();
  };

  // -- the detail --
  const detail = async (row) => {
    const at = row[CHUNK];
    if (!opened.has(at)) {
      if (opened.size >= 8) opened.delete(opened.keys().next().value);
      opened.set(at, unpack(chunks[at]).then(({ lines }) => lines));
    }
    return (await opened.get(at))[row[LINE]];
  };

  /** Text with its matches: parts that do not match and parts that do, in turn. */
  const runs = (place, parts) => {
    parts.forEach((part, at) => {
      if (part) place.append(at % 2 === 1 ? make("mark", "", part) : document.createTextNode(part));
    });
    return place;
  };
  const plain = (parts) => parts.join("");

  const half = (name, message, absent) => {
    const section = make("section", "");
    section.append(make("h3", "", name));
    if (!message) {
      section.append(make("p", "note", absent));
      return section;
    }
    section.append(runs(make("div", "start"), message.start));
    if (message.fields.length > 0) {
      const table = make("table", "");
      for (const [title, text, key] of message.fields) {
        const line = make("tr", key ? "key" : "");
        const head = runs(make("th", ""), title);
        head.scope = "row";
        line.append(head, runs(make("td", ""), text));
        table.append(line);
      }
      section.append(table);
    }
    if (message.body.length > 0) {
      const body = make("pre", "body");
      for (const part of message.body) {
        if (typeof part === "string") body.append(make("span", "note", `[${part}]\n`));
        else runs(body, part);
      }
      section.append(body);
    }
    for (const note of message.notes) section.append(make("div", "note", note));
    return section;
  };

  const copy = async (text, place, button) => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(place);
      button.textContent = "selected: copy with Ctrl-C";
    }
  };

  const curl = (facts) => {
    const section = make("section", "");
    section.append(make("h3", "", "curl"));
    if (facts.command) {
      const button = make("button", "", "copy as curl");
      const text = make("pre", "", facts.command);
      button.id = "copy";
      button.type = "button";
      button.addEventListener("click", () => void copy(facts.command, text, button));
      section.append(button, text);
    } else section.append(make("p", "note", `there is no curl command: ${facts.no_command}`));
    return section;
  };

  // -- comparing --
  const NOISE = new Set(["date", "age", "expires", "x-request-id", "x-trace-id", "traceparent", "x-amzn-trace-id", "cf-ray", "etag", "last-modified"]);
  const fields = (message) => {
    const found = new Map();
    for (const [title, text] of message ? message.fields : []) {
      const key = plain(title).toLowerCase();
      const known = found.get(key) || { title: plain(title), values: [] };
      known.values.push(plain(text));
      found.set(key, known);
    }
    return found;
  };
  const bodyLines = (message) => (message ? message.body : [])
    .map((part) => (typeof part === "string" ? `[${part}]` : plain(part))).join("").split("\n");

  /** The lines of two texts: common, only in the first, only in the second. */
  const lineDifference = (a, b) => {
    let start = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
    let tail = 0;
    while (tail < a.length - start && tail < b.length - start && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
    const [x, y] = [a.slice(start, a.length - tail), b.slice(start, b.length - tail)];
    const middle = [];
    if (x.length * y.length > 1e6) {
      middle.push(...x.map((line) => ["-", line]), ...y.map((line) => ["+", line]));
    } else {
      const wide = y.length + 1;
      const longest = new Uint32Array((x.length + 1) * wide);
      for (let i = x.length - 1; i >= 0; i -= 1)
        for (let j = y.length - 1; j >= 0; j -= 1)
          longest[i * wide + j] = x[i] === y[j]
            ? longest[(i + 1) * wide + j + 1] + 1
            : Math.max(longest[(i + 1) * wide + j], longest[i * wide + j + 1]);
      let [i, j] = [0, 0];
      while (i < x.length || j < y.length) {
        if (i < x.length && j < y.length && x[i] === y[j]) { middle.push([" ", x[i]]); i += 1; j += 1; }
        else if (j >= y.length || (i < x.length && longest[(i + 1) * wide + j] >= longest[i * wide + j + 1])) { middle.push(["-", x[i]]); i += 1; }
        else { middle.push(["+", y[j]]); j += 1; }
      }
    }
    const common = (lines) => lines.map((line) => [" ", line]);
    return [...common(a.slice(0, start)), ...middle, ...common(a.slice(a.length - tail))];
  };

  const difference = (name, a, b, numbers) => {
    const section = make("section", "");
    section.append(make("h3", "", name));
    const table = make("table", "");
    const line = (title, first, second, noise) => {
      const row = make("tr", noise ? "noise" : "");
      const head = make("th", "", noise ? `${title} (changes each time)` : title);
      head.scope = "row";
      row.append(head);
      for (const [side, text] of [["removed", first], ["added", second]]) {
        row.append(make("td", text === null || noise ? "" : side, text === null ? "-" : text));
      }
      table.append(row);
    };
    const titles = make("tr", "");
    for (const title of ["", ...numbers]) titles.append(make("th", "", title));
    table.append(titles);
    const start = [a, b].map((message) => (message ? plain(message.start) : null));
    if (start[0] !== start[1]) line("start line", start[0], start[1], false);
    const [first, second] = [fields(a), fields(b)];
    for (const key of new Set([...first.keys(), ...second.keys()])) {
      const [one, two] = [first.get(key), second.get(key)];
      const [x, y] = [one, two].map((found) => (found ? found.values.join("\n") : null));
      if (x !== y) line((one || two).title, x, y, NOISE.has(key));
    }
    if (table.rows.length > 1) section.append(table);
    const lines = lineDifference(bodyLines(a), bodyLines(b));
    if (lines.some(([sign]) => sign !== " ")) {
      const body = make("pre", "body");
      let skipped = 0;
      lines.forEach(([sign, text], at) => {
        const near = lines.slice(Math.max(at - 3, 0), at + 4).some(([other]) => other !== " ");
        if (!near) { skipped += 1; return; }
        if (skipped > 0) body.append(make("span", "note", `[${skipped} equal lines]\n`));
        skipped = 0;
        if (sign === " ") body.append(document.createTextNode(`  ${text}\n`));
        else body.append(make("span", sign === "+" ? "added" : "removed", `${sign} ${text}`));
      });
      if (skipped > 0) body.append(make("span", "note", `[${skipped} equal lines]`));
      section.append(body);
    } else if (table.rows.length === 1) section.append(make("p", "note", "nothing differs"));
    return section;
  };

  const named = (row) => (row[NUMBER] > 0 ? `#${row[NUMBER]}` : row[METHOD]);

  /** Shows the detail of the line under the cursor, and what differs from the marked one. */
  const show = async () => {
    const place = byId("detail");
    if (state.cursor < 0) return clear(place);
    const index = state.view[state.cursor];
    const row = state.rows[index];
    const facts = await detail(row);
    const marked = state.mark >= 0 && state.mark !== index ? state.rows[state.mark] : null;
    const other = marked ? await detail(marked) : null;
    // The cursor may be elsewhere by now.
    if (state.view[state.cursor] !== index) return undefined;
    clear(place);
    if (!facts) {
      place.append(make("p", "note", "the detail is not in this file: it was cut"));
      return undefined;
    }
    const bar = make("div", "bar");
    const mark = make("button", "", state.mark === index ? "unmark [m]" : "mark to compare [m]");
    mark.type = "button";
    mark.id = "mark";
    mark.addEventListener("click", () => toggle());
    bar.append(make("h2", "", `${named(row)}  ${row[METHOD]} ${row[HOST]}${row[PATH]}`), mark);
    place.append(bar, make("div", "quiet", `${row[CLIENT]} → ${row[SERVER]}   ${stamp(row[TIME])}`));
    if (row[MARKS]) place.append(make("div", "note", row[MARKS]));
    if (other) {
      const box = make("div", "compare");
      const numbers = [named(marked), named(row)];
      box.append(make("h2", "", `What differs between ${numbers[0]} and ${numbers[1]}`));
      box.append(difference("request", other.request, facts.request, numbers));
      box.append(difference("response", other.response, facts.response, numbers));
      box.append(difference("message", other.message, facts.message, numbers));
      for (const section of [...box.querySelectorAll("section")]) {
        if (section.querySelector("p.note")) section.remove();
      }
      if (!box.querySelector("section")) box.append(make("p", "note", "nothing differs"));
      place.append(box);
    } else if (state.mark === index) {
      place.append(make("div", "note", "marked: the next one that is selected is compared with it"));
    }
    const halves = make("div", "halves");
    if (facts.message) halves.append(half("message", facts.message, ""));
    else if (facts.exchange) {
      halves.append(half("request", facts.request, facts.no_request), half("response", facts.response, facts.no_response));
    }
    place.append(halves);
    if (facts.timing) place.append(make("h3", "", "timing"), make("pre", "", facts.timing));
    if (facts.exchange) place.append(curl(facts));
    place.scrollTop = 0;
    return undefined;
  };

  const toggle = () => {
    if (state.cursor < 0) return;
    const index = state.view[state.cursor];
    state.mark = state.mark === index ? -1 : index;
    draw();
    void show();
  };

  // -- input --
  const filter = () => {
    const input = byId("filter");
    let text = input.value;
    state.invert = text.startsWith("!");
    if (state.invert) text = text.slice(1);
    let wrong = "";
    try {
      state.pattern = text ? new RegExp(text, "i") : null;
    } catch {
      // What is no regular expression yet is searched for as it is.
      state.pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
      wrong = "no regular expression: taken as text";
    }
    input.setAttribute("aria-invalid", String(wrong !== ""));
    input.title = wrong;
    apply();
    if (state.cursor < 0) select(0);
    if (state.view.length === 0) clear(byId("detail"));
  };

  const sortBy = (key) => {
    // What is large is looked for first.
    const large = key === SIZE || key === WAIT;
    state.down = state.sort === key ? !state.down : large;
    state.sort = key;
    for (const button of document.querySelectorAll(".titles button")) {
      const on = Number(button.dataset.key) === key;
      button.parentElement.setAttribute("aria-sort", on ? (state.down ? "descending" : "ascending") : "none");
      button.textContent = button.dataset.title + (on ? (state.down ? " ▾" : " ▴") : "");
    }
    apply();
    if (state.cursor >= 0) select(state.cursor);
  };

  const help = () => {
    const dialog = byId("help");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  };

  const keys = {
    j: () => select(state.cursor + 1), ArrowDown: () => select(state.cursor + 1),
    k: () => select(state.cursor - 1), ArrowUp: () => select(state.cursor - 1),
    PageDown: () => select(state.cursor + visible().seen - 2), PageUp: () => select(state.cursor - visible().seen + 2),
    Home: () => select(0), g: () => select(0),
    End: () => select(state.view.length - 1), G: () => select(state.view.length - 1),
    m: toggle, "/": () => byId("filter").focus(), "?": help,
    c: () => { const button = byId("copy"); if (button) button.click(); },
    Enter: () => byId("detail").focus(),
    Escape: () => { state.mark = -1; draw(); void show(); },
  };

  const start = () => {
    const head = byId("titles");
    const titles = [["time (UTC)", TIME], ["#", NUMBER], ["method", METHOD], ["host and path", PATH], ["status", STATUS], ["type", TYPE], ["size", SIZE], ["wait", WAIT], ["waterfall", null]];
    for (const [title, key] of titles) {
      const cell = make("span", key === SIZE || key === WAIT || key === NUMBER ? "right" : "");
      cell.setAttribute("role", "columnheader");
      if (key === null) {
        cell.id = "span";
        cell.textContent = title;
      } else {
        const button = make("button", "", title);
        button.type = "button";
        button.dataset.key = String(key);
        button.dataset.title = title;
        button.addEventListener("click", () => sortBy(key));
        cell.append(button);
      }
      head.append(cell);
    }
    byId("filter").addEventListener("input", filter);
    byId("status").addEventListener("change", (event) => { state.wanted = event.target.value; filter(); });
    byId("keys").addEventListener("click", help);
    byId("close").addEventListener("click", help);
    const grid = byId("grid");
    let asked = false;
    const redraw = () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; draw(); });
    };
    const measure = () => { state.line = head.getBoundingClientRect().height || 24; apply(); };
    grid.addEventListener("scroll", redraw, { passive: true });
    addEventListener("resize", measure);
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const { tagName } = event.target;
      if (tagName === "INPUT") {
        if (event.key === "Escape" || event.key === "Enter") { grid.focus(); event.preventDefault(); }
        return;
      }
      if (tagName === "SELECT" || byId("help").open) return;
      if (tagName === "BUTTON" && (event.key === "Enter" || event.key === " ")) return;
      const in_detail = byId("detail").contains(event.target);
      if (in_detail && /^(Arrow|Page|Home|End)/.test(event.key)) return;
      if (in_detail && event.key === "Escape") { grid.focus(); return; }
      const run = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
      if (run) { event.preventDefault(); run(); }
    });
    measure();
    sortBy(TIME);
    grid.focus();
    if (typeof DecompressionStream === "undefined") {
      byId("notice").textContent = "This browser is too old to unpack the data: it needs DecompressionStream (browsers since May 2023).";
      return;
    }
    load().catch((error) => { byId("notice").textContent = `This file cannot be shown: ${error}`; });
  };
  document.addEventListener("DOMContentLoaded", start);
})();
