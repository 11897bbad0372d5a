#!/usr/bin/env python3
"""The French web site: it answers in French unless Accept-Language asks for English.

    site.py [PORT] [ADDRESS]

/slow sleeps two seconds first, /chunked, /gzip, /br and /zstd answer in those codings (the last an event
stream, flushed event by event, in latin1), /json takes and gives JSON, /image gives a
small PNG, /empty answers 204, all else but / is a 404.
"""
import gzip
import json
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "FrenchSite/1.0"
    sys_version = ""

    def log_message(self, *_):
        pass

    def page(self):
        english = "en" in (self.headers.get("Accept-Language") or "")
        word, language = ("Hello!", "en") if english else ("Bonjour !", "fr")
        text = f"<!doctype html>\n<html lang={language}>\n<h1>{word}</h1>\n</html>\n"
        return text.encode(), language

    def answer(self, status, kind, body, *more):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in more:
            self.send_header(name, value)
        if not any(name == "Transfer-Encoding" for name, _ in more) and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunk(self, piece):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def do_GET(self):
        page, language = self.page()
        html = "text/html; charset=utf-8"
        common = [("Content-Language", language), ("Vary", "Accept-Language")]
        if self.path == "/slow":
            time.sleep(2)
        if self.path in ("/", "/slow"):
            self.answer(200, html, page, *common)
        elif self.path == "/chunked":
            pieces = [b"The needle is c", b"ut by two chun", b"ks: nee", b"dle-42 here.\n"]
            coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            self.answer(200, "text/plain", coded, ("Transfer-Encoding", "chunked"))
        elif self.path == "/gzip":
            self.answer(200, html, gzip.compress(page, mtime=0), ("Content-Encoding", "gzip"), *common)
        elif self.path == "/br":
            import brotli
            self.answer(200, html, brotli.compress(page), ("Content-Encoding", "br"), *common)
        elif self.path == "/zstd":
            import zstandard
            coder = zstandard.ZstdCompressor(level=3).compressobj()
            headers = [("Content-Encoding", "zstd"), ("Transfer-Encoding", "chunked")]
            self.answer(200, "text/event-stream; charset=iso-8859-1", b"", *headers)
            for number in range(3):
                event = f"data: événement {number}\n\n".encode("latin1")
                self.chunk(coder.compress(event) + coder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
                time.sleep(0.02)
            self.chunk(coder.flush())
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/json":
            self.answer(200, "application/json", json.dumps({"language": language, "items": [1, 2, 3]}).encode())
        elif self.path == "/image":
            self.answer(200, "image/png", PNG)
        elif self.path == "/empty":
            self.answer(204, None, b"")
        else:
            self.answer(404, "text/plain", b"no such page\n")

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(200, "application/json", json.dumps({"bytes": len(body)}).encode())


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, port):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), Site)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    Server(address, port).serve_forever()
