"""What a user does, on an embedded host: nothing between these calls and the bytes on the roads is faked."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import xenith
from conftest import guest_files, has_xend
from xenith import Reason, Road, State

ALIVE = (State.RUNNING, State.BLOCKED)


def test_a_host_says_what_it_is(host: xenith.Connection) -> None:
    assert host.uri.startswith("xen+sim:")
    assert host.type == "Xen"
    assert "sim" in host.hostname
    assert str(host.version).startswith("3.4." if has_xend(host) else "4.17.")
    assert host.library_version == xenith.library_version()
    assert ElementTree.fromstring(host.capabilities()).tag == "capabilities"
    node = host.node_info()
    assert node.cpus and node.memory_kib and node.machine
    assert node.free_memory_kib is not None and 0 < node.free_memory_kib < node.memory_kib
    assert host.max_vcpus("linux") >= host.max_vcpus() >= 1
    with pytest.raises(xenith.InvalidArgError):
        host.max_vcpus("vax")


def test_domain_0_is_listed_and_has_no_limit(host: xenith.Connection) -> None:
    (row,) = host.domains(inactive=False)
    assert (row.name, row.id, row.uuid) == ("Domain-0", 0, uuid.UUID(int=0))
    assert row.info.max_memory_kib is None
    assert row.info.memory_kib
    assert host.domains(active=False) == host.domains(active=False, inactive=False) == []


@pytest.mark.parametrize("path", guest_files(), ids=lambda path: str(path.stem))
def test_a_guest_lives_its_whole_life(host: xenith.Connection, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wanted = ElementTree.fromstring(text)
    name = wanted.findtext("name")
    memory = int(wanted.findtext("memory") or 0)
    assert name

    domain = host.define(text)
    assert domain.name == name
    assert (domain.is_active, domain.is_persistent, domain.id) == (False, True, None)
    assert domain.state() == (State.SHUTOFF, Reason.INACTIVE)
    assert domain.os_type == wanted.findtext("os/type")
    (row,) = host.domains(active=False)
    assert (row.name, row.uuid, row.id) == (name, domain.uuid, None)
    if wanted.findtext("uuid"):
        assert domain.uuid == uuid.UUID(wanted.findtext("uuid"))

    domain.start()
    assert domain.is_active
    number = domain.id
    assert number is not None and number > 0
    for found in (host.lookup_by_name(name), host.lookup_by_id(number), host.lookup_by_uuid(domain.uuid)):
        assert (found.uuid, found.name, found.id) == (domain.uuid, name, number)
    assert host.lookup_by_uuid(str(domain.uuid)).uuid == domain.uuid

    assert domain.wait_for(*ALIVE, timeout=20, interval=0.01) in ALIVE
    info = domain.info()
    assert (info.id, info.uuid) == (number, domain.uuid)
    assert info.vcpus_max == int(wanted.findtext("vcpu") or 1)
    # xl gives each guest 1 MiB more than it asks for.
    most = memory if has_xend(host) else memory + 1024
    assert info.max_memory_kib == most
    assert info.guest_type is not None and info.guest_type.os_type == domain.os_type
    assert (info.paged_kib is None) == has_xend(host), "Xen 3.4 does not page"
    row = next(row for row in host.domains() if row.name == name)
    assert (row.id, row.uuid, row.info.max_memory_kib) == (number, domain.uuid, most)

    live = ElementTree.fromstring(domain.xml())
    assert live.findtext("name") == name and live.get("id") == str(number)
    later = ElementTree.fromstring(domain.xml(inactive=True))
    assert later.get("id") is None
    for tag in ("disk", "interface"):
        assert len(live.findall(f"devices/{tag}")) == len(wanted.findall(f"devices/{tag}"))

    domain.suspend()
    assert domain.state() == (State.PAUSED, Reason.PAUSED_BY_TOOLSTACK)
    domain.resume()
    assert domain.wait_for(*ALIVE, timeout=20, interval=0.01)

    domain.shutdown()
    assert domain.wait_for(State.SHUTOFF, timeout=20, interval=0.01)
    domain.undefine()
    assert host.domains(active=False) == []
    with pytest.raises(xenith.NotFoundError):
        domain.state()


def test_a_transient_guest_is_gone_when_it_ends(host: xenith.Connection) -> None:
    text = guest_files()[-1].read_text(encoding="utf-8")
    domain = host.create(text, paused=True)
    assert domain.state()[0] is State.PAUSED
    assert not domain.is_persistent
    domain.destroy()
    with pytest.raises(xenith.NotFoundError):
        host.lookup_by_uuid(domain.uuid)


def test_acts_mean_the_life_that_was_looked_up(host: xenith.Connection) -> None:
    domain = host.define(guest_files()[-1].read_text(encoding="utf-8"))
    with pytest.raises(xenith.InvalidStateError):
        domain.suspend()
    if has_xend(host):
        with pytest.raises(xenith.NotSupportedError, match="xend"):
            domain.start(paused=True)
        domain.start()
    else:
        domain.start(paused=True)
        assert domain.state()[0] is State.PAUSED
    before = host.lookup_by_uuid(domain.uuid)
    with pytest.raises(xenith.InvalidStateError):
        domain.start()
    domain.destroy()
    domain.start()
    with pytest.raises(xenith.StaleError):
        before.destroy()
    assert before.id == domain.id, "reads follow the uuid"
    host.lookup_by_uuid(domain.uuid).destroy()


def test_a_domain_is_saved_restored_and_started_with_the_host(host: xenith.Connection, tmp_path: Path) -> None:
    domain = host.define(guest_files()[-1].read_text(encoding="utf-8"))
    assert domain.autostart is False
    domain.autostart = True
    assert domain.autostart
    domain.autostart = False
    assert not domain.autostart
    domain.start()
    if has_xend(host):
        with pytest.raises(xenith.NotSupportedError, match="xend"):
            domain.has_monitor
        with pytest.raises(xenith.NotSupportedError):
            domain.start_monitor()
        return
    assert domain.has_monitor
    before = domain.id
    file = tmp_path / "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e"
    domain.save(file)
    assert file.stat().st_size > 0
    assert not domain.is_active and domain.is_persistent
    restored = host.restore(str(file), paused=True)
    assert (restored.uuid, restored.name) == (domain.uuid, domain.name)
    assert restored.id not in (None, before) and restored.state()[0] is State.PAUSED
    with pytest.raises(xenith.ExistsError):
        host.restore(file)
    restored.destroy()
    with pytest.raises(xenith.NotFoundError):
        host.restore(tmp_path / "nothing")


def test_a_report_says_what_serves_each_operation(host: xenith.Connection) -> None:
    report = host.report()
    assert report.failure is None and report.problems == ()
    found = {road.road for road in report.roads if road.found}
    toolstack, other = (Road.XEND, Road.XL) if has_xend(host) else (Road.XL, Road.XEND)
    assert Road.HYPERCALL in found and toolstack in found and other not in found
    (hypercall,) = [road for road in report.roads if road.road is Road.HYPERCALL]
    assert hypercall.version is not None and hypercall.detail
    routes = {route.operation: route for route in report.routes}
    assert (routes["list"].active, routes["start"].active) == (Road.HYPERCALL, None)
    assert routes["start"].inactive is toolstack
    again = xenith.doctor(host.uri)
    assert (again.host, again.routes) == (report.host, report.routes)


def test_two_processes_share_a_served_host(served: str) -> None:
    program = (
        "import sys, xenith\n"
        "with xenith.open(sys.argv[1]) as host:\n"
        "    domain = host.lookup_by_name(sys.argv[2])\n"
        "    domain.start()\n"
        "    domain.suspend()\n"
        "    print(domain.id)\n"
    )
    with xenith.open(served) as host:
        domain = host.define(guest_files()[-1].read_text(encoding="utf-8"))
        environment = {**os.environ, "PYTHONPATH": str(Path(xenith.__file__).parents[1])}
        other = [sys.executable, "-c", program, served, domain.name]
        said = subprocess.run(other, env=environment, check=True, stdout=subprocess.PIPE).stdout
        assert domain.id == int(said)
        row = next(row for row in host.domains(fresh=True) if row.uuid == domain.uuid)
        assert (row.id, row.state) == (domain.id, State.PAUSED)
        # This handle was never pinned to a life: it acts on the one there is.
        domain.destroy()
        assert not domain.is_active


def test_waiting_has_an_end(host: xenith.Connection) -> None:
    domain = host.lookup_by_id(0)
    with pytest.raises(xenith.TimedOutError, match="not SHUTOFF"):
        domain.wait_for(State.SHUTOFF, timeout=0.05, interval=0.01)
    with pytest.raises(ValueError):
        domain.wait_for()
