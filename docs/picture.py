#!/usr/bin/env python3
"""Make docs/french-website.png: the program's own output in colour, as a page, photographed by Chromium.

Run in the project's folder, with the program built: python3 docs/picture.py target/release/spygrep
"""
import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

COLORS = {"31": "#d7402b", "32": "#4a9a3f", "33": "#b58900", "35": "#a347ba", "36": "#2a8f98"}
command = [sys.argv[1], "--color=always", "-q", "Accept-Language|<h1>.*</h1>", "pcaps/french-website.pcap"]
output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
page, open_spans = "", 0
for part in re.split(r"(\x1b\[[0-9;]*m)", output.strip("\n")):
    if not part.startswith("\x1b"):
        page += html.escape(part)
        continue
    for code in part[2:-1].split(";"):
        style = {"1": "font-weight:bold", "2": "opacity:.6"}.get(code) or (code in COLORS and f"color:{COLORS[code]}")
        if style:
            page += f'<span style="{style}">'
            open_spans += 1
        elif code in ("", "0"):
            page += "</span>" * open_spans
            open_spans = 0
prompt = '<b>$ spygrep \'Accept-Language|&lt;h1&gt;.*&lt;/h1&gt;\' pcaps/french-website.pcap</b>\n'
document = f"""<meta charset=utf-8><body style="margin:0;background:#fdf6e3;color:#3b4a50"><pre style="font:14px/1.35 'DejaVu Sans Mono',monospace;
padding:16px;white-space:pre-wrap;word-break:break-all;width:1010px">{prompt}\n{page}</pre>"""
with tempfile.TemporaryDirectory() as folder:
    source = Path(folder, "page.html")
    source.write_text(document)
    subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
                    f"--user-data-dir={folder}/profile", "--window-size=1042,1010", "--screenshot=docs/french-website.png",
                    f"file://{source}"], check=True, stderr=subprocess.DEVNULL)
