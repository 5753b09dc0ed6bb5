/* The header alone, twice, as strict C99, before any other. */
#include <xenith.h>
#include <xenith.h>

#if XENITH_VERSION < 1000
#error "the version macros are not usable by the preprocessor"
#endif

int main(void)
{
    struct xenith_open_options options = {0};
    xenith_error *err = 0;
    xenith_connect *conn = 0;
    xenith_status status = xenith_connect_open("?", &options, sizeof options, 0, &conn, &err);
    xenith_error_free(err);
    return status == XENITH_ERR_INVALID_URI ? 0 : 1;
}
