// Samples of orrery profile: one JSON object a line.
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "profiler/profile/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace orrery::profiler;
    try {
        const Record record = parse_record({reinterpret_cast<const char*>(data), size}, {});
        // What was read can be written, and reads as the same sample.
        if (key_of(parse_record(to_json_line(record), {})) != key_of(record)) std::abort();
    } catch (const orrery::InputError&) {
    }
    return 0;
}
