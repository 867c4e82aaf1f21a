// Any bytes as an experiment's file: read, or refused with an InputError that names a place. Nothing else.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.hpp"
#include "study/experiment.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        orrery::study::parse_experiment(text, "fuzz.yaml");
    } catch (const orrery::InputError&) {
    }
    return 0;
}
