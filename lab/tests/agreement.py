#!/usr/bin/python3
"""Each domain in our words (list, info, XML) beside those of a peer, field by field.

    agreement.py xl|libvirt AGREEMENT.MD

A field that differs must be explained by a rule, and each rule must be a row of the peer's table in docs/agreement.md, and needed.
"""
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as tree

import xenith


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout


def read(path):
    """A node of xenstore's; None where it is not there."""
    done = subprocess.run(["xenstore-read", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60)
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def children(path):
    done = subprocess.run(["xenstore-list", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60)
    return done.stdout.split() if done.returncode == 0 else []


# ---- Domain XML, ours and libvirt's


def kib(element):
    unit = {"KiB": 1, "MiB": 1024, "GiB": 1 << 20}[element.get("unit", "KiB")]
    return int(element.text) * unit


def text_of(root, path):
    found = root.find(path)
    return None if found is None else (found.text or "").strip()


def attribute(root, path, name):
    found = root.find(path)
    return None if found is None else found.get(name)


def of_xml(document):
    """What a document says, in words of its own."""
    root = tree.fromstring(document)
    assert root.tag == "domain" and root.get("type") == "xen", document
    says = {"id": root.get("id")}
    for name in ["name", "uuid", "title", "bootloader", "on_poweroff", "on_reboot", "on_crash"]:
        says[name] = text_of(root, name)
    says["memory"] = kib(root.find("memory"))
    says["currentMemory"] = kib(root.find("currentMemory"))
    says["vcpu"] = int(text_of(root, "vcpu"))
    says["vcpu: current"] = int(root.find("vcpu").get("current", says["vcpu"]))
    says["os/type"] = text_of(root, "os/type")
    says["os/type: arch"] = attribute(root, "os/type", "arch")
    says["os/type: machine"] = attribute(root, "os/type", "machine")
    for name in ["kernel", "initrd", "cmdline", "loader"]:
        says["os/" + name] = text_of(root, "os/" + name)
    says["os/boot"] = [boot.get("dev") for boot in root.findall("os/boot")]
    says["features"] = sorted(feature.tag for feature in root.findall("features/*"))
    says["clock: offset"] = attribute(root, "clock", "offset")
    says["devices/emulator"] = text_of(root, "devices/emulator")
    for disk in root.findall("devices/disk"):
        at = "disk %s: " % disk.find("target").get("dev")
        source = disk.find("source")
        says[at + "type"] = disk.get("type")
        says[at + "device"] = disk.get("device", "disk")
        says[at + "source"] = None if source is None else source.get("file") or source.get("dev")
        says[at + "bus"] = attribute(disk, "target", "bus")
        says[at + "driver"] = attribute(disk, "driver", "name")
        says[at + "format"] = attribute(disk, "driver", "type")
        says[at + "readonly"] = disk.find("readonly") is not None
    says["disks"] = len(root.findall("devices/disk"))
    for number, interface in enumerate(root.findall("devices/interface")):
        at = "interface %d: " % number
        says[at + "type"] = interface.get("type")
        says[at + "mac"] = interface.find("mac").get("address")
        says[at + "bridge"] = attribute(interface, "source", "bridge")
        says[at + "target"] = attribute(interface, "target", "dev")
        says[at + "model"] = attribute(interface, "model", "type")
        says[at + "script"] = attribute(interface, "script", "path")
    says["interfaces"] = len(root.findall("devices/interface"))
    for number, serial in enumerate(root.findall("devices/serial")):
        says["serial %d: type" % number] = serial.get("type")
        says["serial %d: tty" % number] = attribute(serial, "source", "path")
    console = root.find("devices/console")
    if console is not None:
        says["console: type"] = console.get("type")
        says["console: tty"] = console.get("tty")
        says["console: source"] = attribute(console, "source", "path")
        says["console: target"] = attribute(console, "target", "type")
    screen = root.find("devices/graphics")
    if screen is not None:
        says["graphics: type"] = screen.get("type")
        says["graphics: port"] = screen.get("port")
        says["graphics: autoport"] = screen.get("autoport")
        says["graphics: listen"] = screen.get("listen")
    says["video"] = attribute(root, "devices/video/model", "type")
    says["inputs"] = [(one.get("type"), one.get("bus")) for one in root.findall("devices/input")]
    says["memballoon"] = attribute(root, "devices/memballoon", "model")
    return says


# ---- xl

STATES = {"r": "running", "b": "blocked", "p": "paused", "s": "shutoff", "c": "crashed", "d": "shutdown"}


def of_xl_list():
    """`xl list -v`, which has what `xl list` has and the uuid; by number."""
    rows = {}
    for line in run("xl", "list", "-v").splitlines()[1:]:
        name, domid, memory, vcpus, state, time, uuid = line.split()[:7]
        rows[int(domid)] = {"name": name, "memory": int(memory), "vcpus": int(vcpus), "state": state, "time": float(time), "uuid": uuid}
    return rows


BACKENDS = {"vbd": "phy", "qdisk": "qemu", "tap": "tap", "vbd3": "tap"}
BOOTS = {"c": "hd", "d": "cdrom", "a": "fd", "n": "network"}


def of_xl_json(told):
    """What `xl list -l` says of a domain, in the words of XML; libxl leaves out what is at its default."""
    config = told["config"]
    identity, build = config["c_info"], config["b_info"]
    kind = identity["type"]
    own = build["type." + kind]
    says = {
        "id": str(told["domid"]),
        "name": identity["name"],
        "uuid": identity.get("uuid"),
        "memory": build["max_memkb"],
        "currentMemory": build["target_memkb"],
        "vcpu": build.get("max_vcpus", 1),
        "vcpu: current": len(build.get("avail_vcpus", [0])),
        "os/type": {"pv": "linux", "hvm": "hvm", "pvh": "xenpvh"}[kind],
        "bootloader": build.get("bootloader"),
        "os/kernel": build.get("kernel"),
        "os/initrd": build.get("ramdisk"),
        "os/cmdline": build.get("cmdline"),
        "os/boot": [BOOTS[letter] for letter in own.get("boot", "")],
        "disks": len(config.get("disks", [])),
        "interfaces": len(config.get("nics", [])),
    }
    for event in ["on_poweroff", "on_reboot", "on_crash"]:
        says[event] = config.get(event, "destroy")
    if kind == "hvm":
        says["features"] = sorted(["acpi", "apic", "pae"])
    for disk in config.get("disks", []):
        at = "disk %s: " % disk["vdev"]
        says[at + "device"] = "cdrom" if disk.get("is_cdrom") else "disk"
        says[at + "source"] = disk["pdev_path"] or None
        says[at + "readonly"] = not disk.get("readwrite")
        says[at + "format"] = disk["format"]
        says[at + "driver"] = {"phy": "phy", "qdisk": "qemu", "tap": "tap"}.get(disk.get("backend"))
    for number, nic in enumerate(config.get("nics", [])):
        at = "interface %d: " % number
        says[at + "mac"] = nic["mac"]
        says[at + "bridge"] = nic.get("bridge")
        says[at + "model"] = nic.get("model")
        says[at + "target"] = nic.get("ifname")
    serials = own.get("serial_list") or ([own["serial"]] if own.get("serial") else [])
    for number, serial in enumerate(serials):
        says["serial %d: type" % number] = serial
    screens = [own.get("vnc")] if kind == "hvm" else [screen.get("vnc") for screen in config.get("vfbs", [])]
    for screen in screens:
        says["graphics: type"] = "vnc" if screen.get("enable", "True") == "True" else None
        says["graphics: listen"] = screen.get("listen")
        if screen.get("findunused", "True") == "False":
            says["graphics: port"] = str(5900 + screen["display"])
    return says


def of_xenstore(domid):
    """What the toolstack's own nodes say of a domain."""
    home = "/local/domain/%d" % domid
    says = {"name": read(home + "/name")}
    if domid == 0:
        return says
    says["uuid"] = read(home + "/vm")[len("/vm/") :]
    says["memory"] = int(read(home + "/memory/static-max"))
    says["currentMemory"] = int(read(home + "/memory/target")) + int(read(home + "/memory/videoram") or 0)
    cpus = children(home + "/cpu")
    says["vcpu"] = len(cpus)
    says["vcpu: current"] = sum(read("%s/cpu/%s/availability" % (home, cpu)) == "online" for cpu in cpus)
    for number in children(home + "/serial"):
        says["serial %s: tty" % number] = read("%s/serial/%s/tty" % (home, number))
    says["console: tty"] = read(home + "/console/tty")
    says["graphics: port"] = read(home + "/console/vnc-port")
    backends = "/local/domain/0/backend"
    for number in children("%s/vif/%d" % (backends, domid)):
        node, at = "%s/vif/%d/%s" % (backends, domid, number), "interface %s: " % number
        says[at + "mac"] = read(node + "/mac")
        says[at + "bridge"] = read(node + "/bridge")
        says[at + "target"] = read(node + "/vifname") or "vif%d.%s" % (domid, number)
    for kind in ["vbd", "qdisk"]:
        for number in children("%s/%s/%d" % (backends, kind, domid)):
            node = "%s/%s/%d/%s" % (backends, kind, domid, number)
            at = "disk %s: " % read(node + "/dev")
            says[at + "driver"] = BACKENDS[kind]
            says[at + "source"] = (read(node + "/params") or "").split(":", 1)[-1] or None
            says[at + "device"] = read(node + "/device-type")
            says[at + "readonly"] = read(node + "/mode") == "r"
    return says


class Comparison:
    """Counts what agrees, and holds what does not against the rules: a row of the table -> whether it explains two values of a field."""

    def __init__(self, rules):
        self.rules, self.used, self.faults, self.agreed = rules, set(), [], 0

    def see(self, who, peer, field, ours, theirs):
        if ours == theirs:
            self.agreed += 1
            return
        for row, explains in self.rules.items():
            if explains(peer, field, ours, theirs):
                self.used.add(row)
                return
        self.faults.append("%s: %s: we say %r, %s says %r" % (who, field, ours, peer, theirs))

    def end(self, document, heading):
        with open(document, encoding="utf-8") as file:
            text = file.read()
        table = text.split(heading, 1)[1].splitlines() if heading in text else []
        rows = []
        for line in table[2:]:
            if not line.startswith("|"):
                break
            rows.append(line.split("|")[1].strip().replace("`", ""))
        if rows != list(self.rules):
            self.faults.append("the table of %s has the rows %r, the rules are %r" % (document, rows, list(self.rules)))
        self.faults.extend("nothing differs in '%s'" % row for row in self.rules if row not in self.used)
        print("%d fields agree, %d rules were needed" % (self.agreed, len(self.used)))
        for fault in self.faults:
            print(fault)
        sys.exit(1 if self.faults else 0)


JSON = "xl list -l"
XL_RULES = {
    "uuid of Domain-0": lambda peer, field, ours, theirs: peer == JSON and field == "uuid" and theirs is None and not ours.strip("0-"),
    "max memory": lambda peer, field, ours, theirs: peer == "our info" and field == "max memory",
    "interface: target": lambda peer, field, ours, theirs: peer == JSON
    and re.fullmatch(r"interface \d+: target", field)
    and theirs is None
    and re.fullmatch(r"vif\d+\.\d+", ours),
    "interface: model": lambda peer, field, ours, theirs: peer == JSON
    and re.fullmatch(r"interface \d+: model", field)
    and (ours, theirs) == ("netfront", None),
    "disk: driver": lambda peer, field, ours, theirs: peer == JSON
    and re.fullmatch(r"disk \w+: driver", field)
    and theirs is None
    and ours in ("phy", "qemu"),
    "console: tty of an HVM guest": lambda peer, field, ours, theirs: peer == "xenstore"
    and field == "console: tty"
    and (ours or "").startswith("/dev/pts/"),
}


def xl(document):
    compared = Comparison(XL_RULES)
    with xenith.open() as host:
        before = of_xl_list()
        rows = {row.id: row for row in host.domains(inactive=False)}
        after = of_xl_list()
        details = {told["domid"]: told for told in json.loads(run("xl", "list", "-l"))}
        assert set(before) == set(rows) == set(after) == set(details), (before, rows, after, details)
        assert len(rows) == 8, rows
        for domid, row in sorted(rows.items()):
            theirs = after[domid]
            domain = host.lookup_by_id(domid)
            info = domain.info()
            who = "%s (%d)" % (theirs["name"], domid)
            for where, told in [("list", row.info), ("info", info)]:
                compared.see(who, "xl list", where + ": memory", told.memory_kib // 1024, theirs["memory"])
                compared.see(who, "xl list", where + ": vcpus", told.vcpus_online, theirs["vcpus"])
                compared.see(who, "xl list", where + ": uuid", str(told.uuid), theirs["uuid"])
                letters = [STATES[letter] for letter in theirs["state"] if letter != "-"] or ["nostate"]
                # A guest that works runs and waits in turn.
                state = told.state.name.lower()
                same = state in letters or {state, *letters} <= {"running", "blocked", "nostate"}
                compared.see(who, "xl list", where + ": state", state if not same else "/".join(letters), "/".join(letters))
                # xl prints tenths.
                seconds = told.cpu_time_ns / 1e9
                limit = after[domid]["time"] + (0.1 if where == "list" else 60)
                compared.see(who, "xl list", where + ": time", before[domid]["time"] - 0.1 <= seconds <= limit, True)
            compared.see(who, "xl list", "list: name", row.name, theirs["name"])
            compared.see(who, "xl list", "name", domain.name, theirs["name"])
            compared.see(who, "xl list", "id", domain.id, domid)
            compared.see(who, "xl list", "os type", domain.os_type, of_xl_json(details[domid])["os/type"])
            document_of = domain.xml()
            ours = of_xml(document_of)
            for field in ["memory", "vcpu"]:
                figure = {"memory": info.max_memory_kib, "vcpu": info.vcpus_max}[field]
                compared.see(who, "our info", "max " + field, ours[field], figure)
            told = of_xl_json(details[domid])
            for field in sorted(told):
                compared.see(who, "xl list -l", field, ours.get(field), told[field])
            told = of_xenstore(domid)
            for field in sorted(told):
                compared.see(who, "xenstore", field, ours.get(field), told[field])
    compared.end(document, "| what differs between xl and us |")


# ---- libvirt

# What libvirt's XML has a field for: what only one of the two documents can hold is left to the table.
LIBVIRT_RULES = {
    "os/type: machine": lambda peer, field, ours, theirs: field == "os/type: machine" and theirs is None,
    "graphics: autoport": lambda peer, field, ours, theirs: field == "graphics: autoport" and (ours, theirs) == ("no", "yes"),
    "inactive: graphics: port": lambda peer, field, ours, theirs: field == "inactive: graphics: port" and theirs == "-1",
    "persistent": lambda peer, field, ours, theirs: field == "persistent" and theirs == "yes",
}


def virsh(*words):
    return run("virsh", "-c", "xen:///system", *words)


def libvirt(document):
    compared = Comparison(LIBVIRT_RULES)
    with xenith.open() as host:
        for name in ["kept", "brief"]:
            told = dict(line.split(":", 1) for line in virsh("dominfo", name).splitlines() if ":" in line)
            told = {key: value.strip() for key, value in told.items()}
            domain = host.lookup_by_name(name)
            info = domain.info()
            for field, ours, theirs in [
                ("id", str(domain.id), told["Id"]),
                ("name", domain.name, told["Name"]),
                ("uuid", str(domain.uuid), told["UUID"]),
                # virsh has one word for a guest that works and one that waits.
                ("state", "running" if info.state.name in ("RUNNING", "BLOCKED", "NOSTATE") else info.state.name, told["State"]),
                ("vcpus", str(info.vcpus_online), told["CPU(s)"]),
                ("memory", "%d KiB" % info.memory_kib, told["Used memory"]),
                ("persistent", "yes" if domain.is_persistent else "no", told["Persistent"]),
                ("time", abs(info.cpu_time_ns / 1e9 - float(told["CPU time"].rstrip("s"))) < 60, True),
                ("minded", domain.has_monitor, True),
            ]:
                compared.see(name, "virsh dominfo", field, ours, theirs)
            for kind, document_of, words in [("", domain.xml(), []), ("inactive: ", domain.xml(inactive=True), ["--inactive"])]:
                ours, theirs = of_xml(document_of), of_xml(virsh("dumpxml", *words, name))
                for field in sorted({*ours, *theirs}):
                    peer = "virsh dumpxml"
                    rules_field = field if field in ("os/type: machine", "graphics: autoport") else kind + field
                    compared.see(name, peer, rules_field, ours.get(field), theirs.get(field))
        problems = " ".join(host.report().problems)
        compared.see("host", "libvirt", "doctor", "monitor" in problems, False)
    compared.end(document, "| what differs between libvirt and us |")


if __name__ == "__main__":
    {"xl": xl, "libvirt": libvirt}[sys.argv[1]](sys.argv[2])
