// parallel/program_builder.hpp
//
// Builds a sim::Program rank program by rank program. Works, names and groups are interned: equal ones are
// stored once. A rank program names its communicators by role; `assemble` makes the real communicators for
// every simulated rank.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "parallel/meaning.hpp"
#include "parallel/overlap.hpp"
#include "parallel/plan.hpp"
#include "sim/program.hpp"

namespace orrery::parallel {

/// Where a rank stands: coordinates of Megatron's order, tensor-parallel fastest, then context, data,
/// pipeline.
struct Coordinates {
    int tp = 0;
    int cp = 0;
    int dp = 0;
    int pp = 0;
};
std::uint32_t device_of(const Parallelism& p, const Coordinates& c);

enum class RoleKind : std::uint8_t {
    tp,
    cp,
    dp,
    dp_inner,
    dp_outer,
    ep,                 ///< ranks that hold different experts
    etp,                ///< ranks that divide each expert
    expert_dp,          ///< ranks that hold the same experts
    replica,            ///< copies of one stage's weights on several pipeline devices, at equal coordinates
    replica_dp,         ///< the same and all of their data-parallel ranks
    replica_expert_dp,  ///< and of its experts' weights, those that hold the same ones
    tied_embedding,     ///< holders of the embedding's weights, at equal coordinates
    pipeline,
    eviction,
};

/// A communicator as a rank program sees it. For `pipeline` and `eviction`: from and to are pipeline devices;
/// channel tells apart activations (0) and gradients (1) and the two directions of bidirectional pipelines,
/// or evictions (0) and loads (1). For replicas: from is the stage.
struct Role {
    RoleKind kind = RoleKind::tp;
    int from = 0;
    int to = 0;
    int channel = 0;
    auto operator<=>(const Role&) const = default;
};

/// Works, names and groups of one program, each stored once.
class Interner {
  public:
    sim::WorkId work(sim::Work work);
    std::int32_t name(const std::string& name);
    std::uint32_t group(std::vector<std::uint32_t> devices);
    std::uint32_t matrix(sim::TrafficMatrix matrix);

    std::vector<sim::Work> works;
    std::vector<std::string> names;
    std::vector<sim::Group> groups;
    std::vector<sim::TrafficMatrix> matrices;

  private:
    std::unordered_multimap<std::size_t, std::uint32_t> work_index_;
    std::unordered_map<std::string, std::int32_t> name_index_;
    std::map<std::vector<std::uint32_t>, std::uint32_t> group_index_;
};

/// Appends tasks to one RankProgram.
class RankBuilder {
  public:
    /// `channel` tells apart streams to the same peer.
    sim::StreamId stream(sim::StreamKind kind, int peer = -1, int channel = 0);
    std::uint32_t slot(const Role& role);

    /// A kernel or copy task.
    sim::TaskId add(sim::StreamId stream, sim::WorkId work, const sim::TaskLabel& label,
                    std::initializer_list<sim::TaskId> dependencies, std::uint8_t flags = 0);
    /// One operation of the communicator in `slot`: the next of its sequence.
    sim::TaskId add_operation(sim::StreamId stream, sim::WorkId work, std::uint32_t slot,
                              const sim::TaskLabel& label, std::initializer_list<sim::TaskId> dependencies,
                              std::uint8_t flags = 0);
    /// One further dependency of the task added last. Ids that point nowhere are ignored.
    void depend(sim::TaskId dependency);
    void memory(sim::TaskId task, sim::MemoryKind kind, double bytes, Freed freed = {});
    /// What the task added last computes, and what stays behind a task; nothing where meanings are not asked
    /// for.
    void mean(Meaning meaning);
    void keep(sim::TaskId task, const Kept& kept);
    /// The tasks of these bounds are one overlapped unit (parallel/overlap.hpp). `finish` puts them in order:
    /// until then task ids stay as they were given.
    void overlap(UnitBounds bounds) { units_.push_back(std::move(bounds)); }

    /// Orders overlapped units and closes the dependency index; call once after the last task.
    void finish();

    [[nodiscard]] sim::TaskId last() const { return sim::TaskId(program.work.size() - 1); }

    sim::RankProgram program;
    std::vector<Role> roles;                ///< [slot]
    std::vector<std::uint32_t> operations;  ///< [slot] operations added so far
    bool records_meaning = false;
    RankMeaning meaning;  ///< where it is recorded

  private:
    void sort_memory();
    /// Gathered weights that an action of an overlapped unit gives back may be in use by another of its
    /// actions: they stay to the unit's end. Returns whether any did.
    bool keep_weights_through_units();

    std::map<std::tuple<sim::StreamKind, int, int>, sim::StreamId> streams_;
    std::vector<UnitBounds> units_;
};

/// Ranks and communicators around finished rank programs: `variants` for each pipeline device, device by
/// device. One variant: all ranks of a device do the same. As many as ep: those of a place in the
/// expert-parallel group do. `fold`: one simulated rank for each program, standing for all ranks that run it
/// (all ranks of a device where expert-parallel groups do not fit the others, expert/expert_groups.hpp).
sim::Program assemble(const Parallelism& parallel, std::vector<RankBuilder> programs, int variants,
                      Interner interner, bool fold);

}  // namespace orrery::parallel
