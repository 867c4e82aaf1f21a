#include "core/sqlite.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace orrery::sqlite {
namespace {

TEST(Sqlite, GivesBackWhatWasBound) {
    Database database;
    database.execute("CREATE TABLE t(a, b, c, d)");
    Statement insert = database.prepare("INSERT INTO t VALUES (?, ?, ?, ?)");
    const std::string text("a\0b'", 4);
    insert.bind(1, std::monostate{});
    insert.bind(2, std::int64_t{1} << 60);
    insert.bind(3, 0.1);
    insert.bind(4, text);
    EXPECT_FALSE(insert.step());
    Statement select = database.prepare("SELECT a, b, c, d FROM t");
    ASSERT_TRUE(select.step());
    EXPECT_EQ(select.value(0), Value(std::monostate{}));
    EXPECT_EQ(select.value(1), Value(std::int64_t{1} << 60));
    EXPECT_EQ(select.value(2), Value(0.1));
    EXPECT_EQ(select.value(3), Value(text));
    EXPECT_EQ(select.column_name(3), "d");
    EXPECT_FALSE(select.step());
}

TEST(Sqlite, RefusesASecondStatementAndKnowsWhatWrites) {
    Database database;
    EXPECT_THROW(database.prepare("SELECT 1; DROP TABLE t"), SqliteError);
    EXPECT_THROW(database.prepare(" "), SqliteError);
    EXPECT_THROW(database.prepare("SELECT nothing"), SqliteError);
    EXPECT_TRUE(database.prepare("SELECT 1;").read_only());
    EXPECT_FALSE(database.prepare("CREATE TABLE t(a)").read_only());
}

TEST(Sqlite, RefusesAFileThatIsNoDatabase) {
    const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "no-database.sqlite";
    std::ofstream(file) << std::string(4096, 'x');
    EXPECT_THROW(Database(file, Database::Mode::read), SqliteError);
    EXPECT_THROW(Database(file.string() + ".absent", Database::Mode::read), SqliteError);
}

TEST(Sqlite, QuotesNames) {
    EXPECT_EQ(quoted("a.b"), "\"a.b\"");
    EXPECT_EQ(quoted("a\"b"), "\"a\"\"b\"");
}

}  // namespace
}  // namespace orrery::sqlite
