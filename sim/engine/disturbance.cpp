#include "sim/engine/disturbance.hpp"

#include <cmath>
#include <map>
#include <numbers>

namespace orrery::sim {
namespace {

/// splitmix64 (Steele, Lea, Flood 2014): a well mixed word for every word.
std::uint64_t mixed(std::uint64_t word) {
    word += 0x9e3779b97f4a7c15ULL;
    word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ (word >> 27U)) * 0x94d049bb133111ebULL;
    return word ^ (word >> 31U);
}

/// In (0, 1): the middle of one of 2^53 equal parts.
double uniform(std::uint64_t word) {
    return (static_cast<double>(word >> 11U) + 0.5) * 0x1p-53;
}

/// Standard normal by Box and Muller 1958.
double normal(std::uint64_t seed, std::uint64_t index) {
    const std::uint64_t word = mixed(seed ^ mixed(index));
    const double radius = std::sqrt(-2 * std::log(uniform(word)));
    return radius * std::cos(2 * std::numbers::pi * uniform(mixed(word)));
}

}  // namespace

KernelDelay::KernelDelay(const Program& program, const Disturbances& disturbances)
    : deviation(disturbances.jitter.deviation), seed(disturbances.jitter.seed) {
    if (disturbances.stragglers.empty()) return;
    std::map<std::uint32_t, double> of_device;
    for (const Straggler& straggler : disturbances.stragglers)
        of_device.emplace(straggler.device, 1).first->second *= straggler.slowdown;
    slowdown.assign(program.ranks.size(), 1);
    for (std::size_t r = 0; r < program.ranks.size(); ++r)
        if (const auto found = of_device.find(program.ranks[r].device); found != of_device.end())
            slowdown[r] = found->second;
}

double KernelDelay::added_s(std::uint32_t rank, std::uint64_t global_task, double duration_s) const {
    double factor = slowdown.empty() ? 1 : slowdown[rank];
    if (deviation > 0) factor *= std::exp(deviation * normal(seed, global_task) - deviation * deviation / 2);
    return (factor - 1) * duration_s;
}

std::vector<double> kernel_stretch(const Program& program, const WorkCosts& costs,
                                   const Disturbances& disturbances) {
    const KernelDelay delay(program, disturbances);
    if (!delay.any()) return {};
    std::vector<bool> kernel;
    for (const Work& work : program.works) kernel.push_back(std::holds_alternative<KernelSequence>(work));
    std::vector<double> stretch(program.tasks(), 0);
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const RankProgram& tasks = program.program_of(RankId(r));
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const std::uint64_t task = program.first_task[r] + i;
            const std::size_t work = tasks.work[i]();
            if (kernel[work] && tasks.communicator_slot[i] == kNoCommunicator)
                stretch[task] = delay.added_s(static_cast<std::uint32_t>(r), task, costs[work].duration_s);
        }
    }
    return stretch;
}

}  // namespace orrery::sim
