#include "report/table.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "report/text_width.hpp"

namespace orrery::report {
namespace {

std::size_t widest_line(const std::string& text) {
    std::size_t widest = 0;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) widest = std::max(widest, display_width(line));
    return widest;
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
    EXPECT_EQ(display_width("840 µs"), 6u);
    EXPECT_EQ(display_width("e\xCC\x81"), 1u);  // e and a combining acute
    EXPECT_EQ(display_width("模型"), 4u);
    EXPECT_EQ(display_width("\xFF\xC0\x80"), 3u);  // broken bytes, one column each
}

TEST(Printable, RemovesEscapeSequencesAndBrokenBytes) {
    EXPECT_EQ(printable("a\x1b[31mb"), "a\uFFFD[31mb");
    EXPECT_EQ(printable("\xE2\x82"), "\uFFFD\uFFFD");
    EXPECT_EQ(printable("µ\n"), "µ\uFFFD");
}

TEST(Wrap, BreaksAtSpacesThenAtJointsThenAnywhere) {
    EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
    EXPECT_EQ(wrap("path/to/file", 6), (std::vector<std::string>{"path/", "to/", "file"}));
    EXPECT_EQ(wrap("abcdefgh", 3), (std::vector<std::string>{"abc", "def", "gh"}));
    EXPECT_EQ(wrap("", 5), (std::vector<std::string>{""}));
    EXPECT_EQ(wrap("模型模型", 5), (std::vector<std::string>{"模型", "模型"}));
}

TEST(Table, AlignsColumns) {
    Table table({{"name"}, {"time", Align::right}});
    table.add_row({"a", "3 µs"});
    table.add_row({"longer", "12 s"});
    EXPECT_EQ(table.render(80, 0),
              "name    time\n"
              "────────────\n"
              "a       3 µs\n"
              "longer  12 s\n");
}

TEST(Table, WrapsTheWidestWrappingColumn) {
    Table table({{"id"}, {"text", Align::left, true}, {"n", Align::right}});
    table.add_row({"1", "a rather long text that goes on and on", "7"});
    const std::string text = table.render(30, 2);
    EXPECT_LE(widest_line(text), 30u);
    EXPECT_NE(text.find("  1   a rather long text     7\n"), std::string::npos) << text;
}

TEST(Table, LeavesOutColumnsByDropOrderAndSaysSo) {
    Table table(
        {{"aaaaaaaaaa"}, {"bbbbbbbbbb", Align::left, false, 1}, {"cccccccccc", Align::left, false, 2}});
    table.add_row({"1", "2", "3"});
    EXPECT_EQ(table.render(24, 0),
              "aaaaaaaaaa  bbbbbbbbbb\n"
              "──────────────────────\n"
              "1           2\n"
              "(left out for width:\n"
              "cccccccccc)\n");
}

TEST(Bar, IsAsLongAsItsShare) {
    EXPECT_EQ(bar(0.5, 4), "██");
    EXPECT_EQ(bar(0.0625, 2), "▏");
    EXPECT_EQ(bar(2, 3), "███");
    EXPECT_EQ(bar(-1, 3), "");
}

}  // namespace
}  // namespace orrery::report
