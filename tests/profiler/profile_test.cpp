// The profiler's parts: when it stops, what it measures, what it writes, and that it goes on where it was.
#include "profiler/profile/profile.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace orrery::profiler {
namespace {

std::string scratch(const std::string& name) {
    const std::string path = testing::TempDir() + std::to_string(::getpid()) + "-" + name;
    std::filesystem::remove(path);
    return path;
}

TEST(StoppingRule, StopsWhenTheMeanIsKnownWellEnough) {
    std::mt19937 random(1);
    std::normal_distribution<double> noise(1, 0.05);
    StandardErrorRule rule({.relative_error = 0.005, .least = 5, .most = 100000, .seconds = 1e9});
    while (!rule.finished()) rule.add(noise(random));
    EXPECT_TRUE(rule.converged());
    // sigma / sqrt(n) = 0.005 at n = 100
    EXPECT_NEAR(static_cast<double>(rule.values().size()), 100, 30);
    const Statistics statistics = summarize(rule.values());
    EXPECT_LE(statistics.standard_error, 0.005 * statistics.mean * (1 + 1e-9));
    EXPECT_NEAR(statistics.median, 1, 0.02);
    EXPECT_NEAR(statistics.spread, 0.05 * 0.6745, 0.012);  // quartiles of a normal distribution
}

TEST(StoppingRule, ConstantTimesNeedOnlyTheLeast) {
    StandardErrorRule rule({.relative_error = 0.005, .least = 7, .most = 100, .seconds = 1e9});
    while (!rule.finished()) rule.add(2e-6);
    EXPECT_EQ(rule.values().size(), 7U);
}

TEST(StoppingRule, GivesUpAtItsLimits) {
    StandardErrorRule many({.relative_error = 0, .least = 5, .most = 12, .seconds = 1e9});
    StandardErrorRule slow({.relative_error = 0, .least = 5, .most = 1000, .seconds = 10});
    for (int i = 0; !many.finished(); ++i) many.add(1 + i % 2);
    for (int i = 0; !slow.finished(); ++i) slow.add(1 + i % 2, 3);
    EXPECT_EQ(many.values().size(), 12U);
    EXPECT_EQ(slow.values().size(), 3U);  // 3 + 6 + 3 seconds
    EXPECT_FALSE(many.converged());
    EXPECT_FALSE(slow.converged());
}

TEST(Design, HaltonPointsFillEveryCellOfTheirBases) {
    // The first 2^3 3^2 5 points hold exactly one in each of 8 x 9 x 5 boxes (Halton 1960).
    std::set<std::tuple<int, int, int>> boxes;
    for (int i = 0; i < 360; ++i) {
        const std::vector<double> u = halton(i, 3);
        boxes.insert({static_cast<int>(u[0] * 8 + 1e-9), static_cast<int>(u[1] * 9 + 1e-9),
                      static_cast<int>(u[2] * 5 + 1e-9)});
    }
    EXPECT_EQ(boxes.size(), 360U);
}

DesignOptions gpu_options(bool quick) {
    return {.quick = quick,
            .precisions = {Precision::bf16, Precision::fp8},
            .cache_bytes = 5e7,
            .memory_bytes = 8e10};
}

TEST(Design, HoldsTheZoosProductsForEveryTransposeAndTensorParallelDegree) {
    const std::vector<KernelCase> kernels = zoo_kernels(Precision::bf16);
    const auto holds = [&](const KernelCase& wanted) {
        return std::any_of(kernels.begin(), kernels.end(),
                           [&](const KernelCase& c) { return describe(c) == describe(wanted); });
    };
    // GPT-3 175B's first MLP product: hidden 12288, 49152 wide, 2048 tokens (Brown et al. 2020, table 2.1).
    for (const int tp : {1, 2, 4, 8, 16}) {
        EXPECT_TRUE(holds(gemm_case(Precision::bf16, GemmLayout::tn, 1, 49152 / tp, 2048, 12288))) << tp;
        EXPECT_TRUE(holds(gemm_case(Precision::bf16, GemmLayout::nn, 1, 12288, 2048, 49152 / tp))) << tp;
        EXPECT_TRUE(holds(gemm_case(Precision::bf16, GemmLayout::nt, 1, 12288, 49152 / tp, 2048, true)))
            << tp;
    }
    EXPECT_TRUE(holds(attention_case(Precision::bf16, 1, 2048, 12, 12, 128, true, true)));
    std::set<std::string> distinct;
    for (const KernelCase& c : kernels) distinct.insert(describe(c));
    EXPECT_EQ(distinct.size(), kernels.size());
}

TEST(Design, AnyBeginningCoversEveryOperation) {
    for (const bool quick : {false, true}) {
        const std::vector<DesignPoint> points = design(gpu_options(quick));
        std::set<Operation> all;
        std::set<Operation> early;
        for (std::size_t i = 0; i < points.size(); ++i) {
            all.insert(points[i].kernel_case.operation);
            if (i < points.size() / 3) early.insert(points[i].kernel_case.operation);
        }
        EXPECT_EQ(all.size(), operations().size());
        EXPECT_GE(early.size() + 1, all.size());
    }
    EXPECT_LT(design(gpu_options(true)).size() * 4, design(gpu_options(false)).size());
}

TEST(Design, KeepsToTheDevicesLimitsAndTheUsersChoice) {
    DesignOptions options = gpu_options(false);
    options.most_flops = 1e9;
    options.most_bytes = 1e7;
    options.only = {"gemm"};
    const std::vector<DesignPoint> points = design(options);
    ASSERT_GT(points.size(), 10U);
    for (const DesignPoint& point : points) {
        EXPECT_EQ(point.kernel_case.operation, Operation::gemm);
        EXPECT_LE(point.kernel_case.kernel.flops, 1e9);
        EXPECT_LE(footprint(point.kernel_case), 1e7);
    }
    options.only = {"gem"};
    EXPECT_THROW(design(options), InputError);
}

Record sample_record(const KernelCase& kernel_case) {
    Record record;
    record.kernel_case = kernel_case;
    record.cache = CacheState::hot;
    record.time_s = {12, 3.25e-5, 3.5e-5, 1e-7, 2e-7};
    record.converged = false;
    record.kernel_s = 3e-5;
    record.launched = {"sm90_gemm<\"x\">", "reduce"};
    record.implementation = "cublas";
    record.amount = 7e10;
    record.backend = "cuda";
    record.device = "NVIDIA H100 80GB HBM3";
    record.driver = "580, CUDA 13.0";
    record.conditions.clock_mhz = 1980;
    record.conditions.temperature_c = 41;
    record.date = "2026-11-24T06:30:00Z";
    record.command = "orrery profile";
    return record;
}

TEST(Record, EveryCaseOfTheDesignSurvivesTheFile) {
    for (const DesignPoint& point : design(gpu_options(true))) {
        const Record record = sample_record(point.kernel_case);
        const Record back = parse_record(to_json_line(record), {});
        EXPECT_EQ(back.kernel_case, record.kernel_case) << to_json_line(record);
        EXPECT_EQ(key_of(back), key_of(record));
        if (point.kernel_case.operation != Operation::usable_memory) {
            EXPECT_DOUBLE_EQ(back.time_s.median, record.time_s.median);
            EXPECT_EQ(back.time_s.count, 12);
            EXPECT_FALSE(back.converged);
        }
        EXPECT_EQ(back.launched, record.launched);
        EXPECT_EQ(back.conditions.clock_mhz, record.conditions.clock_mhz);
        EXPECT_EQ(back.conditions.power_w, std::nullopt);
    }
}

TEST(Record, HostileLinesAreRefusedWithTheirKey) {
    const std::string good =
        to_json_line(sample_record(gemm_case(Precision::bf16, GemmLayout::tn, 1, 8, 8, 8)));
    const auto error_of = [](const std::string& line) -> std::string {
        try {
            parse_record(line, {"f", 3, 0});
        } catch (const InputError& error) {
            return error.what();
        }
        return "";
    };
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string line = good;
        const std::size_t at = line.find(from);
        EXPECT_NE(at, std::string::npos);
        return line.replace(at, from.size(), to);
    };
    EXPECT_EQ(error_of(good), "");
    EXPECT_NE(error_of(with("\"gemm\"", "\"gem\"")).find("did you mean 'gemm'"), std::string::npos);
    EXPECT_NE(error_of(with("\"m\":8", "\"m\":0")).find("m: out of range"), std::string::npos);
    EXPECT_NE(error_of(with("\"m\":8", "\"m\":18446744073709551615")).find("m: out of range"),
              std::string::npos);
    EXPECT_NE(error_of(with("\"m\":8", "\"m\":\"8\"")).find("m: expected a whole number"), std::string::npos);
    EXPECT_NE(error_of(with("\"time_s\":3.25e-05", "\"time_s\":-1")).find("time_s: out of range"),
              std::string::npos);
    EXPECT_NE(error_of(with("\"shape\":{", "\"shape\":3,\"x\":{")).find("f:3"), std::string::npos);
    for (const char* nonsense : {"", "[]", "3", "{", "{\"operation\":\"gemm\"}", "{\"operation\":[]}"}) {
        EXPECT_NE(error_of(nonsense), "") << nonsense;
    }
}

/// A device whose kernels take a known time.
class FakeBackend final : public Backend {
  public:
    class FakeKernel final : public PreparedKernel {
      public:
        explicit FakeKernel(int sets) : sets_(sets) {}
        void run(int /*set*/) override {}
        [[nodiscard]] int sets() const override { return sets_; }
        [[nodiscard]] std::string implementation() const override { return "fake"; }

      private:
        int sets_;
    };

    FakeBackend() {
        info_.backend = "fake";
        info_.name = "Fake 1";
        info_.cache_bytes = 1e6;
    }
    [[nodiscard]] const DeviceInfo& info() const override { return info_; }
    [[nodiscard]] bool supports(const KernelCase& c) const override {
        return c.operation != Operation::launch;
    }
    std::unique_ptr<PreparedKernel> prepare(const KernelCase& c, int sets) override {
        if (c.operation == Operation::softmax) throw ExperimentError("out of memory");
        last_sets = sets;
        seconds_ = c.kernel.bytes / 1e9 + 1e-6;
        return std::make_unique<FakeKernel>(sets);
    }
    double time(PreparedKernel& /*kernel*/, int runs, int first_set) override {
        EXPECT_LT(first_set, last_sets);
        return seconds_ * runs;
    }
    void synchronize() override {}

    int last_sets = 0;

  private:
    DeviceInfo info_;
    double seconds_ = 0;
};

std::vector<DesignPoint> three_points() {
    return {{memory_case(Operation::add, Precision::fp32, 100, 100)},
            {memory_case(Operation::softmax, Precision::fp32, 100, 100)},
            {system_case(Operation::launch, 1)},
            {memory_case(Operation::gelu, Precision::fp32, 100, 100)}};
}

TEST(Profile, MeasuresWhatTheDeviceTakesAndRotatesItsBuffers) {
    FakeBackend backend;
    const Record record = measure(backend, three_points()[0], {});
    EXPECT_DOUBLE_EQ(record.time_s.median, 120000 / 1e9 + 1e-6);
    EXPECT_EQ(record.time_s.count, 5);
    EXPECT_EQ(backend.last_sets, 18);  // ceil(2 x 1e6 / 120000) + 1
    measure(backend, {three_points()[0].kernel_case, CacheState::hot}, {});
    EXPECT_EQ(backend.last_sets, 1);
}

TEST(Profile, ResumesAnInterruptedFileAndRepairsItsLastLine) {
    FakeBackend backend;
    const std::string path = scratch("samples.jsonl");
    std::size_t done = 0;
    const auto count = [&done](std::size_t now) { done = now; };
    {
        SampleFile file(path);
        const ProfileSummary first = profile(backend, {three_points()[0]}, file, {}, count);
        EXPECT_EQ(first.measured, 1U);
    }
    std::ofstream(path, std::ios::app) << R"({"operation":"gelu","precis)";  // torn by a crash
    {
        SampleFile file(path);
        const ProfileSummary second = profile(backend, three_points(), file, {}, count);
        EXPECT_EQ(second.already_there, 1U);
        EXPECT_EQ(second.measured, 1U);
        EXPECT_EQ(second.unsupported, 1U);
        ASSERT_EQ(second.failed.size(), 1U);
        EXPECT_NE(second.failed[0].find("out of memory"), std::string::npos);
        EXPECT_EQ(done, 4U);
        EXPECT_THROW(SampleFile{path}, InputError);  // one writer at a time
    }
    const std::vector<Record> records = read_records(path);
    ASSERT_EQ(records.size(), 2U);
    EXPECT_EQ(records[1].kernel_case.operation, Operation::gelu);
    EXPECT_EQ(records[1].device, "Fake 1");
    EXPECT_EQ(records[1].date.size(), 20U);
    std::filesystem::remove(path);
}

TEST(Profile, ABudgetLeavesTheRestForTheNextTime) {
    FakeBackend backend;
    const std::string path = scratch("budget.jsonl");
    SampleFile file(path);
    ProfileOptions options;
    options.budget_s = 1e-12;
    const ProfileSummary summary = profile(backend, three_points(), file, options, [](std::size_t) {});
    EXPECT_EQ(summary.measured, 0U);
    EXPECT_EQ(summary.left, 3U);
    std::filesystem::remove(path);
}

TEST(SampleFile, RefusesAFileOfSomethingElse) {
    const std::string path = scratch("other.jsonl");
    std::ofstream(path) << "a,b,c\n1,2,3\n";
    EXPECT_THROW(SampleFile{path}, InputError);
    EXPECT_EQ(read_file(path, 100), "a,b,c\n1,2,3\n");
    std::filesystem::remove(path);
}

}  // namespace
}  // namespace orrery::profiler
