/*
 * fork: the child's handles answer XENITH_ERR_CLOSED, at once and however often; it can release them, and open its own. The parent
 * notices nothing. The last part forks while another thread is in the middle of calls: no lock that it held may stop the child.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

static xenith_connect *conn;
static xenith_domain *dom;
static volatile int stop;

static void in_the_child(void)
{
    struct xenith_domain_info info;
    struct xenith_node_info node;
    xenith_domain_list *list = NULL;
    xenith_domain *other = NULL;
    char *text = NULL;
    uint64_t version;
    alarm(60);
    BAD(XENITH_ERR_CLOSED, "fork", xenith_connect_get_hostname(conn, 0, &text, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_connect_get_capabilities(conn, 0, &text, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_connect_get_version(conn, 0, &version, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_connect_get_node_info(conn, 0, &node, sizeof node, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_connect_list_domains(conn, 0, &list, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_domain_lookup_by_id(conn, 0, 0, &other, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_domain_lookup_by_name(conn, "Domain-0", 0, &other, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_domain_define_xml(conn, "<domain/>", 0, &other, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_domain_get_info(dom, 0, &info, sizeof info, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_domain_get_name(dom, 0, &text, ERR));
    BAD(XENITH_ERR_CLOSED, "fork", xenith_domain_destroy(dom, 0, ERR));
    xenith_domain_unref(dom);
    xenith_connect_unref(conn);
}

static void its_own_connection(void)
{
    xenith_connect *own = open_host(SIM);
    xenith_domain *zero = NULL;
    GOOD(xenith_domain_lookup_by_id(own, 0, 0, &zero, ERR));
    xenith_domain_unref(zero);
    xenith_connect_unref(own);
}

/*
 * Ends a child well. Under valgrind it would be blamed at exit for what the parent's threads held in the moment of the fork, which
 * nobody can free: so it says that nothing else is wrong, and becomes another program.
 */
static void child_is_good(void)
{
#ifdef VALGRIND_COUNT_ERRORS
    CHECK(VALGRIND_COUNT_ERRORS == 0);
#endif
    execl("/bin/true", "true", (char *)NULL);
    _exit(1);
}

static void wait_for(pid_t child)
{
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *busy(void *argument)
{
    (void)argument;
    while (!stop) {
        struct xenith_domain_info info;
        xenith_domain_list *list = NULL;
        xenith_domain *found = NULL;
        GOOD(xenith_domain_get_info(dom, 0, &info, sizeof info, ERR));
        GOOD(xenith_connect_list_domains(conn, XENITH_LIST_FRESH, &list, ERR));
        xenith_domain_list_free(list);
        GOOD(xenith_domain_lookup_by_name(conn, "forker", 0, &found, ERR));
        xenith_domain_unref(found);
    }
    return NULL;
}

int main(void)
{
    struct xenith_domain_info info;
    pthread_t thread;
    pid_t child;
    char xml[512];
    int i;
    conn = open_host(SIM);
    GOOD(xenith_domain_create_xml(conn, guest_xml(xml, sizeof xml, "forker"), 0, &dom, ERR));

    child = fork();
    if (child == 0) {
        in_the_child();
        its_own_connection();
        child_is_good();
    }
    wait_for(child);
    GOOD(xenith_domain_get_info(dom, 0, &info, sizeof info, ERR));
    CHECK(info.valid & XENITH_DOMAIN_INFO_ID);

    CHECK(pthread_create(&thread, NULL, busy, NULL) == 0);
    for (i = 0; i < 20; i++) {
        child = fork();
        if (child == 0) {
            in_the_child();
            child_is_good();
        }
        wait_for(child);
    }
    stop = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    GOOD(xenith_domain_destroy(dom, 0, ERR));
    xenith_domain_unref(dom);
    xenith_connect_unref(conn);
    return 0;
}
