#include "parallel/program_builder.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/error.hpp"

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
    std::stable_sort(program.memory.begin(), program.memory.end(),
                     [](const MemoryEvent& a, const MemoryEvent& b) { return a.task < b.task; });
}

void RankBuilder::memory(TaskId task, MemoryKind kind, double bytes) {
    if (bytes != 0) program.memory.push_back({task, kind, bytes});
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
        case RoleKind::tied_embedding:
        case RoleKind::pipeline:
            return {role, c.tp, c.cp, c.dp, -1};
    }
    return {};
}

std::string name_of(const Role& role, const CommunicatorKey& key) {
    switch (role.kind) {
        case RoleKind::tp:
            return "tp group of stage " + std::to_string(key.pp);
        case RoleKind::cp:
            return "cp group of stage " + std::to_string(key.pp);
        case RoleKind::dp:
        case RoleKind::dp_inner:
        case RoleKind::dp_outer:
            return "dp group of stage " + std::to_string(key.pp);
        case RoleKind::tied_embedding:
            return "embedding group";
        case RoleKind::pipeline:
            return "pipeline " + std::to_string(role.from) + "->" + std::to_string(role.to) +
                   (role.channel % 2 == 0 ? " activations" : " gradients");
    }
    return "";
}

}  // namespace

Program assemble(const Parallelism& p, std::vector<RankBuilder> devices, Interner interner, bool fold) {
    Program program;
    std::map<CommunicatorKey, CommunicatorId> index;
    const int inner = p.sharding_group > 0 ? p.sharding_group : p.dp * p.cp;
    const Coordinates extent = fold ? Coordinates{1, 1, 1, p.pp} : Coordinates{p.tp, p.cp, p.dp, p.pp};
    const auto copies = static_cast<std::uint32_t>(fold ? p.tp * p.cp * p.dp : 1);
    Coordinates c;
    for (c.pp = 0; c.pp < extent.pp; ++c.pp) {
        const RankBuilder& builder = devices[static_cast<std::size_t>(c.pp)];
        for (c.dp = 0; c.dp < extent.dp; ++c.dp) {
            for (c.cp = 0; c.cp < extent.cp; ++c.cp) {
                for (c.tp = 0; c.tp < extent.tp; ++c.tp) {
                    const RankId id(program.ranks.size());
                    Rank rank{.program = static_cast<std::uint32_t>(c.pp), .device = device_of(p, c)};
                    rank.multiplicity = copies;
                    rank.pipeline_device = c.pp;
                    for (std::size_t s = 0; s < builder.roles.size(); ++s) {
                        const CommunicatorKey key = key_of(builder.roles[s], c, p, inner);
                        const auto [it, fresh] =
                            index.emplace(key, CommunicatorId(program.communicators.size()));
                        if (fresh) {
                            program.communicators.push_back(
                                {builder.operations[s], {}, name_of(builder.roles[s], key)});
                        }
                        program.communicators[it->second()].members.push_back(id);
                        rank.communicators.push_back(it->second);
                    }
                    program.ranks.push_back(std::move(rank));
                }
            }
        }
    }
    program.first_task.push_back(0);
    for (const Rank& rank : program.ranks) {
        program.first_task.push_back(program.first_task.back() + devices[rank.program].program.size());
    }
    for (RankBuilder& builder : devices) program.rank_programs.push_back(std::move(builder.program));
    program.works = std::move(interner.works);
    program.names = std::move(interner.names);
    program.groups = std::move(interner.groups);
    return program;
}

}  // namespace orrery::parallel
