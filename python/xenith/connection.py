"""Connections to hosts."""

from __future__ import annotations

import ctypes
import math
import operator
import os
import uuid as uuid_module
from types import TracebackType
from typing import Any, Callable, Iterable, List, Optional, Type, Union

from . import _abi
from ._handle import Handle
from ._library import call, call_for_number, call_for_string, encode, encode_path, library
from .domain import Domain
from .enums import LogLevel, Road
from .errors import InvalidArgError
from .figures import DomainRow, NodeInfo, Version, domain_info, node_info
from .report import Report, take_report

#: Called with each log line. It must not call this package. What it raises goes to :func:`sys.unraisablehook`.
LogFunction = Callable[[LogLevel, str], object]


class Connection:
    """A connection to a host. Usable from any thread; closed by :meth:`close`, by ``with``, or with its last reference.

    Its domains hold the host open on their own: they go on working after it is closed, until they are gone too.
    """

    def __init__(
        self,
        uri: Optional[str] = None,
        *,
        timeout: Optional[float] = None,
        toolstack_timeout: Optional[float] = None,
        log: Optional[LogFunction] = None,
        log_level: LogLevel = LogLevel.INFO,
        without: Iterable[Road] = (),
    ) -> None:
        """Opens ``uri``; None is this host.

        :param timeout: the longest that a quick call may take, in seconds; None: 10
        :param toolstack_timeout: the longest that a call may take which waits for the host's toolstack, in seconds; None: 180
        :param log: is told what was chosen at open, and what was odd; may be called from any thread that is in a call
        :param log_level: the least important lines that are wanted
        :param without: roads that must not be used
        """
        # The library may log until the last reference to the connection and to its domains is gone: each keeps this.
        self._log = None if log is None else _log_callback(log)
        options = _options(timeout, toolstack_timeout, self._log, log_level, without)
        encoded = None if uri is None else encode(uri, "uri")
        out = _abi.CONNECT()
        call("xenith_connect_open", encoded, ctypes.byref(options), ctypes.sizeof(options), 0, ctypes.byref(out))
        self._handle = Handle(out, library().xenith_connect_unref, "connection", keep=self._log)
        self._uri = self._string("xenith_connect_get_uri")

    def close(self) -> None:
        """Gives the connection up. Calls of other threads that are under way come to their end first."""
        self._handle.close()

    @property
    def closed(self) -> bool:
        """Whether it can be used no more."""
        return self._handle.closed

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<xenith.Connection {self._uri}{' (closed)' if self.closed else ''}>"

    @property
    def uri(self) -> str:
        """The URI that it was opened with, in full form."""
        return self._uri

    @property
    def type(self) -> str:
        """``Xen``."""
        return self._string("xenith_connect_get_type")

    @property
    def hostname(self) -> str:
        """The host's name. An embedded host says in it that it is a simulation."""
        return self._string("xenith_connect_get_hostname")

    @property
    def version(self) -> Version:
        """The hypervisor's version."""
        return Version.from_number(self._number("xenith_connect_get_version", ctypes.c_uint64))

    @property
    def library_version(self) -> Version:
        """The version of the libxenith at the far end: this process's, unless the host is another machine."""
        return Version.from_number(self._number("xenith_connect_get_library_version", ctypes.c_uint64))

    def capabilities(self) -> str:
        """What the host can do, as libvirt's capabilities XML."""
        return self._string("xenith_connect_get_capabilities")

    def node_info(self) -> NodeInfo:
        """The host's processors and memory."""
        raw = _abi.xenith_node_info()
        with self._handle as pointer:
            call("xenith_connect_get_node_info", pointer, 0, ctypes.byref(raw), ctypes.sizeof(raw))
        return node_info(raw)

    def max_vcpus(self, type: Optional[str] = None) -> int:
        """The most vcpus that a guest of that kind (``linux``, ``hvm``, ``xenpvh``; None: each of them) may have."""
        kind = None if type is None else encode(type, "type")
        out = ctypes.c_uint32()
        with self._handle as pointer:
            call("xenith_connect_get_max_vcpus", pointer, kind, 0, ctypes.byref(out))
        return out.value

    def domains(self, *, active: bool = True, inactive: bool = True, fresh: bool = False) -> List[DomainRow]:
        """The host's domains, as one snapshot: the active ones by id, then the inactive ones.

        :param fresh: make one round trip first, and so see every change that anybody made before the call
        """
        if not (active or inactive):
            return []
        flags = (
            (_abi.XENITH_LIST_ACTIVE if active else 0)
            | (_abi.XENITH_LIST_INACTIVE if inactive else 0)
            | (_abi.XENITH_LIST_FRESH if fresh else 0)
        )
        rows = _abi.LIST()
        with self._handle as pointer:
            call("xenith_connect_list_domains", pointer, flags, ctypes.byref(rows))
        try:
            return [_row(rows, index) for index in range(library().xenith_domain_list_count(rows))]
        finally:
            library().xenith_domain_list_free(rows)

    def lookup_by_name(self, name: str) -> Domain:
        """The domain of that name, active or not; :class:`~xenith.NotFoundError` when there is none."""
        return self._find("xenith_domain_lookup_by_name", encode(name, "name"))

    def lookup_by_id(self, id: int) -> Domain:
        """The active domain of that number; :class:`~xenith.NotFoundError` when there is none."""
        number = operator.index(id)
        # ctypes would take any number, modulo 2**32.
        if not 0 <= number < 1 << 32:
            raise InvalidArgError(f"id is {number}: the ids of domains are 0 to 32751")
        return self._find("xenith_domain_lookup_by_id", number)

    def lookup_by_uuid(self, uuid: Union[uuid_module.UUID, str]) -> Domain:
        """The domain of that uuid, active or not; :class:`~xenith.NotFoundError` when there is none."""
        if isinstance(uuid, uuid_module.UUID):
            return self._find("xenith_domain_lookup_by_uuid", (ctypes.c_uint8 * 16)(*uuid.bytes))
        return self._find("xenith_domain_lookup_by_uuid_string", encode(uuid, "uuid"))

    def define(self, xml: str) -> Domain:
        """Makes a domain persistent, or changes the configuration of the one with that uuid. It is not started."""
        return self._find("xenith_domain_define_xml", encode(xml, "xml"))

    def create(self, xml: str, *, paused: bool = False) -> Domain:
        """Starts a transient domain: it is gone when it stops."""
        flags = _abi.XENITH_CREATE_PAUSED if paused else 0
        return self._find("xenith_domain_create_xml", encode(xml, "xml"), flags)

    def restore(self, file: Union[str, os.PathLike[str]], *, paused: bool = False) -> Domain:
        """Begins the next life of a domain that was saved into the file. The file stays; restore it once."""
        flags = _abi.XENITH_CREATE_PAUSED if paused else 0
        return self._find("xenith_domain_restore", encode_path(file, "file"), flags)

    def report(self) -> Report:
        """The roads into this host as they are now, what serves each operation, and what is not as it should be."""
        out = _abi.REPORT()
        with self._handle as pointer:
            call("xenith_connect_get_report", pointer, 0, ctypes.byref(out))
        return take_report(out)

    def _string(self, function: str) -> str:
        with self._handle as pointer:
            return call_for_string(function, pointer, 0)

    def _number(self, function: str, kind: Any) -> int:
        with self._handle as pointer:
            return call_for_number(function, kind, pointer, 0)

    def _find(self, function: str, argument: Any, flags: int = 0) -> Domain:
        out = _abi.DOMAIN()
        with self._handle as pointer:
            call(function, pointer, argument, flags, ctypes.byref(out))
        return Domain(self, out, keep=self._log)


def open(
    uri: Optional[str] = None,
    *,
    timeout: Optional[float] = None,
    toolstack_timeout: Optional[float] = None,
    log: Optional[LogFunction] = None,
    log_level: LogLevel = LogLevel.INFO,
    without: Iterable[Road] = (),
) -> Connection:
    """Opens a connection: see :class:`Connection`."""
    return Connection(
        uri,
        timeout=timeout,
        toolstack_timeout=toolstack_timeout,
        log=log,
        log_level=log_level,
        without=without,
    )


def doctor(
    uri: Optional[str] = None,
    *,
    timeout: Optional[float] = None,
    toolstack_timeout: Optional[float] = None,
    log: Optional[LogFunction] = None,
    log_level: LogLevel = LogLevel.INFO,
    without: Iterable[Road] = (),
) -> Report:
    """Looks at the host of ``uri`` and reports on it, also where no connection can be opened. The parameters are those of
    :class:`Connection`."""
    heard = None if log is None else _log_callback(log)
    options = _options(timeout, toolstack_timeout, heard, log_level, without)
    encoded = None if uri is None else encode(uri, "uri")
    out = _abi.REPORT()
    call("xenith_report_open", encoded, ctypes.byref(options), ctypes.sizeof(options), 0, ctypes.byref(out))
    return take_report(out)


def capture(
    file: Union[str, os.PathLike[str]],
    uri: Optional[str] = None,
    *,
    replace: bool = False,
    timeout: Optional[float] = None,
    log: Optional[LogFunction] = None,
    log_level: LogLevel = LogLevel.INFO,
    without: Iterable[Road] = (),
) -> None:
    """Writes what the host of ``uri`` answers to questions that change nothing into ``file``, for somebody who does not have such a host.

    Names, uuids and addresses are replaced; read the file before you send it. It works where no connection can be opened. With
    ``replace`` a file that is there is replaced, else it is :class:`~xenith.ExistsError`. The other parameters are those of
    :class:`Connection`. ``xen+sim:///?capture=FILE`` stands in for that host.
    """
    heard = None if log is None else _log_callback(log)
    options = _options(timeout, None, heard, log_level, without)
    encoded = None if uri is None else encode(uri, "uri")
    path = encode_path(file, "file")
    call("xenith_capture_write", encoded, ctypes.byref(options), ctypes.sizeof(options), path, int(bool(replace)))


def _options(
    timeout: Optional[float],
    toolstack_timeout: Optional[float],
    log: Any,
    log_level: LogLevel,
    without: Iterable[Road],
) -> _abi.xenith_open_options:
    options = _abi.xenith_open_options(
        timeout_ms=_milliseconds(timeout, "timeout"),
        toolstack_timeout_ms=_milliseconds(toolstack_timeout, "toolstack_timeout"),
        log_level=LogLevel(log_level),
        without_roads=_road_bits(without),
    )
    if log is not None:
        options.log = log
    return options


def _row(rows: Any, index: int) -> DomainRow:
    name = ctypes.c_char_p()
    raw = _abi.xenith_domain_info()
    call("xenith_domain_list_get_name", rows, index, ctypes.byref(name))
    call("xenith_domain_list_get_info", rows, index, ctypes.byref(raw), ctypes.sizeof(raw))
    text = None if name.value is None else name.value.decode("utf-8", "replace")
    return DomainRow(name=text, info=domain_info(raw))


def _milliseconds(seconds: Optional[float], what: str) -> int:
    """Rounded up, because 0 is the library's word for "the default"."""
    if seconds is None:
        return 0
    if not 0 < seconds <= 4_000_000:
        raise InvalidArgError(f"{what} is {seconds}: it is in seconds, above 0 and at most 4000000")
    return math.ceil(seconds * 1000)


def _road_bits(roads: Iterable[Road]) -> int:
    bits = 0
    for road in roads:
        bits |= 1 << Road(road)
    return bits


_LEVELS = {level.value: level for level in LogLevel}


def _log_callback(log: LogFunction) -> Any:
    # What the function raises, ctypes reports to sys.unraisablehook: nothing unwinds through the library.
    def hear(_data: Optional[int], level: int, line: bytes) -> None:
        log(_LEVELS.get(level, LogLevel.DEBUG), line.decode("utf-8", "replace"))

    return _abi.LOG_FUNCTION(hear)
