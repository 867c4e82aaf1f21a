// Experiments out as Chakra traces and in again.
#include "study/traced_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "core/error.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

using ::testing::HasSubstr;

struct Case {
    const char* name;
    const char* text;
};

const Case kCases[] = {
    {"dense",
     "model: {family: gpt, seq_length: 2048, layers: 4, hidden: 1024, heads: 16, vocab: 32000}\ncluster: "
     "{node: dgx-a100, nodes: 2}\n"
     "parallel: {tp: 4, pp: 2, sequence_parallel: true}\nschedule: 1f1b\n"
     "training: {global_batch: 8, micro_batch: 1, seq_length: 512}\n"},
    {"interleaved",
     "model: {family: gpt, seq_length: 2048, layers: 8, hidden: 512, heads: 8, vocab: 32000}\ncluster: "
     "{node: dgx-a100, nodes: 1}\n"
     "parallel: {tp: 1, pp: 4}\nschedule: {name: interleaved-1f1b, vpp: 2}\n"
     "training: {global_batch: 16, micro_batch: 1, seq_length: 512}\n"},
    {"sharded",
     "model: {family: gpt, seq_length: 2048, layers: 4, hidden: 1024, heads: 16, vocab: 32000}\ncluster: "
     "{node: dgx-a100, nodes: 2}\n"
     "parallel: {tp: 2, sharding: fsdp}\ntraining: {global_batch: 8, micro_batch: 1, seq_length: 512}\n"},
    {"zero-bubble",
     "model: {family: gpt, seq_length: 2048, layers: 8, hidden: 512, heads: 8, vocab: 32000}\ncluster: "
     "{node: dgx-a100, nodes: 1}\n"
     "parallel: {tp: 2, pp: 4}\nschedule: zb-h1\n"
     "training: {global_batch: 8, micro_batch: 1, seq_length: 512}\n"},
    {"bidirectional",
     "model: {family: gpt, seq_length: 2048, layers: 8, hidden: 512, heads: 8, vocab: 32000}\ncluster: "
     "{node: dgx-a100, nodes: 1}\n"
     "parallel: {tp: 2, pp: 4}\nschedule: dualpipe\n"
     "training: {global_batch: 8, micro_batch: 1, seq_length: 512}\n"},
    {"experts",
     "model: mixtral-8x7b\ncluster: {node: dgx-h100, nodes: 2}\nparallel: {ep: 8, tp: 1, pp: 2}\n"
     "training: {global_batch: 16, micro_batch: 1, seq_length: 512}\n"},
    {"context",
     "model: {family: gpt, seq_length: 2048, layers: 2, hidden: 1024, heads: 16, vocab: 32000}\ncluster: "
     "{node: dgx-a100, nodes: 1}\n"
     "parallel: {cp: 4, tp: 2}\ntraining: {global_batch: 2, micro_batch: 1, seq_length: 2048}\n"},
};

class TracedRunTest : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("orrery_traces_" + std::to_string(::getpid()));
        std::filesystem::remove_all(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    /// Exports; false where this build cannot.
    bool written(const Simulation& simulation) {
        std::filesystem::remove_all(folder_);
        try {
            sim::write_chakra(folder_, simulation.lowered.program, simulation.prices.costs,
                              simulation.timeline);
        } catch (const MissingCapability&) {
            return false;
        }
        return true;
    }

    std::filesystem::path folder_;
};

Simulation simulated(const Case& one, const std::string& engine) {
    return simulate(
        parse_experiment(one.text, one.name, std::vector<std::string>{"fold=false", "engine=" + engine}));
}

/// Operations and bytes of each kind, each communicator counted by its first member.
std::map<std::string, TracedTraffic> traffic_of(const sim::Program& program) {
    std::map<std::string, TracedTraffic> traffic;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const auto* work = std::get_if<sim::Collective>(&program.works[tasks.work[i]()]);
            if (work == nullptr || tasks.communicator_slot[i] == sim::kNoCommunicator) continue;
            const sim::CommunicatorId id = program.ranks[r].communicators[tasks.communicator_slot[i]];
            if (program.communicators[id()].members.front() != sim::RankId(r)) continue;
            const bool unequal = work->kind == sim::CollectiveKind::all_to_all_v;
            TracedTraffic& kind =
                traffic[std::string(sim::to_string(unequal ? sim::CollectiveKind::all_to_all : work->kind))];
            ++kind.operations;
            kind.bytes += work->bytes;
        }
    }
    return traffic;
}

TEST_F(TracedRunTest, StepTimeAndBytesComeBack) {
    for (const Case& one : kCases) {
        for (const std::string engine : {"replay", "flow"}) {
            SCOPED_TRACE(std::string(one.name) + ", engine " + engine);
            const Simulation simulation = simulated(one, engine);
            if (!written(simulation)) GTEST_SKIP() << "built without Protocol Buffers";
            const TracedRun run = run_traces(folder_, {});
            EXPECT_NEAR(run.step_time_s, simulation.timeline.makespan(), 1e-6);
            EXPECT_TRUE(run.notes.empty()) << run.notes.front();
            EXPECT_EQ(run.traced.program.ranks.size(), simulation.lowered.program.ranks.size());
            const auto expected = traffic_of(simulation.lowered.program);
            ASSERT_EQ(run.by_kind.size(), expected.size());
            for (const auto& [kind, traffic] : expected) {
                ASSERT_TRUE(run.by_kind.contains(kind)) << kind;
                EXPECT_EQ(run.by_kind.at(kind).operations, traffic.operations) << kind;
                EXPECT_NEAR(run.by_kind.at(kind).bytes, traffic.bytes,
                            64.0 * static_cast<double>(traffic.operations));
            }
        }
    }
}

/// Kernels long enough that the host is never late: what a collective's launch costs is not the cluster's to
/// price.
TEST_F(TracedRunTest, OnItsOwnClusterTheStepIsTheSame) {
    const Case large{
        "large",
        "model: {family: gpt, seq_length: 4096, layers: 4, hidden: 8192, heads: 64, vocab: 32000}\n"
        "cluster: {node: dgx-a100, nodes: 2}\n"
        "parallel: {tp: 4, pp: 2, sequence_parallel: true}\nschedule: 1f1b\n"
        "training: {global_batch: 8, micro_batch: 2, seq_length: 4096}\n"};
    const Simulation simulation = simulated(large, "replay");
    if (!written(simulation)) GTEST_SKIP() << "built without Protocol Buffers";
    const TracedRun run = run_traces(folder_, {"dgx-a100", "", EngineKind::replay});
    EXPECT_NEAR(run.step_time_s, simulation.timeline.makespan(), 1e-3 * simulation.timeline.makespan());
    EXPECT_THAT(run.cluster, HasSubstr("dgx-a100"));
}

TEST_F(TracedRunTest, ASlowerNetworkTakesLonger) {
    const Simulation simulation = simulated(kCases[2], "replay");
    if (!written(simulation)) GTEST_SKIP() << "built without Protocol Buffers";
    const double fast = run_traces(folder_, {"dgx-h100", "", EngineKind::replay}).step_time_s;
    const double slow = run_traces(folder_, {"dgx-a100", "", EngineKind::replay}).step_time_s;
    EXPECT_LT(fast, slow);
    const double shared = run_traces(folder_, {"dgx-a100", "", EngineKind::flow}).step_time_s;
    EXPECT_GE(shared, slow * (1 - 1e-6));
    EXPECT_LT(shared, 3 * slow);
}

TEST_F(TracedRunTest, EnginesThatMoveBytesNeedACluster) {
    const Simulation simulation = simulated(kCases[1], "replay");
    if (!written(simulation)) GTEST_SKIP() << "built without Protocol Buffers";
    EXPECT_THROW(run_traces(folder_, {"", "", EngineKind::flow}), InputError);
    EXPECT_THROW(run_traces(folder_, {"", "dgx-a100", EngineKind::replay}), InputError);
}

TEST_F(TracedRunTest, FoldersThatHoldNoWholeRunAreRefused) {
    const Simulation simulation = simulated(kCases[1], "replay");
    if (!written(simulation)) GTEST_SKIP() << "built without Protocol Buffers";
    const auto refusal = [this] {
        try {
            run_traces(folder_, {});
        } catch (const InputError& error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    std::filesystem::rename(folder_ / "trace.3.et", folder_ / "other.3.et");
    EXPECT_THAT(refusal(), HasSubstr("traces of two names"));
    std::filesystem::remove(folder_ / "other.3.et");
    EXPECT_THAT(refusal(), HasSubstr("trace.3.et is missing"));
    std::filesystem::remove_all(folder_);
    EXPECT_THAT(refusal(), HasSubstr("cannot be read"));
    std::filesystem::create_directories(folder_);
    EXPECT_THAT(refusal(), HasSubstr("holds no Chakra traces"));
}

}  // namespace
}  // namespace orrery::study
