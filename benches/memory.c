/* The resident memory of a program that holds one connection and has listed its domains: `make bench`, and a test that it stays small. */
#include <stdio.h>
#include <string.h>
#include <xenith.h>

#define GOAL_KIB 8192

/* Answers the resident memory, KiB; 0 where it cannot be read. */
static long print_status(const char *when)
{
    char line[256];
    long resident = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL)
        return 0;
    while (fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "VmRSS: %ld", &resident);
        if (strncmp(line, "VmRSS:", 6) == 0 || strncmp(line, "RssAnon:", 8) == 0)
            printf("%-18s %s", when, line);
    }
    fclose(status);
    return resident;
}

int main(int argc, char **argv)
{
    xenith_connect *connect = NULL;
    xenith_domain_list *list = NULL;
    xenith_error *error = NULL;
    long resident;

    print_status("before open");
    if (xenith_connect_open(argc > 1 ? argv[1] : "xen+sim:///", NULL, 0, 0, &connect, &error) != XENITH_OK ||
        xenith_connect_list_domains(connect, 0, &list, &error) != XENITH_OK) {
        fprintf(stderr, "%s\n", xenith_error_get_message(error));
        return 1;
    }
    resident = print_status("connected, listed");
    xenith_domain_list_free(list);
    xenith_connect_unref(connect);
    if (resident == 0 || resident >= GOAL_KIB) {
        fprintf(stderr, "%ld KiB are resident; the goal is under %d\n", resident, GOAL_KIB);
        return 1;
    }
    return 0;
}
