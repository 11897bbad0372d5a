"""Capture files made worse: packets lost, cut, doubled, in another order. Always the same for the same seed."""
import random
import struct

MAGICS = {0xA1B2C3D4: "", 0xA1B23C4D: ""}


class Capture:
    """A pcap file of Ethernet in memory: its header, and a record for each packet."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        self.order = "<" if struct.unpack("<I", data[:4])[0] in MAGICS else ">"
        if struct.unpack(self.order + "I", data[:4])[0] not in MAGICS:
            raise ValueError(f"{path} is no pcap file")
        self.header = data[:24]
        self.packets = []
        at = 24
        while at + 16 <= len(data):
            seconds, fraction, kept, length = struct.unpack(self.order + "IIII", data[at : at + 16])
            self.packets.append((seconds, fraction, length, data[at + 16 : at + 16 + kept]))
            at += 16 + kept

    def write(self, path, chosen):
        """`chosen`: (number of a packet, bytes or None for its own)."""
        with open(path, "wb") as file:
            file.write(self.header)
            for number, other in chosen:
                seconds, fraction, length, data = self.packets[number]
                if other is not None:
                    length += max(0, len(other) - len(data))
                    data = other
                file.write(struct.pack(self.order + "IIII", seconds, fraction, len(data), length) + data)


def ports(frame):
    """Source and destination of TCP in Ethernet, or None."""
    at, kind = 14, frame[12:14]
    while kind in (b"\x81\x00", b"\x88\xa8"):
        kind = frame[at + 2 : at + 4]
        at += 4
    if kind == b"\x08\x00" and frame[at + 9 : at + 10] == b"\x06":
        at += (frame[at] & 15) * 4
    elif kind == b"\x86\xdd" and frame[at + 6 : at + 7] == b"\x06":
        at += 40
    else:
        return None
    if len(frame) < at + 4:
        return None
    return struct.unpack("!HH", frame[at : at + 4])


def same(numbers):
    return [(number, None) for number in numbers]


def dropped(share):
    def mangle(capture, rng, _):
        return same(n for n in range(len(capture.packets)) if rng.random() >= share)

    return mangle


def bursts(count, length):
    def mangle(capture, rng, _):
        total = len(capture.packets)
        gone = set()
        for _ in range(count):
            start = rng.randrange(max(1, total - length))
            gone.update(range(start, start + length))
        return same(n for n in range(total) if n not in gone)

    return mangle


def second_half(capture, *_):
    return same(range(len(capture.packets) // 2, len(capture.packets)))


def one_way(to_server):
    def mangle(capture, _, servers):
        kept = []
        for number, packet in enumerate(capture.packets):
            found = ports(packet[3])
            if found and found[1 if to_server else 0] in servers:
                kept.append(number)
        return same(kept)

    return mangle


def cut(length):
    def mangle(capture, *_):
        return [(n, packet[3][:length]) for n, packet in enumerate(capture.packets)]

    return mangle


def displaced(most):
    """Each packet with its own time, but up to `most` places later in the file than it was."""

    def mangle(capture, rng, _):
        places = [(n + rng.random() * most, n) for n in range(len(capture.packets))]
        return same(n for _, n in sorted(places))

    return mangle


def twice(capture, *_):
    return [(n, None) for n in range(len(capture.packets)) for _ in range(2)]


def twice_once_tagged(capture, *_):
    made = []
    for number, packet in enumerate(capture.packets):
        frame = packet[3]
        made += [(number, None), (number, frame[:12] + b"\x81\x00\x00\x0a" + frame[12:])]
    return made


# name, how, whether the quick run has it
MANGLINGS = [
    ("0.1 % dropped", dropped(0.001), False),
    ("0.5 % dropped", dropped(0.005), False),
    ("1 % dropped", dropped(0.01), True),
    ("2 % dropped", dropped(0.02), False),
    ("5 % dropped", dropped(0.05), True),
    ("6 bursts of 40 dropped", bursts(6, 40), False),
    ("begun in the middle", second_half, True),
    ("requests only", one_way(True), True),
    ("responses only", one_way(False), True),
    ("first 200 bytes", cut(200), True),
    ("first 96 bytes", cut(96), True),
    ("reordered by 3", displaced(3), True),
    ("reordered by 10", displaced(10), True),
    ("reordered by 50", displaced(50), False),
    ("each packet twice", twice, True),
    ("twice, once tagged", twice_once_tagged, True),
]
# In these every packet is there, so that every exchange must be, once.
NOTHING_LOST = [twice, twice_once_tagged]


def mangle(capture, how, seed, servers, path):
    """Writes the file; returns for each of its packets the number of the packet that it was (both from 1)."""
    chosen = how(capture, random.Random(seed), servers)
    capture.write(path, chosen)
    return [0] + [number + 1 for number, _ in chosen]
