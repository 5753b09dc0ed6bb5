//! What xl 4.17 prints. Recorded from a real one; the numbers behind the file names are those of its lines.

use crate::model::DomId;

/// The end of every failure to create or to destroy: xl tries to end what is there no more.
fn not_destroyed(domid: DomId) -> String {
    format!(
        "libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain {domid}:Non-existant domain\n\
         libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain {domid}:Unable to destroy guest\n\
         libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain {domid}:Destruction of domain failed\n"
    )
}

/// `destroy` of a number that nobody has.
pub(super) fn nobody_to_destroy(domid: DomId) -> String {
    format!("{}destroy failed (rc=-21)\n", not_destroyed(domid))
}

/// `destroy 0`.
pub(super) const DOMAIN_0: &str = "Not destroying domain 0; use -f to force.\n\
     This can only be done when using a disaggregated hardware domain and toolstack.\n\n";

/// Why a creation failed after the domain had its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause<'a> {
    NameTaken { name: &'a str, restoring: bool },
    NoMemory,
    NoKernel { path: &'a str, is_pv: bool },
    NoRamdisk { path: &'a str, is_pv: bool },
    NoBootloader,
    NoDisk { number: usize, target: &'a str, path: &'a str },
    NoBridge { bridge: &'a str },
}

impl Cause<'_> {
    /// All that xl says.
    pub(super) fn words(&self, domid: DomId) -> String {
        let rebuild = |rc: i32| {
            format!(
                "libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain {domid}:cannot (re-)build domain: {rc}\n"
            )
        };
        let unopened = |path: &str| {
            format!(
                "xc: error: panic: xg_dom_core.c:205: failed to open file '{path}': No such file or directory: Internal error\n"
            )
        };
        let firmware =
            "libxl: error: libxl_dom.c:1075:libxl__build_hvm: initializing domain firmware failed\n";
        let first = match self {
            Cause::NameTaken { name, restoring } => format!(
                "libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain {domid}:Domain with name \"{name}\" already exists.\n\
                 libxl: error: libxl_create.c:1296:initiate_domain_create: Domain {domid}:cannot make domain: -6\n{}",
                if *restoring {
                    String::new()
                } else {
                    format!(
                        "libxl: error: libxl_xshelp.c:206:libxl__xs_read_mandatory: xenstore read failed: `/libxl/{domid}/type': No such file or directory\n\
                         libxl: warning: libxl_dom.c:49:libxl__domain_type: unable to get domain type for domid={domid}, assuming HVM\n"
                    )
                }
            ),
            Cause::NoMemory => format!(
                "xc: error: panic: xg_dom_boot.c:119: xc_dom_boot_mem_init: can't allocate low memory for domain: Out of memory\n\
                 libxl: error: libxl_dom.c:586:libxl__build_dom: xc_dom_boot_mem_init failed: Cannot allocate memory\n{}",
                rebuild(-3)
            ),
            Cause::NoKernel { path, is_pv: true } => format!(
                "{}libxl: error: libxl_dom.c:646:libxl__build_pv: xc_dom_kernel_file failed: No such file or directory\n{}",
                unopened(path),
                rebuild(-3)
            ),
            Cause::NoKernel { path, is_pv: false } => format!(
                "{}libxl: error: libxl_dom.c:909:libxl__domain_firmware: xc_dom_kernel_file failed: No such file or directory\n{firmware}{}",
                unopened(path),
                rebuild(-1)
            ),
            Cause::NoRamdisk { path, is_pv: true } => format!(
                "{}libxl: error: libxl_dom.c:664:libxl__build_pv: xc_dom_ramdisk_file failed: No such file or directory\n{}",
                unopened(path),
                rebuild(-3)
            ),
            Cause::NoRamdisk { path, is_pv: false } => format!(
                "{}libxl: error: libxl_dom.c:926:libxl__domain_firmware: xc_dom_ramdisk_file failed: No such file or directory\n{firmware}{}",
                unopened(path),
                rebuild(-1)
            ),
            Cause::NoBootloader => format!(
                "libxl: error: libxl_bootloader.c:767:bootloader_finished: Domain {domid}:bootloader failed - consult logfile /var/log/xen/bootloader.{domid}.log\n\
                 libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: bootloader [{}] exited with error status 255\n{}",
                20_000 + domid,
                rebuild(-3)
            ),
            Cause::NoDisk { number, target, path } => format!(
                "libxl: error: libxl_device.c:455:libxl__device_disk_set_backend: Disk vdev={target} failed to stat: {path}: No such file or directory\n\
                 libxl: error: libxl_create.c:1318:initiate_domain_create: Domain {domid}:Unable to set disk defaults for disk {number}\n"
            ),
            Cause::NoBridge { bridge } => {
                let script = |verb: &str, pid: u32| {
                    format!(
                        "libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: /etc/xen/scripts/vif-bridge {verb} [{pid}] exited with error status 1\n\
                         libxl: error: libxl_device.c:1337:device_hotplug_child_death_cb: script: Could not find bridge device {bridge}\n"
                    )
                };
                format!(
                    "{}libxl: error: libxl_create.c:1921:domcreate_attach_devices: Domain {domid}:unable to add vif devices\n{}",
                    script("online", 20_000 + domid),
                    script("offline", 30_000 + domid)
                )
            }
        };
        first + &not_destroyed(domid)
    }
}

/// `pause` and `unpause` that the hypervisor refused. xl exits with 0 all the same.
pub(super) fn pausing(domid: DomId, errno: i32) -> String {
    // Domain-0's number is taken for no number.
    let whose = if domid == 0 { String::new() } else { format!("Domain {domid}:") };
    format!(
        "libxl: error: libxl_domain.c:587:libxl_domain_pause: {whose}Pausing domain: {}\n",
        strerror(errno)
    )
}

/// See [`pausing`].
pub(super) fn unpausing(domid: DomId, errno: i32) -> String {
    let whose = if domid == 0 { String::new() } else { format!("Domain {domid}:") };
    format!(
        "libxl: error: libxl_domain.c:688:domain_unpause_done: {whose}Unpausing domain: {}\n",
        strerror(errno)
    )
}

/// An errno's name for people.
pub(super) fn strerror(errno: i32) -> &'static str {
    match errno {
        libc::EPERM => "Operation not permitted",
        libc::ENOENT => "No such file or directory",
        libc::ESRCH => "No such process",
        libc::ENOMEM => "Cannot allocate memory",
        libc::EACCES => "Permission denied",
        libc::EISDIR => "Is a directory",
        libc::EINVAL => "Invalid argument",
        libc::ENOSPC => "No space left on device",
        libc::EOVERFLOW => "Value too large for defined data type",
        _ => "Input/output error",
    }
}

/// An argument that names no domain.
pub(super) fn invalid_domain(word: &str) -> String {
    format!("{word} is an invalid domain identifier (rc=-6)\n")
}

/// A number that nobody has, for `shutdown` and `reboot`.
pub(super) fn no_type(domid: DomId, verb: &str) -> String {
    format!(
        "libxl: error: libxl_dom.c:37:libxl__domain_type: unable to get domain type for domid={domid}\n{verb} failed (rc=-3)\n"
    )
}

/// An HVM guest whose drivers do not listen.
pub(super) fn no_pv_drivers(verb: &str, event: &str) -> String {
    format!(
        "PV control interface not available: external graceful {verb} not possible.\n\
         Use \"-F\" to fallback to ACPI {event} event.\n{verb} failed (rc=-10)\n"
    )
}

/// xl that is not let in to the hypervisor.
pub(super) const NO_HYPERVISOR: &str = "xencall: error: Could not obtain handle on privileged command interface: Permission denied\n\
     libxl: error: libxl.c:102:libxl_ctx_alloc: cannot open libxc handle: Permission denied\n\
     cannot init xl context\n";
