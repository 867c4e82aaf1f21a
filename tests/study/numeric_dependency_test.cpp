// Each dependency by itself: the numeric check finds its absence, unless other dependencies and the order of
// streams imply it, or it carries no data but paces a buffer.
#include "numeric_case.hpp"

namespace orrery::study::numeric {
namespace {

using parallel::DataSharding;
using parallel::Effect;
using parallel::Meaning;
using parallel::Part;
using parallel::Pass;
using parallel::Plan;
using sim::RankProgram;
using sim::TaskId;

/// Does the task wait for the other even without its dependency number `without`?
bool waits_anyway(const RankProgram& tasks, std::uint32_t task, TaskId other, std::uint32_t without) {
    std::vector<char> seen(tasks.size(), 0);
    std::vector<std::uint32_t> stack = {task};
    const auto visit = [&](std::uint32_t before) {
        if (seen[before] == 0) stack.push_back(before);
        seen[before] = 1;
    };
    while (!stack.empty()) {
        const std::uint32_t at = stack.back();
        stack.pop_back();
        for (std::uint32_t d = tasks.dependency_begin[at]; d < tasks.dependency_begin[at + 1]; ++d)
            if (d != without) visit(tasks.dependency[d]());
        for (std::uint32_t before = at; before-- > 0;) {
            const bool same_stream = tasks.stream[before] == tasks.stream[at];
            if (same_stream || (tasks.flags[before] & sim::kHostWaits) != 0) visit(before);
            if (same_stream) break;
        }
        if (seen[other()] != 0) return true;
    }
    return false;
}

bool gathers_input_again(const Meaning& task) {
    return task.effect == Effect::layer && task.pass == Pass::backward && !task.parts.empty() &&
           task.parts.front().part == Part::gather_input;
}

/// What paces: a receive waits for its buffer, a gather for its place in memory; an input that is gathered
/// again has been there since the forward, and the sum that follows it on its stream keeps the kernels behind
/// it; the embedding's backward does not read its weights.
bool carries_no_data(const sim::TaskLabel& label, const Meaning& task, const Meaning& before) {
    if (task.effect == Effect::receive || gathers_input_again(task) || gathers_input_again(before))
        return true;
    if (label.phase == sim::Phase::parameter_gather) return true;
    return task.node == 0 && before.effect == Effect::gather_weights && task.pass == Pass::backward;
}

void drop(RankProgram& tasks, std::uint32_t dependency) {
    tasks.dependency.erase(tasks.dependency.begin() + dependency);
    for (std::uint32_t& begin : tasks.dependency_begin)
        if (begin > dependency) --begin;
}

/// How many dependencies carry data between streams; each of them is missed.
int expect_each_is_missed(NumericCase one) {
    int carrying = 0;
    for (std::size_t p = 0; p < one.lowered.program.rank_programs.size(); ++p) {
        const RankProgram whole = one.lowered.program.rank_programs[p];
        const std::vector<Meaning>& meaning = one.lowered.meanings[p].tasks;
        for (std::uint32_t task = 0; task < whole.size(); ++task) {
            for (std::uint32_t d = whole.dependency_begin[task]; d < whole.dependency_begin[task + 1]; ++d) {
                const TaskId other = whole.dependency[d];
                if (waits_anyway(whole, task, other, d) ||
                    carries_no_data(whole.label[task], meaning[task], meaning[other()]))
                    continue;
                ++carrying;
                drop(one.lowered.program.rank_programs[p], d);
                EXPECT_TRUE(one.checked(1).failure)
                    << one.lowered.program.names[static_cast<std::size_t>(whole.label[task].name)]
                    << " need not wait for "
                    << one.lowered.program.names[static_cast<std::size_t>(whole.label[other()].name)];
                one.lowered.program.rank_programs[p] = whole;
            }
        }
    }
    return carrying;
}

Plan two_stages(const char* schedule, int tp, DataSharding sharding) {
    Plan plan = plan_of(schedule);
    plan.parallel.overlap_p2p = true;
    plan.parallel.pp = plan.parallel.dp = 2;
    plan.parallel.tp = tp;
    plan.parallel.sharding = sharding;
    plan.training.global_batch = 4;
    return plan;
}

TEST(NumericDependencies, EachIsMissedUnderSequenceParallelism) {
    Plan plan = two_stages("1f1b", 2, DataSharding::optimizer);
    plan.parallel.sequence_parallel = true;
    EXPECT_GT(expect_each_is_missed(lowered_case(plan, true)), 90);
}

TEST(NumericDependencies, EachIsMissedWhereTheBackwardIsSplitAndRecomputed) {
    Plan plan = two_stages("zb-h1", 2, DataSharding::none);
    plan.training.recompute = parallel::RecomputePolicy::full;
    EXPECT_GT(expect_each_is_missed(lowered_case(plan, false)), 60);
}

TEST(NumericDependencies, EachIsMissedWhereWeightsAreSharded) {
    EXPECT_GT(expect_each_is_missed(lowered_case(two_stages("1f1b", 1, DataSharding::full), false)), 20);
}

}  // namespace
}  // namespace orrery::study::numeric
