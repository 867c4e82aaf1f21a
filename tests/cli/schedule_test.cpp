// tests/cli/schedule_test.cpp
#include <unistd.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "command_line.hpp"

namespace orrery {
namespace {

TEST(ScheduleCommand, PrintsOneJsonObjectWithTheAgreedKeys) {
    const Outcome outcome = orrery_command("schedule 1f1b --stages 4 --microbatches 8 --json");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const auto json = nlohmann::ordered_json::parse(outcome.out);
    const std::vector<std::string> keys = {"schedule",
                                           "stages",
                                           "microbatches",
                                           "makespan",
                                           "bubble_ratio",
                                           "bubble_ratio_span",
                                           "bubble_overhead",
                                           "peak_activation",
                                           "weight_copies",
                                           "synchronous",
                                           "comm_messages_per_microbatch",
                                           "actions"};
    std::vector<std::string> found;
    for (const auto& [key, value] : json.items()) found.push_back(key);
    EXPECT_EQ(found, keys);
    EXPECT_DOUBLE_EQ(json["makespan"], 33);
    EXPECT_DOUBLE_EQ(json["bubble_ratio"], 3.0 / 11);
    EXPECT_DOUBLE_EQ(json["bubble_overhead"], 3.0 / 8);
    EXPECT_EQ(json["peak_activation"], nlohmann::json({4, 3, 2, 1}));
    EXPECT_EQ(json["comm_messages_per_microbatch"], 6);
    EXPECT_EQ(json["actions"], 64);
}

TEST(ScheduleCommand, TimesAreOfOneMicroBatchOnOneDevicesShare) {
    const Outcome outcome = orrery_command(
        "schedule interleaved-1f1b --stages 4 --microbatches 8 --chunks 4 --forward 12 --backward-input 12 "
        "--backward-weight 12 --json");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_DOUBLE_EQ(nlohmann::json::parse(outcome.out)["makespan"], 315);
}

TEST(ScheduleCommand, AnOrderWrittenIsAnOrderRead) {
    const auto file =
        std::filesystem::temp_directory_path() / ("orrery_schedule_" + std::to_string(::getpid()) + ".csv");
    ASSERT_EQ(
        orrery_command("schedule zb-v --stages 4 --microbatches 8 --json --write-order " + file.string())
            .status,
        0);
    const Outcome outcome = orrery_command("schedule " + file.string() + " --json");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_DOUBLE_EQ(nlohmann::json::parse(outcome.out)["makespan"], 25.5);
    std::filesystem::remove(file);
}

TEST(ScheduleCommand, DrawsWithoutColourIntoAPipe) {
    const Outcome outcome = orrery_command("schedule gpipe --stages 2 --microbatches 2 --width 39");
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out.substr(0, 3), "0 |");
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST(ScheduleCommand, SaysWhenTheScheduleDoesNotFit) {
    const Outcome outcome = orrery_command("schedule 1f1b --stages 4 --microbatches 8 --memory-limit 3");
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("1f1b holds 4 micro-batch activations on device 0"), std::string::npos);
    EXPECT_EQ(orrery_command("schedule v-half --stages 4 --microbatches 8 --memory-limit 3 --json").status,
              0);
}

TEST(ScheduleCommand, NamesEveryMistake) {
    const std::pair<const char*, const char*> mistakes[] = {
        {"gpipee --stages 2 --microbatches 2", "did you mean 'gpipe'"},
        {"gpipe --microbatches 2", "--stages"},
        {"gpipe --stages 0 --microbatches 2", "must be at least 1"},
        {"gpipe --stages 2 --microbatches 2 --chunks 3", "chunks"},
        {"gpipe --stages 2 --microbatches 2 --forward nan", "--forward"},
        {"dualpipe --stages 3 --microbatches 8", "even number of stages"},
        {"zb-auto --stages 4 --microbatches 8 --memory-limit 0.5", "memory-limit"},
        {"1f1b --stages 4 --microbatches 8 --variant b", "1f1b has no variants"},
        {"/nowhere/order.csv", "/nowhere/order.csv"},
    };
    for (const auto& [arguments, says] : mistakes) {
        const Outcome outcome = orrery_command(std::string("schedule ") + arguments);
        EXPECT_EQ(outcome.status, 2) << arguments;
        EXPECT_NE(outcome.err.find(says), std::string::npos) << arguments << ": " << outcome.err;
    }
}

}  // namespace
}  // namespace orrery
