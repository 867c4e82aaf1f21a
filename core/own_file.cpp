#include "core/own_file.hpp"

#include <dlfcn.h>
#include <link.h>

#include <string>
#include <system_error>

namespace orrery {
namespace {

namespace fs = std::filesystem;

/// The name by which the dynamic linker knows the object that this function lies in; empty for the program
/// itself.
std::string linked_name() {
    Dl_info info{};
    void* map = nullptr;
    if (dladdr1(reinterpret_cast<void*>(&linked_name), &info, &map, RTLD_DL_LINKMAP) == 0 || map == nullptr)
        return "";
    const char* const name = static_cast<const link_map*>(map)->l_name;
    return name == nullptr ? "" : name;
}

OwnFile find_own_file() {
    std::error_code ignored;
    const std::string name = linked_name();
    if (name.empty()) return {fs::read_symlink("/proc/self/exe", ignored), true};
    return {fs::weakly_canonical(fs::absolute(name, ignored), ignored), false};
}

}  // namespace

const OwnFile& own_file() {
    static const OwnFile found = find_own_file();
    return found;
}

}  // namespace orrery
