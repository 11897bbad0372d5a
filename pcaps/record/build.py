#!/usr/bin/env python3
"""Build the captures that no program makes to order: run from anywhere, gives the same bytes each time."""
import gzip
import shutil
import struct
import subprocess
from pathlib import Path

out = Path(__file__).resolve().parent.parent
CLIENT, SERVER = bytes([192, 0, 2, 10]), bytes([198, 51, 100, 20])
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(src, dst, protocol, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0, src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp(up, flags, seq, ack, payload=b"", ports=(40000, 80)):
    (src, dst), (sport, dport) = ((CLIENT, SERVER), ports) if up else ((SERVER, CLIENT), ports[::-1])
    head = struct.pack("!HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, 0x50, flags, 65535, 0, 0)
    pseudo = src + dst + struct.pack("!BBH", 0, 6, len(head) + len(payload))
    head = head[:16] + struct.pack("!H", checksum(pseudo + head + payload)) + head[18:]
    return ip(src, dst, 6, head + payload)


def udp(payload):
    head = struct.pack("!HHHH", 1000, 2000, 8 + len(payload), 0)
    return ip(CLIENT, SERVER, 17, head + payload)


def ethernet(packet, tags=()):
    return b"\2\0\0\0\0\2\2\0\0\0\0\1" + b"".join(struct.pack("!HH", 0x8100, tag) for tag in tags) + b"\x08\0" + packet


def write(name, frames, link=1, order="<", nano=False):
    data = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    for number, frame in enumerate(frames):
        fraction = number * 1000 * (1000 if nano else 1) + (7 if nano else 0)
        data += struct.pack(order + "IIII", 1700000000, fraction, len(frame), len(frame)) + frame
    (out / name).write_bytes(data)
    return data


def connection(segments, client=1000, server=5000, close=True):
    """A handshake, then (up, offset, payload) segments, then FINs: frames."""
    packets = [tcp(1, SYN, client, 0), tcp(0, SYN | ACK, server, client + 1), tcp(1, ACK, client + 1, server + 1)]
    ends = [0, 0]
    for up, offset, payload in segments:
        seq, ack = (client + 1 + offset, server + 1 + ends[0]) if up else (server + 1 + offset, client + 1 + ends[1])
        packets.append(tcp(up, PSH | ACK, seq, ack, payload))
        ends[up] = max(ends[up], offset + len(payload))
    if close:
        packets.append(tcp(1, FIN | ACK, client + 1 + ends[1], server + 1 + ends[0]))
        packets.append(tcp(0, FIN | ACK, server + 1 + ends[0], client + 2 + ends[1]))
        packets.append(tcp(1, ACK, client + 2 + ends[1], server + 2 + ends[0]))
    return [ethernet(packet) for packet in packets]


REQUEST = b"GET /needle HTTP/1.1\r\nHost: example.test\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 30\r\n\r\n" + b"0123456789" * 3
AGAIN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\ngone\n"

write("tcp-reordered.pcap", connection([(1, 20, REQUEST[20:]), (1, 0, REQUEST[:20]), (0, 40, ANSWER[40:]), (0, 0, ANSWER[:40])]))
write("tcp-retransmitted.pcap", connection([(1, 0, REQUEST), (1, 0, REQUEST), (0, 0, ANSWER[:60]), (0, 30, ANSWER[30:])]))
write("tcp-conflict.pcap", connection([(1, 4, b"BBBB"), (1, 4, b"EVIL"), (1, 0, b"AAAA")]))
write("tcp-wrap.pcap", connection([(1, 0, REQUEST[:25]), (1, 25, REQUEST[25:]), (0, 0, ANSWER)], client=2**32 - 20, server=2**32 - 50))
write("tcp-port-reuse.pcap", connection([(1, 0, b"first needle\n")]) + connection([(1, 0, b"second needle\n")], 90000, 70000))
write("tcp-reset.pcap", connection([(1, 0, REQUEST)], close=False) + [ethernet(tcp(0, RST | ACK, 5001, 1001 + len(REQUEST)))])
# The middle of the first body is lost; the second exchange is in its place all the same.
lost = connection([(1, 0, REQUEST), (0, 0, ANSWER[:75]), (0, 85, ANSWER[85:]), (1, len(REQUEST), REQUEST), (0, len(ANSWER), AGAIN)])
write("http-gap.pcap", lost)
write("http-mid-stream.pcap", connection([(1, 0, b"ail of a request\r\n\r\n"), (0, 0, ANSWER), (1, 20, REQUEST), (0, len(ANSWER), AGAIN)])[3:])
tunnel = b"CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n"
opened = b"HTTP/1.1 200 Connection established\r\n\r\n"
write("http-connect.pcap", connection([(1, 0, tunnel), (0, 0, opened), (1, len(tunnel), b"inside the tunnel\n"), (0, len(opened), b"needle inside\n")]))

hello = udp(b"hello needle")
write("vlan.pcap", [ethernet(hello), ethernet(hello, [5]), ethernet(hello, [5, 6]), ethernet(hello, [1, 2, 3, 4, 5])])
write("link-null.pcap", [struct.pack("<I", 2) + hello], link=0)
write("link-raw.pcap", [hello], link=101)
write("link-ppp.pcap", [b"\xff\x03\x00\x21" + hello], link=9)
write("padding.pcap", [ethernet(udp(b"hi")) + b"needle in padding"])
write("big-endian.pcap", [ethernet(hello)], order=">")
data = write("nanoseconds.pcap", [ethernet(hello), ethernet(hello)], nano=True)
(out / "compressed.pcap.gz").write_bytes(gzip.compress(data, mtime=0))
if shutil.which("zstd"):
    (out / "compressed.pcap.zst").write_bytes(subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout)
(out / "cut-in-a-record.pcap").write_bytes(data[:-10])


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))


def packet(interface, time, frame, captured=None):
    head = struct.pack("<IIIII", interface, time >> 32, time % 2**32, len(frame[:captured]), len(frame))
    return block(6, head + frame[:captured])


section = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
first = block(1, struct.pack("<HHI", 1, 0, 40))
second = block(1, struct.pack("<HHI", 101, 0, 0) + struct.pack("<HHB3xHH", 9, 1, 9, 0, 0))
when = 1700000000
(out / "two-interfaces.pcapng").write_bytes(
    section + first + second + packet(0, when * 10**6, ethernet(hello), 40) + packet(1, when * 10**9 + 5, hello))
