"""Guest definitions: from one language into another, and what is wrong with them. No host is needed."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Optional, Tuple

from . import _abi
from ._library import call, encode, library
from .enums import Severity


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a definition."""

    #: How bad.
    severity: Severity
    #: Its line, from 1; None for the text as a whole.
    line: Optional[int]
    #: Its column in characters, from 1; None for the text as a whole.
    column: Optional[int]
    #: How many characters are meant from there on.
    length: int
    #: What was found and what is expected.
    message: str

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}, column {self.column}: "
        return f"{place}{self.severity.name.lower()}: {self.message}"


@dataclass(frozen=True)
class Conversion:
    """A definition in another language."""

    #: The text.
    text: str
    #: What was left out of it; empty unless conversion was lenient.
    warnings: Tuple[Problem, ...]


@dataclass(frozen=True)
class Validation:
    """What is wrong with a definition."""

    #: The language that it was read as.
    format: str
    #: All problems, in the order of the text. At most some hundred; the last one says how many more.
    problems: Tuple[Problem, ...]

    @property
    def is_valid(self) -> bool:
        """Whether it describes a guest: there are warnings at most."""
        return all(problem.severity != Severity.ERROR for problem in self.problems)


def domain_xml_from_native(
    format: str, text: str, *, xend_config_format: int = 0, lenient: bool = False
) -> Conversion:
    """Domain XML for a definition in a toolstack's language, passwords included.

    ``format`` is ``"xen-xl"``, ``"xen-xm"``, ``"xen-sxpr"`` or ``"xenvm"``, and ``xend_config_format`` the age of xend whose xm wrote the file:
    1 is Xen 3.0.2, 2 is 3.0.3, 3 is 3.0.4, 4 (and 0, the default) is 3.1 to 4.4. What has no place in domain XML raises :class:`NotSupportedError`; with
    ``lenient`` it is left out and named in the warnings. A text that is wrong raises :class:`InvalidConfigError`.
    """
    return _convert("xenith_domain_xml_from_native", format, text, xend_config_format, lenient)


def domain_xml_to_native(
    format: str, xml: str, *, xend_config_format: int = 0, lenient: bool = False
) -> Conversion:
    """A definition in a toolstack's language for domain XML, passwords included.

    ``xend_config_format`` is the age of xend that an S-expression or an xm configuration is for. Else as :func:`domain_xml_from_native`.
    """
    return _convert("xenith_domain_xml_to_native", format, xml, xend_config_format, lenient)


def validate(text: str, format: Optional[str] = None) -> Validation:
    """Says everything that is wrong with a guest's definition.

    ``format`` is ``"domain-xml"``, ``"xen-xl"``, ``"xen-xm"``, ``"xen-sxpr"``, ``"xenvm"`` or ``"libxl-json"``; None has it guessed from the text.
    """
    named = None if format is None else encode(format, "format")
    language, problems = ctypes.c_char_p(), _abi.PROBLEMS()
    call(
        "xenith_validate", named, encode(text, "text"), 0, ctypes.byref(language), ctypes.byref(problems)
    )
    return Validation((language.value or b"").decode("utf-8", "replace"), _take(problems))


def _convert(function: str, format: str, text: str, xend_config_format: int, lenient: bool) -> Conversion:
    options = _abi.xenith_convert_options(xend_config_format=xend_config_format)
    out, warnings = _abi.STRING(), _abi.PROBLEMS()
    call(
        function,
        encode(format, "format"),
        encode(text, "text"),
        ctypes.byref(options),
        ctypes.sizeof(options),
        _abi.XENITH_CONVERT_LENIENT if lenient else 0,
        ctypes.byref(out),
        ctypes.byref(warnings),
    )
    try:
        converted = ctypes.string_at(out).decode("utf-8", "replace")
    finally:
        library().xenith_string_free(out)
    return Conversion(converted, _take(warnings))


def _take(raw: Any) -> Tuple[Problem, ...]:
    """Of the C list, which is freed."""
    lib = library()
    try:
        return tuple(_problem(raw, index) for index in range(lib.xenith_problem_list_count(raw)))
    finally:
        lib.xenith_problem_list_free(raw)


def _problem(raw: Any, index: int) -> Problem:
    severity, line, column, length = (ctypes.c_uint32() for _ in range(4))
    message = ctypes.c_char_p()
    outs = (ctypes.byref(out) for out in (severity, line, column, length, message))
    call("xenith_problem_list_get", raw, index, *outs)
    return Problem(
        severity=_SEVERITIES.get(severity.value, Severity.ERROR),
        line=line.value or None,
        column=column.value or None,
        length=length.value,
        message=(message.value or b"").decode("utf-8", "replace"),
    )


_SEVERITIES = {severity.value: severity for severity in Severity}
