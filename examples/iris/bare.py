"""A producer with nothing but a socket: what any program has to send."""

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

BODY = b'{"data": [[5.1, 3.5, 1.4, 0.2]]}'


class Broker:
    """A connection that speaks the NATS protocol: lines, and bodies of a known length."""

    def __init__(self, who):
        address = urlsplit(who["url"])
        self.inbox = who["inbox_prefix"]
        self.asked = 0
        self.socket = socket.create_connection((address.hostname, address.port))
        self.lines = self.socket.makefile("rb")
        says = {"user": who["name"], "pass": who["password"]}
        says |= {"verbose": False, "pedantic": False, "headers": True, "no_responders": True}
        self.lines.readline()  # INFO {...}
        self.socket.sendall(b"CONNECT %b\r\n" % json.dumps(says).encode())
        self.socket.sendall(b"SUB %b.* 1\r\n" % self.inbox.encode())

    def ask(self, subject, body, *headers):
        """Send a message with a reply subject; return the headers and the body of the answer."""
        self.asked += 1
        reply = f"{self.inbox}.{self.asked}"
        if headers:
            head = "NATS/1.0\r\n{}\r\n\r\n".format("\r\n".join(headers)).encode()
            start = f"HPUB {subject} {reply} {len(head)} {len(head) + len(body)}\r\n".encode()
            self.socket.sendall(start + head + body + b"\r\n")
        else:
            start = f"PUB {subject} {reply} {len(body)}\r\n".encode()
            self.socket.sendall(start + body + b"\r\n")
        return self.answer()

    def answer(self):
        """Read up to the next message: MSG, or HMSG if it has headers."""
        while True:
            kind, *words = self.lines.readline().decode().split()
            if kind == "PING":
                self.socket.sendall(b"PONG\r\n")
            elif kind == "-ERR":
                raise ConnectionError(" ".join(words))
            elif kind in ("MSG", "HMSG"):
                break
        size, head_size = int(words[-1]), int(words[-2]) if kind == "HMSG" else 0
        payload = self.lines.read(size + 2)[:size]
        _, *lines = payload[:head_size].decode().split("\r\n")
        return dict(line.split(": ", 1) for line in lines if line), payload[head_size:]


broker = Broker(json.loads(Path("producer.json").read_text()))

headers, body = broker.ask("mesh.invoke.iris", BODY)
print("now:", headers["Mesh-Status"], body.decode())

_, body = broker.ask("mesh.enqueue.iris", BODY, "Mesh-Request-Id: bare-1")
print("safe:", body.decode())

_, body = broker.ask("mesh.work.iris.blue.background", BODY, "Mesh-Request-Id: bare-2")
print("safe:", body.decode())

headers, _ = broker.ask("mesh.withdraw.iris", b"", "Mesh-Request-Id: nobody")
print("error:", headers["Mesh-Status"], headers["Mesh-Error"])
