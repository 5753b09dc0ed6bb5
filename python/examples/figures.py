#!/usr/bin/env python3
"""Prints every domain with its figures, as a monitoring agent would read them: one snapshot, one call."""

import sys

import xenith


def main() -> None:
    with xenith.open(sys.argv[1] if len(sys.argv) > 1 else None) as host:
        print(f"{host.hostname}: Xen {host.version}")
        for row in host.domains():
            info = row.info
            seconds = None if info.cpu_time_ns is None else info.cpu_time_ns / 1e9
            print(row.name, row.id, info.state.name, info.memory_kib, info.vcpus_online, seconds)


if __name__ == "__main__":
    main()
