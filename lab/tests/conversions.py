#!/usr/bin/python3
"""What definitions become in xl's language, and back, in our words and in libvirt's: 30 guests, both ways.

    conversions.py FOLDER AGREEMENT.MD

FOLDER receives what both said. Two configurations are the same when they have the same keys with the same values, two documents when they
have the same elements (attributes in any order, elements in theirs). A difference must be explained by a rule, and each rule must be a row of
the table in docs/agreement.md, and needed.
"""
import ast
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as tree

LIBVIRT = ["virsh", "-q", "-c", "xen:///system"]
HEADING = "| what differs between libvirt's conversion and ours |"
# libvirt leaves out without a word what the other language has no place for; without --lenient ours refuses that.
OURS = ["xenith"]

PV = "<os><type>linux</type><kernel>/boot/vmlinuz</kernel><initrd>/boot/guest.gz</initrd><cmdline>console=hvc0 root=/dev/xvda</cmdline></os>"
BOOTLOADER = "<bootloader>/usr/bin/pygrub</bootloader><os><type>linux</type></os>"
HVM = "<os><type arch='x86_64' machine='xenfv'>hvm</type><boot dev='hd'/></os>"
PVH = "<os><type arch='x86_64' machine='xenpvh'>xenpvh</type><kernel>/boot/vmlinuz</kernel><initrd>/boot/guest.gz</initrd><cmdline>console=hvc0</cmdline></os>"
HARDWARE = "<features><acpi/><apic/><pae/></features>"
VNC = "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>"
MAC = "<mac address='00:16:3e:65:00:%02x'/>"


def file(target, driver="qemu", kind="raw", more="", device="disk"):
    return (
        f"<disk type='file' device='{device}'><driver name='{driver}' type='{kind}'/>"
        f"<source file='/srv/{target}.{kind}'/><target dev='{target}'/>{more}</disk>"
    )


def block(target, more=""):
    return f"<disk type='block' device='disk'><driver name='phy' type='raw'/><source dev='/dev/vg/{target}'/><target dev='{target}'/>{more}</disk>"


def bridge(number, more="", source="xenbr0"):
    return f"<interface type='bridge'>{MAC % number}<source bridge='{source}'/>{more}</interface>"


# What is beside the devices, and the devices.
GUESTS = {
    "pv": (PV, ""),
    "pv-disk": (PV, file("xvda")),
    "pv-disks": (PV, block("xvda") + block("xvdb", "<readonly/>") + file("xvdc", kind="qcow2")),
    "pv-cdrom": (PV, file("xvda") + file("xvdb", device="cdrom", more="<readonly/>")),
    "pv-bridge": (PV, bridge(1)),
    "pv-bridges": (PV, bridge(1) + bridge(2, source="xenbr1")),
    "pv-script": (PV, bridge(1, "<script path='vif-openvswitch'/>")),
    "pv-named": (PV, bridge(1, "<target dev='web0'/>")),
    "pv-rate": (PV, bridge(1, "<bandwidth><outbound average='10240'/></bandwidth>")),
    "pv-address": (PV, bridge(1, "<ip address='192.0.2.7' family='ipv4'/>")),
    "pv-vnc": (PV, VNC),
    "pv-vnc-port": (PV, "<graphics type='vnc' port='5905' autoport='no' listen='0.0.0.0' passwd='secret' keymap='de'/>"),
    "pv-bootloader": (BOOTLOADER, file("xvda")),
    "pv-arguments": (BOOTLOADER.replace("<os>", "<bootloader_args>-q --args=single</bootloader_args><os>"), file("xvda")),
    "pv-vcpus": (PV.replace("<os>", "<vcpu current='2'>4</vcpu><os>", 1), ""),
    "pv-cpuset": (PV.replace("<os>", "<vcpu cpuset='0-1'>2</vcpu><os>", 1), ""),
    "pv-actions": (PV + "<on_poweroff>preserve</on_poweroff><on_reboot>destroy</on_reboot><on_crash>coredump-destroy</on_crash>", ""),
    "pv-pci": (PV, "<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0' bus='1' slot='2' function='1'/></source></hostdev>"),
    "hvm": (HVM + HARDWARE, file("hda")),
    "hvm-boot": (HVM.replace("<boot dev='hd'/>", "<boot dev='cdrom'/><boot dev='hd'/><boot dev='network'/>") + HARDWARE, file("hda") + file("hdc", device="cdrom", more="<readonly/>")),
    "hvm-vnc": (HVM + HARDWARE, file("hda") + VNC),
    "hvm-kernel": (HVM.replace("<boot dev='hd'/>", "<kernel>/boot/vmlinuz</kernel><initrd>/boot/guest.gz</initrd><cmdline>console=ttyS0</cmdline>") + HARDWARE, file("hda")),
    "hvm-cards": (HVM + HARDWARE, bridge(1, "<model type='e1000'/>") + bridge(2, "<model type='netfront'/>")),
    "hvm-viridian": (HVM + "<features><acpi/><apic/><pae/><hap state='off'/><viridian/></features>", file("hda")),
    "hvm-hpet": (HVM + HARDWARE + "<clock offset='localtime'><timer name='hpet' present='yes'/></clock>", ""),
    "hvm-tsc": (HVM + HARDWARE + "<clock offset='utc'><timer name='tsc' present='yes' mode='native'/></clock>", ""),
    "hvm-tablet": (HVM + HARDWARE, file("hda") + "<input type='tablet' bus='usb'/>" + VNC),
    "hvm-serial": (HVM + HARDWARE, "<serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' port='0'/></console>"),
    "pvh": (PVH, ""),
    "pvh-whole": (PVH, file("xvda") + bridge(1)),
}

# A row's first cell: the way, the guests, where it differs, and whether the two differ as it says.
RULES = {
    "`vif`: `script`": ("to", ".*", "vif", lambda ours, theirs: ours == [one.replace(",script=vif-bridge", "") for one in theirs]),
    "`vfb`: `vnc=1`": ("to", "pv-.*", "vfb", lambda ours, theirs: ours == [one.replace("type=vnc", "vnc=1") for one in theirs]),
    "`bootloader_args`": ("to", "pv-.*", "bootargs|bootloader_args", lambda ours, theirs: None in (ours, theirs)),
    "`vnc=0`, `sdl=0`": ("to", "hvm.*", "vnc|sdl", lambda ours, theirs: (ours, theirs) == (0, None)),
    "`boot` beside a kernel": ("to", "hvm-kernel", "boot", lambda ours, theirs: (ours, theirs) == (None, "c")),
    "`graphics`, `video` that nobody named": ("from", "hvm.*", "/domain/devices/(graphics|video)(/.*)?", lambda ours, theirs: theirs is None),
    "`graphics`: `passwd`": ("from", "pv-.*", "/domain/devices/graphics", lambda ours, theirs: [pair for pair in ours[0] if pair[0] != "passwd"] == theirs[0]),
    "`virtualport`": ("from", "pv-script", "/domain/devices/interface/virtualport", lambda ours, theirs: theirs is None),
}


def document(number, name, beside, devices):
    vcpu = "" if "<vcpu" in beside else "<vcpu>1</vcpu>"
    return (
        f"<domain type='xen'><name>{name}</name><uuid>65000000-0000-4000-8000-0000000000{number:02x}</uuid>"
        f"<memory unit='KiB'>262144</memory><currentMemory unit='KiB'>131072</currentMemory>{vcpu}{beside}<devices>{devices}</devices></domain>"
    )


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}{done.stdout}"
    return done.stdout


def settings(text):
    """A configuration's keys with what they say."""
    statements = (line.split("=", 1) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {key.strip(): ast.literal_eval(value.strip()) for key, value in statements}


def leaves(element, path=""):
    """A document's elements in order, with their attributes and texts."""
    path = f"{path}/{element.tag}"
    found = [(path, sorted(element.attrib.items()), (element.text or "").strip())]
    for child in element:
        found += leaves(child, path)
    return found


def differences(ours, theirs):
    if isinstance(ours, dict):
        return {key: (ours.get(key), theirs.get(key)) for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    left = list(theirs)
    mine = []
    for leaf in ours:
        if leaf in left:
            left.remove(leaf)
        else:
            mine.append(leaf)
    different = {path: (at, None) for path, *at in mine}
    for path, *at in left:
        different[path] = (different.get(path, (None,))[0], at)
    if not different and ours != theirs:
        different["order"] = ([path for path, *_ in ours], [path for path, *_ in theirs])
    return different


def conversions(folder, name):
    """What differs each way."""
    native = folder / f"{name}.cfg"
    native.write_text(run(*LIBVIRT, "domxml-to-native", "xen-xl", "--xml", str(folder / f"{name}.xml")))
    ours = run(*OURS, "domxml-to-native", "--lenient", "xen-xl", str(folder / f"{name}.xml"))
    theirs_back = run(*LIBVIRT, "domxml-from-native", "xen-xl", str(native))
    ours_back = run(*OURS, "domxml-from-native", "--lenient", "xen-xl", str(native))
    for what, text in {"ours.cfg": ours, "theirs.xml": theirs_back, "ours.xml": ours_back}.items():
        (folder / f"{name}.{what}").write_text(text)
    return {
        "to": differences(settings(ours), settings(native.read_text())),
        "from": differences(leaves(tree.fromstring(ours_back)), leaves(tree.fromstring(theirs_back))),
    }


def explains(rule, way, guest, what, ours, theirs):
    of, guests, where, differ = rule
    return of == way and re.fullmatch(guests, guest) and re.fullmatch(where, what) and differ(ours, theirs)


def main(folder, document_of_rules):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    unexplained, needed, compared = [], set(), 0
    for number, (name, (beside, devices)) in enumerate(GUESTS.items()):
        path = folder / f"{name}.xml"
        path.write_text(document(number, name, beside, devices))
        try:
            ways = conversions(folder, name)
        except AssertionError as refused:
            unexplained.append(f"{name}: {refused}")
            continue
        for way, found in ways.items():
            compared += 1
            for what, (mine, other) in sorted(found.items()):
                rule = next((row for row, rule in RULES.items() if explains(rule, way, name, what, mine, other)), None)
                if rule is None:
                    unexplained.append(f"{name}, {way} xl: {what}: ours {mine!r}, libvirt's {other!r}")
                else:
                    needed.add(rule)
    rows = re.findall(r"^\| (.*?) \|", pathlib.Path(document_of_rules).read_text().split(HEADING)[1].split("\n\n")[0], re.M)
    for rule in RULES:
        if rule not in needed:
            unexplained.append(f"nothing differs as this rule says: {rule}")
    if sorted(RULES) != sorted(rows[1:]):
        unexplained.append(f"docs/agreement.md has other rows than these rules: {sorted({*RULES} ^ {*rows[1:]})}")
    print("\n".join(unexplained))
    assert not unexplained, f"{len(unexplained)} differences"
    assert compared == 60
    print(f"{compared} conversions of {len(GUESTS)} guests agree with libvirt's")


main(sys.argv[1], sys.argv[2])
