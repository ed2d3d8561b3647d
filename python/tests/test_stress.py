"""The stress program, in short: eight processes that are killed, a Redis that is killed, and a judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[1] / "stress"


def stress(*words: str) -> tuple[int, dict[str, Any]]:
    """The program's exit status, and what it has counted."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--json", *words],
        capture_output=True,
        text=True,
        timeout=280,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.timeout(300)
def test_nobody_reads_what_is_older_than_a_commit_that_has_returned() -> None:
    status, report = stress("--reads", "20000", "--kill", "0.3", "--restart", "1")
    assert report["stale"] == 0, report
    assert report["dirty"] == 0, report
    assert status == 0, report
    # It was no easy game.
    assert report["reads"] >= 20000
    assert 0 < report["loads"] < report["reads"], "some are found in the cache, and some are not"
    assert report["writes"] and report["rollbacks"] and report["kills"] and report["restarts"], report


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "mariadb", "postgres"])
def test_nor_through_the_document_layer_on_any_database(database: str) -> None:
    status, report = stress("--database", database, "--reads", "4000", "--kill", "0.7", "--restart", "1")
    assert report["stale"] == 0, report
    assert report["dirty"] == 0, report
    assert status == 0, report
    assert report["writes"] and report["loads"] < report["reads"], report


@pytest.mark.timeout(300)
def test_the_same_game_shows_that_delete_on_save_is_wrong() -> None:
    status, report = stress("--mode", "delete-on-save", "--reads", "200000", "--stop-at-first")
    assert report["stale"] > 0, report
    assert status == 1
