// tests/schedules/order_file_test.cpp
#include "schedules/order_file.hpp"

#include <random>

#include "core/error.hpp"
#include "golden.hpp"

namespace orrery::schedules {
namespace {

std::string data_path(const std::string& file) {
    return std::string(ORRERY_SOURCE_DIR) + "/tests/schedules/data/" + file;
}

TEST(OrderFile, KeepsUnevenStages) {
    PipelineShape shape{.devices = 4, .micro_batches = 8};
    shape.memory_limit = 2;
    for (const char* name : {"adapipe", "mpress", "mcap"}) {
        const Schedule schedule = make_schedule(name, shape);
        const Schedule read = read_order_yaml(write_order_yaml(schedule), "o.yaml");
        EXPECT_EQ(read.stage_work, schedule.stage_work) << name;
        EXPECT_EQ(read.stage_recomputed, schedule.stage_recomputed) << name;
        EXPECT_EQ(read.stage_evicted, schedule.stage_evicted) << name;
        EXPECT_EQ(read.orders, schedule.orders) << name;
    }
    EXPECT_THROW(read_order_yaml("stage_work: [1, 2, 3]\norders: ['0F0 0B0']\n", "o.yaml"), InputError);
    EXPECT_THROW(read_order_yaml("stage_recomputed: [1.5]\norders: ['0F0 0B0']\n", "o.yaml"), InputError);
}

TEST(OrderFile, ReadsPyTorchsDualPipeVArtifactAsOurDualPipeV) {
    const Schedule read = read_order(data_path("dualpipev_4rank_10mb.csv"));
    const Schedule ours =
        make_schedule("dualpipev", PipelineShape{.devices = 4, .micro_batches = 10, .chunks = 2});
    EXPECT_EQ(read.placement, ours.placement);
    EXPECT_EQ(write_order_csv(read), write_order_csv(ours));
}

TEST(OrderFile, ReadsPyTorchsZb1pArtifactAsOurInterleavedZb) {
    const Schedule read = read_order(data_path("zb1p_2rank_2stagep_compute.csv"));
    const Schedule ours =
        make_schedule("interleaved-zb", PipelineShape{.devices = 2, .micro_batches = 8, .chunks = 2});
    EXPECT_EQ(read.orders, ours.orders);
    EXPECT_EQ(read.placement, ours.placement);
}

TEST(OrderFile, WritesWhatPyTorchWrote) {
    std::string artifact = [] {
        std::ifstream stream(data_path("dualpipev_4rank_10mb.csv"));
        return std::string(std::istreambuf_iterator<char>(stream), {});
    }();
    std::erase(artifact, '\r');
    EXPECT_EQ(write_order_csv(read_order(data_path("dualpipev_4rank_10mb.csv"))), artifact);
}

TEST(OrderFile, EveryScheduleSurvivesYamlAndBack) {
    for (const ScheduleEntry& entry : registry()) {
        const PipelineShape shape{.devices = 4, .micro_batches = 8, .chunks = entry.default_chunks};
        const Schedule schedule = entry.generate(shape);
        const Schedule back = read_order_yaml(write_order_yaml(schedule), "order.yaml");
        EXPECT_EQ(back.name, schedule.name);
        EXPECT_EQ(write_order_yaml(back), write_order_yaml(schedule)) << entry.name;
        EXPECT_EQ(back.placement, schedule.placement) << entry.name;
        EXPECT_EQ(back.synchronous, schedule.synchronous) << entry.name;
        EXPECT_EQ(back.eviction_partner, schedule.eviction_partner) << entry.name;
        EXPECT_EQ(back.stage_inputs, schedule.stage_inputs) << entry.name;
        EXPECT_EQ(evaluate(back, {}).makespan, evaluate(schedule, {}).makespan) << entry.name;
    }
    PipelineShape sliced{.devices = 2, .micro_batches = 2};
    sliced.slices = 3;
    const Schedule schedule = make_schedule("seq1f1b", sliced);
    EXPECT_EQ(read_order_yaml(write_order_yaml(schedule), "x.yaml").orders, schedule.orders);
    EXPECT_THROW(write_order_csv(schedule), InputError);
}

struct Mistake {
    const char* text;
    std::size_t line;
    std::size_t column;
    const char* says;
};

TEST(OrderFile, NamesThePlaceOfEveryMistake) {
    const Mistake mistakes[] = {
        {"0F0,0X0\n", 1, 5, "'0X0' is no action"},
        {"0F0,0B0\n1F0,1SEND_F0\n", 2, 5, "communication"},
        {"0F0,0B0,0B1,1F1,1B1\n0F1,1F0,1B0\n", 2, 1, "stage 0 runs on device 0 and on device 1"},
        {"0F0,(0B0\n", 1, 5, "is no overlapped unit"},
        {"0F0,0B0\n1F0,1B0,2F0,2B0\n", 2, 9, "3 stages do not lie evenly on 2 devices"},
        {"0F0,0F1,0B0,0B0\n", 0, 0, "needs exactly one backward"},
        {"0F0,0B0,0F10000000\n", 0, 0, "too few"},
        {"0F99999999999\n", 1, 1, "is no action"},
        {"", 0, 0, "holds no action"},
        {"\n\n , ,\n", 0, 0, "holds no action"},
    };
    for (const Mistake& mistake : mistakes) {
        try {
            read_order_csv(mistake.text, "order.csv");
            ADD_FAILURE() << mistake.text;
        } catch (const InputError& error) {
            EXPECT_EQ(error.where.line, mistake.line) << error.what();
            EXPECT_EQ(error.where.column, mistake.column) << error.what();
            EXPECT_NE(std::string(error.what()).find(mistake.says), std::string::npos) << error.what();
        }
    }
    EXPECT_THROW(read_order_yaml("order: []", "o.yaml"), InputError);
    EXPECT_THROW(read_order_yaml("orders: {a: b}", "o.yaml"), InputError);
    EXPECT_THROW(read_order_yaml("orders: [[{a: b}]]", "o.yaml"), InputError);
    EXPECT_THROW(read_order_yaml("- 1", "o.yaml"), InputError);
}

TEST(OrderFile, GarbageIsRefusedNeverFatal) {
    std::mt19937 random(7);
    const std::string alphabet = "0123456789FBIW(;),.uREL\n OVERLAP_";
    const std::string good = write_order_csv(
        make_schedule("dualpipev", PipelineShape{.devices = 2, .micro_batches = 4, .chunks = 2}));
    for (int i = 0; i < 3000; ++i) {
        std::string text = good;
        for (int j = 0; j < 1 + i % 5; ++j)
            text[random() % text.size()] = alphabet[random() % alphabet.size()];
        try {
            read_order_csv(text, "order.csv");
        } catch (const InputError&) {
            continue;  // refused, with a reason
        }
    }
}

}  // namespace
}  // namespace orrery::schedules
