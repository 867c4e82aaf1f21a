// cli/byte_count.hpp
//
// Sizes as people write them on a command line.
#pragma once

#include <cstdint>
#include <string>

namespace orrery::cli {

/// "1048576", "1e9", "64MiB", "1.5GiB" (powers of 1024), "1GB" (of 1000), "8K" (of 1024, as nccl-tests has
/// it), in any case. At least one whole byte, less than 2^63. Throws InputError under `option` otherwise.
std::uint64_t byte_count(const std::string& text, const std::string& option);

}  // namespace orrery::cli
