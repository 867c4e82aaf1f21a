#include "sim/engine/packed_program.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/huge_pages.hpp"

namespace orrery::sim {
namespace {

/// Appends one rank program.
class Packing {
  public:
    Packing(PackedPrograms& p, const RankProgram& r, const WorkCosts& c, std::size_t first_task)
        : packed(p),
          program(r),
          costs(c),
          tasks(p.tasks.data() + first_task),
          last(r.streams.size(), kNoTask) {
        range = {first_task, packed.first_of_stream.size(), program.streams.size(), packed.host_waits.size(),
                 0};
        packed.first_of_stream.resize(range.stream + range.streams, kNoTask);
    }

    void run() {
        for (std::uint32_t i = 0; i < program.size(); ++i) {
            tasks[i].work = program.work[i].value;
            tasks[i].slot = program.communicator_slot[i];
            link(i);
            issue(i);
            depend(i);
        }
        packed.host_waits.push_back(kNoTask);
        range.segments = packed.host_waits.size() - range.host_wait;
        packed.range.push_back(range);
    }

  private:
    void link(std::uint32_t i) {
        const std::size_t stream = program.stream[i]();
        tasks[i].stream = static_cast<std::uint8_t>(stream);
        tasks[i].next = kNoTask;
        (last[stream] == kNoTask ? packed.first_of_stream[range.stream + stream] : tasks[last[stream]].next) =
            i;
        last[stream] = i;
    }

    void issue(std::uint32_t i) {
        tasks[i].issue_s = issue_s;
        issue_s += costs[tasks[i].work].launch_s;
        tasks[i].host_waits = (program.flags[i] & kHostWaits) != 0;
        if (!tasks[i].host_waits) return;
        packed.host_waits.push_back(i);
        issue_s = 0;
    }

    void depend(std::uint32_t i) {
        const std::size_t list = packed.dependencies.size();
        for (const TaskId before : program.dependencies(TaskId(i))) {
            const StreamId stream = program.stream[before()];
            if (stream == program.stream[i] && before.value < i) continue;
            packed.dependencies.push_back({before.value, stream.value});
        }
        PackedTask& task = tasks[i];
        task.first = static_cast<std::uint32_t>(list);
        task.dependencies = static_cast<std::uint32_t>(packed.dependencies.size() - list);
        if (task.dependencies != 1) return;
        task.first = packed.dependencies.back().task;
        task.first_stream = static_cast<std::uint8_t>(packed.dependencies.back().stream);
        packed.dependencies.pop_back();
    }

    PackedPrograms& packed;
    const RankProgram& program;
    const WorkCosts& costs;
    PackedTask* tasks;
    std::vector<std::uint32_t> last;  ///< [stream]
    PackedRange range;
    double issue_s = 0;
};

}  // namespace

PackedPrograms pack(const Program& program, const WorkCosts& costs) {
    if (costs.size() < program.works.size())
        throw SimulationError(fmt::format("the program has {} works, but {} costs are given",
                                          program.works.size(), costs.size()));
    std::size_t tasks = 0;
    for (const RankProgram& rank_program : program.rank_programs) tasks += rank_program.size();
    PackedPrograms packed;
    packed.tasks = make_large_vector<PackedTask>(tasks);
    std::size_t first_task = 0;
    for (const RankProgram& rank_program : program.rank_programs) {
        Packing(packed, rank_program, costs, first_task).run();
        first_task += rank_program.size();
    }
    if (packed.dependencies.size() >= kNoTask) throw SimulationError("the program has too many dependencies");
    return packed;
}

}  // namespace orrery::sim
