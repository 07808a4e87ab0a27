"""A server on loopback whose answers a test writes, and which remembers what it was sent."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Sent:
    """One request that came; names of headers are in lower case."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes


@dataclass
class Fault:
    """What happens to the next `times` requests of a method to a path that ends like this.

    `status` None: the connection is closed, after the request was carried out where `done`.
    """

    method: str
    end: str
    status: int | None = None
    body: object = None
    times: int = 1
    done: bool = False


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        sent = Sent(self.command, url.path, parse_qs(url.query), headers, body)
        self.server.seen.append(sent)
        fault = self.server.fault(sent)
        if fault is None:
            self.reply(*self.server.route(sent))
            return
        if fault.done:
            self.server.route(sent)
        if fault.status is None:
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.reply(fault.status, fault.body)

    def reply(self, status, body, headers=()):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        kind = "text/plain" if isinstance(body, bytes) else "application/json"
        sent = {"Content-Type": kind, "Content-Length": str(len(raw)), "Retry-After-Ms": "1"}
        for name, value in {**sent, **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def log_message(self, *_):
        pass


class Scripted(ThreadingHTTPServer):
    """`route` is what a test's provider does: a Sent in, status and body out."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Sent] = []
        self.faults: list[Fault] = []
        self.address = f"http://127.0.0.1:{self.server_port}"

    def route(self, sent):
        raise NotImplementedError

    def fault(self, sent):
        for fault in self.faults:
            if fault.times and sent.method == fault.method and sent.path.endswith(fault.end):
                fault.times -= 1
                return fault
        return None

    def fail(self, *given, **more):
        self.faults.append(Fault(*given, **more))

    def count(self, method, end):
        return sum(s.method == method and s.path.endswith(end) for s in self.seen)

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


def json_lines(lines):
    """A file of results; what is bytes is a line as it is."""
    raw = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return b"".join(line + b"\n" for line in raw)
