// The header as strict C++17: linkage, and the types as a C++ program holds them.
#include <xenith.h>

#include <memory>
#include <string>

namespace {

struct Free {
    void operator()(xenith_connect *conn) const { xenith_connect_unref(conn); }
    void operator()(xenith_error *err) const { xenith_error_free(err); }
};

void log_line(void *data, uint32_t, const char *line) { static_cast<std::string *>(data)->append(line); }

} // namespace

int main()
{
    std::string lines;
    xenith_open_options options{};
    options.log = log_line;
    options.log_data = &lines;
    options.log_level = XENITH_LOG_DEBUG;
    xenith_connect *raw = nullptr;
    xenith_error *error = nullptr;
    const xenith_status status = xenith_connect_open("xen+sim:///", &options, sizeof options, 0, &raw, &error);
    const std::unique_ptr<xenith_connect, Free> conn(raw);
    const std::unique_ptr<xenith_error, Free> err(error);
    return status == XENITH_OK && xenith_library_version() == XENITH_VERSION ? 0 : 1;
}
