#!/usr/bin/env python3
"""The binary interface as text: what a compiled program has baked in of the header.

usage: abi.py check|write HEADER REFERENCE      (write: what `make abi` does)

Each line is one promise: a constant's value, a field's type and place, a function's result and parameters. `check` compares the header
with the reference: a promise that is gone or has changed breaks programs that exist; a new one is not in the reference yet. `write`
takes the header's as the reference, and says what that breaks. From version 1.0 on it refuses to break anything. A struct may grow, because
it travels with its size: its fields stay where they are.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python/tests"))
import cheader  # noqa: E402

HEAD = "# The ABI that programs were compiled against, on 64-bit machines: `make abi` adds to it; see README.md here.\n"


def promises(path):
    """The header's promises, one line each."""
    header = cheader.read(path)
    # Of the macros, those that are numbers in a program; the version is each release's own.
    numbers = [name for name in header.macros if not re.match(r"XENITH_(VERSION|H$)", name)]
    program = ["#include <stdio.h>", f'#include "{path.resolve()}"', "int main(void) {"]
    program += [f'printf("const {name} %llu\\n", (unsigned long long)({name}));' for name in numbers]
    for struct, fields in header.structs.items():
        for field, kind in fields:
            program.append(
                f'printf("field {struct}.{field} at %zu: {kind}\\n", offsetof(struct {struct}, {field}));'
            )
    program += ["return 0; }"]
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, "abi.c"), os.path.join(folder, "abi")
        Path(source).write_text("\n".join(program), encoding="utf-8")
        subprocess.run([os.environ.get("CC", "cc"), "-std=c99", "-o", binary, source], check=True)
        lines = subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()
    lines += [f"type {name} = {kind}" for name, kind in header.typedefs.items()]
    lines += [f"handle {name}" for name in header.opaque]
    lines += [f"function {result} {name}({', '.join(of)})" for name, (result, of) in header.functions.items()]
    return sorted(lines)


def main():
    verb, header, reference = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    now = promises(header)
    text = reference.read_text(encoding="utf-8") if reference.exists() else ""
    before = [line for line in text.splitlines() if line and not line.startswith("#")]
    broken, new = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    frozen = "#define XENITH_VERSION_MAJOR 0\n" not in header.read_text(encoding="utf-8")
    report = "".join(f"  broken: {line}\n" for line in broken) + "".join(f"  new: {line}\n" for line in new)
    if verb == "check":
        if not before:
            sys.exit(f"abi: there is no reference at {reference}")
        if broken or new:
            sys.exit(
                f"abi: {header} is not what {reference} promises:\n{report}"
                "If that is meant, run `make abi`, commit the result, and say in CHANGELOG.md who is affected."
            )
        print(f"abi: {len(now)} promises, all kept")
    elif verb == "write":
        if broken and frozen:
            sys.exit(f"abi: since 1.0 nothing is taken back:\n{report}")
        reference.write_text(HEAD + "".join(line + "\n" for line in now), encoding="utf-8")
        print(f"abi: wrote {reference}" + ("\n" + report.rstrip("\n") if report else ", as it was"))
    else:
        sys.exit(__doc__)


main()
