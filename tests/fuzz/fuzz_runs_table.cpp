// Any bytes as a table of recorded runs: each row is an experiment that holds together, is skipped with a
// reason, or is refused with an InputError.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/csv.hpp"
#include "core/error.hpp"
#include "study/runs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto table = orrery::csv::parse({reinterpret_cast<const char*>(data), size}, "fuzz.csv");
        for (const orrery::csv::Row& row : table.rows) {
            try {
                orrery::study::interpret(table, row);
            } catch (const orrery::InputError&) {
            }
        }
    } catch (const orrery::InputError&) {
    }
    return 0;
}
