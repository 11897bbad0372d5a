"""What both sides of the measurement share: ids, bodies, codings, and the log each side writes.

A log is one JSON object a line, an object for each exchange. A field that a side cannot know is null:

    side     client or server
    who      which program
    port     the server's port: an id goes through a proxy twice, on two ports
    id       16 hexadecimal digits, in the target of the request and in X-Id of the response
    method, target, status
    request  length and SHA-256 of the decoded body of the request
    response the same of the final response
    broken   the exchange did not come to its end, as this side saw it
    peer     the client's address, as the server sees it
    error    what went wrong, for the reader
"""
import gzip
import hashlib
import json
import random
import re
import threading
import zlib

ID = re.compile(r"/([0-9a-f]{16})(?![0-9a-f])")
# Heads that stand in bodies carry this id. Whoever takes one for a message has invented it.
FAKE = "feedfacefeedface"
FAKE_HEADS = (
    f"HTTP/1.1 200 OK\r\nX-Id: {FAKE}\r\nContent-Length: 5\r\n\r\nhello\r\n"
    f"GET /plain/{FAKE} HTTP/1.1\r\nHost: nowhere\r\n\r\n"
).encode()
# What servers put behind the last chunk. To spygrep it belongs to the body's text (docs/spygrep.schema.json).
TRAILER = b"X-Trailer: yes\r\n\r\n"


def new_id(rng):
    return f"{rng.getrandbits(64):016x}"


def id_of(target):
    found = ID.search(target or "")
    return found.group(1) if found else None


def digest(body):
    """Length and SHA-256, the form in which logs have bodies."""
    return [len(body), hashlib.sha256(body).hexdigest()]


class Digest:
    """The same of a body that comes in pieces."""

    def __init__(self):
        self.length, self.sha = 0, hashlib.sha256()

    def add(self, piece):
        self.length += len(piece)
        self.sha.update(piece)

    def value(self):
        return [self.length, self.sha.hexdigest()]


def text(ident, size):
    """`size` bytes of text that no other id has. One in twelve has heads of messages in it."""
    rng = random.Random(ident)
    lines = []
    length = 0
    while length < size:
        line = f"{length:08d} {ident} {rng.getrandbits(96):024x}\n".encode()
        if rng.randrange(2000) == 0:
            line += "Größe, naïve, 日本語\n".encode()
        lines.append(line)
        length += len(line)
    body = b"".join(lines)
    if rng.randrange(12) == 0 and size > 2000:
        at = rng.randrange(size - 1000)
        body = body[:at] + FAKE_HEADS + body[at:]
    body = body[:size]
    # The cut may have gone through a character.
    return body.decode("utf-8", "ignore").encode().ljust(size, b".")


def binary(ident, size):
    return random.Random(ident).randbytes(size)


class Encoder:
    """A content coding, piece by piece, so that each piece can be sent when it is there."""

    def __init__(self, coding):
        # gzip has a wrapper of its own; "deflate" is zlib's format (RFC 9110, 8.4.1.2).
        wrapper = {"gzip": 31, "deflate": 15}.get(coding)
        self.coder = zlib.compressobj(6, zlib.DEFLATED, wrapper) if wrapper else None

    def piece(self, data):
        if self.coder is None:
            return data
        return self.coder.compress(data) + self.coder.flush(zlib.Z_SYNC_FLUSH)

    def end(self):
        return self.coder.flush() if self.coder else b""


def decode(body, coding):
    coding = (coding or "").strip().lower()
    if coding == "gzip":
        return gzip.decompress(body)
    if coding == "deflate":
        return zlib.decompress(body)
    if coding in ("", "identity"):
        return body
    raise ValueError(f"no decoder for {coding}")


class Log:
    def __init__(self, path, side, who):
        self.file = open(path, "a", encoding="utf-8")
        self.common = {"side": side, "who": who}
        self.lock = threading.Lock()

    def write(self, **record):
        line = json.dumps({**self.common, **record})
        with self.lock:
            self.file.write(line + "\n")
            self.file.flush()
