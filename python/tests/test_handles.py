"""Handles are released exactly once; nothing that Python can do with one crashes the process."""

from __future__ import annotations

import gc
import os
import sys
import threading
from typing import Any, Callable, List, Tuple

import pytest

import xenith
from xenith._handle import Handle
from xenith.enums import LogLevel


class Pointer:
    """Stands for what the library gives."""


def counted() -> Tuple[Handle, List[Any]]:
    released: List[Any] = []
    return Handle(Pointer(), released.append, "thing"), released


def test_a_handle_is_released_once_however_it_ends() -> None:
    handle, released = counted()
    handle.close()
    handle.close()
    del handle
    assert len(released) == 1

    handle, released = counted()
    del handle
    gc.collect()
    assert len(released) == 1


def test_a_handle_in_use_is_released_when_its_last_call_is_done() -> None:
    handle, released = counted()
    with handle:
        with handle:
            handle.close()
            with pytest.raises(xenith.ClosedError, match="closed"):
                handle.__enter__()
        assert released == []
    assert len(released) == 1


def test_threads_that_close_and_use_a_handle_never_meet_a_released_one() -> None:
    for _ in range(10):
        pointer = Pointer()
        alive = [pointer]
        handle = Handle(pointer, alive.remove, "thing")
        failures: List[str] = []

        def use() -> None:
            try:
                while True:
                    with handle as given:
                        if given not in alive:
                            failures.append("used after release")
            except xenith.ClosedError:
                pass

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        handle.close()
        for thread in threads:
            thread.join(10)
        assert failures == [] and alive == []


def test_use_after_close_is_an_exception(host: xenith.Connection) -> None:
    domain = host.lookup_by_id(0)
    host.close()
    host.close()
    assert host.closed and "closed" in repr(host)
    uses: List[Callable[[], object]] = [
        lambda: host.hostname,
        host.domains,
        host.node_info,
        lambda: host.lookup_by_id(0),
    ]
    for use in uses:
        with pytest.raises(xenith.ClosedError):
            use()
    assert domain.name == "Domain-0", "a domain holds its host open"
    domain.close()
    uses = [domain.info, domain.state, domain.destroy, lambda: domain.name]
    for use in uses:
        with pytest.raises(xenith.ClosedError):
            use()
    assert "closed" in repr(domain) and domain.uuid.int == 0


def test_eight_threads_share_a_connection(host: xenith.Connection) -> None:
    failures: List[BaseException] = []

    def work() -> None:
        try:
            for _ in range(50):
                assert [row.name for row in host.domains()] == ["Domain-0"]
                assert host.lookup_by_name("Domain-0").info().id == 0
        except BaseException as error:  # noqa: B902  (a thread's failure must reach the test)
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_closing_while_others_call_is_safe() -> None:
    for _ in range(10):
        host = xenith.open("xen+sim:///")
        domain = host.lookup_by_id(0)

        def work() -> None:
            try:
                while True:
                    host.node_info()
                    domain.info()
            except xenith.ClosedError:
                pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        host.close()
        domain.close()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


def test_log_lines_arrive_and_what_a_listener_raises_stays_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: List[Tuple[LogLevel, str]] = []
    with xenith.open("xen+sim:///", log=lambda level, line: lines.append((level, line)), log_level=LogLevel.DEBUG) as host:
        host.domains()
    assert lines and all(isinstance(level, LogLevel) and line for level, line in lines)

    raised: List[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)

    def angry(level: LogLevel, line: str) -> None:
        raise RuntimeError(line)

    with xenith.open("xen+sim:///", log=angry, log_level=LogLevel.DEBUG) as host:
        gc.collect()
        assert [row.name for row in host.domains()] == ["Domain-0"]
    assert raised and all(isinstance(entry.exc_value, RuntimeError) for entry in raised)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # that is what the test is about
def test_a_forked_child_is_refused_and_does_no_harm(host: xenith.Connection) -> None:
    domain = host.lookup_by_id(0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            uses: list[Callable[[], object]] = [host.domains, domain.info]
            for use in uses:
                try:
                    use()
                except xenith.ClosedError as error:
                    assert "fork" in str(error)
                else:
                    raise AssertionError("the child used its parent's connection")
            domain.close()
            host.close()
            del domain
            gc.collect()
            # One of its own works.
            with xenith.open("xen+sim:///") as own:
                assert own.domains()[0].name == "Domain-0"
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    assert domain.name == "Domain-0"
