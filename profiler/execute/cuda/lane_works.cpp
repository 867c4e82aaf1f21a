#include "profiler/execute/cuda/lane_works.hpp"

#include <algorithm>
#include <new>
#include <optional>
#include <variant>

namespace orrery::profiler::cuda {
namespace {

constexpr std::size_t kAlignment = 256;                        ///< as cudaMalloc's
constexpr std::size_t kOverlapFrom = std::size_t{512} << 20U;  ///< bytes of all operands
constexpr std::size_t kMostCopied = std::size_t{256} << 20U;   ///< a longer copy goes over the buffer again

std::size_t aligned(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Whether any numbers do.
bool rotates(const Operand& operand) {
    return operand.contents == Contents::random || operand.contents == Contents::random_fp32;
}

bool is_product(const KernelCase& kernel_case) {
    return kernel_case.operation == Operation::gemm || kernel_case.operation == Operation::grouped_gemm;
}

/// Bytes of all operands of a large pass when each begins `apart` after the one before; 0 of what is not
/// large.
std::size_t overlapping_bytes(const KernelCase& kernel_case, const std::vector<Operand>& operands,
                              std::size_t apart) {
    if (is_product(kernel_case) || kernel_case.operation == Operation::attention) return 0;
    std::size_t all = 0;
    std::size_t last = 0;
    std::size_t begin = 0;
    for (const Operand& operand : operands) {
        if (!rotates(operand)) continue;
        all += aligned(operand.bytes());
        last = std::max(last, begin + aligned(operand.bytes()));
        begin += apart;
    }
    return all > kOverlapFrom ? last : 0;
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

ArenaNeeds needs_of(const sim::Program& program, const std::vector<sim::WorkId>& works, Context& context,
                    std::size_t apart) {
    ArenaNeeds most;
    for (const sim::WorkId work : works) {
        if (const auto* copy = std::get_if<sim::Copy>(&program.works[work()])) {
            most.written = std::max(most.written, aligned(copied_at_once(*copy)));
            continue;
        }
        const auto* sequence = std::get_if<sim::KernelSequence>(&program.works[work()]);
        if (sequence == nullptr) continue;
        for (const Kernel& kernel : sequence->kernels) {
            const std::optional<KernelCase> one = case_of(kernel);
            if (!one) continue;
            const std::vector<Operand> operands = make_launchable(*one, context)->operands();
            ArenaNeeds needs;
            for (std::size_t i = 0; i < operands.size(); ++i) {
                if (!rotates(operands[i])) continue;
                (is_product(*one) && i < 2 ? needs.numbers : needs.written) += aligned(operands[i].bytes());
            }
            const std::size_t overlapping = overlapping_bytes(*one, operands, apart);
            if (overlapping > 0) needs.written = overlapping;
            most.numbers = std::max(most.numbers, needs.numbers);
            most.written = std::max(most.written, needs.written);
        }
    }
    return most;
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
    planned.product = is_product(*one);
    planned.overlapping = overlapping_bytes(*one, planned.operands, arenas_.apart);
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
    auto* next = static_cast<std::byte*>(planned.overlapping > 0 ? arenas_.written.take(planned.overlapping)
                                                                 : nullptr);
    for (std::size_t i = 0; i < pointers_.size(); ++i) {
        if (pointers_[i] != nullptr) continue;
        if (next == nullptr) {
            pointers_[i] = arena_of(planned, i).take(planned.operands[i].bytes());
        } else {
            pointers_[i] = next;
            next += arenas_.apart;
        }
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
