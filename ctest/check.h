/* What the C tests say things with. A test is a program that exits 0; the first thing that is not so ends it. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenith.h>

/* Xen 4.17 with xl. */
#define SIM "xen+sim:///"
/* Where a test is about xend. */
#define SIM_XEND "xen+sim:///?xen=3.4"

/* What an output holds before a call: a call that fails must leave it. */
#define POISON(type) ((type *)(uintptr_t)0x5a5a5a50)

/* The `err` of the call in GOOD and BAD. */
static _Thread_local xenith_error *check_error;
#define ERR (check_error = POISON(xenith_error), &check_error)

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);               \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* A call, with ERR as its `err`, that succeeds: and then *err is NULL. */
#define GOOD(call)                                                                                \
    do {                                                                                          \
        xenith_status check_status = (call);                                                      \
        if (check_status != XENITH_OK) {                                                          \
            fprintf(stderr, "%s:%d: %s\n  failed with %u: %s\n", __FILE__, __LINE__, #call,       \
                    (unsigned)check_status, xenith_error_get_message(check_error));               \
            exit(1);                                                                              \
        }                                                                                         \
        CHECK(check_error == NULL);                                                               \
    } while (0)

/* A call, with ERR as its `err`, that fails with `expected`, with `words` in its message. */
#define BAD(expected, words, call)                                                                \
    do {                                                                                          \
        xenith_status check_status = (call);                                                      \
        if (check_status != (expected)) {                                                         \
            fprintf(stderr, "%s:%d: %s\n  answered %u (%s), not %s\n", __FILE__, __LINE__, #call, \
                    (unsigned)check_status,                                                       \
                    check_status == XENITH_OK ? "success" : xenith_error_get_message(check_error), \
                    #expected);                                                                   \
            exit(1);                                                                              \
        }                                                                                         \
        CHECK(check_error != NULL && check_error != POISON(xenith_error));                        \
        CHECK(xenith_error_get_status(check_error) == check_status);                              \
        if (strstr(xenith_error_get_message(check_error), (words)) == NULL) {                     \
            fprintf(stderr, "%s:%d: %s\n  says \"%s\", without \"%s\"\n", __FILE__, __LINE__,     \
                    #call, xenith_error_get_message(check_error), (words));                       \
            exit(1);                                                                              \
        }                                                                                         \
        xenith_error_free(check_error);                                                           \
    } while (0)

static inline xenith_connect *open_host(const char *uri)
{
    xenith_connect *conn = NULL;
    GOOD(xenith_connect_open(uri, NULL, 0, 0, &conn, ERR));
    CHECK(conn != NULL);
    return conn;
}

/* Whether the embedded host has xend; the younger ones have xl. */
static inline int has_xend(xenith_connect *conn)
{
    uint64_t version = 0;
    GOOD(xenith_connect_get_version(conn, 0, &version, ERR));
    return version < 4005000;
}

/* The file's text, to be freed with free(). */
static inline char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text;
    long size;
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    CHECK(fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0);
    rewind(file);
    text = malloc((size_t)size + 1);
    CHECK(text != NULL && fread(text, 1, (size_t)size, file) == (size_t)size);
    text[size] = '\0';
    fclose(file);
    return text;
}

static inline void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* A small PV guest of that name. */
static inline const char *guest_xml(char *buffer, size_t size, const char *name)
{
    int length = snprintf(buffer, size,
                          "<domain type='xen'><name>%s</name><os><type>linux</type><kernel>/boot/vmlinuz"
                          "</kernel></os><memory>65536</memory><vcpu>1</vcpu></domain>",
                          name);
    CHECK(length > 0 && (size_t)length < size);
    return buffer;
}

#endif
