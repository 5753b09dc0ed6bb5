"""Which library and header the tests are about, and the hosts that they use.

XENITH_LIBRARY and XENITH_HEADER name an installed library and its header; without them it is what this repository built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, List

import pytest

REPO = Path(__file__).resolve().parents[2]


def _built_library() -> Path:
    built = [*REPO.glob("build/out/libxenith.so.*"), *REPO.glob("target/*/libxenith.so")]
    newest = sorted(built, key=lambda path: path.stat().st_mtime)
    if not newest:
        raise pytest.UsageError("there is no libxenith to test: run `make` first, or set XENITH_LIBRARY")
    return newest[-1]


_chosen = os.environ.get("XENITH_LIBRARY") or str(_built_library())
# Absolute: some tests run Python in another folder. A bare name is the dynamic linker's to find.
os.environ["XENITH_LIBRARY"] = os.path.abspath(_chosen) if "/" in _chosen else _chosen

import xenith  # noqa: E402  (it must find that library)


def guest_files() -> List[Path]:
    """The four guests: PV and HVM, each booted in both ways."""
    for folder in (REPO / "tests/data/seeds", REPO / "../shared/vectors/seeds"):
        files = sorted(folder.glob("*.xml"))
        if files:
            return files
    raise pytest.UsageError(f"the guests in {REPO / 'tests/data/seeds'} are missing")


@pytest.fixture
def header() -> Path:
    """The C header."""
    return Path(os.environ.get("XENITH_HEADER") or REPO / "include/xenith.h")


@pytest.fixture
def served() -> Iterator[str]:
    """The URI of an embedded host that another process serves."""
    command = os.environ.get("XENITH_COMMAND")
    if not command:
        built = [*REPO.glob("build/out/bin/xenith"), *REPO.glob("target/*/xenith")]
        if not built:
            pytest.fail("there is no xenith command: run `make` first, or set XENITH_COMMAND")
        command = str(max(built, key=lambda path: path.stat().st_mtime))
    folder = tempfile.mkdtemp(prefix="xenith-py-")  # short: a socket's path has at most 107 bytes
    with subprocess.Popen([command, "--json", "sim", "--dir", folder], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            ready = b""
            while not ready.endswith(b"}\n"):
                line = server.stdout.readline()
                assert line, "the server ended before it was ready"
                ready += line
            yield json.loads(ready)["uri"]
        finally:
            server.terminate()
    shutil.rmtree(folder)


@pytest.fixture(params=["xen=4.17", "xen=3.4"])
def host(request: pytest.FixtureRequest) -> Iterator[xenith.Connection]:
    """An embedded host of this test's own: one with the xl toolstack, and one with xend."""
    with xenith.open(f"xen+sim:///?{request.param}") as connection:
        yield connection


def has_xend(host: xenith.Connection) -> bool:
    """Whether an embedded host has xend; the younger ones have xl."""
    return host.version < (4, 5, 0)
