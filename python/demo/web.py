"""A page that shows the documentation's slow function be slow once and quick ever after, for two sites side
by side. It needs nothing but Python and the library: start it by `bench start`."""

import html
import os
import platform
import signal
import sys
import time
from collections import defaultdict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from string import Template
from urllib.parse import parse_qs, urlencode, urlsplit

from places import shown, sites
from sums import slow_function

import dontmanage

HERE = os.path.dirname(os.path.abspath(__file__))
LONGEST_FORM = 10_000

# What each site was asked lately, for the page to show: the call, its answer, how long it took and whether it
# was worked out.
calls = defaultdict(lambda: deque(maxlen=6))


def part(name):
    """A part of the page: in page.html each stands below its name."""
    with open(os.path.join(HERE, "page.html"), encoding="utf-8") as file:
        parts = file.read().split("<!-- part: ")
    return Template(dict(each.split(" -->\n", 1) for each in parts if " -->\n" in each)[name])


def number(text, default):
    """A number small enough to be typed and shown."""
    try:
        return int(text) if len(text) <= 9 else default
    except ValueError:
        return default


class Page(BaseHTTPRequestHandler):
    """One request: it enters a site, as a request of a real worker does, and leaves it."""

    def do_GET(self):
        path, query = urlsplit(self.path).path, self.fields(urlsplit(self.path).query)
        if path == "/":
            self.reply("200 OK", self.page(query))
        elif path == "/api/method/ping":
            self.reply("200 OK", '{"message":"pong"}', "application/json")
        else:
            self.reply("404 Not Found", "no such page", "text/plain")

    def do_POST(self):
        length = number(self.headers.get("Content-Length", "0"), 0)
        form = self.fields(self.rfile.read(min(length, LONGEST_FORM)).decode("utf-8", "replace"))
        actions = {"/call": self.call, "/clear": self.clear, "/keep": self.keep}
        action, site = actions.get(urlsplit(self.path).path), form.get("site")
        if action is None or site not in sites():
            self.reply("404 Not Found", "no such page or site", "text/plain")
            return
        dontmanage.init(site)
        try:
            action(site, form)
        finally:
            dontmanage.destroy()
        a, b = self.numbers(form)
        self.reply("303 See Other", "", location="/?" + urlencode({"a": a, "b": b}))

    def call(self, site, form):
        a, b = self.numbers(form)
        known = dontmanage.cache.exists(slow_function.cache_key(a, b), shared=True)
        start = time.perf_counter()
        answer = slow_function(a, b)
        took = time.perf_counter() - start
        calls[site].appendleft((f"slow_function({a}, {b})", answer, took, not known))

    def clear(self, site, form):
        slow_function.clear_cache()
        calls[site].clear()

    def keep(self, site, form):
        dontmanage.cache.set_value("greeting", form.get("greeting", "")[:200])

    def page(self, query):
        a, b = self.numbers(query)
        columns = "".join(self.column(site, a, b) for site in sites()[:2])
        dontmanage.init(sites()[0])
        away = "" if dontmanage.cache.connected() else part("away").substitute()
        dontmanage.destroy()
        python = f"Python {platform.python_version()}, process {os.getpid()}"
        return part("page").substitute(a=a, b=b, columns=columns, away=away, python=python)

    def column(self, site, a, b):
        dontmanage.init(site)
        try:
            greeting = dontmanage.cache.get_value("greeting")
            key = dontmanage.cache.make_key("greeting").decode()
            # For the program in Rust, which reads what Python keeps.
            shows = (dontmanage.cache.get_value("shown") or {"times": 0})["times"] + 1
            dontmanage.cache.set_value("shown", {"times": shows, "a": a, "b": b})
        finally:
            dontmanage.destroy()
        rows = [
            part("row").substitute(
                call=call,
                answer=answer,
                took=shown(took),
                how="worked out" if worked_out else "from the cache",
                kind="slow" if worked_out else "quick",
            )
            for call, answer, took, worked_out in list(calls[site])
        ]
        return part("column").substitute(
            site=html.escape(site),
            rows="".join(rows) or part("no-rows").substitute(),
            a=a,
            b=b,
            key=html.escape(key),
            value=html.escape(repr(greeting)),
            greeting=html.escape(greeting or ""),
        )

    def numbers(self, fields):
        return number(fields.get("a", ""), 40), number(fields.get("b", ""), 2)

    @staticmethod
    def fields(text):
        return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}

    def reply(self, status, body, kind="text/html", location=None):
        code, words = status.split(" ", 1)
        body = body.encode()
        self.send_response(int(code), words)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text, *values):
        print(text % values, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
port = int(os.environ.get("PORT", "8000"))
print(f"listening on http://127.0.0.1:{port}", flush=True)
Server(("127.0.0.1", port), Page).serve_forever()
