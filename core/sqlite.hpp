// core/sqlite.hpp
//
// SQLite 3 with owners for its handles and its errors as exceptions. A Database is used by one thread at a
// time. What SQLite refuses throws SqliteError with SQLite's own message.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace orrery::sqlite {

/// A cell: NULL, INTEGER, REAL or TEXT.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

class SqliteError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A prepared statement.
class Statement {
  public:
    /// Parameters count from 1.
    void bind(int parameter, const Value& value);
    /// True while there is a row. Throws SqliteError.
    bool step();
    /// Ready to run again; bindings stay.
    void reset();
    [[nodiscard]] int columns() const;
    [[nodiscard]] std::string column_name(int column) const;
    [[nodiscard]] Value value(int column) const;
    /// Neither this statement nor a function it calls changes a database.
    [[nodiscard]] bool read_only() const;

  private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

class Database {
  public:
    enum class Mode : std::uint8_t { read, write };

    /// In memory.
    Database();
    /// Throws SqliteError when it cannot be opened or is no database.
    Database(const std::filesystem::path& file, Mode mode);

    /// One statement; text after it is refused.
    Statement prepare(std::string_view sql);
    /// Any number of statements, without results.
    void execute(const std::string& sql);
    /// A statement that takes more than `steps` of SQLite's virtual machine ends with a SqliteError.
    void limit_steps(int steps);

  private:
    struct Close {
        void operator()(sqlite3* database) const;
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

/// `name` in double quotes, for column and table names.
std::string quoted(std::string_view name);

}  // namespace orrery::sqlite
