#include "core/plugin.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <vector>

#include "core/own_file.hpp"

namespace orrery {

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> places_of(const std::string& file) {
    const fs::path folder = own_file().path.parent_path();
    const fs::path above = folder.parent_path();
    if (!own_file().is_program) {
        // The Python module: <build>/python/orrery, or <prefix>/lib/python3.X/site-packages/orrery.
        return {above.parent_path() / file, above.parent_path().parent_path() / "orrery" / file};
    }
    // The last place is that of test programs, one folder below the command's.
    return {folder / file, above / "lib/orrery" / file, above / file};
}

}  // namespace

Plugin::Plugin(const std::string& name, const std::string& absent, bool global_symbols) : why_(absent) {
    std::error_code ignored;
    for (const fs::path& place : places_of("lib" + name + ".so")) {
        if (!fs::exists(place, ignored)) continue;
        handle_ = dlopen(place.c_str(), RTLD_NOW | (global_symbols ? RTLD_GLOBAL : RTLD_LOCAL));
        if (handle_ != nullptr) {
            why_.clear();
            return;
        }
        const char* error = dlerror();
        why_ = std::string("cannot load ") + (error == nullptr ? place.string() : error);
    }
}

void* Plugin::address(const char* name) const {
    return dlsym(handle_, name);
}

}  // namespace orrery
