#include "report/units.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace orrery::report {
namespace {

TEST(Units, DurationsHaveThreeDigitsAndAFittingUnit) {
    EXPECT_EQ(duration(17.384), "17.4 s");
    EXPECT_EQ(duration(0.0032149), "3.21 ms");
    EXPECT_EQ(duration(840e-6), "840 µs");
    EXPECT_EQ(duration(12e-9), "12.0 ns");
    EXPECT_EQ(duration(0), "0 s");
    EXPECT_EQ(duration(1234.6), "1235 s");
    EXPECT_EQ(duration(86400), "86,400 s");
    EXPECT_EQ(duration(-0.5), "-500 ms");
}

TEST(Units, RoundingMovesOnToTheNextUnit) {
    EXPECT_EQ(duration(0.99996e-3), "1.00 ms");
    EXPECT_EQ(duration(0.9996), "1.00 s");
    EXPECT_EQ(bytes(1023.99 * 1024), "1.00 MiB");
}

TEST(Units, TicksDropTrailingZeros) {
    EXPECT_EQ(trimmed("5.00 s"), "5 s");
    EXPECT_EQ(trimmed("1.50 GiB"), "1.5 GiB");
    EXPECT_EQ(trimmed("100 ms"), "100 ms");
    EXPECT_EQ(trimmed("10.0"), "10");
}

TEST(Units, BytesAreBinary) {
    EXPECT_EQ(bytes(0), "0 B");
    EXPECT_EQ(bytes(1536), "1.50 KiB");
    EXPECT_EQ(bytes(80.0 * 1024 * 1024 * 1024), "80.0 GiB");
}

TEST(Units, CountsAreGroupedOrScaled) {
    EXPECT_EQ(scaled(176.2), "176");
    EXPECT_EQ(scaled(1234), "1,234");
    EXPECT_EQ(scaled(181'000), "181 k");
    EXPECT_EQ(grouped(-1536000), "-1,536,000");
    EXPECT_EQ(grouped(999), "999");
}

TEST(Units, SharesArePercentWithOneDecimal) {
    EXPECT_EQ(percent(0.4523), "45.2%");
    EXPECT_EQ(signed_percent(0.032), "+3.2%");
    EXPECT_EQ(signed_percent(-0.005), "-0.5%");
    EXPECT_EQ(percent(std::numeric_limits<double>::quiet_NaN()), "n/a");
}

TEST(Units, SignificantDigitsRoundUpAcrossTens) {
    EXPECT_EQ(significant(99.96), "100");
    EXPECT_EQ(significant(9.996), "10.0");
    EXPECT_EQ(significant(0.031249), "0.0312");
    EXPECT_EQ(significant(138.42, 4), "138.4");
}

}  // namespace
}  // namespace orrery::report
