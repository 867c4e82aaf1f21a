#include "profiler/execute/device_program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "core/error.hpp"

namespace orrery::profiler {

DeviceBlock::DeviceBlock(MemorySource& source, std::size_t bytes) : source_(&source) {
    if (bytes == 0) return;
    const std::size_t grain = source.granularity();
    bytes_ = (bytes + grain - 1) / grain * grain;
    data_ = source.allocate(bytes_);
}

DeviceBlock::~DeviceBlock() {
    if (data_ != nullptr) source_->release(data_, bytes_);
}

DeviceBlock::DeviceBlock(DeviceBlock&& other) noexcept
    : source_(other.source_), data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

DeviceBlock& DeviceBlock::operator=(DeviceBlock&& other) noexcept {
    std::swap(source_, other.source_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

DeviceProgram::DeviceProgram(PlannedRun run, Devices& devices)
    : run_(std::move(run)), devices_(devices), operations_(devices.own_operations()) {
    const sim::Program& program = run_.program;
    if (program.tasks() > std::numeric_limits<Mark>::max() / 4)
        throw ExperimentError(fmt::format("{} tasks are too many to execute", program.tasks()));
    for (std::size_t r = 0; r < program.ranks.size(); ++r) ranks_.emplace_back(program, sim::RankId(r));
    lay_out();
    operations_->use(program);
    take_memory();
    make_buffers();
}

bool DeviceProgram::only_sends(const RankTasks& tasks, std::size_t stream) const {
    const std::vector<std::uint32_t>& list = tasks.of_stream(stream);
    return std::all_of(list.begin(), list.end(), [&](std::uint32_t task) {
        return tasks.is_operation(task) && tasks.operation_of(task).kind == sim::CollectiveKind::send_recv &&
               program().communicators[tasks.communicator_of(task)()].members.size() == 2 &&
               tasks.sends(task);
    });
}

/// The tasks' marks come first, then two of each lane's for operations that are copied.
void DeviceProgram::lay_out() {
    const auto own = static_cast<Mark>(2 * program().tasks());
    if (!operations_) operations_ = std::make_unique<CopiedOperations>(devices_, own);
    std::vector<LaneUse> lanes;
    for (const RankTasks& tasks : ranks_) {
        std::vector<Stream>& streams = streams_.emplace_back(tasks.streams());
        for (std::size_t s = 0; s < streams.size(); ++s) {
            if (operations_->senders_need_no_lane() && only_sends(tasks, s)) continue;
            streams[s].lane = static_cast<Lane>(lanes.size());
            LaneUse use{tasks.rank(), tasks.list().streams[s].kind, {}};
            for (const std::uint32_t task : tasks.of_stream(s))
                if (!tasks.is_operation(task)) use.works.push_back(tasks.list().work[task]);
            std::sort(use.works.begin(), use.works.end());
            use.works.erase(std::unique(use.works.begin(), use.works.end()), use.works.end());
            lanes.push_back(std::move(use));
        }
    }
    try {
        devices_.use(run_, lanes, own + 2 * lanes.size());
    } catch (const std::bad_alloc&) {
        throw ExperimentError("not enough memory for the operands of the kernels");
    }
}

/// Once through all events, in the order in which the host issues: what a step takes is then kept.
void DeviceProgram::take_memory() {
    for (const RankTasks& tasks : ranks_) {
        RankMemory& memory =
            *memory_.emplace_back(std::make_unique<RankMemory>(devices_.memory(tasks.rank())));
        tasks.take_static_bytes(memory);
        for (std::uint32_t task = 0; task < tasks.size(); ++task) {
            tasks.take_memory(task, memory);
            tasks.give_memory(task, memory);
        }
    }
}

void DeviceProgram::make_buffers() {
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
        const RankTasks& tasks = ranks_[r];
        for (std::size_t s = 0; s < streams_[r].size(); ++s) {
            std::size_t sent = 0;
            std::size_t received = 0;
            for (const std::uint32_t task : tasks.of_stream(s)) {
                if (!tasks.is_operation(task)) continue;
                const sim::Collective& work = tasks.operation_of(task);
                const std::size_t members =
                    program().communicators[tasks.communicator_of(task)()].members.size();
                const std::size_t bytes = buffer_bytes(program(), work, members);
                const bool pair = work.kind == sim::CollectiveKind::send_recv;
                if (!pair || tasks.sends(task)) sent = std::max(sent, bytes);
                if (!pair || !tasks.sends(task)) received = std::max(received, bytes);
            }
            try {
                streams_[r][s].send = DeviceBlock(devices_.memory(tasks.rank()), sent);
                streams_[r][s].receive = DeviceBlock(devices_.memory(tasks.rank()), received);
            } catch (const std::bad_alloc&) {
                throw ExperimentError(fmt::format("not enough memory for the messages of rank {}: {} bytes",
                                                  r, sent + received));
            }
        }
    }
}

}  // namespace orrery::profiler
