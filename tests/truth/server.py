#!/usr/bin/env python3
"""The Python server of the measurement: http.server with handlers that answer in every framing.

    server.py ADDRESS PORT10 PORT11 LOG REPORTS OTHERS

PORT10 speaks HTTP/1.0, PORT11 HTTP/1.1. What a browser reports goes into the folder REPORTS. OTHERS are the
ports of nginx and node, for the browser's page. The first part of a target is the kind of the answer:

    /plain/ID?n=SIZE       with a length
    /chunked/ID            chunks, now and then with extensions and trailers
    /close/ID              ended by the end of the connection
    /gzip, /deflate        coded, with a length or in chunks
    /slow/ID?pause=MS      pieces with pauses, in the framing that `how` names
    /sse/ID                an event stream
    /poll/ID?pause=MS      nothing for a while, then the answer
    /upload/ID             reads the request's body and says how long it was
    /refuse/ID             413 without reading the body
    /expect/ID             413 instead of 100 Continue; the connection goes on and no body comes
    /hints/ID              103, then the answer
    /empty, /notmodified, /moved, /missing, /failed    204, 304, 301, 404, 503
    /short/ID              promises more than it sends before it closes or resets the connection
    /silent/ID             closes without an answer
    /page/ID               a page of fifty resources for a browser, which then posts what it got to /report/ID?page=ID
"""
import json
import os
import random
import socket
import struct
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import wire

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
STATUS = {"empty": 204, "notmodified": 304, "moved": 301, "missing": 404, "failed": 503}


class Handler(BaseHTTPRequestHandler):
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.count = 0

    # -- the request --

    def __getattr__(self, name):
        # Any method is handled alike.
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def handle_expect_100(self):
        """Before the body is sent, where the client waits for leave to send it."""
        if urlsplit(self.path).path.startswith("/expect/"):
            self.begin()
            body = b"no room for that\n"
            self.reply(413, [("Content-Type", "text/plain")], body, "length")
            self.record(413, None, wire.digest(body))
            return False
        return super().handle_expect_100()

    def begin(self):
        parts = urlsplit(self.path)
        words = parts.path.split("/")
        self.kind = words[1] if len(words) > 1 else ""
        self.ident = wire.id_of(self.path) or "0" * 16
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.rng = random.Random(self.ident + self.kind)
        self.count += 1
        self.broken = None

    def read_body(self):
        got = wire.Digest()
        kept = []
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                if size == 0:
                    while self.rfile.readline().strip():
                        pass
                    break
                piece = self.rfile.read(size)
                self.rfile.readline()
                got.add(piece)
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left:
                piece = self.rfile.read(min(left, 65536))
                if not piece:
                    raise ConnectionError("the request's body broke off")
                left -= len(piece)
                got.add(piece)
                if self.kind == "report":
                    kept.append(piece)
        self.body = b"".join(kept)
        return got.value()

    # -- the response --

    def head(self, status, headers):
        reason = self.responses.get(status, ("",))[0]
        lines = [f"{self.protocol_version} {status} {reason}", f"X-Id: {self.ident}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Date: {formatdate(usegmt=True)}", "Access-Control-Allow-Origin: *", "Timing-Allow-Origin: *"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def reply(self, status, headers, body, how, pieces=1, pause=0.0, coding=None):
        """Sends a response. `how`: length, chunked, close or none (a status that has no body). Pauses are in seconds."""
        if how == "chunked" and "HTTP/1.0" in (self.protocol_version, self.request_version):
            how = "close"
        headers = list(headers)
        encoder = wire.Encoder(coding)
        if coding:
            headers.append(("Content-Encoding", coding))
        size = max(1, -(-len(body) // max(1, pieces)))
        parts = [encoder.piece(body[at : at + size]) for at in range(0, len(body), size)]
        parts.append(encoder.end())
        parts = [part for part in parts if part]
        if how == "length":
            headers.append(("Content-Length", str(sum(map(len, parts)))))
        elif how == "chunked":
            headers.append(("Transfer-Encoding", "chunked"))
            parts = self.chunks(parts)
        if how == "close" or "HTTP/1.0" in (self.protocol_version, self.request_version):
            headers.append(("Connection", "close"))
            self.close_connection = True
        head = self.head(status, headers)
        if self.command == "HEAD" or how == "none":
            parts = []
        if parts and pieces == 1 and self.rng.randrange(2):
            parts[0] = head + parts[0]
        else:
            parts.insert(0, head)
        for number, part in enumerate(parts):
            if number and pause:
                time.sleep(pause)
            self.wfile.write(part)

    def chunks(self, parts):
        made = []
        for part in parts:
            whole = b""
            while part:
                size = self.rng.choice([1, 7, 100, 1000, 8192, 65536])
                chunk, part = part[:size], part[size:]
                extension = b";name=value" if self.rng.randrange(40) == 0 else b""
                whole += b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk)
            made.append(whole)
        last = b"0\r\n" + (wire.TRAILER if self.rng.randrange(5) == 0 else b"\r\n")
        if made and self.rng.randrange(2):
            made[-1] += last
        else:
            made.append(last)
        return made

    def record(self, status, request, response):
        self.server.log.write(
            port=self.server.server_port,
            id=self.ident,
            method=self.command,
            target=self.path,
            status=status,
            request=request,
            response=wire.digest(b"") if self.command == "HEAD" else response,
            peer=self.client_address[0],
            broken=self.broken is not None,
            error=self.broken,
            short=self.kind if self.kind in ("short", "silent") else None,
        )

    # -- kinds --

    def answer(self):
        self.begin()
        status, request, response = None, None, None
        try:
            if self.kind != "refuse":
                request = self.read_body()
            kind = getattr(self, "kind_" + self.kind, None)
            if kind is not None:
                status, response = kind()
            elif self.kind in STATUS:
                status, response = self.simple(STATUS[self.kind])
            else:
                status, response = self.simple(404)
        except (OSError, ValueError) as error:
            self.broken = f"{type(error).__name__}: {error}"
            self.close_connection = True
        self.record(status, request, response)
        if self.kind == "refuse":
            self.linger()

    def content(self, default=3000):
        size = int(self.query.get("n", default))
        if self.query.get("binary"):
            return wire.binary(self.ident, size), [("Content-Type", "application/octet-stream")]
        return wire.text(self.ident, size), [("Content-Type", "text/plain; charset=utf-8")]

    def send_content(self, how, status=200, **more):
        body, headers = self.content()
        self.reply(status, headers, body, how, **more)
        return status, wire.digest(body)

    def simple(self, status):
        if status in (204, 304):
            self.reply(status, [], b"", "none")
            return status, wire.digest(b"")
        more = [("Location", f"/plain/{'0' * 15}1")] if status == 301 else []
        body = f"{status} {self.ident}\n".encode()
        self.reply(status, [("Content-Type", "text/plain"), *more], body, "length")
        return status, wire.digest(body)

    def kind_plain(self):
        return self.send_content("length")

    def kind_chunked(self):
        return self.send_content("chunked", pieces=self.rng.randint(1, 6))

    def kind_close(self):
        return self.send_content("close", pieces=self.rng.randint(1, 3))

    def coded(self, coding):
        how = self.rng.choice(["length", "chunked"])
        return self.send_content(how, pieces=self.rng.randint(1, 4), coding=coding)

    def kind_gzip(self):
        return self.coded("gzip")

    def kind_deflate(self):
        return self.coded("deflate")

    def kind_slow(self):
        pause = int(self.query.get("pause", 200)) / 1000
        coding = self.query.get("coding")
        return self.send_content(self.query.get("how", "chunked"), pieces=int(self.query.get("pieces", 4)), pause=pause, coding=coding)

    def kind_sse(self):
        count = int(self.query.get("pieces", 8))
        events = [f"id: {n}\ndata: word{n} {self.ident}\n\n".ljust(64, "\n") for n in range(count)]
        body = "".join(events).encode()
        pause = int(self.query.get("pause", 100)) / 1000
        how = self.rng.choice(["chunked", "close"])
        self.reply(200, [("Content-Type", "text/event-stream")], body, how, pieces=count, pause=pause)
        return 200, wire.digest(body)

    def kind_poll(self):
        time.sleep(int(self.query.get("pause", 500)) / 1000)
        return self.send_content("length")

    def kind_upload(self):
        body = json.dumps({"id": self.ident, "ok": True}).encode()
        self.reply(200, [("Content-Type", "application/json")], body, "length")
        return 200, wire.digest(body)

    def kind_refuse(self):
        body = b"too large\n" * 20
        self.reply(413, [("Content-Type", "text/plain")], body, "close")
        return 413, wire.digest(body)

    def kind_expect(self):
        # The client did not wait for leave.
        return self.simple(413)

    def kind_hints(self):
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        return self.send_content("length")

    def kind_short(self):
        body, headers = self.content()
        half = body[: len(body) // 2]
        if self.rng.randrange(2):
            self.wfile.write(self.head(200, [*headers, ("Content-Length", str(len(body)))]) + half)
        else:
            self.wfile.write(self.head(200, [*headers, ("Transfer-Encoding", "chunked")]) + b"%x\r\n%s" % (len(body), half))
        self.hang_up()
        return 200, None

    def kind_silent(self):
        self.hang_up()
        return None, None

    def hang_up(self):
        """Closes by FIN or by RST; by RST when what was sent has arrived, lost segments too."""
        self.close_connection = True
        if self.rng.randrange(2):
            time.sleep(1.2)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for one in self.rfile, self.wfile, self.connection:
                one.close()

    def linger(self):
        """Reads on for a while: unread bytes at the close would reset the connection and take the answer away."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(2)
            while self.connection.recv(65536):
                pass
        except OSError:
            pass

    # -- the browser --

    def kind_image(self):
        body = PNG + wire.binary(self.ident, int(self.query.get("n", 500)))
        self.reply(200, [("Content-Type", "image/png")], body, "length")
        return 200, wire.digest(body)

    def kind_style(self):
        body = f"/* {self.ident} */\n.c{self.ident} {{ color: #123456 }}\n".encode() * self.rng.randint(1, 200)
        self.reply(200, [("Content-Type", "text/css")], body, "chunked", coding="gzip")
        return 200, wire.digest(body)

    def kind_script(self):
        body = f"window.loaded = (window.loaded || 0) + 1; // {self.ident}\n".encode() * self.rng.randint(1, 200)
        self.reply(200, [("Content-Type", "text/javascript")], body, "chunked", coding=self.rng.choice([None, "gzip"]))
        return 200, wire.digest(body)

    def kind_page(self):
        body = page(self.ident, self.rng, self.server.others).encode()
        self.reply(200, [("Content-Type", "text/html; charset=utf-8")], body, "length")
        return 200, wire.digest(body)

    def kind_report(self):
        path = os.path.join(self.server.reports, os.path.basename(self.query["page"]))
        with open(path + ".part", "wb") as file:
            file.write(self.body)
        os.rename(path + ".part", path)
        return self.simple(404)


def page(ident, rng, others):
    """Fifty resources: a third as elements of the page, the rest by fetch from three servers."""
    elements, fetches = [], []
    for number in range(50):
        one = wire.new_id(rng)
        if number % 9 == 0:
            elements.append(f'<link rel="stylesheet" href="/style/{one}">')
        elif number % 9 == 1:
            elements.append(f'<script async src="/script/{one}"></script>')
        elif number % 9 == 2:
            elements.append(f'<img src="/image/{one}?n={rng.choice([10, 900, 30000])}">')
        else:
            server = rng.choice(["", "", *others])
            kind = rng.choice(["plain", "chunked", "gzip", "upload", "slow", "missing", "empty", "close"])
            if server == others[0]:
                kind = "plain" if kind in ("upload", "slow", "empty", "close") else kind
            size = rng.choice([0, 10, 500, 5000, 60000])
            fetches.append([server, f"/{kind}/{one}?n={size}&pause={rng.choice([20, 150, 400])}", kind == "upload"])
    script = SCRIPT.replace("FETCHES", json.dumps(fetches)).replace("REPORT", f"/report/{wire.new_id(rng)}?page={ident}")
    return (
        "<!doctype html>\n<meta charset=utf-8>\n<title>fifty resources</title>\n"
        '<link rel="icon" href="data:,">\n' + "\n".join(elements) + f"\n<script>{script}</script>\n"
    )


# Elements have no hash, but the browser knows their status and decoded length.
SCRIPT = """
const seen = [];
async function sha(buffer) {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', buffer));
  return [buffer.byteLength, [...hash].map(byte => byte.toString(16).padStart(2, '0')).join('')];
}
async function one([server, target, upload]) {
  const port = server || location.port;
  const url = `http://${location.hostname}:${port}${target}`;
  const body = upload ? new TextEncoder().encode(target.repeat(200)) : null;
  const record = {port: Number(port), method: upload ? 'POST' : 'GET', target};
  try {
    const answer = await fetch(url, upload ? {method: 'POST', body} : {});
    record.status = answer.status;
    record.response = await sha(await answer.arrayBuffer());
    record.request = await sha(body || new ArrayBuffer(0));
  } catch (error) {
    record.error = String(error);
  }
  seen.push(record);
}
addEventListener('load', async () => {
  await Promise.all(FETCHES.map(one));
  for (const entry of performance.getEntriesByType('resource')) {
    if (entry.initiatorType === 'fetch') continue;
    const url = new URL(entry.name);
    seen.push({port: Number(url.port), method: 'GET', target: url.pathname + url.search,
               status: entry.responseStatus, length: entry.decodedBodySize});
  }
  await fetch('REPORT', {method: 'POST', body: JSON.stringify(seen)});
});
"""


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def handle_error(self, request, address):
        # A connection that broke between two exchanges.
        pass


def main():
    address, port10, port11, log, reports, *others = sys.argv[1:]
    Server.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
    servers = []
    for port, version in (port10, "HTTP/1.0"), (port11, "HTTP/1.1"):
        handler = type("Handler", (Handler,), {"protocol_version": version})
        server = Server((address, int(port)), handler)
        server.log = wire.Log(log, "server", "python " + version)
        server.reports = reports
        server.others = others
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
