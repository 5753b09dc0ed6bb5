/*
 * What status costs on a real host, side by side: xenith, the raw ioctl on privcmd, and a peer.
 *
 *   status GUESTS NAME [ROUNDS]
 *
 * Built with -DPEER_LIBXL the peer is libxl, with -DPEER_LIBVIRT it is libvirt. NAME is a running guest; GUESTS is for the table.
 * The things measured take turns, so that a machine that slows down slows all of them; each figure is the median of its runs.
 * One row is one thing: its name, and the median in nanoseconds.
 */
#define _GNU_SOURCE
#define __XEN_TOOLS__
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/sys/privcmd.h>

#include <xenith.h>

#ifdef PEER_LIBXL
#include <libxl.h>
#include <libxl_utils.h>
#define PEER "libxl"
#else
#include <libvirt/libvirt.h>
#define PEER "libvirt"
#endif

/* As many records as fit the room that libxc's own callers make. */
#define ROOM 1024

static const char *guest;
static uint32_t guest_id;

static void fail(const char *what)
{
    fprintf(stderr, "status: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the raw ioctls ---- */

static int privcmd;
static int sockets[2];
static struct xen_domctl *domctl;
static struct xen_sysctl *sysctl_;
static xen_domctl_getdomaininfo_t *records;

static void *pages(int device, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    if (memory == MAP_FAILED)
        fail("mmap of /dev/xen/hypercall");
    return memory;
}

static void raw_open(void)
{
    int device = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);
    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (device < 0 || privcmd < 0)
        fail("opening /dev/xen");
    domctl = pages(device, 4096);
    sysctl_ = pages(device, 4096);
    records = pages(device, ROOM * sizeof *records);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) != 0)
        fail("socketpair");
}

static int hypercall(uint64_t number, void *argument)
{
    struct privcmd_hypercall call = {.op = number, .arg = {(uintptr_t)argument}};
    return ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call);
}

static void raw_info(void)
{
    memset(domctl, 0, sizeof *domctl);
    domctl->cmd = XEN_DOMCTL_getdomaininfo;
    domctl->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    domctl->domain = guest_id;
    if (hypercall(__HYPERVISOR_domctl, domctl) != 0)
        fail("getdomaininfo");
}

/* The floor of a list with names: the hypervisor's list, and one look whether xenstored has sent something. */
static void raw_list(void)
{
    char byte;

    memset(sysctl_, 0, sizeof *sysctl_);
    sysctl_->cmd = XEN_SYSCTL_getdomaininfolist;
    sysctl_->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    sysctl_->u.getdomaininfolist.max_domains = ROOM;
    set_xen_guest_handle(sysctl_->u.getdomaininfolist.buffer, records);
    if (hypercall(__HYPERVISOR_sysctl, sysctl_) != 0)
        fail("getdomaininfolist");
    if (recv(sockets[0], &byte, 1, MSG_DONTWAIT) != -1)
        fail("recv");
}

static void raw_reopen(void)
{
    int fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fail("open of privcmd");
    close(fd);
}

static void empty_call(void)
{
    syscall(SYS_getpid);
}

static void clock_read(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
}

/* ---- xenith ---- */

static xenith_connect *connection;
static xenith_domain *domain;

static void check(xenith_status status, xenith_error *error, const char *what)
{
    if (status != XENITH_OK) {
        fprintf(stderr, "status: xenith: %s: %s\n", what, xenith_error_get_message(error));
        exit(1);
    }
}

static void xenith_setup(void)
{
    xenith_error *error = NULL;
    check(xenith_connect_open(NULL, NULL, 0, 0, &connection, &error), error, "open");
    check(xenith_domain_lookup_by_name(connection, guest, 0, &domain, &error), error, "lookup");
    check(xenith_domain_get_id(domain, 0, &guest_id, &error), error, "id");
}

static void xenith_info(void)
{
    xenith_error *error = NULL;
    xenith_domain_info info;
    check(xenith_domain_get_info(domain, 0, &info, sizeof info, &error), error, "info");
}

static void xenith_list(void)
{
    xenith_error *error = NULL;
    xenith_domain_list *list = NULL;
    size_t row;

    check(xenith_connect_list_domains(connection, XENITH_LIST_ACTIVE, &list, &error), error, "list");
    for (row = 0; row < xenith_domain_list_count(list); row++) {
        const char *name = NULL;
        check(xenith_domain_list_get_name(list, row, &name, &error), error, "name");
        if (name == NULL) {
            fprintf(stderr, "status: xenith: row %zu has no name\n", row);
            exit(1);
        }
    }
    xenith_domain_list_free(list);
}

static void xenith_lookup(void)
{
    xenith_error *error = NULL;
    xenith_domain *found = NULL;
    check(xenith_domain_lookup_by_name(connection, guest, 0, &found, &error), error, "lookup");
    xenith_domain_unref(found);
}

static void xenith_reopen(void)
{
    xenith_error *error = NULL;
    xenith_connect *other = NULL;
    check(xenith_connect_open(NULL, NULL, 0, 0, &other, &error), error, "open");
    xenith_connect_unref(other);
}

/* ---- the peer ---- */

#ifdef PEER_LIBXL

static libxl_ctx *peer;
static xentoollog_logger_stdiostream *logger;

static void peer_setup(void)
{
    logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (libxl_ctx_alloc(&peer, LIBXL_VERSION, 0, (xentoollog_logger *)logger) != 0)
        fail("libxl_ctx_alloc");
}

static void peer_info(void)
{
    libxl_dominfo info;
    libxl_dominfo_init(&info);
    if (libxl_domain_info(peer, &info, guest_id) != 0)
        fail("libxl_domain_info");
    libxl_dominfo_dispose(&info);
}

static void peer_list(void)
{
    int count = 0, at;
    libxl_dominfo *infos = libxl_list_domain(peer, &count);
    if (infos == NULL)
        fail("libxl_list_domain");
    for (at = 0; at < count; at++) {
        char *name = libxl_domid_to_name(peer, infos[at].domid);
        if (name == NULL)
            fail("libxl_domid_to_name");
        free(name);
    }
    libxl_dominfo_list_free(infos, count);
}

static void peer_lookup(void)
{
    uint32_t id;
    if (libxl_name_to_domid(peer, guest, &id) != 0)
        fail("libxl_name_to_domid");
}

static void peer_reopen(void)
{
    libxl_ctx *other = NULL;
    if (libxl_ctx_alloc(&other, LIBXL_VERSION, 0, (xentoollog_logger *)logger) != 0)
        fail("libxl_ctx_alloc");
    libxl_ctx_free(other);
}

#else

static virConnectPtr peer;
static virDomainPtr peer_domain;

static void peer_setup(void)
{
    peer = virConnectOpen("xen:///system");
    if (peer == NULL)
        fail("virConnectOpen");
    peer_domain = virDomainLookupByName(peer, guest);
    if (peer_domain == NULL)
        fail("virDomainLookupByName");
}

static void peer_info(void)
{
    virDomainInfo info;
    if (virDomainGetInfo(peer_domain, &info) != 0)
        fail("virDomainGetInfo");
}

static void peer_list(void)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(peer, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE), at;
    if (count < 0)
        fail("virConnectListAllDomains");
    for (at = 0; at < count; at++) {
        if (virDomainGetName(domains[at]) == NULL)
            fail("virDomainGetName");
        virDomainFree(domains[at]);
    }
    free(domains);
}

static void peer_lookup(void)
{
    virDomainPtr found = virDomainLookupByName(peer, guest);
    if (found == NULL)
        fail("virDomainLookupByName");
    virDomainFree(found);
}

static void peer_reopen(void)
{
    virConnectPtr other = virConnectOpen("xen:///system");
    if (other == NULL)
        fail("virConnectOpen");
    virConnectClose(other);
}

#endif

/* ---- the measuring ---- */

struct work {
    const char *name;
    void (*run)(void);
    /* What takes microseconds is done so often in a row, and the time divided: a clock costs as much here. */
    int batch;
    /* One turn in so many rounds: what takes milliseconds need not be done as often. */
    int every;
    uint64_t *times;
    int done;
};

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int by_size(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    struct work works[] = {
        {"empty system call", empty_call, 50, 1, NULL, 0},
        {"clock_gettime", clock_read, 50, 1, NULL, 0},
        {"get info: raw ioctl", raw_info, 50, 1, NULL, 0},
        {"get info: xenith", xenith_info, 50, 1, NULL, 0},
        {"get info: " PEER, peer_info, 1, 2, NULL, 0},
        {"list with names: raw ioctl + empty read", raw_list, 50, 1, NULL, 0},
        {"list with names: xenith", xenith_list, 50, 1, NULL, 0},
        {"list with names: " PEER, peer_list, 1, 2, NULL, 0},
        {"look up by name: xenith", xenith_lookup, 1, 2, NULL, 0},
        {"look up by name: " PEER, peer_lookup, 1, 2, NULL, 0},
        {"open and close: raw device", raw_reopen, 1, 2, NULL, 0},
        {"open and close: xenith", xenith_reopen, 1, 4, NULL, 0},
        {"open and close: " PEER, peer_reopen, 1, 4, NULL, 0},
    };
    const int count = (int)(sizeof works / sizeof *works);
    int rounds, round, at, in_batch;

    if (argc < 3) {
        fprintf(stderr, "usage: status GUESTS NAME [ROUNDS]\n");
        return 2;
    }
    guest = argv[2];
    rounds = argc > 3 ? atoi(argv[3]) : 200;

    xenith_setup();
    raw_open();
    peer_setup();
    for (at = 0; at < count; at++) {
        works[at].times = calloc((size_t)rounds, sizeof *works[at].times);
        if (works[at].times == NULL)
            fail("calloc");
        works[at].run();
    }
    for (round = 0; round < rounds; round++) {
        for (at = 0; at < count; at++) {
            struct work *work = &works[at];
            uint64_t start;
            if (round % work->every != 0)
                continue;
            start = now();
            for (in_batch = 0; in_batch < work->batch; in_batch++)
                work->run();
            work->times[work->done++] = (now() - start) / (uint64_t)work->batch;
        }
    }
    for (at = 0; at < count; at++) {
        struct work *work = &works[at];
        qsort(work->times, (size_t)work->done, sizeof *work->times, by_size);
        printf("%s\t%s\t%llu\n", argv[1], work->name, (unsigned long long)work->times[work->done / 2]);
    }
    return 0;
}
