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
    EXPECT_EQ(json["peak_activation"], nlohmann::ordered_json({4, 3, 2, 1}));
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

double makespan(const std::string& arguments) {
    const Outcome outcome = orrery_command("schedule " + arguments + " --json");
    EXPECT_EQ(outcome.status, 0) << arguments << ": " << outcome.err;
    return outcome.status == 0 ? nlohmann::json::parse(outcome.out)["makespan"].get<double>() : -1;
}

TEST(ScheduleCommand, EveryStageMayHaveItsOwnTime) {
    // One micro-batch passes all stages one after the other: forwards 1+2+3+4, backwards 4 times 0.5 + 1.5.
    EXPECT_DOUBLE_EQ(makespan("1f1b --stages 4 --microbatches 1 --forward 1,2,3,4 --backward-input 0.5 "
                              "--backward-weight 1.5"),
                     18);
    // A slow second stage (9 a micro-batch) sets the pace: its work, the first forward before it and the
    // last backward behind it.
    EXPECT_DOUBLE_EQ(makespan("gpipe --stages 2 --microbatches 5 --forward 1,3 --backward-input 1,3 "
                              "--backward-weight '1, 3'"),
                     1 + 5 * 9 + 2);
    // Equal times say what the one time says, however many are given.
    const std::string shape = "interleaved-1f1b --stages 4 --microbatches 8 --chunks 2 --forward ";
    const double one = makespan(shape + "1.5");
    EXPECT_DOUBLE_EQ(makespan(shape + "1.5,1.5,1.5,1.5"), one);
    EXPECT_DOUBLE_EQ(makespan(shape + "1.5,1.5,1.5,1.5,1.5,1.5,1.5,1.5"), one);
    // A time for each device is that of both its stages: in a V, device 1 of 2 holds stages 1 and 2.
    const std::string folded = "v-zb --stages 2 --microbatches 6 --forward ";
    EXPECT_DOUBLE_EQ(makespan(folded + "1,2"), makespan(folded + "1,2,2,1"));
    EXPECT_NE(makespan(folded + "1,2"), makespan(folded + "1,2,1,2"));
}

TEST(ScheduleCommand, DrawsStagesOfDifferentLength) {
    // Forwards of 1 and 3, then backwards of 6 and 2.
    const Outcome outcome = orrery_command(
        "schedule gpipe --stages 2 --microbatches 1 --forward 1,3 --backward-input 1,3 --backward-weight 1,3 "
        "--width 60");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("makespan                 12\n"), std::string::npos) << outcome.out;
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
        {"gpipe --stages 4 --microbatches 2 --forward 1,2,3",
         "expected 1 time or 4, one for each stage, not 3"},
        {"zb-v --stages 4 --microbatches 8 --backward-weight 1,2",
         "expected 1 time, 4 (one for each device) or 8 (one for each virtual stage), not 2"},
        {"gpipe --stages 2 --microbatches 2 --backward-input 1,,2", "not '1,,2'"},
        {"gpipe --stages 2 --microbatches 2 --backward-input 1,2x", "not '1,2x'"},
        {"gpipe --stages 2 --microbatches 2 --forward 1,-2", "--forward"},
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
