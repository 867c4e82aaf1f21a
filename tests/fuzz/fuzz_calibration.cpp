// Any bytes as a calibration file: read, or refused with an InputError. What is read can be written and read
// again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "sim/cost/calibration.hpp"

namespace {

std::optional<orrery::sim::Calibration> read(const std::string& text) {
    try {
        return orrery::sim::parse_calibration(text, "fuzz.yaml");
    } catch (const orrery::InputError&) {
        return std::nullopt;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto calibration = read(std::string(reinterpret_cast<const char*>(data), size));
    if (calibration && !read(to_yaml(*calibration))) std::abort();
    return 0;
}
