#include "core/huge_pages.hpp"

#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace orrery {

void prefer_huge_pages([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes) {
#ifdef __linux__
    constexpr std::size_t kHugePage = std::size_t{2} << 20U;
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    const std::size_t skipped = (kHugePage - address % kHugePage) % kHugePage;
    if (bytes < skipped + kHugePage) return;
    madvise(static_cast<char*>(begin) + skipped, (bytes - skipped) / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
}

}  // namespace orrery
