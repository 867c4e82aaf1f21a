#include "core/sqlite.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <type_traits>

namespace orrery::sqlite {
namespace {

constexpr int kBusyMilliseconds = 10'000;

sqlite3* open(const char* name, int flags) {
    sqlite3* handle = nullptr;
    const int status = sqlite3_open_v2(name, &handle, flags, nullptr);
    if (status != SQLITE_OK) {
        const std::string message = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(status);
        sqlite3_close_v2(handle);
        throw SqliteError(message);
    }
    sqlite3_busy_timeout(handle, kBusyMilliseconds);
    // "no_such_column" is a mistake, not a text: SQLite's habit of guessing is off.
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    return handle;
}

void check(int status, sqlite3* database) {
    if (status != SQLITE_OK) throw SqliteError(sqlite3_errmsg(database));
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

void Statement::bind(int parameter, const Value& value) {
    sqlite3_stmt* s = handle_.get();
    const int status = std::visit(
        [&](const auto& v) {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::monostate>) {
                return sqlite3_bind_null(s, parameter);
            } else if constexpr (std::is_same_v<T, std::int64_t>) {
                return sqlite3_bind_int64(s, parameter, v);
            } else if constexpr (std::is_same_v<T, double>) {
                return sqlite3_bind_double(s, parameter, v);
            } else {
                return sqlite3_bind_text64(s, parameter, v.data(), v.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
            }
        },
        value);
    check(status, sqlite3_db_handle(s));
}

bool Statement::step() {
    const int status = sqlite3_step(handle_.get());
    if (status == SQLITE_ROW) return true;
    if (status == SQLITE_DONE) return false;
    throw SqliteError(sqlite3_errmsg(sqlite3_db_handle(handle_.get())));
}

void Statement::reset() {
    sqlite3_reset(handle_.get());
}

int Statement::columns() const {
    return sqlite3_column_count(handle_.get());
}

std::string Statement::column_name(int column) const {
    return sqlite3_column_name(handle_.get(), column);
}

Value Statement::value(int column) const {
    sqlite3_stmt* s = handle_.get();
    switch (sqlite3_column_type(s, column)) {
        case SQLITE_INTEGER:
            return std::int64_t{sqlite3_column_int64(s, column)};
        case SQLITE_FLOAT:
            return sqlite3_column_double(s, column);
        case SQLITE_NULL:
            return std::monostate{};
        default: {
            const auto* text = static_cast<const char*>(sqlite3_column_blob(s, column));
            return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(s, column)));
        }
    }
}

bool Statement::read_only() const {
    return sqlite3_stmt_readonly(handle_.get()) != 0;
}

void Database::Close::operator()(sqlite3* database) const {
    sqlite3_close_v2(database);
}

Database::Database() : handle_(open(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) {}

Database::Database(const std::filesystem::path& file, Mode mode)
    : handle_(open(file.c_str(),
                   mode == Mode::read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) {
    execute("PRAGMA schema_version");  // opening reads nothing: find out here whether it is a database
}

Statement Database::prepare(std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    const char* rest = nullptr;
    const int status =
        sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &raw, &rest);
    Statement statement;
    statement.handle_.reset(raw);
    check(status, handle_.get());
    if (raw == nullptr) throw SqliteError("an empty statement");
    const std::string_view after(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest));
    const bool ended = std::all_of(after.begin(), after.end(),
                                   [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == ';'; });
    if (!ended) throw SqliteError("more than one statement");
    return statement;
}

void Database::execute(const std::string& sql) {
    check(sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr), handle_.get());
}

void Database::limit_steps(int steps) {
    sqlite3_progress_handler(
        handle_.get(), steps, [](void*) { return 1; }, nullptr);
}

std::string quoted(std::string_view name) {
    std::string text = "\"";
    for (const char c : name) {
        if (c == '"') text += '"';
        text += c;
    }
    return text + "\"";
}

}  // namespace orrery::sqlite
