// Recorded steps: PyTorch profiler and Chakra JSON.
#include <string_view>

#include "core/error.hpp"
#include "profiler/runs/summarize_run.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    using namespace orrery;
    for (const auto parse : {profiler::parse_kineto, profiler::parse_chakra}) {
        try {
            (void)profiler::summarize_run(parse(text, "fuzz"));
        } catch (const InputError&) {
        }
    }
    return 0;
}
