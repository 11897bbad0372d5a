// The page of --html in Chromium: it opens, filters, sorts, compares, is quick with 100,000
// exchanges, opens when it is cut anywhere, and a hostile capture stays text.
// Usage: node page.js PROGRAM SCRATCH [SCREENSHOTS]
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { execFileSync } = require("node:child_process");
const { chromium } = require("playwright-core");

const [program, scratch, shots] = process.argv.slice(2);
const CHROMIUM = process.env.CHROMIUM || "/usr/bin/chromium";

/** A raw IP packet of TCP between a client's port and port 80. */
const packet = (up, port, flags, seq, ack, payload) => {
  const bytes = Buffer.alloc(40 + payload.length);
  bytes.writeUInt16BE(0x4500, 0);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(0x4006, 8);
  bytes.set([192, 0, 2, up ? 1 : 2, 192, 0, 2, up ? 2 : 1], 12);
  bytes.writeUInt16BE(up ? port : 80, 20);
  bytes.writeUInt16BE(up ? 80 : port, 22);
  bytes.writeUInt32BE(seq, 24);
  bytes.writeUInt32BE(ack, 28);
  bytes.set([0x50, flags, 0xff, 0xff], 32);
  payload.copy(bytes, 40);
  return bytes;
};

/** A capture of exchanges, each [request, response], on connections of 100 exchanges. */
const capture = (name, exchanges) => {
  const header = Buffer.alloc(24);
  [0xa1b2c3d4, 0x00040002, 0, 0, 262144, 101].forEach((field, at) => header.writeUInt32LE(field, 4 * at));
  const parts = [header];
  let micros = 0;
  const add = (bytes, later) => {
    micros += later;
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1700000000 + Math.floor(micros / 1e6), 0);
    record.writeUInt32LE(micros % 1e6, 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    parts.push(record, bytes);
  };
  let [seq, ack] = [0, 0];
  exchanges.forEach(([request, response], at) => {
    const port = 10000 + Math.floor(at / 100);
    if (at % 100 === 0) {
      [seq, ack] = [1, 1];
      add(packet(true, port, 2, 0, 0, Buffer.alloc(0)), 10);
      add(packet(false, port, 18, 0, 1, Buffer.alloc(0)), 10);
      add(packet(true, port, 16, 1, 1, Buffer.alloc(0)), 10);
    }
    add(packet(true, port, 24, seq, ack, request), 50);
    seq += request.length;
    add(packet(false, port, 24, ack, seq, response), 200 + (at % 977) * 10);
    ack += response.length;
  });
  const file = path.join(scratch, name);
  fs.writeFileSync(file, Buffer.concat(parts));
  return file;
};

const page_of = (input, ...more) => {
  const file = path.join(scratch, `${path.basename(input)}.html`);
  execFileSync(program, ["-q", "--force", "--html", file, ...more, "-I", input], { stdio: ["ignore", "ignore", "inherit"] });
  return file;
};

/** Opens a file; whatever it does but show itself is an error. */
const open = async (browser, file, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1300, height: 800 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("request", (request) => { if (request.url() !== `file://${file}`) wrong.push(`request ${request.url()}`); });
  page.on("dialog", (dialog) => { wrong.push(`dialog ${dialog.message()}`); void dialog.dismiss(); });
  page.on("console", (message) => wrong.push(`console ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`error ${error.message}`));
  const started = performance.now();
  await page.goto(`file://${file}`, { waitUntil: "commit" });
  await page.waitForSelector("#rows .row");
  const first = performance.now() - started;
  await page.waitForSelector("html[data-ready]", { state: "attached", timeout: 60000 });
  return { page, wrong, first, whole: performance.now() - started };
};
const screenshot = async (page, name) => {
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`) });
};
const paths = (page) => page.$$eval("#rows .row > :nth-child(4)", (cells) => cells.map((cell) => cell.textContent));
const settled = (page) => page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));

const visit = async (browser) => {
  const file = page_of("pcaps/french-website.pcap");
  const { page, wrong } = await open(browser, file);
  assert.deepEqual(await paths(page), ["localhost:5000/", "localhost:5000/"]);
  await page.keyboard.press("m");
  await page.keyboard.press("j");
  await page.waitForSelector(".compare");
  const compared = await page.textContent(".compare");
  assert.match(compared, /#1 and #2/);
  assert.match(compared, /Accept-Language/);
  assert.match(compared, /Bonjour/);
  await screenshot(page, "page");
  assert.match(await page.textContent("#detail"), /curl 'http:\/\/localhost:5000\/'/);
  await page.keyboard.press("Escape");
  await settled(page);
  assert.equal(await page.$(".compare"), null);
  await page.keyboard.press("/");
  await page.keyboard.type("no-such-thing");
  assert.equal(await page.textContent("#count"), "0 of 2");
  await page.fill("#filter", "!no-such-thing");
  assert.equal(await page.textContent("#count"), "2 of 2");
  await page.fill("#filter", "(");
  assert.equal(await page.getAttribute("#filter", "aria-invalid"), "true");
  await page.fill("#filter", "");
  await page.selectOption("#status", "4");
  assert.equal(await page.textContent("#count"), "0 of 2");
  await page.selectOption("#status", "");
  await page.click("#titles button[data-title=size]");
  const sizes = await page.$$eval("#rows .row > :nth-child(7)", (cells) => cells.map((cell) => cell.textContent));
  assert.deepEqual(sizes, ["58 B", "55 B"]);
  assert.equal(await page.getAttribute("#titles > :nth-child(7)", "aria-sort"), "descending");
  const active = await page.getAttribute("#grid", "aria-activedescendant");
  assert.equal(await page.getAttribute(`#${active}`, "aria-selected"), "true");
  assert.deepEqual(wrong, []);
  const dark = await open(browser, file, { colorScheme: "dark" });
  await screenshot(dark.page, "page-dark");
  assert.deepEqual(dark.wrong, []);
};

/** What a page must show as text, in every place that a peer fills. */
const EVIL = [
  "</script><script>window.hit=1</script>", "<img src=x onerror=window.hit=1>", "javascript:window.hit=1",
  "--><svg onload=window.hit=1>", "\"'><iframe src=//evil.example>", "__proto__", "constructor",
  "\u2028\u2029window.hit=1", "\u202egnp.exe", "{{7*7}}${7*7}", "<!--<script>", "]]></textarea><style>*{display:none}</style>",
];
const hostile = async (browser) => {
  const exchanges = EVIL.map((text) => {
    const squeezed = text.replaceAll(" ", "\t");
    const request = `GET /${squeezed.replaceAll("\t", "/")} HTTP/1.1\r\nHost: ${text}\r\nX-${text.replaceAll(/[^!-9;-~]/g, "")}: ${text}\r\n\r\n`;
    const response = `HTTP/1.1 200 ${text}\r\nContent-Type: text/html${text}\r\nX-Evil: ${text}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
    return [Buffer.from(request), Buffer.from(response)];
  });
  const file = page_of(capture("hostile.pcap", exchanges), "--show-secrets");
  const text = fs.readFileSync(file, "latin1");
  assert.ok(!text.includes("evil.example") && !text.includes("onerror"));
  const { page, wrong } = await open(browser, file);
  const tags = () => page.evaluate(() => [...new Set([...document.querySelectorAll("*")].map((one) => one.localName))].sort().join(" "));
  const scripts = await page.$$eval("script:not([type])", (all) => all.length);
  assert.equal(scripts, 1);
  await page.keyboard.press("m");
  for (let at = 0; at < EVIL.length; at += 1) {
    await settled(page);
    const evil = await page.evaluate(() => [window.hit, ({}).polluted, document.querySelectorAll("img, iframe, textarea, a, #detail script, #rows script, #detail style").length]);
    assert.deepEqual(evil, [undefined, undefined, 0], `after ${at}`);
    await page.keyboard.press("j");
  }
  assert.ok((await page.textContent("#rows")).includes("onerror=window.hit=1"), await tags());
  assert.ok(!(await page.textContent("body")).includes("\u202e"));
  await screenshot(page, "page-hostile");
  assert.deepEqual(wrong, []);
};

const many = async (browser) => {
  const exchanges = Array.from({ length: 100000 }, (_, at) => {
    const body = `{"n":${at}}`;
    return [
      Buffer.from(`GET /api/things/${at}?page=${at % 7} HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n`),
      Buffer.from(`HTTP/1.1 ${at % 50 === 0 ? "503 No" : "200 OK"}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    ];
  });
  const file = page_of(capture("many.pcap", exchanges));
  const { page, wrong, first, whole } = await open(browser, file);
  assert.equal(await page.textContent("#count"), "100000 of 100000");
  const took = await page.evaluate(() => {
    const input = document.getElementById("filter");
    return ["things/99", "503", "nothing at all", "page=[35].*json", ""].map((text) => {
      input.value = text;
      const start = performance.now();
      input.dispatchEvent(new Event("input"));
      return Math.round(performance.now() - start);
    });
  });
  await page.keyboard.press("End");
  await settled(page);
  assert.ok((await paths(page)).some((text) => text.includes("/99999?")));
  assert.match(await page.textContent("#detail"), /"n": 99999/);
  await page.click("#titles button[data-title=wait]");
  await page.keyboard.press("Home");
  await settled(page);
  await screenshot(page, "page-many");
  const lines = await page.$$eval("#rows .row", (all) => all.length);
  assert.ok(lines < 60, `${lines} lines exist`);
  assert.deepEqual(wrong, []);
  console.log(`100,000 exchanges: ${(fs.statSync(file).size / 1048576).toFixed(1)} MiB, first row after ${Math.round(first)} ms, all after ${Math.round(whole)} ms, filters ${took.join(", ")} ms`);
};

const cut = async (browser) => {
  const exchanges = Array.from({ length: 1200 }, (_, at) => [
    Buffer.from(`GET /${at} HTTP/1.1\r\nHost: x\r\n\r\n`),
    Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-N: ${Math.sin(at)}\r\n\r\nabc`),
  ]);
  const whole = fs.readFileSync(page_of(capture("cut.pcap", exchanges)));
  const start = whole.indexOf('<script type="text/plain"');
  const file = path.join(scratch, "cut.html");
  let rows = 0;
  for (let at = 1; at <= 20; at += 1) {
    fs.writeFileSync(file, whole.subarray(0, start + Math.floor(((whole.length - start) * at) / 21)));
    const context = await browser.newContext();
    const page = await context.newPage();
    const wrong = [];
    page.on("pageerror", (error) => wrong.push(error.message));
    await page.goto(`file://${file}`);
    await page.waitForSelector("html[data-ready]", { state: "attached" });
    const [shown] = (await page.textContent("#count")).split(" ").map(Number);
    assert.ok(shown >= rows, `${shown} of a longer part, ${rows} before`);
    rows = shown;
    assert.match(await page.textContent("#notice"), /does not end/);
    assert.deepEqual(wrong, []);
    await context.close();
  }
  assert.ok(rows >= 1000, `${rows}`);
};

(async () => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  try {
    for (const test of [visit, hostile, cut, many]) {
      await test(browser);
      console.log(`${test.name}: passed`);
    }
  } finally {
    await browser.close();
  }
})().catch((error) => { console.error(error); process.exit(1); });
