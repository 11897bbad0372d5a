#!/usr/bin/env python3
"""Both ends of gRPC calls: `calls.py server PORT`, `calls.py client PORT`.

Messages are written by hand, so that no schema needs to be compiled.
"""
import struct
import sys
import time
from concurrent import futures

import grpc


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def message(*fields):
    """Each field is a number and a value: text, bytes, a number, a float, or a list of fields."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            data = message(*value) if isinstance(value, list) else value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


ITEM = message((1, "needle-in-protobuf"), (2, 2), (3, 9.5), (4, "red"), (4, "blue"), (5, [(1, "Main St 1"), (2, "Berlin")]), (6, b"\0\1\xff\xfe"))


def add(request, context):
    if b"missing" in request:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such item: 100% gone, café")
    if b"trailer" in request:
        context.set_trailing_metadata((("x-cost", "17"),))
    return message((1, "added"), (2, 1900))


def watch(request, context):
    for at in range(3):
        yield message((1, f"event {at}"), (2, at))
        time.sleep(0.15)


def collect(requests, context):
    count = sum(1 for _ in requests)
    return message((1, count))


def server(port):
    handlers = {
        "Add": grpc.unary_unary_rpc_method_handler(add),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
        "Collect": grpc.stream_unary_rpc_method_handler(collect),
    }
    running = grpc.server(futures.ThreadPoolExecutor(4))
    running.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Cart", handlers)])
    running.add_insecure_port(f"127.0.0.1:{port}")
    running.start()
    running.wait_for_termination()


def client(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        add = channel.unary_unary("/shop.Cart/Add")
        print(add(ITEM, metadata=[("x-request-id", "r-17"), ("x-blob-bin", b"\0\1")]))
        print(add(message((1, "with a trailer"))))
        print(add(message((1, "needle " * 40)), compression=grpc.Compression.Gzip))
        try:
            add(message((1, "missing")))
        except grpc.RpcError as error:
            print(error.code(), error.details())
        print(list(channel.unary_stream("/shop.Cart/Watch")(message((1, "all")))))
        print(channel.stream_unary("/shop.Cart/Collect")(iter([message((1, "one")), message((1, "two"))])))
        try:
            list(channel.unary_stream("/shop.Cart/Watch")(message((1, "late")), timeout=0.2))
        except grpc.RpcError as error:
            print(error.code())


if __name__ == "__main__":
    role, port = sys.argv[1:]
    {"server": server, "client": client}[role](int(port))
