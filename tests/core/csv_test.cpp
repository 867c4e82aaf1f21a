#include "core/csv.hpp"

#include <gtest/gtest.h>

namespace orrery {
namespace {

std::string error_of(const std::string& text) {
    try {
        const csv::Table table = csv::parse(text, "t.csv");
        for (const csv::Row& row : table.rows) (void)table.number(row, "n");
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

TEST(Csv, ReadsQuotedCellsAndKnowsLines) {
    const csv::Table table = csv::parse("id,note\r\n1,\"a, \"\"b\"\"\nc\"\n2,\n", "t.csv");
    ASSERT_EQ(table.rows.size(), 2U);
    EXPECT_EQ(table.cell(table.rows[0], "note"), "a, \"b\"\nc");
    EXPECT_EQ(table.cell(table.rows[1], "note"), "");
    EXPECT_EQ(table.cell(table.rows[1], "absent"), "");
    EXPECT_EQ(table.rows[1].line, 4U);
}

TEST(Csv, ReadsNumbers) {
    const csv::Table table = csv::parse("n,i,e\n1.5,7,\n", "t.csv");
    EXPECT_EQ(table.number(table.rows[0], "n"), 1.5);
    EXPECT_EQ(table.integer(table.rows[0], "i"), 7);
    EXPECT_EQ(table.number(table.rows[0], "e"), std::nullopt);
}

TEST(Csv, RefusesWhatIsNoTable) {
    for (const std::string text :
         {"n,n\n1,2\n", "n,m\n1\n", "n,m\n1,2,3\n", "n\n\"open\n", "n\nx\n", "n\nnan\n"}) {
        EXPECT_EQ(error_of(text).substr(0, 6), "t.csv:") << text;
    }
}

}  // namespace
}  // namespace orrery
