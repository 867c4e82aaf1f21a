// parallel/pipeline/offload.hpp
//
// Activations that leave their device between forward and backward: to host memory (copies over PCIe), or to
// another pipeline device with memory to spare (BPipe, Kim et al. 2023; MPress, Zhou et al. 2023: transfers
// over NVLink or the network). Both run on copy streams beside the computation. Memory is given back when a
// transfer out has ended and taken when the one back begins, and the other way round on the partner.
//
// Two things move activations: the schedule's actions `evict` and `load`, whole stages at a time, and the
// plan's layer_offload, layer by layer: out after the layer's forward, back one layer ahead of its backward.
//
// The partner takes part in both transfers with streams of its own, which stand at the begin of its step: as
// one-sided copies into its memory, they wait for nothing of its own work. The n-th operation of either
// direction is the n-th that the owner's order implies, so both sides agree.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "parallel/pipeline/activations.hpp"
#include "parallel/rank_context.hpp"
#include "schedules/schedule.hpp"

namespace orrery::parallel {

/// What is moved at once: a layer of a micro-batch and slice, or (node -1) all of a stage.
struct Parcel {
    int micro_batch = 0;
    int stage = 0;
    int slice = 0;
    int node = -1;
    auto operator<=>(const Parcel&) const = default;
};

/// One transfer of activations away from a device, or back.
struct Move {
    bool out = true;
    Parcel parcel;
    double bytes = 0;
    OffloadTarget target = OffloadTarget::host;
    std::vector<int> nodes = {};  ///< whose activations they are
};

/// All transfers that a device's order implies, in the order in which the device performs them: out behind
/// forwards and at `evict`, back in the order of the backwards that need them and at `load`.
std::vector<Move> moves_of(const schedules::Schedule& schedule,
                           const std::vector<std::vector<int>>& stage_layers, Activations& activations,
                           int device);

class Offload {
  public:
    /// `moves` are the device's own.
    Offload(RankContext& context, const schedules::Schedule& schedule, std::vector<Move> moves);

    /// The device whose memory this one uses; none: the host's. Throws ExperimentError where the plan pairs
    /// a device with itself.
    [[nodiscard]] static std::optional<int> partner_of(const schedules::Schedule& schedule, const Plan& plan,
                                                       int device, const Move& move);

    /// The task that must have ended before the layer computes the parcel: the departure of its last one. So
    /// there is one micro-batch on its way out at most, however slow the link; none where nothing left yet.
    [[nodiscard]] sim::TaskId room_for(const Parcel& parcel) const;
    /// Moves the next parcel of the device's order away once `after` has ended. It must be this one.
    void send_away(const Parcel& parcel, sim::TaskId after);
    /// Begins to bring back the layers whose backwards are nearest, as many as the plan prefetches, once
    /// `after` has ended.
    void prefetch(sim::TaskId after);
    /// Begins to bring this parcel back (and those before it in order) once `after` has ended.
    void begin_return(const Parcel& parcel, sim::TaskId after);
    /// The task that ends with the parcel back on the device; none where it never left. Once.
    sim::TaskId returned(const Parcel& parcel, sim::TaskId after);
    /// Does the parcel leave the device?
    [[nodiscard]] bool leaves(const Parcel& parcel) const { return bytes_.contains(parcel); }

    /// The partner's side of another device's moves, at the begin of the step.
    void keep_for(int owner, const std::vector<Move>& moves);

  private:
    void bring_next_back(sim::TaskId after);
    sim::TaskId transfer(int owner, int keeper, const Move& move, bool sending, const sim::TaskLabel& label,
                         sim::TaskId first, sim::TaskId second);
    sim::TaskLabel label(const Parcel& parcel, const std::string& what);
    void mean(Effect effect, const Move& move, int owner);

    RankContext& c_;
    const schedules::Schedule& schedule_;
    std::map<Parcel, Move> bytes_;        ///< everything that leaves
    std::vector<Move> returns_;           ///< in the order of the backwards
    std::size_t begun_ = 0;               ///< of them, those on their way back
    std::size_t used_ = 0;                ///< and those taken up by a backward
    std::map<Parcel, sim::TaskId> sent_;  ///< away and not yet on their way back
    std::map<Parcel, sim::TaskId> back_;
    std::map<int, sim::TaskId> last_out_;  ///< [node] its last departure
};

}  // namespace orrery::parallel
