#include "profiler/execute/microbenchmarks.hpp"

#include <algorithm>
#include <map>
#include <variant>

namespace orrery::profiler {
namespace {

constexpr int kRounds = 9;
/// The pause of the late member: long enough for all others to wait when it ends.
constexpr double kLate = 2e-3;
/// Streams of a benchmark's rank.
constexpr std::size_t kCompute = 0;
constexpr std::size_t kOperations = 1;

class BenchmarkBuilder {
  public:
    BenchmarkBuilder(const sim::Program& program, const sim::WorkCosts& costs, bool kernels)
        : program_(program) {
        out_.program.works = program.works;
        out_.program.groups = program.groups;
        out_.program.matrices = program.matrices;
        out_.program.names = {"microbenchmark"};
        out_.costs = costs;
        late_ = out_.pause = sim::WorkId(out_.program.works.size());
        out_.program.works.emplace_back(sim::KernelSequence{});
        out_.costs.push_back({kLate, 0, kLate});
        for (std::size_t r = 0; r < program.ranks.size(); ++r) add_rank(sim::RankId(r));
        if (kernels) add_kernels();
        add_collectives();
        finish();
    }

    PlannedRun take() { return std::move(out_); }

  private:
    sim::RankProgram& tasks(sim::RankId rank) { return out_.program.rank_programs[rank()]; }

    void add_rank(sim::RankId id) {
        sim::Rank rank = program_.ranks[id()];
        rank.program = id.value;
        rank.communicators.clear();
        out_.program.ranks.push_back(std::move(rank));
        sim::RankProgram& list = out_.program.rank_programs.emplace_back();
        list.streams = {{sim::StreamKind::compute, -1}, {sim::StreamKind::tp, -1}};
        list.dependency_begin.push_back(0);
    }

    sim::TaskId add(sim::RankId rank, std::size_t stream, sim::WorkId work, std::uint32_t slot,
                    std::uint32_t sequence, sim::TaskId after) {
        sim::RankProgram& list = tasks(rank);
        list.stream.emplace_back(stream);
        list.work.push_back(work);
        list.flags.push_back(0);
        list.communicator_slot.push_back(slot);
        list.sequence.push_back(sequence);
        if (after) list.dependency.push_back(after);
        list.dependency_begin.push_back(static_cast<std::uint32_t>(list.dependency.size()));
        list.label.emplace_back();
        return sim::TaskId(list.size() - 1);
    }

    /// Round by round, so that no work finds its operands in the cache because it has just run.
    void add_kernels() {
        for (std::size_t r = 0; r < program_.ranks.size(); ++r) {
            std::vector<sim::WorkId> works = program_.program_of(sim::RankId(r)).work;
            std::sort(works.begin(), works.end());
            works.erase(std::unique(works.begin(), works.end()), works.end());
            for (int round = 0; round < kRounds; ++round) {
                for (const sim::WorkId work : works) {
                    if (!std::holds_alternative<sim::Collective>(program_.works[work()]))
                        add(sim::RankId(r), kCompute, work, sim::kNoCommunicator, 0, {});
                }
            }
        }
    }

    /// The first communicator that performs each collective.
    [[nodiscard]] std::map<std::uint32_t, sim::CommunicatorId> where_performed() const {
        std::map<std::uint32_t, sim::CommunicatorId> first;
        for (const sim::Rank& rank : program_.ranks) {
            const sim::RankProgram& list = program_.rank_programs[rank.program];
            for (std::size_t task = 0; task < list.size(); ++task) {
                if (list.communicator_slot[task] != sim::kNoCommunicator)
                    first.emplace(list.work[task].value, rank.communicators[list.communicator_slot[task]]);
            }
        }
        return first;
    }

    void add_collectives() {
        for (const auto& [work, performed_by] : where_performed()) {
            const std::vector<sim::RankId>& members = program_.communicators[performed_by()].members;
            const sim::CommunicatorId id = communicator(performed_by);
            std::uint32_t& operations = out_.program.communicators[id()].operations;
            for (int round = 0; round < kRounds; ++round, ++operations) {
                for (const sim::RankId member : members) {
                    sim::TaskId after = last_operation_[member()];
                    if (member == members.front())
                        after = add(member, kCompute, late_, sim::kNoCommunicator, 0, after);
                    const auto& slots = out_.program.ranks[member()].communicators;
                    const auto slot = std::find(slots.begin(), slots.end(), id) - slots.begin();
                    last_operation_[member()] =
                        add(member, kOperations, sim::WorkId(static_cast<std::size_t>(work)),
                            static_cast<std::uint32_t>(slot), operations, after);
                }
            }
        }
    }

    /// Ours for one of the program's, made when it is first needed.
    sim::CommunicatorId communicator(sim::CommunicatorId theirs) {
        const auto [found, added] = ours_.emplace(theirs, out_.program.communicators.size());
        const sim::CommunicatorId id = found->second;
        if (!added) return id;
        sim::Communicator copy = program_.communicators[theirs()];
        copy.operations = 0;
        for (const sim::RankId member : copy.members)
            out_.program.ranks[member()].communicators.push_back(id);
        out_.program.communicators.push_back(std::move(copy));
        return id;
    }

    void finish() {
        out_.program.first_task = {0};
        for (const sim::RankProgram& list : out_.program.rank_programs)
            out_.program.first_task.push_back(out_.program.first_task.back() + list.size());
    }

    const sim::Program& program_;
    PlannedRun out_;
    sim::WorkId late_;
    std::map<sim::CommunicatorId, sim::CommunicatorId> ours_;
    std::vector<sim::TaskId> last_operation_ = std::vector<sim::TaskId>(program_.ranks.size());
};

/// The value that so large a part of the others lies below: 0.5 is the median.
double quantile(std::vector<double> values, double part) {
    const auto place =
        values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size()));
    std::nth_element(values.begin(), place, values.end());
    return *place;
}

/// A host that is far ahead of the device stands at a full queue: that is no part of issuing.
constexpr double kUnhindered = 0.25;

/// An operation: its communicator and number.
using Operation = std::pair<sim::CommunicatorId, std::uint32_t>;

/// When the work that makes the first member late ended, before each operation.
std::map<Operation, double> late_ends(const sim::Program& program, const sim::Timeline& timeline) {
    std::map<Operation, double> ends;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.rank_programs[r];
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            if (tasks.communicator_slot[t] == sim::kNoCommunicator) continue;
            const sim::CommunicatorId id = program.ranks[r].communicators[tasks.communicator_slot[t]];
            if (program.communicators[id()].members.front() != sim::RankId(r)) continue;
            const sim::TaskId late = tasks.dependencies(sim::TaskId(t)).back();
            ends[{id, tasks.sequence[t]}] = timeline.end[program.first_task[r] + late()];
        }
    }
    return ends;
}

/// What each work took: [work][measurement].
struct Seen {
    std::vector<std::vector<double>> duration_s;
    std::vector<std::vector<double>> issue_s;  ///< empty where it was not measured
};

/// Adds what the step shows.
void collect(const sim::Program& program, const MeasuredStep& step, Seen& seen) {
    const sim::Timeline& timeline = step.timeline;
    const std::map<Operation, double> begun = late_ends(program, timeline);
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.rank_programs[r];
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            const std::size_t work = tasks.work[t]();
            if (work >= seen.duration_s.size()) continue;  // the late member's own
            const std::uint64_t at = program.first_task[r] + t;
            const std::uint32_t slot = tasks.communicator_slot[t];
            const double begin = slot == sim::kNoCommunicator
                                     ? timeline.start[at]
                                     : begun.at({program.ranks[r].communicators[slot], tasks.sequence[t]});
            seen.duration_s[work].push_back(timeline.end[at] - begin);
            if (!step.issue_s.empty()) seen.issue_s[work].push_back(step.issue_s[at]);
        }
    }
}

/// Kernels that a work launches.
double launches(const sim::Work& work) {
    const auto* sequence = std::get_if<sim::KernelSequence>(&work);
    if (sequence == nullptr) return 1;
    const auto count = std::count_if(sequence->kernels.begin(), sequence->kernels.end(),
                                     [](const Kernel& k) { return k.kind != KernelKind::host_only; });
    return std::max(static_cast<double>(count), 1.0);
}

/// The formula of sim/cost/work_cost.hpp for so many kernels that are alike.
double issue_to_end(double launch_s, double duration_s, double kernels) {
    return std::max(launch_s + duration_s / kernels, launch_s / kernels + duration_s);
}

}  // namespace

PlannedRun microbenchmarks(const sim::Program& program, const sim::WorkCosts& costs,
                           const ExecuteOptions& options) {
    return BenchmarkBuilder(program, costs, !options.emulate_compute).take();
}

sim::WorkCosts measured_costs(const PlannedRun& benchmarks, const std::vector<MeasuredStep>& steps,
                              sim::WorkCosts costs, const ExecuteOptions& options) {
    const sim::Program& program = benchmarks.program;
    Seen seen{std::vector<std::vector<double>>(costs.size()), std::vector<std::vector<double>>(costs.size())};
    for (const MeasuredStep& step : steps) collect(program, step, seen);
    for (std::size_t work = 0; work < costs.size(); ++work) {
        sim::WorkCost& cost = costs[work];
        if (!seen.duration_s[work].empty())
            cost.duration_s = std::max(quantile(std::move(seen.duration_s[work]), 0.5), 0.0);
        const bool collective = std::holds_alternative<sim::Collective>(program.works[work]);
        if (!options.emulate_compute) cost.launch_s = 0;
        if (!seen.issue_s[work].empty())
            cost.launch_s = std::max(quantile(std::move(seen.issue_s[work]), kUnhindered), 0.0);
        if (collective || !options.emulate_compute)
            cost.issue_to_end_s = issue_to_end(options.emulate_compute ? 0 : cost.launch_s, cost.duration_s,
                                               launches(program.works[work]));
    }
    return costs;
}

}  // namespace orrery::profiler
