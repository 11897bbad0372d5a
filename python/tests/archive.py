"""Writes an archive from a seed: two sensors, rotated files of ten seconds, HTTP exchanges on
connections that go on over many files, with waits of up to four seconds."""

import random
import struct
from pathlib import Path

#: When the first file begins, in seconds since 1970.
START = 1_790_000_000
SENSORS = ("north", "south")
FILES = 27
SECONDS = 10
CONNECTIONS = 150
EXCHANGES = 1199


def packet(src, dst, flags, seq, ack, payload):
    """An IPv4 packet with a TCP segment; checksums are left out, as by an offloading sender."""
    tcp = struct.pack(">HHIIBBHHH", src[1], dst[1], seq, ack, 0x50, flags, 0xFFFF, 0, 0)
    total = 20 + len(tcp) + len(payload)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 6, 0, src[0], dst[0])
    return ip + tcp + payload


def connection(number, count, numbers):
    """The packets of a connection with their times, in seconds from the start."""
    client = (bytes([10, 0, number // 250, number % 250 + 1]), 20000 + number)
    server = (bytes([10, 1, 0, number % 7 + 1]), 80)
    end = FILES * SECONDS
    # Most are over before the capture ends; the last file has the others to their ends.
    begin = numbers.uniform(0, end - 2 * count - 10)
    now, up, down = begin, 1, 1
    made = [
        (now, packet(client, server, 2, 0, 0, b"")),
        (now + 0.0001, packet(server, client, 18, 0, 1, b"")),
        (now + 0.0002, packet(client, server, 16, 1, 1, b"")),
    ]
    now += 0.001
    for at in range(count):
        slow = numbers.random() < 0.35
        wait = numbers.uniform(1.01, 4) if slow else numbers.uniform(0.001, 0.9)
        body = bytes(numbers.choices(b"abcdefghij \n", k=numbers.randrange(1, 4500)))
        request = b"GET /%d/%d HTTP/1.1\r\nHost: s%d.test\r\n\r\n" % (number, at, number % 7)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        response = head % len(body) + body
        made.append((now, packet(client, server, 24, up, down, request)))
        up += len(request)
        now += wait
        for start in range(0, len(response), 1400):
            part = response[start : start + 1400]
            made.append((now, packet(server, client, 24, down, up, part)))
            down += len(part)
            now += 0.0005
        made.append((now, packet(client, server, 16, up, down, b"")))
        now += numbers.uniform(0.01, 0.6)
    made.append((now, packet(client, server, 17, up, down, b"")))
    made.append((now + 0.0001, packet(server, client, 17, down, up + 1, b"")))
    return made


def write(folder, seed=7):
    """Writes the files, and returns their paths."""
    numbers = random.Random(seed)
    counts = [1] * CONNECTIONS
    for _ in range(EXCHANGES - CONNECTIONS):
        at = numbers.choice([at for at, count in enumerate(counts) if count < 30])
        counts[at] += 1
    packets = {sensor: [] for sensor in SENSORS}
    for number, count in enumerate(counts):
        packets[SENSORS[number % 2]] += connection(number, count, numbers)
    paths = []
    for sensor in SENSORS:
        (Path(folder) / sensor).mkdir(parents=True, exist_ok=True)
        packets[sensor].sort(key=lambda one: one[0])
        for at in range(FILES):
            low = at * SECONDS
            high = low + SECONDS if at + 1 < FILES else float("inf")
            path = Path(folder) / sensor / f"trace-{at}.pcap"
            with open(path, "wb") as file:
                file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101))
                for ts, bytes_ in packets[sensor]:
                    if low <= ts < high:
                        nanos = round(ts * 1e9)
                        time = (START + nanos // 10**9, nanos % 10**9)
                        file.write(struct.pack("<IIII", *time, len(bytes_), len(bytes_)) + bytes_)
            paths.append(str(path))
    return paths


if __name__ == "__main__":
    import sys

    print("\n".join(write(sys.argv[1])))
