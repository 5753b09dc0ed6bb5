"""What ``include/xenith.h`` declares, in ctypes' words. A test compares the two, name by name.

Two rules: ``const char *`` is ``c_char_p``, which ctypes turns into bytes; ``char *`` is ``POINTER(c_char)``, because such a
string has to be given back and the pointer must not get lost.
"""

from __future__ import annotations

import ctypes as c
from typing import Any, Dict, List, Tuple


class xenith_connect(c.Structure):
    """Opaque."""


class xenith_domain(c.Structure):
    """Opaque."""


class xenith_domain_list(c.Structure):
    """Opaque."""


class xenith_error(c.Structure):
    """Opaque."""


class xenith_report(c.Structure):
    """Opaque."""


class xenith_problem_list(c.Structure):
    """What is wrong with a text."""


#: ``void (*log)(void *data, uint32_t level, const char *line)``
LOG_FUNCTION = c.CFUNCTYPE(None, c.c_void_p, c.c_uint32, c.c_char_p)


class xenith_open_options(c.Structure):
    """How to open a connection. Zeroes are the defaults."""

    _fields_ = [
        ("timeout_ms", c.c_uint32),
        ("toolstack_timeout_ms", c.c_uint32),
        ("log", LOG_FUNCTION),
        ("log_data", c.c_void_p),
        ("log_level", c.c_uint32),
        ("without_roads", c.c_uint32),
    ]


class xenith_convert_options(c.Structure):
    """How to convert a definition. Zero is the default of every field."""

    _fields_ = [("xend_config_format", c.c_uint32)]


class xenith_node_info(c.Structure):
    """The host's processors and memory. Bit N of ``valid`` speaks of field N + 1."""

    _fields_ = [
        ("valid", c.c_uint64),
        ("memory_kib", c.c_uint64),
        ("free_memory_kib", c.c_uint64),
        ("cpus", c.c_uint32),
        ("mhz", c.c_uint32),
        ("nodes", c.c_uint32),
        ("sockets", c.c_uint32),
        ("cores", c.c_uint32),
        ("threads", c.c_uint32),
        ("machine", c.c_char * 32),
    ]


class xenith_domain_info(c.Structure):
    """A domain at one moment. Bit N of ``valid`` speaks of field N + 1."""

    _fields_ = [
        ("valid", c.c_uint64),
        ("memory_kib", c.c_uint64),
        ("max_memory_kib", c.c_uint64),
        ("cpu_time_ns", c.c_uint64),
        ("shared_kib", c.c_uint64),
        ("paged_kib", c.c_uint64),
        ("outstanding_kib", c.c_uint64),
        ("state", c.c_uint32),
        ("reason", c.c_uint32),
        ("id", c.c_uint32),
        ("guest_type", c.c_uint32),
        ("vcpus_online", c.c_uint32),
        ("vcpus_max", c.c_uint32),
        ("cpupool", c.c_uint32),
        ("ssidref", c.c_uint32),
        ("uuid", c.c_uint8 * 16),
    ]


def valid_bits(struct: Any) -> Dict[str, int]:
    """The bit of each field in ``valid``."""
    return {name: 1 << bit for bit, (name, _) in enumerate(struct._fields_[1:])}


XENITH_LIST_ACTIVE = 1
XENITH_LIST_INACTIVE = 2
XENITH_LIST_FRESH = 4
XENITH_CREATE_PAUSED = 1
XENITH_XML_INACTIVE = 1
XENITH_CONVERT_LENIENT = 1
XENITH_CAPTURE_REPLACE = 1

STATUS = c.c_uint32
FLAGS = c.c_uint64
CONNECT = c.POINTER(xenith_connect)
DOMAIN = c.POINTER(xenith_domain)
LIST = c.POINTER(xenith_domain_list)
REPORT = c.POINTER(xenith_report)
PROBLEMS = c.POINTER(xenith_problem_list)
ERROR = c.POINTER(xenith_error)
STRING = c.POINTER(c.c_char)
_U8 = c.POINTER(c.c_uint8)
_U32 = c.POINTER(c.c_uint32)
_U64 = c.POINTER(c.c_uint64)
_ERR = c.POINTER(ERROR)
_OUT_STRING = c.POINTER(STRING)
_OUT_DOMAIN = c.POINTER(DOMAIN)
_OUT_REPORT = c.POINTER(REPORT)
_OUT_PROBLEMS = c.POINTER(PROBLEMS)
_OUT_TEXT = c.POINTER(c.c_char_p)

_CONNECT_STRING = (STATUS, [CONNECT, FLAGS, _OUT_STRING, _ERR])
_CONNECT_U64 = (STATUS, [CONNECT, FLAGS, _U64, _ERR])
_CONNECT_FIND = (STATUS, [CONNECT, c.c_char_p, FLAGS, _OUT_DOMAIN, _ERR])
_DOMAIN_STRING = (STATUS, [DOMAIN, FLAGS, _OUT_STRING, _ERR])
_DOMAIN_U32 = (STATUS, [DOMAIN, FLAGS, _U32, _ERR])
_DOMAIN_ACT = (STATUS, [DOMAIN, FLAGS, _ERR])
_CONVERT = (
    STATUS,
    [
        c.c_char_p,
        c.c_char_p,
        c.POINTER(xenith_convert_options),
        c.c_size_t,
        FLAGS,
        _OUT_STRING,
        _OUT_PROBLEMS,
        _ERR,
    ],
)

#: Every function of the header: what it returns, what it takes.
FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "xenith_library_version": (c.c_uint64, []),
    "xenith_library_version_string": (c.c_char_p, []),
    "xenith_string_free": (None, [STRING]),
    "xenith_error_get_status": (STATUS, [ERROR]),
    "xenith_error_get_road": (c.c_uint32, [ERROR]),
    "xenith_error_get_errno": (c.c_int32, [ERROR]),
    "xenith_error_get_message": (c.c_char_p, [ERROR]),
    "xenith_error_free": (None, [ERROR]),
    "xenith_connect_open": (
        STATUS,
        [c.c_char_p, c.POINTER(xenith_open_options), c.c_size_t, FLAGS, c.POINTER(CONNECT), _ERR],
    ),
    "xenith_connect_ref": (CONNECT, [CONNECT]),
    "xenith_connect_unref": (None, [CONNECT]),
    "xenith_connect_get_type": _CONNECT_STRING,
    "xenith_connect_get_hostname": _CONNECT_STRING,
    "xenith_connect_get_uri": _CONNECT_STRING,
    "xenith_connect_get_capabilities": _CONNECT_STRING,
    "xenith_connect_get_version": _CONNECT_U64,
    "xenith_connect_get_library_version": _CONNECT_U64,
    "xenith_connect_get_max_vcpus": (STATUS, [CONNECT, c.c_char_p, FLAGS, _U32, _ERR]),
    "xenith_connect_get_node_info": (STATUS, [CONNECT, FLAGS, c.POINTER(xenith_node_info), c.c_size_t, _ERR]),
    "xenith_connect_list_domains": (STATUS, [CONNECT, FLAGS, c.POINTER(LIST), _ERR]),
    "xenith_domain_list_count": (c.c_size_t, [LIST]),
    "xenith_domain_list_get_name": (STATUS, [LIST, c.c_size_t, c.POINTER(c.c_char_p), _ERR]),
    "xenith_domain_list_get_info": (
        STATUS,
        [LIST, c.c_size_t, c.POINTER(xenith_domain_info), c.c_size_t, _ERR],
    ),
    "xenith_domain_list_free": (None, [LIST]),
    "xenith_domain_lookup_by_name": _CONNECT_FIND,
    "xenith_domain_lookup_by_id": (STATUS, [CONNECT, c.c_uint32, FLAGS, _OUT_DOMAIN, _ERR]),
    "xenith_domain_lookup_by_uuid": (STATUS, [CONNECT, _U8, FLAGS, _OUT_DOMAIN, _ERR]),
    "xenith_domain_lookup_by_uuid_string": _CONNECT_FIND,
    "xenith_domain_define_xml": _CONNECT_FIND,
    "xenith_domain_create_xml": _CONNECT_FIND,
    "xenith_domain_ref": (DOMAIN, [DOMAIN]),
    "xenith_domain_unref": (None, [DOMAIN]),
    "xenith_domain_get_connect": (STATUS, [DOMAIN, FLAGS, c.POINTER(CONNECT), _ERR]),
    "xenith_domain_get_name": _DOMAIN_STRING,
    "xenith_domain_get_uuid": (STATUS, [DOMAIN, FLAGS, _U8, _ERR]),
    "xenith_domain_get_uuid_string": _DOMAIN_STRING,
    "xenith_domain_get_id": _DOMAIN_U32,
    "xenith_domain_get_os_type": _DOMAIN_STRING,
    "xenith_domain_get_state": (STATUS, [DOMAIN, FLAGS, _U32, _U32, _ERR]),
    "xenith_domain_get_info": (STATUS, [DOMAIN, FLAGS, c.POINTER(xenith_domain_info), c.c_size_t, _ERR]),
    "xenith_domain_get_xml": _DOMAIN_STRING,
    "xenith_domain_is_active": _DOMAIN_U32,
    "xenith_domain_is_persistent": _DOMAIN_U32,
    "xenith_domain_create": _DOMAIN_ACT,
    "xenith_domain_undefine": _DOMAIN_ACT,
    "xenith_domain_suspend": _DOMAIN_ACT,
    "xenith_domain_resume": _DOMAIN_ACT,
    "xenith_domain_shutdown": _DOMAIN_ACT,
    "xenith_domain_reboot": _DOMAIN_ACT,
    "xenith_domain_destroy": _DOMAIN_ACT,
    "xenith_domain_save": (STATUS, [DOMAIN, c.c_char_p, FLAGS, _ERR]),
    "xenith_domain_restore": _CONNECT_FIND,
    "xenith_domain_get_autostart": _DOMAIN_U32,
    "xenith_domain_set_autostart": (STATUS, [DOMAIN, c.c_uint32, FLAGS, _ERR]),
    "xenith_domain_has_monitor": _DOMAIN_U32,
    "xenith_domain_start_monitor": _DOMAIN_ACT,
    "xenith_report_open": (
        STATUS,
        [c.c_char_p, c.POINTER(xenith_open_options), c.c_size_t, FLAGS, _OUT_REPORT, _ERR],
    ),
    "xenith_capture_write": (
        STATUS,
        [c.c_char_p, c.POINTER(xenith_open_options), c.c_size_t, c.c_char_p, FLAGS, _ERR],
    ),
    "xenith_connect_get_report": (STATUS, [CONNECT, FLAGS, _OUT_REPORT, _ERR]),
    "xenith_report_get_host": (STATUS, [REPORT, _OUT_TEXT, _ERR]),
    "xenith_report_get_failure": (STATUS, [REPORT, _U32, _U32, _OUT_TEXT, _ERR]),
    "xenith_report_road_count": (c.c_size_t, [REPORT]),
    "xenith_report_get_road": (
        STATUS,
        [REPORT, c.c_size_t, _U32, _U32, _OUT_TEXT, _OUT_TEXT, _ERR],
    ),
    "xenith_report_route_count": (c.c_size_t, [REPORT]),
    "xenith_report_get_route": (STATUS, [REPORT, c.c_size_t, _OUT_TEXT, _U32, _U32, _ERR]),
    "xenith_report_problem_count": (c.c_size_t, [REPORT]),
    "xenith_report_get_problem": (STATUS, [REPORT, c.c_size_t, _OUT_TEXT, _ERR]),
    "xenith_report_free": (None, [REPORT]),
    "xenith_domain_xml_from_native": _CONVERT,
    "xenith_domain_xml_to_native": _CONVERT,
    "xenith_validate": (
        STATUS,
        [c.c_char_p, c.c_char_p, FLAGS, _OUT_TEXT, _OUT_PROBLEMS, _ERR],
    ),
    "xenith_problem_list_count": (c.c_size_t, [PROBLEMS]),
    "xenith_problem_list_get": (
        STATUS,
        [PROBLEMS, c.c_size_t, _U32, _U32, _U32, _U32, _OUT_TEXT, _ERR],
    ),
    "xenith_problem_list_free": (None, [PROBLEMS]),
}
