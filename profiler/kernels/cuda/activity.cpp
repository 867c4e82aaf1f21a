// CUPTI's activity records of kernels and memory sets.
#include "profiler/kernels/cuda/observe.hpp"

#ifdef ORRERY_HAVE_CUPTI
#include <cupti.h>

#include <cstdlib>
#include <mutex>
#endif

namespace orrery::profiler::cuda {

#ifdef ORRERY_HAVE_CUPTI
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::size_t kAlignment = 8;  // CUPTI: ACTIVITY_RECORD_ALIGNMENT

// CUPTI calls back from its own thread with nothing but the buffer, so what it found is kept here.
std::mutex found_mutex;
Backend::Activity found;

void CUPTIAPI give_buffer(std::uint8_t** buffer, std::size_t* size, std::size_t* most_records) {
    *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(kAlignment, kBufferBytes));
    *size = *buffer == nullptr ? 0 : kBufferBytes;
    *most_records = 0;
}

void take(const CUpti_Activity* record) {
    const std::lock_guard lock(found_mutex);
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
        const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel10*>(record);
        found.kernels.emplace_back(kernel->name == nullptr ? "" : kernel->name);
        found.kernel_s += static_cast<double>(kernel->end - kernel->start) * 1e-9;
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
        const auto* memset = reinterpret_cast<const CUpti_ActivityMemset4*>(record);
        found.kernels.emplace_back("memset");
        found.kernel_s += static_cast<double>(memset->end - memset->start) * 1e-9;
    }
}

void CUPTIAPI take_buffer(CUcontext /*context*/, std::uint32_t /*stream*/, std::uint8_t* buffer,
                          std::size_t /*size*/, std::size_t valid) {
    CUpti_Activity* record = nullptr;
    while (valid > 0 && cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) take(record);
    std::free(buffer);
}

constexpr CUpti_ActivityKind kKinds[] = {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMSET};

bool registered() {
    static const bool done = cuptiActivityRegisterCallbacks(give_buffer, take_buffer) == CUPTI_SUCCESS;
    return done;
}

}  // namespace

Backend::Activity record_activity(const std::function<void()>& work) {
    if (!registered()) return {};
    {
        const std::lock_guard lock(found_mutex);
        found = {};
    }
    bool enabled = true;
    for (const CUpti_ActivityKind kind : kKinds)
        enabled = enabled && cuptiActivityEnable(kind) == CUPTI_SUCCESS;
    if (enabled) work();
    const bool flushed = cuptiActivityFlushAll(0) == CUPTI_SUCCESS;
    for (const CUpti_ActivityKind kind : kKinds) (void)cuptiActivityDisable(kind);
    if (!enabled || !flushed) return {};
    const std::lock_guard lock(found_mutex);
    return found;
}
#else
Backend::Activity record_activity(const std::function<void()>& /*work*/) {
    return {};
}
#endif

}  // namespace orrery::profiler::cuda
