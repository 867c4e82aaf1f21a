#include "schedules/order_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "schedules/evaluate.hpp"

namespace orrery::schedules {
namespace {

constexpr std::string_view kKinds = "FBIWREL";
constexpr int kLargestNumber = 10'000'000;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

/// Takes a number off the front.
std::optional<std::int32_t> take_number(std::string_view& text) {
    std::int32_t value = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0 || value > kLargestNumber) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    return value;
}

std::optional<Action> parse_action(std::string_view text) {
    Action action;
    const auto stage = take_number(text);
    if (!stage || text.empty()) return std::nullopt;
    const auto kind = kKinds.find(text.front());
    if (kind == std::string_view::npos) return std::nullopt;
    text.remove_prefix(1);
    const auto micro_batch = take_number(text);
    if (!micro_batch) return std::nullopt;
    if (!text.empty() && text.front() == '.') {
        text.remove_prefix(1);
        const auto slice = take_number(text);
        if (!slice) return std::nullopt;
        action.slice = *slice;
    }
    if (text == "u") {
        action.direction = 1;
        text = {};
    }
    if (!text.empty()) return std::nullopt;
    action.kind = static_cast<ActionKind>(kind);
    action.stage = *stage;
    action.micro_batch = *micro_batch;
    return action;
}

/// What of a hostile cell goes into a message.
std::string shown(std::string_view cell) {
    std::string text;
    for (const char c : cell.substr(0, 40)) text += c >= ' ' && c <= '~' ? c : '?';
    return text;
}

}  // namespace

std::string order_text(const Action& action) {
    std::string text =
        fmt::format("{}{}{}", action.stage, kKinds[static_cast<int>(action.kind)], action.micro_batch);
    if (action.slice > 0) text += fmt::format(".{}", action.slice);
    if (action.direction > 0) text += "u";
    return text;
}

void OrderBuilder::next_device() {
    orders_.emplace_back();
    places_.emplace_back();
}

void OrderBuilder::fail(Place place, const std::string& message) const {
    throw InputError({file_, place.line, place.column}, "", message);
}

void OrderBuilder::add(std::string_view cell, std::size_t line, std::size_t column) {
    cell = trimmed(cell);
    const Place place{line, column};
    if (cell.empty()) return;
    if (cell.front() != '(') return add_action(cell, -1, place);
    const auto end = cell.find(')');
    const std::string_view mark = end == std::string_view::npos ? "" : cell.substr(end + 1);
    if (end == std::string_view::npos || !(mark.empty() || mark == "OVERLAP_F_B"))
        fail(place,
             fmt::format("'{}' is no overlapped unit; expected (ACTION;ACTION)OVERLAP_F_B", shown(cell)));
    std::string_view members = cell.substr(1, end - 1);
    while (true) {
        const auto next = members.find(';');
        add_action(trimmed(members.substr(0, next)), units_, place);
        if (next == std::string_view::npos) break;
        members.remove_prefix(next + 1);
    }
    ++units_;
}

void OrderBuilder::add_action(std::string_view text, std::int32_t overlap, Place place) {
    auto action = parse_action(text);
    if (!action) {
        const bool transfer = text.find("SEND") != std::string_view::npos ||
                              text.find("RECV") != std::string_view::npos ||
                              text.find("SHARD") != std::string_view::npos;
        fail(place, transfer
                        ? fmt::format("'{}' is communication; a compute-only order is expected", shown(text))
                        : fmt::format("'{}' is no action; expected STAGE KIND MICROBATCH with kind F, B, "
                                      "I or W, such as 0F0",
                                      shown(text)));
    }
    if (orders_.empty()) next_device();
    action->overlap = overlap;
    orders_.back().push_back(*action);
    places_.back().push_back(place);
}

void OrderBuilder::measure(Schedule& schedule) const {
    Action largest;
    Place deepest;
    double actions = 0;
    for (std::size_t device = 0; device < orders_.size(); ++device)
        for (std::size_t i = 0; i < orders_[device].size(); ++i) {
            const Action& action = orders_[device][i];
            if (action.stage > largest.stage) deepest = places_[device][i];
            largest.stage = std::max(largest.stage, action.stage);
            largest.micro_batch = std::max(largest.micro_batch, action.micro_batch);
            largest.slice = std::max(largest.slice, action.slice);
            largest.direction = std::max(largest.direction, action.direction);
            ++actions;
        }
    if (actions == 0) throw InputError({file_}, "", "holds no action");
    const int stages = largest.stage + 1;
    schedule.devices = static_cast<int>(orders_.size());
    if (stages % schedule.devices != 0)
        fail(deepest, fmt::format("{} stages do not lie evenly on {} devices", stages, schedule.devices));
    schedule.chunks = stages / schedule.devices;
    schedule.micro_batches = largest.micro_batch + 1;
    schedule.slices = largest.slice + 1;
    schedule.placement.assign(static_cast<std::size_t>(largest.direction) + 1, {});
    // Each needs a forward and a backward: also the guard against a huge number in a small file.
    if (2.0 * stages * schedule.micro_batches * schedule.slices > actions)
        throw InputError({file_}, "",
                         fmt::format("holds {} actions, too few for a forward and a backward of {} "
                                     "micro-batches on {} stages",
                                     actions, schedule.micro_batches, stages));
}

void OrderBuilder::place_stages(Schedule& schedule) const {
    const auto stages = static_cast<std::size_t>(schedule.stages());
    for (auto& placement : schedule.placement) placement.assign(stages, -1);
    for (int device = 0; device < schedule.devices; ++device)
        for (std::size_t i = 0; i < orders_[device].size(); ++i) {
            const Action& action = orders_[device][i];
            int& holder = schedule.placement[action.direction][action.stage];
            if (holder >= 0 && holder != device)
                fail(places_[device][i], fmt::format("stage {} runs on device {} and on device {}",
                                                     action.stage, holder, device));
            holder = device;
        }
    for (const auto& placement : schedule.placement)
        for (std::size_t stage = 0; stage < stages; ++stage)
            if (placement[stage] < 0)
                throw InputError({file_}, "", fmt::format("no device runs stage {}", stage));
}

void OrderBuilder::split_backwards(Schedule& schedule) const {
    const auto m = static_cast<std::size_t>(schedule.micro_batches);
    const auto q = static_cast<std::size_t>(schedule.slices);
    const auto at = [&](const Action& action) {
        return (action.stage * m + action.micro_batch) * q + action.slice;
    };
    std::vector<bool> has_weight(schedule.stages() * m * q, false);
    for (const auto& order : schedule.orders)
        for (const Action& action : order)
            if (action.kind == ActionKind::backward_weight) has_weight[at(action)] = true;
    for (auto& order : schedule.orders)
        for (Action& action : order)
            if (action.kind == ActionKind::backward && has_weight[at(action)])
                action.kind = ActionKind::backward_input;
}

Schedule OrderBuilder::finish(std::string name) {
    Schedule schedule;
    schedule.name = std::move(name);
    measure(schedule);
    place_stages(schedule);
    if (schedule.placement.size() > 1) schedule.weight_copies = 2;
    schedule.orders = std::move(orders_);
    split_backwards(schedule);
    try {
        check(schedule);
    } catch (const InputError& error) {
        throw InputError({file_}, "", error.message);
    }
    return schedule;
}

}  // namespace orrery::schedules
