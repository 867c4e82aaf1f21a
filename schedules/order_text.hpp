// schedules/order_text.hpp
//
// The text of one action or overlapped unit in an order file, and the schedule that the actions add up to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// Gathers the actions of an order file, device by device.
class OrderBuilder {
  public:
    explicit OrderBuilder(std::string file) : file_(std::move(file)) {}

    /// The following cells belong to the next device.
    void next_device();
    /// "3F5", "3F5.1u", "(0F7;7B3)", "(0F7;7B3)OVERLAP_F_B"; empty cells are skipped.
    void add(std::string_view cell, std::size_t line, std::size_t column);
    /// Derives sizes and placement, tells joined backwards from input gradients, checks completeness.
    Schedule finish(std::string name);

  private:
    struct Place {
        std::size_t line = 0;
        std::size_t column = 0;
    };

    void add_action(std::string_view text, std::int32_t overlap, Place place);
    [[noreturn]] void fail(Place place, const std::string& message) const;
    void measure(Schedule& schedule) const;
    void place_stages(Schedule& schedule) const;
    void split_backwards(Schedule& schedule) const;

    std::string file_;
    std::vector<std::vector<Action>> orders_;
    std::vector<std::vector<Place>> places_;
    std::int32_t units_ = 0;
};

/// The same the other way round, with kinds F, B, I, W, R, E, L.
std::string order_text(const Action& action);

}  // namespace orrery::schedules
