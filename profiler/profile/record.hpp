// profiler/profile/record.hpp
//
// A sample as the profiler writes it: one JSON object on one line, with everything needed to use it later:
// what ran, how long, how sure, on what, when, by which command. docs/measuring.md lists the keys.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "profiler/kernels/backend.hpp"
#include "profiler/profile/stopping_rule.hpp"

namespace orrery::profiler {

/// cold: operands rotate through buffers that together exceed the cache; hot: the same operands every time.
enum class CacheState : std::uint8_t { cold, hot };

struct Record {
    KernelCase kernel_case;
    CacheState cache = CacheState::cold;
    Statistics time_s;
    bool converged = true;
    double kernel_s = 0;                ///< device time alone, where activity records tell; 0: not known
    std::vector<std::string> launched;  ///< names of the device kernels of one run
    std::string implementation;
    double amount = 0;  ///< bytes found, of usable_memory

    std::string backend;
    std::string device;
    std::string driver;
    Conditions conditions;
    std::string date;  ///< UTC, ISO 8601
    std::string command;
};

/// What tells one sample of a file from another: case, cache state and device.
std::string key_of(const Record& record);
std::string key_of(const KernelCase& kernel_case, CacheState cache, const DeviceInfo& device);

/// One line, without its end.
std::string to_json_line(const Record& record);

/// Throws InputError at `where` for text that is no record: no JSON, an unknown operation, a size out of
/// range, a time that is not positive.
Record parse_record(std::string_view line, const Location& where);

/// All records of a file, in order. A last line without its end (the profiler was interrupted while writing)
/// is left out. Throws InputError for a file that cannot be read or holds anything else.
std::vector<Record> read_records(const std::string& path);

/// Whether the file holds records rather than a table: its first character is '{'.
bool holds_records(const std::string& path);

}  // namespace orrery::profiler
