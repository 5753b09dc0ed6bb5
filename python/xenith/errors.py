"""One exception for each status of the library, all of them :class:`XenithError`."""

from __future__ import annotations

from typing import Any, Dict, Optional, Type, Union

from .enums import Road, Status


class XenithError(Exception):
    """A call failed. ``str()`` says on which road, what happened and what to do next."""

    #: What kind of failure; a plain int for a status that is newer than this package.
    status: Union[Status, int] = Status.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        road: Road = Road.NONE,
        errno: Optional[int] = None,
        status: Union[Status, int, None] = None,
    ) -> None:
        super().__init__(message)
        #: What happened and what to do next, for people.
        self.message = message
        #: The road into the host that it came from.
        self.road = road
        #: The errno of the system call or hypercall, where there was one.
        self.errno = errno
        if status is not None:
            self.status = status

    def __reduce__(self) -> Any:
        # Keyword arguments are not in args: without this an error could not come back from another process.
        return type(self), (self.message,), {"road": self.road, "errno": self.errno, "status": self.status}

    def __setstate__(self, state: Optional[Dict[str, Any]]) -> None:
        self.__dict__.update(state or {})


class InternalError(XenithError):
    """A defect of xenith itself. Please report it."""

    status = Status.INTERNAL


class InvalidArgError(XenithError, ValueError):
    """An argument is out of range, or text that C cannot take."""

    status = Status.INVALID_ARG


class InvalidUriError(XenithError, ValueError):
    """The connection URI cannot be understood."""

    status = Status.INVALID_URI


class InvalidConfigError(XenithError, ValueError):
    """The domain XML is malformed or says something impossible; the message says where."""

    status = Status.INVALID_CONFIG


class NoMemoryError(XenithError):
    """The process or the host ran out of memory."""

    status = Status.NO_MEMORY


class NoConnectError(XenithError):
    """A road into the host is not there: no Xen, no daemon, no such socket."""

    status = Status.NO_CONNECT


class AccessDeniedError(XenithError):
    """The road is there but this process may not take it."""

    status = Status.ACCESS_DENIED


class NotFoundError(XenithError, LookupError):
    """No domain answers to that name, id or uuid."""

    status = Status.NOT_FOUND


class ExistsError(XenithError):
    """Something of that name or uuid exists already."""

    status = Status.EXISTS


class StaleError(XenithError):
    """The life of the domain that this handle was pinned to is over: look the domain up again."""

    status = Status.STALE


class InvalidStateError(XenithError):
    """The domain is in the wrong state for the operation."""

    status = Status.INVALID_STATE


class NotSupportedError(XenithError):
    """This host, its age, or this version of xenith cannot do it."""

    status = Status.NOT_SUPPORTED


class TimedOutError(XenithError):
    """The deadline passed. The operation may still happen on the host."""

    status = Status.TIMEOUT


class ClosedError(XenithError):
    """The connection or handle was closed, or belongs to another process (after fork)."""

    status = Status.CLOSED


class ProtocolError(XenithError):
    """The other end answered something that cannot be understood."""

    status = Status.PROTOCOL


class OperationFailedError(XenithError):
    """The host understood and refused; the message holds its own words."""

    status = Status.OPERATION_FAILED


#: The exception of each status.
BY_STATUS: Dict[int, Type[XenithError]] = {
    error.status: error
    for error in (
        InternalError,
        InvalidArgError,
        InvalidUriError,
        InvalidConfigError,
        NoMemoryError,
        NoConnectError,
        AccessDeniedError,
        NotFoundError,
        ExistsError,
        StaleError,
        InvalidStateError,
        NotSupportedError,
        TimedOutError,
        ClosedError,
        ProtocolError,
        OperationFailedError,
    )
}


def error_for(status: int, message: str, road: int, errno: int) -> XenithError:
    """The exception for what the library said."""
    try:
        known_road = Road(road)
    except ValueError:  # a road of a newer library
        known_road = Road.NONE
    error = BY_STATUS.get(status)
    if error is None:
        return XenithError(message, road=known_road, errno=errno or None, status=status)
    return error(message, road=known_road, errno=errno or None)
