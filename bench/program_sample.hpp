// bench/program_sample.hpp
//
// A program of the shape that training steps have, for the benchmarks of the engines: a 1F1B pipeline of
// tensor-parallel groups, replicated for data parallelism, at kernel granularity. It is made by hand, so that
// the engines are measured apart from `lower`.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"

namespace orrery::bench {

struct PipelineSample {
    int pipeline = 16;
    int tensor = 8;
    int data = 8;
    int micro_batches = 192;
    int layers = 6;            ///< per stage
    int forward_kernels = 16;  ///< per layer; after each half of them a tensor-parallel collective
    int backward_kernels = 32;
    bool shared =
        true;  ///< the ranks of a stage share one rank program; otherwise each rank has its own copy
};

struct Sample {
    sim::Program program;
    sim::WorkCosts costs;
};

namespace sample {

using namespace sim;

enum Slot : std::uint32_t { kTensor, kForwardIn, kForwardOut, kBackwardIn, kBackwardOut, kData, kSlots };
enum WorkOf : std::size_t { kKernels = 0, kTensorCollective = 20, kPipelineTransfer, kGradients, kWorks };

/// One stage's tasks. Streams: compute, tp, pp-send (activations, gradients), pp-recv (the same), dp.
class StageProgram {
  public:
    StageProgram(const PipelineSample& s, int stage_index) : shape(s), stage(stage_index) {
        for (const StreamKind kind :
             {StreamKind::compute, StreamKind::tp, StreamKind::pp_send, StreamKind::pp_send,
              StreamKind::pp_recv, StreamKind::pp_recv, StreamKind::dp})
            tasks.streams.push_back({kind, -1});
        tasks.dependency_begin.push_back(0);
        sequence.assign(kSlots, 0);
    }

    RankProgram build() {
        const int ahead = std::min(shape.pipeline - stage - 1, shape.micro_batches);
        for (int k = 0; k < ahead; ++k) forward(k);
        for (int k = ahead; k < shape.micro_batches; ++k) {
            forward(k);
            backward(k - ahead);
        }
        for (int k = shape.micro_batches - ahead; k < shape.micro_batches; ++k) backward(k);
        add(6, kGradients, kData, Phase::gradient_reduce, -1, {last_compute});
        return std::move(tasks);
    }

  private:
    TaskId add(std::size_t stream, std::size_t work, std::uint32_t slot, Phase phase, int micro_batch,
               const std::vector<TaskId>& after) {
        tasks.stream.push_back(StreamId(stream));
        tasks.work.push_back(WorkId(work));
        tasks.flags.push_back(0);
        tasks.communicator_slot.push_back(slot);
        tasks.sequence.push_back(slot == kNoCommunicator ? 0 : sequence[slot]++);
        for (const TaskId before : after)
            if (before) tasks.dependency.push_back(before);
        tasks.dependency_begin.push_back(static_cast<std::uint32_t>(tasks.dependency.size()));
        TaskLabel label;
        label.phase = phase;
        label.micro_batch = micro_batch;
        tasks.label.push_back(label);
        return TaskId(tasks.size() - 1);
    }

    void compute(int layers, int kernels, Phase phase, int micro_batch, TaskId received) {
        TaskId before = received;
        for (int layer = 0; layer < layers; ++layer)
            for (int half = 0; half < 2; ++half) {
                for (int k = 0; k < kernels / 2; ++k) {
                    last_compute = add(0, kKernels + static_cast<std::size_t>(k), kNoCommunicator, phase,
                                       micro_batch, {before});
                    before = TaskId();
                }
                if (shape.tensor > 1)
                    before = add(1, kTensorCollective, kTensor, phase, micro_batch, {last_compute});
            }
        last_of_pass = before ? before : last_compute;
    }

    void forward(int k) {
        TaskId received;
        if (stage > 0) received = add(4, kPipelineTransfer, kForwardIn, Phase::forward, k, {});
        compute(shape.layers, shape.forward_kernels, Phase::forward, k, received);
        if (stage + 1 < shape.pipeline)
            add(2, kPipelineTransfer, kForwardOut, Phase::forward, k, {last_of_pass});
    }

    void backward(int k) {
        TaskId received;
        if (stage + 1 < shape.pipeline)
            received = add(5, kPipelineTransfer, kBackwardIn, Phase::backward, k, {});
        compute(shape.layers, shape.backward_kernels, Phase::backward, k, received);
        if (stage > 0) add(3, kPipelineTransfer, kBackwardOut, Phase::backward, k, {last_of_pass});
    }

    PipelineSample shape;
    int stage;
    RankProgram tasks;
    std::vector<std::uint32_t> sequence;
    TaskId last_compute;
    TaskId last_of_pass;
};

/// Gives every communicator its members and every rank its slots.
class Wiring {
  public:
    Wiring(Program& p, const PipelineSample& s) : program(p), shape(s) {}

    void connect() {
        const int m = shape.micro_batches;
        const auto tensor_operations =
            static_cast<std::uint32_t>(shape.tensor > 1 ? 4 * shape.layers * m : 0);
        for (Rank& rank : program.ranks) rank.communicators.resize(kSlots);
        for (int d = 0; d < shape.data; ++d)
            for (int s = 0; s < shape.pipeline; ++s) {
                std::vector<RankId> group;
                for (int t = 0; t < shape.tensor; ++t) group.push_back(rank_of(d, s, t));
                join("tp", tensor_operations, group, std::vector<std::uint32_t>(group.size(), kTensor));
            }
        for (int s = 0; s < shape.pipeline; ++s)
            for (int t = 0; t < shape.tensor; ++t) {
                std::vector<RankId> group;
                for (int d = 0; d < shape.data; ++d) group.push_back(rank_of(d, s, t));
                join("dp", 1, group, std::vector<std::uint32_t>(group.size(), kData));
                for (int d = 0; d < shape.data; ++d) connect_pipeline(rank_of(d, s, t), s, d, t);
            }
    }

  private:
    [[nodiscard]] RankId rank_of(int d, int s, int t) const {
        return RankId(static_cast<std::size_t>((d * shape.pipeline + s) * shape.tensor + t));
    }

    void connect_pipeline(RankId rank, int s, int d, int t) {
        const auto operations = static_cast<std::uint32_t>(shape.micro_batches);
        if (s == 0) {
            join("none", 0, {rank}, {kForwardIn});
            join("none", 0, {rank}, {kBackwardOut});
        }
        if (s + 1 == shape.pipeline) {
            join("none", 0, {rank}, {kForwardOut});
            join("none", 0, {rank}, {kBackwardIn});
            return;
        }
        const RankId next = rank_of(d, s + 1, t);
        join("pp forward", operations, {rank, next}, {kForwardOut, kForwardIn});
        join("pp backward", operations, {next, rank}, {kBackwardOut, kBackwardIn});
    }

    void join(const char* name, std::uint32_t operations, const std::vector<RankId>& members,
              const std::vector<std::uint32_t>& slots) {
        const CommunicatorId id(program.communicators.size());
        program.communicators.push_back({operations, members, name});
        for (std::size_t i = 0; i < members.size(); ++i)
            program.ranks[members[i]()].communicators[slots[i]] = id;
    }

    Program& program;
    PipelineSample shape;
};

}  // namespace sample

inline Sample make_pipeline_sample(const PipelineSample& shape) {
    using namespace sample;
    Sample result;
    Program& program = result.program;
    program.names = {"kernel"};
    program.groups.resize(3);  // their size counts, not which devices they are
    program.groups[0].devices.resize(static_cast<std::size_t>(shape.tensor));
    program.groups[1].devices.resize(2);
    program.groups[2].devices.resize(static_cast<std::size_t>(shape.data));
    for (std::size_t i = 0; i < kWorks; ++i) {
        const double duration = 1e-5 * static_cast<double>(1 + i % 7);
        result.costs.push_back({duration, 4e-6, 4e-6 + duration});
        if (i < kTensorCollective)
            program.works.emplace_back(KernelSequence{});
        else
            program.works.emplace_back(
                Collective{i == kPipelineTransfer ? CollectiveKind::send_recv : CollectiveKind::all_reduce,
                           1e6, static_cast<std::uint32_t>(i - kTensorCollective)});
    }
    std::vector<RankProgram> stages;
    for (int s = 0; s < shape.pipeline; ++s) stages.push_back(StageProgram(shape, s).build());
    program.first_task.push_back(0);
    for (int d = 0; d < shape.data; ++d)
        for (int s = 0; s < shape.pipeline; ++s)
            for (int t = 0; t < shape.tensor; ++t) {
                Rank rank;
                rank.device = static_cast<std::uint32_t>(program.ranks.size());
                rank.pipeline_device = s;
                rank.program = shape.shared ? static_cast<std::uint32_t>(s) : rank.device;
                if (!shape.shared) program.rank_programs.push_back(stages[static_cast<std::size_t>(s)]);
                program.ranks.push_back(rank);
                program.first_task.push_back(program.first_task.back() +
                                             stages[static_cast<std::size_t>(s)].size());
            }
    if (shape.shared) program.rank_programs = std::move(stages);
    Wiring(program, shape).connect();
    return result;
}

}  // namespace orrery::bench
