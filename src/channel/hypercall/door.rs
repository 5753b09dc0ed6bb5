//! One hypercall: borrow a buffer, encode, call, decode, give back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::sync::OnceCell;

use super::arena::{Buffer, Pages, Pool};
use crate::error::{Error, Result, Road, Status};
use crate::log::Log;
use crate::wire::hypercall::request::{DOMCTL_SIZE, SYSCTL_SIZE};
use crate::wire::hypercall::{
    Dialect, Domctl, DomctlCall, ListCall, Sysctl, VersionOp, errno, number, request,
};
use crate::wire::port::Hypercall;

/// Where a list's records begin in its buffer: behind the request, aligned for their widest field.
const RECORDS_AT: usize = SYSCTL_SIZE.next_multiple_of(64);

/// Bytes that a request other than a list may point to. A list's buffer holds as many on every Xen.
pub(super) const ROOM: usize = 64 << 10;

/// Requests without a list fit one page.
const SMALL: usize = 4096;
/// Small buffers that wait for use: as many as threads are likely to ask at once.
const SMALL_KEPT: usize = 16;
/// Buffers for lists that wait for use; each holds more than 100 KiB of locked memory.
const LISTS_KEPT: usize = 8;

/// How often a call is repeated that found its memory unreachable; see [`super::arena`].
const EFAULT_RETRIES: u32 = 2;

/// The way to the hypervisor. Its results are Xen's: a value, or an errno.
pub(super) struct Door {
    port: Arc<dyn Hypercall>,
    pages: Pages,
    small: Pool,
    lists: OnceCell<Pool>,
    calls: AtomicU64,
    log: Log,
}

impl Door {
    pub(super) fn new(port: Arc<dyn Hypercall>, pages: Pages, log: &Log) -> Result<Self> {
        let small = Pool::new(SMALL, SMALL_KEPT, pages.clone(), log).map_err(|error| no_memory(&error))?;
        Ok(Door { port, pages, small, lists: OnceCell::new(), calls: AtomicU64::new(0), log: log.clone() })
    }

    /// Makes the buffers for lists, with room for `bytes` of records. Without it there is no [`Door::list`].
    pub(super) fn reserve_list(&self, bytes: usize) -> Result<()> {
        let make = || Pool::new(RECORDS_AT + bytes, LISTS_KEPT, self.pages.clone(), &self.log);
        self.lists.get_or_try_init(make).map(|_| ()).map_err(|error| no_memory(&error))
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// A domctl; `read` sees the request's bytes after a call that succeeded. What the dialect cannot say is ENOSYS, and no call.
    pub(super) fn domctl<R>(
        &self,
        dialect: Dialect,
        call: DomctlCall,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, i32> {
        self.small.with(|buffer| {
            self.domctl_in(buffer, dialect, |_| call, None)?;
            Ok(read(buffer.bytes()))
        })?
    }

    /// A sysctl without a list; as [`Door::domctl`].
    pub(super) fn sysctl<R>(
        &self,
        dialect: Dialect,
        call: Sysctl,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, i32> {
        self.small.with(|buffer| {
            self.sysctl_in(buffer, dialect, |_| call)?;
            Ok(read(buffer.bytes()))
        })?
    }

    /// One list call: room for `room` records, from domain `first` on. `read` is given the number that Xen says it wrote,
    /// unchecked, and the bytes.
    pub(super) fn list<R>(
        &self,
        dialect: Dialect,
        first: u16,
        room: usize,
        read: impl FnOnce(usize, &[u8]) -> R,
    ) -> Result<R, i32> {
        let max = u32::try_from(room).map_err(|_| errno::EINVAL)?;
        self.lists.get().ok_or(errno::ENOMEM)?.with(|buffer| {
            self.sysctl_in(buffer, dialect, |address| {
                Sysctl::GetDomainInfoList(ListCall { first, max, buffer: address + RECORDS_AT as u64 })
            })?;
            let bytes = buffer.bytes();
            let count =
                request::num_domains(bytes).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
            Ok(read(count, bytes.get(RECORDS_AT..).unwrap_or_default()))
        })?
    }

    /// A sysctl that points to `room` bytes (up to [`ROOM`]), which are zero before: `call` is told where they are, and `read` sees the
    /// request and them.
    pub(super) fn sysctl_with<R>(
        &self,
        dialect: Dialect,
        room: usize,
        call: impl Fn(u64) -> Sysctl,
        read: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Result<R, i32> {
        self.with_room(room, |buffer| {
            clear_room(buffer, room)?;
            self.sysctl_in(buffer, dialect, |address| call(address + RECORDS_AT as u64))?;
            Ok(read_room(buffer, room, read))
        })
    }

    /// As [`Door::sysctl_with`].
    pub(super) fn domctl_with<R>(
        &self,
        dialect: Dialect,
        room: usize,
        call: impl Fn(u64) -> DomctlCall,
        read: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Result<R, i32> {
        self.with_room(room, |buffer| {
            clear_room(buffer, room)?;
            self.domctl_in(buffer, dialect, |address| call(address + RECORDS_AT as u64), None)?;
            Ok(read_room(buffer, room, read))
        })
    }

    fn with_room<R>(
        &self,
        room: usize,
        use_it: impl FnOnce(&mut Buffer) -> Result<R, i32>,
    ) -> Result<R, i32> {
        let pool = match RECORDS_AT + room <= SMALL {
            true => &self.small,
            false => self.lists.get().ok_or(errno::ENOMEM)?,
        };
        pool.with(use_it)?
    }

    /// Asks in that dialect, but with another interface version, what every version understands: for the number of an unknown one.
    pub(super) fn probe(&self, dialect: Dialect, kind: Kind, version: u32) -> Result<(), i32> {
        self.small.with(|buffer| {
            match kind {
                Kind::Domctl => self.domctl_in(buffer, dialect, |_| FIRST_VCPU, Some(version)),
                Kind::Sysctl => self.call(dialect.generation.sysctl_number(), buffer, |address, bytes| {
                    let (request, _) = bytes.split_first_chunk_mut::<SYSCTL_SIZE>()?;
                    Sysctl::SchedId.encode(dialect, request)?;
                    request::set_version(request, version);
                    Some([address, 0, 0, 0, 0])
                }),
            }
            .map(|_| ())
        })?
    }

    /// `xen_version`'s number: major << 16 | minor.
    pub(super) fn version(&self) -> Result<i64, i32> {
        self.small.with(|buffer| {
            self.call(number::XEN_VERSION, buffer, |_, _| Some([VersionOp::Version as u64, 0, 0, 0, 0]))
        })?
    }

    /// One of `xen_version`'s texts. Older Xens leave garbage after its NUL.
    pub(super) fn version_text(&self, op: VersionOp) -> Result<String, i32> {
        self.small.with(|buffer| {
            self.call(number::XEN_VERSION, buffer, |address, bytes| {
                bytes.iter_mut().take(op.buffer_size()).for_each(|byte| *byte = 0);
                Some([op as u64, address, 0, 0, 0])
            })?;
            let text = buffer.bytes().get(..op.buffer_size()).unwrap_or_default();
            let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
            // It goes into messages and logs as it is.
            Ok(String::from_utf8_lossy(text).trim_end().replace(|c: char| c.is_control(), "?"))
        })?
    }

    fn domctl_in(
        &self,
        buffer: &mut Buffer,
        dialect: Dialect,
        call: impl Fn(u64) -> DomctlCall,
        version: Option<u32>,
    ) -> Result<i64, i32> {
        self.call(dialect.generation.domctl_number(), buffer, |address, bytes| {
            let (request, _) = bytes.split_first_chunk_mut::<DOMCTL_SIZE>()?;
            call(address).encode(dialect, request)?;
            if let Some(version) = version {
                request::set_version(request, version);
            }
            Some([address, 0, 0, 0, 0])
        })
    }

    fn sysctl_in(
        &self,
        buffer: &mut Buffer,
        dialect: Dialect,
        call: impl Fn(u64) -> Sysctl,
    ) -> Result<i64, i32> {
        self.call(dialect.generation.sysctl_number(), buffer, |address, bytes| {
            let (request, _) = bytes.split_first_chunk_mut::<SYSCTL_SIZE>()?;
            call(address).encode(dialect, request)?;
            Some([address, 0, 0, 0, 0])
        })
    }

    /// Lets `fill` write the request and name the arguments, and calls; where it has nothing to say, that is ENOSYS. What is asked again after EFAULT is written anew; that is safe for
    /// every operation here, because a request that Xen could not read did nothing, and only reads are answered in memory.
    fn call(
        &self,
        op: u64,
        buffer: &mut Buffer,
        fill: impl Fn(u64, &mut [u8]) -> Option<[u64; 5]>,
    ) -> Result<i64, i32> {
        let mut retries = 0;
        loop {
            let args = fill(buffer.address(), buffer.bytes()).ok_or(errno::ENOSYS)?;
            self.calls.fetch_add(1, Ordering::Relaxed);
            match self.port.call(op, args, &mut buffer.memory()) {
                Err(errno::EFAULT) if retries < EFAULT_RETRIES => {
                    retries += 1;
                    buffer.touch();
                }
                done => return done,
            }
        }
    }
}

/// The two interfaces that have versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// About domains.
    Domctl,
    /// About the host.
    Sysctl,
}

/// A question about Domain-0's first vcpu: it changes nothing, and every version has it.
pub(super) const FIRST_VCPU: DomctlCall = DomctlCall { domain: 0, op: Domctl::GetVcpuInfo { vcpu: 0 } };

fn clear_room(buffer: &mut Buffer, room: usize) -> Result<(), i32> {
    let bytes = buffer.bytes().get_mut(RECORDS_AT..RECORDS_AT + room).ok_or(errno::ENOMEM)?;
    bytes.fill(0);
    Ok(())
}

fn read_room<R>(buffer: &mut Buffer, room: usize, read: impl FnOnce(&[u8], &[u8]) -> R) -> R {
    let (request, behind) = buffer.bytes().split_at_mut_checked(RECORDS_AT).unwrap_or_default();
    read(request, behind.get(..room).unwrap_or_default())
}

fn no_memory(error: &io::Error) -> Error {
    let message = format!("cannot get memory for hypercalls: {error}");
    Error { errno: error.raw_os_error(), ..Error::new(Status::NoMemory, message).on(Road::Hypercall) }
}
