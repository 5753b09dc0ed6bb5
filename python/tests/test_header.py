"""The package says what the header says: every function, struct and constant."""

from __future__ import annotations

import ctypes as c
import enum
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, Type

import pytest

import cheader
from xenith import _abi
from xenith.enums import GuestType, LogLevel, Reason, Road, Severity, State, Status

PLAIN: Dict[str, Any] = {
    "void": None,
    "char": c.c_char,
    "uint8_t": c.c_uint8,
    "int32_t": c.c_int32,
    "uint32_t": c.c_uint32,
    "uint64_t": c.c_uint64,
    "size_t": c.c_size_t,
}

ENUMS: Dict[str, Type[enum.IntEnum]] = {
    "XENITH_ERR_": Status,
    "XENITH_ROAD_": Road,
    "XENITH_STATE_": State,
    "XENITH_REASON_": Reason,
    "XENITH_GUEST_": GuestType,
    "XENITH_LOG_": LogLevel,
    "XENITH_SEVERITY_": Severity,
}

VALID = {"XENITH_DOMAIN_INFO_": _abi.xenith_domain_info, "XENITH_NODE_INFO_": _abi.xenith_node_info}


def ctype(declared: str, header: cheader.Header) -> Any:
    """The ctypes type of a C type, by the rules at the head of _abi.py."""
    base = declared.rstrip("*").strip()
    stars = len(declared) - len(declared.rstrip("*"))
    if declared.endswith("]"):
        element, _, size = declared[:-1].rpartition("[")
        return ctype(element, header) * int(size)
    if "(*)" in declared:
        result, _, inner = declared.partition(" (*)")
        return c.CFUNCTYPE(ctype(result, header), *(ctype(part, header) for part in inner[1:-1].split(", ")))
    constant = base.startswith("const ")
    base = base[len("const ") :] if constant else base
    base = header.typedefs.get(base, base)
    if base == "void" and stars:
        kind: Any = c.c_void_p
        stars -= 1
    elif base == "char" and constant and stars:
        kind = c.c_char_p
        stars -= 1
    elif base in PLAIN:
        kind = PLAIN[base]
    else:
        assert base in header.structs or base in header.opaque, f"an unknown type: {declared}"
        kind = getattr(_abi, base)
    for _ in range(stars):
        kind = c.POINTER(kind)
    return kind


def test_every_function_is_bound_with_its_types(header: Path) -> None:
    declared = cheader.read(header)
    assert len(declared.functions) >= 50
    assert sorted(_abi.FUNCTIONS) == sorted(declared.functions)
    for name, (result, parameters) in declared.functions.items():
        bound_result, bound_parameters = _abi.FUNCTIONS[name]
        assert bound_result is ctype(result, declared), name
        expected = [ctype(parameter, declared) for parameter in parameters]
        assert bound_parameters == expected, f"{name}: {bound_parameters} is not {parameters}"


def test_every_struct_has_the_header_s_fields(header: Path) -> None:
    declared = cheader.read(header)
    assert declared.structs
    for name, fields in declared.structs.items():
        bound = getattr(_abi, name)._fields_
        assert [(field, kind) for field, kind in bound] == [
            (field, ctype(kind, declared)) for field, kind in fields
        ], name
    for name in declared.opaque:
        assert issubclass(getattr(_abi, name), c.Structure)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: the fields' types were compared above")
def test_sizes_and_offsets_are_the_compiler_s(header: Path, tmp_path: Path) -> None:
    declared = cheader.read(header)
    lines = ["#include <stdio.h>", "#include <xenith.h>", "int main(void) {"]
    expected = []
    for name, fields in declared.structs.items():
        lines.append(f'printf("%zu\\n", sizeof(struct {name}));')
        expected.append(c.sizeof(getattr(_abi, name)))
        for field, _ in fields:
            lines.append(f'printf("%zu\\n", offsetof(struct {name}, {field}));')
            expected.append(getattr(getattr(_abi, name), field).offset)
    lines += ["return 0; }"]
    source = tmp_path / "offsets.c"
    source.write_text("\n".join(lines), encoding="utf-8")
    program = tmp_path / "offsets"
    subprocess.run(["cc", f"-I{header.parent}", str(source), "-o", str(program)], check=True)
    output = subprocess.run([str(program)], check=True, stdout=subprocess.PIPE).stdout
    assert [int(line) for line in output.split()] == expected


def test_every_constant_has_the_header_s_value(header: Path) -> None:
    macros = cheader.read(header).macros
    seen = {Status.OK: int(macros.pop("XENITH_OK"))}
    assert seen[Status.OK] == Status.OK
    by_enum: Dict[str, Dict[str, int]] = {prefix: {} for prefix in (*ENUMS, *VALID)}
    for name, value in macros.items():
        prefix = next((prefix for prefix in by_enum if name.startswith(prefix)), None)
        if prefix is not None:
            by_enum[prefix][name[len(prefix) :]] = int(value, 0)
        elif not name.startswith("XENITH_VERSION"):
            assert getattr(_abi, name) == int(value, 0), name
    for prefix, kind in ENUMS.items():
        members = {member.name: member.value for member in kind if member is not Status.OK}
        assert members == by_enum[prefix], prefix
    for prefix, struct in VALID.items():
        bits = {field.upper(): bit for field, bit in _abi.valid_bits(struct).items()}
        assert bits == by_enum[prefix], prefix
    for name in [name for name in vars(_abi) if name.startswith("XENITH_")]:
        assert name in macros, f"{name} is not in the header"


def test_the_header_s_version_is_the_package_s(header: Path) -> None:
    import xenith

    macros = cheader.read(header).macros
    version = ".".join(macros[f"XENITH_VERSION_{part}"] for part in ("MAJOR", "MINOR", "MICRO"))
    assert xenith.__version__ == version
    assert str(xenith.library_version()) == version


def test_the_reader_refuses_what_it_does_not_understand(tmp_path: Path) -> None:
    for text in ["enum x { A };", "int f(void)", "union u { int a; };", "int (*f(void))(int);"]:
        path = tmp_path / "odd.h"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AssertionError):
            cheader.read(path)
