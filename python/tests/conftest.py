"""Which library and header the tests are about, and the hosts that they use.

XENITH_LIBRARY and XENITH_HEADER name an installed library and its header; without them it is what this repository built.
"""

from __future__ import annotations

import os
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
def host() -> Iterator[xenith.Connection]:
    """An embedded host of this test's own."""
    with xenith.open("xen+sim:///") as connection:
        yield connection
