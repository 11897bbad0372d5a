#!/usr/bin/env python3
"""The clients of the measurement: curl, Python's http.client, a raw client that pipelines, a browser.

    client.py JOB

JOB is a JSON file: address, ports (python10, python11, node, nginx), seed, size (how much to ask for), log, folder,
reports, files (what nginx serves), browser (the program, or null), api (only plain keep-alive exchanges), seconds
(when to give up). Each request has an id of its own; what each client got goes into the log.
"""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import wire

NO_BODY = wire.digest(b"")


class Request:
    """What is asked for: port, method, target, headers, body; and how its body is sent."""

    def __init__(self, port, method, target, ident, headers=(), body=None, chunked=False):
        self.port, self.method, self.target, self.ident = port, method, target, ident
        self.headers, self.body, self.chunked = list(headers), body, chunked
        # Of curl alone.
        self.compressed = self.http10 = False

    def sent(self):
        return wire.digest(self.body or b"")


class Plan:
    """Draws requests. The same seed draws the same."""

    def __init__(self, job, rng):
        self.job, self.rng = job, rng
        self.ports = job["ports"]
        self.files = job["files"]

    def size(self):
        return self.rng.choice([0, 1, 10, 120, 800, 1400, 1460, 3000, 9000, 20000, 70000])

    def make(self, server, kind, method="GET", query="", **more):
        ident = wire.new_id(self.rng)
        target = f"/{kind}/{ident}" + ("?" + query if query else "")
        return Request(self.ports[server], method, target, ident, **more)

    def nginx(self, method="GET"):
        ident = wire.new_id(self.rng)
        kind = self.rng.choice(["static", "static", "proxy"])
        if kind == "proxy":
            target = f"/proxy/{self.rng.choice(['plain', 'chunked'])}/{ident}?n={self.size()}"
        else:
            target = f"/static/{ident}/{self.rng.choice(self.files + ['none.txt'])}"
        return Request(self.ports["nginx"], method, target, ident)

    def get(self, codings=(), servers=("python11", "node", "nginx", "python10")):
        """Any request without a body that any client can take."""
        rng = self.rng
        server = rng.choice(servers)
        method = "HEAD" if rng.randrange(12) == 0 else "GET"
        if server == "nginx":
            return self.nginx(method)
        kinds = ["plain", "plain", "chunked", "chunked", "empty", "notmodified", "moved", "missing", "failed", *codings]
        kind = rng.choice(kinds)
        if kind == "br" and server != "node":
            kind = "gzip"
        binary = "&binary=1" if rng.randrange(6) == 0 and server != "node" else ""
        return self.make(server, kind, method, f"n={self.size()}{binary}")

    def upload(self, server=None, chunked=False, headers=()):
        server = server or self.rng.choice(["python11", "node", "python10"])
        ident = wire.new_id(self.rng)
        body = wire.text(ident, self.rng.choice([0, 5, 300, 1500, 8000, 50000, 200000]))
        return Request(self.ports[server], "POST", f"/upload/{ident}", ident, headers, body, chunked)

    def api(self):
        """A small exchange of an ordinary client."""
        server = self.rng.choice(["python11", "node"])
        if self.rng.randrange(4) == 0:
            request = self.upload(server)
            request.body = request.body[:1500]
            return request
        kind = self.rng.choice(["plain", "plain", "chunked", "missing"])
        return self.make(server, kind, "GET", f"n={self.rng.choice([5, 80, 400, 1200])}")

    def cut_short(self):
        return self.make("python11", self.rng.choice(["short", "silent"]), query=f"n={self.rng.choice([40, 3000, 70000])}")

    def refused(self, count):
        """By turns one that asks for leave to send its body and gets none, and an ordinary one."""
        requests = []
        for number in range(count):
            if number % 2:
                requests.append(self.make("python11", "plain", query="n=300"))
            else:
                headers = ["Expect: 100-continue", "Content-Length: 5000"]
                requests.append(self.make("python11", "expect", "POST", headers=headers))
        return requests

    def slow(self):
        rng = self.rng
        server = rng.choice(["python11", "python11", "node", "python10"])
        kind = rng.choice(["slow", "slow", "sse", "poll"])
        pause = rng.choice([20, 60, 110, 150, 220, 300, 450, 700, 1100, 2000])
        pieces = 2 if pause > 900 else rng.choice([2, 3, 5, 8])
        how = rng.choice(["chunked", "length", "close"])
        coding = "&coding=gzip" if rng.randrange(4) == 0 else ""
        size = rng.choice([60, 500, 4000, 30000])
        return self.make(server, kind, "GET", f"n={size}&pause={pause}&pieces={pieces}&how={how}{coding}")


class Client:
    def __init__(self, job, who):
        self.job = job
        self.log = wire.Log(job["log"], "client", who)

    def record(self, request, status, response, error=None, sent=True):
        self.log.write(
            port=request.port,
            id=request.ident,
            method=request.method,
            target=request.target,
            status=status,
            request=request.sent() if sent else None,
            response=response,
            broken=error is not None,
            error=error,
        )

    def host(self):
        address = self.job["address"]
        return f"[{address}]" if ":" in address else address


# -- curl --


class Curl(Client):
    def run(self, requests, name, parallel=0):
        """One curl for all of them, which keeps its connections."""
        folder = os.path.join(self.job["folder"], name)
        os.makedirs(folder)
        lines = ["silent", "globoff"]
        for number, request in enumerate(requests):
            if number:
                lines += ["next", "silent", "globoff"]
            lines += self.options(request, folder)
        config = os.path.join(folder, "config")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        command = ["curl", "--config", config]
        if parallel:
            command[1:1] = ["--parallel", "--parallel-max", str(parallel)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.job["seconds"], stdin=subprocess.DEVNULL)
            out = done.stdout
        except subprocess.TimeoutExpired as late:
            out = (late.stdout or b"").decode()
        told = {}
        for line in out.splitlines():
            words = line.split("\t")
            if len(words) == 4:
                told[words[0]] = words[1:]
        for request in requests:
            status, code, message = told.get(request.ident, ("0", "-", "curl said nothing"))
            body = b""
            path = os.path.join(folder, request.ident)
            if os.path.exists(path) and request.method != "HEAD":
                with open(path, "rb") as file:
                    body = file.read()
            error = None if code == "0" else f"curl {code}: {message}"
            refused = status == "413"
            self.record(request, int(status) or None, None if error else wire.digest(body), error, sent=not refused and error is None)
        shutil.rmtree(folder)

    def options(self, request, folder):
        lines = [
            f'url = "http://{self.host()}:{request.port}{request.target}"',
            f'output = "{folder}/{request.ident}"',
            f'write-out = "{request.ident}\\t%{{http_code}}\\t%{{exitcode}}\\t%{{errormsg}}\\n"',
            "max-time = 60",
        ]
        if request.method == "HEAD":
            lines.append("head")
        lines += [f'header = "{header}"' for header in request.headers]
        if request.compressed:
            lines.append("compressed")
        if request.http10:
            lines.append("http1.0")
        if request.body is not None:
            path = f"{folder}/{request.ident}.body"
            with open(path, "wb") as file:
                file.write(request.body)
            lines.append(f'data-binary = "@{path}"')
            lines.append('header = "Content-Type: text/plain"')
            if request.chunked:
                lines.append('header = "Transfer-Encoding: chunked"')
        return lines


def curl_gets(plan, count):
    requests = []
    for _ in range(count):
        compressed = plan.rng.randrange(2)
        request = plan.get(("gzip", "deflate", "br", "gzip") if compressed else ("close", "hints"))
        if compressed:
            request.compressed = True
        elif plan.rng.randrange(15) == 0 and request.port != plan.ports["node"]:
            request.http10 = True
        requests.append(request)
    return requests


def curl_uploads(plan, count):
    requests = []
    for number in range(count):
        way = number % 6
        if way == 0:
            requests.append(plan.upload(headers=["Expect: 100-continue"]))
        elif way == 1:
            requests.append(plan.upload(plan.rng.choice(["python11", "node"]), chunked=True))
        elif way == 2:
            # Refused before its body was read: by nginx for its length, by Python for its target.
            request = plan.upload("nginx" if plan.rng.randrange(2) else "python11")
            kind = "/static/" if request.port == plan.ports["nginx"] else "/refuse/"
            request.target = kind + request.ident + ("/none.txt" if kind == "/static/" else "")
            request.body = wire.text(request.ident, 300000)
            requests.append(request)
        else:
            requests.append(plan.upload(headers=["Expect:"]))
    return requests


# -- http.client --


class Keep(Client):
    """Python's http.client, one exchange after the other on kept connections."""

    def run(self, requests):
        connections = {}
        for request in requests:
            connection = connections.get(request.port)
            if connection is None:
                connection = http.client.HTTPConnection(self.job["address"], request.port, timeout=60)
                connections[request.port] = connection
            headers = dict(header.split(": ", 1) for header in request.headers)
            body = request.body
            try:
                if request.chunked:
                    headers["Transfer-Encoding"] = "chunked"
                    step = max(1, len(body) // 3)
                    body = iter([body[at : at + step] for at in range(0, len(body), step)])
                    connection.request(request.method, request.target, body, headers, encode_chunked=True)
                else:
                    connection.request(request.method, request.target, body, headers)
                answer = connection.getresponse()
                got = wire.decode(answer.read(), answer.headers.get("Content-Encoding") if request.method != "HEAD" else None)
                self.record(request, answer.status, wire.digest(got))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.record(request, None, None, f"{type(error).__name__}: {error}", sent=False)
                connection.close()
                del connections[request.port]
        for connection in connections.values():
            connection.close()


# -- a raw client --


class Reader:
    """Reads responses off a socket, as many as come."""

    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise ConnectionError("the server closed")
        self.rest += piece

    def upto(self, end):
        while end not in self.rest:
            self.more()
        found, self.rest = self.rest.split(end, 1)
        return found

    def exactly(self, length):
        while len(self.rest) < length:
            self.more()
        found, self.rest = self.rest[:length], self.rest[length:]
        return found

    def response(self, method):
        """Status and decoded body, and whether the connection goes on."""
        while True:
            lines = self.upto(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
            if status >= 200:
                break
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        goes_on = headers.get("connection", "").lower() != "close" and not lines[0].startswith("HTTP/1.0")
        if method == "HEAD" or status in (204, 304):
            return status, b"", goes_on
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.upto(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    break
                body += self.exactly(size)
                self.exactly(2)
            while self.upto(b"\r\n"):
                pass
        elif "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
        else:
            goes_on = False
            try:
                while True:
                    self.more()
            except ConnectionError:
                body, self.rest = self.rest, b""
        return status, wire.decode(body, headers.get("content-encoding")), goes_on


class Raw(Client):
    """Sends several requests at once, or one in pieces, and reads the answers afterwards."""

    def bytes_of(self, request):
        lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {self.host()}:{request.port}", *request.headers]
        body = request.body or b""
        if request.chunked:
            lines.append("Transfer-Encoding: chunked")
            step = max(1, len(body) // 2)
            parts = [body[at : at + step] for at in range(0, len(body), step)]
            body = b"".join(b"%X\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif request.body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def run(self, batches, rng):
        """Batches to one server on one connection, as long as it lasts."""
        sock = None
        for batch in batches:
            left = list(batch)
            try:
                if sock is None:
                    sock = socket.create_connection((self.job["address"], batch[0].port), timeout=60)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    reader = Reader(sock)
                data = b"".join(map(self.bytes_of, batch))
                self.send(sock, data, rng)
                goes_on = True
                while left:
                    status, body, goes_on = reader.response(left[0].method)
                    self.record(left.pop(0), status, wire.digest(body))
                    if not goes_on:
                        break
                if not goes_on:
                    raise ConnectionError("the server closes behind an answer")
            except (OSError, ValueError, IndexError) as error:
                for request in left:
                    self.record(request, None, None, f"{type(error).__name__}: {error}", sent=False)
                if sock:
                    sock.close()
                sock = None
        if sock:
            sock.close()

    def send(self, sock, data, rng):
        way = rng.randrange(4)
        if way == 0 and len(data) < 3000:
            at = 0
            while at < len(data):
                step = rng.choice([1, 2, 15, 200])
                sock.sendall(data[at : at + step])
                at += step
                if rng.randrange(8) == 0:
                    time.sleep(rng.choice([0.001, 0.02, 0.12]))
        elif way == 1:
            middle = rng.randrange(len(data))
            sock.sendall(data[:middle])
            time.sleep(0.03)
            sock.sendall(data[middle:])
        else:
            sock.sendall(data)

    def refused(self, requests):
        """`Expect`, refused: the body is never sent, and the next request follows on the connection."""
        port = requests[0].port
        sock = socket.create_connection((self.job["address"], port), timeout=60)
        reader = Reader(sock)
        for request in requests:
            try:
                sock.sendall(self.bytes_of(request))
                status, body, _ = reader.response(request.method)
                self.record(request, status, wire.digest(body), sent=status != 413)
            except (OSError, ValueError, IndexError) as error:
                self.record(request, None, None, str(error), sent=False)
                break
        sock.close()


def pipelined(plan, batches):
    server = plan.rng.choice(["python11", "node", "nginx"])
    made = []
    for _ in range(batches):
        batch = []
        for _ in range(plan.rng.choice([1, 2, 3, 5, 8])):
            if server != "nginx" and plan.rng.randrange(6) == 0:
                request = plan.upload(server, chunked=plan.rng.randrange(3) == 0)
                # Responses are read when all is sent: more than the buffers hold would lock both sides.
                request.body = request.body[:8000]
            else:
                request = plan.get(("gzip", "deflate"), servers=(server,))
                request.target = request.target.replace("n=70000", "n=7000")
            batch.append(request)
        made.append(batch)
    return made


# -- a browser --

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-extensions --disable-default-apps --disable-dev-shm-usage
--no-default-browser-check --metrics-recording-only --no-pings --disable-breakpad""".split()


# Also where this client is killed.
UNTIL_WE_END = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


class Browser(Client):
    def run(self, plan):
        job = self.job
        port = plan.ports["python11"]
        ident = wire.new_id(plan.rng)
        origin = f"http://{self.host()}:{port}"
        profile = os.path.join(job["folder"], "profile")
        command = [
            *UNTIL_WE_END, job["browser"], *FLAGS, f"--user-data-dir={profile}",
            f"--unsafely-treat-insecure-origin-as-secure={origin}", f"{origin}/page/{ident}",
        ]
        # The profile is its home as well, so that nothing stays behind.
        home = {**os.environ, "HOME": profile, "XDG_CONFIG_HOME": profile, "XDG_CACHE_HOME": profile}
        os.makedirs(profile, exist_ok=True)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=home, start_new_session=True
        )
        report = os.path.join(job["reports"], ident)
        end = time.monotonic() + min(45, job["seconds"])
        while time.monotonic() < end and not os.path.exists(report) and process.poll() is None:
            time.sleep(0.1)
        time.sleep(0.5)
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if not os.path.exists(report):
            print("the browser did not report", file=sys.stderr)
            return
        with open(report, encoding="utf-8") as file:
            seen = json.load(file)
        for entry in seen:
            ident = wire.id_of(entry["target"])
            if ident is None:
                continue
            self.log.write(
                port=entry["port"], id=ident, method=entry["method"], target=entry["target"], status=entry.get("status") or None,
                request=entry.get("request", NO_BODY if entry["method"] == "GET" else None), response=entry.get("response"),
                length=entry.get("length"), broken="error" in entry, error=entry.get("error"),
            )


# -- all of them --


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    rng = random.Random(job["seed"])
    plan = Plan(job, rng)
    size = job["size"]
    curl, keep, raw, browser = Curl(job, "curl"), Keep(job, "http.client"), Raw(job, "raw"), Browser(job, "browser")
    tasks = []

    def times(share, least=1):
        return max(least, round(size * share))

    if job["api"]:
        # Fifty for each of the two servers, on a connection each.
        for _ in range(times(0.01)):
            tasks.append((keep.run, [plan.api() for _ in range(100)]))
    else:
        for number in range(2):
            tasks.append((curl.run, curl_gets(plan, times(0.1)), f"serial{number}"))
        tasks.append((curl.run, curl_gets(plan, times(0.15)), "parallel", 8))
        tasks.append((curl.run, curl_uploads(plan, times(0.08, 6)), "uploads"))
        for _ in range(4):
            requests = [plan.get(("gzip", "deflate", "close")) for _ in range(times(0.05))]
            requests += [plan.upload(chunked=plan.rng.randrange(4) == 0) for _ in range(times(0.01))]
            for request in requests:
                if request.chunked and request.port == plan.ports["python10"]:
                    request.chunked = False
            rng.shuffle(requests)
            tasks.append((keep.run, requests))
        for _ in range(4):
            tasks.append((raw.run, pipelined(plan, times(0.012)), random.Random(rng.random())))
        tasks.append((raw.refused, plan.refused(6)))
        for _ in range(times(0.05, 8)):
            tasks.append((keep.run, [plan.slow()]))
        for _ in range(times(0.01, 4)):
            tasks.append((keep.run, [plan.cut_short()]))
        if job["browser"]:
            tasks.append((browser.run, plan))
    # Not at the same instant, and the slow ones among the others.
    rng.shuffle(tasks)
    with ThreadPoolExecutor(max_workers=10) as pool:
        started = [pool.submit(*task) for task in tasks]
        for one in started:
            one.result()


if __name__ == "__main__":
    threading.excepthook = lambda args: print(args.exc_value, file=sys.stderr)
    main()
