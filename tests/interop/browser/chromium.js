// Headless Chromium as a client: the broker's own page, and MQTT.js in a page, over ws and wss.
//
// Usage: chromium.js CHROMIUM BROKER CERT KEY
//
// Owns the browser and the brokers that it starts, one per transport, which it restarts on their
// port. Prints `ok NAME` or `FAILED NAME: why` and ends with 1 if anything failed. Drives the
// browser by its DevTools protocol; everything waits for a condition with a deadline.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

const [chromium, binary, cert, key] = process.argv.slice(2);
const DEADLINE = 20_000;
const here = dirname(fileURLToPath(import.meta.url));
const bundle = readFileSync(join(here, "../node_modules/mqtt/dist/mqtt.min.js"), "utf8");
const profile = mkdtempSync(join(tmpdir(), "ringmq-chromium-"));
const children = new Set();

function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** Looks until `look` gives something true. */
async function eventually(what, look) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The browser's only page. */
class Page {
  #socket;
  #next = 0;
  #answers = new Map();

  static async open() {
    const browser = start(chromium, [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
      "--remote-debugging-port=0", `--user-data-dir=${profile}`, "--ignore-certificate-errors", "about:blank",
    ], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    browser.stderr.on("data", (data) => (said += data));
    const [, port] = await eventually("the browser", () => said.match(/ws:\/\/127\.0\.0\.1:(\d+)\//));
    const target = await eventually("a page", async () => {
      const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
      return targets.find((target) => target.type === "page");
    });
    const page = new Page();
    page.#socket = new WebSocket(target.webSocketDebuggerUrl);
    page.#socket.on("message", (message) => {
      const { id, result, error } = JSON.parse(message);
      page.#answers.get(id)?.(result ?? { error });
      page.#answers.delete(id);
    });
    await new Promise((resolve) => page.#socket.once("open", resolve));
    return page;
  }

  #call(method, params) {
    const id = ++this.#next;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  async show(url) {
    await this.#call("Page.navigate", { url });
    await eventually(url, () => this.run("document.readyState === 'complete'").catch(() => false));
  }

  async run(expression) {
    const answer = await this.#call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (answer.error || answer.exceptionDetails) throw new Error(JSON.stringify(answer).slice(0, 500));
    return answer.result.value;
  }
}

class Broker {
  constructor(transport) {
    this.transport = transport;
  }

  async start(port = 0) {
    const options = [`--${this.transport}`, `127.0.0.1:${port},ws-page`, "--shards", "2", "--log", "warn"];
    if (this.transport === "wss") options.push("--cert", cert, "--key", key);
    this.child = start(binary, options, { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    this.child.stdout.on("data", (data) => (said += data));
    const [, found] = await eventually("the broker", () => said.match(/listening \w+ 127\.0\.0\.1:(\d+)\n/));
    this.port = Number(found);
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    if ((await ended) !== 0) throw new Error("the broker did not stop in order");
  }

  async restart() {
    await this.stop();
    await this.start(this.port);
  }
}

/** A person at the broker's own page. */
async function ownPage(page, broker) {
  const scheme = broker.transport === "wss" ? "https" : "http";
  await page.show(`${scheme}://127.0.0.1:${broker.port}/`);
  const click = (form) => page.run(`document.querySelector("#${form} button").click()`);
  const isConnected = () => page.run(`$("state").textContent === "connected"`);
  const sees = (text) => page.run(`$("messages").innerText.includes(${JSON.stringify(text)})`);
  await click("connect");
  await eventually("the page to connect", isConnected);
  await page.run(`$("filter").value = "page/#"; $("filterQos").value = "2"`);
  await click("subscribe");
  const publish = async (qos, payload) => {
    await page.run(`$("topic").value = "page/x"; $("topicQos").value = "${qos}"; $("payload").value = "${payload}"`);
    await click("publish");
    await eventually(`the page to show ${payload}`, () => sees(payload));
  };
  for (const qos of [0, 1, 2]) await publish(qos, `grüße ${qos}`);
  await broker.restart();
  await eventually("the page to connect again", isConnected);
  await publish(1, "after the restart");
}

/** An application with MQTT.js. */
async function mqttjs(page, broker) {
  const scheme = broker.transport === "wss" ? "https" : "http";
  // A document of plain text: neither the page with its rules nor about:blank, which may not connect.
  await page.show(`${scheme}://127.0.0.1:${broker.port}/none`);
  await page.run(bundle);
  await page.run(`
    window.seen = [];
    window.sessions = 0;
    window.client = mqtt.connect("${broker.transport}://127.0.0.1:${broker.port}/mqtt", {
      protocolVersion: 5, reconnectPeriod: 100, connectTimeout: ${DEADLINE},
    });
    client.on("connect", () => sessions++);
    client.on("message", (topic, payload, packet) => seen.push(topic + " " + payload.length + " " + packet.qos));
    true
  `);
  await eventually("MQTT.js to connect", () => page.run("sessions === 1"));
  await page.run(`client.subscribeAsync("js/#", { qos: 2 }).then(() => true)`);
  const publish = async (name, size) => {
    for (const qos of [0, 1, 2]) {
      await page.run(`client.publishAsync("js/${name}/${qos}", "x".repeat(${size}), { qos: ${qos} }).then(() => true)`);
      const line = `js/${name}/${qos} ${size} ${qos}`;
      await eventually(line, () => page.run(`seen.includes(${JSON.stringify(line)})`));
    }
  };
  await publish("small", 5);
  await publish("large", 300_000);
  await broker.restart();
  await eventually("MQTT.js to connect again", () => page.run("sessions >= 2 && client.connected"));
  await publish("again", 5);
  await page.run(`client.endAsync().then(() => true)`);
}

let failed = false;
try {
  const page = await Page.open();
  for (const transport of ["ws", "wss"]) {
    const broker = new Broker(transport);
    await broker.start();
    for (const [name, scenario] of Object.entries({ ownPage, mqttjs })) {
      try {
        await scenario(page, broker);
        console.log(`ok ${name} ${transport}`);
      } catch (error) {
        failed = true;
        console.log(`FAILED ${name} ${transport}: ${error.stack}`);
      }
    }
    await broker.stop();
  }
} catch (error) {
  failed = true;
  console.log(`FAILED: ${error.stack}`);
}
for (const child of children) child.kill("SIGKILL");
await eventually("the children to be gone", () => children.size === 0);
// The browser's own children may still be writing; what is left is in the temporary folder.
try {
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
} catch {}
process.exit(failed ? 1 : 0);
