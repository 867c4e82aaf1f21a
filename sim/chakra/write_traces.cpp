// A program and its timeline as Chakra traces.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "sim/chakra/chakra.hpp"
#include "sim/chakra/et_def.pb.h"

namespace orrery::sim {
namespace {

constexpr const char* kSchemaVersion = "0.0.4";

std::uint64_t micros(double seconds) {
    return static_cast<std::uint64_t>(std::llround(seconds * 1e6));
}

void add(chakra::Node& node, const char* name, bool value) {
    chakra::Attribute* attribute = node.add_attr();
    attribute->set_name(name);
    attribute->set_bool_val(value);
}
void add(chakra::Node& node, const char* name, double bytes_or_flops) {
    chakra::Attribute* attribute = node.add_attr();
    attribute->set_name(name);
    attribute->set_int64_val(std::llround(bytes_or_flops));
}
void add(chakra::Node& node, const char* name, std::uint32_t value) {
    chakra::Attribute* attribute = node.add_attr();
    attribute->set_name(name);
    attribute->set_int32_val(static_cast<std::int32_t>(value));
}
void add(chakra::Node& node, const char* name, const std::string& value) {
    chakra::Attribute* attribute = node.add_attr();
    attribute->set_name(name);
    attribute->set_string_val(value);
}

/// comm_type. A reader without unequal shares sees an all-to-all-v as an all-to-all of the mean.
chakra::CollectiveType type_of(CollectiveKind kind) {
    switch (kind) {
        case CollectiveKind::all_reduce:
            return chakra::ALL_REDUCE;
        case CollectiveKind::all_gather:
            return chakra::ALL_GATHER;
        case CollectiveKind::reduce_scatter:
            return chakra::REDUCE_SCATTER;
        case CollectiveKind::broadcast:
            return chakra::BROADCAST;
        case CollectiveKind::reduce:
            return chakra::REDUCE;
        case CollectiveKind::all_to_all:
        case CollectiveKind::all_to_all_v:
            return chakra::ALL_TO_ALL;
        case CollectiveKind::gather:
            return chakra::GATHER;
        case CollectiveKind::scatter:
            return chakra::SCATTER;
        case CollectiveKind::send_recv:
        case CollectiveKind::barrier:
            break;
    }
    return chakra::BARRIER;
}

/// Of a member's input.
double input_bytes(const Collective& work, std::size_t members) {
    const bool shares = work.kind == CollectiveKind::all_gather || work.kind == CollectiveKind::gather;
    return shares ? work.bytes / static_cast<double>(members) : work.bytes;
}

/// What a kernel reads and writes: of products and attention, each operand once.
double moved_bytes(const Kernel& kernel) {
    const auto product = [](std::int64_t a, std::int64_t b) {
        return static_cast<double>(a) * static_cast<double>(b);
    };
    const double element = bytes_of(kernel.precision);
    const auto batch = static_cast<double>(kernel.batch);
    switch (kernel.kind) {
        case KernelKind::gemm:
        case KernelKind::grouped_gemm:
            return batch *
                   (element * (product(kernel.m, kernel.k) + product(kernel.k, kernel.n)) +
                    (kernel.accumulate ? 2 : 1) * bytes_of(kernel.output) * product(kernel.m, kernel.n));
        case KernelKind::attention:
            return batch * element * 2 *
                   (product(kernel.m * kernel.heads, kernel.k) +
                    product(kernel.n * kernel.kv_heads, kernel.k));
        case KernelKind::memory_bound:
        case KernelKind::host_only:
            break;
    }
    return kernel.bytes;
}

double arithmetic(const Kernel& kernel) {
    const bool product = kernel.kind == KernelKind::gemm || kernel.kind == KernelKind::grouped_gemm;
    if (!product) return kernel.flops;
    return 2 * static_cast<double>(kernel.batch) * static_cast<double>(kernel.m) *
           static_cast<double>(kernel.n) * static_cast<double>(kernel.k);
}

bool sends(StreamKind stream) {
    return stream == StreamKind::pp_send || stream == StreamKind::copy_out;
}

/// Which part of a rank's time is the host's alone, and what stands for it.
class HostClock {
  public:
    /// The host begins to issue a task now; its node may have to be preceded by `host_until(now)`.
    [[nodiscard]] double now() const { return now_; }
    [[nodiscard]] double anchored_s() const { return anchored_s_; }
    [[nodiscard]] const std::optional<std::uint64_t>& anchor() const { return anchor_; }
    [[nodiscard]] const std::optional<std::uint64_t>& waited_for() const { return waited_for_; }

    void stand_at(std::uint64_t node) {
        anchor_ = node;
        anchored_s_ = now_;
    }
    void issued(double launch_s) { now_ += launch_s; }
    /// The host goes on when that task has ended.
    void waited(std::uint64_t node, double end_s) {
        waited_for_ = node;
        if (end_s < now_) return;
        now_ = end_s;
        stand_at(node);
    }

  private:
    double now_ = 0;
    double anchored_s_ = 0;                    ///< the time at which ...
    std::optional<std::uint64_t> anchor_;      ///< ... this node ended; none: the step began
    std::optional<std::uint64_t> waited_for_;  ///< the last that the host blocked on
};

class TraceWriter {
  public:
    TraceWriter(const Program& program, const WorkCosts& costs, const Timeline& timeline, RankId rank)
        : program_(program),
          costs_(costs),
          rank_(rank),
          tasks_(program.program_of(rank)),
          start_(timeline.start.data() + program.first_task[rank()]),
          end_(timeline.end.data() + program.first_task[rank()]),
          last_of_stream_(tasks_.streams.size()) {}

    std::string write() {
        chakra::GlobalMetadata metadata;
        metadata.set_version(kSchemaVersion);
        append(metadata);
        for (std::size_t i = 0; i < tasks_.size(); ++i) add_task(TaskId(i));
        return std::move(bytes_);
    }

    /// Nodes of a rank's tasks have odd numbers; the host's before each, even ones.
    static std::uint64_t node_of(TaskId task) { return 2 * std::uint64_t{task.value} + 1; }

  private:
    void append(const google::protobuf::MessageLite& message) {
        std::uint64_t size = message.ByteSizeLong();
        for (; size > 0x7F; size >>= 7) bytes_ += static_cast<char>((size & 0x7F) | 0x80);
        bytes_ += static_cast<char>(size);
        message.AppendToString(&bytes_);
    }

    void add_task(TaskId task) {
        const std::size_t i = task();
        const WorkCost& cost = costs_[tasks_.work[i]()];
        node_.Clear();
        node_.set_id(node_of(task));
        node_.set_name(program_.names[static_cast<std::size_t>(tasks_.label[i].name)]);
        double ready = 0;
        std::optional<TaskId>& last = last_of_stream_[tasks_.stream[i]()];
        if (last) {
            node_.add_ctrl_deps(node_of(*last));
            ready = end_[(*last)()];
        }
        for (const TaskId before : tasks_.dependencies(task)) {
            node_.add_data_deps(node_of(before));
            ready = std::max(ready, end_[before()]);
        }
        if (host_.waited_for()) node_.add_ctrl_deps(*host_.waited_for());
        if (host_.now() > ready) wait_for_host(task);
        set_times(node_, start_[i], end_[i]);
        describe_work(task);
        append(node_);
        last = task;
        host_.issued(cost.launch_s);
        if ((tasks_.flags[i] & kHostWaits) != 0) host_.waited(node_of(task), end_[i]);
    }

    /// The task starts when the host has come to it: a node for the host's time since the last such moment.
    void wait_for_host(TaskId task) {
        if (host_.now() > host_.anchored_s()) {
            chakra::Node node;
            node.set_id(node_of(task) - 1);
            node.set_name("host");
            node.set_type(chakra::COMP_NODE);
            if (host_.anchor()) node.add_ctrl_deps(*host_.anchor());
            set_times(node, host_.anchored_s(), host_.now());
            add(node, "is_cpu_op", true);
            append(node);
            host_.stand_at(node.id());
        }
        if (host_.anchor() && host_.anchor() != host_.waited_for()) node_.add_ctrl_deps(*host_.anchor());
    }

    static void set_times(chakra::Node& node, double start_s, double end_s) {
        node.set_start_time_micros(micros(start_s));
        node.set_duration_micros(micros(end_s) - micros(start_s));
    }

    void describe_work(TaskId task) {
        const std::size_t i = task();
        const StreamKind stream = tasks_.streams[tasks_.stream[i]()].kind;
        add(node_, "is_cpu_op", false);
        const Work& work = program_.works[tasks_.work[i]()];
        if (const auto* kernels = std::get_if<KernelSequence>(&work)) {
            describe(*kernels);
        } else if (const auto* copy = std::get_if<Copy>(&work)) {
            node_.set_type(copy->to_host ? chakra::MEM_STORE_NODE : chakra::MEM_LOAD_NODE);
            add(node_, "tensor_size", copy->bytes);
        } else if (tasks_.communicator_slot[i] == kNoCommunicator) {
            node_.set_type(chakra::COMP_NODE);  // a group of one: nothing is sent
        } else {
            const CommunicatorId id = program_.ranks[rank_()].communicators[tasks_.communicator_slot[i]];
            const auto& collective = std::get<Collective>(work);
            if (collective.kind == CollectiveKind::send_recv) {
                describe(collective, id, sends(stream));
            } else {
                describe(collective, id);
            }
        }
        const TaskLabel& label = tasks_.label[i];
        add(node_, "orrery_stream", std::string(to_string(stream)));
        add(node_, "orrery_lane", static_cast<std::uint32_t>(tasks_.stream[i]()));
        add(node_, "orrery_phase", std::string(to_string(label.phase)));
        if (label.micro_batch >= 0)
            add(node_, "orrery_micro_batch", static_cast<std::uint32_t>(label.micro_batch));
    }

    void describe(const KernelSequence& kernels) {
        node_.set_type(chakra::COMP_NODE);
        double flops = 0;
        double bytes = 0;
        for (const Kernel& kernel : kernels.kernels) {
            flops += arithmetic(kernel);
            bytes += moved_bytes(kernel);
        }
        add(node_, "num_ops", flops);
        add(node_, "tensor_size", bytes);
    }

    void describe(const Collective& collective, CommunicatorId id) {
        node_.set_type(chakra::COMM_COLL_NODE);
        const std::size_t members = program_.communicators[id()].members.size();
        add(node_, "comm_type", static_cast<double>(type_of(collective.kind)));
        add(node_, "comm_size", input_bytes(collective, members));
        add(node_, "pg_name", std::to_string(id() + 1));
    }

    void describe(const Collective& collective, CommunicatorId id, bool sending) {
        node_.set_type(sending ? chakra::COMM_SEND_NODE : chakra::COMM_RECV_NODE);
        const std::vector<RankId>& members = program_.communicators[id()].members;
        const RankId peer = members.front() == rank_ ? members.back() : members.front();
        const std::uint32_t own = program_.ranks[rank_()].device;
        const std::uint32_t other = program_.ranks[peer()].device;
        add(node_, "comm_size", collective.bytes);
        add(node_, "comm_src", sending ? own : other);
        add(node_, "comm_dst", sending ? other : own);
        add(node_, "comm_tag", id.value);
    }

    const Program& program_;
    const WorkCosts& costs_;
    RankId rank_;
    const RankProgram& tasks_;
    const double* start_;
    const double* end_;
    std::vector<std::optional<TaskId>> last_of_stream_;
    HostClock host_;
    chakra::Node node_;
    std::string bytes_;
};

void check_whole(const Program& program) {
    for (const Rank& rank : program.ranks)
        if (rank.multiplicity > 1 || rank.device >= program.ranks.size())
            throw ExperimentError("traces are of every rank: the program must not be folded (fold: false)");
}

/// Communicators that carry collectives: sends have tags instead.
std::vector<bool> with_collectives(const Program& program) {
    std::vector<bool> found(program.communicators.size(), false);
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const RankProgram& tasks = program.program_of(RankId(r));
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const auto* work = std::get_if<Collective>(&program.works[tasks.work[i]()]);
            if (work == nullptr || work->kind == CollectiveKind::send_recv ||
                tasks.communicator_slot[i] == kNoCommunicator)
                continue;
            found[program.ranks[r].communicators[tasks.communicator_slot[i]]()] = true;
        }
    }
    return found;
}

}  // namespace

TraceFile chakra_trace(const Program& program, const WorkCosts& costs, const Timeline& timeline,
                       RankId rank) {
    check_whole(program);
    return {fmt::format("trace.{}.et", program.ranks[rank()].device),
            TraceWriter(program, costs, timeline, rank).write()};
}

TraceFile chakra_groups(const Program& program) {
    check_whole(program);
    const std::vector<bool> listed = with_collectives(program);
    std::string text = "{";
    for (std::size_t c = 0; c < listed.size(); ++c) {
        if (!listed[c]) continue;
        std::vector<std::uint32_t> devices;
        for (const RankId member : program.communicators[c].members)
            devices.push_back(program.ranks[member()].device);
        text +=
            fmt::format("{}\n  \"{}\": [{}]", text.size() > 1 ? "," : "", c + 1, fmt::join(devices, ", "));
    }
    return {"comm_groups.json", text + (text.size() > 1 ? "\n}\n" : "}\n")};
}

ChakraSize write_chakra(const std::filesystem::path& folder, const Program& program, const WorkCosts& costs,
                        const Timeline& timeline) {
    check_whole(program);
    ChakraSize size;
    const auto write = [&](const TraceFile& file) {
        write_file_atomically(folder / file.name, file.bytes);
        ++size.files;
        size.bytes += file.bytes.size();
    };
    for (std::size_t rank = 0; rank < program.ranks.size(); ++rank)
        write(chakra_trace(program, costs, timeline, RankId(rank)));
    write(chakra_groups(program));
    size.nodes = program.tasks();
    return size;
}

}  // namespace orrery::sim
