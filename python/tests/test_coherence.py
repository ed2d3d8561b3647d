"""A request that keeps a copy answers as requests that keep none: the same calls are made side by side in two
sites, all in one request of the first, each in a new request of the second."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import random
from typing import Any

import pytest
from conftest import Bench

import dontmanage

KEYS: list[Any] = ["a", "b", "ab", "c:1", 5, b"a", "user:u:a"]
FIELDS: list[Any] = ["f", "g", 5, "5", b"f", 0, "", None]
VALUES: list[Any] = [None, 0, "", [1], {"a": [1]}, {"a": 1}, (1, [2]), {1, 2}, b"x", 3.5]
USERS: list[Any] = [None, "u", True, False, ""]
BEGINNINGS: list[Any] = ["a", "b", "*b", "", "user", "c:1"]

# What may be called, and what with: K is a key, k several; F is a field, f several; V is a value, G a
# function that gives one, D a dict of some; B is what keys begin with, M a made key, N a number, U a user.
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("get_value", "K", {"user": "U"}),
    ("get_value", "K", {"user": "U", "default": 7}),
    ("get_value", "K", {"use_local_cache": False}),
    ("get_value", "K", {"expires": True}),
    ("get_value", "KG", {"user": "U"}),
    ("get_value", "KG", {"expires": True}),
    ("get_value", "KG", {"expires_in_sec": 1000}),
    ("set_value", "KV", {"user": "U"}),
    ("set_value", "KV", {"cache_locally": False}),
    ("set_value", "KV", {"expires_in_sec": 1000}),
    ("set_values", "D", {"user": "U"}),
    ("get_values", "k", {"user": "U"}),
    ("delete_value", "K", {"user": "U"}),
    ("delete_value", "k", {}),
    ("delete_values", "k", {"user": "U"}),
    ("delete_key", "M", {"make_keys": False}),
    ("delete_keys", "B", {}),
    ("delete_keys", "B", {"user": "u"}),
    ("get_keys", "B", {}),
    ("get_all", "B", {}),
    ("get_all", "B", {"user": "u"}),
    ("exists", "KK", {"user": "U"}),
    ("expire_key", "KN", {}),
    ("hset", "KFV", {}),
    ("hset", "KFV", {}),
    ("hset", "KFV", {"cache_locally": False}),
    ("hget", "KF", {}),
    ("hget", "KF", {"default": 9}),
    ("hget", "KFG", {}),
    ("hgetall", "K", {}),
    ("hkeys", "K", {}),
    ("hexists", "KF", {}),
    ("hdel", "KF", {}),
    ("hdel", "Kf", {}),
    ("hdel_names", "kF", {}),
    ("hdel_keys", "BF", {}),
    ("lpush", "KN", {"user": "U"}),
    ("llen", "K", {}),
    ("lpop", "K", {"user": "U"}),
    ("sadd", "KN", {}),
    ("smembers", "K", {}),
]


# The full key of "a", which is another one in each site.
MADE = object()


class Program:
    """A random one. What it does is written down for who has to understand a failure."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.random = random.Random(seed)
        self.loop = asyncio.new_event_loop()
        self.history: list[Any] = []
        self.request = self.new_request()

    def new_request(self) -> contextvars.Context:
        context = contextvars.Context()
        context.run(self.enter, "a.test")
        return context

    def enter(self, site: str) -> None:
        self.bench.enter(site)
        dontmanage.set_user("u")

    def step(self) -> None:
        name, kinds, options = self.random.choice(CALLS)
        words = [self.word(kind) for kind in kinds]
        options = {key: self.word("U") if value == "U" else value for key, value in options.items()}
        awaited = self.random.random() < 0.3
        answer = self.request.run(self.call, name, words, options, awaited)
        self.history.append((name, words, options, "awaited" * awaited, answer))
        expected = contextvars.Context().run(self.call_elsewhere, name, words, options)
        assert answer == expected, "\n".join(map(repr, self.history[-12:]))
        if self.random.random() < 0.5:
            spoil(answer)
        if self.random.random() < 0.01:
            self.request = self.new_request()

    def word(self, kind: str) -> Any:
        choose = self.random.choice
        value = choose(VALUES)
        return {
            "K": choose(KEYS),
            "k": [choose(KEYS), choose(KEYS), choose(KEYS)],
            "F": choose(FIELDS),
            "f": [choose(FIELDS), choose(FIELDS)],
            "V": value,
            "G": lambda: copy.deepcopy(value),
            "D": {choose(KEYS): value, choose(KEYS): 1},
            "B": choose(BEGINNINGS),
            "N": choose([1000, 2000]),
            "M": MADE,
            "U": choose(USERS),
        }[kind]

    def call_elsewhere(self, name: str, words: list[Any], options: dict[str, Any]) -> Any:
        self.enter("b.test")
        return self.call(name, words, options, False)

    def call(self, name: str, words: list[Any], options: dict[str, Any], awaited: bool) -> Any:
        cache = dontmanage.cache
        given = [cache.make_key("a") if word is MADE else copy.deepcopy(word) for word in words]
        if awaited:
            answer = self.loop.run_until_complete(getattr(dontmanage.acache, name)(*given, **options))
        else:
            answer = getattr(cache, name)(*given, **options)
        if name in ("get_keys", "hkeys"):
            # In no order, and full keys name the site.
            return sorted(key.removeprefix(cache.make_key("")) for key in answer)
        return answer


def spoil(answer: Any) -> None:
    """What a caller may do to what is his own."""
    for part in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, tuple) else ():
        spoil(part)
    if isinstance(answer, dict):
        answer["spoilt"] = True
    elif isinstance(answer, list):
        answer.append("spoilt")
    elif isinstance(answer, set):
        answer.add("spoilt")


@pytest.mark.parametrize("seed", range(4))
def test_a_request_that_keeps_a_copy_answers_as_requests_that_keep_none(bench, seed):
    program = Program(bench, seed)
    try:
        for _ in range(2500):
            program.step()
    finally:
        program.loop.close()
