"""Failures are exceptions that say which kind, which road, and what to do."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import xenith
from xenith.enums import Road, Status
from xenith.errors import BY_STATUS, error_for


def test_every_status_has_one_exception() -> None:
    assert set(BY_STATUS) == {status for status in Status if status is not Status.OK}
    assert len(set(BY_STATUS.values())) == len(BY_STATUS)
    for status, kind in BY_STATUS.items():
        error = error_for(status, "message", Road.XEND, 2)
        assert type(error) is kind and isinstance(error, xenith.XenithError)
        assert (error.status, error.road, error.errno, str(error)) == (status, Road.XEND, 2, "message")
        assert kind.__name__ in xenith.__all__


def test_a_status_and_a_road_of_a_newer_library_are_errors_too() -> None:
    error = error_for(99, "new", 99, 0)
    assert type(error) is xenith.XenithError
    assert (error.status, error.road, error.errno) == (99, Road.NONE, None)


def test_errors_survive_the_way_between_processes() -> None:
    error = error_for(Status.NOT_FOUND, "no domain", Road.XENSTORE, 2)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is xenith.NotFoundError
    assert (str(again), again.road, again.errno, again.status) == ("no domain", Road.XENSTORE, 2, Status.NOT_FOUND)


def test_a_bad_uri_is_told() -> None:
    with pytest.raises(xenith.InvalidUriError, match="qemu") as caught:
        xenith.open("qemu:///system")
    assert caught.value.status is Status.INVALID_URI


def test_a_host_without_xen_names_the_road_that_failed() -> None:
    uri = "xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xenstored&xend=/nonexistent/xend"
    with pytest.raises(xenith.NoConnectError, match="/nonexistent/privcmd") as caught:
        xenith.open(uri)
    assert caught.value.road is Road.HYPERCALL


def test_arguments_that_c_would_cut_or_wrap_are_refused(host: xenith.Connection) -> None:
    with pytest.raises(xenith.InvalidArgError, match="NUL"):
        host.lookup_by_name("Domain-0\0hidden")
    with pytest.raises(xenith.InvalidArgError, match="UTF-8"):
        host.lookup_by_name("\udcff")
    for number in (-1, 1 << 32, 0x7FF0):
        with pytest.raises(xenith.InvalidArgError):
            host.lookup_by_id(number)
    for wrong in (None, 1, b"Domain-0"):
        with pytest.raises(TypeError):
            host.lookup_by_name(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        host.lookup_by_id("1")  # type: ignore[arg-type]
    for timeout in (0, -1, float("nan"), float("inf"), 1e9):
        with pytest.raises(xenith.InvalidArgError, match="timeout"):
            xenith.open("xen+sim:///", timeout=timeout)


def test_what_is_not_there_is_not_found(host: xenith.Connection) -> None:
    with pytest.raises(xenith.NotFoundError):
        host.lookup_by_name("nobody")
    with pytest.raises(LookupError):
        host.lookup_by_id(4711)
    with pytest.raises(xenith.NotFoundError):
        host.lookup_by_uuid("9f1c1b5e-0f7c-4b8e-8a57-3a0b9d2c4e11")
    with pytest.raises(xenith.InvalidArgError):
        host.lookup_by_uuid("not a uuid")


def test_bad_xml_is_refused_with_its_place(host: xenith.Connection) -> None:
    with pytest.raises(xenith.InvalidConfigError, match="line 2"):
        host.define("<domain type='xen'>\n  <name>x</nam></domain>")


@pytest.mark.parametrize(
    ("chosen", "word"),
    [
        ("/nonexistent/libxenith.so.0", "XENITH_LIBRARY names /nonexistent"),
        ("libc.so.6", "has no function xenith_"),
    ],
)
def test_a_library_that_cannot_be_used_is_an_import_error_that_says_so(chosen: str, word: str) -> None:
    program = "import xenith\ntry: xenith.open()\nexcept ImportError as error: print(error)"
    package = str(Path(xenith.__file__).parents[1])
    environment = {**os.environ, "XENITH_LIBRARY": chosen, "PYTHONPATH": package}
    output = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.PIPE
    ).stdout.decode()
    assert word in output


def test_a_missing_library_says_what_to_do(tmp_path: Path) -> None:
    program = (
        "import ctypes.util\nctypes.util.find_library = lambda name: None\n"
        "import xenith._library\nxenith._library._SONAME = 'libxenith-is-not-here.so.0'\n"
        "try: xenith.open()\nexcept xenith.LibraryError as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(xenith.__file__).parents[1])}
    del environment["XENITH_LIBRARY"]
    output = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.PIPE
    ).stdout.decode()
    assert "make install" in output and "XENITH_LIBRARY" in output


def test_paths_that_are_none_are_refused(host: xenith.Connection) -> None:
    domain = host.lookup_by_id(0)
    for path, word in [("", "empty"), ("a\0b", "NUL"), ("\udcff", "UTF-8")]:
        with pytest.raises(xenith.InvalidArgError, match=word):
            domain.save(path)
        with pytest.raises(xenith.InvalidArgError, match=word):
            host.restore(path)
    for wrong in (None, 1, b"/tmp/saved"):
        with pytest.raises(TypeError):
            domain.save(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            host.restore(wrong)  # type: ignore[arg-type]


def test_a_host_that_cannot_be_reached_is_reported_on() -> None:
    report = xenith.doctor("xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xs&xend=/nonexistent/xend")
    assert isinstance(report.failure, xenith.NoConnectError) and report.failure.road is Road.HYPERCALL
    assert report.routes == () and report.roads[0].road is Road.HYPERCALL
    assert not report.roads[0].found and "/nonexistent/privcmd" in report.roads[0].detail
    with pytest.raises(xenith.InvalidUriError):
        xenith.doctor("qemu:///system")
    with pytest.raises(xenith.InvalidArgError):
        xenith.doctor("xen+sim:///", timeout=-1)


def test_a_capture_is_written_once_and_stands_in_for_its_host(tmp_path: Path) -> None:
    file = tmp_path / "host.jsonl"
    xenith.capture(file, "xen+sim:///?xen=4.17&domains=2")
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(xenith.ExistsError, match="host.jsonl"):
        xenith.capture(str(file), "xen+sim:///")
    with xenith.open(f"xen+sim:///?capture={file}") as host:
        assert [row.name for row in host.domains()] == ["Domain-0", "guest-1", "guest-2"]
        with pytest.raises(xenith.XenithError):
            host.lookup_by_id(1).suspend()
    xenith.capture(file, "xen+sim:///", replace=True)
    nothing = tmp_path / "nothing.jsonl"
    xenith.capture(nothing, "xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xs&xend=/nonexistent/xend")
    assert '"road":"hypercall"' in nothing.read_text()
    with pytest.raises(xenith.InvalidUriError):
        xenith.capture(tmp_path / "x", "qemu:///system")
    with pytest.raises(xenith.InvalidArgError):
        xenith.capture("", "xen+sim:///")
