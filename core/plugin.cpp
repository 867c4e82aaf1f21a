#include "core/plugin.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <vector>

namespace orrery {

namespace fs = std::filesystem;

Plugin::Plugin(const std::string& name, const std::string& absent, bool global_symbols) : why_(absent) {
    std::error_code ignored;
    const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
    const std::string file = "lib" + name + ".so";
    // The last place is that of test programs, one folder below the command's.
    const std::vector<fs::path> places{folder / file, folder.parent_path() / "lib/orrery" / file,
                                       folder.parent_path() / file};
    for (const fs::path& place : places) {
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
