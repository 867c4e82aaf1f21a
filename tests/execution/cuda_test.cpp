// orrery validate CONFIG --on cuda, as a user sees it: without a GPU, and on GPUs that are threads
// (tests/cuda/fake_cuda.cpp), where the CUDA module's own code runs and everything but kernels is real.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "mpi_here.hpp"
#include "tests/cli/scratch_folder.hpp"
#include "tests/report/json_schema.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;

class Cuda : public ::testing::Test {
  protected:
    /// Exit status; output in the files out and err. `environment`: "NAME=VALUE ".
    int run(const std::string& arguments, const std::string& environment = "") {
        const std::string line =
            fmt::format("env {} timeout 120 {} -q {} >{} 2>{}", environment, ORRERY_BINARY, arguments,
                        folder.path("out"), folder.path("err"));
        const int status = std::system(line.c_str());
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    [[nodiscard]] std::string out() const { return folder.contents("out"); }
    [[nodiscard]] std::string err() const { return folder.contents("err"); }

    const std::string pipeline = ORRERY_SOURCE_DIR "/configs/validation/one-gpu-pipeline.yaml";
    ScratchFolder folder;
};

TEST_F(Cuda, WithoutAGpuEndsWithThreeAndOneLine) {
    const int status = run("validate " + pipeline + " --on cuda --repeat 1");
    if (status == 0) GTEST_SKIP() << "this machine has a GPU";
    EXPECT_EQ(status, 3);
    const std::string said = err();
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    EXPECT_NE(err().find("--on mpi"), std::string::npos) << err();
    EXPECT_TRUE(out().empty());
}

TEST_F(Cuda, RefusesWhatIsForMpi) {
    const std::string command = "validate " + pipeline + " --on cuda";
    EXPECT_EQ(run(command + " --emulate-compute"), 2);
    EXPECT_NE(err().find("GPUs run their kernels"), std::string::npos) << err();
    EXPECT_EQ(run(command + " --time-scale 2"), 2);
}

#ifdef ORRERY_FAKE_CUDA

class FakeCuda : public Cuda {
  protected:
    int run_fake(const std::string& arguments, const std::string& environment = "") {
        return run(arguments, environment + " LD_PRELOAD=" ORRERY_FAKE_CUDA);
    }
    /// Executes, expects success and the simulated order; the comparison.
    Json compared(const std::string& arguments, const std::string& environment = "") {
        EXPECT_EQ(run_fake("validate " + arguments + " --on cuda --json --timeout 20", environment), 0)
            << err();
        const Json json = Json::parse(out(), nullptr, false);
        if (json.is_discarded()) {
            ADD_FAILURE() << err();
            return {};
        }
        EXPECT_TRUE(json["in_simulated_order"].get<bool>());
        EXPECT_EQ(json["executor"], "cuda");
        return json;
    }
};

struct Case {
    std::string schedule;
    int stages;

    // The test's name.
    friend void PrintTo(const Case& one, std::ostream* out) {
        *out << one.schedule << ", " << one.stages << " stages";
    }
};
class OneGpu : public FakeCuda, public ::testing::WithParamInterface<Case> {};

TEST_P(OneGpu, HoldsAPipelineWhoseBubbleIsAsPredicted) {
    const auto& [schedule, stages] = GetParam();
    const Json json =
        compared(fmt::format("{} --repeat 3 --set 'schedule={}' --set cluster.gpus={} --set "
                             "parallel.pp={} --set training.global_batch={}",
                             pipeline, schedule, stages, stages, 2 * stages));
    ASSERT_TRUE(json.is_object());
    EXPECT_NE(json["machine"].get<std::string>().find(fmt::format(
                  "{} ranks on one Fake GPU, {} of its 132 multiprocessors each", stages, 128 / stages)),
              std::string::npos)
        << json["machine"];
    const double predicted = json["bubble_ratio"]["predicted"].get<double>();
    const double measured = json["bubble_ratio"]["measured"].get<double>();
    std::printf("%-34s %d: step %+.1f%%, bubble %.1f%% and %.1f%%\n", schedule.c_str(), stages,
                100 * json["step_time_s"]["error"].get<double>(), 100 * predicted, 100 * measured);
    EXPECT_NEAR(json["peak_bytes"]["error"].get<double>(), 0, 0.01);
    if (!machine_is_quiet()) return;
    EXPECT_NEAR(predicted, measured, 0.02);
    EXPECT_NEAR(json["step_time_s"]["error"].get<double>(), 0, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Schedules, OneGpu,
                         ::testing::Values(Case{"gpipe", 4}, Case{"1f1b", 4},
                                           Case{"{name: interleaved-1f1b, vpp: 2}", 4}, Case{"zb-h1", 4},
                                           Case{"zb-v", 4}, Case{"chimera", 4}, Case{"gpipe", 8},
                                           Case{"zb-v", 8}));

/// Sharding, tensor and sequence parallelism, context parallelism, experts, copies to the host: in one GPU by
/// copies, on several by NCCL.
TEST_F(FakeCuda, ExecutesPlansOfEveryDimension) {
    const std::string model =
        "model: {family: gpt, name: tiny, layers: 4, hidden: 64, heads: 4, vocab: 128, seq_length: 32}\n";
    const std::string training =
        "training: {global_batch: 8, micro_batch: 1, seq_length: 32, precision: bf16%}\ngranularity: layer\n"
        "cluster: {node: dgx-h100, gpus: 4}\n";
    const std::string experts =
        "model: {base: mixtral-8x7b, layers: 2, hidden: 64, ffn_hidden: 128, heads: 4, kv_heads: 2, vocab: "
        "128, "
        "seq_length: 32}\n";
    struct Plan {
        std::string text;
        std::string extra;
    };
    const std::vector<Plan> plans{
        {model + "parallel: {tp: 2, pp: 2, sequence_parallel: true}\nschedule: 1f1b\n", ""},
        {model + "parallel: {dp: 4, sharding: zero-3}\n", ""},
        {model + "parallel: {dp: 2, pp: 2, sharding: zero-1}\nschedule: zb-h1\n", ", recompute: full"},
        {model + "parallel: {dp: 2, cp: 2}\n", ", offload: host"},
        {experts + "parallel: {dp: 4, ep: 4}\nmoe: {routing: zipf, skew: 0.5}\n", ""}};
    for (const Plan& plan : plans) {
        std::string text = plan.text + training;
        text.replace(text.find('%'), 1, plan.extra);
        folder.write("plan.yaml", text);
        for (const std::string gpus : {"1", "4"}) {
            SCOPED_TRACE(text + gpus + " GPUs");
            (void)compared(folder.path("plan.yaml") + " --repeat 1", "FAKE_CUDA_GPUS=" + gpus);
        }
    }
}

TEST_F(FakeCuda, RecordsWhatIsComparedAgainToTheSameFigures) {
    const std::string config = pipeline + " --set training.global_batch=4";
    const Json json = compared(config + " --repeat 2 --record " + folder.path("run.json") + " --out " +
                               folder.path("report"));
    const std::string first = out();
    const testing::JsonSchema schema(ORRERY_SOURCE_DIR "/docs/execution.schema.json");
    for (const std::string& error : schema.errors(json)) ADD_FAILURE() << error;
    EXPECT_EQ(folder.files("report"), (std::set<std::string>{"report.html", "result.json", "trace.json.gz"}));
    ASSERT_EQ(run("validate " + config + " --json --recorded " + folder.path("run.json")), 0) << err();
    EXPECT_EQ(out(), first);
}

TEST_F(FakeCuda, EndsWithTheTasksInFlightWhereAKernelHangs) {
    EXPECT_EQ(run_fake("validate " + pipeline + " --on cuda --timeout 1 --repeat 1 --record " +
                           folder.path("run.json"),
                       "FAKE_CUDA_HANG=1500"),
              1);
    EXPECT_NE(err().find("in flight: rank "), std::string::npos) << err();
    EXPECT_NE(err().find("nothing ended on rank "), std::string::npos) << err();
    EXPECT_EQ(folder.files(), (std::set<std::string>{"err", "out"}));
}

TEST_F(FakeCuda, SaysWhatTheMachineLacks) {
    EXPECT_EQ(run_fake("validate " + pipeline + " --on cuda", "FAKE_CUDA_OLD_DRIVER=1"), 3);
    EXPECT_NE(err().find("green contexts"), std::string::npos) << err();
    EXPECT_EQ(run_fake("validate " + pipeline + " --on cuda", "FAKE_CUDA_MEMORY=12e9"), 1);
    EXPECT_NE(err().find("not enough memory"), std::string::npos) << err();
    EXPECT_EQ(run_fake("validate " + pipeline +
                       " --on cuda --set 'cluster={node: dgx-h100, nodes: 5}' --set parallel.pp=20 --set "
                       "parallel.dp=2 --set model.layers=20"),
              1);
    EXPECT_NE(err().find("do not divide among 40 ranks"), std::string::npos) << err();
    EXPECT_EQ(run_fake("validate " + pipeline + " --on cuda", "OMPI_COMM_WORLD_SIZE=4"), 2);
    EXPECT_NE(err().find("without mpirun"), std::string::npos) << err();
}

#endif

}  // namespace
}  // namespace orrery
