"""A reader for the C of include/xenith.h: declarations of functions, structs and number macros, and nothing more.

What it does not understand it refuses, so that a new kind of declaration cannot slip past the comparison.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Tuple


@dataclass
class Header:
    #: name -> (type of the result, types of the parameters)
    functions: Dict[str, Tuple[str, List[str]]] = field(default_factory=dict)
    #: name -> (name, type) of each field; None for an opaque struct
    structs: Dict[str, List[Tuple[str, str]]] = field(default_factory=dict)
    opaque: List[str] = field(default_factory=list)
    macros: Dict[str, str] = field(default_factory=dict)
    typedefs: Dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Header:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = text.replace("\\\n", " ")
    # extern "C" { ... } only C++ sees.
    text = re.sub(r"#ifdef __cplusplus.*?#endif", " ", text, flags=re.S)
    header = Header()
    code = []
    for line in text.split("\n"):
        macro = re.match(r"\s*#\s*define\s+(\w+)\s+(\S.*?)\s*$", line)
        if macro:
            header.macros[macro.group(1)] = macro.group(2)
        elif not line.lstrip().startswith("#"):
            code.append(line)
    for declaration in _declarations(" ".join(" ".join(code).split())):
        _declare(header, declaration)
    return header


def _declarations(code: str) -> List[str]:
    """Splits at semicolons that are not within braces."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(code):
        depth += (char == "{") - (char == "}")
        if char == ";" and depth == 0:
            parts.append(code[start:at].strip())
            start = at + 1
    rest = code[start:].strip()
    assert depth == 0 and rest == "", f"unbalanced, or without a semicolon: {rest!r}"
    return parts


def _declare(header: Header, text: str) -> None:
    struct = re.fullmatch(r"typedef struct (\w+) \{(.*)\} (\w+)", text)
    if struct:
        name, body, again = struct.groups()
        assert name == again
        header.structs[name] = [_named(part.strip()) for part in body.split(";") if part.strip()]
        return
    opaque = re.fullmatch(r"typedef struct (\w+) (\w+)", text)
    if opaque:
        assert opaque.group(1) == opaque.group(2)
        header.opaque.append(opaque.group(1))
        return
    typedef = re.fullmatch(r"typedef (\w+) (\w+)", text)
    if typedef:
        header.typedefs[typedef.group(2)] = typedef.group(1)
        return
    function = re.fullmatch(r"([\w\s*]+?[\s*])(\w+)\(([^()]*)\)", text)
    assert function, f"not understood: {text!r}"
    result, name, parameters = function.groups()
    assert name not in header.functions, f"declared twice: {name}"
    header.functions[name] = (
        _type(result),
        [] if parameters.strip() == "void" else [_named(part.strip())[1] for part in parameters.split(",")],
    )


def _named(text: str) -> Tuple[str, str]:
    """``const char *name`` -> (name, type); also ``uint8_t uuid[16]`` and a pointer to a function."""
    function = re.fullmatch(r"(.+?)\s*\(\s*\*\s*(\w+)\s*\)\s*\((.*)\)", text)
    if function:
        result, name, parameters = function.groups()
        inner = ", ".join(_named(part.strip())[1] for part in parameters.split(","))
        return name, f"{_type(result)} (*)({inner})"
    array = re.fullmatch(r"(.+?)\s*\b(\w+)\[(\d+)\]", text)
    if array:
        return array.group(2), f"{_type(array.group(1))}[{array.group(3)}]"
    plain = re.fullmatch(r"(.+?[\s*])(\w+)", text)
    assert plain, f"not understood: {text!r}"
    return plain.group(2), _type(plain.group(1))


def _type(text: str) -> str:
    """One spelling: no ``struct``, one blank before the stars, none between them."""
    words = re.sub(r"\bstruct\b", " ", text)
    stars = words.count("*")
    base = " ".join(words.replace("*", " ").split())
    return f"{base} {'*' * stars}".strip()
