"""A reference that the library gave away: released exactly once, and never while a call uses it."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any, Callable, Optional, Type

from .errors import ClosedError


class Handle:
    """Used as ``with handle as pointer: ...`` around each call.

    ctypes lets other threads run during a call, so one of them may close the handle meanwhile: the reference is then
    released when the last call returns. After fork the child owns nothing: its uses are refused and its release does
    nothing, because a lock could have been held by a thread that the child does not have.
    """

    __slots__ = ("_pointer", "_release", "_what", "_keep", "_pid", "_lock", "_users", "_closed", "__weakref__")

    def __init__(self, pointer: Any, release: Callable[[Any], None], what: str, keep: Any = None) -> None:
        self._pointer = pointer
        self._release = release
        self._what = what
        #: Whatever must live as long as the reference: the log callback.
        self._keep = keep
        self._pid = os.getpid()
        # Reentrant: a signal handler or a finalizer may close the handle while its own thread is in here.
        self._lock = threading.RLock()
        self._users = 0
        self._closed = False

    def __enter__(self) -> Any:
        if self._pid != os.getpid():
            raise ClosedError(f"this {self._what} was opened before fork: the child process must open its own")
        with self._lock:
            if not self._closed:
                self._users += 1
                pointer = self._pointer
                if pointer is not None:
                    return pointer
        raise ClosedError(f"this {self._what} is closed")

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        with self._lock:
            self._users -= 1
            last = self._closed and self._users == 0
        if last:
            self._let_go()

    @property
    def closed(self) -> bool:
        """Whether it can be used no more."""
        return self._closed or self._pid != os.getpid()

    def close(self) -> None:
        """Releases the reference, now or when the calls that use it are done. Closing twice does nothing."""
        if self._pid != os.getpid():
            self._closed = True
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            unused = self._users == 0
        if unused:
            self._let_go()

    def _let_go(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._release(pointer)
        self._keep = None

    # `getpid` as a default: at interpreter exit the module's names may be gone before this object.
    def __del__(self, getpid: Callable[[], int] = os.getpid) -> None:
        # Nobody else can see the object any more, so no lock; __init__ may not have come to its end.
        if getattr(self, "_closed", True) or self._pid != getpid():
            return
        self._closed = True
        self._let_go()
