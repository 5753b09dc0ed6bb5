/* Eight threads on one connection, each with guests of its own, all reading one that they share. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 8, ROUNDS = 12 };

static xenith_connect *conn;
static xenith_domain *shared;

static void *work(void *argument)
{
    int number = (int)(intptr_t)argument, round;
    char name[32], xml[512];
    for (round = 0; round < ROUNDS; round++) {
        xenith_domain *dom = NULL, *found = NULL;
        xenith_domain_list *list = NULL;
        struct xenith_domain_info info;
        uint32_t id = 0;
        char *text = NULL;
        size_t i;

        snprintf(name, sizeof name, "thread%d-%d", number, round);
        GOOD(xenith_domain_create_xml(conn, guest_xml(xml, sizeof xml, name), 0, &dom, ERR));
        GOOD(xenith_domain_get_id(dom, 0, &id, ERR));
        GOOD(xenith_domain_lookup_by_id(conn, id, 0, &found, ERR));
        GOOD(xenith_domain_get_name(found, 0, &text, ERR));
        CHECK(strcmp(text, name) == 0);
        xenith_string_free(text);
        xenith_domain_unref(found);

        GOOD(xenith_domain_get_info(shared, 0, &info, sizeof info, ERR));
        CHECK(info.valid & XENITH_DOMAIN_INFO_ID);
        GOOD(xenith_connect_list_domains(conn, XENITH_LIST_ACTIVE, &list, ERR));
        /* Domain-0, the shared one and our own at least. */
        CHECK(xenith_domain_list_count(list) >= 3);
        for (i = 0; i < xenith_domain_list_count(list); i++)
            GOOD(xenith_domain_list_get_info(list, i, &info, sizeof info, ERR));
        xenith_domain_list_free(list);

        /* References are counted by all at once. */
        for (i = 0; i < 100; i++) {
            xenith_domain_ref(shared);
            xenith_connect_ref(conn);
            xenith_domain_unref(shared);
            xenith_connect_unref(conn);
        }
        GOOD(xenith_domain_destroy(dom, 0, ERR));
        BAD(XENITH_ERR_NOT_FOUND, "", xenith_domain_lookup_by_name(conn, name, 0, &found, ERR));
        xenith_domain_unref(dom);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    xenith_domain_list *list = NULL;
    char xml[512];
    int i;
    conn = open_host(SIM);
    GOOD(xenith_domain_create_xml(conn, guest_xml(xml, sizeof xml, "shared"), 0, &shared, ERR));
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) == 0);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    GOOD(xenith_domain_destroy(shared, 0, ERR));
    GOOD(xenith_connect_list_domains(conn, 0, &list, ERR));
    CHECK(xenith_domain_list_count(list) == 1);
    xenith_domain_list_free(list);
    xenith_domain_unref(shared);
    xenith_connect_unref(conn);
    return 0;
}
