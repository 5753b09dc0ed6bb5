/* Two connections: each its own embedded host, each to be closed without the other. */
#include "check.h"

int main(void)
{
    xenith_connect *one = open_host(SIM), *two = open_host(SIM);
    xenith_domain *dom = NULL, *found = NULL;
    char xml[512], *name = NULL;
    uint64_t version = 0;
    CHECK(one != two);
    GOOD(xenith_domain_define_xml(one, guest_xml(xml, sizeof xml, "first"), 0, &dom, ERR));
    BAD(XENITH_ERR_NOT_FOUND, "first", xenith_domain_lookup_by_name(two, "first", 0, &found, ERR));
    GOOD(xenith_domain_lookup_by_name(one, "first", 0, &found, ERR));
    xenith_domain_unref(found);
    xenith_connect_unref(one);

    /* The domain holds its connection. */
    GOOD(xenith_domain_get_name(dom, 0, &name, ERR));
    CHECK(strcmp(name, "first") == 0);
    xenith_string_free(name);
    xenith_domain_unref(dom);
    GOOD(xenith_connect_get_version(two, 0, &version, ERR));
    xenith_connect_unref(two);

    /* Hosts of other ages. */
    {
        static const struct {
            const char *uri;
            uint64_t least, most;
        } hosts[] = {
            {"xen+sim:///?xen=3.4", 3004000, 3004999},
            {"xen+sim:///?xen=4.1", 4001000, 4001999},
            {"xen+sim:///?xen=4.4", 4004000, 4004999},
        };
        size_t i;
        for (i = 0; i < sizeof hosts / sizeof *hosts; i++) {
            one = open_host(hosts[i].uri);
            GOOD(xenith_connect_get_version(one, 0, &version, ERR));
            CHECK(version >= hosts[i].least && version <= hosts[i].most);
            xenith_connect_unref(one);
        }
    }
    return 0;
}
