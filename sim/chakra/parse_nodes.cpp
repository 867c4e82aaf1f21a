// A trace's bytes as nodes: lengths, messages, attributes by name.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "sim/chakra/et_def.pb.h"
#include "sim/chakra/trace_node.hpp"

namespace orrery::sim::chakra {
namespace {

constexpr std::uint64_t kMostMicros = 1'000'000'000'000'000;  ///< 30 years
constexpr double kMostBytes = 1e18;

class Bytes {
  public:
    explicit Bytes(const TraceFile& file) : file_(file) {}

    [[nodiscard]] bool empty() const { return at_ >= file_.bytes.size(); }

    /// The next message without the length before it.
    std::string_view next() {
        const std::size_t begin = at_;
        const std::uint64_t size = length();
        const std::size_t left = file_.bytes.size() - at_;
        if (size > left)
            fail(fmt::format(
                "byte {}: a message of {} bytes, but {} are left: the file is cut off or no Chakra trace",
                begin, size, left));
        const std::string_view message = std::string_view(file_.bytes).substr(at_, size);
        at_ += size;
        return message;
    }

    [[noreturn]] void fail(const std::string& message) const {
        throw InputError({file_.name, 0, 0}, "", message);
    }

  private:
    /// A varint of at most 32 bits.
    std::uint64_t length() {
        const std::size_t begin = at_;
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 35 && !empty(); shift += 7) {
            const auto byte = static_cast<std::uint8_t>(file_.bytes[at_++]);
            value |= std::uint64_t{byte & 0x7FU} << shift;
            if ((byte & 0x80U) == 0) return value;
        }
        fail(fmt::format("byte {}: expected the length of a message: the file is cut off or no Chakra trace",
                         begin));
    }

    const TraceFile& file_;
    std::size_t at_ = 0;
};

/// A node's attributes, found by name; mistakes name file, node and attribute.
class Attributes {
  public:
    Attributes(const Node& node, const std::string& file) : node_(node), file_(file) {}

    [[nodiscard]] std::optional<std::uint64_t> integer(const char* name) const {
        const Attribute* found = find(name);
        if (found == nullptr) return std::nullopt;
        switch (found->value_case()) {
            case Attribute::kInt32Val:
                return natural(name, found->int32_val());
            case Attribute::kInt64Val:
                return natural(name, found->int64_val());
            case Attribute::kUint32Val:
                return found->uint32_val();
            case Attribute::kUint64Val:
                return found->uint64_val();
            case Attribute::kSint32Val:
                return natural(name, found->sint32_val());
            case Attribute::kSint64Val:
                return natural(name, found->sint64_val());
            case Attribute::kFixed32Val:
                return found->fixed32_val();
            case Attribute::kFixed64Val:
                return found->fixed64_val();
            case Attribute::kSfixed32Val:
                return natural(name, found->sfixed32_val());
            case Attribute::kSfixed64Val:
                return natural(name, found->sfixed64_val());
            default:
                fail(name, "expected an integer");
        }
    }

    [[nodiscard]] std::uint64_t needed(const char* name) const {
        const auto found = integer(name);
        if (!found) fail(name, "is missing");
        return *found;
    }

    /// A number of 32 bits: a rank, a tag.
    [[nodiscard]] std::uint32_t small(const char* name, std::optional<std::uint32_t> otherwise) const {
        const auto found = integer(name);
        if (!found && otherwise) return *otherwise;
        if (!found) fail(name, "is missing");
        if (*found > std::numeric_limits<std::uint32_t>::max())
            fail(name, fmt::format("{} is too large", *found));
        return static_cast<std::uint32_t>(*found);
    }

    [[nodiscard]] double bytes(const char* name) const {
        const auto found = static_cast<double>(integer(name).value_or(0));
        if (found > kMostBytes) fail(name, fmt::format("{} bytes are too many", found));
        return found;
    }

    [[nodiscard]] bool truth(const char* name) const {
        const Attribute* found = find(name);
        if (found == nullptr) return false;
        if (found->value_case() == Attribute::kBoolVal) return found->bool_val();
        return integer(name).value_or(0) != 0;
    }

    /// A text; an integer counts as its digits.
    [[nodiscard]] std::string text(const char* name) const {
        const Attribute* found = find(name);
        if (found == nullptr) return "";
        if (found->value_case() == Attribute::kStringVal) return found->string_val();
        return std::to_string(needed(name));
    }

    [[noreturn]] void fail(const char* name, const std::string& message) const {
        throw InputError({file_, 0, 0},
                         fmt::format("node {}{}{}", node_.id(), *name != '\0' ? "." : "", name), message);
    }

  private:
    [[nodiscard]] const Attribute* find(std::string_view name) const {
        for (const Attribute& attribute : node_.attr())
            if (attribute.name() == name) return &attribute;
        return nullptr;
    }

    [[nodiscard]] std::uint64_t natural(const char* name, std::int64_t value) const {
        if (value < 0) fail(name, fmt::format("expected at least 0, not {}", value));
        return static_cast<std::uint64_t>(value);
    }

    const Node& node_;
    const std::string& file_;
};

NodeKind kind_of(const Node& node, const Attributes& attributes) {
    switch (static_cast<int>(node.type())) {
        case INVALID_NODE:
        case METADATA_NODE:
            return NodeKind::nothing;
        case MEM_LOAD_NODE:
            return NodeKind::load;
        case MEM_STORE_NODE:
            return NodeKind::store;
        case COMP_NODE:
            return NodeKind::computation;
        case COMM_SEND_NODE:
            return NodeKind::send;
        case COMM_RECV_NODE:
            return NodeKind::receive;
        case COMM_COLL_NODE:
            return NodeKind::collective;
        default:
            attributes.fail(
                "type", fmt::format("{} is none that a training step has", static_cast<int>(node.type())));
    }
}

CollectiveKind collective_of(const Attributes& attributes) {
    using enum CollectiveKind;
    constexpr std::array kByType{all_reduce, reduce,     all_gather,     gather,         scatter,
                                 broadcast,  all_to_all, reduce_scatter, reduce_scatter, barrier};
    const std::uint64_t type = attributes.needed("comm_type");
    if (type >= kByType.size())
        attributes.fail("comm_type", fmt::format("expected 0 to {}, not {}", kByType.size() - 1, type));
    return kByType[type];
}

void read_messages_end(const Attributes& attributes, std::uint32_t rank, TraceNode& node) {
    const bool sends = node.kind == NodeKind::send;
    const std::optional<std::uint32_t> own(rank);
    node.source = attributes.small("comm_src", sends ? own : std::nullopt);
    node.destination = attributes.small("comm_dst", sends ? std::nullopt : own);
    node.tag = attributes.small("comm_tag", 0);
    if ((sends ? node.source : node.destination) != rank)
        attributes.fail(
            sends ? "comm_src" : "comm_dst",
            fmt::format("{}, but the trace is rank {}'s", sends ? node.source : node.destination, rank));
    if (node.source == node.destination) attributes.fail("comm_dst", "a rank does not send to itself");
}

TraceNode checked(const Node& from, const std::string& file, std::uint32_t rank) {
    const Attributes attributes(from, file);
    TraceNode node;
    node.id = from.id();
    node.name = from.name();
    node.kind = kind_of(from, attributes);
    node.before.assign(from.data_deps().begin(), from.data_deps().end());
    node.before.insert(node.before.end(), from.ctrl_deps().begin(), from.ctrl_deps().end());
    if (from.duration_micros() > kMostMicros)
        attributes.fail("duration_micros",
                        fmt::format("{} microseconds are no step", from.duration_micros()));
    node.duration_s = static_cast<double>(from.duration_micros()) * 1e-6;
    node.on_host = attributes.truth("is_cpu_op");
    node.stream = attributes.text("orrery_stream");
    node.lane = attributes.small("orrery_lane", 0);
    node.phase = attributes.text("orrery_phase");
    if (const auto batch = attributes.integer("orrery_micro_batch"); batch && *batch <= 0x7FFFFFFF)
        node.micro_batch = static_cast<std::int32_t>(*batch);
    const bool talks =
        node.kind == NodeKind::collective || node.kind == NodeKind::send || node.kind == NodeKind::receive;
    node.bytes = attributes.bytes(talks ? "comm_size" : "tensor_size");
    node.flops = static_cast<double>(attributes.integer("num_ops").value_or(0));
    if (node.kind == NodeKind::collective) {
        node.collective = collective_of(attributes);
        node.group = attributes.text("pg_name");
    } else if (talks) {
        read_messages_end(attributes, rank, node);
    }
    return node;
}

}  // namespace

std::vector<TraceNode> parse_nodes(const TraceFile& trace, std::uint32_t rank) {
    Bytes bytes(trace);
    if (bytes.empty()) bytes.fail("is empty; expected a Chakra trace");
    GlobalMetadata metadata;
    const std::string_view head = bytes.next();
    if (!metadata.ParseFromArray(head.data(), static_cast<int>(head.size())))
        bytes.fail("does not begin with Chakra's GlobalMetadata");
    std::vector<TraceNode> nodes;
    Node node;
    while (!bytes.empty()) {
        const std::string_view message = bytes.next();
        if (message.size() > 0x7FFFFFFF ||
            !node.ParseFromArray(message.data(), static_cast<int>(message.size())))
            bytes.fail(fmt::format("message {}: is no node of a Chakra trace", nodes.size() + 1));
        nodes.push_back(checked(node, trace.name, rank));
    }
    return nodes;
}

}  // namespace orrery::sim::chakra
