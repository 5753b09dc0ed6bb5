"""The report on a host: what ``xenith doctor`` shows."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Optional, Tuple

from . import _abi
from ._library import call, library
from .enums import Road, Status
from .errors import XenithError, error_for


@dataclass(frozen=True)
class RoadReport:
    """One road into the host."""

    #: Which; NONE for one that is newer than this package.
    road: Road
    #: It can be taken.
    found: bool
    #: What was found on it, where it says so.
    version: Optional[str]
    #: Where it was found, or why it was not and what to do.
    detail: str


@dataclass(frozen=True)
class RouteReport:
    """What serves an operation."""

    #: Its name.
    operation: str
    #: The road for live domains and for the host; None where none does it.
    active: Optional[Road]
    #: The road for inactive domains, likewise.
    inactive: Optional[Road]


@dataclass(frozen=True)
class Report:
    """A host as it was at one moment."""

    #: What kind of host it was taken for, in a sentence.
    host: str
    #: What :func:`xenith.open` would raise; None where a connection can be opened.
    failure: Optional[XenithError]
    #: The roads, each once.
    roads: Tuple[RoadReport, ...]
    #: The operations; empty where no connection can be opened.
    routes: Tuple[RouteReport, ...]
    #: What is not as it should be, and what to do about it.
    problems: Tuple[str, ...]


def take_report(raw: Any) -> Report:
    """Of the C handle, which is freed."""
    lib = library()
    try:
        return Report(
            host=_text_of("xenith_report_get_host", raw),
            failure=_failure(raw),
            roads=tuple(_road(raw, index) for index in range(lib.xenith_report_road_count(raw))),
            routes=tuple(_route(raw, index) for index in range(lib.xenith_report_route_count(raw))),
            problems=tuple(
                _text_of("xenith_report_get_problem", raw, index)
                for index in range(lib.xenith_report_problem_count(raw))
            ),
        )
    finally:
        lib.xenith_report_free(raw)


def _failure(raw: Any) -> Optional[XenithError]:
    status, road, message = ctypes.c_uint32(), ctypes.c_uint32(), ctypes.c_char_p()
    call("xenith_report_get_failure", raw, ctypes.byref(status), ctypes.byref(road), ctypes.byref(message))
    if status.value == Status.OK:
        return None
    return error_for(status.value, _text(message.value), road.value, 0)


def _road(raw: Any, index: int) -> RoadReport:
    road, found = ctypes.c_uint32(), ctypes.c_uint32()
    version, detail = ctypes.c_char_p(), ctypes.c_char_p()
    outs = (ctypes.byref(road), ctypes.byref(found), ctypes.byref(version), ctypes.byref(detail))
    call("xenith_report_get_road", raw, index, *outs)
    return RoadReport(
        road=_ROADS.get(road.value, Road.NONE),
        found=bool(found.value),
        version=None if version.value is None else _text(version.value),
        detail=_text(detail.value),
    )


def _route(raw: Any, index: int) -> RouteReport:
    operation, active, inactive = ctypes.c_char_p(), ctypes.c_uint32(), ctypes.c_uint32()
    outs = (ctypes.byref(operation), ctypes.byref(active), ctypes.byref(inactive))
    call("xenith_report_get_route", raw, index, *outs)
    return RouteReport(_text(operation.value), _served(active.value), _served(inactive.value))


def _served(number: int) -> Optional[Road]:
    return None if number == Road.NONE else _ROADS.get(number, Road.NONE)


def _text_of(function: str, raw: Any, *arguments: int) -> str:
    out = ctypes.c_char_p()
    call(function, raw, *arguments, ctypes.byref(out))
    return _text(out.value)


def _text(raw: Optional[bytes]) -> str:
    return (raw or b"").decode("utf-8", "replace")


_ROADS = {road.value: road for road in Road}
