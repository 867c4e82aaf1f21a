// core/atomic_file.hpp
//
// Files appear whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace orrery {

/// The bytes of a file. Throws InputError (file named) when it cannot be read, is a folder, or holds more
/// than `most_bytes`.
std::string read_file(const std::filesystem::path& path, std::size_t most_bytes);

/// Writes `bytes` to a temporary name in the same folder, syncs it, and renames it to `path`. Makes the
/// folder when it does not exist. On failure, and when SIGINT, SIGTERM or SIGHUP ends the process meanwhile,
/// the temporary is removed and what stood at `path` still stands. Throws InputError (file named) when the
/// file cannot be written. Safe to call from several threads.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace orrery
