/*
 * The library is a guest in the process: it leaves signal handlers, the signal mask and the environment alone, works with SIGCHLD ignored,
 * leaves no descriptor open behind it, and no closed peer kills the process with SIGPIPE.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static int descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void a_life(const char *uri)
{
    xenith_connect *conn = open_host(uri);
    xenith_domain *dom = NULL;
    char xml[512];
    GOOD(xenith_domain_define_xml(conn, guest_xml(xml, sizeof xml, "manners"), 0, &dom, ERR));
    GOOD(xenith_domain_create(dom, 0, ERR));
    GOOD(xenith_domain_destroy(dom, 0, ERR));
    GOOD(xenith_domain_undefine(dom, 0, ERR));
    xenith_domain_unref(dom);
    xenith_connect_unref(conn);
}

static void leaves_signals_and_descriptors_alone(void)
{
    struct sigaction before[NSIG], after;
    sigset_t mask_before, mask_after;
    int signal_number, before_count, after_count, tries;
    for (signal_number = 1; signal_number < NSIG; signal_number++) {
        memset(&before[signal_number], 0, sizeof after);
        sigaction(signal_number, NULL, &before[signal_number]);
    }
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask_before) == 0);
    a_life(SIM); /* what is opened once for the whole process is opened now */
    before_count = descriptors();
    a_life(SIM);
    a_life(SIM);
    for (signal_number = 1; signal_number < NSIG; signal_number++) {
        memset(&after, 0, sizeof after);
        if (sigaction(signal_number, NULL, &after) == 0)
            CHECK(after.sa_handler == before[signal_number].sa_handler &&
                  after.sa_flags == before[signal_number].sa_flags);
    }
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask_after) == 0);
    for (signal_number = 1; signal_number < NSIG; signal_number++)
        CHECK(sigismember(&mask_before, signal_number) == sigismember(&mask_after, signal_number));
    /* The embedded host's own threads may take a moment to go. */
    for (tries = 0; (after_count = descriptors()) > before_count && tries < 100; tries++)
        sleep_ms(20);
    CHECK(after_count == before_count);
}

/* A daemon that hangs up on whoever speaks to it. */
static void *hang_up(void *argument)
{
    int listener = *(int *)argument, peer;
    while ((peer = accept(listener, NULL, NULL)) >= 0)
        close(peer);
    return NULL;
}

static void survives_a_peer_that_hangs_up(void)
{
    struct sockaddr_un address;
    char folder[] = "/tmp/xenith-manners-XXXXXX";
    char uri[256];
    const char *const forms[] = {"%s", "xen:///?xend=%s", "xen:///?xenstore=%s", "xen:///?xenstore=%s&xend=%s"};
    xenith_connect *conn;
    pthread_t thread;
    size_t i;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(listener >= 0 && mkdtemp(folder) != NULL);
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/xend-socket", folder);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 16) == 0);
    CHECK(pthread_create(&thread, NULL, hang_up, &listener) == 0);
    signal(SIGPIPE, SIG_DFL);
    for (i = 0; i < sizeof forms / sizeof *forms; i++) {
        xenith_status status;
        xenith_error *err = NULL;
        snprintf(uri, sizeof uri, forms[i], address.sun_path, address.sun_path);
        conn = NULL;
        status = xenith_connect_open(uri, NULL, 0, 0, &conn, &err);
        /* It may be opened where another road is there; then what needs this road says that it is gone. */
        if (status == XENITH_OK) {
            xenith_domain *dom = NULL;
            CHECK(xenith_domain_lookup_by_name(conn, "x", 0, &dom, &err) != XENITH_OK);
        }
        CHECK(err != NULL && strlen(xenith_error_get_message(err)) > 0);
        xenith_error_free(err);
        xenith_connect_unref(conn);
    }
    shutdown(listener, SHUT_RDWR);
    CHECK(pthread_join(thread, NULL) == 0);
    close(listener);
    unlink(address.sun_path);
    rmdir(folder);
}

int main(void)
{
    alarm(300);
    leaves_signals_and_descriptors_alone();
    survives_a_peer_that_hangs_up();
    signal(SIGCHLD, SIG_IGN);
    a_life(SIM);
    return 0;
}
