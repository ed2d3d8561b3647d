"""What type checkers are told is true."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def check(*words: str) -> None:
    """Runs a module of mypy where the tools have their settings; fails with all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=HERE.parent, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_packages_keep_to_their_types():
    check("mypy")


def test_a_typed_program_is_understood_as_it_is_meant():
    check("mypy", str(HERE / "typed_program.py"))


def test_the_stub_is_equal_to_the_binary():
    check("mypy.stubtest", "dontmanage_cache._core", "--mypy-config-file", "pyproject.toml")


@pytest.mark.parametrize("package", ["dontmanage_cache", "dontmanage"])
def test_type_checkers_are_told_to_look(package):
    assert files(package).joinpath("py.typed").is_file()


def test_the_stub_comes_with_the_library():
    assert files("dontmanage_cache").joinpath("_core.pyi").is_file()
