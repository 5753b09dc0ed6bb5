//! What the host can run, as capabilities XML: the facts are collected here, `format::capabilities` says them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::routes::Op;
use super::{LocalDriver, unserved};
use crate::error::{Error, Result, Road, Status};
use crate::format::capabilities::{Capabilities, cpuinfo::MAX_CPUINFO, read_cpuinfo};
use crate::model::{CpuFeatures, XenVersion};
use crate::wire::hypercall::{CpuidWords, Release};

/// The last release with xend, for the order of the words that it shows.
const XEND_RELEASE: Release = (4, 4, 0);

/// Where Xen's own build and distributions put the device model of HVM guests and their firmware. `{}` is the running release,
/// which Debian has in the path.
const EMULATORS: [&str; 6] = [
    "/usr/lib/xen-{}/bin/qemu-system-i386",
    "/usr/lib/xen/bin/qemu-system-i386",
    "/usr/lib64/xen/bin/qemu-system-i386",
    "/usr/libexec/xen/bin/qemu-system-i386",
    "/usr/libexec/xen-qemu-system-i386",
    "/usr/bin/qemu-system-i386",
];
const LOADERS: [&str; 4] = [
    "/usr/lib/xen-{}/boot/hvmloader",
    "/usr/lib/xen/boot/hvmloader",
    "/usr/lib64/xen/boot/hvmloader",
    "/usr/libexec/xen/boot/hvmloader",
];

impl LocalDriver {
    pub(super) fn host_capabilities(&self) -> Result<String> {
        let mut capabilities = match self.active(Op::Capabilities)? {
            Road::Hypercall => {
                let hypervisor = self.hypervisor()?;
                let told = match hypervisor.physinfo() {
                    Ok(physinfo) => physinfo.cpu_features(hypervisor.generation().from),
                    // It was built without such questions: what the kernel sees is left.
                    Err(_) if !hypervisor.has_list() => CpuFeatures::default(),
                    Err(error) => return Err(error),
                };
                Capabilities::of(
                    told.or(self.kernels_features()),
                    &hypervisor.capabilities()?,
                    Some(hypervisor.version()),
                )
            }
            // It may be another machine's xend: this one's /proc says nothing about that.
            Road::Xend => {
                let node = self.xend_node()?;
                let told = node.hw_cap.map(|words| CpuidWords::read(&words, XEND_RELEASE).features());
                let told =
                    Capabilities::of(told.unwrap_or_default(), &node.capabilities.join(" "), Some(&node.xen));
                Capabilities { machine: node.info.machine.clone(), ..told }
            }
            Road::Xl => {
                let facts = self.xl()?.info(self.toolstack_deadline())?;
                Capabilities::of(self.kernels_features(), &facts.capabilities, Some(&facts.xen))
            }
            road => return Err(unserved(Op::Capabilities, road)),
        };
        if self.roads.xend.absence().is_none() {
            capabilities = capabilities.with_xend();
        }
        if self.embedded.is_some() {
            capabilities.cpu_model = Some("xenith-sim".to_owned());
            capabilities.remark = Some("xenith's embedded host: a simulation, not a machine".to_owned());
        } else if let (Ok(_), Ok(hypervisor), None) =
            (&self.roads.xl, &self.roads.hypervisor, &capabilities.emulator)
        {
            capabilities.emulator = first_there(&EMULATORS, hypervisor.version());
            capabilities.hvm_loader = first_there(&LOADERS, hypervisor.version());
        }
        capabilities
            .to_xml()
            .map_err(|error| Error::new(Status::Internal, format!("cannot write XML: {error}")))
    }

    /// What the kernel of this machine, or of the embedded host, tells of the processors. A machine that does not tell has no features here:
    /// the hypervisor's are left.
    fn kernels_features(&self) -> CpuFeatures {
        if let Some(host) = &self.embedded {
            return read_cpuinfo(host.cpuinfo().as_bytes());
        }
        let mut text = Vec::new();
        let read =
            File::open("/proc/cpuinfo").and_then(|file| file.take(MAX_CPUINFO as u64).read_to_end(&mut text));
        read.map(|_| read_cpuinfo(&text)).unwrap_or_default()
    }
}

fn first_there(places: &[&str], xen: &XenVersion) -> Option<String> {
    let release = format!("{}.{}", xen.major, xen.minor);
    let paths = places.iter().map(|place| place.replace("{}", &release));
    paths.into_iter().find(|path| Path::new(path).is_file())
}
