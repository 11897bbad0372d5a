#!/usr/bin/env python3
"""A bad wire: hands frames from one interface to the other, late, twice, out of order, or not at all.

    forward.py JOB

JOB is a JSON file: a, b (interfaces: a is the client's side), up and down (what happens to frames from a to b, and
from b to a), seed, statistics (the file that gets the counts at the end), and for a mirror port: mirror (an
interface), tag_up and tag_down (the number of the VLAN with which it sees a direction; null: untagged). What happens:
delay and jitter (seconds), loss, duplicates and reorder (shares), hold (how much later a reordered frame comes).

Only TCP suffers. Frames are read and written with the kernel's offload headers, so that segments of 64 KiB pass as
such. The mirror sees what the client's interface sees: what comes from it, and what reaches it.
"""
import heapq
import itertools
import json
import random
import select
import signal
import socket
import struct
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 263, 15, 23, 33
PACKET_OUTGOING = 4
HEADER = 10
NEEDS_CHECKSUM = 1


def opened(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
    sock.bind((interface, 3))
    sock.setblocking(False)
    return sock


def is_tcp(frame):
    kind = frame[HEADER + 12 : HEADER + 14]
    if kind == b"\x08\x00":
        return frame[HEADER + 14 + 9] == 6
    return kind == b"\x86\xdd" and frame[HEADER + 14 + 6] == 6


def tagged(frame, vlan):
    """The frame in a VLAN; what the offload header says about offsets moves with it."""
    flags, kind, head, size, start, offset = struct.unpack("<BBHHHH", frame[:HEADER])
    if flags & NEEDS_CHECKSUM:
        start += 4
    if kind:
        head += 4
    header = struct.pack("<BBHHHH", flags, kind, head, size, start, offset)
    return header + frame[HEADER : HEADER + 12] + struct.pack("!HH", 0x8100, vlan) + frame[HEADER + 12 :]


class Way:
    """One direction."""

    def __init__(self, wire, out, what, rng, mirror_first, tag):
        self.wire, self.out, self.what, self.rng = wire, out, what, rng
        self.mirror_first, self.tag = mirror_first, tag
        self.latest = 0.0
        self.counts = {"frames": 0, "lost": 0, "twice": 0, "late": 0, "refused": 0}

    def take(self, frame, now):
        what, rng, counts = self.what, self.rng, self.counts
        counts["frames"] += 1
        if self.mirror_first:
            self.wire.show(frame, self.tag)
        if not is_tcp(frame):
            self.wire.later(now, self, frame)
            return
        if rng.random() < what.get("loss", 0):
            counts["lost"] += 1
            return
        due = now + what.get("delay", 0) + rng.random() * what.get("jitter", 0)
        if rng.random() < what.get("reorder", 0):
            counts["late"] += 1
            due += what.get("hold", 0.004) * (0.5 + rng.random())
        else:
            # Jitter alone does not overtake.
            due = self.latest = max(due, self.latest)
        self.wire.later(due, self, frame)
        if rng.random() < what.get("duplicates", 0):
            counts["twice"] += 1
            self.wire.later(due + rng.choice([0, 0.0005, 0.003]), self, frame)

    def deliver(self, frame):
        try:
            self.out.send(frame)
        except OSError:
            # Longer than the other side takes, or no room.
            self.counts["refused"] += 1
            return
        if not self.mirror_first:
            self.wire.show(frame, self.tag)


class Wire:
    def __init__(self, job):
        rng = random.Random(job["seed"])
        self.mirror = opened(job["mirror"]) if job.get("mirror") else None
        a, b = opened(job["a"]), opened(job["b"])
        self.ways = {
            a: Way(self, b, job["up"], rng, True, job.get("tag_up")),
            b: Way(self, a, job["down"], rng, False, job.get("tag_down")),
        }
        self.heap = []
        self.order = itertools.count()
        self.going = True

    def show(self, frame, tag):
        if self.mirror:
            self.mirror.send(frame if tag is None else tagged(frame, tag))

    def later(self, due, way, frame):
        heapq.heappush(self.heap, (due, next(self.order), way, frame))

    def stop(self, *_):
        self.going = False

    def run(self):
        poll = select.poll()
        by_number = {}
        for sock in self.ways:
            poll.register(sock, select.POLLIN)
            by_number[sock.fileno()] = sock
        while self.going:
            now = time.monotonic()
            while self.heap and self.heap[0][0] <= now:
                _, _, way, frame = heapq.heappop(self.heap)
                way.deliver(frame)
            wait = 200 if not self.heap else max(0, (self.heap[0][0] - time.monotonic()) * 1000)
            for number, _ in poll.poll(wait):
                self.drain(by_number[number])

    def drain(self, sock):
        way = self.ways[sock]
        for _ in range(64):
            try:
                frame, where = sock.recvfrom(1 << 18)
            except OSError:
                return
            if where[2] != PACKET_OUTGOING and len(frame) > HEADER + 34:
                way.take(frame, time.monotonic())


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    wire = Wire(job)
    signal.signal(signal.SIGTERM, wire.stop)
    print("ready", flush=True)
    wire.run()
    up, down = wire.ways.values()
    with open(job["statistics"], "w", encoding="utf-8") as file:
        json.dump({"up": up.counts, "down": down.counts}, file)


if __name__ == "__main__":
    main()
