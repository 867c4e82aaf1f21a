#include "report/progress.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "report/text_width.hpp"

namespace orrery::report {
namespace {

using std::chrono::milliseconds;

TEST(Progress, CountsFromManyThreads) {
    std::string written;
    Progress progress(
        "runs", 4000,
        {[&written](std::string_view text) { written += text; }, milliseconds(1), milliseconds(1), 60});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&progress] {
            for (int i = 0; i < 1000; ++i) progress.advance();
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(progress.done(), 4000u);
}

TEST(Progress, DrawsNothingBeforeItsDelay) {
    std::string written;
    {
        Progress progress("runs", 10,
                          {[&written](std::string_view text) { written += text; }, milliseconds(60000),
                           milliseconds(1), 60});
        progress.advance(10);
    }
    EXPECT_EQ(written, "");
}

TEST(Progress, ClearsItsLineAtTheEnd) {
    std::string written;
    {
        Progress progress(
            "runs", 10,
            {[&written](std::string_view text) { written += text; }, milliseconds(1), milliseconds(5), 60});
        progress.advance(5);
        std::this_thread::sleep_for(milliseconds(100));
    }
    EXPECT_NE(written.find("runs  50% "), std::string::npos);
    EXPECT_EQ(written.substr(written.size() - 4), "\r\x1b[K");
}

TEST(Progress, StaysSilentWhereStandardErrorIsNoTerminal) {
    ::testing::internal::CaptureStderr();
    {
        Progress progress("runs", 10, {{}, milliseconds(0), milliseconds(1), 60});
        std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(ProgressLine, FitsItsWidth) {
    for (const std::size_t width : {10u, 20u, 40u, 79u, 200u}) {
        for (const std::uint64_t done : {0u, 1u, 50u, 100u, 150u}) {
            EXPECT_LE(display_width(progress_line("predicting recorded runs", done, 100, 12, width)), width);
            EXPECT_LE(display_width(progress_line("predicting recorded runs", done, 0, 12, width)), width);
        }
    }
    EXPECT_EQ(progress_line("runs", 50, 100, 3, 40), "runs  50% █████      50/100  3.00 s left");
}

}  // namespace
}  // namespace orrery::report
