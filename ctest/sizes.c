/* Structs that travel with their size: an older caller's are shorter, a newer caller's longer. */
#include <stddef.h>

#include "check.h"

/* What a header of a later version could have. */
struct newer_info {
    struct xenith_domain_info known;
    uint64_t more[4];
};
struct newer_options {
    struct xenith_open_options known;
    uint64_t more[4];
};

static void layout(void)
{
    /* The ABI of a 64-bit machine, written down: a change here is a break. */
    CHECK(sizeof(struct xenith_domain_info) == 104 && offsetof(struct xenith_domain_info, uuid) == 88);
    CHECK(sizeof(struct xenith_node_info) == 80 && offsetof(struct xenith_node_info, machine) == 48);
    CHECK(sizeof(struct xenith_open_options) == 16 + 2 * sizeof(void *));
}

static void outputs(xenith_connect *conn)
{
    xenith_domain *dom = NULL;
    xenith_domain_list *list = NULL;
    struct xenith_domain_info info, old;
    struct newer_info newer;
    const size_t prefix = offsetof(struct xenith_domain_info, reason);

    GOOD(xenith_domain_lookup_by_id(conn, 0, 0, &dom, ERR));
    GOOD(xenith_domain_get_info(dom, 0, &info, sizeof info, ERR));
    CHECK(info.valid & XENITH_DOMAIN_INFO_STATE && info.valid & XENITH_DOMAIN_INFO_REASON);

    memset(&old, 0x5a, sizeof old);
    GOOD(xenith_domain_get_info(dom, 0, &old, prefix, ERR));
    CHECK(old.valid & XENITH_DOMAIN_INFO_STATE && old.valid & XENITH_DOMAIN_INFO_MEMORY_KIB);
    CHECK(old.memory_kib == info.memory_kib);
    CHECK(old.valid < XENITH_DOMAIN_INFO_REASON);
    CHECK(old.reason == 0x5a5a5a5a && old.uuid[15] == 0x5a);

    memset(&newer, 0x5a, sizeof newer);
    GOOD(xenith_domain_get_info(dom, 0, &newer.known, sizeof newer, ERR));
    CHECK(newer.known.valid == info.valid && newer.more[0] == 0 && newer.more[3] == 0);

    GOOD(xenith_connect_list_domains(conn, 0, &list, ERR));
    memset(&newer, 0x5a, sizeof newer);
    GOOD(xenith_domain_list_get_info(list, 0, &newer.known, sizeof newer, ERR));
    CHECK(newer.more[0] == 0 && newer.more[3] == 0);
    memset(&old, 0x5a, sizeof old);
    GOOD(xenith_domain_list_get_info(list, 0, &old, sizeof old.valid, ERR));
    CHECK(old.valid == 0 && old.memory_kib == UINT64_C(0x5a5a5a5a5a5a5a5a));
    xenith_domain_list_free(list);
    xenith_domain_unref(dom);
}

static void inputs(void)
{
    struct newer_options options;
    xenith_connect *conn = NULL;
    memset(&options, 0, sizeof options);

    /* All of it, and nothing more asked for. */
    GOOD(xenith_connect_open(SIM, &options.known, sizeof options, 0, &conn, ERR));
    xenith_connect_unref(conn);

    /* Something asked for that this library cannot know. */
    options.more[3] = 1;
    conn = POISON(xenith_connect);
    BAD(XENITH_ERR_INVALID_ARG, "newer",
        xenith_connect_open(SIM, &options.known, sizeof options, 0, &conn, ERR));
    CHECK(conn == POISON(xenith_connect));

    /* The first field only; what stands behind it is not read. */
    memset(&options, 0x5a, sizeof options);
    options.known.timeout_ms = 5000;
    GOOD(xenith_connect_open(SIM, &options.known, sizeof options.known.timeout_ms, 0, &conn, ERR));
    xenith_connect_unref(conn);
    GOOD(xenith_connect_open(SIM, &options.known, 0, 0, &conn, ERR));
    xenith_connect_unref(conn);
}

int main(void)
{
    xenith_connect *conn;
    layout();
    inputs();
    conn = open_host(SIM);
    outputs(conn);
    xenith_connect_unref(conn);
    return 0;
}
