#include "profiler/execute/cuda/lane_works.hpp"

#include <algorithm>
#include <new>
#include <optional>
#include <variant>

namespace orrery::profiler::cuda {
namespace {

constexpr std::size_t kAlignment = 256;                       ///< as cudaMalloc's
constexpr std::size_t kMostCopied = std::size_t{256} << 20U;  ///< a longer copy goes over the buffer again

std::size_t aligned(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Whether any numbers do.
bool rotates(const Operand& operand) {
    return operand.contents == Contents::random || operand.contents == Contents::random_fp32;
}

std::size_t rotating_bytes(const std::vector<Operand>& operands) {
    std::size_t bytes = 0;
    for (const Operand& operand : operands)
        if (rotates(operand)) bytes += aligned(operand.bytes());
    return bytes;
}

std::size_t copied_at_once(const sim::Copy& copy) {
    return std::min(static_cast<std::size_t>(std::max(copy.bytes, 0.0)), kMostCopied);
}

}  // namespace

OperandArena::OperandArena(std::size_t bytes, unsigned long long seed) {
    memory_ = DeviceBuffer(aligned(bytes));
    // bf16 between 0 and 1: small numbers in every format that reads them.
    const Operand all{memory_.bytes() / 2, 2, Contents::random};
    ORRERY_CUDA(fill_operand(all, Precision::bf16, 1, seed << 40U, memory_.data(), nullptr));
    ORRERY_CUDA(cudaStreamSynchronize(nullptr));
}

void* OperandArena::take(std::size_t bytes) {
    if (next_ + bytes > memory_.bytes()) next_ = 0;
    void* const at = static_cast<std::byte*>(memory_.data()) + next_;
    next_ += aligned(bytes);
    return at;
}

std::size_t largest_operands(const sim::Program& program, const std::vector<sim::WorkId>& works,
                             Context& context) {
    std::size_t largest = 0;
    for (const sim::WorkId work : works) {
        if (const auto* copy = std::get_if<sim::Copy>(&program.works[work()])) {
            largest = std::max(largest, aligned(copied_at_once(*copy)));
            continue;
        }
        const auto* sequence = std::get_if<sim::KernelSequence>(&program.works[work()]);
        if (sequence == nullptr) continue;
        for (const Kernel& kernel : sequence->kernels) {
            if (const std::optional<KernelCase> one = case_of(kernel))
                largest = std::max(largest, rotating_bytes(make_launchable(*one, context)->operands()));
        }
    }
    return largest;
}

LaneWorks::LaneWorks(const sim::Program& program, const std::vector<sim::WorkId>& works, Context& context,
                     RankArenas& arenas)
    : context_(context), arenas_(arenas) {
    std::size_t copied = 0;
    for (const sim::WorkId work : works) {
        if (const auto* copy = std::get_if<sim::Copy>(&program.works[work()])) {
            copies_[work] = {static_cast<std::size_t>(std::max(copy->bytes, 0.0)), copy->to_host};
            copied = std::max(copied, copied_at_once(*copy));
            continue;
        }
        std::vector<Planned>& sequence = sequences_[work];
        for (const Kernel& kernel : std::get<sim::KernelSequence>(program.works[work()]).kernels)
            plan(kernel, sequence);
    }
    if (copied > 0) host_ = std::make_unique<PinnedBuffer>(copied);
    for (const sim::WorkId work : works) launch(work);
    ORRERY_CUDA(cudaStreamSynchronize(context_.stream));
}

/// A group of products has its matrices' addresses on the device: they are written once, so its operands
/// stay.
void LaneWorks::plan(const Kernel& kernel, std::vector<Planned>& sequence) {
    const std::optional<KernelCase> one = case_of(kernel);
    if (!one) return;  // nothing runs on the device
    Planned planned;
    planned.launchable = make_launchable(*one, context_);
    planned.operands = planned.launchable->operands();
    const bool stays = one->operation == Operation::grouped_gemm;
    planned.product = stays || one->operation == Operation::gemm;
    for (std::size_t i = 0; i < planned.operands.size(); ++i) {
        const Operand& operand = planned.operands[i];
        if (rotates(operand)) {
            planned.fixed.push_back(stays ? arena_of(planned, i).take(operand.bytes()) : nullptr);
            continue;
        }
        DeviceBuffer& own = planned.own.emplace_back(std::max<std::size_t>(operand.bytes(), 16));
        ORRERY_CUDA(fill_operand(operand, kernel.precision, std::max<std::int64_t>(one->width, 1),
                                 3ULL << 40U, own.data(), context_.stream));
        planned.fixed.push_back(own.data());
    }
    sequence.push_back(std::move(planned));
}

/// Of a product the first two operands are read and the third is written.
OperandArena& LaneWorks::arena_of(const Planned& planned, std::size_t operand) const {
    return planned.product && operand < 2 ? arenas_.numbers : arenas_.written;
}

void LaneWorks::launch(sim::WorkId work) {
    if (const auto copy = copies_.find(work); copy != copies_.end()) return run(copy->second);
    for (const Planned& planned : sequences_.at(work)) run(planned);
}

void LaneWorks::run(const Planned& planned) {
    pointers_ = planned.fixed;
    for (std::size_t i = 0; i < pointers_.size(); ++i) {
        if (pointers_[i] == nullptr) pointers_[i] = arena_of(planned, i).take(planned.operands[i].bytes());
    }
    planned.launchable->launch(pointers_.data());
}

void LaneWorks::run(const PlannedCopy& copy) {
    const std::size_t part = std::min(copy.bytes, kMostCopied);
    for (std::size_t done = 0; done < copy.bytes; done += part) {
        const std::size_t bytes = std::min(part, copy.bytes - done);
        void* const device = arenas_.written.take(bytes);
        void* const to = copy.to_host ? host_->data() : device;
        const void* const from = copy.to_host ? device : host_->data();
        ORRERY_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, context_.stream));
    }
}

}  // namespace orrery::profiler::cuda
