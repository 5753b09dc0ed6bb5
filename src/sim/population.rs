//! Who lives on the host from the start: Domain-0, and the guests that the configuration orders.

use super::config::BENCH_GUEST_KIB;
use super::machine::{Machine, NewDomain, PAGE_KIB, Result};
use super::xenstored::Xenstored;
use crate::model::{DomId, GuestType, Uuid};

/// The uuids of the ordered guests: this, and the guest's number in the lowest bits.
const UUID_BASE: u128 = 0x5845_4e49_5448_4000_8000_0000_0000_0000;

/// What xend writes about Domain-0 when it starts (facts: xen-abi.md section 6.1).
pub(super) fn domain_0(machine: &Machine, store: &mut Xenstored) {
    let pages = machine.get(0).map_or(0, |dom0| dom0.tot_pages);
    describe(0, "Domain-0", Uuid::nil(), pages * PAGE_KIB, store);
    write(store, "/tool/xenstored/domid", "0");
    write(store, "/tool/xenconsoled/domid", "0");
    for cpu in 0..machine.physinfo().cpus {
        write(store, &format!("/local/domain/0/cpu/{cpu}/availability"), "online");
    }
}

/// Makes ordered guest `number`, which has been up for long: its domid, or the errno of what the machine refused.
pub(super) fn guest(number: u32, machine: &mut Machine, store: &mut Xenstored) -> Result<DomId> {
    let uuid = Uuid::from_u128(UUID_BASE | u128::from(number));
    let order = NewDomain {
        max_vcpus: machine.release().at_least(4, 12).then_some(1),
        ..NewDomain::new(uuid, GuestType::Pv)
    };
    let domid = machine.create(&order)?;
    let pages = BENCH_GUEST_KIB / PAGE_KIB;
    machine.set_max_mem(domid, pages)?;
    machine.populate(domid, pages)?;
    machine.set_max_vcpus(domid, 1)?;
    machine.set_online_vcpus(domid, 1)?;
    machine.unpause(domid)?;
    describe(domid, &format!("guest-{number:05}"), uuid, BENCH_GUEST_KIB, store);
    write(store, &format!("/local/domain/{domid}/cpu/0/availability"), "online");
    write(store, &format!("/local/domain/{domid}/control/shutdown"), "");
    if let Ok(domid) = u16::try_from(domid) {
        store.introduce(domid);
    }
    Ok(domid)
}

/// The nodes that every domain has.
fn describe(domid: DomId, name: &str, uuid: Uuid, memory_kib: u64, store: &mut Xenstored) {
    let (home, vm) = (format!("/local/domain/{domid}"), format!("/vm/{uuid}"));
    write(store, &format!("{vm}/uuid"), &uuid.to_string());
    write(store, &format!("{vm}/name"), name);
    write(store, &format!("{home}/vm"), &vm);
    write(store, &format!("{home}/domid"), &domid.to_string());
    write(store, &format!("{home}/memory/target"), &memory_kib.to_string());
    // Last, as whoever waits for it takes the domain for complete.
    write(store, &format!("{home}/name"), name);
}

/// Domain 0 may write anything, and these are all well-formed paths.
fn write(store: &mut Xenstored, path: &str, value: &str) {
    let _ = store.write(0, path, value);
}
