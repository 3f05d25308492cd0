// Our broker in a browser: MQTT.js in a page of another origin, and the broker's own page.
//
//   node scenarios.js chrome|firefox EXECUTABLE RINGMQ CERTIFICATE KEY [SCREENSHOT]
//
// Owns the browser and the broker, which it restarts; both end with it. Prints `ok NAME` or
// `FAILED NAME: why` per scenario; what is waited for is looked at, with a deadline.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import puppeteer from "puppeteer-core";

const [kind, executable, ringmq, certificate, key, screenshot] = process.argv.slice(2);
const PATIENCE = 20_000;

/** A broker with a door for ws and one for wss, on the same ports after every restart. */
class Broker {
  ports = { ws: 0, wss: 0 };

  async start() {
    const { ws, wss } = this.ports;
    const options = ["serve", "--shards", "2", "--log", "warn", "--ws-page"];
    options.push("--ws", `127.0.0.1:${ws}`, "--wss", `127.0.0.1:${wss}`);
    options.push("--cert", certificate, "--key", key);
    this.process = spawn(ringmq, options, { stdio: ["ignore", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    const said = [];
    createInterface({ input: this.process.stderr }).on("line", (line) => said.push(line));
    const left = new Set(["ws", "wss"]);
    const listening = new Promise((resolve) => {
      createInterface({ input: this.process.stdout }).on("line", (line) => {
        const [, door, port] = /^listening (wss?) 127\.0\.0\.1:(\d+)$/.exec(line) ?? [];
        if (door) this.ports[door] = Number(port);
        left.delete(door);
        if (left.size === 0) resolve();
      });
    });
    const early = this.ended.then(() => {
      if (left.size > 0) throw new Error(`the broker ended: ${said.join("\n")}`);
    });
    await Promise.race([listening, early]);
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
  }
}

/** A page that has MQTT.js, served from an origin of its own. */
async function serveMqttJs() {
  const script = await readFile(
    new URL("../node_modules/mqtt/dist/mqtt.min.js", import.meta.url),
  );
  const server = createServer((request, response) => {
    if (request.url === "/mqtt.js") {
      response.setHeader("Content-Type", "text/javascript").end(script);
    } else {
      const html = '<!doctype html><link rel="icon" href="data:,"><script src="/mqtt.js"></script>';
      response.setHeader("Content-Type", "text/html").end(html);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** In the page: a client with a list of what it received. */
function open(url, version) {
  window.received = [];
  window.connects = 0;
  window.client = window.mqtt.connect(url, {
    protocolVersion: version,
    clientId: `browser-${Math.random().toString(16).slice(2)}`,
    reconnectPeriod: 100,
  });
  window.client.on("connect", () => window.connects++);
  window.client.on("message", (topic, payload, packet) =>
    window.received.push(`${topic} ${payload.length} ${payload.toString().slice(0, 20)} ${packet.qos}`),
  );
  return window.client.subscribeAsync("browser/#", { qos: 2 });
}

/** Looks until something is so. Not puppeteer's way, which the page's own policy forbids. */
async function wait(page, look, ...values) {
  const deadline = Date.now() + PATIENCE;
  while (!(await page.evaluate(look, ...values))) {
    if (Date.now() > deadline) throw new Error(`in vain: ${look} ${values}`);
    await pause(20);
  }
}

async function mqttJs(browser, broker, origin, scheme, version) {
  const page = await browser.newPage();
  await page.goto(origin);
  await page.evaluate(open, `${scheme}://127.0.0.1:${broker.ports[scheme]}/mqtt`, version);
  for (const qos of [0, 1, 2]) {
    await page.evaluate(
      (qos) => window.client.publishAsync(`browser/${qos}`, `hello ${qos}`, { qos }),
      qos,
    );
    await wait(page, (line) => window.received.includes(line), `browser/${qos} 7 hello ${qos} ${qos}`);
  }
  await page.evaluate(() => window.client.publishAsync("browser/large", "x".repeat(300000), { qos: 1 }));
  await wait(page, (line) => window.received.includes(line), `browser/large 300000 ${"x".repeat(20)} 1`);

  await broker.stop();
  await wait(page, () => !window.client.connected);
  await page.evaluate(() => {
    window.received.length = 0;
    window.late = window.client.publishAsync("browser/late", "after", { qos: 1 });
  });
  await broker.start();
  await page.evaluate(() => window.late);
  await wait(page, () => window.connects >= 2);
  await page.evaluate(() => window.client.subscribeAsync("browser/#", { qos: 2 }));
  await page.evaluate(() => window.client.publishAsync("browser/again", "again", { qos: 2 }));
  await wait(page, () => window.received.includes("browser/again 5 again 2"));
  await page.evaluate(() => window.client.endAsync());
  await page.close();
}

const fill = (page, id, text) =>
  page.$eval(`#${id}`, (input, text) => (input.value = text), text);
const press = (page, form) => page.$eval(`#${form} button`, (button) => button.click());
const state = (page, is) =>
  wait(page, (is) => document.getElementById("state").dataset.is === is, is);
const shows = (page, topic, text) =>
  wait(
    page,
    (topic, text) =>
      [...document.querySelectorAll("#messages li")].some(
        (item) =>
          item.querySelector(".topic").textContent === topic &&
          item.querySelector("pre").textContent === text,
      ),
    topic,
    text,
  );

async function ownPage(browser, broker, scheme) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  const web = scheme === "ws" ? "http" : "https";
  const answer = await page.goto(`${web}://127.0.0.1:${broker.ports[scheme]}/`);
  assert.equal(answer.status(), 200);
  await press(page, "connect");
  await state(page, "online");
  await fill(page, "filter", "home/#");
  await press(page, "subscribe");
  const say = async (topic, text, qos, retain) => {
    await fill(page, "topic", topic);
    await fill(page, "payload", text);
    await fill(page, "qos", qos);
    await page.$eval("#retain", (tick, retain) => (tick.checked = retain), retain);
    await press(page, "publish");
    await shows(page, topic, text || "(empty)");
  };
  await say("home/kitchen/light", "on", "0", false);
  await say("home/kitchen/temperature", '{"celsius": 21.5, "humidity": 0.43}', "1", false);
  await say("home/garden/moisture", "wet <b>& mild</b>", "2", true);
  await say("home/empty", "", "1", false);
  await say("home/large", "y".repeat(9000), "2", false);
  if (screenshot) {
    await page.$eval("#messages li", (item) => item.remove());
    await fill(page, "payload", "on");
    await page.screenshot({ path: `${screenshot}-${kind}-${scheme}.png` });
  }

  await broker.stop();
  await state(page, "waiting");
  await broker.start();
  await state(page, "online");
  await say("home/again", "again", "2", false);
  // Its subscription was renewed; removed, it is silent.
  await page.$eval("#filters button", (button) => button.click());
  await wait(page, () => document.querySelectorAll("#filters li").length === 0);
  await press(page, "connect");
  await state(page, "");
  assert.deepEqual(complaints, []);
  await page.close();
}

const server = await serveMqttJs();
const origin = `http://127.0.0.1:${server.address().port}/`;
const browser = await puppeteer.launch({
  browser: kind,
  executablePath: executable,
  acceptInsecureCerts: true,
  defaultViewport: null,
  args:
    kind === "chrome"
      ? ["--no-sandbox", "--disable-gpu", "--window-size=1240,1000"]
      : ["--width=1240", "--height=1000"],
});
const broker = new Broker();
await broker.start();
let failed = 0;
const scenarios = {
  mqttJsOverWs: () => mqttJs(browser, broker, origin, "ws", 5),
  mqttJsOverWss: () => mqttJs(browser, broker, origin, "wss", 4),
  ownPageOverWs: () => ownPage(browser, broker, "ws"),
  ownPageOverWss: () => ownPage(browser, broker, "wss"),
};
for (const [name, scenario] of Object.entries(scenarios)) {
  try {
    await scenario();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error.message}`);
    console.error(error);
    if (broker.process.exitCode !== null) await broker.start();
  }
}
await browser.close();
await broker.stop();
server.close();
process.exit(failed > 0 ? 1 : 0);
