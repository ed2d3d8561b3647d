"""The command line, as `bench` hands commands to it: `dontmanage [--site SITE] COMMAND …`."""

import json
import os
import signal
import sys
import threading
import time
import traceback
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import dontmanage
from dontmanage import probes


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def serve(words):
    from dontmanage.app import application

    port = int(words[words.index("--port") + 1])
    make_server("127.0.0.1", port, application, server_class=Server).serve_forever()


def worker(words):
    """Takes jobs from a list; each runs in a forked process with a session of its own, the horse, which leaves
    by `os._exit`."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        # As every site's worker does, before any site is entered.
        dontmanage.init(probes.A_SITE)
        job = dontmanage.the_cache().lpop("jobs")
        dontmanage.destroy()
        if job is None:
            time.sleep(0.02)
            continue
        job = json.loads(job.decode())
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.setsid()
            status = 1
            try:
                dontmanage.init(job["site"])
                probes.answer_to_file(job["probe"], job["file"])
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.wait()


def console(words):
    """What is typed is run, in a site."""
    exec(compile(sys.stdin.read(), "console", "exec"), {"dontmanage": dontmanage, "probes": probes})


def schedule(words):
    probes.answer_to_file("whose", "../schedule.json")
    signal.pause()


def main(words):
    site = None
    if words[:1] == ["--site"]:
        site, words = words[1], words[2:]
    if site:
        dontmanage.init(site)
    {"serve": serve, "worker": worker, "console": console, "schedule": schedule}[words[0]](words)


if __name__ == "__main__":
    main(sys.argv[2:])
