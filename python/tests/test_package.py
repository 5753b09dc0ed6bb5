"""The package as users get it: installed by pip, typed, and with documentation that is true."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import xenith
from conftest import REPO, guest_files

PACKAGE = REPO / "python"


def run(program: str, path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, cwd=path, stdout=subprocess.PIPE
    ).stdout.decode()


def test_the_versions_agree() -> None:
    declared = re.search(r'^version = "(.*)"$', (PACKAGE / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert declared and declared.group(1) == xenith.__version__
    cargo = re.search(r'^version = "(.*)"$', (REPO / "Cargo.toml").read_text(encoding="utf-8"), re.M)
    assert cargo and cargo.group(1) == xenith.__version__


def test_pip_installs_it(tmp_path: Path) -> None:
    # A copy, because setuptools leaves its workings beside the source.
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info", ".*"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([*command, "--target", str(target), str(source)], env=environment, check=True)
    assert (target / "xenith/py.typed").exists()
    said = run("import xenith; print(xenith.__file__, xenith.library_version())", target)
    assert said.split() == [str(target / "xenith/__init__.py"), xenith.__version__]


def test_the_docstring_s_example_is_true() -> None:
    assert doctest.testmod(xenith).failed == 0
    assert doctest.testmod(xenith).attempted > 0


def test_the_readme_s_example_runs_as_printed() -> None:
    readme = (PACKAGE / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.S)
    said = run(example, PACKAGE)
    (printed,) = re.findall(r"```text\n(.*?)```", readme, re.S)
    assert said == printed


@pytest.mark.parametrize("path", sorted((PACKAGE / "examples").glob("*.py")), ids=lambda path: str(path.name))
def test_the_examples_run(path: Path) -> None:
    guest = guest_files()[:1] if "GUEST.xml" in path.read_text(encoding="utf-8") else []
    subprocess.run(
        [sys.executable, str(path), *map(str, guest), "xen+sim:///"],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        check=True,
        stdout=subprocess.PIPE,
        timeout=60,
    )
