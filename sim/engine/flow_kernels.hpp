// sim/engine/flow_kernels.hpp
//
// Kernels whose speed may change while they run: beside collectives that hold multiprocessors
// (contention.hpp), and on devices that a fault slows down. Such a kernel has an event, which moves when the
// speed of its rank does; all others are over as soon as they are looked at.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "sim/engine/contention.hpp"
#include "sim/engine/flow_events.hpp"
#include "sim/engine/flow_faults.hpp"
#include "sim/engine/flow_state.hpp"

namespace orrery::sim {

class FlowKernels {
  public:
    static constexpr std::int64_t kNoneIsSafe = -1;
    static constexpr std::int64_t kAllAreSafe = std::numeric_limits<std::int64_t>::max();

    /// Kernels have the event slots from `first_slot` on, one a stream.
    FlowKernels(FlowState& state, FlowEvents& events, const FlowFaults& faults,
                const ComputeSlowdown& slowdown, std::uint32_t first_slot);

    /// Whether the work slows kernels, on a stream of that kind.
    [[nodiscard]] bool slowed_by(std::uint32_t work, StreamKind stream) const {
        return holds[work] && stream != StreamKind::tp;
    }

    /// The last task of the compute stream that is over before anything can change the speed of the rank's
    /// kernels: no collective that slows them is under way, and each that comes next waits for a kernel of
    /// this stream, or to be issued behind one.
    [[nodiscard]] std::int64_t safe(std::uint32_t rank, std::uint32_t stream) const;

    /// The stream's head begins, and lasts `duration_s` at full speed.
    void begin(FlowRank& rank, std::uint32_t stream, double begin_s, double duration_s);
    /// Its event has come.
    void end(std::uint32_t slot, double now);

    /// A collective that slows kernels begins (+1) or ends (-1) for its members.
    void beside(std::uint32_t meeting, int change, double now);
    void set_fault(std::uint32_t rank, double slowdown, double now);

  private:
    struct Running {
        double since = 0;   ///< when so much was left; later than now where it has not begun
        double left_s = 0;  ///< at full speed
        bool running = false;
    };

    void change_speed(FlowRank& rank, double now);

    FlowState& state;
    FlowEvents& events;
    const FlowFaults& faults;
    ComputeSlowdown slowdown;
    std::uint32_t first_slot = 0;
    std::vector<bool> holds;         ///< [work]
    std::vector<std::uint8_t> kind;  ///< [work] of collectives
    std::vector<Running> kernels;    ///< [stream]
};

}  // namespace orrery::sim
