// MQTT.js as a foreign client: what an application does with a broker, end to end.
//
// Usage: scenarios.js HOST PORT VERSION PREFIX [TRANSPORT [CAFILE]]
//
// VERSION is 3.1, 3.1.1 or 5.0, TRANSPORT tcp, tls, ws or wss.
//
// Prints `ok NAME` or `FAILED NAME: why` for each scenario and ends with 1 if one
// failed. PREFIX starts every topic and client id, so that runs may share a broker.
// Nothing sleeps: everything waits for an event with a deadline.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import mqtt from "mqtt";

const [host, port, version, prefix, transport = "tcp", cafile] = process.argv.slice(2);
const v5 = version === "5.0";
const protocol = {
  "3.1": { protocolId: "MQIsdp", protocolVersion: 3 },
  "3.1.1": { protocolId: "MQTT", protocolVersion: 4 },
  "5.0": { protocolId: "MQTT", protocolVersion: 5 },
}[version];
const DEADLINE = 20_000;
const LARGE = Buffer.alloc(1 << 20, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));

const topic = (name) => `${prefix}/${name}`;
// MQTT 3.1 allows 23 characters.
const clientId = (name) => `${prefix.split("/").pop()}-${name}`.slice(0, 23);

/** The promise, or a failure when it takes too long. */
async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), DEADLINE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Items that come by events and are taken one by one. */
class Queue {
  #items = [];
  #waiting = [];

  put(item) {
    const first = this.#waiting.shift();
    if (first) first(item);
    else this.#items.push(item);
  }

  take(what) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }
}

class Client {
  messages = new Queue();
  disconnects = new Queue();
  closed = new Queue();

  static async open(name, options = {}) {
    const client = new Client();
    const { clean = true, expiry = 0, will } = options;
    client.mqtt = mqtt.connect({
      host,
      port: Number(port),
      protocol: { tcp: "mqtt", tls: "mqtts" }[transport] ?? transport,
      ...(transport.startsWith("ws") ? { path: "/mqtt" } : {}),
      ...(cafile ? { ca: [readFileSync(cafile)] } : {}),
      ...protocol,
      clientId: clientId(name),
      clean,
      reconnectPeriod: 0,
      connectTimeout: DEADLINE,
      ...(will ? { will } : {}),
      ...(v5 ? { properties: { sessionExpiryInterval: expiry } } : {}),
    });
    client.mqtt.on("message", (name, payload, packet) => client.messages.put(packet));
    client.mqtt.on("disconnect", (packet) => client.disconnects.put(packet));
    client.mqtt.on("close", () => client.closed.put(true));
    const connack = new Promise((resolve, reject) => {
      client.mqtt.once("connect", resolve);
      client.mqtt.once("error", reject);
    });
    client.sessionPresent = (await within(connack, `CONNACK of ${name}`)).sessionPresent;
    client.mqtt.on("error", () => {});
    return client;
  }

  async subscribe(filter, qos, options = {}) {
    const granted = await within(this.mqtt.subscribeAsync(filter, { qos, ...options }), "SUBACK");
    assert.equal(granted.at(-1).qos, qos);
  }

  unsubscribe(filter) {
    return within(this.mqtt.unsubscribeAsync(filter), "UNSUBACK");
  }

  /** Publishes and waits until the broker has acknowledged it. */
  publish(name, payload, qos, options = {}) {
    return within(this.mqtt.publishAsync(name, payload, { qos, ...options }), "acknowledgement");
  }

  async expect(name, payload, qos, retain = false) {
    const packet = await this.messages.take(`message on ${name}`);
    assert.equal(packet.topic, name);
    assert.ok(Buffer.from(payload).equals(packet.payload), `got ${packet.payload.slice(0, 40)}`);
    assert.equal(packet.qos, qos);
    assert.equal(packet.retain, retain);
    return packet;
  }

  end() {
    return within(this.mqtt.endAsync(), "the end");
  }

  /** Ends without DISCONNECT, as a crash would. */
  breakOff() {
    this.mqtt.stream.destroy();
    return this.closed.take("the close");
  }
}

async function end(...clients) {
  for (const client of clients) await client.end();
}

const scenarios = {
  async everyQosToEveryQos() {
    const publisher = await Client.open("qos-p");
    for (const granted of [0, 1, 2]) {
      const subscriber = await Client.open(`qos-s${granted}`);
      await subscriber.subscribe(topic(`qos/${granted}`), granted);
      for (const qos of [0, 1, 2]) {
        await publisher.publish(topic(`qos/${granted}`), `${qos} to ${granted}`, qos);
        await subscriber.expect(topic(`qos/${granted}`), `${qos} to ${granted}`, Math.min(qos, granted));
      }
      await subscriber.end();
    }
    await publisher.end();
  },

  async orderIsKept() {
    const publisher = await Client.open("order-p");
    const subscriber = await Client.open("order-s");
    for (const qos of [0, 1, 2]) {
      const name = topic(`order/${qos}`);
      await subscriber.subscribe(name, 2);
      // MQTT.js sends whatever it is given; brokers may refuse more than 20 in flight.
      for (let first = 0; first < 300; first += 20) {
        const sent = [];
        for (let i = first; i < first + 20; i++) sent.push(publisher.publish(name, `${i}`, qos));
        for (let i = first; i < first + 20; i++) await subscriber.expect(name, `${i}`, qos);
        await Promise.all(sent);
      }
    }
    await end(publisher, subscriber);
  },

  async retained() {
    const [publisher, early, late] = [await Client.open("ret-p"), await Client.open("ret-e"), await Client.open("ret-l")];
    const name = topic("retained");
    await early.subscribe(name, 1);
    await publisher.publish(name, "kept", 1, { retain: true });
    await early.expect(name, "kept", 1, false);
    await late.subscribe(topic("+"), 1);
    await late.expect(name, "kept", 1, true);
    await publisher.publish(name, "", 1, { retain: true });
    await late.expect(name, "", 1, false);
    const after = await Client.open("ret-a");
    await after.subscribe(name, 1);
    await publisher.publish(name, "live", 1);
    await after.expect(name, "live", 1, false);
    await end(publisher, early, late, after);
  },

  async will() {
    const watcher = await Client.open("will-w");
    await watcher.subscribe(topic("will"), 2);
    for (const qos of [0, 1, 2]) {
      const will = { topic: topic("will"), payload: Buffer.from(`gone ${qos}`), qos, retain: false };
      await (await Client.open("will-c", { will })).breakOff();
      await watcher.expect(topic("will"), `gone ${qos}`, qos);
    }
    const will = { topic: topic("will"), payload: Buffer.from("never"), qos: 2, retain: false };
    await (await Client.open("will-c", { will })).end();
    await watcher.publish(topic("will"), "no will came first", 2);
    await watcher.expect(topic("will"), "no will came first", 2);
    await watcher.end();
  },

  async sessionResumesWithItsQueue() {
    const publisher = await Client.open("ses-p");
    let client = await Client.open("ses", { clean: false, expiry: 300 });
    assert.equal(client.sessionPresent, false);
    await client.subscribe(topic("session/#"), 2);
    await client.end();
    for (let i = 0; i < 60; i++) await publisher.publish(topic(`session/${i % 3}`), `${i}`, 1 + (i % 2));
    client = await Client.open("ses", { clean: false, expiry: 300 });
    if (version !== "3.1") assert.equal(client.sessionPresent, true); // 3.1 cannot say so
    const heard = { 1: [], 2: [] };
    for (let i = 0; i < 60; i++) {
      const packet = await client.messages.take("a queued message");
      heard[packet.qos].push(`${packet.topic} ${packet.payload}`);
    }
    // QoS 2 messages may be handed out at PUBREL, so the order holds per QoS here.
    for (const qos of [1, 2]) {
      const wanted = [];
      for (let i = 0; i < 60; i++) if (1 + (i % 2) === qos) wanted.push(`${topic(`session/${i % 3}`)} ${i}`);
      assert.deepEqual(heard[qos], wanted);
    }
    await client.end();
    client = await Client.open("ses", { clean: true });
    assert.equal(client.sessionPresent, false);
    await end(client, publisher);
  },

  async largePayload() {
    const [publisher, subscriber] = [await Client.open("large-p"), await Client.open("large-s")];
    await subscriber.subscribe(topic("large"), 2);
    for (const qos of [0, 1, 2]) {
      await publisher.publish(topic("large"), LARGE, qos);
      await subscriber.expect(topic("large"), LARGE, qos);
    }
    await end(publisher, subscriber);
  },

  async unsubscribe() {
    const client = await Client.open("unsub");
    await client.subscribe(topic("unsub/a"), 1);
    await client.subscribe(topic("unsub/b"), 1);
    await client.unsubscribe(topic("unsub/a"));
    await client.publish(topic("unsub/a"), "unheard", 1);
    await client.publish(topic("unsub/b"), "heard", 1);
    await client.expect(topic("unsub/b"), "heard", 1);
    await client.end();
  },

  async wildcards() {
    const publisher = await Client.open("wild-p");
    const [plus, hash] = [await Client.open("wild-1"), await Client.open("wild-2")];
    await plus.subscribe(topic("w/+/x"), 1);
    await hash.subscribe(topic("w/#"), 1);
    for (const name of ["w", "w/a", "w/a/x", "w//x", "w/a/x/y", "w/end/x"]) {
      await publisher.publish(topic(name), name, 1);
    }
    for (const name of ["w", "w/a", "w/a/x", "w//x", "w/a/x/y", "w/end/x"]) {
      await hash.expect(topic(name), name, 1);
    }
    for (const name of ["w/a/x", "w//x", "w/end/x"]) await plus.expect(topic(name), name, 1);
    await end(publisher, plus, hash);
  },

  async takeover() {
    const first = await Client.open("taken");
    const second = await Client.open("taken");
    await first.closed.take("the end of the old connection");
    if (v5) {
      const packet = await first.disconnects.take("DISCONNECT of the old connection");
      assert.equal(packet.reasonCode, 0x8e);
    }
    await second.subscribe(topic("taken"), 1);
    await second.publish(topic("taken"), "mine", 1);
    await second.expect(topic("taken"), "mine", 1);
    await second.end();
  },
};

const scenariosV5 = {
  async v5Properties() {
    const [publisher, subscriber] = [await Client.open("prop-p"), await Client.open("prop-s")];
    await subscriber.subscribe(topic("properties"), 2, { properties: { subscriptionIdentifier: 268435455 } });
    for (const qos of [0, 1, 2]) {
      const properties = {
        userProperties: { z: ["1", "3"], a: "2" },
        responseTopic: topic("answer"),
        correlationData: Buffer.from([0, 1, 255]),
        contentType: "text/plain",
        payloadFormatIndicator: true,
        messageExpiryInterval: 100,
      };
      await publisher.publish(topic("properties"), "hello", qos, { properties });
      const got = (await subscriber.expect(topic("properties"), "hello", qos)).properties;
      assert.deepEqual({ ...got.userProperties }, properties.userProperties);
      assert.equal(got.responseTopic, properties.responseTopic);
      assert.deepEqual([...got.correlationData], [0, 1, 255]);
      assert.equal(got.contentType, "text/plain");
      assert.equal(got.payloadFormatIndicator, true);
      assert.ok(got.messageExpiryInterval >= 98 && got.messageExpiryInterval <= 100);
      assert.equal(got.subscriptionIdentifier, 268435455);
    }
    await end(publisher, subscriber);
  },

  async v5SubscriptionOptions() {
    const [client, other] = [await Client.open("opt-c"), await Client.open("opt-o")];
    await client.subscribe(topic("options"), 1, { nl: true, rap: true });
    await client.publish(topic("options"), "own", 1);
    await other.publish(topic("options"), "other", 1, { retain: true });
    await client.expect(topic("options"), "other", 1, true);
    await client.subscribe(topic("options"), 1, { rap: true, rh: 1 });
    await client.subscribe(topic("options"), 1, { rap: true, rh: 2 });
    await other.publish(topic("options"), "", 1, { retain: true });
    await client.expect(topic("options"), "", 1, true);
    await end(client, other);
  },

  async v5SharedSubscription() {
    const publisher = await Client.open("share-p");
    const members = [];
    for (const name of ["a", "b", "c"]) {
      const member = await Client.open(`share-${name}`);
      await member.subscribe(`$share/group/${topic("shared")}`, 1);
      members.push(member);
    }
    for (let i = 0; i < 90; i++) await publisher.publish(topic("shared"), `${i}`, 1);
    const heard = new Set();
    for (const member of members) {
      for (let i = 0; i < 30; i++) heard.add(`${(await member.messages.take("a share")).payload}`);
    }
    assert.equal(heard.size, 90);
    await end(publisher, ...members);
  },
};

let failed = 0;
for (const [name, scenario] of Object.entries({ ...scenarios, ...(v5 ? scenariosV5 : {}) })) {
  try {
    await scenario();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error.message}`);
    console.error(error);
  }
}
process.exit(failed > 0 ? 1 : 0);
