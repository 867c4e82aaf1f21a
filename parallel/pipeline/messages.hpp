// parallel/pipeline/messages.hpp
//
// The transfers of one device as tasks: receives where transfers.hpp posts them, sends behind what they
// carry. A receive's buffer is communication memory from the transfer to the action that takes its content
// up.
#pragma once

#include <vector>

#include "parallel/pipeline/transfers.hpp"
#include "parallel/rank_context.hpp"

namespace orrery::parallel {

class Messages {
  public:
    Messages(RankContext& context, const Transfers& transfers);

    /// The receives due before the action at that position.
    void post_receives(std::size_t position);
    /// The tasks that deliver the action's inputs; none if they are produced on this device.
    std::vector<sim::TaskId> receive(std::size_t position);
    /// The framework's calls around a transfer, and, where it synchronises, the host's wait.
    void wait_for(const std::vector<sim::TaskId>& received, const sim::TaskLabel& label);
    /// The messages of the action at that position, behind everything in `after`.
    void send(std::size_t position, const std::vector<sim::TaskId>& after);
    /// The sends since the last call.
    std::vector<sim::TaskId> take_sends();

  private:
    /// Stages precede those that read them: gradients go from the higher number to the lower.
    [[nodiscard]] double bytes_of(const Message& message) const;
    sim::TaskId transfer(Place place, bool sending);
    [[nodiscard]] Handover handover(Place place) const;
    sim::TaskId gather_scattered(sim::TaskId task, Place place);

    RankContext& c_;
    const Transfers& transfers_;
    std::vector<std::vector<sim::TaskId>> received_;  ///< [channel][number]
    std::vector<double> taken_up_;                    ///< bytes of buffers that the next wait gives back
    std::vector<Handover> handed_over_;               ///< and what they hold
    std::vector<sim::TaskId> sends_;
};

}  // namespace orrery::parallel
