#!/usr/bin/env python3
"""Speaks to a server by bytes of its own making, over real TCP, and says what came of it.

raw_http.py WHAT PORT [ARGUMENT...]; each WHAT is a function below whose name begins with do_. It
prints what it found, one fact a line, and ends with status 1 where something was not as it must be.
Standard library only.
"""

import os
import select
import socket
import struct
import sys
import threading
import time

PATIENCE = 20.0
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
TRUE = b'{"command": ["true"]}'
OPEN, CLOSED = False, True


def connect(port, timeout=PATIENCE):
    s = socket.create_connection(("127.0.0.1", int(port)), timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Reader:
    """Replies off a socket, one after the other."""

    def __init__(self, s):
        self.s, self.data, self.ended = s, b"", False

    def more(self):
        try:
            got = self.s.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            got = b""
        if not got:
            self.ended = True
        self.data += got
        return bool(got)

    def reply(self, head_only=False):
        """(status, head, body), or None where the connection is over."""
        while True:
            while b"\r\n\r\n" not in self.data:
                if self.ended or not self.more():
                    return None
            head, self.data = self.data.split(b"\r\n\r\n", 1)
            status = int(head.split(b" ", 2)[1])
            if status != 100:
                break
        fields = {}
        for line in head.split(b"\r\n")[1:]:
            name, value = line.split(b":", 1)
            fields[name.lower()] = value.strip()
        if head_only or status == 204:
            return status, fields, b""
        if fields.get(b"transfer-encoding") == b"chunked":
            return status, fields, self.chunked()
        length = int(fields.get(b"content-length", 0))
        while len(self.data) < length and self.more():
            pass
        body, self.data = self.data[:length], self.data[length:]
        return status, fields, body

    def chunked(self):
        body = b""
        while True:
            while b"\r\n" not in self.data and self.more():
                pass
            line, self.data = self.data.split(b"\r\n", 1)
            n = int(line, 16)
            while len(self.data) < n + 2 and self.more():
                pass
            body, self.data = body + self.data[:n], self.data[n + 2:]
            if n == 0:
                return body


def request(method, path, body=None, fields=b""):
    head = b"%s %s HTTP/1.1\r\n" % (method, path) + HOST + fields
    if body is None:
        return head + b"\r\n"
    return head + JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body


def ask(port, method, path, body=None, fields=b"", timeout=PATIENCE):
    with connect(port, timeout) as s:
        s.sendall(request(method, path, body, fields))
        return Reader(s).reply(method == b"HEAD")


def health_ms(port):
    began = time.monotonic()
    got = ask(port, b"GET", b"/health")
    assert got and got[0] == 200, got
    return (time.monotonic() - began) * 1000


# --- the table: what is sent, the status of the reply, and whether the connection closes ---

def get(fields=HOST, line=b"GET /health HTTP/1.1"):
    return line + b"\r\n" + fields + b"\r\n"


def post(fields, body):
    return b"POST /run HTTP/1.1\r\n" + HOST + JSON + fields + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def chunk(data, extension=b""):
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


TABLE = [
    # What is right stays right.
    ("a plain GET", get(), 200, OPEN),
    ("an empty line before the request line", b"\r\n" + get(), 200, OPEN),
    ("Connection: close", get(HOST + b"Connection: close\r\n"), 200, CLOSED),
    ("a body with a length", post(b"Content-Length: %d\r\n" % len(TRUE), TRUE), 200, OPEN),
    ("a chunked body", post(CHUNKED, chunk(TRUE) + b"0\r\n\r\n"), 200, OPEN),
    ("a body in chunks of one byte",
     post(CHUNKED, b"".join(chunk(TRUE[i:i + 1]) for i in range(len(TRUE))) + b"0\r\n\r\n"), 200, OPEN),
    ("an upper-case chunk size", post(CHUNKED, b"1A\r\n{\"command\": [\"true\"]     }\r\n0\r\n\r\n"), 200, OPEN),
    ("a short chunk extension", post(CHUNKED, chunk(TRUE, b";a=b") + b"0\r\n\r\n"), 200, OPEN),
    ("a short trailer", post(CHUNKED, chunk(TRUE) + b"0\r\nX-T: 1\r\n\r\n"), 200, OPEN),
    ("absolute form", get(HOST, b"GET http://localhost/health HTTP/1.1"), 200, OPEN),
    ("white space around a value", get(b"Host: \t localhost \t\r\n"), 200, OPEN),
    ("bytes above 127 in a value", get(HOST + b"X-A: \xc3\xa9\xff\r\n"), 200, OPEN),
    ("HTTP/1.0 without Host", b"GET /health HTTP/1.0\r\n\r\n", 200, CLOSED),
    ("a query", get(HOST, b"GET /health?a=b HTTP/1.1"), 200, OPEN),
    # Two lengths.
    ("Content-Length and Transfer-Encoding", post(b"Content-Length: 3\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
     400, CLOSED),
    ("Transfer-Encoding and Content-Length", post(CHUNKED + b"Content-Length: 3\r\n", b"0\r\n\r\n" + SMUGGLED),
     400, CLOSED),
    ("two different lengths", post(b"Content-Length: 0\r\nContent-Length: 44\r\n", SMUGGLED), 400, CLOSED),
    ("two equal lengths", post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"), 400, CLOSED),
    ("a list of lengths", post(b"Content-Length: 2, 2\r\n", b"{}"), 400, CLOSED),
    # Lengths that are none.
    ("a length with plus", post(b"Content-Length: +2\r\n", b"{}"), 400, CLOSED),
    ("a length with minus", post(b"Content-Length: -2\r\n", b"{}"), 400, CLOSED),
    ("a length with a space in it", post(b"Content-Length: 1 0\r\n", b"{}        "), 400, CLOSED),
    ("a hexadecimal length", post(b"Content-Length: 0x2\r\n", b"{}"), 400, CLOSED),
    ("an empty length", post(b"Content-Length: \r\n", b"{}"), 400, CLOSED),
    ("a length with a fraction", post(b"Content-Length: 2.0\r\n", b"{}"), 400, CLOSED),
    ("a length with an exponent", post(b"Content-Length: 2e0\r\n", b"{}"), 400, CLOSED),
    ("a length of 2^64 + 2", post(b"Content-Length: 18446744073709551618\r\n", b"{}"), (400, 413), CLOSED),
    ("a length over the greatest body", post(b"Content-Length: 17000000\r\n", b"{}"), 413, CLOSED),
    ("a length of 2^63", post(b"Content-Length: 9223372036854775808\r\n", b"{}"), (400, 413), CLOSED),
    # Codings.
    ("chunked twice", post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), (400, 501), CLOSED),
    ("two fields of chunked", post(CHUNKED + CHUNKED, b"0\r\n\r\n"), (400, 501), CLOSED),
    ("gzip, chunked", post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), (400, 501), CLOSED),
    ("chunked, identity", post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), (400, 501), CLOSED),
    ("identity", post(b"Transfer-Encoding: identity\r\n", b""), (400, 501), CLOSED),
    ("xchunked", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), (400, 501), CLOSED),
    ("chunked behind a vertical tab", post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), 400, CLOSED),
    ("a coding with a space before its colon", post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), 400, CLOSED),
    ("a coding on the next line", post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), 400, CLOSED),
    ("chunked in HTTP/1.0", b"POST /run HTTP/1.0\r\n" + JSON + CHUNKED + b"\r\n0\r\n\r\n", 400, CLOSED),
    # Chunks.
    ("a chunk size with plus", post(CHUNKED, b"+2\r\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("a chunk size with minus", post(CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("a chunk size with 0x", post(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("a chunk size with a space before it", post(CHUNKED, b" 2\r\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("a chunk size that is empty", post(CHUNKED, b"\r\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("a chunk size of 2^64", post(CHUNKED, b"10000000000000000\r\n{}\r\n0\r\n\r\n"), (400, 413), CLOSED),
    ("a chunk of 16 MiB and more", post(CHUNKED, b"1000001\r\n{}"), 413, CLOSED),
    ("a chunk size ended by LF alone", post(CHUNKED, b"2\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("a chunk longer than it says", post(CHUNKED, b"2\r\n{}{\r\n0\r\n\r\n"), 400, CLOSED),
    ("a chunk that ends in LF alone", post(CHUNKED, b"2\r\n{}\n0\r\n\r\n"), 400, CLOSED),
    ("a chunk extension of 300 bytes", post(CHUNKED, b"2;" + b"a" * 300 + b"\r\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("a bare CR in a chunk extension", post(CHUNKED, b"2;a\rb\r\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("a LF in a chunk extension", post(CHUNKED, b"2;a\nb\r\n{}\r\n0\r\n\r\n"), 400, CLOSED),
    ("trailers of 16 KB", post(CHUNKED, chunk(b"{}") + b"0\r\n" + b"X-T: 1\r\n" * 2048 + b"\r\n"), (400, 431), CLOSED),
    ("a trailer with a space in its name", post(CHUNKED, chunk(b"{}") + b"0\r\nX T: 1\r\n\r\n"), 400, CLOSED),
    # Line ends and names.
    ("LF alone in the head", b"GET /health HTTP/1.1\nHost: localhost\n\n", 400, CLOSED),
    ("LF alone after one field", get(b"Host: localhost\nX-A: 1\r\n"), 400, CLOSED),
    ("a bare CR in a value", get(HOST + b"X-A: 1\rX-B: 2\r\n"), 400, CLOSED),
    ("a NUL in a value", get(HOST + b"X-A: 1\x002\r\n"), 400, CLOSED),
    ("a folded field", get(HOST + b"X-A: 1\r\n 2\r\n"), 400, CLOSED),
    ("a field that begins with a space", get(b" Host: localhost\r\n"), 400, CLOSED),
    ("a space before the colon", get(HOST + b"X-A : 1\r\n"), 400, CLOSED),
    ("a field without a colon", get(HOST + b"X-A\r\n"), 400, CLOSED),
    ("a field without a name", get(HOST + b": 1\r\n"), 400, CLOSED),
    ("a NUL in a name", get(HOST + b"X\x00A: 1\r\n"), 400, CLOSED),
    ("a byte above 127 in a name", get(HOST + b"X\xc3: 1\r\n"), 400, CLOSED),
    ("101 fields", get(HOST + b"X-A: 1\r\n" * 100), (400, 431), CLOSED),
    ("a head of 40 KB", get(HOST + b"X-A: " + b"a" * 40000 + b"\r\n"), 431, CLOSED),
    # Request lines.
    ("two spaces in the request line", get(HOST, b"GET  /health HTTP/1.1"), 400, CLOSED),
    ("a tab in the request line", get(HOST, b"GET\t/health HTTP/1.1"), 400, CLOSED),
    ("a space behind the version", get(HOST, b"GET /health HTTP/1.1 "), 400, CLOSED),
    ("a space in the target", get(HOST, b"GET /hea lth HTTP/1.1"), 400, CLOSED),
    ("a NUL in the target", get(HOST, b"GET /health\x00 HTTP/1.1"), 400, CLOSED),
    ("a fragment in the target", get(HOST, b"GET /health#a HTTP/1.1"), 400, CLOSED),
    ("a target of 20 KB", get(HOST, b"GET /" + b"a" * 20000 + b" HTTP/1.1"), 414, CLOSED),
    ("a target without its slash", get(HOST, b"GET health HTTP/1.1"), 400, CLOSED),
    ("no target", get(HOST, b"GET HTTP/1.1"), 400, CLOSED),
    ("authority form", get(HOST, b"GET localhost:80 HTTP/1.1"), 400, CLOSED),
    ("CONNECT", get(HOST, b"CONNECT localhost:80 HTTP/1.1"), (400, 404, 405, 501), None),
    ("an unknown method", get(HOST, b"FROBNICATE /health HTTP/1.1"), 501, CLOSED),
    ("a method in small letters", get(HOST, b"get /health HTTP/1.1"), (400, 501), CLOSED),
    ("a known method that no route has", get(HOST, b"PATCH /health HTTP/1.1"), 405, OPEN),
    ("TRACE", get(HOST, b"TRACE /health HTTP/1.1"), (405, 501), None),
    ("OPTIONS", get(HOST, b"OPTIONS /run HTTP/1.1"), 405, OPEN),
    ("HTTP/0.9", b"GET /health\r\n\r\n", 400, CLOSED),
    ("HTTP/1.2", get(HOST, b"GET /health HTTP/1.2"), (200, 505), None),
    ("HTTP/2.0", get(HOST, b"GET /health HTTP/2.0"), 505, CLOSED),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 501, 505), CLOSED),
    ("HTTP/1.01", get(HOST, b"GET /health HTTP/1.01"), (400, 505), CLOSED),
    ("http in small letters", get(HOST, b"GET /health http/1.1"), (400, 505), CLOSED),
    ("the first bytes of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, CLOSED),
    # Host.
    ("no Host", get(b""), 400, CLOSED),
    ("two Hosts", get(HOST + HOST), 400, CLOSED),
    ("a Host with a path", get(b"Host: localhost/a\r\n"), 400, CLOSED),
    ("a Host with a user", get(b"Host: a@localhost\r\n"), 400, CLOSED),
    ("a Host with a space", get(b"Host: local host\r\n"), 400, CLOSED),
    ("a Host with a port that is none", get(b"Host: localhost:x\r\n"), 400, CLOSED),
    ("absolute form for another host", get(HOST, b"GET http://evil.example/version HTTP/1.1"), (400, 403), None),
    # Expectations, and bodies where none is wanted.
    ("an expectation that is unknown", post(b"Expect: 200-ok\r\nContent-Length: 2\r\n", b"{}"), 417, CLOSED),
    ("100-continue", post(b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(TRUE), TRUE), 200, OPEN),
    ("a GET with a body", get(HOST + b"Content-Length: 2\r\n") + b"{}", 200, OPEN),
    ("a GET with another request as its body",
     get(HOST + b"Content-Length: %d\r\n" % len(SMUGGLED)) + SMUGGLED, 200, OPEN),
    ("a GET with a body of 1 MB", get(HOST + b"Content-Length: 1000000\r\n"), 200, CLOSED),
    ("a POST without length", b"POST /run HTTP/1.1\r\n" + HOST + JSON + b"\r\n", (400, 411), None),
    ("Upgrade to h2c", get(HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                           b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"), 200, OPEN),
]


def try_one(port, sent, head_only=False):
    """The status, and whether the connection was closed; with a note where a reply came too many."""
    with connect(port) as s:
        try:
            s.sendall(sent)
        except (ConnectionResetError, BrokenPipeError):
            pass
        reader = Reader(s)
        got = reader.reply(head_only)
        if not got:
            return 0, True, "no reply at all"
        try:
            s.sendall(get(HOST))
        except (ConnectionResetError, BrokenPipeError):
            pass
        again = reader.reply()
        if again is None:
            return got[0], True, ""
        if again[0] != 200 or again[2] != b"OK":
            return got[0], False, "one reply too many: %d" % again[0]
        return got[0], False, ""


def do_table(port):
    failed = 0
    for name, sent, status, closed in TABLE:
        got, is_closed, note = try_one(port, sent)
        wanted = status if isinstance(status, tuple) else (status,)
        good = got in wanted and closed in (None, is_closed) and not note
        failed += not good
        print("%sok %s: %d and %s%s" % ("" if good else "not ", name, got, "closed" if is_closed else "open",
                                        "" if good else ", wanted %s and %s %s" % (
                                            status, "closed" if closed else "open", note)))
    print("requests %d" % len(TABLE))
    return failed


def do_bytewise(port):
    """Each request of the table one byte at a time is answered as it is in one piece."""
    failed = 0
    for name, sent, status, _ in TABLE:
        if len(sent) > 400:
            continue
        with connect(port) as s:
            try:
                for i in range(len(sent)):
                    s.send(sent[i:i + 1])
            except (ConnectionResetError, BrokenPipeError):
                pass
            got = Reader(s).reply()
        wanted = status if isinstance(status, tuple) else (status,)
        if not got or got[0] not in wanted:
            failed += 1
            print("not ok %s: %s, wanted %s" % (name, got and got[0], status))
    return failed


def do_pipeline(port):
    """Three requests in one packet: three replies, in order."""
    with connect(port) as s:
        s.sendall(get(HOST) + get(HOST, b"GET /nowhere HTTP/1.1") + get(HOST + b"Connection: close\r\n"))
        reader = Reader(s)
        statuses = [reader.reply()[0] for _ in range(3)]
        statuses.append(reader.reply())
    print(statuses)
    return statuses != [200, 404, 200, None]


# --- JSON ---

BODIES = [
    ("empty", b"", 400), ("cut off", b'{"command": ["true"', 400), ("not UTF-8", b'{"command": ["\xff"]}', 400),
    ("a lone surrogate", b'{"command": ["\\ud800"]}', 400), ("10,000 deep", b"[" * 10000, 400),
    ("10,000 objects deep", b'{"a":' * 10000, 400), ("1,000,000 values", b"[" + b"0," * 1000000 + b"0]", 400),
    ("a NUL in an argument", b'{"command": ["a\\u0000b"]}', 400), ("a NUL", b'{"command": ["a\x00b"]}', 400),
    ("two values", TRUE + TRUE, 400), ("a byte order mark", b"\xef\xbb\xbf" + TRUE, 400),
    ("a duplicate key", b'{"command": ["true"], "command": ["false"]}', 400),
    ("a number of 100,000 digits", b'{"command": ["true"], "time": ' + b"9" * 100000 + b"}", 400),
    ("a string of 15 MB", b'{"command": ["' + b"a" * 15000000 + b'"]}', 400),
    ("NaN", b'{"command": ["true"], "time": NaN}', 400),
]


def do_bodies(port):
    failed = 0
    for name, body, status in BODIES:
        got = ask(port, b"POST", b"/run", body)
        good = got and got[0] == status and b'"error"' in got[2]
        failed += not good
        print("%sok %s: %s" % ("" if good else "not ", name, got and got[0]))
    return failed


def do_send(port, text):
    """Sends the text, with its escapes read, and prints the reply."""
    with connect(port) as s:
        s.sendall(text.encode().decode("unicode_escape").encode("latin-1"))
        got = Reader(s).reply()
    print(got[0] if got else 0)
    return 0


# --- slow clients ---

def closes_within(s, seconds, drip=None, every=1.0):
    """How long it took until the server closed, while a byte is sent every so often."""
    began = time.monotonic()
    s.settimeout(0)
    while time.monotonic() - began < seconds:
        try:
            if drip:
                s.send(drip)
        except BlockingIOError:
            pass
        except OSError:
            return time.monotonic() - began
        ready, _, _ = select.select([s], [], [], every)
        try:
            while ready and s.recv(65536):
                pass
            if ready:
                return time.monotonic() - began
        except BlockingIOError:
            pass
        except OSError:
            return time.monotonic() - began
    return None


def do_slow_headers(port, count, bound):
    """COUNT clients send a byte of a head a second: all are closed within BOUND seconds, and the
    longest that /health took meanwhile is said."""
    clients = [connect(port) for _ in range(int(count))]
    for s in clients:
        s.sendall(b"GET /health HTTP/1.1\r\nX-A: ")
        s.setblocking(False)
    return watch(port, clients, float(bound), b"a")


def do_slow_bodies(port, count, bound):
    """COUNT clients announce a body, send its first byte and then nothing."""
    clients = [connect(port) for _ in range(int(count))]
    for s in clients:
        s.sendall(post(b"Content-Length: 1000\r\n", b"{"))
        s.setblocking(False)
    return watch(port, clients, float(bound), None)


def watch(port, clients, bound, drip):
    began, worst, statuses = time.monotonic(), 0, {}
    while clients and time.monotonic() - began < bound:
        left = []
        for s in clients:
            try:
                if drip:
                    s.send(drip)
                got = s.recv(65536)
                if got:
                    status = got.split(b" ", 2)[1].decode()
                    statuses[status] = statuses.get(status, 0) + 1
                s.close()
            except BlockingIOError:
                left.append(s)
            except OSError:
                s.close()
        clients = left
        worst = max(worst, health_ms(port))
        time.sleep(0.5)
    print("statuses %s" % sorted(statuses.items()))
    print("left %d after %.1f s, /health took at most %.1f ms" % (len(clients), time.monotonic() - began, worst))
    return bool(clients) or worst > 1000


def do_never_reads(port, bound):
    """A client asks for 8 MB and reads nothing of them: it is closed within BOUND seconds, and
    others are served meanwhile."""
    body = b'{"command": ["head", "-c", "8000000", "/dev/zero"], "output": 8192, "fsize": 10240}'
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(PATIENCE)
    s.connect(("127.0.0.1", int(port)))
    s.sendall(request(b"POST", b"/run", body))
    began, worst, over = time.monotonic(), 0, False
    while not over and time.monotonic() - began < float(bound):
        worst = max(worst, health_ms(port))
        # The server's end resets the connection: that is seen without reading.
        poll = select.poll()
        poll.register(s, 0)
        over = any(e & (select.POLLHUP | select.POLLERR) for _, e in poll.poll(500))
    print("closed %s after %.1f s, /health took at most %.1f ms" % (over, time.monotonic() - began, worst))
    return not over or worst > 1000


def do_idle(port, count):
    """COUNT idle connections, and a request on a new one; says how many of them still live."""
    clients = []
    try:
        for _ in range(int(count)):
            clients.append(connect(port))
    except OSError as error:
        print("stopped at %d: %s" % (len(clients), error))
    worst = max(health_ms(port) for _ in range(5))
    closed = [is_closed(s) for s in clients]
    print("opened %d, closed %d, /health took at most %.1f ms" % (len(clients), sum(closed), worst))
    if sum(closed) and True in closed:
        # The oldest went, and none after a younger one that lives.
        first_alive = closed.index(False) if False in closed else len(closed)
        in_order = all(not c for c in closed[first_alive:])
        print("the oldest went first: %s" % ("yes" if in_order else "no"))
    return worst > 1000


def is_closed(s):
    poll = select.poll()
    poll.register(s, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))


def do_idle_run(port, count):
    """A run beside COUNT idle connections."""
    clients = [connect(port) for _ in range(int(count))]
    time.sleep(0.5)
    got = ask(port, b"POST", b"/run", TRUE)
    print(got[0], got[2][:200], sum(is_closed(s) for s in clients))
    return got[0] != 200


def do_keep_one(port, count):
    """A connection that is used again is younger than those that came after it and did nothing."""
    used = connect(port)
    others = [connect(port) for _ in range(3)]
    time.sleep(0.1)
    used.sendall(get(HOST))
    assert Reader(used).reply()[0] == 200
    more = [connect(port) for _ in range(int(count))]
    time.sleep(0.2)
    for s in more[-1:]:
        s.sendall(get(HOST))
        assert Reader(s).reply()[0] == 200
    print("used again: %s, others: %s" % ("closed" if is_closed(used) else "open",
                                          [is_closed(s) for s in others]))
    return is_closed(used) or not all(is_closed(s) for s in others)


def do_vanish(port, path, text, after):
    """Sends a POST and closes AFTER seconds later, by a reset where AFTER ends in r."""
    s = connect(port)
    s.sendall(request(b"POST", path.encode(), text.encode()))
    time.sleep(float(after.rstrip("r")))
    if after.endswith("r"):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    return 0


def do_queue(port, runs, text):
    """RUNS requests at once, a connection each: how many were answered by what."""
    statuses, lock, after = {}, threading.Lock(), []

    def one():
        got = ask(port, b"POST", b"/run", text.encode(), timeout=100)
        with lock:
            key = got[0] if got else 0
            statuses[key] = statuses.get(key, 0) + 1
            if key == 503:
                after.append(got[1].get(b"retry-after"))

    threads = [threading.Thread(target=one) for _ in range(int(runs))]
    for t in threads:
        t.start()
    worst = 0
    while any(t.is_alive() for t in threads):
        worst = max(worst, health_ms(port))
        time.sleep(0.05)
    print("statuses %s" % sorted(statuses.items()))
    print("Retry-After with each 503: %s" % ("yes" if after and all(after) else "no"))
    print("/health took at most %.1f ms" % worst)
    return worst > 2000


def do_full_queue(port, count):
    """COUNT runs at once of which the first goes on: those that find no place in the queue are told
    so at once, and when to come again."""
    clients, refused, after = [], 0, 0
    for _ in range(int(count)):
        s = connect(port)
        s.sendall(request(b"POST", b"/run", b'{"command": ["sleep", "60"], "wall_time": 70000}'))
        clients.append(s)
    time.sleep(1)
    worst = max(health_ms(port) for _ in range(10))
    for s in clients:
        poll = select.poll()
        poll.register(s, select.POLLIN)
        if poll.poll(0):
            got = Reader(s).reply()
            refused += got[0] == 503
            after += got[0] == 503 and int(got[1].get(b"retry-after", 0)) > 0
        s.close()
    print("refused %d, with Retry-After %d, /health took at most %.1f ms" % (refused, after, worst))
    return not refused or refused != after or worst > 1000


def do_fair(port, count, field):
    """COUNT runs of one address, which poses as many by FIELD, wait when another address asks: that one's turn comes soon."""
    def answered(s):
        return bool(select.select([s], [], [], 0)[0])

    flood = []
    for i in range(int(count)):
        s = connect(port)
        s.sendall(request(b"POST", b"/run", b'{"command": ["sleep", "0.2"]}', field.replace("N", str(i)).encode() + b"\r\n"))
        flood.append(s)
    while not answered(flood[0]):
        time.sleep(0.01)
    with socket.create_connection(("127.0.0.1", int(port)), PATIENCE, ("127.0.0.2", 0)) as other:
        other.sendall(request(b"POST", b"/run", TRUE))
        got = Reader(other).reply()
    before = sum(answered(s) for s in flood)
    print("status %d, after %d of %d" % (got[0], before, len(flood)))
    for s in flood:
        s.close()
    return got[0] != 200 or before > len(flood) / 2


def do_outputs(port, runs, front):
    """RUNS runs at once, each with 1 MiB on stdout, all of it bytes that JSON says in six: what the server holds at most is the
    replies, and little more (docs/operation.md, Sizing)."""
    def kb():
        with open("/proc/%s/status" % front) as f:
            return int(f.read().split("VmRSS:")[1].split()[0])

    before, clients = kb(), []
    body = b'{"command": ["sh", "-c", "head -c 1048576 /dev/zero; exec sleep 4"]}'
    for _ in range(int(runs)):
        s = connect(port, 100)
        s.sendall(request(b"POST", b"/run", body))
        clients.append(s)
    most = whole = 0
    for s in clients:
        while not select.select([s], [], [], 0.05)[0]:
            most = max(most, kb())
        got = Reader(s).reply()
        most = max(most, kb())
        whole += got[0] == 200 and len(got[2]) > 6 << 20
        s.close()
    print("%d of %s whole, %d KB before, at most %d KB" % (whole, runs, before, most))
    return whole != int(runs) or most - before > int(runs) * 6 * 1024 + 16384


def do_unix(path, text):
    """A GET over a unix socket: status and body."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    s.connect(path)
    s.sendall(request(b"GET", text.encode()))
    got = Reader(s).reply()
    print(got[0])
    return 0


def do_activate(port, *command):
    """Starts a command as systemd would: descriptor 3 is a socket that listens on PORT's address
    (0: any port, which is said first)."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(port)))
    s.listen(16)
    print("port %d" % s.getsockname()[1], flush=True)
    if s.fileno() != 3:
        os.dup2(s.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ["LISTEN_FDS"] = "1"
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(bool(globals()["do_" + sys.argv[1]](*sys.argv[2:])))
