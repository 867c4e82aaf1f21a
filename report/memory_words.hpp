// report/memory_words.hpp
//
// One name for each kind of memory, in all tables and pictures.
#pragma once

#include <cstddef>
#include <string>

namespace orrery::report {

/// "optimizer state"; `kind` counts as sim::MemoryKind does.
std::string memory_kind_name(std::size_t kind);

}  // namespace orrery::report
