#!/usr/bin/env python3
"""Compiles and runs the examples of README files as they are printed, against an installed prefix.

usage: test-readme.py PREFIX README...

Each ```c block is compiled with what pkg-config says, each ```python block is run with the package in python/. A ```text block
right behind one is what it must print. A ```sh block is what a user types: it is run with the prefix's command in the PATH, beside a
guest.xml; one that ends with "xenith sim" is a first terminal's, and is left running for the next.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

BLOCK = re.compile(r"^```(c|python|sh)\n(.*?)^```\n(?:\s*(?:prints\s*)?^```text\n(.*?)^```\n)?", re.M | re.S)

GUEST = """
<domain type='xen'>
  <name>guest</name><memory unit='MiB'>256</memory><vcpu>2</vcpu>
  <os><type>linux</type><kernel>/boot/vmlinuz-guest</kernel></os>
</domain>
"""


def run(*command, env, cwd=None):
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def c(code, folder, env):
    source, program = os.path.join(folder, "example.c"), os.path.join(folder, "example")
    with open(source, "w", encoding="utf-8") as file:
        file.write(code)
    flags = run("pkg-config", "--cflags", "--libs", "xenith", env=env).split()
    run(os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror", "-o", program, source, *flags, env=env)
    return run(program, env=env)


class Terminals:
    """The folder that the sh blocks of one file share, and the terminal that is still busy."""

    def __init__(self, folder):
        self.folder, self.busy = folder, None
        with open(os.path.join(folder, "guest.xml"), "w", encoding="utf-8") as file:
            file.write(GUEST)

    def run(self, code, env):
        # The same commands, in a place of our own.
        code = code.replace("/tmp/host", os.path.join(self.folder, "host"))
        if code.rstrip().splitlines()[-1].startswith("xenith sim "):
            self.busy = subprocess.Popen(
                ["sh", "-c", "exec " + code], env=env, stdout=subprocess.DEVNULL, start_new_session=True
            )
            end = time.monotonic() + 60
            while not os.path.exists(os.path.join(self.folder, "host/host")):
                if self.busy.poll() is not None or time.monotonic() > end:
                    sys.exit(f"does not serve a host: {code}")
                time.sleep(0.02)
            return ""
        return run("sh", "-eu", "-c", code, env=env, cwd=self.folder)

    def end(self):
        if self.busy:
            os.killpg(self.busy.pid, signal.SIGTERM)
            self.busy.wait(timeout=60)


def check(readme, env):
    with open(readme, encoding="utf-8") as file:
        examples = BLOCK.findall(file.read())
    if not examples:
        sys.exit(f"{readme}: no examples were found")
    with tempfile.TemporaryDirectory() as folder:
        terminals = Terminals(folder)
        try:
            for language, code, expected in examples:
                if language == "c":
                    output = c(code, folder, env)
                elif language == "python":
                    output = run(sys.executable, "-c", code, env=env)
                else:
                    output = terminals.run(code, env)
                if expected and output != expected:
                    sys.exit(f"{readme}: the {language} example printed:\n{output}\nand is said to print:\n{expected}")
        finally:
            terminals.end()
    return [language for language, _, _ in examples]


def main():
    prefix, *readmes = sys.argv[1:]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    prefix = os.path.abspath(prefix)
    lib = os.path.join(prefix, "lib")
    env = dict(
        os.environ,
        PATH=os.path.join(prefix, "bin") + os.pathsep + os.environ["PATH"],
        PKG_CONFIG_PATH=os.path.join(lib, "pkgconfig"),
        LD_LIBRARY_PATH=lib,
        PYTHONPATH=os.path.join(root, "python"),
    )
    env.pop("XENITH_URI", None)
    for readme in readmes:
        languages = check(readme, env)
        if readme == "README.md" and set(languages) != {"c", "python", "sh"}:
            sys.exit(f"{readme}: examples in C, in Python and at a terminal are expected, found {languages}")
        print(f"{readme}: {len(languages)} examples ({', '.join(languages)}) run, and print what is printed there")


main()
