#!/usr/bin/env python3
"""Pairs of HTTP/1 requests and responses on made-up connections, beside tshark's: right, wrong, unpaired.

    tests/truth/pairing.py [SPYGREP]          default: target/release/spygrep
        --connections N   of each kind (40)   --exchanges N   of each connection (30)
        --seed N          another traffic     --only TEXT     rows whose name has it
        --keep DIR        keep the captures   --no-tshark

Each request has an id in its target, each response has the same in X-Id: that is the truth. The connections are played with a
client, a server and a wire between them, so that every acknowledgement number is what its sender had received by then:

    kept       one exchange after the other
    batches    some requests at once, in segments of their own or in one; the next ones behind the last response
    window     always some requests open: the next one is sent when a response is over
    mixed      now one exchange, now some at once

What is written of a played connection is then spoilt: packets lost, the beginning cut off, one direction left out, the
directions in two files, packets in another order. `right` and `wrong` count responses with a request; `unpaired` responses and requests
of which both were seen whole and that stand alone (a response that was not captured cannot be paired); `marked` are pairs that are
stated as likely, and not counted in the columns before. The exit status is 1 if a pair is wrong without a mark, or tshark has more right
ones (`<--`).

A client that keeps a window of requests open sends each one when a response is over, and so does one that waits for its only response:
of a connection of which the beginning was not captured no number tells the two apart. Rows of these (UNTOLD) in which tshark has more
right pairs, and even more wrong ones, are marked `~` and are no fault.
"""

import argparse
import heapq
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

CLIENT, SERVER = 0, 1
FIN, SYN, PSH, ACK = 1, 2, 8, 16
KINDS = ["kept", "batches", "window", "mixed"]


class Connection:
    """Plays one connection; `packets` are (time, who sends, flags, seq, ack, payload)."""

    def __init__(self, rng, kind, first_id, exchanges, start, number):
        self.rng, self.kind = rng, kind
        self.ids = list(range(first_id, first_id + exchanges))
        self.ends = [(f"10.{number >> 8 & 255}.{number & 255}.1", 40000 + number % 20000), ("10.255.0.1", 80)]
        self.isn = [rng.getrandbits(32), rng.getrandbits(32)]
        self.sent, self.received = [0, 0], [0, 0]
        self.way = rng.choice([0.0002, 0.001, 0.01])
        self.tap = rng.choice([0.0, 1.0, 0.3])
        self.think = rng.choice([0.0001, 0.002, 0.03])
        self.mss = rng.choice([536, 1448])
        self.packets, self.events, self.order = [], [], 0
        self.waiting, self.open, self.busy, self.last = list(self.ids), 0, 0.0, [0.0, 0.0]
        self.queue = []
        self.window = rng.randint(2, 4)
        self.play(start)

    # -- the wire

    def at(self, time, what, *args):
        self.order += 1
        heapq.heappush(self.events, (time, self.order, what, args))

    def segment(self, now, who, flags, payload=b"", syn=False):
        base = 0 if syn else 1
        seq = self.isn[who] + base + self.sent[who]
        ack = self.isn[1 - who] + 1 + self.received[who] if flags & ACK else 0
        self.sent[who] += len(payload)
        way = self.way * (self.tap if who == CLIENT else 1 - self.tap)
        # A wire does not reorder.
        arrival = max(now + self.way, self.last[who] + 1e-6)
        self.last[who] = arrival
        self.packets.append((arrival - self.way + way, who, flags, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, payload))
        self.at(arrival, self.arrive, 1 - who, len(payload), payload)

    def write(self, now, who, data, cut=None):
        step = cut or self.mss
        pieces = [data[i : i + step] for i in range(0, len(data), step)]
        for i, piece in enumerate(pieces):
            self.segment(now + i * 1e-6, who, ACK | (PSH if i + 1 == len(pieces) else 0), piece)

    def arrive(self, now, who, size, payload):
        self.received[who] += size
        if not size:
            return
        if self.rng.random() < 0.5:
            self.segment(now, who, ACK)
        if who == SERVER:
            self.serve(now)
        else:
            self.got(now)

    # -- the client

    def request(self, ident):
        body = b""
        method = "GET"
        if self.rng.random() < 0.15:
            method, body = "POST", b"b" * self.rng.choice([5, 300, 2000])
        path = f"/i/{ident}/" + "p" * self.rng.choice([0, 0, 10, 80])
        head = f"{method} {path} HTTP/1.1\r\nHost: server.test\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n" if body else "\r\n"
        return head.encode() + body

    def ask(self, now, many):
        data = []
        for _ in range(min(many, len(self.waiting))):
            ident = self.waiting.pop(0)
            data.append(self.request(ident))
            self.queue.append((ident, sum(map(len, data))))
        self.open += len(data)
        before = self.sent[CLIENT]
        self.queue = [(i, e if isinstance(e, tuple) else (before + e,)) for i, e in self.queue]
        if len(data) > 1 and self.rng.random() < 0.3:
            self.write(now, CLIENT, b"".join(data))
        else:
            for i, one in enumerate(data):
                self.write(now + i * 5e-6, CLIENT, one)

    def next(self, now):
        if not self.waiting:
            if not self.open:
                self.segment(now, CLIENT, FIN | ACK)
            return
        if self.kind == "kept":
            self.ask(now, 1)
        elif self.kind == "window":
            self.ask(now, self.window - self.open)
        elif self.kind == "batches" or self.rng.random() < 0.3:
            self.ask(now, self.rng.randint(2, 5))
        else:
            self.ask(now, 1)

    def got(self, now):
        """Bytes of responses came: those that are over make room for others."""
        done = [end for end in self.ending if end <= self.received[CLIENT]]
        self.ending = [end for end in self.ending if end > self.received[CLIENT]]
        if not done:
            return
        self.open -= len(done)
        if self.kind == "window" or not self.open:
            pause = 0 if self.kind == "window" else self.rng.choice([0, 0.0005, 0.05])
            self.at(now + pause, self.next)

    # -- the server

    def serve(self, now):
        while self.queue and self.queue[0][1][0] <= self.received[SERVER]:
            ident, _ = self.queue.pop(0)
            self.busy = max(now, self.busy) + self.think * self.rng.choice([0, 0.2, 1, 3])
            self.at(self.busy, self.respond, ident)

    def respond(self, now, ident):
        body = b"r" * self.rng.choice([0, 3, 100, 1200, 5000])
        status = self.rng.choice(["200 OK", "200 OK", "404 Not Found"])
        head = f"HTTP/1.1 {status}\r\nX-Id: {ident}\r\n"
        if self.rng.random() < 0.3:
            chunks = [body[i : i + 700] for i in range(0, len(body), 700)] + [b""]
            body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
            head += "Transfer-Encoding: chunked\r\n\r\n"
        else:
            head += f"Content-Length: {len(body)}\r\n\r\n"
        self.ending.append(self.sent[SERVER] + len(head) + len(body))
        if body and self.rng.random() < 0.3:
            self.write(now, SERVER, head.encode())
            self.write(now, SERVER, body)
        else:
            self.write(now, SERVER, head.encode() + body)

    def play(self, start):
        self.ending = []
        way = self.way
        self.packets.append((start + way * self.tap, CLIENT, SYN, self.isn[CLIENT], 0, b""))
        answer = start + way + way * (1 - self.tap)
        self.packets.append((answer, SERVER, SYN | ACK, self.isn[SERVER], (self.isn[CLIENT] + 1) & 0xFFFFFFFF, b""))
        self.last = [start + way, start + 2 * way]
        self.at(start + 2 * way, self.begin)
        while self.events:
            now, _, what, args = heapq.heappop(self.events)
            what(now, *args)

    def begin(self, now):
        self.segment(now, CLIENT, ACK)
        self.next(now + 1e-6)

    def frames(self):
        for time, who, flags, seq, ack, payload in self.packets:
            yield time, who, frame(self.ends[who], self.ends[1 - who], flags, seq, ack, payload)


def total(data):
    if len(data) % 2:
        data += b"\0"
    value = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return ~value & 0xFFFF


def frame(src, dst, flags, seq, ack, payload):
    ends = b"".join(bytes(map(int, host.split("."))) for host in (src[0], dst[0]))
    tcp = struct.pack("!HHIIBBHHH", src[1], dst[1], seq, ack, 0x50, flags, 0xFFFF, 0, 0)
    pseudo = ends + struct.pack("!BBH", 0, 6, len(tcp) + len(payload))
    tcp = tcp[:16] + struct.pack("!H", total(pseudo + tcp + payload)) + tcp[18:]
    size = 20 + len(tcp) + len(payload)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0x4000, 64, 6, 0) + ends
    ip = ip[:10] + struct.pack("!H", total(ip)) + ip[12:]
    return ip + tcp + payload


def write(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101))
        for time, _, data in frames:
            nanos = round(time * 1e9)
            out.write(struct.pack("<IIII", 1_700_000_000 + nanos // 10**9, nanos % 10**9, len(data), len(data)) + data)


# -- what is done to a capture: frames are (time, who, bytes), in the order of their times


def lose(share):
    return lambda rng, frames: [[f for f in frames if rng.random() >= share]]


def late(share=0.0):
    """The capture begins in the middle of the traffic."""

    def spoil(rng, frames):
        return lose(share)(rng, frames[len(frames) * 2 // 5 :])

    return spoil


def only(who, share=0.0):
    return lambda rng, frames: lose(share)(rng, [f for f in frames if f[1] == who])


def files(first, share=0.0):
    def spoil(rng, frames):
        [frames] = lose(share)(rng, frames)
        return [[f for f in frames if f[1] == who] for who in (first, 1 - first)]

    return spoil


def shuffle(most, share=0.0):
    """Each record is up to `most` places away from its own; it keeps its time."""

    def spoil(rng, frames):
        [frames] = lose(share)(rng, frames)
        places = [(i + rng.uniform(0, most + 1), f) for i, f in enumerate(frames)]
        return [[f for _, f in sorted(places, key=lambda place: place[0])]]

    return spoil


ROWS = [
    ("whole", lose(0)),
    ("loss 0.1 %", lose(0.001)),
    ("loss 0.5 %", lose(0.005)),
    ("loss 1 %", lose(0.01)),
    ("loss 2 %", lose(0.02)),
    ("loss 5 %", lose(0.05)),
    ("joined late", late()),
    ("joined late, loss 1 %", late(0.01)),
    ("no handshake", None),
    ("begun anywhere", None),
    ("requests only", only(CLIENT)),
    ("responses only", only(SERVER)),
    ("two files, requests first", files(CLIENT)),
    ("two files, requests first, loss 1 %", files(CLIENT, 0.01)),
    ("two files, responses first", files(SERVER)),
    ("order within 3", shuffle(3)),
    ("order within 10", shuffle(10)),
    ("order within 20", shuffle(20)),
    ("order within 50", shuffle(50)),
    ("order within 10, loss 1 %", shuffle(10, 0.01)),
]
UNTOLD = [("window", "no handshake"), ("window", "begun anywhere")]


def spygrep(binary, paths):
    """The pairs: id of the request, or None, by id of the response; the ids of the requests that were seen; and of the responses
    whose pair carries a mark."""
    argv = [binary, "-q", "--json", "--as-given", "", *map(str, paths)]
    if subprocess.run([binary, "--as-given", "-V"], capture_output=True).returncode == 2:
        argv.remove("--as-given")
    run = subprocess.run(argv, capture_output=True, timeout=600, stdin=subprocess.DEVNULL)
    requests, responses, likely = {}, [], set()
    for line in run.stdout.splitlines():
        event = json.loads(line)
        data = event["data"]
        if event["type"] not in ("match", "context") or not data.get("http"):
            continue
        text = lambda value: value.get("text", "") if isinstance(value, dict) else value
        if data["kind"] == "http.request":
            # Of a request line that was cut nobody knows the id.
            target = text(data["http"]["target"] or "/i/0")
            requests[data["id"]] = int(target.split("/")[2]) or None
        elif data["kind"] == "http.response":
            fields = {name.lower(): text(value) for name, value in data["http"]["headers"]}
            if "x-id" in fields:
                responses.append((int(fields["x-id"]), data["id"]))
                if "likely_pair" in data["marks"]:
                    likely.add(int(fields["x-id"]))
    return {ident: requests.get(number) for ident, number in responses}, set(requests.values()) - {None}, likely


def tshark(paths, folder, more=()):
    path = paths[0]
    if len(paths) > 1:
        path = folder / "joined.pcap"
        data = paths[0].read_bytes() + b"".join(one.read_bytes()[24:] for one in paths[1:])
        path.write_bytes(data)
    argv = ["tshark", "-r", str(path), "-Y", "http", "-T", "json", "--no-duplicate-keys", "-J", "http", *more]
    run = subprocess.run(argv, capture_output=True, timeout=900)
    pairs, requests = {}, set()
    for packet in json.loads(run.stdout or b"[]"):
        layers = packet["_source"]["layers"].get("http", [])
        for http in layers if isinstance(layers, list) else [layers]:
            if not isinstance(http, dict):
                continue
            lines = http.get("http.response.line", [])
            for line in lines if isinstance(lines, list) else [lines]:
                if line.lower().startswith("x-id:"):
                    uri = http.get("http.response_for.uri")
                    pairs[int(line.split(":")[1])] = int(uri.split("/i/")[1].split("/")[0]) if uri and "/i/" in uri else None
            for key, value in http.items():
                if " HTTP/1.1" in key and "/i/" in key:
                    requests.add(int(key.split("/i/")[1].split("/")[0]))
    return pairs, requests, set()


def judge(pairs, requests, likely):
    """Right, wrong, alone; and of those with a mark right and wrong."""
    right = [ident for ident, asked in pairs.items() if ident == asked]
    wrong = [ident for ident, asked in pairs.items() if asked is not None and ident != asked]
    alone = sum(asked is None and ident in requests for ident, asked in pairs.items())
    marked = [sum(ident in likely for ident in some) for some in (right, wrong)]
    return len(right) - marked[0], len(wrong) - marked[1], alone, *marked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spygrep", nargs="?", default=Path(__file__).parents[2] / "target/release/spygrep")
    parser.add_argument("--connections", type=int, default=40)
    parser.add_argument("--exchanges", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--no-tshark", action="store_true")
    args = parser.parse_args()
    bad = False
    print(f"{'':44}{'spygrep':>26}{'marked':>16}{'tshark':>26}{'tshark, in order':>26}")
    cells = [f"{'right':>10}{'wrong':>8}", f"{'alone':>8}"]
    print(f"{'':44}{cells[0]}{cells[1]}{cells[0][2:]}" + "".join(cells) * 2)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(exist_ok=True, parents=True)
        for kind in args.kinds.split(","):
            rng = random.Random(f"{args.seed} {kind}")
            connections, ident = [], 1
            for number in range(args.connections):
                start = rng.uniform(0, 1)
                connections.append(Connection(rng, kind, ident, args.exchanges, start, number))
                ident += args.exchanges
            everything = sorted((f for one in connections for f in one.frames()), key=lambda f: f[0])
            for number, (name, spoil) in enumerate(ROWS):
                if args.only not in f"{kind} {name}":
                    continue
                rng = random.Random(f"{args.seed} {kind} {name}")
                if spoil:
                    written = spoil(rng, everything)
                else:
                    some = []
                    for one in connections:
                        frames = list(one.frames())
                        frames.sort(key=lambda f: f[0])
                        begin = 3 if name == "no handshake" else rng.randrange(len(frames) // 2)
                        some += frames[begin:]
                    written = [sorted(some, key=lambda f: f[0])]
                paths = []
                for part, frames in enumerate(written):
                    paths.append(folder / f"{kind}-{number:02}-{part}.pcap")
                    write(paths[-1], frames)
                ours = judge(*spygrep(str(args.spygrep), paths))
                theirs = []
                if not args.no_tshark:
                    theirs = [judge(*tshark(paths, folder))]
                    theirs += [judge(*tshark(paths, folder, ["-o", "tcp.reassemble_out_of_order:TRUE"]))]
                cells = "".join("{:>10}{:>8}{:>8}".format(*their) for their in theirs)
                cells = "{:>10}{:>8}{:>8}{:>8}{:>8}".format(*ours) + cells
                fault = ours[1] > 0 or any(their[0] > ours[0] + ours[3] for their in theirs)
                guessed = ours[1] == 0 and all(their[1] > their[0] for their in theirs)
                untold = (kind, name) in UNTOLD and guessed
                bad |= fault and not untold
                mark = ("   ~" if untold else "   <--") if fault else ""
                print(f"{kind + ', ' + name:44}{cells}{mark}", flush=True)
    sys.exit(bad)


if __name__ == "__main__":
    main()
