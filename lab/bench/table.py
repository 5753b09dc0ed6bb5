#!/usr/bin/env python3
"""The table of `make bench-lab`, from what the boots printed; fails where a goal is not met.

    lab/bench/table.py LOG...
"""

import sys

WHAT = ["get info", "list with names", "look up by name", "open and close"]
# How many times the raw call xenith may take, and how many times faster than the peer it must be.
RAW_AT_MOST = {"get info": 1.3, "list with names": 1.3}
PEER_AT_LEAST = {"libxl": 8.0, "libvirt": 100.0}


def read(paths):
    """(peer, guests, what) -> {who: nanoseconds}; raw calls are 'raw'."""
    figures = {}
    for path in paths:
        with open(path, encoding="utf-8") as log:
            rows = [line.rstrip("\n").split("\t") for line in log if line.count("\t") == 2]
        peer = next((name.split(": ")[1] for _, name, _ in rows if name.endswith(tuple(PEER_AT_LEAST))), None)
        if peer is None:
            sys.exit(f"{path}: no figures of a peer in it")
        for guests, name, nanoseconds in rows:
            what, _, who = name.partition(": ")
            who = "raw" if who.startswith("raw") else who
            if who:
                figures.setdefault((peer, int(guests), what), {})[who] = int(nanoseconds)
    return figures


def main():
    figures = read(sys.argv[1:])
    missed = []
    print("| | guests | raw call | xenith | x raw | peer | the peer takes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for what in WHAT:
        for (peer, guests, _), row in sorted(item for item in figures.items() if item[0][2] == what):
            raw, ours, theirs = row.get("raw"), row["xenith"], row[peer]
            over = f"{ours / raw:.2f}" if raw else ""
            shown = f"{raw / 1000:.1f} us" if raw else ""
            print(f"| {what} | {guests} | {shown} | {ours / 1000:.1f} us | {over} | {peer} | {theirs / ours:.1f} times as long |")
            if what in RAW_AT_MOST:
                if ours / raw > RAW_AT_MOST[what]:
                    missed.append(f"{what}, {guests} guests: {ours / raw:.2f} times the raw call, not {RAW_AT_MOST[what]}")
                if theirs / ours < PEER_AT_LEAST[peer]:
                    missed.append(f"{what}, {guests} guests: {peer} takes {theirs / ours:.1f} times as long, not {PEER_AT_LEAST[peer]:g}")
    for line in missed:
        print(f"bench-lab: goal missed: {line}", file=sys.stderr)
    sys.exit(1 if missed or not figures else 0)


main()
