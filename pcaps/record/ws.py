#!/usr/bin/env python3
"""Both ends of a WebSocket connection: `ws.py server PORT`, `ws.py client PORT plain|deflate`.

The server echoes what it gets, and serves a page whose script talks to it.
"""
import asyncio
import http
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.http11 import Response

PAGE = b"""<!doctype html><title>waiting</title><script>
const socket = new WebSocket(`ws://${location.host}/chat`);
socket.onopen = () => { socket.send("hello from the page"); socket.send(JSON.stringify({op: "subscribe", ids: [1, 2, 3]})); };
let left = 2;
socket.onmessage = message => { if (--left === 0) socket.close(4000, "the page has seen enough"); };
socket.onclose = () => { document.title = "done"; };
</script><img src="/wait">"""


async def page(connection, request):
    if request.path == "/wait":
        # The page is not over before its script has done its work.
        await asyncio.sleep(1)
        return connection.respond(http.HTTPStatus.NO_CONTENT, "")
    if request.headers.get("Upgrade") is None:
        return Response(200, "OK", Headers({"Content-Type": "text/html", "Content-Length": str(len(PAGE)), "Connection": "close"}), PAGE)
    return None


async def echo(socket):
    async for message in socket:
        await socket.send(b"echo: " + message if isinstance(message, bytes) else "echo: " + message)


async def server(port):
    deflate = ServerPerMessageDeflateFactory(server_no_context_takeover=True)
    async with serve(echo, "127.0.0.1", port, process_request=page, compression=None, extensions=[deflate]) as running:
        await running.serve_forever()


async def parts():
    yield "one message in several "
    await asyncio.sleep(0.05)
    yield "fragments, with a needle across-"
    await asyncio.sleep(0.05)
    yield "fragments"


async def client(port, how):
    extensions = [ClientPerMessageDeflateFactory()] if how == "deflate" else None
    uri = f"ws://127.0.0.1:{port}/chat?room=1"
    async with connect(uri, compression=None, extensions=extensions, origin="http://www.site.test") as socket:
        async def ask(message):
            await socket.send(message)
            print(await socket.recv())
        await ask("hello, websocket")
        await ask('{"op":"subscribe","channel":"needle-in-websocket"}')
        await ask('{"op":"subscribe","channel":"needle-in-websocket, again"}')
        await ask(bytes(range(8)))
        sending = asyncio.create_task(ask(parts()))
        await asyncio.sleep(0.02)
        await (await socket.ping(b"are you there"))
        await sending
        await socket.close(1000, "done for today")


if __name__ == "__main__":
    role, port, *how = sys.argv[1:]
    try:
        asyncio.run(server(int(port)) if role == "server" else client(int(port), *how))
    except KeyboardInterrupt:
        pass
