#!/usr/bin/env python3
"""Compiles and runs README.md's examples as they are printed, against an installed prefix.

usage: test-readme.py README PREFIX

Each ```c block is compiled with what pkg-config says, each ```python block is run with the package in python/. A ```text block
right behind one is what it must print.
"""

import os
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```(c|python)\n(.*?)^```\n(?:\s*^```text\n(.*?)^```\n)?", re.M | re.S)


def run(*command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    readme, prefix = sys.argv[1:]
    root = os.path.dirname(os.path.abspath(readme))
    lib = os.path.join(prefix, "lib")
    env = dict(
        os.environ,
        PKG_CONFIG_PATH=os.path.join(lib, "pkgconfig"),
        LD_LIBRARY_PATH=lib,
        PYTHONPATH=os.path.join(root, "python"),
    )
    with open(readme, encoding="utf-8") as file:
        examples = BLOCK.findall(file.read())
    languages = [language for language, _, _ in examples]
    if "c" not in languages or "python" not in languages:
        sys.exit(f"{readme}: an example in C and one in Python are expected, found {languages}")
    for language, code, expected in examples:
        with tempfile.TemporaryDirectory() as folder:
            if language == "c":
                source, program = os.path.join(folder, "example.c"), os.path.join(folder, "example")
                with open(source, "w", encoding="utf-8") as file:
                    file.write(code)
                flags = run("pkg-config", "--cflags", "--libs", "xenith", env=env).split()
                run(os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror", "-o", program, source, *flags, env=env)
                output = run(program, env=env)
            else:
                output = run(sys.executable, "-c", code, env=env)
        if expected and output != expected:
            sys.exit(f"the {language} example printed:\n{output}\nwhere the README says:\n{expected}")
        print(f"README: the {language} example runs" + (" and prints what is printed there" if expected else ""))


main()
