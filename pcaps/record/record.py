#!/usr/bin/env python3
"""Record the captures of real programs: run as root, from this folder's parent.

Needs tcpdump, curl, chromium, ping, ip, dnsmasq, dig (Debian: tcpdump curl chromium iputils-ping
iproute2 dnsmasq-base bind9-dnsutils), for HTTP/2 nginx and node, and Python's brotli and zstandard
for the site, websockets, and grpcio. All traffic stays on loopback, or in a network namespace that
is made here and removed again.
"""
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

here = Path(__file__).resolve().parent
out = here.parent
CURL = ["curl", "-s", "-o", "/dev/null"]


def shell(command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


def record(name, filter, traffic, interface="lo", options=(), inside=()):
    """Capture what `traffic` does into a file."""
    path = out / name
    command = [*inside, "tcpdump", "-Z", "root", "-i", interface, "-U", "--immediate-mode", *options, "-w", str(path), filter]
    tcpdump = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    tcpdump.stderr.readline()
    time.sleep(0.3)
    traffic()
    time.sleep(0.4)
    tcpdump.terminate()
    tcpdump.wait()
    print(name, path.stat().st_size)


def curl(*arguments):
    return lambda: shell([*CURL, *arguments])


def browser_and_curl():
    with tempfile.TemporaryDirectory() as profile:
        shell([
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US",
            f"--user-data-dir={profile}", "--dump-dom", "http://localhost:5000/",
        ], timeout=60)
    shell([*CURL, "http://localhost:5000/"])


def pieces(port, parts, pause=0.02):
    """Send `parts` one by one, each its own segment; read what comes back."""
    def send():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            connection.settimeout(0.3)
            try:
                while connection.recv(65536):
                    pass
            except TimeoutError:
                pass
    return send


def serve_once(port, talk):
    """A server for one connection."""
    listener = socket.create_server(("127.0.0.1", port))

    def serve():
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            talk(connection)
        listener.close()
    threading.Thread(target=serve, daemon=True).start()


def lines(connection):
    connection.sendall(b"220 ready\r\n")
    while line := connection.recv(1000):
        connection.sendall(b"ok " + line)
        if b"quit" in line:
            return


def upgrade(connection):
    connection.recv(4000)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n")
    time.sleep(0.02)
    connection.sendall(b"welcome to the chat\n")
    connection.recv(1000)
    connection.sendall(b"bye\n")


def datagrams(*texts, port=5140, address="127.0.0.1"):
    def send():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as listener, socket.socket(family, socket.SOCK_DGRAM) as sender:
            listener.bind((address, port))
            for text in texts:
                sender.sendto(text, (address, port))
                time.sleep(0.02)
    return send


RESOLVER = "127.0.0.53"


def dig(*arguments):
    """Ask the resolver; what it answers is in the capture, not on the screen."""
    command = ["dig", f"@{RESOLVER}", "+tries=1", "+timeout=1", "+nocookie", *arguments]
    return lambda: subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def resolver(traffic):
    """Run `traffic` while dnsmasq answers for example.test, and refuses the rest."""
    def run():
        server = subprocess.Popen([
            "dnsmasq", "--no-daemon", "--no-hosts", "--no-resolv", "--bind-interfaces", "--conf-file=/dev/null",
            f"--listen-address={RESOLVER}", "--user=root", "--local=/test/", "--host-record=api.example.test,192.0.2.7,2001:db8::7",
            "--cname=www.example.test,api.example.test", "--mx-host=example.test,mail.example.test,10",
            "--txt-record=example.test,v=spf1 -all needle", "--srv-host=_http._tcp.example.test,api.example.test,8080,1,2",
        ], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            for ask in traffic:
                ask()
        finally:
            server.terminate()
            server.wait()
    return run


def nginx(traffic):
    """nginx with HTTP/2 in cleartext on port 5003."""
    def run():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "hello.txt").write_text("hello from nginx\n")
            Path(folder, "nginx.conf").write_text(f"""
                daemon off; pid {folder}/pid; error_log /dev/null; events {{}}
                http {{
                    access_log off; client_body_temp_path {folder}/body; types {{ text/plain txt; }}
                    server {{ listen 127.0.0.1:5003 http2; root {folder}; }}
                }}
            """)
            os.chmod(folder, 0o755)
            server = subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf"], stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            try:
                traffic()
            finally:
                server.terminate()
                server.wait()
    return run


def node(port):
    """All that h2.js does, as a server and as a client."""
    def run():
        program = str(here / "h2.js")
        server = subprocess.Popen(["node", program, "server", str(port)])
        time.sleep(0.7)
        try:
            shell(["node", program, "client", str(port)], timeout=30)
        finally:
            server.terminate()
            server.wait()
    return run


def between(program, port, *clients):
    """Run `clients` while `program` serves on `port`."""
    def run():
        server = subprocess.Popen([sys.executable, here / program, "server", str(port)])
        time.sleep(1)
        try:
            for client in clients:
                client()
        finally:
            server.kill()
            server.wait()
    return run


def client(program, port, *how):
    return lambda: shell([sys.executable, here / program, "client", str(port), *how], timeout=30)


def browser(url):
    def open_page():
        with tempfile.TemporaryDirectory() as profile:
            shell([
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US",
                f"--user-data-dir={profile}", "--dump-dom", url,
            ], timeout=60)
    return open_page


def record_websocket():
    for how, port in (("plain", 5007), ("deflate", 5008)):
        record(f"ws-{how}.pcap", f"tcp port {port}", between("ws.py", port, client("ws.py", port, how)))
    record("ws-browser.pcap", "tcp port 5009", between("ws.py", 5009, browser("http://127.0.0.1:5009/")))


def record_grpc():
    record("grpc-calls.pcap", "tcp port 5010", between("calls.py", 5010, client("calls.py", 5010)))


def h2(*arguments):
    return curl("--http2-prior-knowledge", *arguments)


def record_http2():
    text = "http://127.0.0.1:5003/hello.txt"
    record("http2-curl.pcap", "tcp port 5003", nginx(lambda: [h2(*asked)() for asked in (
        ["-H", "Accept-Language: de", text], ["-I", text], ["http://127.0.0.1:5003/none"])]))
    record("http2-streams.pcap", "tcp port 5004", node(5004))


def main():
    server = subprocess.Popen([sys.executable, here / "site.py", "5000"])
    server6 = subprocess.Popen([sys.executable, here / "site.py", "5006", "::1"])
    time.sleep(0.5)
    web = "tcp port 5000"
    site = "http://127.0.0.1:5000"
    try:
        record("french-website.pcap", web, browser_and_curl)
        record("http-slow.pcap", web, lambda: [curl(f"{site}{path}")() for path in ("/", "/slow", "/json")])
        record("http-chunked.pcap", web, curl(f"{site}/chunked"))
        record("http-gzip.pcap", web, curl("--compressed", f"{site}/gzip"))
        record("http-brotli.pcap", web, curl("--compressed", f"{site}/br"))
        record("http-zstd-events.pcap", web, curl("--compressed", f"{site}/zstd"))
        record("http-image.pcap", web, curl(f"{site}/image"))
        record("http-keepalive.pcap", web, curl(f"{site}/", f"{site}/json", "-o", "/dev/null", f"{site}/missing", "-o", "/dev/null"))
        record("http-head-204.pcap", web, lambda: [shell(["curl", "-sI", f"{site}/"]), curl(f"{site}/empty")()])
        record("http-post-json.pcap", web, curl("--json", '{"user":"alice","language":"fr"}', f"{site}/json"))
        record("http-100-continue.pcap", web, curl("-H", "Expect: 100-continue", "-d", "x=" + "y" * 1200, f"{site}/form"))
        get = b"GET /json HTTP/1.1\r\nHost: localhost\r\n"
        record("http-split-match.pcap", web, pieces(5000, [get + b"X-Token: SEC", b"RET", b"42\r\n\r\n"]))
        record("http-byte-by-byte.pcap", web, pieces(5000, [bytes([byte]) for byte in get + b"\r\n"], pause=0.001))
        record("http-pipelined.pcap", web, pieces(5000, [b"".join(
            b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in (b"/", b"/json", b"/missing"))]))
        record("http-ipv6.pcap", "tcp port 5006", curl("http://[::1]:5006/"))
        serve_once(5001, lines)
        record("tcp-lines.pcap", "tcp port 5001", pieces(5001, [b"hello\r\n", b"the nee", b"dle\r\n", b"quit\r\n"]))
        serve_once(5002, upgrade)
        hello = b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n"
        record("http-upgrade.pcap", "tcp port 5002", pieces(5002, [hello, b"", b"hi all\n"], pause=0.1))
        record("udp-syslog.pcap", "udp port 5140", datagrams(
            b"<13>Nov 24 10:00:00 app: started", b"<11>Nov 24 10:00:01 app: disk full\non /var", "<14>café 你好".encode(), b""))
        record("hostile-terminal.pcap", "udp port 5140", datagrams(
            b"title: \x1b]0;owned\x07 colour: \x1b[31mred\x1b[0m", b"c1: \x9b31m utf8 c1: \xc2\x9b31m",
            "bidi: \u202eevil\u202c zero: a\u200bb".encode(), b"clipboard: \x1b]52;c;aGk=\x07", b"over\rwritten and back\b\b\b"))
        ping = ["ping", "-c", "2", "-i", "0.2", "-p", "6e6565646c65"]
        record("icmp-ping.pcap", "icmp or icmp6", lambda: [shell([*ping, "127.0.0.1"]), shell([*ping, "::1"])])
        record("any-sll.pcap", "udp port 5140", datagrams(b"needle by any"), "any", ["-y", "LINUX_SLL"])
        record("any-sll2.pcap", "udp port 5140", datagrams(b"needle by any", address="::1"), "any", ["-y", "LINUX_SLL2"])
        names = f"port 53 and host {RESOLVER}"
        record("dns-lookups.pcap", names, resolver([
            dig("storage.example.test"), dig("api.example.test"), dig("www.example.test"), dig("MX", "example.test"),
            dig("TXT", "example.test"), dig("SRV", "_http._tcp.example.test"), dig("example.org")]))
        record("dns-tcp.pcap", names, resolver([dig("+tcp", "+noedns", "AAAA", "api.example.test"), dig("+tcp", "ANY", "example.test")]))
        record("dns-unanswered.pcap", names, lambda: dig("+tries=2", "api.example.test")())
        record("snaplen-cut.pcap", web, curl(f"{site}/"), options=["-s", "120"])
    finally:
        server.terminate()
        server6.terminate()
    # A loopback with the MTU of an Ethernet cuts large datagrams into fragments.
    namespace = f"spygrep-{os.getpid()}"
    inside = ["ip", "netns", "exec", namespace]
    shell(["ip", "netns", "add", namespace])
    try:
        shell([*inside, "ip", "link", "set", "lo", "mtu", "1500", "up"])
        send = "import socket,sys;s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,socket.SOCK_DGRAM);" \
               "s.sendto(b'a'*1465+b'SPLIT-NEEDLE'+b'b'*2000,(sys.argv[1],5140))"
        for name, address in (("udp-fragments.pcap", "127.0.0.1"), ("udp6-fragments.pcap", "::1")):
            record(name, "not icmp and not icmp6", lambda: shell([*inside, sys.executable, "-c", send, address]), inside=inside)
    finally:
        shell(["ip", "netns", "del", namespace])


if __name__ == "__main__":
    main()
    record_http2()
    record_websocket()
    record_grpc()
