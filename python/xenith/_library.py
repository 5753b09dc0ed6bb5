"""Finds libxenith, binds its functions, and holds the conventions of a call."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import threading
from typing import Any, Optional, Union

from . import _abi
from .errors import InvalidArgError, error_for

_SONAME = "libxenith.so.0"
_lock = threading.Lock()
_library: Optional[ctypes.CDLL] = None


class LibraryError(ImportError):
    """libxenith cannot be loaded. The message says what was tried and what to do."""


def library() -> ctypes.CDLL:
    """The library, loaded and bound at the first call."""
    global _library
    if _library is None:
        with _lock:
            if _library is None:
                _library = _load()
    return _library


def _load() -> ctypes.CDLL:
    chosen = os.environ.get("XENITH_LIBRARY")
    if chosen:
        try:
            return _bind(ctypes.CDLL(chosen))
        except OSError as error:
            raise LibraryError(f"XENITH_LIBRARY names {chosen}, which cannot be loaded: {error}") from error
    try:
        # What the dynamic linker finds, LD_LIBRARY_PATH included.
        return _bind(ctypes.CDLL(_SONAME))
    except OSError as error:
        found = ctypes.util.find_library("xenith")
        if found is None:
            raise LibraryError(
                f"{_SONAME} was not found ({error}): install libxenith where the linker looks (`make install`, then "
                f"ldconfig), or name the file in the environment variable XENITH_LIBRARY"
            ) from error
    try:
        return _bind(ctypes.CDLL(found))
    except OSError as error:
        raise LibraryError(f"{found} cannot be loaded: {error}") from error


def _bind(loaded: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError:
            raise LibraryError(
                f"{loaded._name} has no function {name}: it is not libxenith, or older than this package. "
                "Install the two from one release"
            ) from None
        function.restype = result
        function.argtypes = arguments
    return loaded


def call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a status and takes an error pointer last; a failure becomes an exception."""
    lib = library()
    error = _abi.ERROR()
    status = getattr(lib, name)(*arguments, ctypes.byref(error))
    if status == 0:
        return
    try:
        message = lib.xenith_error_get_message(error).decode("utf-8", "replace")
        raise error_for(
            status, message, lib.xenith_error_get_road(error), lib.xenith_error_get_errno(error)
        )
    finally:
        lib.xenith_error_free(error)


def call_for_string(name: str, *arguments: Any) -> str:
    """Calls a function whose only output is a string of the caller's."""
    out = _abi.STRING()
    call(name, *arguments, ctypes.byref(out))
    try:
        # Bytes up to the NUL. What the library gives is UTF-8; "replace" keeps a defect there from hiding the answer.
        return ctypes.string_at(out).decode("utf-8", "replace")
    finally:
        library().xenith_string_free(out)


def call_for_number(name: str, kind: Any, *arguments: Any) -> int:
    """Calls a function whose only output is a number of ctypes type ``kind``."""
    out = kind()
    call(name, *arguments, ctypes.byref(out))
    return int(out.value)


def encode(text: str, what: str) -> bytes:
    """``text`` as C takes it. C would stop at a NUL and act on half of the text."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be str, not {type(text).__name__}")
    if "\0" in text:
        raise InvalidArgError(f"{what} holds a NUL character")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidArgError(f"{what} cannot be written as UTF-8: {error}") from error


def encode_path(path: Union[str, os.PathLike[str]], what: str) -> bytes:
    """The path of a file as C takes it: UTF-8, as all text of the library."""
    text = os.fspath(path)
    if isinstance(text, bytes):
        raise TypeError(f"{what} must be str or a path of str, not bytes")
    return encode(text, what)
