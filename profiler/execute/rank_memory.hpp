// profiler/execute/rank_memory.hpp
//
// A rank's memory, really allocated: a block of the operating system's, or a GPU's, for each taking. Blocks
// that are given back are kept and handed out again, as training frameworks do, so that a second step finds
// its pages. Where memory is only reserved, its pages are never touched and cost nothing but address space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace orrery::profiler {

/// Where blocks come from.
class MemorySource {
  public:
    MemorySource() = default;
    virtual ~MemorySource() = default;
    MemorySource(const MemorySource&) = delete;
    MemorySource& operator=(const MemorySource&) = delete;

    /// Sizes are multiples of this.
    [[nodiscard]] virtual std::size_t granularity() const = 0;
    /// Throws std::bad_alloc when there is no more.
    virtual std::byte* allocate(std::size_t bytes) = 0;
    virtual void release(std::byte* block, std::size_t bytes) noexcept = 0;
};

/// Pages of the operating system.
class HostPages final : public MemorySource {
  public:
    /// `touch`: the pages of a new block are written once.
    explicit HostPages(bool touch) : touch_(touch) {}
    [[nodiscard]] std::size_t granularity() const override;
    std::byte* allocate(std::size_t bytes) override;
    void release(std::byte* block, std::size_t bytes) noexcept override;

  private:
    bool touch_;
};

class RankMemory {
  public:
    /// The source outlives it.
    explicit RankMemory(MemorySource& source) : source_(source) {}
    ~RankMemory();
    RankMemory(const RankMemory&) = delete;
    RankMemory& operator=(const RankMemory&) = delete;

    /// Throws std::bad_alloc when the source has no more. `kind`: what it is for; takings and
    /// givings of one kind belong together.
    void take(std::size_t kind, double bytes);
    /// Gives back blocks of the kind, the most recent of that size if there is one; otherwise as many of the
    /// most recent ones as the bytes cover, the last one in part.
    void give(std::size_t kind, double bytes);

    [[nodiscard]] double held() const { return held_; }
    [[nodiscard]] double peak() const { return peak_; }
    /// Forgets the peak: the next step's begins at what is held.
    void begin_step() { peak_ = held_; }

  private:
    struct Block {
        std::byte* begin = nullptr;
        std::size_t size = 0;  ///< of the block, a multiple of the granularity
        double bytes = 0;      ///< in use
    };

    Block allocate(double bytes);
    void keep(const Block& block) { free_.emplace(block.size, block.begin); }

    MemorySource& source_;
    double held_ = 0;
    double peak_ = 0;
    std::vector<std::vector<Block>> used_;         ///< [kind]
    std::multimap<std::size_t, std::byte*> free_;  ///< by size
};

}  // namespace orrery::profiler
