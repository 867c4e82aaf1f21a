#include "study/experiment.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace orrery::study {
namespace {

/// The example of DESIGN.md.
constexpr const char* kGpt3 =
    "model: gpt3-175b\n"
    "cluster: {node: dgx-a100, nodes: 128}\n"
    "parallel: {tp: 8, pp: 16, dp: 8, sequence_parallel: true}\n"
    "schedule: {name: interleaved-1f1b, vpp: 2}\n"
    "training: {global_batch: 1536, micro_batch: 1, seq_length: 2048, precision: bf16, recompute: "
    "selective}\n"
    "calibration: a100-sxm-80g\n"
    "engine: replay\n";

Experiment read(const std::string& text, std::vector<std::string> overrides = {}) {
    return parse_experiment(text, "e.yaml", overrides);
}

std::string error_of(const std::string& text, std::vector<std::string> overrides = {}) {
    try {
        read(text, std::move(overrides));
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

/// The example with one line replaced.
std::string with_line(int number, const std::string& replacement) {
    std::istringstream lines(kGpt3);
    std::string text;
    std::string line;
    for (int i = 1; std::getline(lines, line); ++i) text += (i == number ? replacement : line) + "\n";
    return text;
}

TEST(Experiment, ReadsTheExampleOfTheDesign) {
    const Experiment experiment = read(kGpt3);
    EXPECT_EQ(experiment.model.layers, 96);
    EXPECT_EQ(experiment.cluster.devices(), 1024);
    EXPECT_EQ(experiment.plan.parallel.tp, 8);
    EXPECT_EQ(experiment.plan.parallel.vpp, 2);
    EXPECT_TRUE(experiment.plan.parallel.sequence_parallel);
    EXPECT_EQ(experiment.plan.parallel.sharding, parallel::DataSharding::none);
    EXPECT_EQ(experiment.plan.schedule, "interleaved-1f1b");
    EXPECT_EQ(experiment.plan.training.micro_batches(experiment.plan.parallel), 192);
    EXPECT_EQ(experiment.plan.training.recompute, parallel::RecomputePolicy::selective);
    EXPECT_EQ(experiment.plan.training.precision, Precision::bf16);
    EXPECT_EQ(experiment.calibration, "a100-sxm-80g");
    EXPECT_EQ(experiment.engine, EngineKind::replay);
    EXPECT_TRUE(experiment.fold);
}

TEST(Experiment, FillsInWhatFollows) {
    const Experiment experiment = read(
        "model: llama2-7b\ncluster: {node: dgx-h100, nodes: 2}\nparallel: {tp: 2}\nschedule: 1f1b\n"
        "training: {global_batch: 64}\n");
    EXPECT_EQ(experiment.plan.parallel.dp, 8);
    EXPECT_EQ(experiment.plan.training.seq_length, 4096);
    EXPECT_EQ(experiment.plan.parallel.vpp, 1);
    EXPECT_EQ(experiment.calibration, "h100-sxm-80g");
}

TEST(Experiment, LearnsAsManyPositionsAsTheSequenceHas) {
    const std::string text =
        "cluster: {node: dgx-a100}\ntraining: {global_batch: 8, seq_length: 8192}\nmodel: ";
    EXPECT_EQ(read(text + "mpt-7b").model.seq_length, 8192);
    EXPECT_EQ(read(text + "llama2-7b").model.seq_length, 4096);
}

TEST(Experiment, TakesPartOfANode) {
    const Experiment experiment =
        read("model: mpt-125m\ncluster: {node: dgx-a100, gpus: 4}\ntraining: {global_batch: 64}\n");
    EXPECT_EQ(experiment.cluster.nodes, 1);
    EXPECT_EQ(experiment.cluster.node.gpus, 4);
    EXPECT_EQ(experiment.plan.parallel.dp, 4);
    const Experiment two =
        read("model: mpt-125m\ncluster: {node: dgx-a100, gpus: 8, nodes: 2}\ntraining: {global_batch: 64}\n");
    EXPECT_EQ(two.cluster.node.gpus, 4);
    EXPECT_EQ(two.cluster.devices(), 8);
}

TEST(Experiment, ReadsWhatSchedulesAndSearchesSayLayerByLayer) {
    const std::string base =
        "model: {base: megatron-1.7b, layers: 6}\ncluster: {node: dgx-a100, gpus: 2}\n"
        "parallel: {pp: 2, partition: [4, 2]}\n"
        "schedule: {name: terapipe, slice_lengths: [1536, 512]}\n"
        "training: {global_batch: 4, recompute: {per_layer: [full, none, none, selective, none, full]},\n"
        "           offload: {per_layer: [host, none, none, none, none, partner], partners: [1, 0]}}\n";
    const parallel::Plan plan = read(base).plan;
    using parallel::OffloadTarget;
    using parallel::RecomputePolicy;
    EXPECT_EQ(plan.partition, (std::vector<int>{4, 2}));
    EXPECT_EQ(plan.slices, 2);
    EXPECT_EQ(plan.slice_lengths, (std::vector<std::int64_t>{1536, 512}));
    EXPECT_EQ(plan.layer_recompute[3], RecomputePolicy::selective);
    EXPECT_EQ(plan.layer_recompute[5], RecomputePolicy::full);
    EXPECT_EQ(plan.layer_offload[0], OffloadTarget::host);
    EXPECT_EQ(plan.layer_offload[5], OffloadTarget::partner);
    EXPECT_EQ(plan.offload_partner, (std::vector<int>{1, 0}));
    const auto expect_named = [&](const std::string& change, const std::string& words) {
        const std::string message = error_of(base, {change});
        EXPECT_NE(message.find(words), std::string::npos) << message;
    };
    expect_named("parallel.partition=[4, 1]", "parallel.partition: adds up to 5 layers; the model has 6");
    expect_named("parallel.partition=[2, 2, 2]", "gives 3 stages their layers; expected 2");
    expect_named("training.recompute.per_layer=[full]", "has 1 entries; the model has 6 layers");
    expect_named("training.offload.per_layer=[hots]", "training.offload.per_layer[0]");
    expect_named("training.offload.partners=[1, 2]", "stage 2 does not exist; expected 0 to 1");
    expect_named("schedule.slice_lengths=[1024, 512]", "adds up to 1536 tokens; a sequence has 2048");
    expect_named("schedule.slices=3", "has 2 entries for 3 slices");
}

TEST(Experiment, ReplacesFiguresOfTheCluster) {
    const Experiment experiment = read(
        "model: mpt-125m\ncluster: {node: dgx-a100, nodes: 2, nic_bandwidth: 1e9, oversubscription: 4, "
        "gpu_memory_bytes: 4e10}\ntraining: {global_batch: 64}\n");
    EXPECT_EQ(experiment.cluster.node.nic_bandwidth, 1e9);
    EXPECT_EQ(experiment.cluster.fabric.oversubscription, 4);
    EXPECT_EQ(experiment.cluster.node.gpu.memory_bytes, 4e10);
}

TEST(Experiment, ReadsRecomputeAsNameOrMap) {
    const auto recompute = [](const std::string& value) {
        return read(
                   "model: gpt3-175b\ncluster: {node: dgx-a100, nodes: 12}\nparallel: {tp: 8, pp: 12}\n"
                   "training: {global_batch: 12, recompute: " +
                   value + "}\n")
            .plan.training;
    };
    EXPECT_EQ(recompute("full").recompute, parallel::RecomputePolicy::full);
    EXPECT_EQ(recompute("~").recompute, parallel::RecomputePolicy::none);
    const parallel::Training block = recompute("{policy: full, method: block, layers: 3}");
    EXPECT_EQ(block.recompute_method, parallel::RecomputeMethod::block);
    EXPECT_EQ(block.recompute_layers, 3);
}

TEST(Experiment, AppliesOverrides) {
    const Experiment experiment =
        read(kGpt3, {"parallel.tp=4", "parallel.dp=16", "schedule=1f1b", "training.recompute=full",
                     "training.recompute.layers=2", "model.layers=48", "fold=false"});
    EXPECT_EQ(experiment.plan.parallel.tp, 4);
    EXPECT_EQ(experiment.plan.parallel.dp, 16);
    EXPECT_EQ(experiment.plan.schedule, "1f1b");
    EXPECT_EQ(experiment.plan.training.recompute_layers, 2);
    EXPECT_EQ(experiment.model.layers, 48);
    EXPECT_EQ(experiment.model.hidden, 12288);
    EXPECT_FALSE(experiment.fold);
}

struct BadOverride {
    std::string text;
    std::string message;
};

TEST(Experiment, NamesTheOverrideThatIsWrong) {
    for (const BadOverride& bad : std::vector<BadOverride>{
             {"parallel.tp", "--set parallel.tp: expected KEY=VALUE, as parallel.tp=4"},
             {"parallel..tp=1", "--set parallel..tp=1: an empty key; expected KEY=VALUE"},
             {"=1", "--set =1: an empty key"},
             {"parallel.tp=x",
              "--set parallel.tp=x: parallel.tp: expected an integer from 1 to 1000000, got 'x'"},
             {"parallel.tpp=1", "--set parallel.tpp=1: parallel.tpp: unknown key 'tpp'; did you mean 'tp'?"},
             {"engine.kind=a", "--set engine.kind=a: engine: is a text, not a map, in the experiment"},
             {"parallel.tp=7",
              "e.yaml:3:11: parallel: tp 7 x pp 16 x cp 1 x dp 8 = 896 GPUs, but the cluster has 1024"},
             {"parallel.tp=[1", "--set parallel.tp=[1:1:"},
         }) {
        const std::string message = error_of(kGpt3, {bad.text});
        EXPECT_EQ(message.substr(0, bad.message.size()), bad.message);
    }
}

struct Mistake {
    int line;
    std::string replacement;
    std::string message;

    // The test's name.
    friend void PrintTo(const Mistake& mistake, std::ostream* out) {
        *out << "line " << mistake.line << ": " << mistake.replacement;
    }
};

class ExperimentMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(ExperimentMistakes, AreNamedAtTheirPlace) {
    const Mistake& mistake = GetParam();
    const std::string message = error_of(with_line(mistake.line, mistake.replacement));
    EXPECT_EQ(message.substr(0, mistake.message.size()), mistake.message) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Keys, ExperimentMistakes,
    testing::Values(
        Mistake{1, "modle: gpt3-175b",
                "e.yaml:1:1: modle: unknown key 'modle'; did you mean 'model'? (allowed: name,"},
        Mistake{1, "",
                "e.yaml:2:1: model: is missing; expected A name in models/zoo, a path, or the map itself."},
        Mistake{1, "model: gpt3-157b",
                "e.yaml:1:8: model: unknown model 'gpt3-157b'; did you mean 'gpt3-175b'?"},
        Mistake{2, "cluster: {node: dgx-a10, nodes: 128}",
                "e.yaml:2:17: cluster.node: unknown node 'dgx-a10'; did you mean 'dgx-a100'?"},
        Mistake{2, "cluster: {node: dgx-a100, nodes: 128, fabric: fat}",
                "e.yaml:2:47: cluster.fabric: unknown fabric 'fat'"},
        Mistake{6, "calibration: a100-sxm-80",
                "e.yaml:6:14: calibration: unknown calibration 'a100-sxm-80'; did you mean"},
        Mistake{6, "software: megatron-cor",
                "e.yaml:6:11: software: unknown software 'megatron-cor'; did you mean 'megatron-core'?"},
        Mistake{2, "cluster: {nodes: 128}", "e.yaml:2:10: cluster: expected node or groups"},
        Mistake{2, "cluster: {node: dgx-a100, nodes: 0}",
                "e.yaml:2:34: cluster.nodes: expected an integer from 1 to 1000000, got '0'"},
        Mistake{2, "cluster: {node: dgx-a100, gpus: 1024, nodes: 100}",
                "e.yaml:2:33: cluster.gpus: 1024 GPUs do not lie equally on 100 nodes of 8"},
        Mistake{3, "parallel: {tp: eight}",
                "e.yaml:3:16: parallel.tp: expected an integer from 1 to 1000000, got 'eight'"},
        Mistake{3, "parallel: [8, 16]", "e.yaml:3:11: parallel: expected a map, got a list"},
        Mistake{3, "parallel: {sharding: zero-4}",
                "e.yaml:3:22: parallel.sharding: unknown sharding 'zero-4'; did you mean 'zero-1'? (allowed: "
                "none, "
                "zero-1, zero-2, zero-3, fsdp, hsdp)"},
        Mistake{5, "training: {global_batch: 1536, precision: bf-16}",
                "e.yaml:5:43: training.precision: unknown precision 'bf-16'; did you mean 'bf16'?"},
        Mistake{5, "training: {micro_batch: 1}",
                "e.yaml:5:11: training.global_batch: is missing; expected an integer >= 1 (sequences)"},
        Mistake{5, "training: {global_batch: 1536, recompute: some}",
                "e.yaml:5:43: training.recompute.policy: unknown policy 'some'"},
        Mistake{7, "engine: replayy",
                "e.yaml:7:9: engine: unknown engine 'replayy'; did you mean 'replay'?"}));

INSTANTIATE_TEST_SUITE_P(
    Degrees, ExperimentMistakes,
    testing::Values(
        Mistake{3, "parallel: {tp: 8, pp: 16, dp: 4}",
                "e.yaml:3:31: parallel.dp: tp 8 x pp 16 x cp 1 x dp 4 = 512 GPUs, but the cluster has 1024; "
                "expected dp: 8"},
        Mistake{3, "parallel: {tp: 8, pp: 15}",
                "e.yaml:3:11: parallel: tp 8 x pp 15 x cp 1 = 120 does not divide the cluster's 1024 GPUs"},
        Mistake{3, "parallel: {tp: 128}",
                "e.yaml:3:16: parallel.tp: tp 128 does not divide the model's 96 heads; expected one of 1, "
                "2, 3, 4"},
        Mistake{
            3, "parallel: {tp: 8, pp: 64}",
            "e.yaml:3:23: parallel.pp: pp 64 does not divide the model's 96 layers; expected one of 1, 2, 3"},
        Mistake{3, "parallel: {tp: 8, pp: 16, ep: 2}",
                "e.yaml:3:31: parallel.ep: gpt3-175b has no experts; expected 1"},
        Mistake{3, "parallel: {tp: 8, pp: 16, sharding_group: 2}",
                "e.yaml:3:43: parallel.sharding_group: has a meaning only with sharding: hsdp"},
        Mistake{3, "parallel: {tp: 8, pp: 16, sharding: hsdp, sharding_group: 3}",
                "e.yaml:3:59: parallel.sharding_group: groups of 3 do not divide dp 8; expected one of 1, 2, "
                "4, 8"},
        Mistake{4, "schedule: {name: interleaved-1f1b, vpp: 4}",
                "e.yaml:4:41: schedule.vpp: vpp 4 does not divide the 6 layers of a stage; expected one of "
                "1, 2, 3, 6"},
        Mistake{4, "schedule: {name: interleaved-1f1b, vpp: 1}",
                "e.yaml:4:41: schedule.vpp: interleaved-1f1b needs at least 2 chunks a stage"},
        Mistake{4, "schedule: {name: 1f1b, vpp: 2}", "e.yaml:4:29: schedule.vpp: "},
        Mistake{4, "schedule: {name: gpipe, variant: odd}", "e.yaml:4:34: schedule.variant: "},
        Mistake{4, "schedule: 1f1",
                "e.yaml:4:11: schedule.name: unknown schedule '1f1'; did you mean '1f1b'?"},
        Mistake{5, "training: {global_batch: 1537}",
                "e.yaml:5:26: training.global_batch: 1537 sequences do not divide into dp 8 x micro_batch 1; "
                "expected a "
                "multiple of 8"},
        Mistake{5, "training: {global_batch: 64}",
                "e.yaml:5:26: training.global_batch: interleaved-1f1b needs at least"},
        Mistake{5, "training: {global_batch: 800000000}",
                "e.yaml:5:26: training.global_batch: 100000000 micro-batches"},
        Mistake{5, "training: {global_batch: 1536, seq_length: 2047}",
                "e.yaml:3:53: parallel.sequence_parallel: tp 8 does not divide the 2047 tokens of a rank"},
        Mistake{5, "training: {global_batch: 1536, recompute: {policy: full, layers: 7}}",
                "e.yaml:5:66: training.recompute.layers: 7 layers, but a stage has 6; expected 1 to 6"}));

TEST(Experiment, AllowsReplicatedKeyValueHeads) {
    const std::string text =
        "model: llama3-70b\ncluster: {node: dgx-h100, nodes: 2}\nparallel: {tp: 16}\ntraining: "
        "{global_batch: 1}\n";
    EXPECT_EQ(error_of(text), "no error");
    EXPECT_EQ(error_of("model: {base: llama3-70b, kv_heads: 64, heads: 64}\ncluster: {node: dgx-h100}\n"
                       "parallel: {tp: 8}\ntraining: {global_batch: 1}\n"),
              "no error");
}

class Bases : public testing::Test {
  protected:
    void SetUp() override {
        folder = std::filesystem::temp_directory_path() / ("orrery_bases_" + std::to_string(::getpid()));
        write("base.yaml", kGpt3);
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    void write(const std::string& name, const std::string& text) const {
        write_file_atomically(folder / name, text);
    }
    [[nodiscard]] std::string error_in(const std::string& name) const {
        try {
            load_experiment((folder / name).string());
        } catch (const InputError& error) {
            return error.what();
        }
        return "no error";
    }

    std::filesystem::path folder;
};

TEST_F(Bases, MergeMapByMap) {
    write("sub/child.yaml", "base: ../base.yaml\nparallel: {tp: 4, dp: 16}\nengine: simgrid\n");
    const Experiment experiment = load_experiment((folder / "sub/child.yaml").string());
    EXPECT_EQ(experiment.name, "child");
    EXPECT_EQ(experiment.plan.parallel.tp, 4);
    EXPECT_EQ(experiment.plan.parallel.pp, 16);
    EXPECT_EQ(experiment.engine, EngineKind::simgrid);
}

TEST_F(Bases, NameTheFileThatHoldsTheMistake) {
    write("child.yaml", "base: base.yaml\ntraining: {global_batch: 1537}\n");
    const std::string file = (folder / "child.yaml").string();
    EXPECT_EQ(error_in("child.yaml").substr(0, file.size() + 5), file + ":2:26");
}

TEST_F(Bases, RefuseCyclesAndLongChains) {
    write("a.yaml", "base: b.yaml\n");
    write("b.yaml", "base: ./a.yaml\n");
    EXPECT_NE(error_in("a.yaml").find("b.yaml:1:7: base: './a.yaml' leads back to itself"),
              std::string::npos);
    for (int i = 0; i < 12; ++i) {
        write("c" + std::to_string(i) + ".yaml", "base: c" + std::to_string(i + 1) + ".yaml\n");
    }
    EXPECT_NE(error_in("c0.yaml").find("base: bases chain deeper than 8 files"), std::string::npos);
    write("d.yaml", "base: none.yaml\n");
    EXPECT_NE(error_in("d.yaml").find("d.yaml:1:7: base: there is no base file 'none.yaml'"),
              std::string::npos);
}

TEST(ExperimentSchema, IsTheOneInDocs) {
    const std::string file =
        read_file(std::string(ORRERY_SOURCE_DIR) + "/docs/experiment.schema.json", 1 << 22);
    EXPECT_EQ(file, experiment_json_schema())
        << "run: build/release/orrery schema experiment > docs/experiment.schema.json";
}

}  // namespace
}  // namespace orrery::study
