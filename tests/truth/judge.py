"""Holds what spygrep states against what both sides logged."""
import base64
import collections
import copy
import json
import os
import re
import subprocess

import wire

NO_BODY = wire.digest(b"")
# Marks that say nothing against the message that carries them.
NEUTRAL = {"joined", "pending"}
COLUMNS = ["exact", "marked", "cut", "unpaired", "missing", "doubled", "wrong", "invented"]


# -- the truth --


class Exchange:
    """One exchange as its two sides logged it. None: neither side knows."""

    FIELDS = ("method", "target", "status", "request", "response")

    def __init__(self):
        self.method = self.target = self.status = self.request = self.response = None
        self.broken = False
        # short: the server promised more than it sent; silent: it closed without a response.
        self.short = None
        self.disputed = []
        self.copies = {"client": 0, "server": 0}

    def add(self, record):
        self.copies[record["side"]] += 1
        self.broken = self.broken or bool(record.get("broken"))
        self.short = self.short or record.get("short")
        for field in self.FIELDS:
            value = record.get(field)
            if value is None:
                continue
            known = getattr(self, field)
            if known is None:
                setattr(self, field, value)
            elif known != value:
                self.disputed.append(f"{field}: {known} and {value}")
        length = record.get("length")
        if length is not None and self.response and self.response[0] != length:
            self.disputed.append(f"length: {self.response[0]} and {length}")

    def certain(self):
        return not self.disputed and (self.short is not None or not self.broken)


def records(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def nginx_records(path):
    """nginx cannot hash, but it names the file that it sent."""
    digests = {}
    for entry in records(path):
        name = entry["file"]
        response = None
        if entry["method"] == "HEAD" or entry["status"] in (204, 304):
            response = NO_BODY
        elif entry["status"] == 200 and os.path.isfile(name):
            if name not in digests:
                with open(name, "rb") as file:
                    digests[name] = wire.digest(file.read())
            response = digests[name]
        yield {
            "side": "server", "port": int(entry["port"]), "id": entry["id"], "method": entry["method"], "target": entry["target"],
            "status": entry["status"], "response": response, "request": NO_BODY if entry["method"] in ("GET", "HEAD") else None,
            "peer": entry["peer"], "broken": entry["done"] != "OK",
        }


class Truth:
    """All exchanges that went over the interface, by port of the server and id."""

    def __init__(self, folder, address, everything):
        """`everything`: what the servers say among themselves goes over the interface as well (loopback)."""
        self.exchanges = collections.defaultdict(Exchange)
        logs = [records(os.path.join(folder, name)) for name in ("client.log", "python.log", "node.log")]
        for log in [*logs, nginx_records(os.path.join(folder, "nginx.log"))]:
            for record in log:
                peer = (record.get("peer") or "").replace("::ffff:", "")
                if record["side"] == "server" and not everything and peer == address:
                    continue
                self.exchanges[record["port"], record["id"]].add(record)
        self.certain = {key: one for key, one in self.exchanges.items() if one.certain()}
        self.ports = {port for port, _ in self.exchanges}


# -- what spygrep states --


class Message:
    """A request or a final response, put together from its portions."""

    def __init__(self, data):
        flow = data["flow"]
        self.number = data["id"]
        self.is_request = data["kind"] in ("http.request", "question")
        self.port = int(flow["dst" if self.is_request else "src"].rsplit(":", 1)[1])
        self.flow = (flow["src"], flow["dst"])
        http = data["http"] or {}
        self.method, self.target, self.status = http.get("method"), http.get("target"), http.get("status")
        self.id = wire.id_of(self.target) if self.is_request else None
        for name, value in http.get("headers") or []:
            if name.lower() == "x-id" and not self.is_request:
                self.id = value.get("text")
        self.frames = data["frames"]
        self.pieces = []
        self.size = None
        self.marks = set()
        self.truncated = False
        self.portions = 0
        self.keys = set()
        self.add(data)

    def add(self, data):
        self.portions += 1
        body = data["body"]
        if body is None:
            self.truncated = True
        else:
            piece = body["text"].encode("utf-8", "surrogatepass") if "text" in body else base64.b64decode(body["bytes"])
            self.pieces.append(piece)
            if body["size"] is not None:
                self.size = body["size"]
            self.truncated = self.truncated or body["truncated"]
            if body["state"] in ("broken", "cut", "no_room"):
                self.marks.add("body " + body["state"])
        self.marks.update(set(data["marks"]) - NEUTRAL)
        if data["incomplete"]:
            self.marks.add("incomplete")
        if data["gaps"]:
            self.marks.add("gaps")

    def finish(self):
        """Once all portions are there: the digests that its body may be known by."""
        body = b"".join(self.pieces)
        self.pieces = []
        self.length = len(body)
        self.digests = [wire.digest(body)]
        if body.endswith(wire.TRAILER):
            self.digests.append(wire.digest(body[: -len(wire.TRAILER)]))

    def about(self):
        who = f"{self.method} {self.target}" if self.is_request else f"{self.status} (X-Id {self.id})"
        marks = ",".join(sorted(self.marks)) or "no mark"
        return f"#{self.number} {self.flow[0]} -> {self.flow[1]} {who}, body {self.length} B, {marks}, portions {self.portions}"


class Stated:
    """All that a run of spygrep --json printed."""

    def __init__(self, path):
        self.messages = []
        self.others = collections.Counter()
        self.summary = None
        open_portions = {}
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except ValueError:
                    # The last line of a run that was killed.
                    self.others["unreadable"] += 1
                    continue
                data = record["data"]
                if record["type"] == "summary":
                    self.summary = data
                if record["type"] not in ("match", "context"):
                    continue
                if data["kind"] not in ("http.request", "http.response", "question"):
                    self.others[data["kind"]] += 1
                    continue
                status = (data["http"] or {}).get("status")
                key = (data["id"], data["kind"])
                if data["portion"] in ("next", "last") and key in open_portions:
                    open_portions[key].add(data)
                    continue
                if status is not None and 100 <= status < 200 and status != 101:
                    self.others["interim"] += 1
                    continue
                message = Message(data)
                self.messages.append(message)
                if data["portion"] is not None:
                    open_portions[key] = message
        for message in self.messages:
            message.finish()


def first_frames(stated):
    """Which messages begin in which frame: by this a message is known again whose id was cut off."""
    begins = collections.defaultdict(set)
    for message in stated.messages:
        if message.frames and message.id:
            begins[message.is_request, message.frames[0]].add((message.port, message.id))
    return begins


# -- the verdict --


class Verdict:
    def __init__(self):
        self.counts = collections.Counter()
        self.paired = 0
        self.details = collections.defaultdict(list)
        self.uncertain = 0

    def note(self, what, text):
        if len(self.details[what]) < 40:
            self.details[what].append(text)


def compare(exchange, message):
    """What the message has otherwise than the exchange."""
    differs = []
    fields = [("method", message.method), ("target", message.target)] if message.is_request else [("status", message.status)]
    for field, value in fields:
        wanted = getattr(exchange, field)
        if wanted is not None and value != wanted:
            differs.append(f"{field} {value}, was {wanted}")
    wanted = exchange.request if message.is_request else exchange.response
    if wanted is not None and wanted not in message.digests:
        differs.append(f"body of {message.length} B, was {wanted[0]} B" + (", other bytes" if message.length == wanted[0] else ""))
    elif wanted is not None and message.portions == 1 and message.size != message.length and not message.truncated:
        differs.append(f"size said to be {message.size}, is {message.length}")
    return differs


def most_of_one_flow(messages):
    return max(collections.Counter(message.flow for message in messages).values(), default=0)


def judge(truth, stated, origin=None, begins=None):
    """`origin`: the number that each frame had in the file from which this one was made; `begins`: first_frames of that file."""
    verdict = Verdict()
    requests, responses = collections.defaultdict(list), collections.defaultdict(list)
    by_number = {}
    for message in stated.messages:
        if message.is_request:
            by_number.setdefault(message.number, message)
        if message.id and (message.port, message.id) in truth.exchanges:
            message.keys = {(message.port, message.id)}
        elif origin and message.frames and message.id != wire.FAKE:
            message.keys = begins.get((message.is_request, origin[message.frames[0]]), set())
        if not message.keys:
            # The end of its head was not captured, or it states that there was no answer.
            if message.id is None and (message.marks or (message.status is None and not message.is_request)):
                verdict.counts["nameless"] += 1
            else:
                verdict.counts["invented"] += 1
                verdict.note("invented", message.about())
            continue
        for key in message.keys:
            (requests if message.is_request else responses)[key].append(message)

    mispaired, paired = {}, set()
    for message in stated.messages:
        partner = None if message.is_request else by_number.get(message.number)
        if partner is None or not message.keys or not partner.keys:
            continue
        if message.keys & partner.keys:
            paired |= message.keys & partner.keys if len(message.keys) == 1 else set()
        else:
            for key in message.keys:
                mispaired[key] = f"paired wrongly: {partner.about()} / {message.about()}"

    for key, exchange in truth.exchanges.items():
        asked, answered = requests.get(key, []), responses.get(key, [])
        if key in mispaired:
            verdict.counts["wrong"] += 1
            verdict.note("wrong", mispaired[key])
            continue
        if not exchange.certain():
            verdict.uncertain += 1
            continue
        verdict.paired += key in paired
        if not asked and not answered:
            verdict.counts["missing"] += 1
            verdict.note("missing", f"{key} {exchange.method} {exchange.target}")
            continue
        how, why = "exact", ""
        for message in asked + answered:
            this = "exact"
            # Nobody knows how much of a refused body was sent.
            lenient = message.is_request and exchange.request is None
            if exchange.short and not message.is_request:
                lenient = bool(message.marks)
            differs = [] if len(message.keys) > 1 else compare(exchange, message)
            if exchange.short and not message.is_request and not message.marks:
                differs.append("was broken off, and nothing marks it")
            if differs and message.marks:
                this = "marked"
            elif differs:
                this = "cut" if message.truncated and all(text.startswith("body") for text in differs) else "wrong"
            elif (message.marks or (message.truncated and message.portions == 1)) and not lenient:
                this = "marked"
            if ["exact", "marked", "cut", "wrong"].index(this) > ["exact", "marked", "cut", "wrong"].index(how):
                how, why = this, f"{message.about()}: {'; '.join(differs)}"
        # Several responses begin in its first frame, and the id was cut off: which it is, nobody can say.
        ambiguous = answered and len(answered[0].keys) > 1
        if how != "wrong":
            # A client whose kept connection was closed under it asks again on another one.
            times = max(1, exchange.copies["server"], exchange.copies["client"])
            if most_of_one_flow(asked) > times or most_of_one_flow(answered) > times:
                how, why = "doubled", f"{key}: " + " / ".join(m.about() for m in asked + answered)
            elif key not in paired and not ambiguous and not (exchange.short == "silent" and asked and not answered):
                how, why = "unpaired", " / ".join(m.about() for m in asked + answered)
        verdict.counts[how] += 1
        if how != "exact":
            verdict.note(how, why)
    return verdict


# -- whether the judge can see --


def spoiled(lines):
    """What spygrep printed, with a fault of each kind put in: (the column that must rise, the lines)."""
    chosen = []
    for number, line in enumerate(lines):
        data = line["data"]
        if line["type"] == "match" and data["kind"] == "http.response" and not data["marks"] and data["portion"] is None:
            if data["http"]["status"] == 200 and data["body"].get("text"):
                chosen.append(number)
    one, other = chosen[len(chosen) // 3], chosen[len(chosen) // 2]

    def change(number, **fields):
        made = copy.deepcopy(lines[number])
        made["data"].update(fields)
        return made

    def replaced(places):
        return [places.get(number, line) for number, line in enumerate(lines)]

    body = {**lines[one]["data"]["body"], "text": lines[one]["data"]["body"]["text"][:-1] + "\x7f"}
    yield "wrong", replaced({one: change(one, body=body)})
    first, second = lines[one]["data"]["id"], lines[other]["data"]["id"]
    yield "wrong", replaced({one: change(one, id=second), other: change(other, id=first)})
    http = {**lines[one]["data"]["http"], "headers": [["X-Id", {"text": wire.FAKE}]]}
    yield "invented", [*lines, change(one, id=1 << 40, http=http)]
    yield "doubled", [*lines, lines[one]]
    yield "unpaired", lines[:one] + lines[one + 1 :]


def is_blind(truth, path, folder):
    """The kind of a fault that was put into what spygrep printed, and was not seen; None: all were."""
    lines = list(records(path))
    before = judge(truth, Stated(path)).counts
    spoiled_path = os.path.join(folder, "spoiled.json")
    for column, made in spoiled(lines):
        with open(spoiled_path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in made)
        if judge(truth, Stated(spoiled_path)).counts[column] <= before[column]:
            return column
    os.remove(spoiled_path)
    return None


# -- a peer --


def tshark(path, truth, reorders, origin=None, begins=None, seconds=300):
    """tshark's pairs in the same file: right, wrong. None: it does not come to an end.

    `reorders`: it puts segments into order. Without that it does badly where they are not, with it where one is missing.
    """
    order = f"tcp.reassemble_out_of_order:{'TRUE' if reorders else 'FALSE'}"
    words = ["tshark", "-n", "-r", path, "-o", order, "-Y", "http.response", "-T", "fields"]
    for port in sorted(truth.ports):
        words += ["-d", f"tcp.port=={port},http"]
    for field in "frame.number", "http.response.line", "http.response_for.uri", "http.request_in":
        words += ["-e", field]
    words += ["-E", "occurrence=a", "-E", "aggregator=\x1f"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    right, wrong = set(), 0
    for line in done.stdout.splitlines():
        frame, lines, uris, asked = (line.split("\t") + [""] * 4)[:4]
        answers = re.findall(r"X-Id: ([0-9a-f]{16})", lines)
        questions = [wire.id_of(uri) for uri in uris.split("\x1f") if uri]
        if origin and frame and (not answers or None in questions):
            number = int(frame.split("\x1f")[0])
            answers = answers or [one for _, one in begins.get((False, origin[number]), ())]
            if not questions or None in questions:
                questions = [one for n in asked.split("\x1f") if n for _, one in begins.get((True, origin[int(n)]), ())]
        if not answers or not questions:
            continue
        if len(answers) == len(questions):
            right.update(a for a, b in zip(answers, questions) if a == b)
            wrong += sum(a != b for a, b in zip(answers, questions))
        else:
            right.update(set(answers) & set(questions))
            wrong += len(set(questions) - set(answers))
    return len(right), wrong
