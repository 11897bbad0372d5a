"""The bench on which the measurement is made: namespaces, veth pairs, processes; and that all of them go again."""
import atexit
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PREFIX = "spygrep-truth-"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """The bench could not be made, or a program on it did not do its part. Says nothing about spygrep."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def command(*words, check=True, timeout=20):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise Failed(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def can_make_namespaces():
    """None, or why not."""
    name = f"{PREFIX}{os.getpid()}-probe"
    try:
        command("ip", "netns", "add", name)
        command("ip", "link", "add", "v0", "netns", name, "type", "veth", "peer", "name", "v1", "netns", name)
        return None
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=20)


def remove_stale():
    """Namespaces and folders of runs that were killed."""

    def stale(folder):
        try:
            names = os.listdir(folder)
        except OSError:
            return []
        found = [(name, re.match(PREFIX + r"(\d+)-", name)) for name in names]
        return [name for name, match in found if match and not os.path.exists(f"/proc/{match.group(1)}")]

    for name in stale("/run/netns"):
        remove_namespace(name)
    for name in stale(tempfile.gettempdir()):
        shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def remove_namespace(name):
    """With the processes in it, all of which were started here: nobody else is told of the namespace."""
    for _ in range(20):
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, timeout=20).stdout.split()
        if not found:
            break
        for process in found:
            try:
                os.kill(int(process), signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.1)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=20)


class Process:
    def __init__(self, words, name, folder, namespace=None, output=None, ready=None, within=15):
        """`ready` is what its output or error output must show before it counts as started."""
        if namespace:
            words = ["ip", "netns", "exec", namespace, *words]
        self.name = name
        self.out_path = output or os.path.join(folder, name + ".out")
        self.error_path = os.path.join(folder, name + ".err")
        with open(self.out_path, "wb") as out, open(self.error_path, "wb") as error:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=error, start_new_session=True, preexec_fn=die_with_parent
            )
        if ready:
            end = time.monotonic() + within
            while ready not in self.told():
                if self.process.poll() is not None or time.monotonic() > end:
                    told = self.told()[-2000:]
                    self.kill()
                    raise Failed(f"{name} does not start: {told}")
                time.sleep(0.02)

    def told(self):
        text = ""
        for path in self.out_path, self.error_path:
            with open(path, "rb") as file:
                text += file.read(1 << 20).decode("utf-8", "replace")
        return text

    def errors(self):
        with open(self.error_path, "rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace")

    def wait(self, seconds):
        """Its exit status; None: it goes on."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, number=signal.SIGTERM, within=15):
        """True: it ended by itself when it was asked to."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            if self.wait(within) is None:
                self.kill()
                return False
        return True

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Bench:
    """Makes things, and unmakes them at its end, whatever happens."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.namespaces = []
        self.number = 0
        atexit.register(self.clear)
        for number in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:
            signal.signal(number, lambda received, _: sys.exit(128 + received))

    def start(self, words, name, **more):
        process = Process(words, name, self.folder, **more)
        self.processes.append(process)
        return process

    def namespace(self, what):
        self.number += 1
        name = f"{PREFIX}{os.getpid()}-{self.number}{what}"
        command("ip", "netns", "add", name)
        self.namespaces.append(name)
        inside(name, "ip", "link", "set", "lo", "up")
        return name

    def clear(self):
        for process in reversed(self.processes):
            if process.process.poll() is None:
                process.kill()
        self.processes = []
        for name in self.namespaces:
            remove_namespace(name)
        self.namespaces = []


def inside(namespace, *words, check=True):
    return command("ip", "netns", "exec", namespace, *words, check=check)


def free_ports(count):
    socks = []
    for _ in range(count):
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        socks.append(sock)
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


def missing(programs):
    return [program for program in programs if shutil.which(program) is None]


class Net:
    """Where clients and servers are, and where one listens.

    client, server: namespaces (None: this one); address: the server's; listen: namespace and interface.
    """

    def __init__(self, bench, condition, seed):
        self.forwarder = None
        if condition.get("lo"):
            space = bench.namespace("lo") if condition.get("own", True) else None
            self.client = self.server = space
            self.address = "127.0.0.1"
            self.listen = (space, "lo")
            return
        self.client, self.server, wire = (bench.namespace(what) for what in ("c", "s", "w"))
        mtu = str(condition.get("mtu", 1500))
        ipv6 = condition.get("ipv6")
        ends = ((self.client, "c0", "w0", 1), (self.server, "s0", "w1", 2))
        for space, inner, outer, _ in ends:
            command("ip", "link", "add", inner, "netns", space, "type", "veth", "peer", "name", outer, "netns", wire)
        for space, inner, outer, host in ends:
            setting(wire, outer, "disable_ipv6", 1)
            setting(space, inner, "accept_dad", 0)
            for where, interface in (space, inner), (wire, outer):
                inside(where, "ip", "link", "set", interface, "mtu", mtu)
                if not condition.get("offloads"):
                    for what in "tso", "gso", "gro", "tx":
                        inside(where, "ethtool", "-K", interface, what, "off")
            address = f"fd53::{host}/64" if ipv6 else f"192.0.2.{host}/24"
            inside(space, "ip", "address", "add", address, "dev", inner, *(["nodad"] if ipv6 else []))
            inside(wire, "ip", "link", "set", outer, "up")
            inside(space, "ip", "link", "set", inner, "up")
        self.address = "fd53::2" if ipv6 else "192.0.2.2"
        self.listen = (self.client, "c0")
        job = {"a": "w0", "b": "w1", "seed": seed, "statistics": os.path.join(bench.folder, "wire.json")}
        job["up"] = {"delay": 0.0005, **condition.get("up", condition.get("both", {}))}
        job["down"] = {"delay": 0.0005, **condition.get("down", condition.get("both", {}))}
        if "tags" in condition:
            tap = bench.namespace("t")
            command("ip", "link", "add", "m0", "netns", wire, "type", "veth", "peer", "name", "m1", "netns", tap)
            for where, interface in (wire, "m0"), (tap, "m1"):
                setting(where, interface, "disable_ipv6", 1)
                inside(where, "ip", "link", "set", interface, "mtu", "9000", "up")
            job.update(mirror="m0", tag_up=condition["tags"][0], tag_down=condition["tags"][1])
            self.listen = (tap, "m1")
        self.start(bench, wire, job)

    def start(self, bench, wire, job):
        path = os.path.join(bench.folder, "wire.job")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(job, file)
        words = [sys.executable, os.path.join(HERE, "forward.py"), path]
        self.forwarder = bench.start(words, "forward", namespace=wire, ready="ready")


def setting(namespace, interface, name, value):
    """A setting of an interface for IPv6, where there is IPv6 at all."""
    path = f"/proc/sys/net/ipv6/conf/{interface}/{name}"
    inside(namespace, "sh", "-c", f"test ! -e {path} || echo {value} > {path}")
