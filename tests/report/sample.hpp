// tests/report/sample.hpp
//
// A small but whole step to draw: 1F1B over `stages` pipeline devices, layers with a tensor-parallel
// all-reduce each, sends between the stages, a gradient reduce-scatter and the optimizer. And results and
// validations made up for the tests: round numbers, no prediction of anything.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "report/result.hpp"
#include "report/validation.hpp"
#include "sim/engine/engine.hpp"
#include "tests/sim/program_builder.hpp"

namespace orrery::report::testing {

struct SampleStep {
    sim::Program program;
    sim::Timeline timeline;
};

class SampleBuilder {
  public:
    SampleBuilder(int stages, int micro_batches, int layers)
        : stages_(stages), micro_batches_(micro_batches), layers_(layers) {
        b_.program.names = {"layer", "all-reduce",   "send", "receive", "reduce gradients",
                            "adam",  "grad <&> norm"};
        forward_ = b_.kernel(sim::testing::takes(1e-3));
        backward_ = b_.kernel(sim::testing::takes(2e-3));
        all_reduce_ =
            b_.collective(sim::CollectiveKind::all_reduce, 100e6, {0, 1}, sim::testing::takes(0.3e-3));
        send_ = b_.collective(sim::CollectiveKind::send_recv, 50e6, {0, 8}, sim::testing::takes(0.4e-3));
        reduce_ = b_.collective(sim::CollectiveKind::reduce_scatter, 2e9, {0, 1}, sim::testing::takes(9e-3));
        adam_ = b_.kernel(sim::testing::takes(4e-3));
    }

    SampleStep build() {
        using Kind = sim::StreamKind;
        for (int s = 0; s < stages_; ++s) {
            const auto rank = b_.rank({Kind::compute, Kind::tp, Kind::pp_send, Kind::pp_send, Kind::pp_recv,
                                       Kind::pp_recv, Kind::dp});
            b_.program.ranks[rank()].pipeline_device = s;
            b_.program.ranks[rank()].device = static_cast<std::uint32_t>(8 * s);
            b_.program.ranks[rank()].multiplicity = 8;
            auto& streams = b_.tasks(rank).streams;
            streams[kSendDown].peer = streams[kReceiveUp].peer = static_cast<std::int16_t>(s + 1);
            streams[kSendUp].peer = streams[kReceiveDown].peer = static_cast<std::int16_t>(s - 1);
        }
        for (int s = 0; s < stages_; ++s) {
            tp_.push_back(b_.communicator({rank(s)}));
            if (s + 1 == stages_) continue;
            down_.push_back(b_.communicator({rank(s), rank(s + 1)}));
            up_.push_back(b_.communicator({rank(s), rank(s + 1)}));
        }
        for (int s = 0; s < stages_; ++s) stage(s);
        SampleStep step;
        step.program = b_.build();
        step.timeline = sim::replay(step.program, b_.costs);
        return step;
    }

  private:
    static constexpr std::size_t kCompute = 0, kTp = 1, kSendDown = 2, kSendUp = 3, kReceiveDown = 4,
                                 kReceiveUp = 5, kDp = 6;

    static sim::RankId rank(int s) { return sim::RankId(static_cast<std::size_t>(s)); }

    sim::TaskId label(int s, sim::TaskId task, int name, sim::Phase phase, int micro_batch, int layer) {
        sim::TaskLabel& label = b_.tasks(rank(s)).label[task()];
        label.name = name;
        label.phase = phase;
        label.micro_batch = micro_batch;
        label.layer = static_cast<std::int16_t>(layer);
        return task;
    }

    void pass(int s, int micro_batch, sim::Phase phase) {
        const bool forward = phase == sim::Phase::forward;
        const bool receives = forward ? s > 0 : s + 1 < stages_;
        const bool sends = forward ? s + 1 < stages_ : s > 0;
        std::vector<sim::TaskId> after;
        if (receives) {
            const auto from =
                forward ? down_[static_cast<std::size_t>(s - 1)] : up_[static_cast<std::size_t>(s)];
            after = {label(s, b_.task(rank(s), forward ? kReceiveDown : kReceiveUp, send_, from), 3, phase,
                           micro_batch, -1)};
        }
        for (int layer = 0; layer < layers_; ++layer) {
            const auto work = b_.task(rank(s), kCompute, forward ? forward_ : backward_, after);
            label(s, work, 0, phase, micro_batch, s * layers_ + layer);
            const auto reduce = b_.task(rank(s), kTp, all_reduce_, tp_[static_cast<std::size_t>(s)], {work});
            after = {label(s, reduce, 1, phase, micro_batch, s * layers_ + layer)};
        }
        if (!sends) return;
        const auto to = forward ? down_[static_cast<std::size_t>(s)] : up_[static_cast<std::size_t>(s - 1)];
        label(s, b_.task(rank(s), forward ? kSendDown : kSendUp, send_, to, after), 2, phase, micro_batch,
              -1);
    }

    void stage(int s) {
        const int ahead = std::min(stages_ - 1 - s, micro_batches_);
        for (int k = 0; k < ahead; ++k) pass(s, k, sim::Phase::forward);
        for (int k = ahead; k < micro_batches_; ++k) {
            pass(s, k, sim::Phase::forward);
            pass(s, k - ahead, sim::Phase::backward);
        }
        for (int k = micro_batches_ - ahead; k < micro_batches_; ++k) pass(s, k, sim::Phase::backward);
        const auto last = sim::TaskId(b_.tasks(rank(s)).size() - 1);
        const auto reduce = b_.task(rank(s), kDp, reduce_, std::vector<sim::TaskId>{last});
        label(s, reduce, 4, sim::Phase::gradient_reduce, -1, -1);
        label(s, b_.task(rank(s), kCompute, adam_, std::vector<sim::TaskId>{reduce}), 5,
              sim::Phase::optimizer, -1, -1);
    }

    int stages_, micro_batches_, layers_;
    sim::testing::ProgramBuilder b_;
    sim::WorkId forward_, backward_, all_reduce_, send_, reduce_, adam_;
    std::vector<sim::CommunicatorId> tp_, down_, up_;
};

inline SampleStep sample_step(int stages, int micro_batches, int layers) {
    return SampleBuilder(stages, micro_batches, layers).build();
}

inline Result sample_result(const std::string& name = "GPT-3 175B on 1,024 A100", int stages = 8,
                            double slower = 1) {
    constexpr double kGiB = 1024.0 * 1024 * 1024;
    Result r;
    r.experiment = name;
    r.engine = "replay";
    r.calibration = "a100-sxm-80g";
    r.gpus = 1024;
    r.step_time_s = 17.38 * slower;
    r.tokens_per_s = 1536 * 2048 / r.step_time_s;
    r.tokens_per_s_per_gpu = r.tokens_per_s / 1024;
    r.model_tflops_per_gpu = 138.4 / slower;
    r.mfu = 0.4436 / slower;
    r.hfu = 0.4612 / slower;
    r.bubble_ratio = 0.0912;
    r.bubble_ratio_span = 0.071;
    r.bubble_overhead = 0.1;
    r.breakdown = {12.1 * slower, {1.81, 0.22, 0.4, 0, 0}, 0, 1.6, 0.31, 0.05};
    r.memory.capacity_bytes = 80 * kGiB;
    r.memory.by_kind_bytes = {10.2 * kGiB, 10.2 * kGiB, 8.1 * kGiB, 31 * kGiB, 1.5 * kGiB, 0.3 * kGiB};
    r.memory.peak_bytes = total_bytes(r.memory.by_kind_bytes);
    r.memory.fits = r.memory.peak_bytes <= r.memory.capacity_bytes;
    for (int s = 0; s < stages; ++s) {
        StageResult stage;
        stage.stage = s;
        stage.layers = 96 / stages;
        stage.breakdown = r.breakdown;
        stage.breakdown.bubble_s += 0.1 * (stages - s);
        stage.breakdown.compute_s -= 0.1 * (stages - s);
        stage.peak_by_kind_bytes = r.memory.by_kind_bytes;
        stage.peak_by_kind_bytes[3] *= static_cast<double>(stages - s) / stages;
        r.per_stage.push_back(stage);
    }
    r.simulation.tasks = 1234567;
    r.flop_formula = "72 B s l h^2 (1 + s/6h + V/12lh), causal attention not halved (Narayanan et al. 2021)";
    r.plan = {{"model", "gpt3-175b"}, {"tp", "8"},          {"pp", std::to_string(stages)},
              {"dp", "16"},           {"schedule", "1f1b"}, {"recompute", "selective"}};
    r.sources = {{"GPU peak", "NVIDIA A100 data sheet"},
                 {"GEMM efficiency", "published microbenchmarks, gemm.csv"}};
    r.notes = {
        "The attention kernel of 2,048 x 2,048 lies outside the calibrated range; the nearest sample is "
        "used."};
    return r;
}

inline Validation sample_validation(int rows = 60) {
    Validation v;
    const std::vector<std::string> sources{"selective recompute, Table 5", "SC'21 Table 1",
                                           "llm-foundry A100 80GB", "llm-foundry H100", "vTrain single node"};
    for (int i = 0; i < rows; ++i) {
        const double measured = 0.4 * std::pow(1.11, i);
        const double error = 0.12 * std::sin(i * 1.7) + (i == 17 ? 0.25 : 0);
        v.rows.push_back(
            {"run-" + std::to_string(1000 + i), sources[static_cast<std::size_t>(i) % sources.size()],
             "megatron-" + std::to_string(i) + "b", 8LL << (i % 8), measured * (1 + error), measured});
    }
    v.skipped = {{"run-2000", sources[0], "context parallelism is not simulated yet"},
                 {"run-2001", sources[1], "context parallelism is not simulated yet"},
                 {"run-2002", "Megatron-Bridge GB200", "no step time recorded"}};
    return v;
}

}  // namespace orrery::report::testing
