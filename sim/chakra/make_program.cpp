// From the nodes of all ranks to a program: streams, communicators whose members agree, works that are alike
// once.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "core/error.hpp"
#include "sim/chakra/trace_program.hpp"
#include "sim/engine/packed_program.hpp"

namespace orrery::sim::chakra {
namespace {

/// One side of one operation.
struct Side {
    std::uint32_t rank = 0;
    std::uint32_t node = 0;  ///< index among the rank's nodes
};

/// What sends and receives meet by.
struct Channel {
    std::uint32_t source = 0;
    std::uint32_t destination = 0;
    std::uint32_t tag = 0;
    auto operator<=>(const Channel&) const = default;
};

/// A communicator to be: each member's sides of its operations, in order.
struct Meeting {
    std::vector<std::uint32_t> ranks;
    std::vector<std::vector<Side>> sides;  ///< [member]
    std::string name;
};

bool is_message(const TraceNode& node) {
    return node.kind == NodeKind::send || node.kind == NodeKind::receive;
}

template <class Word>
std::optional<Word> word_of(const std::string& text, Word last) {
    for (int i = 0; i <= static_cast<int>(last); ++i)
        if (to_string(static_cast<Word>(i)) == text) return static_cast<Word>(i);
    return std::nullopt;
}

class ProgramMaker {
  public:
    ProgramMaker(const std::vector<std::vector<TraceNode>>& nodes, const TraceGroups& groups,
                 const std::vector<std::string>& files)
        : nodes_(nodes), groups_(groups), files_(files) {}

    TracedProgram make() {
        for (std::uint32_t rank = 0; rank < nodes_.size(); ++rank) {
            orders_.push_back(order_nodes(nodes_[rank], files_[rank]));
            work_of_.emplace_back(nodes_[rank].size());
            collect_sides(rank);
        }
        for (Meeting& meeting : meetings_) settle(meeting);
        for (std::uint32_t rank = 0; rank < nodes_.size(); ++rank) add_rank(rank);
        add_communicators();
        validate(program());
        return std::move(made_);
    }

  private:
    Program& program() { return made_.program; }

    [[noreturn]] void fail(const Side& side, const std::string& message) const {
        throw InputError({files_[side.rank], 0, 0}, fmt::format("node {}", node_of(side).id), message);
    }
    [[nodiscard]] const TraceNode& node_of(const Side& side) const { return nodes_[side.rank][side.node]; }

    void collect_sides(std::uint32_t rank) {
        for (const std::uint32_t i : orders_[rank].order) {
            const TraceNode& node = nodes_[rank][i];
            const Side side{rank, i};
            if (node.kind == NodeKind::collective) {
                add_side(group_meeting(side), side);
            } else if (is_message(node)) {
                add_side(channel_meeting(side), side);
            }
        }
    }

    void add_side(std::size_t meeting, const Side& side) {
        Meeting& at = meetings_[meeting];
        const auto member = std::find(at.ranks.begin(), at.ranks.end(), side.rank);
        if (member == at.ranks.end())
            fail(side, fmt::format("rank {} is not of process group {}", side.rank, at.name));
        at.sides[static_cast<std::size_t>(member - at.ranks.begin())].push_back(side);
    }

    std::size_t group_meeting(const Side& side) {
        const std::string& name = node_of(side).group;
        const auto [known, fresh] = by_group_.try_emplace(name, meetings_.size());
        if (!fresh) return known->second;
        std::vector<std::uint32_t> ranks;
        const auto group = groups_.find(name);
        if (group != groups_.end()) {
            ranks = group->second;
        } else if (name.empty() || name == "0") {
            for (std::uint32_t rank = 0; rank < nodes_.size(); ++rank) ranks.push_back(rank);
        } else {
            fail(side, fmt::format("process group '{}' is not in comm_groups.json", name));
        }
        return add_meeting(std::move(ranks), name.empty() ? "of all ranks" : name);
    }

    std::size_t channel_meeting(const Side& side) {
        const TraceNode& node = node_of(side);
        const std::uint32_t other = node.kind == NodeKind::send ? node.destination : node.source;
        if (other >= nodes_.size())
            fail(side, fmt::format("rank {} has no trace; there are {}", other, nodes_.size()));
        const auto [known, fresh] =
            by_channel_.try_emplace(Channel{node.source, node.destination, node.tag}, meetings_.size());
        if (!fresh) return known->second;
        return add_meeting({node.source, node.destination},
                           fmt::format("{}->{} tag {}", node.source, node.destination, node.tag));
    }

    std::size_t add_meeting(std::vector<std::uint32_t> ranks, std::string name) {
        Meeting meeting;
        meeting.sides.resize(ranks.size());
        meeting.ranks = std::move(ranks);
        meeting.name = std::move(name);
        meetings_.push_back(std::move(meeting));
        return meetings_.size() - 1;
    }

    /// Finds the work of each operation; throws where the members do not agree on it.
    void settle(const Meeting& meeting) {
        const std::vector<Side>* const first = &meeting.sides.front();
        for (std::size_t m = 1; m < meeting.sides.size(); ++m) {
            if (meeting.sides[m].size() == first->size()) continue;
            throw InputError(
                {files_[meeting.ranks[m]], 0, 0}, "",
                fmt::format("{}: rank {} has {} operations, rank {} has {}", meeting.name, meeting.ranks[m],
                            meeting.sides[m].size(), meeting.ranks.front(), first->size()));
        }
        const std::uint32_t group = intern_group(meeting.ranks);
        for (std::size_t i = 0; i < first->size(); ++i) settle(meeting, i, group);
    }

    void settle(const Meeting& meeting, std::size_t operation, std::uint32_t group) {
        const TraceNode& first = node_of(meeting.sides.front()[operation]);
        double sum = 0;
        double duration_s = std::numeric_limits<double>::infinity();
        for (const std::vector<Side>& sides : meeting.sides) {
            const TraceNode& own = node_of(sides[operation]);
            if (own.kind == NodeKind::collective && own.collective != first.collective)
                fail(sides[operation], fmt::format("operation {} of process group {}: {} here, {} of rank {}",
                                                   operation, meeting.name, to_string(own.collective),
                                                   to_string(first.collective), meeting.ranks.front()));
            const bool may_differ =
                own.kind == NodeKind::collective && own.collective == CollectiveKind::all_to_all;
            if (own.bytes != first.bytes && !may_differ)
                fail(sides[operation],
                     fmt::format("operation {} of {} is of {:.0f} bytes here, of {:.0f} of rank {}",
                                 operation, meeting.name, own.bytes, first.bytes, meeting.ranks.front()));
            sum += own.bytes;
            duration_s = std::min(duration_s, own.duration_s);
        }
        if (duration_s == 0 && meeting.ranks.size() > 1) ++made_.untimed_communications;
        const double mean = sum / static_cast<double>(meeting.sides.size());
        Collective work;
        work.kind = is_message(first) ? CollectiveKind::send_recv : first.collective;
        work.group = group;
        const bool shares = work.kind == CollectiveKind::all_gather || work.kind == CollectiveKind::gather;
        work.bytes = shares ? mean * static_cast<double>(meeting.ranks.size()) : mean;
        const WorkId id = intern(work, duration_s);
        for (const std::vector<Side>& sides : meeting.sides)
            work_of_[sides[operation].rank][sides[operation].node] = id;
    }

    std::uint32_t intern_group(const std::vector<std::uint32_t>& ranks) {
        const auto [known, fresh] =
            known_groups_.try_emplace(ranks, static_cast<std::uint32_t>(program().groups.size()));
        if (fresh) program().groups.push_back({ranks});
        return known->second;
    }

    WorkId add_work(Work work, double duration_s) {
        program().works.push_back(std::move(work));
        made_.costs.push_back({duration_s, 0, 0});
        return WorkId(program().works.size() - 1);
    }

    WorkId intern(const Collective& work, double duration_s) {
        const auto key =
            std::tuple(static_cast<int>(work.kind), static_cast<double>(work.group), work.bytes, duration_s);
        const auto known = known_works_.find(key);
        if (known != known_works_.end()) return known->second;
        return known_works_.emplace(key, add_work(work, duration_s)).first->second;
    }

    /// Of a node that meets nobody.
    WorkId lone_work(const TraceNode& node) {
        constexpr int kKernel = -1;
        constexpr int kCopy = -2;
        const bool copies = node.kind == NodeKind::load || node.kind == NodeKind::store;
        const double way = node.kind == NodeKind::store ? 1 : node.flops;
        const auto key = std::tuple(copies ? kCopy : kKernel, way, node.bytes, node.duration_s);
        const auto known = known_works_.find(key);
        if (known != known_works_.end()) return known->second;
        Work work = Copy{node.bytes, node.kind == NodeKind::store};
        if (!copies) {
            Kernel kernel;
            kernel.bytes = node.bytes;
            kernel.flops = node.flops;
            kernel.host_operations = 0;
            work = KernelSequence{{kernel}};
        }
        return known_works_.emplace(key, add_work(std::move(work), node.duration_s)).first->second;
    }

    // ---- streams ----

    /// A stream's kind and what tells it from others of that kind.
    using StreamKey = std::tuple<int, std::int64_t, std::int64_t>;
    static constexpr int kHost = -1;

    static StreamKind kind_of_stream(const TraceNode& node) {
        const auto named = word_of(node.stream, StreamKind::copy_out);
        switch (node.kind) {
            case NodeKind::load:
                return StreamKind::copy_in;
            case NodeKind::store:
                return StreamKind::copy_out;
            case NodeKind::send:
                return named.value_or(StreamKind::pp_send);
            case NodeKind::receive:
                return named.value_or(StreamKind::pp_recv);
            case NodeKind::collective:
                return named.value_or(StreamKind::dp);
            case NodeKind::nothing:
            case NodeKind::computation:
                break;
        }
        return StreamKind::compute;
    }

    StreamKey key_of(const TraceNode& node, bool by_tag) {
        const auto kind = static_cast<int>(kind_of_stream(node));
        if (node.kind == NodeKind::collective)
            return {kind, -2 - static_cast<std::int64_t>(by_group_.at(node.group)), 0};
        if (is_message(node)) {
            const std::uint32_t peer = node.kind == NodeKind::send ? node.destination : node.source;
            return {kind, peer, by_tag ? node.tag : 0};
        }
        if (node.on_host || node.kind == NodeKind::nothing) return {kHost, -1, 0};
        return {kind, -1, node.lane};
    }

    struct Streams {
        std::map<StreamKey, StreamId> ids;
        bool by_tag = true;
    };

    Streams streams_of(std::uint32_t rank) {
        for (const bool by_tag : {true, false}) {
            Streams streams{{}, by_tag};
            for (const TraceNode& node : nodes_[rank]) {
                streams.ids.try_emplace(key_of(node, by_tag), StreamId(streams.ids.size()));
                if (streams.ids.size() > kMaximumStreams) break;
            }
            if (streams.ids.size() <= kMaximumStreams) return streams;
        }
        throw InputError({files_[rank], 0, 0}, "",
                         fmt::format("process groups and peers make more than {} streams", kMaximumStreams));
    }

    // ---- ranks ----

    void add_rank(std::uint32_t rank) {
        const Streams streams = streams_of(rank);
        RankProgram& tasks = program().rank_programs.emplace_back();
        tasks.streams.resize(streams.ids.size());
        for (const auto& [key, id] : streams.ids) {
            const auto& [kind, peer, tag] = key;
            tasks.streams[id()] = {kind == kHost ? StreamKind::compute : static_cast<StreamKind>(kind),
                                   static_cast<std::int16_t>(peer >= 0 && peer < 0x7FFF ? peer : -1)};
        }
        const auto host = streams.ids.find(StreamKey{kHost, -1, 0});
        made_.host_stream.push_back(host == streams.ids.end() ? StreamId{} : host->second);
        tasks.dependency_begin.push_back(0);
        std::vector<std::uint32_t> place(nodes_[rank].size());
        const std::vector<std::uint32_t>& order = orders_[rank].order;
        for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::uint32_t>(i);
        for (const std::uint32_t i : order) {
            const TraceNode& node = nodes_[rank][i];
            if (node.kind == NodeKind::computation && node.duration_s == 0 && node.flops > 0)
                ++made_.untimed_computations;
            const WorkId known = work_of_[rank][i];
            tasks.work.push_back(known ? known : lone_work(node));
            tasks.stream.push_back(streams.ids.at(key_of(node, streams.by_tag)));
            tasks.flags.push_back(0);
            tasks.communicator_slot.push_back(kNoCommunicator);
            tasks.sequence.push_back(0);
            for (const std::uint32_t before : orders_[rank].before[i])
                tasks.dependency.emplace_back(place[before]);
            tasks.dependency_begin.push_back(static_cast<std::uint32_t>(tasks.dependency.size()));
            tasks.label.push_back(label_of(node));
        }
        places_.push_back(std::move(place));
        Rank& one = program().ranks.emplace_back();
        one.program = rank;
        one.device = rank;
        if (program().first_task.empty()) program().first_task.push_back(0);
        program().first_task.push_back(program().first_task.back() + tasks.size());
    }

    TaskLabel label_of(const TraceNode& node) {
        TaskLabel label;
        label.phase = word_of(node.phase, Phase::transfer).value_or(Phase::forward);
        label.micro_batch = node.micro_batch;
        const auto [name, fresh] =
            known_names_.try_emplace(node.name, static_cast<std::int32_t>(program().names.size()));
        if (fresh) program().names.push_back(node.name);
        label.name = name->second;
        return label;
    }

    void add_communicators() {
        for (const Meeting& meeting : meetings_) {
            const CommunicatorId id(program().communicators.size());
            Communicator communicator;
            communicator.operations = static_cast<std::uint32_t>(meeting.sides.front().size());
            communicator.name = meeting.name;
            for (std::size_t m = 0; m < meeting.ranks.size(); ++m) {
                const std::uint32_t rank = meeting.ranks[m];
                communicator.members.emplace_back(rank);
                std::vector<CommunicatorId>& slots = program().ranks[rank].communicators;
                RankProgram& tasks = program().rank_programs[rank];
                for (std::size_t i = 0; i < meeting.sides[m].size(); ++i) {
                    const std::uint32_t task = places_[rank][meeting.sides[m][i].node];
                    tasks.communicator_slot[task] = static_cast<std::uint32_t>(slots.size());
                    tasks.sequence[task] = static_cast<std::uint32_t>(i);
                }
                slots.push_back(id);
            }
            program().communicators.push_back(std::move(communicator));
        }
    }

    const std::vector<std::vector<TraceNode>>& nodes_;
    const TraceGroups& groups_;
    const std::vector<std::string>& files_;
    TracedProgram made_;
    std::vector<NodeOrder> orders_;                   ///< [rank]
    std::vector<std::vector<WorkId>> work_of_;        ///< [rank][node] of communications
    std::vector<std::vector<std::uint32_t>> places_;  ///< [rank][node] its task
    std::vector<Meeting> meetings_;
    std::map<std::string, std::size_t> by_group_;
    std::map<Channel, std::size_t> by_channel_;
    std::map<std::vector<std::uint32_t>, std::uint32_t> known_groups_;
    std::map<std::tuple<int, double, double, double>, WorkId> known_works_;
    std::unordered_map<std::string, std::int32_t> known_names_;
};

}  // namespace

TracedProgram make_program(const std::vector<std::vector<TraceNode>>& nodes, const TraceGroups& groups,
                           const std::vector<std::string>& files) {
    return ProgramMaker(nodes, groups, files).make();
}

}  // namespace orrery::sim::chakra
