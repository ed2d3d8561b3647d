"""The wheels that `make wheels` and `make build` make, installed as users do."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

WHEELS = Path(__file__).parents[2] / "target" / "debug" / "wheels"


def wheel(name: str) -> Path:
    found = sorted(WHEELS.glob(f"{name}-*.whl"))
    assert len(found) == 1, f"{found} in {WHEELS}: run `make wheels`"
    return found[0]


@pytest.mark.parametrize(
    ("asked", "modules"),
    [
        ("dontmanage_cache", ["dontmanage_cache"]),
        ("dontmanage", ["dontmanage", "dontmanage_cache"]),
        ("dontmanage[redis]", ["dontmanage", "redis"]),
    ],
)
def test_a_wheel_and_the_folder_it_lies_in_are_enough_for_pip(
    tmp_path: Path, asked: str, modules: list[str]
) -> None:
    wheel("dontmanage_cache"), wheel("dontmanage")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    # Without an index, and as careful about dependencies as pip is.
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--find-links", WHEELS, asked], check=True)
    subprocess.run([*pip, "check"], check=True)
    code = f"import {', '.join(modules)}; from {modules[0]} import cache; cache.make_key('x', shared=True)"
    subprocess.run([python, "-I", "-c", code], check=True, cwd=tmp_path)
    # What documents need besides is told when they are used.
    code = "from dontmanage_cache.calls import get_doc; get_doc('ToDo', 'one')"
    said = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert "pip install 'dontmanage_cache[documents]'" in said.stderr, said


def test_one_wheel_serves_every_python_from_3_10_on() -> None:
    assert "-cp310-abi3-" in wheel("dontmanage_cache").name
    assert wheel("dontmanage").name.endswith("-py3-none-any.whl")


@pytest.mark.parametrize("name", ["dontmanage_cache", "dontmanage"])
def test_a_wheel_tells_type_checkers_and_names_no_folder_of_its_maker(name: str) -> None:
    with zipfile.ZipFile(wheel(name)) as archive:
        assert f"{name}/py.typed" in archive.namelist()
        sources = str(Path(__file__).parents[2]).encode()
        for member in archive.namelist():
            if not member.endswith(".so"):
                assert sources not in archive.read(member), member
