#include "profiler/execute/job.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <variant>

#include "core/error.hpp"
#include "profiler/execute/archive.hpp"

namespace orrery::profiler {

/// Text and structs, one function for both directions; of what is written `T` is const.
template <class Archive, class T>
void archive(Archive& a, T& v) {
    using Struct = std::remove_const_t<T>;
    if constexpr (std::is_same_v<Struct, std::string>) {
        a(v);
    } else if constexpr (std::is_same_v<Struct, sim::KernelSequence>) {
        a(v.kernels);
    } else if constexpr (std::is_same_v<Struct, sim::TrafficMatrix>) {
        a(v.members);
        a(v.bytes);
    } else if constexpr (std::is_same_v<Struct, sim::Group>) {
        a(v.devices);
    } else if constexpr (std::is_same_v<Struct, sim::Communicator>) {
        a(v.operations);
        a(v.members);
        a(v.name);
    } else if constexpr (std::is_same_v<Struct, sim::Rank>) {
        a(v.program);
        a(v.device);
        a(v.multiplicity);
        a(v.pipeline_device);
        a(v.communicators);
    } else if constexpr (std::is_same_v<Struct, sim::RankProgram>) {
        a(v.streams);
        a(v.stream);
        a(v.work);
        a(v.flags);
        a(v.communicator_slot);
        a(v.sequence);
        a(v.dependency_begin);
        a(v.dependency);
        a(v.label);
        a(v.memory);
        a(v.static_bytes);
    } else if constexpr (std::is_same_v<Struct, sim::Program>) {
        a(v.rank_programs);
        a(v.ranks);
        a(v.first_task);
        a(v.communicators);
        a(v.groups);
        a(v.matrices);
        a(v.works);
        a(v.names);
    } else if constexpr (std::is_same_v<Struct, PlannedRun>) {
        archive(a, v.program);
        a(v.costs);
        a(v.added_s);
        a(v.pause);
    } else if constexpr (std::is_same_v<Struct, MeasuredStep>) {
        a(v.timeline.start);
        a(v.timeline.end);
        a(v.peak_bytes);
        a(v.noticed_late_s);
        a(v.issue_s);
    } else if constexpr (std::is_same_v<Struct, RankStep>) {
        a(v.start_s);
        a(v.end_s);
        a(v.peak_bytes);
        a(v.noticed_late_s);
    } else if constexpr (std::is_same_v<Struct, Execution>) {
        a(v.steps);
        a(v.machine);
    } else {  // the repetitions of a run
        static_assert(std::is_same_v<Struct, std::vector<MeasuredStep>>);
        a(v);
    }
}

/// A work: which of its alternatives, and that.
void archive(Writer& a, const sim::Work& work) {
    a(static_cast<std::uint8_t>(work.index()));
    if (const auto* kernels = std::get_if<sim::KernelSequence>(&work)) archive(a, *kernels);
    if (const auto* collective = std::get_if<sim::Collective>(&work)) a(*collective);
    if (const auto* copy = std::get_if<sim::Copy>(&work)) a(*copy);
}

void archive(Reader& a, sim::Work& work) {
    std::uint8_t index = 0;
    a(index);
    if (index == 0) {
        archive(a, work.emplace<sim::KernelSequence>());
    } else if (index == 1) {
        a(work.emplace<sim::Collective>());
    } else {
        a(work.emplace<sim::Copy>());
    }
}

namespace {

/// Differs between builds whose structs lie differently.
constexpr std::uint64_t kMark = 0x4f72726572790000ULL + sizeof(Kernel) * 256 + sizeof(sim::TaskLabel);

template <class T>
std::string packed(const T& value) {
    Writer writer;
    writer(kMark);
    archive(writer, value);
    return std::move(writer.bytes);
}

template <class T>
T unpacked(std::string_view bytes) {
    Reader reader(bytes);
    std::uint64_t mark = 0;
    reader(mark);
    if (mark != kMark) throw std::runtime_error("an execution's processes are of different builds");
    T value;
    archive(reader, value);
    return value;
}

}  // namespace

std::string to_bytes(const Job& job) {
    Writer writer;
    writer(kMark);
    writer(job.runs);
    writer(job.options);
    return std::move(writer.bytes);
}

Job job_from(std::string_view bytes) {
    Reader reader(bytes);
    std::uint64_t mark = 0;
    reader(mark);
    if (mark != kMark) throw std::runtime_error("an execution's processes are of different builds");
    Job job;
    reader(job.runs);
    reader(job.options);
    return job;
}

std::string to_bytes(const Execution& execution) {
    return packed(execution);
}
Execution execution_from(std::string_view bytes) {
    return unpacked<Execution>(bytes);
}
std::string to_bytes(const RankStep& step) {
    return packed(step);
}
RankStep rank_step_from(std::string_view bytes) {
    return unpacked<RankStep>(bytes);
}

int ranks_of(const std::vector<PlannedRun>& runs) {
    std::size_t ranks = 0;
    for (const PlannedRun& run : runs) {
        sim::validate(run.program);
        for (const sim::Rank& rank : run.program.ranks) {
            if (rank.multiplicity != 1)
                throw ExperimentError(
                    "a folded program cannot be executed: simulate every rank (fold: false)");
        }
        if (ranks != 0 && run.program.ranks.size() != ranks)
            throw ExperimentError(fmt::format("one execution of programs of {} and of {} ranks", ranks,
                                              run.program.ranks.size()));
        ranks = run.program.ranks.size();
    }
    return static_cast<int>(ranks);
}

}  // namespace orrery::profiler
