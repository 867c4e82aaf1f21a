#include "sim/engine/packed_program.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace orrery::sim {
namespace {

void check_shape(const RankProgram& program, const std::string& name) {
    const std::size_t tasks = program.size();
    const bool fits = program.stream.size() == tasks && program.flags.size() == tasks &&
                      program.communicator_slot.size() == tasks && program.sequence.size() == tasks &&
                      program.dependency_begin.size() == tasks + 1 && program.dependency_begin.front() == 0 &&
                      program.dependency_begin.back() == program.dependency.size() && tasks < kNoTask;
    if (!fits) throw SimulationError(fmt::format("{}: its arrays do not have one entry per task", name));
    if (program.streams.size() > kMaximumStreams)
        throw SimulationError(fmt::format("{}: {} streams; at most {} are possible", name,
                                          program.streams.size(), kMaximumStreams));
}

[[noreturn]] void points_nowhere(const std::string& name, std::size_t task, const char* what) {
    throw SimulationError(fmt::format("{}, task {}: its {} does not exist", name, task, what));
}

}  // namespace

PackedProgram pack(const RankProgram& program, const WorkCosts& costs, const std::string& name) {
    check_shape(program, name);
    const std::size_t tasks = program.size();
    PackedProgram packed;
    packed.tasks.resize(tasks);
    packed.first_of_stream.assign(program.streams.size(), kNoTask);
    std::vector<std::uint32_t> last_of_stream(program.streams.size(), kNoTask);
    double issue = 0;

    for (std::size_t i = 0; i < tasks; ++i) {
        PackedTask& task = packed.tasks[i];
        const std::size_t stream = program.stream[i]();
        if (stream >= program.streams.size()) points_nowhere(name, i, "stream");
        if (program.work[i]() >= costs.size()) points_nowhere(name, i, "work (or its cost)");
        task.issue_s = issue;
        task.work = program.work[i].value;
        task.slot = program.communicator_slot[i];
        task.next = kNoTask;
        task.stream = static_cast<std::uint8_t>(stream);
        task.host_waits = (program.flags[i] & kHostWaits) != 0;

        const auto id = static_cast<std::uint32_t>(i);
        if (last_of_stream[stream] == kNoTask)
            packed.first_of_stream[stream] = id;
        else
            packed.tasks[last_of_stream[stream]].next = id;
        last_of_stream[stream] = id;

        issue += costs[task.work].launch_s;
        if (task.host_waits) {
            packed.host_waits.push_back(id);
            issue = 0;
        }

        const std::uint32_t begin = program.dependency_begin[i];
        const std::uint32_t end = program.dependency_begin[i + 1];
        if (begin > end || end > program.dependency.size()) points_nowhere(name, i, "list of dependencies");
        const std::size_t list = packed.dependencies.size();
        for (std::uint32_t d = begin; d < end; ++d) {
            const std::uint32_t before = program.dependency[d].value;
            if (before >= tasks) points_nowhere(name, i, "dependency");
            const std::uint32_t of_stream = program.stream[before].value;
            if (of_stream == stream && before < i) continue;
            packed.dependencies.push_back({before, of_stream});
        }
        task.first = static_cast<std::uint32_t>(list);
        task.dependencies = static_cast<std::uint32_t>(packed.dependencies.size() - list);
        if (task.dependencies == 1) {
            task.first = packed.dependencies.back().task;
            task.first_stream = static_cast<std::uint8_t>(packed.dependencies.back().stream);
            packed.dependencies.pop_back();
        }
    }
    packed.host_waits.push_back(kNoTask);
    return packed;
}

}  // namespace orrery::sim
