"""A relay between a bench and its server, which holds words back until a test lets them pass."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from conftest import PATIENCE
from test_away import impostor


class Held:
    """A request, or the reply to it, that is on its way until it is let go."""

    def __init__(self, *words: str, reply: bool) -> None:
        self.words = [b"\r\n%s\r\n" % word.encode() for word in words]
        self.reply = reply
        self.arrived = threading.Event()
        self.passes = threading.Event()

    def wait(self) -> None:
        """Until it has come to the relay: a reply's request has been done by then."""
        assert self.arrived.wait(PATIENCE), f"nobody asked {self.words}"

    def stop(self) -> None:
        """Comes, and waits."""
        self.arrived.set()
        self.passes.wait(PATIENCE)

    def let_go(self) -> None:
        self.passes.set()


class Relay:
    """What stands between; everything passes but what a test has it hold."""

    def __init__(self, real: Path) -> None:
        self.real = real
        self.url = ""
        self.rules: list[Held] = []

    def hold_request(self, *words: str) -> Held:
        """The next request with these words does not reach the server."""
        self.rules.append(Held(*words, reply=False))
        return self.rules[-1]

    def hold_reply(self, *words: str) -> Held:
        """The server does the next request with these words, and its reply does not come back."""
        self.rules.append(Held(*words, reply=True))
        return self.rules[-1]

    def rule(self, request: bytes) -> Held | None:
        for rule in self.rules:
            if all(word in request for word in rule.words):
                self.rules.remove(rule)
                return rule
        return None

    def behave(self, client: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as either:
            server.connect(str(self.real))
            either.register(client, selectors.EVENT_READ)
            either.register(server, selectors.EVENT_READ)
            rule: Held | None = None
            while True:
                for ready, _ in either.select():
                    data = ready.fileobj.recv(1 << 20)  # type: ignore[union-attr]
                    if not data:
                        return
                    from_client = ready.fileobj is client
                    if from_client:
                        rule = self.rule(data)
                    if rule is not None and rule.reply != from_client:
                        rule.stop()
                        rule = None
                    (server if from_client else client).sendall(data)


@contextlib.contextmanager
def relayed(folder: Path, real: Path) -> Iterator[Relay]:
    relay = Relay(real)
    with impostor(folder, relay.behave) as relay.url:
        yield relay
