/* The resident memory of a program that holds one connection and has listed its domains: `make bench`. */
#include <stdio.h>
#include <string.h>
#include <xenith.h>

static void print_status(const char *when)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL)
        return;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0 || strncmp(line, "RssAnon:", 8) == 0)
            printf("%-18s %s", when, line);
    fclose(status);
}

int main(int argc, char **argv)
{
    xenith_connect *connect = NULL;
    xenith_domain_list *list = NULL;
    xenith_error *error = NULL;

    print_status("before open");
    if (xenith_connect_open(argc > 1 ? argv[1] : "xen+sim:///", NULL, 0, 0, &connect, &error) != XENITH_OK ||
        xenith_connect_list_domains(connect, 0, &list, &error) != XENITH_OK) {
        fprintf(stderr, "%s\n", xenith_error_get_message(error));
        return 1;
    }
    print_status("connected, listed");
    xenith_domain_list_free(list);
    xenith_connect_unref(connect);
    return 0;
}
