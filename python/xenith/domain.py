"""Domains."""

from __future__ import annotations

import ctypes
import os
import time
import uuid as uuid_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional, Tuple, Type, Union

from . import _abi
from ._handle import Handle
from ._library import call, call_for_number, call_for_string, encode_path, library
from .enums import Reason, State
from .errors import InvalidStateError, TimedOutError
from .figures import DomainInfo, domain_info, reason_of, state_of

if TYPE_CHECKING:
    from .connection import Connection


class Domain:
    """A domain on a host, pinned to its uuid, and to the life that it had when it was looked up.

    Reads follow the uuid from one life to the next. Acts on a live domain mean the life that was looked up, and raise
    :class:`~xenith.StaleError` when it is over. Made by :class:`~xenith.Connection`.
    """

    def __init__(self, connection: Connection, pointer: Any, *, keep: Any = None) -> None:
        self._handle = Handle(pointer, library().xenith_domain_unref, "domain", keep=keep)
        self._connection = connection
        raw = (ctypes.c_uint8 * 16)()
        with self._handle as domain:
            call("xenith_domain_get_uuid", domain, 0, raw)
        self._uuid = uuid_module.UUID(bytes=bytes(raw))

    def close(self) -> None:
        """Gives the handle up; the domain itself goes on. The handle's last reference does the same."""
        self._handle.close()

    def __enter__(self) -> Domain:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        closed = " (closed)" if self._handle.closed else ""
        return f"<xenith.Domain {self._uuid} on {self._connection.uri}{closed}>"

    @property
    def connection(self) -> Connection:
        """The connection that it was made by."""
        return self._connection

    @property
    def uuid(self) -> uuid_module.UUID:
        """The uuid; zero for domains that were never given one, such as Domain-0."""
        return self._uuid

    @property
    def name(self) -> str:
        """The name now."""
        return self._string("xenith_domain_get_name")

    @property
    def id(self) -> Optional[int]:
        """The number of its life now; None when it is not active."""
        try:
            return self._number("xenith_domain_get_id")
        except InvalidStateError:
            return None

    @property
    def os_type(self) -> str:
        """The kind of guest as domain XML names it: ``linux`` (PV), ``hvm`` or ``xenpvh``."""
        return self._string("xenith_domain_get_os_type")

    @property
    def is_active(self) -> bool:
        """Whether it has a life now."""
        return self._number("xenith_domain_is_active") != 0

    @property
    def is_persistent(self) -> bool:
        """Whether the host remembers it when it is not running. An error, not a guess, where that cannot be told."""
        return self._number("xenith_domain_is_persistent") != 0

    def info(self) -> DomainInfo:
        """State and figures, by one hypercall when it is active."""
        raw = _abi.xenith_domain_info()
        with self._handle as domain:
            call("xenith_domain_get_info", domain, 0, ctypes.byref(raw), ctypes.sizeof(raw))
        return domain_info(raw)

    def state(self) -> Tuple[State, Reason]:
        """What it does, and why."""
        state, reason = ctypes.c_uint32(), ctypes.c_uint32()
        with self._handle as domain:
            call("xenith_domain_get_state", domain, 0, ctypes.byref(state), ctypes.byref(reason))
        return state_of(state.value), reason_of(reason.value)

    def xml(self, *, inactive: bool = False) -> str:
        """Its domain XML: as it runs, or with ``inactive`` without what only a running domain has.

        Passwords are left out: a domain that is defined from this XML has none.
        """
        return self._string("xenith_domain_get_xml", _abi.XENITH_XML_INACTIVE if inactive else 0)

    def start(self, *, paused: bool = False) -> None:
        """Starts it; it must be defined and not running. This handle is then pinned to the new life.

        A host with xend cannot leave it paused: :class:`~xenith.NotSupportedError`; :meth:`Connection.create` can there.
        """
        self._act("xenith_domain_create", _abi.XENITH_CREATE_PAUSED if paused else 0)

    def suspend(self) -> None:
        """Stops its vcpus until :meth:`resume`."""
        self._act("xenith_domain_suspend")

    def resume(self) -> None:
        """Lets its vcpus go on."""
        self._act("xenith_domain_resume")

    def shutdown(self) -> None:
        """Asks the guest to power off, and returns when it was asked: a guest may take its time, or not listen."""
        self._act("xenith_domain_shutdown")

    def reboot(self) -> None:
        """Asks the guest to reboot, and returns when it was asked. The rebooted domain is another life."""
        self._act("xenith_domain_reboot")

    def destroy(self) -> None:
        """Ends its life at once, as pulling the plug does."""
        self._act("xenith_domain_destroy")

    def undefine(self) -> None:
        """Forgets it. One that runs goes on as a transient one; xend cannot forget a running one."""
        self._act("xenith_domain_undefine")

    def save(self, file: Union[str, os.PathLike[str]]) -> None:
        """Writes its state into a file, and ends its life; :meth:`Connection.restore` begins the next one from it.

        The host's toolstack writes the file. It holds everything that the guest had in its memory.
        """
        with self._handle as domain:
            call("xenith_domain_save", domain, encode_path(file, "file"), 0)

    @property
    def autostart(self) -> bool:
        """Whether it is started with the host; can be set, for a persistent domain."""
        return bool(self._number("xenith_domain_get_autostart"))

    @autostart.setter
    def autostart(self, autostart: bool) -> None:
        with self._handle as domain:
            call("xenith_domain_set_autostart", domain, int(bool(autostart)), 0)

    @property
    def has_monitor(self) -> bool:
        """Whether the process runs that acts when its life ends, on a host of the xl toolstack.

        :class:`~xenith.NotSupportedError` where there are no such processes.
        """
        return bool(self._number("xenith_domain_has_monitor"))

    def start_monitor(self) -> None:
        """Starts a process that acts when its life ends, in the place of one that is missing; it outlives this one."""
        self._act("xenith_domain_start_monitor")

    def wait_for(self, *states: State, timeout: float = 60.0, interval: float = 0.1) -> State:
        """Asks for the state every ``interval`` seconds until it is one of ``states``, and returns it.

        A state that lasts shorter than ``interval`` can be missed. :class:`~xenith.TimedOutError` after ``timeout`` seconds;
        :class:`~xenith.NotFoundError` when the domain is gone, which is how a transient one ends.
        """
        if not states:
            raise ValueError("no state to wait for")
        end = time.monotonic() + timeout
        while True:
            state, _ = self.state()
            if state in states:
                return state
            left = end - time.monotonic()
            if left <= 0:
                wanted = " or ".join(wanted.name for wanted in states)
                raise TimedOutError(f"the domain is {state.name} and not {wanted} after {timeout:g} s")
            time.sleep(min(interval, left))

    def _string(self, function: str, flags: int = 0) -> str:
        with self._handle as domain:
            return call_for_string(function, domain, flags)

    def _number(self, function: str) -> int:
        with self._handle as domain:
            return call_for_number(function, ctypes.c_uint32, domain, 0)

    def _act(self, function: str, flags: int = 0) -> None:
        with self._handle as domain:
            call(function, domain, flags)
