#include "profiler/execute/rank_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

namespace orrery::profiler {
namespace {

std::size_t page() {
    static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

}  // namespace

std::size_t HostPages::granularity() const {
    return page();
}

std::byte* HostPages::allocate(std::size_t bytes) {
    const int reserve = touch_ ? 0 : MAP_NORESERVE;
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | reserve, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    auto* const block = static_cast<std::byte*>(memory);
    if (touch_) {
        for (std::size_t at = 0; at < bytes; at += page()) block[at] = std::byte{1};
    }
    return block;
}

void HostPages::release(std::byte* block, std::size_t bytes) noexcept {
    ::munmap(block, bytes);
}

RankMemory::~RankMemory() {
    for (const auto& blocks : used_) {
        for (const Block& block : blocks) source_.release(block.begin, block.size);
    }
    for (const auto& [size, begin] : free_) source_.release(begin, size);
}

RankMemory::Block RankMemory::allocate(double bytes) {
    if (!(bytes < 1e15)) throw std::bad_alloc();
    const std::size_t grain = source_.granularity();
    const auto count = static_cast<std::size_t>(std::ceil(bytes));
    const std::size_t size = std::max<std::size_t>((count + grain - 1) / grain, 1) * grain;
    // A kept block that is not much too large.
    const auto kept = free_.lower_bound(size);
    if (kept != free_.end() && kept->first <= size + size / 4) {
        const Block block{kept->second, kept->first, bytes};
        free_.erase(kept);
        return block;
    }
    return {source_.allocate(size), size, bytes};
}

void RankMemory::take(std::size_t kind, double bytes) {
    if (!(bytes > 0)) return;
    if (kind >= used_.size()) used_.resize(kind + 1);
    used_[kind].push_back(allocate(bytes));
    held_ += bytes;
    peak_ = std::max(peak_, held_);
}

void RankMemory::give(std::size_t kind, double bytes) {
    if (!(bytes > 0) || kind >= used_.size()) return;
    std::vector<Block>& blocks = used_[kind];
    const auto same = std::find_if(blocks.rbegin(), blocks.rend(),
                                   [bytes](const Block& block) { return block.bytes == bytes; });
    if (same != blocks.rend()) {
        held_ -= bytes;
        keep(*same);
        blocks.erase(std::next(same).base());
        return;
    }
    while (bytes > 0 && !blocks.empty()) {
        Block& last = blocks.back();
        const double given = std::min(bytes, last.bytes);
        held_ -= given;
        bytes -= given;
        last.bytes -= given;
        if (last.bytes > 0) return;
        keep(last);
        blocks.pop_back();
    }
}

}  // namespace orrery::profiler
