// Output of nccl-tests.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "profiler/nccl_tests.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace orrery;
    try {
        const auto sweeps = profiler::read_nccl_tests({reinterpret_cast<const char*>(data), size}, "fuzzed");
        for (const auto& sample :
             profiler::samples_of(sweeps, "fuzzed", sim::CollectiveKind::all_gather, "network"))
            if (!(sample.bytes > 0 && sample.time_s > 0 && std::isfinite(sample.time_s)) || sample.gpus < 1 ||
                sample.nodes < 1 || sample.gpus_per_process() < 1)
                std::abort();
    } catch (const InputError&) {
    }
    return 0;
}
