"""The web application: the Host header says the site, the path what is asked."""

import json
import traceback

import dontmanage
from dontmanage import probes

# Used before any worker is forked, where the server loads its application first (`--preload`).
dontmanage.init(probes.A_SITE)
dontmanage.the_cache().set_value("preloaded", True)
assert dontmanage.the_cache().get_value("preloaded") is True
dontmanage.destroy()


def application(environ, start_response):
    dontmanage.init(environ["HTTP_HOST"].split(":")[0])
    try:
        answer, status = probes.answer(environ["PATH_INFO"].strip("/")), "200 OK"
    except Exception:
        answer, status = {"error": traceback.format_exc()}, "500 Internal Server Error"
    finally:
        dontmanage.destroy()
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
