// study/numeric/order.hpp
//
// Orders in which a program's tasks may run: the rules of sim/program.hpp leave many, and a program must
// compute the same in all of them. Each task is taken as one moment; that an operation between ranks lasts is
// covered by orders that put it as early as possible and as late as possible.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::study::numeric {

/// A kernel or copy of one rank, or an operation with all its members' sides, in the communicator's order.
struct Event {
    std::vector<std::pair<sim::RankId, sim::TaskId>> sides;
};

/// How to choose among the events that may run. Communication is what runs on other streams than the compute
/// streams: as late as possible, that of layers first and that of data parallelism last of all.
struct OrderRule {
    enum class Kind : std::uint8_t { simulated, communication_first, communication_last, random };
    Kind kind = Kind::simulated;
    std::uint64_t seed = 0;          ///< of random
    bool last_stages_first = false;  ///< of the others; else the first stages' ranks are ahead
    [[nodiscard]] std::string name() const;
};

class Order {
  public:
    /// `timeline`: of the simulated order; without it that is the order of issue.
    Order(const sim::Program& program, const sim::Timeline* timeline, OrderRule rule);

    /// The next event, which thereby ends; none where all have, or none may begin: see waiting().
    std::optional<Event> next();
    /// Tasks at the head of their streams that have not run.
    [[nodiscard]] std::vector<std::string> waiting() const;

  private:
    struct RankState {
        std::vector<std::vector<sim::TaskId>> streams;
        std::vector<std::size_t> head;  ///< [stream] of the first that has not run
        std::vector<char> done;         ///< [task]
        std::vector<sim::TaskId> host_waits;
        std::size_t host = 0;  ///< first of them that has not run
    };

    [[nodiscard]] bool may_run(std::size_t rank, sim::TaskId task) const;
    [[nodiscard]] std::optional<sim::TaskId> head_of(std::size_t rank, std::size_t stream) const;
    [[nodiscard]] std::optional<Event> event_of(std::size_t rank, sim::TaskId task) const;
    /// Adds what may run now and has a side on the rank.
    void find_ready(std::size_t rank);
    [[nodiscard]] std::size_t choose();
    /// 0 of compute streams; of others the higher, the longer they may be put off.
    [[nodiscard]] int patience(const Event& event) const;
    [[nodiscard]] double start_of(const Event& event) const;
    void finish(const Event& event);

    const sim::Program& program_;
    const sim::Timeline* timeline_;
    OrderRule rule_;
    std::mt19937_64 random_;
    std::vector<RankState> ranks_;
    std::vector<Event> ready_;  ///< what may run stays so until it does
};

}  // namespace orrery::study::numeric
