"""The numbers of the C ABI, as enums. A newer library may know more of them than this package: those read as unknown."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """What kind of failure an error is. Each but OK has an exception of its own, in :mod:`xenith`."""

    OK = 0
    INTERNAL = 1
    INVALID_ARG = 10
    INVALID_URI = 11
    INVALID_CONFIG = 12
    NO_MEMORY = 20
    NO_CONNECT = 30
    ACCESS_DENIED = 31
    NOT_FOUND = 40
    EXISTS = 41
    STALE = 42
    INVALID_STATE = 43
    NOT_SUPPORTED = 50
    TIMEOUT = 60
    CLOSED = 61
    PROTOCOL = 62
    OPERATION_FAILED = 70


class Road(IntEnum):
    """The road into the host that an error came from."""

    NONE = 0
    HYPERCALL = 1
    XENSTORE = 2
    XEND = 3
    XL = 4
    STORE = 5
    REMOTE = 6


class State(IntEnum):
    """What a domain does. The numbers are libvirt's."""

    NOSTATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    SUSPENDED = 7


class Reason(IntEnum):
    """Why a domain is in its state."""

    UNKNOWN = 0
    ON_CPU = 1
    RUNNABLE = 2
    IDLE = 3
    PAUSED_BY_TOOLSTACK = 4
    POWEROFF = 5
    REBOOT = 6
    SUSPEND = 7
    CRASH = 8
    WATCHDOG = 9
    SOFT_RESET = 10
    TEARING_DOWN = 11
    INACTIVE = 12


class GuestType(IntEnum):
    """The kind of guest."""

    PV = 1
    HVM = 2
    PVH = 3

    @property
    def os_type(self) -> str:
        """The word that domain XML uses for it: ``linux``, ``hvm``, ``xenpvh``."""
        return _OS_TYPES[self]


_OS_TYPES = {GuestType.PV: "linux", GuestType.HVM: "hvm", GuestType.PVH: "xenpvh"}


class LogLevel(IntEnum):
    """How important a log line is."""

    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4


class Severity(IntEnum):
    """How bad a problem of a definition is."""

    #: The text describes no guest.
    ERROR = 1
    #: Something in it has no place in a guest's description, which is good without it.
    WARNING = 2
