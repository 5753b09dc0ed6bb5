"""Manage Xen hosts of any age through libxenith.

>>> import xenith
>>> with xenith.open("xen+sim:///") as host:
...     [row.name for row in host.domains()]
['Domain-0']
"""

from __future__ import annotations

from ._library import LibraryError, library
from .connection import Connection, LogFunction, capture, doctor, open
from .convert import (
    Conversion,
    Problem,
    Validation,
    domain_xml_from_native,
    domain_xml_to_native,
    validate,
)
from .domain import Domain
from .enums import GuestType, LogLevel, Reason, Road, Severity, State, Status
from .errors import (
    AccessDeniedError,
    ClosedError,
    ExistsError,
    InternalError,
    InvalidArgError,
    InvalidConfigError,
    InvalidStateError,
    InvalidUriError,
    NoConnectError,
    NoMemoryError,
    NotFoundError,
    NotSupportedError,
    OperationFailedError,
    ProtocolError,
    StaleError,
    TimedOutError,
    XenithError,
)
from .figures import DomainInfo, DomainRow, NodeInfo, Version
from .report import Report, RoadReport, RouteReport

__version__ = "0.1.0"

__all__ = [
    "AccessDeniedError",
    "ClosedError",
    "Connection",
    "Conversion",
    "Domain",
    "DomainInfo",
    "DomainRow",
    "ExistsError",
    "GuestType",
    "InternalError",
    "InvalidArgError",
    "InvalidConfigError",
    "InvalidStateError",
    "InvalidUriError",
    "LibraryError",
    "LogFunction",
    "LogLevel",
    "NoConnectError",
    "NoMemoryError",
    "NodeInfo",
    "NotFoundError",
    "NotSupportedError",
    "OperationFailedError",
    "Problem",
    "ProtocolError",
    "Reason",
    "Report",
    "Road",
    "RoadReport",
    "RouteReport",
    "Severity",
    "StaleError",
    "State",
    "Status",
    "TimedOutError",
    "Validation",
    "Version",
    "XenithError",
    "capture",
    "doctor",
    "domain_xml_from_native",
    "domain_xml_to_native",
    "library_version",
    "open",
    "validate",
]


def library_version() -> Version:
    """The version of the libxenith that this process has loaded."""
    return Version.from_number(library().xenith_library_version())
