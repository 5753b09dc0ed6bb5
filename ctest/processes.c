/*
 * Two processes on one embedded host, which a third serves: each sees at once what the other did, and both can work at the same time.
 *   processes XENITH-COMMAND RELEASE-OF-XEN
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define EACH 8

static int from_peer, to_peer;

/* One process says that a step is done; the other waits for that. */
static void done(char step)
{
    CHECK(write(to_peer, &step, 1) == 1);
}

static void await(char step)
{
    char got = 0;
    CHECK(read(from_peer, &got, 1) == 1 && got == step);
}

static uint32_t state_of(xenith_domain *dom)
{
    uint32_t state = 0;
    GOOD(xenith_domain_get_state(dom, 0, &state, NULL, ERR));
    return state;
}

static size_t count(xenith_connect *conn, uint64_t flags)
{
    xenith_domain_list *list = NULL;
    size_t rows;
    GOOD(xenith_connect_list_domains(conn, flags | XENITH_LIST_FRESH, &list, ERR));
    rows = xenith_domain_list_count(list);
    xenith_domain_list_free(list);
    return rows;
}

/* Guests of its own, while the other does the same. */
static void crowd(xenith_connect *conn, const char *who)
{
    char name[32], xml[512];
    int i;
    for (i = 0; i < EACH; i++) {
        xenith_domain *dom = NULL;
        snprintf(name, sizeof name, "%s-%d", who, i);
        GOOD(xenith_domain_define_xml(conn, guest_xml(xml, sizeof xml, name), 0, &dom, ERR));
        if (i % 2 == 0)
            GOOD(xenith_domain_create(dom, 0, ERR));
        xenith_domain_unref(dom);
    }
}

static void first(const char *uri)
{
    xenith_connect *conn = open_host(uri);
    xenith_domain *dom = NULL;
    char xml[512];
    GOOD(xenith_domain_define_xml(conn, guest_xml(xml, sizeof xml, "shared"), 0, &dom, ERR));
    GOOD(xenith_domain_create(dom, 0, ERR));
    done('d');
    await('s');
    CHECK(state_of(dom) == XENITH_STATE_PAUSED);
    GOOD(xenith_domain_resume(dom, 0, ERR));
    done('r');
    await('k');
    /* The life that this handle is pinned to was ended by the other. */
    CHECK(state_of(dom) == XENITH_STATE_SHUTOFF);
    BAD(XENITH_ERR_STALE, "", xenith_domain_suspend(dom, 0, ERR));
    GOOD(xenith_domain_undefine(dom, 0, ERR));
    xenith_domain_unref(dom);
    done('u');

    crowd(conn, "first");
    await('c');
    CHECK(count(conn, XENITH_LIST_ACTIVE) == 1 + EACH && count(conn, XENITH_LIST_INACTIVE) == EACH);
    xenith_connect_unref(conn);
}

static void second(const char *uri)
{
    xenith_connect *conn = open_host(uri);
    xenith_domain *dom = NULL, *gone = NULL;
    uint32_t state;
    await('d');
    GOOD(xenith_domain_lookup_by_name(conn, "shared", 0, &dom, ERR));
    state = state_of(dom);
    CHECK(state == XENITH_STATE_RUNNING || state == XENITH_STATE_BLOCKED);
    CHECK(count(conn, XENITH_LIST_ACTIVE) == 2);
    GOOD(xenith_domain_suspend(dom, 0, ERR));
    done('s');
    await('r');
    CHECK(state_of(dom) != XENITH_STATE_PAUSED);
    GOOD(xenith_domain_destroy(dom, 0, ERR));
    done('k');
    await('u');
    BAD(XENITH_ERR_NOT_FOUND, "", xenith_domain_get_name(dom, 0, &(char *){NULL}, ERR));
    BAD(XENITH_ERR_NOT_FOUND, "shared", xenith_domain_lookup_by_name(conn, "shared", 0, &gone, ERR));
    xenith_domain_unref(dom);

    crowd(conn, "second");
    done('c');
    xenith_connect_unref(conn);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/xenith-processes-XXXXXX";
    char uri[128], path[128];
    int there[2], back[2], status, tries;
    pid_t server, peer;
    CHECK(argc == 3);
    CHECK(mkdtemp(folder) != NULL && pipe(there) == 0 && pipe(back) == 0);
    snprintf(uri, sizeof uri, "xen+sim:///?dir=%s/host", folder);
    alarm(300);

    server = fork();
    CHECK(server >= 0);
    if (server == 0) {
        snprintf(path, sizeof path, "%s/host", folder);
        /* Its greeting is not the test's output. */
        if (freopen("/dev/null", "w", stdout) != NULL)
            execl(argv[1], argv[1], "sim", "--xen", argv[2], "--dir", path, (char *)NULL);
        _exit(127);
    }
    snprintf(path, sizeof path, "%s/host/host", folder);
    for (tries = 0; access(path, F_OK) != 0; tries++) {
        CHECK(tries < 3000 && waitpid(server, &status, WNOHANG) == 0);
        sleep_ms(20);
    }

    peer = fork();
    CHECK(peer >= 0);
    from_peer = peer ? back[0] : there[0];
    to_peer = peer ? there[1] : back[1];
    close(peer ? back[1] : there[1]);
    close(peer ? there[0] : back[0]);
    if (peer == 0) {
        alarm(300);
        second(uri);
        return 0;
    }
    first(uri);
    CHECK(waitpid(peer, &status, 0) == peer && WIFEXITED(status) && WEXITSTATUS(status) == 0);

    CHECK(kill(server, SIGTERM) == 0);
    CHECK(waitpid(server, &status, 0) == server && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    snprintf(path, sizeof path, "rm -r %s", folder);
    CHECK(system(path) == 0);
    return 0;
}
