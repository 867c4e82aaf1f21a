#include "parallel/program_builder.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "core/error.hpp"
#include "parallel/expert/expert_groups.hpp"

namespace orrery::parallel {
namespace {

using namespace sim;

void mix(std::size_t& seed, std::size_t value) {
    seed ^= value + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2);
}
void mix(std::size_t& seed, double value) {
    mix(seed, static_cast<std::size_t>(std::bit_cast<std::uint64_t>(value)));
}

std::size_t hash_of(const Work& work) {
    std::size_t seed = work.index();
    if (const auto* sequence = std::get_if<KernelSequence>(&work)) {
        for (const Kernel& k : sequence->kernels) {
            for (std::int64_t v : {k.batch, k.m, k.n, k.k, k.heads}) mix(seed, static_cast<std::size_t>(v));
            mix(seed, k.bytes);
            mix(seed, k.host_operations);
        }
    } else if (const auto* collective = std::get_if<Collective>(&work)) {
        mix(seed, static_cast<std::size_t>(collective->kind));
        mix(seed, collective->bytes);
        mix(seed, static_cast<std::size_t>(collective->group));
        mix(seed, static_cast<std::size_t>(collective->matrix));
    } else {
        mix(seed, std::get<Copy>(work).bytes);
    }
    return seed;
}

}  // namespace

std::uint32_t device_of(const Parallelism& p, const Coordinates& c) {
    return static_cast<std::uint32_t>(c.tp + p.tp * (c.cp + p.cp * (c.dp + p.dp * c.pp)));
}

WorkId Interner::work(Work work) {
    const std::size_t hash = hash_of(work);
    const auto [begin, end] = work_index_.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
        if (works[it->second] == work) return WorkId(it->second);
    }
    works.push_back(std::move(work));
    work_index_.emplace(hash, static_cast<std::uint32_t>(works.size() - 1));
    return WorkId(works.size() - 1);
}

std::int32_t Interner::name(const std::string& name) {
    const auto [it, fresh] = name_index_.emplace(name, static_cast<std::int32_t>(names.size()));
    if (fresh) names.push_back(name);
    return it->second;
}

std::uint32_t Interner::group(std::vector<std::uint32_t> devices) {
    const auto [it, fresh] = group_index_.emplace(devices, static_cast<std::uint32_t>(groups.size()));
    if (fresh) groups.push_back({std::move(devices)});
    return it->second;
}

std::uint32_t Interner::matrix(TrafficMatrix matrix) {
    const auto same = std::ranges::find(matrices, matrix);
    if (same == matrices.end()) {
        matrices.push_back(std::move(matrix));
        return static_cast<std::uint32_t>(matrices.size() - 1);
    }
    return static_cast<std::uint32_t>(same - matrices.begin());
}

StreamId RankBuilder::stream(StreamKind kind, int peer, int channel) {
    const auto [it, fresh] =
        streams_.emplace(std::tuple(kind, peer, channel), StreamId(program.streams.size()));
    if (fresh) program.streams.push_back({kind, static_cast<std::int16_t>(peer)});
    return it->second;
}

std::uint32_t RankBuilder::slot(const Role& role) {
    const auto it = std::find(roles.begin(), roles.end(), role);
    if (it != roles.end()) return static_cast<std::uint32_t>(it - roles.begin());
    roles.push_back(role);
    operations.push_back(0);
    return static_cast<std::uint32_t>(roles.size() - 1);
}

TaskId RankBuilder::add(StreamId stream, WorkId work, const TaskLabel& label,
                        std::initializer_list<TaskId> dependencies, std::uint8_t flags) {
    if (program.dependency_begin.empty()) program.dependency_begin.push_back(0);
    program.stream.push_back(stream);
    program.work.push_back(work);
    program.flags.push_back(flags);
    program.communicator_slot.push_back(kNoCommunicator);
    program.sequence.push_back(0);
    program.label.push_back(label);
    program.dependency_begin.push_back(static_cast<std::uint32_t>(program.dependency.size()));
    for (TaskId d : dependencies) depend(d);
    return last();
}

TaskId RankBuilder::add_operation(StreamId stream, WorkId work, std::uint32_t slot, const TaskLabel& label,
                                  std::initializer_list<TaskId> dependencies, std::uint8_t flags) {
    const TaskId task = add(stream, work, label, dependencies, flags);
    program.communicator_slot.back() = slot;
    program.sequence.back() = operations[slot]++;
    return task;
}

void RankBuilder::depend(TaskId dependency) {
    if (!dependency) return;
    program.dependency.push_back(dependency);
    program.dependency_begin.back() = static_cast<std::uint32_t>(program.dependency.size());
}

void RankBuilder::finish() {
    if (program.dependency_begin.empty()) program.dependency_begin.push_back(0);
    const std::vector<std::uint32_t> order = overlap_units(program, units_);
    if (records_meaning) {
        meaning.tasks.resize(program.size());
        if (!order.empty()) meaning.tasks = in_order(meaning.tasks, order);
    }
    sort_memory();
    if (keep_weights_through_units()) sort_memory();
}

bool RankBuilder::keep_weights_through_units() {
    bool any = false;
    for (const UnitBounds& bounds : units_) {
        const auto is_compute = [&](std::uint32_t task) {
            return program.streams[program.stream[task]()].kind == StreamKind::compute;
        };
        std::uint32_t last = bounds.back() - 1;
        while (last > bounds.front() && !is_compute(last)) --last;
        auto event = std::ranges::lower_bound(program.memory, TaskId(bounds.front()), {}, &MemoryEvent::task);
        for (; event != program.memory.end() && event->task() < bounds.back(); ++event) {
            if (event->kind != MemoryKind::parameters || event->bytes >= 0) continue;
            event->task = TaskId(last);
            any = true;
        }
    }
    return any;
}

void RankBuilder::sort_memory() {
    std::vector<std::uint32_t> order(program.memory.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return program.memory[a].task < program.memory[b].task;
    });
    program.memory = in_order(program.memory, order);
    if (records_meaning) meaning.freed = in_order(meaning.freed, order);
}

void RankBuilder::memory(TaskId task, MemoryKind kind, double bytes, Freed freed) {
    if (bytes == 0) return;
    program.memory.push_back({task, kind, bytes});
    if (records_meaning) meaning.freed.push_back(std::move(freed));
}

void RankBuilder::mean(Meaning what) {
    if (!records_meaning) return;
    meaning.tasks.resize(program.size());
    std::vector<Kept> kept = std::move(meaning.tasks.back().kept);
    meaning.tasks.back() = std::move(what);
    meaning.tasks.back().kept = std::move(kept);
}

void RankBuilder::keep(TaskId task, const Kept& kept) {
    if (!records_meaning) return;
    meaning.tasks.resize(program.size());
    meaning.tasks[task()].kept.push_back(kept);
}

namespace {

/// The communicator that the rank at `c` uses for `role`, as a key: the coordinates its members share.
struct CommunicatorKey {
    Role role;
    int tp = -1;
    int cp = -1;
    int dp = -1;
    int pp = -1;
    auto operator<=>(const CommunicatorKey&) const = default;
};

CommunicatorKey key_of(const Role& role, const Coordinates& c, const Parallelism& p, int inner) {
    const ExpertCoordinates e = expert_coordinates(p, c.tp + p.tp * (c.cp + p.cp * c.dp));
    switch (role.kind) {
        case RoleKind::tp:
            return {role, -1, c.cp, c.dp, c.pp};
        case RoleKind::cp:
            return {role, c.tp, -1, c.dp, c.pp};
        case RoleKind::dp:
            return {role, c.tp, -1, -1, c.pp};
        case RoleKind::dp_inner:
            return {role, c.tp, -1, (c.dp * p.cp + c.cp) / inner, c.pp};
        case RoleKind::dp_outer:
            return {role, c.tp, -1, (c.dp * p.cp + c.cp) % inner, c.pp};
        case RoleKind::ep:
            return {role, e.etp, -1, e.copy, c.pp};
        case RoleKind::etp:
            return {role, -1, e.ep, e.copy, c.pp};
        case RoleKind::expert_dp:
            return {role, e.etp, e.ep, -1, c.pp};
        case RoleKind::replica_dp:
            return {role, c.tp, -1, -1, -1};
        case RoleKind::replica_expert_dp:
            return {role, e.etp, e.ep, -1, -1};
        case RoleKind::replica:
        case RoleKind::tied_embedding:
        case RoleKind::pipeline:
        case RoleKind::eviction:
            return {role, c.tp, c.cp, c.dp, -1};
    }
    return {};
}

std::string name_of(const Role& role, const CommunicatorKey& key) {
    const auto of_stage = [&](const char* group) {
        return std::string(group) + " group of stage " + std::to_string(key.pp);
    };
    switch (role.kind) {
        case RoleKind::tp:
            return of_stage("tp");
        case RoleKind::cp:
            return of_stage("cp");
        case RoleKind::dp:
        case RoleKind::dp_inner:
        case RoleKind::dp_outer:
            return of_stage("dp");
        case RoleKind::ep:
            return of_stage("ep");
        case RoleKind::etp:
            return of_stage("expert tp");
        case RoleKind::expert_dp:
            return of_stage("expert dp");
        case RoleKind::replica:
        case RoleKind::replica_dp:
        case RoleKind::replica_expert_dp:
            return "replicas of stage " + std::to_string(role.from);
        case RoleKind::tied_embedding:
            return "embedding group";
        case RoleKind::eviction:
            return (role.channel == 0 ? "evictions " : "loads ") + std::to_string(role.from) + "->" +
                   std::to_string(role.to);
        case RoleKind::pipeline:
            return "pipeline " + std::to_string(role.from) + "->" + std::to_string(role.to) +
                   (role.channel % 2 == 0 ? " activations" : " gradients");
    }
    return "";
}

/// The ranks of a pipeline device that are simulated, by their number among its tp x cp x dp.
std::vector<int> simulated_ranks(const Parallelism& p, int variants, bool fold) {
    std::vector<int> ranks;
    if (fold && variants == 1) return {0};
    const bool to_group = fold && folds_to_expert_group(p);
    const int step = to_group ? p.expert_tp() : 1;
    const int end = to_group ? p.expert_tp() * p.ep : p.tp * p.cp * p.dp;
    for (int r = 0; r < end; r += step) ranks.push_back(r);
    return ranks;
}

Coordinates coordinates_of(const Parallelism& p, int local, int device) {
    return {local % p.tp, local / p.tp % p.cp, local / (p.tp * p.cp), device};
}

/// Gives the rank its communicators, made where it is their first member.
class Communicators {
  public:
    Communicators(const Parallelism& p, Program& program)
        : p_(p), inner_(p.sharding_group > 0 ? p.sharding_group : p.dp * p.cp), program_(program) {}

    void join(Rank& rank, RankId id, const RankBuilder& builder, const Coordinates& c) {
        for (std::size_t s = 0; s < builder.roles.size(); ++s) {
            const CommunicatorKey key = key_of(builder.roles[s], c, p_, inner_);
            const auto [it, fresh] = index_.emplace(key, CommunicatorId(program_.communicators.size()));
            if (fresh) {
                program_.communicators.push_back({builder.operations[s], {}, name_of(builder.roles[s], key)});
            }
            program_.communicators[it->second()].members.push_back(id);
            rank.communicators.push_back(it->second);
        }
    }

  private:
    const Parallelism& p_;
    int inner_;
    Program& program_;
    std::map<CommunicatorKey, CommunicatorId> index_;
};

}  // namespace

Program assemble(const Parallelism& p, std::vector<RankBuilder> programs, int variants, Interner interner,
                 bool fold) {
    Program program;
    Communicators communicators(p, program);
    const std::vector<int> simulated = simulated_ranks(p, variants, fold);
    const auto copies = static_cast<std::uint32_t>(p.tp * p.cp * p.dp / static_cast<int>(simulated.size()));
    for (int device = 0; device < p.pp; ++device) {
        for (const int local : simulated) {
            const Coordinates c = coordinates_of(p, local, device);
            const int variant = variants == 1 ? 0 : expert_coordinates(p, local).ep;
            const int which = device * variants + variant;
            const RankId id(program.ranks.size());
            Rank rank{.program = static_cast<std::uint32_t>(which), .device = device_of(p, c)};
            rank.multiplicity = copies;
            rank.pipeline_device = device;
            communicators.join(rank, id, programs[static_cast<std::size_t>(which)], c);
            program.ranks.push_back(std::move(rank));
        }
    }
    program.first_task.push_back(0);
    for (const Rank& rank : program.ranks) {
        program.first_task.push_back(program.first_task.back() + programs[rank.program].program.size());
    }
    for (RankBuilder& builder : programs) program.rank_programs.push_back(std::move(builder.program));
    program.works = std::move(interner.works);
    program.names = std::move(interner.names);
    program.groups = std::move(interner.groups);
    program.matrices = std::move(interner.matrices);
    return program;
}

}  // namespace orrery::parallel
