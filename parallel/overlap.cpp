#include "parallel/overlap.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace orrery::parallel {
namespace {

using namespace sim;

/// Where the parts of the tasks [begin, end) begin.
std::vector<std::uint32_t> parts(const RankProgram& program, std::uint32_t begin, std::uint32_t end) {
    std::vector<std::uint32_t> begins = {begin};
    const auto kind = [&](std::uint32_t task) { return program.streams[program.stream[task]()].kind; };
    for (std::uint32_t task = begin + 1; task < end; ++task) {
        if (kind(task) != StreamKind::compute) continue;
        const auto before = program.dependencies(TaskId(task));
        const bool waits = std::any_of(before.begin(), before.end(), [&](TaskId other) {
            return other() >= begin && other() < task && kind(other.value) != StreamKind::compute;
        });
        if (waits) begins.push_back(task);
    }
    begins.push_back(end);
    return begins;
}

/// Puts a unit's tasks in their new order.
class Turns {
  public:
    Turns(const RankProgram& program, const UnitBounds& bounds, std::vector<std::uint32_t>& order)
        : program_(program), first_(bounds.front()), last_(bounds.back()), order_(order) {
        for (std::size_t i = 0; i + 1 < bounds.size(); ++i)
            actions_.push_back({parts(program, bounds[i], bounds[i + 1])});
        placed_.assign(last_ - first_, 0);
    }

    void run() {
        for (bool any = true; any;) {
            any = false;
            for (Action& action : actions_) {
                if (action.next + 1 >= action.begins.size() || !ready(action)) continue;
                place(action);
                any = true;
            }
        }
    }

  private:
    struct Action {
        std::vector<std::uint32_t> begins;  ///< of its parts, and its end
        std::size_t next = 0;               ///< part
    };

    /// Does its next part depend on nothing that an earlier action of the unit has yet to issue? Gathers of
    /// sharded parameters do where they wait for a place in memory.
    [[nodiscard]] bool ready(const Action& action) const {
        const std::uint32_t begin = action.begins[action.next];
        for (std::uint32_t task = begin; task < action.begins[action.next + 1]; ++task)
            for (const TaskId other : program_.dependencies(TaskId(task)))
                if (other() >= first_ && other() < begin && placed_[other() - first_] == 0) return false;
        return true;
    }

    void place(Action& action) {
        for (std::uint32_t task = action.begins[action.next]; task < action.begins[action.next + 1]; ++task) {
            placed_[task - first_] = 1;
            order_.push_back(task);
        }
        ++action.next;
    }

    const RankProgram& program_;
    std::uint32_t first_, last_;
    std::vector<Action> actions_;
    std::vector<char> placed_;
    std::vector<std::uint32_t>& order_;
};

void number_operations(RankProgram& program) {
    std::vector<std::uint32_t> operations;
    for (std::size_t task = 0; task < program.size(); ++task) {
        const std::uint32_t slot = program.communicator_slot[task];
        if (slot == kNoCommunicator) continue;
        if (slot >= operations.size()) operations.resize(slot + 1, 0);
        program.sequence[task] = operations[slot]++;
    }
}

void reorder(RankProgram& program, const std::vector<std::uint32_t>& order) {
    std::vector<std::uint32_t> place(order.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) place[order[i]] = i;
    std::vector<std::uint32_t> begin = {0};
    std::vector<TaskId> dependency;
    for (const std::uint32_t task : order) {
        for (const TaskId other : program.dependencies(TaskId(task)))
            dependency.push_back(TaskId(place[other()]));
        begin.push_back(static_cast<std::uint32_t>(dependency.size()));
    }
    program.dependency_begin = std::move(begin);
    program.dependency = std::move(dependency);
    program.stream = in_order(program.stream, order);
    program.work = in_order(program.work, order);
    program.flags = in_order(program.flags, order);
    program.communicator_slot = in_order(program.communicator_slot, order);
    program.label = in_order(program.label, order);
    for (MemoryEvent& event : program.memory) event.task = TaskId(place[event.task()]);
    number_operations(program);
}

}  // namespace

std::vector<std::uint32_t> overlap_units(RankProgram& program, const std::vector<UnitBounds>& units) {
    if (units.empty()) return {};
    std::vector<std::uint32_t> order;
    order.reserve(program.size());
    const auto copy_to = [&](std::size_t end) {
        while (order.size() < end) order.push_back(static_cast<std::uint32_t>(order.size()));
    };
    for (const UnitBounds& bounds : units) {
        copy_to(bounds.front());
        Turns(program, bounds, order).run();
    }
    copy_to(program.size());
    reorder(program, order);
    return order;
}

}  // namespace orrery::parallel
