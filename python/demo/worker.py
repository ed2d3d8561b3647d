"""A background worker: what it has worked out is there for the web page, and after a restart for itself."""

import itertools
import time

from places import shown, sites
from sums import slow_function

import dontmanage

for turn in itertools.count():
    for site in sites():
        # A job of a worker is like a request: it enters its site, and leaves it.
        dontmanage.init(site)
        number = turn % 3 + 1
        start = time.perf_counter()
        answer = slow_function(number, number)
        took = shown(time.perf_counter() - start)
        dontmanage.destroy()
        print(f"{site}: slow_function({number}, {number}) = {answer}, in {took}", flush=True)
    time.sleep(4)
