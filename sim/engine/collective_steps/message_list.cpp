#include "sim/engine/collective_steps/message_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "core/error.hpp"
#include "core/huge_pages.hpp"

namespace orrery::sim {
namespace {

constexpr std::uint32_t kNothing = std::numeric_limits<std::uint32_t>::max();

/// Offsets of buckets from how many lie in each: [i] .. [i + 1].
std::vector<std::uint32_t> offsets(std::vector<std::uint32_t> counts) {
    counts.push_back(0);
    std::exclusive_scan(counts.begin(), counts.end(), counts.begin(), 0U);
    return counts;
}

/// Millions of entries: fewer and larger pages to fault in.
template <class T>
void reserve_large(std::vector<T>& values, std::size_t count) {
    values.reserve(count);
    prefer_huge_pages(values.data(), values.capacity() * sizeof(T));
}

template <class Range, class Key>
void sort_unless_sorted(Range& range, Key key) {
    const auto less = [&](const auto& a, const auto& b) { return key(a) < key(b); };
    if (!std::is_sorted(range.begin(), range.end(), less)) std::stable_sort(range.begin(), range.end(), less);
}

}  // namespace

MessageListBuilder::MessageListBuilder(std::uint32_t members, std::uint32_t blocks,
                                       std::vector<double> bytes_of_blocks, bool keep)
    : block_bytes(std::move(bytes_of_blocks)), keep_payload(keep) {
    list.members = members;
    list.blocks = blocks;
    if (keep_payload) list.payload_begin.push_back(0);
}

std::uint32_t MessageListBuilder::add_switch(SwitchPlace place) {
    list.switches.push_back(place);
    return list.positions() - 1;
}

void MessageListBuilder::reserve(std::size_t messages) {
    for (auto* array : {&list.from, &list.to, &tags, &list.waits_for}) reserve_large(*array, messages);
    reserve_large(list.bytes, messages);
    reserve_large(list.begins_lane, messages);
    reserve_large(receives, messages);
}

void MessageListBuilder::lane(std::uint32_t of) {
    position = of;
    ++lanes;
    fresh_lane = true;
    first_unmet = receives.size();
}

void MessageListBuilder::receive(std::uint32_t from, std::uint32_t tag) {
    receives.push_back({position, from, tag, lanes, kNothing});
}

void MessageListBuilder::send(std::uint32_t to, std::span<const BlockRange> what, std::uint32_t tag) {
    const auto message = static_cast<std::uint32_t>(list.size());
    double bytes = 0;
    for (const BlockRange& range : what) {
        if (block_bytes.size() == 1) {
            bytes += range.count * block_bytes[0];
            continue;
        }
        for (std::uint32_t b = 0; b < range.count; ++b) bytes += block_bytes[range.first + b];
    }
    list.from.push_back(position);
    list.to.push_back(to);
    list.bytes.push_back(bytes);
    list.begins_lane.push_back(fresh_lane ? 1 : 0);
    tags.push_back(tag);
    list.waits_for.push_back(static_cast<std::uint32_t>(receives.size() - first_unmet));
    for (; first_unmet < receives.size(); ++first_unmet) receives[first_unmet].needed_by = message;
    fresh_lane = false;
    if (!keep_payload) return;
    list.payload.insert(list.payload.end(), what.begin(), what.end());
    list.payload_begin.push_back(static_cast<std::uint32_t>(list.payload.size()));
}

/// Both sides in order of (sender, tag); the receivers' moreover lane by lane. Appends (message, message that
/// waits for it).
void MessageListBuilder::match_position(std::span<const std::uint32_t> sent, std::span<Receive> received,
                                        std::vector<std::pair<std::uint32_t, std::uint32_t>>& edges) const {
    const auto key = [](const Receive& r) { return std::tuple(r.from, r.tag); };
    std::size_t at = 0;    // first message of the current sender and tag
    std::size_t next = 0;  // the next one that the current lane gets
    std::size_t got = 0;   // all before it are received
    for (std::size_t i = 0; i < received.size(); ++i) {
        const Receive& r = received[i];
        const bool same_key = i > 0 && key(received[i - 1]) == key(r);
        if (!same_key) {
            while (at < sent.size() && std::tuple(list.from[sent[at]], tags[sent[at]]) < key(r)) {
                if (at >= got)
                    throw SimulationError(
                        fmt::format("position {} gets a message from {} that it does not receive", r.position,
                                    list.from[sent[at]]));
                ++at;
            }
            next = at;
        } else if (received[i - 1].lane != r.lane) {
            next = at;
        }
        if (next >= sent.size() || std::tuple(list.from[sent[next]], tags[sent[next]]) != key(r))
            throw SimulationError(
                fmt::format("position {} waits for a message from {} that nobody sends", r.position, r.from));
        if (r.needed_by != kNothing) edges.emplace_back(sent[next], r.needed_by);
        got = std::max(got, ++next);
    }
    if (got < sent.size())
        throw SimulationError(fmt::format("a message from {} is never received", list.from[sent[got]]));
}

MessageList MessageListBuilder::finish() {
    const std::uint32_t positions = list.positions();
    std::vector<std::uint32_t> sent_count(positions, 0);
    for (const std::uint32_t to : list.to) ++sent_count[to];
    const std::vector<std::uint32_t> sent_begin = offsets(std::move(sent_count));
    auto sent = make_large_vector<std::uint32_t>(list.size());
    std::vector<std::uint32_t> cursor(sent_begin.begin(), sent_begin.end() - 1);
    for (std::uint32_t m = 0; m < list.size(); ++m) sent[cursor[list.to[m]]++] = m;

    sort_unless_sorted(receives, [](const Receive& r) { return r.position; });
    std::vector<std::pair<std::uint32_t, std::uint32_t>> edges;
    reserve_large(edges, receives.size());
    std::size_t begin = 0;
    for (std::uint32_t p = 0; p < positions; ++p) {
        std::size_t end = begin;
        while (end < receives.size() && receives[end].position == p) ++end;
        std::span<Receive> received(receives.data() + begin, end - begin);
        std::span<std::uint32_t> to_p(sent.data() + sent_begin[p], sent_begin[p + 1] - sent_begin[p]);
        sort_unless_sorted(received, [](const Receive& r) { return std::tuple(r.from, r.tag, r.lane); });
        sort_unless_sorted(to_p, [this](std::uint32_t m) { return std::tuple(list.from[m], tags[m]); });
        match_position(to_p, received, edges);
        begin = end;
    }
    receives = {};
    tags = {};
    sent = {};

    std::vector<std::uint32_t> unlocked(list.size(), 0);
    for (const auto& [message, waiting] : edges) ++unlocked[message];
    list.unlock_begin = offsets(std::move(unlocked));
    list.unlocks = make_large_vector<std::uint32_t>(edges.size());
    std::vector<std::uint32_t> fill(list.unlock_begin.begin(), list.unlock_begin.end() - 1);
    for (const auto& [message, waiting] : edges) list.unlocks[fill[message]++] = waiting;
    return std::move(list);
}

}  // namespace orrery::sim
