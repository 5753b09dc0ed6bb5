#!/usr/bin/env python3
"""The life of a guest: define, start, look up, inspect, shut down, forget.

usage: story.py GUEST.xml [URI]

Without a URI it runs on the embedded host, which is a simulation: nothing on this machine changes.
"""

import sys
import time

import xenith
from xenith import State


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        xml = file.read()
    with xenith.open(sys.argv[2] if len(sys.argv) > 2 else "xen+sim:///") as host:
        print(f"host      {host.hostname}, Xen {host.version}, {host.node_info().cpus} processors")
        guest = host.define(xml)
        print(f"define    {guest.name}, {guest.uuid}, {guest.state()[0].name.lower()}")
        guest.start()
        number = guest.id
        assert number is not None, "a guest that was started has a number"
        print(f"start     as domain {number}")
        for found in (host.lookup_by_name(guest.name), host.lookup_by_id(number), host.lookup_by_uuid(guest.uuid)):
            assert found.uuid == guest.uuid
        print("look up   by name, by id and by uuid: the same domain")
        time.sleep(0.1)
        info = guest.info()
        print(f"info      {info.state.name.lower()}, {info.memory_kib} KiB, {info.vcpus_online} vcpu, {info.cpu_time_ns} ns used")
        guest.shutdown()
        print("shutdown  asked the guest to power off")
        print(f"          it is {guest.wait_for(State.SHUTOFF).name.lower()}")
        guest.undefine()
        print("undefine  forgotten; left are: " + ", ".join(row.name or "?" for row in host.domains()))


if __name__ == "__main__":
    main()
