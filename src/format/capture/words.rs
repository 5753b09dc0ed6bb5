//! What a capture may say in clear text. Everything that is on none of these lists is replaced, or only its shape is told.
//!
//! The words are those of Xen's own toolstacks, drivers and daemons: paths of xenstore as docs/misc/xenstore-paths.pandoc of Xen has
//! them, and as xend, libxl and the embedded host write them; heads and values of xend's S-expressions. docs/capture.md shows the rule, not the lists.

/// Parts of xenstore's paths, and heads of xend's S-expressions.
const KEYS: &str = "
    @ acpi apic arch args attr availability backend backend-allow-save backend-id blkif blkback block bootable bootloader
    bootloader_args bootloader-args bridge bridge-mac builder capabilities cc_compile_by cc_compile_date cc_compile_domain cc_compiler
    changeset cmdline commandline config console console_mfn control cores_per_socket cpu cpu_cap cpu_mhz cpu_time cpu_topology cpu_weight cpumap cpus crashed
    create ctrl-port data descr description desired dev device device-misc device-model device-name device-type device_model devid disable-migrate discard-alignment
    discard-enable discard-granularity discard-secure disk display dm dm-argv dm-version dmargs domain domid drivers error
    event-channel evtchn extra extra-info features features_available firmware format free_cpus free_memory frontend frontend-id front fsif guest_os_version handle hap
    hidden host hotplug hotplug-error hotplug-status hvm hvmloader hw_caps hw_info id image info init interface-version introduced ioports ip irq
    kbd kernel keymap libxl limit linux loader local localtime location log mac machine max_mem
    maxmem mem memory memory_dynamic_max memory_dynamic_min memory_mode memory_sharing memory_static_max memory_static_min meminfo mode model monitor mtu name
    nics node node_to_cpu node_to_dma32_mem node_to_memory notes nr_cpus nr_nodes numa_info offline
    on_crash on_poweroff on_reboot on_xend_start on_xend_stop on_suspend online online_vcpus order os output pae paddr page-ref params path pci pci_msitranslate pfn
    phantom_vbd physical-device physical-device-path physical-sector-size pid platform platform-feature-multiprocessor-suspend platform-feature-xs_reset_watches platform_params
    pool pool_name port ports position protocol pv pvh qdev qdisk qemu ramdisk range rate release removable request-abs-pointer
    restart_count resume ring-ref ring-page-order root rtc running scheduler script sectors sector-size security serial session set sev shadow_memory shutdown shutdown_reason
    size slots sockets_per_node soft-reset ssidref start start_time startup state static-max stat status store store_mfn streams suspend suspend-cancel
    sxp sysrq system tablet target tap tap2 tdf test threads_per_core tool toolstack total_memory tpm transport tty type uname up_time uuid uuids vbd vcpu vcpu_avail
    vcpu_count vcpus vcpus_params vdisk version vfb vhpt videoram vif vifname vifs viridian virt_caps virtual-device vkbd vkb vlan vm vm-data vm-path vmlinux vnc vnc-listen vnc-port vncpasswd
    vncdisplay vnclisten vncunused vnet vscsi vss vsnd vtpm vuart vusb width height xapi xen xen-hvm xend xend_config_format xen_caps xen_changeset xen_commandline xen_extra
    xen_major xen_minor xen_pagesize xen_scheduler xenstored xenpv xenconsole xenpaging xs_use_xen_watches
    PAE_MODE GUEST_OS GUEST_VERSION LOADER ENTRY VIRT_BASE XEN_VERSION HYPERCALL_PAGE FEATURES
    backend_uuid booted cdrom classid compile cpuid current device_id dsdt event-channel-rx event-channel-tx
    floppy force group hotplug_status hpet input iommu irqs is_dynamic label last_shutdown_reason link loops managed msi-translate multi-touch net nestedhvm nopaging
    num_devs opengl opts other override owner path-raw pcidev permissive pinned power_mgmt powerstate pristine private pvscsi readonly rdm read-only receive reserved
    ring rx-ring-ref s3 s4 save scsi sda sdl secondary serverid shared shadow sndif soundhw spice stdvga store-evtchn store-mfn stubdom
    stubdom-vmid sync sys tap-ctl tapdisk timer timeoffset tx-ring-ref unplug-ok update usb usbdevice vbd3 vdevb vendor-class vfbs vga video vmid vts
    xauthority xenaccess xenapi xenguest xenio xenbus bus feature state-path device-id vendor-id class-id unplugged usbctrl usbport qusb v9fs 9pfs pvcalls sound displ camera
    trusted direct-io-safe xdp-headroom backends bios allow-memory-relocate ostype acpi_s3 acpi_s4 acpi_laptop_slate device-model-pid device-model-version
    device-model-domid dm-mode proto rtc_timeoffset hvmloader_debug xsave cpuid_policy
    backend-kind suspend_evtchn suspend_event_channel guest-suspend domains s-state console-limit xs lsm watermark event laptop_slate_mode power-state
";

/// Beginnings of such words that number or name something of the drivers' own.
const KEY_FORMS: [&str; 13] = [
    "feature-",
    "multi-queue-",
    "queue-",
    "ring-ref",
    "event-channel",
    "request-",
    "multi-page-ring-",
    "max-",
    "virt-",
    "dev-",
    "opts-",
    "vdevfn-",
    "state-",
];

/// Keys whose value is kept where it is a number.
const NUMBERS: &str = "
    state domid backend-id frontend-id online target static-max videoram limit port handle removable bootable vcpus vcpu_avail memory maxmem shadow_memory
    restart_count cores_per_socket threads_per_core sockets_per_node nr_cpus nr_nodes total_memory free_memory cpu_mhz xen_major xen_minor xen_pagesize xend_config_format
    memory_dynamic_max memory_dynamic_min memory_static_max memory_static_min online_vcpus cpu_weight cpu_cap status vcpu_count number devid virtual-device
    platform-feature-multiprocessor-suspend platform-feature-xs_reset_watches discard-enable discard-secure tx-ring-ref rx-ring-ref event-channel-tx event-channel-rx
    sector-size physical-sector-size info trusted direct-io-safe acpi_s3 acpi_s4 acpi_laptop_slate allow-memory-relocate xdp-headroom
    num_devs hotplug_status mtu cpumap acpi apic pae hap nestedhvm viridian hpet localtime sdl vnc vncunused dom id index
    ring-page-order multi-touch interface-version ssidref running blocked store_mfn console_mfn
";

/// What xend says of its host in the hypervisor's own words.
const WHOLE: &str = "xen_extra xen_caps hw_caps virt_caps xen_scheduler platform_params machine system";

/// Values that are kept wherever they stand.
const VALUES: &str = "
    online offline running paused halted connected disconnected vbd vif vfb vkbd vkb pv hvm pvh ioemu xenconsoled qemu_xen qemu_xen_traditional qemu-xen qemu-xen-traditional
    stdio phy tap file tap2 qdisk disk cdrom floppy w r rw ro poweroff reboot halt suspend crash destroy restart preserve rename-restart
    coredump-destroy coredump-restart ignore none pty x86_64-abi x86_32-abi x86_64 i686 linux xen xenpv xenfv credit credit2 sedf
    front back netfront netback front-end bridge vhd qcow qcow2 raw aio empty True False None yes no hda hdb hdc hdd xvda xvdb xvdc
    vt100 vif_ioemu seabios rombios ovmf xvdd sda sdb sda1 xvda1 xvda2 fb0 Linux Xen xen-3.0-x86_64 live unknown auto native
";

fn lists(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == word)
}

/// Whether a part of a path, or a head, may be said.
pub fn is_known_key(word: &str) -> bool {
    let is_plain = word.len() <= 48
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_');
    let is_number = !word.is_empty() && word.len() <= 10 && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number || lists(KEYS, word) || (is_plain && KEY_FORMS.iter().any(|form| is_of_form(word, form)))
}

/// One word, or words that are themselves known, may follow: `feature-sg`, `feature-split-event-channels`, `queue-0`.
fn is_of_form(word: &str, form: &str) -> bool {
    let Some(rest) = word.strip_prefix(form) else { return false };
    rest.trim_start_matches('-').split('-').all(|part| {
        part.bytes().all(|byte| byte.is_ascii_digit()) || lists(FORM_WORDS, part) || lists(KEYS, part)
    })
}

/// What follows in such words.
const FORM_WORDS: &str = "
    abs pointer raw barrier flush cache persistent discard sg gso tcpv4 tcpv6 gso-tcpv4 gso-tcpv6 rx copy flip tx ipv6 csum offload no ctrl ring split channels event
    multicast control large indirect segments segs grants num queues max pages page order ref rxref txref uri driver suspend poweroff reboot halt s3 s4 wakeup
    sysrq update xs reset watches hotplug state multi touch width height contacts balloon laptop slate mode
    notify prefix power trustee xdp headroom size entries requests write same secure erase static memory dynamic hash
";

/// Whether the value of `key` may be said: a word that is kept anywhere, or a number where the key has harmless ones.
pub fn keeps(key: &str, value: &str) -> bool {
    let is_number = !value.is_empty() && value.len() <= 20 && value.bytes().all(|byte| byte.is_ascii_digit());
    let has_numbers =
        lists(NUMBERS, key) || KEY_FORMS.iter().any(|form| key.starts_with(form) && is_known_key(key));
    // Beside the numbers of devices' states there are xend's six letters for a domain's.
    let are_letters =
        key == "state" && value.len() == 6 && value.bytes().all(|byte| b"rbpscd-".contains(&byte));
    value.is_empty() || lists(VALUES, value) || (is_number && has_numbers) || are_letters
}

/// Whether `key` of xend's description of the host holds the hypervisor's own words, which are kept whole. Guests have no say there.
pub fn keeps_whole(key: &str, value: &str) -> bool {
    lists(WHOLE, key) && value.len() <= 1000 && value.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_xen_are_known_and_others_are_not() {
        for known in [
            "local",
            "domain",
            "12",
            "feature-gso-tcpv4",
            "multi-queue-num-queues",
            "ring-ref0",
            "queue-3",
            "event-channel-tx",
            "feature-split-event-channels",
            "ring-ref",
            "event-channel",
            "request-abs-pointer",
            "max-ring-page-order",
            "name",
        ] {
            assert!(is_known_key(known), "{known}");
        }
        for other in [
            "web1",
            "secret-project",
            "feature-acme",
            "queue-bob",
            "12345678901",
            "",
            "FEATURE",
            "max-mustermann",
        ] {
            assert!(!is_known_key(other), "{other}");
        }
    }

    #[test]
    fn values_are_kept_by_their_key_or_because_they_are_harmless_words() {
        assert!(keeps("state", "4") && keeps("feature-sg", "1") && keeps("anything", "connected"));
        assert!(keeps("state", "-b----") && keeps("mode", "w") && keeps("error", ""));
        assert!(keeps_whole("xen_caps", "xen-3.0-x86_64 hvm-3.0-x86_32 ") && !keeps_whole("host", "alpha"));
        for (key, value) in [
            ("vncpasswd", "1234"),
            ("params", "/srv/web1.img"),
            ("state", "a\nb"),
            ("host", "alpha"),
            ("pid", "4711"),
        ] {
            assert!(!keeps(key, value), "{key} {value}");
        }
    }
}
