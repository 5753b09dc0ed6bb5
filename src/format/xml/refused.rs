//! What libvirt's domain XML knows, and Xen has not: refused by name, with the reason.

/// Why an element is refused in another one; None for one that is not known at all.
pub(super) fn element(parent: &str, name: &str) -> Option<&'static str> {
    Some(match (parent, name) {
        ("domain", "maxMemory") => "Xen plugs in no memory; the most that the guest can have is <memory>",
        ("domain", "memtune") => "Xen limits memory by <memory> and <currentMemory> alone",
        ("domain", "memoryBacking") => {
            "Xen gives all of a guest's memory itself: no pages of the host's Linux back it"
        }
        ("domain", "blkiotune") | ("disk", "iotune") => "Xen does not limit a disk's rate",
        ("domain", "iothreads" | "iothreadids" | "defaultiothread") => {
            "Xen's disks have no threads to be named"
        }
        ("domain", "resource" | "idmap") => "this is of containers; a Xen guest is none",
        ("domain", "sysinfo") => "Xen's toolstacks have no word for SMBIOS strings",
        ("domain", "perf") => "libvirt's performance events are KVM's",
        ("domain", "keywrap" | "launchSecurity") => "Xen does not encrypt guests",
        ("domain", "seclabel") => "labels are set by the toolstack's own policy",
        ("domain", "genid") => "Xen's toolstacks make up a generation id by themselves and take none",
        ("domain", "on_lockfailure") => "Xen's disks are not locked by a lock manager",
        ("devices", "tpm") => "a TPM of Xen's is a domain of its own that domain XML cannot name",
        ("devices", "watchdog") => "Xen's watchdog is the hypervisor's own, and every guest has it",
        ("devices", "rng") => "Xen has no device of random numbers",
        ("devices", "memory") => "Xen plugs in no memory",
        ("devices", "filesystem") => "Xen's guests share no folders that domain XML could name",
        (
            "devices",
            "shmem" | "iommu" | "vsock" | "smartcard" | "hub" | "panic" | "nvram" | "crypto" | "pstore",
        ) => "Xen has no such device",
        ("devices", "lease") => "Xen's disks are not locked by a lock manager",
        ("devices", "audio") => "a sound card of Xen's plays where the device model chooses",
        ("devices", "redirfilter") => "Xen redirects any USB device",
        ("os", "bootmenu" | "bios") => "Xen's firmware has no settings",
        ("os", "smbios") => "Xen's toolstacks have no word for SMBIOS strings",
        ("os", "dtb") => "a PC has no device tree",
        ("os", "init" | "initarg" | "initenv" | "initdir" | "inituser" | "initgroup") => {
            "this is of containers; a Xen guest is none"
        }
        ("acpi", "table") => "Xen takes one file of ACPI tables",
        ("features", "hyperv") => "Xen's form of it is <viridian/>",
        (
            "features",
            "kvm" | "pmu" | "vmport" | "gic" | "smm" | "ioapic" | "hpt" | "vmcoreinfo" | "htm" | "nested-hv",
        ) => "this is KVM's; Xen has no such feature",
        (
            "features",
            "pvspinlock" | "capabilities" | "msrs" | "ccf-assist" | "cfpc" | "sbbc" | "ibs" | "tcg"
            | "async-teardown" | "aia" | "ras" | "ps2",
        ) => "Xen has no such feature",
        ("cpu", "model" | "vendor") => {
            "Xen gives the host's own processor: say what it has or has not by <feature>"
        }
        ("cpu", "topology") => "Xen gives vcpus no topology of sockets and cores",
        ("cpu", "cache" | "maxphysaddr") => "Xen gives the host's own processor",
        ("cell", "caches") => "Xen gives the host's own processor",
        ("numa", "interconnects") => "Xen tells guests distances, and no latencies",
        ("timer", "catchup") => "Xen has no limits for how a timer catches up",
        ("cputune", "period" | "quota") => {
            "Xen limits the guest as a whole: say <global_period> and <global_quota>"
        }
        ("cputune", "emulatorpin" | "emulatorsched" | "emulator_period" | "emulator_quota") => {
            "the device model is a process of the host's, which Xen does not schedule"
        }
        ("cputune", "iothreadpin" | "iothreadsched" | "iothread_period" | "iothread_quota") => {
            "Xen's disks have no threads"
        }
        ("cputune", "vcpusched" | "cachetune" | "memorytune") => "Xen's scheduler has no such setting",
        ("disk", "serial" | "wwn" | "vendor" | "product") => "Xen's disks have no such name",
        ("disk", "geometry" | "blockio") => "Xen's disks take these from their data",
        ("disk", "encryption") | ("source", "encryption") => "Xen's disks are not encrypted",
        ("disk", "auth") | ("source", "auth") => {
            "the secret is in libvirt's store, which Xen's toolstacks cannot read: let the host's own configuration say it"
        }
        ("disk", "mirror" | "transient" | "throttlefilters") => "Xen's disks cannot do that",
        (
            "source",
            "reservations" | "initiator" | "slices" | "ssl" | "cookies" | "readahead" | "timeout" | "nvme",
        ) => "Xen's disks cannot do that",
        ("source", "snapshot" | "config") => "Xen's toolstacks have no word for it",
        ("interface", "inbound") | ("bandwidth", "inbound") => "Xen limits only what a guest sends",
        ("interface", "filterref") => {
            "packets are filtered by the host's script, which knows no filters of libvirt's"
        }
        ("interface", "driver" | "tune" | "coalesce") => "Xen's backend has no settings",
        ("interface", "link") => "Xen's interfaces are plugged in",
        ("interface", "guest" | "rom" | "route" | "teaming" | "port") => "Xen's interfaces cannot do that",
        (
            "graphics",
            "image" | "jpeg" | "zlib" | "playback" | "streaming" | "filetransfer" | "gl" | "channel",
        ) => "Xen's toolstacks have no word for it",
        ("model", "acceleration") => "Xen's device model does not accelerate",
        ("hostdev", "rom") => "Xen shows the device's own ROM",
        ("hostdev", "boot") | ("redirdev", "boot") => "Xen's firmware boots from disks and networks",
        ("sound", "codec") => "Xen's device model has one codec",
        ("memballoon", "stats") => "Xen's balloon has no statistics",
        (_, "address") => "Xen's device model places devices by itself",
        (_, "alias") => "Xen's toolstacks have no place for a device's alias",
        (_, "virtualport") => "Xen's interfaces are ports of Open vSwitch alone",
        _ => return None,
    })
}

/// Why an attribute is refused; None for one that is not known at all.
pub(super) fn attribute(element: &str, name: &str) -> Option<&'static str> {
    Some(match (element, name) {
        ("memory", "dumpCore") => "Xen's core dumps hold the guest's memory",
        ("disk", "sgio" | "rawio") => "Xen's disks take no SCSI commands",
        ("disk", "snapshot") => "Xen takes no snapshots of disks",
        ("driver", "error_policy" | "rerror_policy") => "Xen gives errors to the guest",
        (
            "driver",
            "iothread" | "iothreads" | "queues" | "ioeventfd" | "event_idx" | "copy_on_read"
            | "detect_zeroes",
        ) => "Xen's backend has no such setting",
        ("source", "startupPolicy") => "a source must be there when the guest starts",
        ("source", "portgroup") => "Xen's toolstacks know no networks of libvirt's",
        ("cell", "memAccess" | "discard") => "Xen gives all of a guest's memory itself",
        ("graphics", "websocket" | "sharePolicy" | "powerControl" | "socket") => {
            "Xen's toolstacks have no word for it"
        }
        ("graphics", "passwdValidTo" | "connected") => {
            "a password of Xen's is valid as long as the guest runs"
        }
        _ => return None,
    })
}

/// Why a value of an attribute is refused; None for one that is not known at all.
pub(super) fn value(element: &str, name: &str, value: &str) -> Option<&'static str> {
    Some(match (element, name, value) {
        ("disk", "type", "volume") => {
            "Xen's toolstacks know no storage pools of libvirt's; name the volume's file or device"
        }
        ("disk", "type", "dir" | "nvme" | "vhostuser" | "vhostvdpa") => "Xen's disks cannot do that",
        ("disk", "device", "lun") => "Xen's disks take no SCSI commands",
        ("source", "protocol", _) => "Xen's device model is not asked for it",
        ("target", "bus", "virtio" | "sata" | "sd" | "uml") => "Xen has no such bus",
        (
            "interface",
            "type",
            "direct" | "user" | "vhostuser" | "internal" | "server" | "client" | "mcast" | "udp" | "vdpa"
            | "null" | "vds",
        ) => "Xen's interfaces are connected by bridges and scripts",
        ("hostdev", "mode", "capabilities") => "this is of containers; a Xen guest is none",
        ("hostdev", "type", "scsi" | "scsi_host" | "mdev") => "Xen gives guests PCI and USB devices",
        ("graphics", "type", "rdp" | "desktop" | "egl-headless" | "dbus") => {
            "Xen's device model has no such screen"
        }
        ("input", "bus", "virtio") => "Xen has no virtio",
        ("cpu", "mode", "host-model" | "maximum") => {
            "Xen gives the host's own processor: say what it has or has not by <feature>"
        }
        ("vcpu", "placement", "auto") => "Xen itself places the vcpus of a guest that has no cpuset",
        ("memory" | "memnode", "mode", "restrictive") => "Xen has no such way to take memory",
        ("memory", "placement", "auto") => "Xen itself places a guest that has no nodeset",
        ("memballoon", "model", _) => "every Xen guest has Xen's balloon",
        ("controller", "type", _) => "Xen has no such controller",
        ("clock", "offset", "timezone" | "absolute") => "Xen's clocks begin with universal or local time",
        ("redirdev", "type", _) => "Xen redirects the USB devices of a spice client",
        ("virtualport", "type", _) => "Xen's interfaces are ports of Open vSwitch alone",
        ("model", "type", "vmvga" | "virtio" | "bochs" | "ramfb" | "gop" | "vbox" | "parallels") => {
            "Xen's device model is not asked for it"
        }
        _ => return None,
    })
}
