#include "report/memory_words.hpp"

#include <algorithm>

#include "sim/program.hpp"

namespace orrery::report {

std::string memory_kind_name(std::size_t kind) {
    std::string name(sim::to_string(static_cast<sim::MemoryKind>(kind)));
    std::replace(name.begin(), name.end(), '_', ' ');
    return name;
}

}  // namespace orrery::report
