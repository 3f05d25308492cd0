"""paho-mqtt as a foreign client: what an application does with a broker, end to end.

Usage: scenarios.py HOST PORT VERSION PREFIX [TRANSPORT [CAFILE]]

VERSION is 3.1, 3.1.1 or 5.0, TRANSPORT tcp, tls, ws, wss or unix (HOST is the path).

Prints `ok NAME` or `FAILED NAME: why` for each scenario and ends with 1 if one
failed. PREFIX starts every topic and client id, so that runs may share a broker.
Nothing sleeps: everything waits on a queue with a deadline.
"""

import queue
import sys
import threading
import traceback

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

HOST, PORT, VERSION, PREFIX = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
TRANSPORT, CAFILE = (sys.argv[5:] + ["tcp", None][len(sys.argv[5:]) :])[:2]
PROTOCOL = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}[VERSION]
V5 = PROTOCOL == mqtt.MQTTv5
DEADLINE = 20
LARGE = bytes(range(256)) * 4096  # 1 MiB


def topic(name):
    return f"{PREFIX}/{name}"


def client_id(name):
    # MQTT 3.1 allows 23 characters.
    return f"{PREFIX.rsplit('/', 1)[-1]}-{name}"[:23]


class Client:
    """A client whose callbacks fill queues that the scenario reads."""

    def __init__(self, name, clean=True, expiry=0, will=None, connect=True):
        self.messages, self.ended = queue.Queue(), queue.Queue()
        self._connected, self._subscribed = queue.Queue(), queue.Queue()
        self._clean, self._expiry = clean, expiry
        extra = {} if V5 else {"clean_session": clean}
        self.mqtt = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id(name),
            protocol=PROTOCOL,
            reconnect_on_failure=False,
            transport={"ws": "websockets", "wss": "websockets", "unix": "unix"}.get(TRANSPORT, "tcp"),
            **extra,
        )
        if CAFILE:
            self.mqtt.tls_set(ca_certs=CAFILE)
        self.mqtt.max_inflight_messages_set(20)
        self.mqtt.on_connect = lambda c, u, flags, reason, p: self._connected.put((flags, reason))
        self.mqtt.on_subscribe = lambda c, u, mid, reasons, p: self._subscribed.put((mid, reasons))
        self.mqtt.on_unsubscribe = lambda c, u, mid, reasons, p: self._subscribed.put((mid, reasons))
        self.mqtt.on_disconnect = lambda c, u, flags, reason, p: self.ended.put((flags, reason))
        self.mqtt.on_message = lambda c, u, message: self.messages.put(message)
        if will is not None:
            self.mqtt.will_set(**will)
        if connect:
            self.connect()

    def connect(self):
        if V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self._expiry
            self.mqtt.connect(HOST, PORT, 30, clean_start=self._clean, properties=properties)
        else:
            self.mqtt.connect(HOST, PORT, 30)
        self.mqtt.loop_start()
        flags, reason = self._connected.get(timeout=DEADLINE)
        assert not reason.is_failure, f"refused: {reason}"
        self.session_present = flags.session_present

    def subscribe(self, filter, qos=0, **options):
        if options:
            _, mid = self.mqtt.subscribe(filter, options=SubscribeOptions(qos=qos, **options))
        else:
            _, mid = self.mqtt.subscribe(filter, qos)
        answered, reasons = self._subscribed.get(timeout=DEADLINE)
        assert answered == mid, "SUBACK for another SUBSCRIBE"
        assert [reason.value for reason in reasons] == [qos], f"granted {reasons}, wanted {qos}"

    def unsubscribe(self, filter):
        _, mid = self.mqtt.unsubscribe(filter)
        answered, _ = self._subscribed.get(timeout=DEADLINE)
        assert answered == mid, "UNSUBACK for another UNSUBSCRIBE"

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        """Publishes and waits until the broker has acknowledged it."""
        sent = self.mqtt.publish(topic, payload, qos, retain, properties)
        sent.wait_for_publish(DEADLINE)
        assert sent.is_published(), "no acknowledgement in time"

    def next(self):
        try:
            return self.messages.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError("the expected message did not come") from None

    def expect(self, topic, payload, qos, retain=False):
        message = self.next()
        got = (message.topic, message.payload, message.qos, message.retain)
        wanted = (topic, payload, qos, retain)
        assert got == wanted, f"got {short(got)}, wanted {short(wanted)}"
        return message

    def disconnect(self):
        self.mqtt.disconnect()
        self.ended.get(timeout=DEADLINE)
        self.mqtt.loop_stop()

    def break_off(self):
        """Ends without DISCONNECT, as a crash would."""
        below = self.mqtt.socket()
        # paho's own wrapper of WebSocket has no shutdown.
        getattr(below, "_socket", below).shutdown(2)
        self.ended.get(timeout=DEADLINE)
        self.mqtt.loop_stop()


def short(parts):
    return tuple(part[:40] if isinstance(part, (bytes, str)) else part for part in parts)


def every_qos_to_every_qos():
    publisher = Client("qos-p")
    for granted in (0, 1, 2):
        subscriber = Client(f"qos-s{granted}")
        subscriber.subscribe(topic(f"qos/{granted}"), granted)
        for qos in (0, 1, 2):
            payload = b"%d to %d" % (qos, granted)
            publisher.publish(topic(f"qos/{granted}"), payload, qos)
            subscriber.expect(topic(f"qos/{granted}"), payload, min(qos, granted))
        subscriber.disconnect()
    publisher.disconnect()


def order_is_kept():
    publisher, subscriber = Client("order-p"), Client("order-s")
    for qos in (0, 1, 2):
        name = topic(f"order/{qos}")
        subscriber.subscribe(name, 2)
        sent = [publisher.mqtt.publish(name, b"%d" % number, qos) for number in range(300)]
        for number in range(300):
            subscriber.expect(name, b"%d" % number, qos)
        sent[-1].wait_for_publish(DEADLINE)
    publisher.disconnect()
    subscriber.disconnect()


def retained():
    publisher, early, late = Client("ret-p"), Client("ret-e"), Client("ret-l")
    name = topic("retained")
    early.subscribe(name, 1)
    publisher.publish(name, b"kept", 1, retain=True)
    early.expect(name, b"kept", 1, retain=False)
    late.subscribe(topic("+"), 1)
    late.expect(name, b"kept", 1, retain=True)
    publisher.publish(name, b"", 1, retain=True)
    late.expect(name, b"", 1, retain=False)
    after = Client("ret-a")
    after.subscribe(name, 1)
    publisher.publish(name, b"live", 1)
    after.expect(name, b"live", 1, retain=False)
    for client in (publisher, early, late, after):
        client.disconnect()


def will():
    watcher = Client("will-w")
    watcher.subscribe(topic("will"), 2)
    for qos in (0, 1, 2):
        last = {"topic": topic("will"), "payload": b"gone %d" % qos, "qos": qos, "retain": False}
        Client("will-c", will=last).break_off()
        watcher.expect(topic("will"), b"gone %d" % qos, qos)
    Client("will-c", will=last).disconnect()
    watcher.publish(topic("will"), b"no will came first", 2)
    watcher.expect(topic("will"), b"no will came first", 2)
    watcher.disconnect()


def session_resumes_with_its_queue():
    publisher = Client("ses-p")
    client = Client("ses", clean=False, expiry=300)
    assert not client.session_present, "a session from nowhere"
    client.subscribe(topic("session/#"), 2)
    client.disconnect()
    for number in range(60):
        publisher.publish(topic(f"session/{number % 3}"), b"%d" % number, 1 + number % 2)
    client = Client("ses", clean=False, expiry=300)
    if VERSION != "3.1":  # its CONNACK cannot say so
        assert client.session_present, "the session is gone"
    heard = [client.next() for _ in range(60)]
    # paho hands out QoS 2 messages at PUBREL, so the order holds per QoS here.
    for qos in (1, 2):
        got = [(message.topic, message.payload) for message in heard if message.qos == qos]
        numbers = [number for number in range(60) if 1 + number % 2 == qos]
        wanted = [(topic(f"session/{number % 3}"), b"%d" % number) for number in numbers]
        assert got == wanted, f"QoS {qos}: got {got}"
    client.disconnect()
    client = Client("ses", clean=True)
    assert not client.session_present, "clean start found a session"
    client.disconnect()
    publisher.disconnect()


def large_payload():
    publisher, subscriber = Client("large-p"), Client("large-s")
    subscriber.subscribe(topic("large"), 2)
    for qos in (0, 1, 2):
        publisher.publish(topic("large"), LARGE, qos)
        subscriber.expect(topic("large"), LARGE, qos)
    publisher.disconnect()
    subscriber.disconnect()


def unsubscribe():
    client = Client("unsub")
    client.subscribe(topic("unsub/a"), 1)
    client.subscribe(topic("unsub/b"), 1)
    client.unsubscribe(topic("unsub/a"))
    client.publish(topic("unsub/a"), b"unheard", 1)
    client.publish(topic("unsub/b"), b"heard", 1)
    client.expect(topic("unsub/b"), b"heard", 1)
    client.disconnect()


def wildcards():
    publisher = Client("wild-p")
    plus, hash_, other = Client("wild-1"), Client("wild-2"), Client("wild-3")
    plus.subscribe(topic("w/+/x"), 1)
    hash_.subscribe(topic("w/#"), 1)
    other.subscribe(topic("w/+"), 1)
    publisher.publish(topic("w"), b"1", 1)
    publisher.publish(topic("w/a"), b"2", 1)
    publisher.publish(topic("w/a/x"), b"3", 1)
    publisher.publish(topic("w//x"), b"4", 1)
    publisher.publish(topic("w/a/x/y"), b"5", 1)
    publisher.publish(topic("w/end"), b"end", 1)
    publisher.publish(topic("w/end/x"), b"end", 1)
    hash_seen = [hash_.next().payload for _ in range(7)]
    assert hash_seen == [b"1", b"2", b"3", b"4", b"5", b"end", b"end"], hash_seen
    assert [plus.next().payload for _ in range(3)] == [b"3", b"4", b"end"]
    assert [other.next().payload for _ in range(2)] == [b"2", b"end"]
    for client in (publisher, plus, hash_, other):
        client.disconnect()


def takeover():
    first = Client("taken")
    second = Client("taken")
    flags, reason = first.ended.get(timeout=DEADLINE)
    if V5:
        assert flags.is_disconnect_packet_from_server, f"no DISCONNECT, but {reason}"
        assert reason.value == 0x8E, f"ended with {reason}"
    first.mqtt.loop_stop()
    second.subscribe(topic("taken"), 1)
    second.publish(topic("taken"), b"mine", 1)
    second.expect(topic("taken"), b"mine", 1)
    second.disconnect()


def many_clients_at_once():
    clients = [Client(f"many-{number}") for number in range(20)]
    for client in clients:
        client.subscribe(topic("many/#"), 1)
    threads = [
        threading.Thread(target=client.publish, args=(topic(f"many/{number}"), b"x", 1))
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        heard = sorted(client.next().topic for _ in clients)
        assert heard == sorted(topic(f"many/{number}") for number in range(20)), heard
        client.disconnect()


def v5_properties():
    publisher, subscriber = Client("prop-p"), Client("prop-s")
    subscriber.subscribe(topic("properties"), 2)
    for qos in (0, 1, 2):
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = [("z", "1"), ("a", "2"), ("z", "3"), ("ü", "")]
        properties.ResponseTopic = topic("answer")
        properties.CorrelationData = b"\x00\x01\xff"
        properties.ContentType = "text/plain"
        properties.PayloadFormatIndicator = 1
        properties.MessageExpiryInterval = 100
        publisher.publish(topic("properties"), b"hello", qos, properties=properties)
        got = subscriber.expect(topic("properties"), b"hello", qos).properties
        assert got.UserProperty == properties.UserProperty, got.UserProperty
        assert got.ResponseTopic == topic("answer"), got.ResponseTopic
        assert got.CorrelationData == b"\x00\x01\xff", got.CorrelationData
        assert got.ContentType == "text/plain", got.ContentType
        assert got.PayloadFormatIndicator == 1, got.PayloadFormatIndicator
        assert 98 <= got.MessageExpiryInterval <= 100, got.MessageExpiryInterval
    publisher.disconnect()
    subscriber.disconnect()


def v5_subscription_options():
    client, other = Client("opt-c"), Client("opt-o")
    client.subscribe(topic("options"), 1, noLocal=True, retainAsPublished=True)
    client.publish(topic("options"), b"own", 1)
    other.publish(topic("options"), b"other", 1, retain=True)
    client.expect(topic("options"), b"other", 1, retain=True)
    client.subscribe(topic("options"), 1, retainAsPublished=True, retainHandling=1)
    client.subscribe(topic("options"), 1, retainAsPublished=True, retainHandling=2)
    other.publish(topic("options"), b"", 1, retain=True)
    client.expect(topic("options"), b"", 1, retain=True)
    client.disconnect()
    other.disconnect()


def v5_shared_subscription():
    publisher = Client("share-p")
    members = [Client(f"share-{number}") for number in range(3)]
    for member in members:
        member.subscribe(f"$share/group/{topic('shared')}", 1)
    for number in range(90):
        publisher.publish(topic("shared"), b"%d" % number, 1)
    # Every message is with somebody once: a queue of all of them says when.
    heard = {}
    for member in members:
        for _ in range(30):
            message = member.next()
            heard.setdefault(message.payload, []).append(member)
    assert len(heard) == 90, f"{len(heard)} of 90 messages, each member has 30"
    assert all(len(members) == 1 for members in heard.values()), "a message came twice"
    for client in (publisher, *members):
        client.disconnect()


def v5_disconnect_with_will():
    watcher = Client("dww-w")
    watcher.subscribe(topic("dww"), 1)
    last = {"topic": topic("dww"), "payload": b"said goodbye", "qos": 1, "retain": False}
    client = Client("dww-c", will=last)
    client.mqtt.disconnect(reasoncode=ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
    watcher.expect(topic("dww"), b"said goodbye", 1)
    client.mqtt.loop_stop()
    watcher.disconnect()


SCENARIOS = [
    every_qos_to_every_qos,
    order_is_kept,
    retained,
    will,
    session_resumes_with_its_queue,
    large_payload,
    unsubscribe,
    wildcards,
    takeover,
    many_clients_at_once,
]
SCENARIOS_V5 = [
    v5_properties,
    v5_subscription_options,
    v5_shared_subscription,
    v5_disconnect_with_will,
]


def main():
    failed = 0
    for scenario in SCENARIOS + (SCENARIOS_V5 if V5 else []):
        try:
            scenario()
            print(f"ok {scenario.__name__}", flush=True)
        except Exception as error:  # each scenario is judged alone
            failed += 1
            print(f"FAILED {scenario.__name__}: {error!r}", flush=True)
            traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
