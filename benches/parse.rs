//! What reading domain XML costs beside libxml2's plain parse of the same text (into its own tree, no validation): `make bench` prints it where
//! libxml2 is installed.
//!
//! `unsafe` here: libxml2's functions, found when this program starts, so that nothing needs its headers.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::hint::black_box;
use std::time::{Duration, Instant};

use xenith::format::xml;

type ReadMemory =
    unsafe extern "C" fn(*const c_char, c_int, *const c_char, *const c_char, c_int) -> *mut c_void;
type FreeDoc = unsafe extern "C" fn(*mut c_void);

const RUNS: usize = 401;
const TIMES: u32 = 20;

fn main() {
    let text = document();
    let ours = median(&|| drop(black_box(xml::parse(black_box(&text)).unwrap())));
    print!("domain XML of {} bytes -> model: {:.1} us", text.len(), micros(ours));
    match libxml2() {
        None => println!("; libxml2.so.2 is not installed: nothing to compare with"),
        Some((read, free)) => {
            let theirs = median(&|| {
                // SAFETY: the text lives through the call, its length is said, and what was made is freed once.
                unsafe {
                    let name = c"x.xml".as_ptr();
                    let doc = read(text.as_ptr().cast(), text.len() as c_int, name, std::ptr::null(), 0);
                    assert!(!doc.is_null());
                    free(black_box(doc));
                }
            });
            println!(
                "; libxml2's parse -> its tree: {:.1} us; ratio {:.2}",
                micros(theirs),
                ours.as_secs_f64() / theirs.as_secs_f64()
            );
        }
    }
}

/// A guest's description of 4 KiB: four disks, three interfaces, ports, a screen.
fn document() -> String {
    let mut text = String::from(
        "<domain type='xen'>\n  <name>bench</name>\n  <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>\n  \
         <memory unit='KiB'>4194304</memory>\n  <currentMemory unit='KiB'>2097152</currentMemory>\n  <vcpu placement='static' current='2'>4</vcpu>\n  \
         <os>\n    <type arch='x86_64' machine='xenfv'>hvm</type>\n    <loader type='rom'>/usr/lib/xen/boot/hvmloader</loader>\n    <boot dev='hd'/>\n  </os>\n  \
         <features>\n    <acpi/>\n    <apic/>\n    <pae/>\n  </features>\n  <clock offset='variable' adjustment='0' basis='utc'/>\n  \
         <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n  <on_crash>restart</on_crash>\n  <devices>\n    \
         <emulator>/usr/lib/xen/bin/qemu-system-i386</emulator>\n",
    );
    for (number, target) in ["hda", "hdb", "xvdc", "xvdd"].iter().enumerate() {
        text.push_str(&format!(
            "    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2'/>\n      \
             <source file='/var/lib/xen/images/guest-{number}.qcow2'/>\n      <target dev='{target}'/>\n    </disk>\n"
        ));
    }
    // As many interfaces as make it 4 KiB.
    let mut number = 0;
    while text.len() < 2900 {
        text.push_str(&format!(
            "    <interface type='bridge'>\n      <mac address='00:16:3e:00:00:0{number}'/>\n      <source bridge='xenbr{number}'/>\n      \
             <script path='vif-bridge'/>\n      <model type='e1000'/>\n    </interface>\n"
        ));
        number += 1;
    }
    text.push_str(
        "    <serial type='pty'>\n      <target port='0'/>\n    </serial>\n    <console type='pty'>\n      <target type='serial' port='0'/>\n    </console>\n    \
         <input type='tablet' bus='usb'/>\n    <input type='mouse' bus='ps2'/>\n    <input type='keyboard' bus='ps2'/>\n    \
         <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'>\n      <listen type='address' address='127.0.0.1'/>\n    </graphics>\n    \
         <video>\n      <model type='cirrus' vram='8192' heads='1' primary='yes'/>\n    </video>\n    <memballoon model='xen'/>\n",
    );
    text + "  </devices>\n</domain>\n"
}

fn libxml2() -> Option<(ReadMemory, FreeDoc)> {
    // SAFETY: a library of the system's is opened and stays open; its functions have had these forms in all of libxml2's versions.
    unsafe {
        let library = libc::dlopen(c"libxml2.so.2".as_ptr(), libc::RTLD_NOW);
        if library.is_null() {
            return None;
        }
        let symbol = |name: &CStr| {
            let found = libc::dlsym(library, name.as_ptr());
            (!found.is_null()).then_some(found)
        };
        let (read, free) = (symbol(c"xmlReadMemory")?, symbol(c"xmlFreeDoc")?);
        Some((
            std::mem::transmute::<*mut c_void, ReadMemory>(read),
            std::mem::transmute::<*mut c_void, FreeDoc>(free),
        ))
    }
}

/// The median of a run of several, for one.
fn median(work: &dyn Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            (0..TIMES).for_each(|_| work());
            start.elapsed() / TIMES
        })
        .collect();
    times.sort_unstable();
    times.get(RUNS / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
