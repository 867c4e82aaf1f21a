// Recorded runs: each format read, its hostile forms refused, and where the time went.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "profiler/runs/measured_run.hpp"
#include "profiler/runs/summarize_run.hpp"

namespace orrery::profiler {
namespace {

std::string scratch(const std::string& name) {
    const std::string path = testing::TempDir() + std::to_string(::getpid()) + "-" + name;
    std::filesystem::remove(path);
    return path;
}

std::string event(const std::string& category, const std::string& name, double ts, double dur, int stream) {
    return R"({"ph":"X","cat":")" + category + R"(","name":")" + name + R"(","pid":0,"tid":7,"ts":)" +
           std::to_string(ts) + R"(,"dur":)" + std::to_string(dur) + R"(,"args":{"stream":)" +
           std::to_string(stream) + R"(,"External id":5,"grid":[1,2,3],"nested":{"dur":"not mine"}}})";
}

std::string trace(const std::vector<std::string>& events) {
    std::string out = R"({"schemaVersion":1,"deviceProperties":[{"id":0,"name":"NVIDIA H800"}],)"
                      R"("distributedInfo":{"backend":"nccl","rank":3,"world_size":64},"traceEvents":[)";
    for (std::size_t i = 0; i < events.size(); ++i) out += (i == 0 ? "" : ",") + events[i];
    return out + R"(],"traceName":"x"})";
}

constexpr double kBegin = 1740461679470000;

/// Two products alone, one beside an all-reduce that outlasts it by 30 us, then 50 us of nothing, then a
/// copy.
std::string small_trace() {
    return trace({event("user_annotation", "ProfilerStep#1", kBegin, 500, 0),
                  R"({"ph":"s","id":2,"cat":"ac2g","name":"ac2g","ts":1})",
                  event("kernel", "sm90_xmma_gemm_bf16", kBegin + 100, 40, 7),
                  event("cpu_op", "aten::mm", kBegin + 90, 400, 7),
                  event("kernel", "ncclDevKernel_AllReduce_Sum_bf16_RING_LL", kBegin + 140, 70, 20),
                  event("kernel", "sm90_xmma_gemm_bf16", kBegin + 140, 40, 7),
                  event("gpu_memcpy", "Memcpy DtoH", kBegin + 260, 20, 7)});
}

TEST(Kineto, ReadsDeviceWorkStepAndDevice) {
    const MeasuredRun run = parse_kineto(small_trace(), "t.json");
    EXPECT_EQ(run.device, "NVIDIA H800");
    EXPECT_EQ(run.rank, 3);
    EXPECT_NEAR(run.step_time_s, 500e-6, 1e-9);
    ASSERT_EQ(run.tasks.size(), 4U);
    EXPECT_EQ(run.tasks[0].family, RunFamily::gemm);
    EXPECT_EQ(run.names[static_cast<std::size_t>(run.tasks[0].name)], "sm90_xmma_gemm_bf16");
    EXPECT_NEAR(run.tasks[3].start_s, 160e-6, 1e-9);
    EXPECT_EQ(run.tasks[3].family, RunFamily::copy);
}

TEST(RunSummary, DividesTheStepIntoComputeExposedCommunicationAndGaps) {
    const RunSummary summary = summarize_run(parse_kineto(small_trace(), "t.json"));
    EXPECT_NEAR(summary.span_s, 180e-6, 1e-9);
    EXPECT_NEAR(summary.compute_s, 100e-6, 1e-9);
    EXPECT_NEAR(summary.exposed_comm_s, 30e-6, 1e-9);
    EXPECT_NEAR(summary.overlapped_comm_s, 40e-6, 1e-9);
    EXPECT_NEAR(summary.gap_s, 50e-6, 1e-9);
    EXPECT_EQ(summary.families.at(static_cast<std::size_t>(RunFamily::gemm)).tasks, 2);
    EXPECT_EQ(summary.slowdown.kernels, 0);  // too few of each kind
}

TEST(RunSummary, MeasuresHowMuchKernelsSlowDownBesideCommunication) {
    std::vector<std::string> events;
    double at = kBegin;
    for (int i = 0; i < 5; ++i, at += 400) {
        events.push_back(event("kernel", "layer_norm", at, 100, 7));
        events.push_back(event("kernel", "ncclDevKernel_AllGather_RING_LL", at + 150, 200, 20));
        events.push_back(event("kernel", "layer_norm", at + 160, 120, 7));
    }
    const Slowdown slowdown = summarize_run(parse_kineto(trace(events), "t.json")).slowdown;
    EXPECT_EQ(slowdown.kernels, 1);
    EXPECT_EQ(slowdown.runs, 5);
    EXPECT_NEAR(slowdown.ratio, 1.2, 1e-6);
}

TEST(RunFamilies, KnowTheNamesThatLibrariesUse) {
    // As they stand in deepseek-ai/profile-data train.json (2025) and in NCCL's and PyTorch's sources.
    EXPECT_EQ(family_of("void dpsk::ep::internode::combine<false, 8, __nv_bfloat16>(int4*)"),
              RunFamily::all_to_all);
    EXPECT_EQ(
        family_of("void cutlass::device_kernel<dpsk::grouped_gemm::cuda::m_grouped_fp8_ptp128c::GemmKernel>"),
        RunFamily::grouped_gemm);
    EXPECT_EQ(family_of("void cutlass::device_kernel<dpsk::grouped_gemm::cuda::fp8_ptp128c::GemmKernel>"),
              RunFamily::gemm);
    EXPECT_EQ(family_of("void cutlass::device_kernel<flash::FlashAttnBwd<x>>"), RunFamily::attention);
    EXPECT_EQ(family_of("void flash::compute_attn_ws<Flash_fwd_kernel_traits<192>>"), RunFamily::attention);
    EXPECT_EQ(family_of("void layer_norm::ln_bwd_finalize_kernel<x>"), RunFamily::normalization);
    EXPECT_EQ(family_of("void cuda::per_token_cast_to_fp8_with_channels<x>"), RunFamily::elementwise);
    EXPECT_EQ(family_of("rotary_kernel"), RunFamily::elementwise);
    EXPECT_EQ(family_of("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>"),
              RunFamily::fill);
    EXPECT_EQ(family_of("ncclDevKernel_ReduceScatter_Sum_bf16_RING_SIMPLE"), RunFamily::reduce_scatter);
    EXPECT_EQ(family_of("ncclDevKernel_SendRecv"), RunFamily::send_recv);
    EXPECT_EQ(family_of("nvjet_tst_256x128_64x4_2x1_v_bz_coopA_NNT"), RunFamily::gemm);
    EXPECT_EQ(family_of("void at::native::multi_tensor_apply_kernel<AdamFunctor>"), RunFamily::optimizer);
    EXPECT_EQ(family_of("something nobody knows"), RunFamily::other);
}

TEST(Kineto, HostileTracesAreRefusedWithTheFile) {
    const auto error_of = [](const std::string& text) -> std::string {
        try {
            parse_kineto(text, "t.json");
        } catch (const InputError& error) {
            return error.what();
        }
        return "";
    };
    const std::string good = small_trace();
    EXPECT_EQ(error_of(good), "");
    for (std::size_t length = 0; length < good.size(); length += 7) {
        EXPECT_NE(error_of(good.substr(0, length)).find("t.json"), std::string::npos) << length;
    }
    const auto with = [&good](const std::string& from, const std::string& to) {
        std::string text = good;
        return text.replace(text.find(from), from.size(), to);
    };
    EXPECT_NE(error_of(with("\"dur\":40", "\"dur\":\"40\",\"x\":4")).find("expected a number"),
              std::string::npos);
    EXPECT_NE(error_of(with("\"dur\":40", "\"dur\":-40")).find("out of range"), std::string::npos);
    EXPECT_NE(error_of(with("\"dur\":40.000000", "\"dur\":1e308")).find("out of range"), std::string::npos);
    EXPECT_NE(error_of(with("traceEvents", "TraceEvents")).find("traceEvents"), std::string::npos);
    EXPECT_NE(error_of(trace({})).find("no device work"), std::string::npos);
    EXPECT_NE(error_of("[1,2]"), "");
    EXPECT_NE(error_of(R"({"traceEvents":3})"), "");
    EXPECT_NE(error_of(std::string(100000, '[')), "");
}

TEST(Chakra, ReadsTheJsonForm) {
    const MeasuredRun run = parse_chakra(
        R"({"nodes":[{"id":"1","name":"aten::mm gemm","type":"COMP_NODE","durationMicros":"120"},)"
        R"({"id":"2","name":"all","type":"COMM_COLL_NODE","durationMicros":"80","attr":[{"name":"comm_type","int64Val":"7"}]},)"
        R"({"id":"3","name":"meta","type":"METADATA_NODE"}]})",
        "c.json");
    ASSERT_EQ(run.tasks.size(), 2U);
    EXPECT_EQ(run.tasks[0].family, RunFamily::gemm);
    EXPECT_EQ(run.tasks[1].family, RunFamily::reduce_scatter);
    EXPECT_NEAR(run.step_time_s, 200e-6, 1e-12);
    for (const char* bad : {"{\"nodes\":3}", "{\"nodes\":[3]}", "{\"nodes\":[]}", "{",
                            R"({"nodes":[{"type":"COMP_NODE","durationMicros":"x"}]})"}) {
        EXPECT_THROW(parse_chakra(bad, "c.json"), InputError) << bad;
    }
}

TEST(ReadRun, UnpacksGzipAndRefusesCutOnes) {
    const std::string path = scratch("t.json.gz");
    const std::string text = small_trace();
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    EXPECT_EQ(read_run(path).tasks.size(), 4U);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    EXPECT_THROW(read_run(path), InputError);
    std::ofstream(path) << "no trace at all";
    EXPECT_THROW(read_run(path), InputError);
    std::ofstream(path) << "";
    EXPECT_THROW(read_run(path), InputError);
    std::filesystem::remove(path);
}

TEST(NsightSystems, ReadsTheSqliteExport) {
    const std::string path = scratch("report.sqlite");
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    const char* content =
        "CREATE TABLE StringIds(id INTEGER, value TEXT);"
        "INSERT INTO StringIds VALUES(1, 'ncclDevKernel_AllGather_RING_LL'), (2, 'layer_norm_kernel');"
        "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL(start INTEGER, end INTEGER, streamId INTEGER, demangledName "
        "INTEGER);"
        "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES(5000, 9000, 20, 1), (1000, 3000, 7, 2);"
        "CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY(start INTEGER, end INTEGER, streamId INTEGER);"
        "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES(9000, 9500, 7);";
    ASSERT_EQ(sqlite3_exec(database, content, nullptr, nullptr, nullptr), SQLITE_OK);
    const MeasuredRun run = read_run(path);
    ASSERT_EQ(run.tasks.size(), 3U);
    EXPECT_EQ(run.tasks[0].family, RunFamily::normalization);
    EXPECT_EQ(run.tasks[1].family, RunFamily::all_gather);
    EXPECT_EQ(run.tasks[2].family, RunFamily::copy);
    EXPECT_NEAR(run.step_time_s, 8.5e-6, 1e-12);
    ASSERT_EQ(
        sqlite3_exec(database, "UPDATE CUPTI_ACTIVITY_KIND_KERNEL SET end = 'x'", nullptr, nullptr, nullptr),
        SQLITE_OK);
    EXPECT_THROW(read_run(path), InputError);
    sqlite3_close(database);
    std::filesystem::resize_file(path, 3000);
    EXPECT_THROW(read_run(path), InputError);
    std::filesystem::remove(path);
}

}  // namespace
}  // namespace orrery::profiler
