#include "study/sweep/store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"

namespace orrery::study {
namespace {

constexpr std::array kStatuses{PointStatus::ok,      PointStatus::too_large, PointStatus::excluded,
                               PointStatus::illegal, PointStatus::failed,    PointStatus::pruned};

std::string column_list(const Columns& columns) {
    std::string list;
    for (const std::string& column : columns) list += ", " + sqlite::quoted(column);
    return list;
}

std::string parameters(std::size_t count) {
    std::string list = "?";
    for (std::size_t i = 1; i < count; ++i) list += ", ?";
    return list;
}

void make_tables(sqlite::Database& database, const Study& study, const std::string& version) {
    database.execute("BEGIN IMMEDIATE");
    database.execute("CREATE TABLE IF NOT EXISTS study(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID");
    database.execute(
        "CREATE TABLE IF NOT EXISTS points(id INTEGER PRIMARY KEY, status TEXT NOT NULL, reason TEXT" +
        column_list(study.settings) + ")");
    database.execute("CREATE TABLE IF NOT EXISTS metrics(point INTEGER PRIMARY KEY REFERENCES points(id)" +
                     column_list(study.figures) + ")");
    database.execute("CREATE TABLE IF NOT EXISTS front(place INTEGER PRIMARY KEY, point INTEGER NOT NULL)");
    sqlite::Statement insert = database.prepare("INSERT OR IGNORE INTO study VALUES (?, ?)");
    for (const auto& [key, value] : {std::pair<std::string, std::string>("name", study.name),
                                     {"description", study.description},
                                     {"text", study.text},
                                     {"orrery", version}}) {
        insert.bind(1, key);
        insert.bind(2, value);
        insert.step();
        insert.reset();
    }
    database.execute("COMMIT");
}

std::string stored(sqlite::Database& database, const std::string& key) {
    sqlite::Statement select = database.prepare("SELECT value FROM study WHERE key = ?");
    select.bind(1, key);
    if (!select.step()) return "";
    const sqlite::Value value = select.value(0);
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr ? *text : "";
}

void check_identity(sqlite::Database& database, const std::filesystem::path& file, const Study& study,
                    const std::string& version) {
    if (stored(database, "text") != study.text) {
        throw InputError(
            {file.string()}, "",
            "holds the results of another study, or of this one before it was changed; give another "
            "--out, or remove the file");
    }
    if (const std::string before = stored(database, "orrery"); before != version) {
        throw InputError(
            {file.string()}, "",
            fmt::format("was made by Orrery {}, this is {}: results would mix; give another --out, or "
                        "remove the file",
                        before, version));
    }
}

sqlite::Database open_for(const std::filesystem::path& file, const Study& study, const std::string& version) {
    try {
        if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
        sqlite::Database database(file, sqlite::Database::Mode::write);
        database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
        make_tables(database, study, version);
        check_identity(database, file, study, version);
        return database;
    } catch (const sqlite::SqliteError& error) {
        throw InputError({file.string()}, "", fmt::format("cannot hold results: {}", error.what()));
    } catch (const std::filesystem::filesystem_error& error) {
        throw InputError({file.string()}, "", fmt::format("cannot be made: {}", error.code().message()));
    }
}

std::string csv_cell(const sqlite::Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
    if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return "";
    if (text->find_first_of(",\"\r\n") == std::string::npos) return *text;
    std::string quoted = "\"";
    for (const char c : *text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + "\"";
}

std::vector<std::string> strings(const Columns& a, const Columns& b) {
    std::vector<std::string> all = a;
    all.insert(all.end(), b.begin(), b.end());
    return all;
}

}  // namespace

std::string_view to_string(PointStatus status) {
    constexpr std::array<std::string_view, kStatuses.size()> kNames{"ok",      "too_large", "excluded",
                                                                    "illegal", "failed",    "pruned"};
    return kNames[static_cast<std::size_t>(status)];
}

Store::Store(const std::filesystem::path& file, const Study& study, const std::string& version)
    : settings_(study.settings), figures_(study.figures), database_(open_for(file, study, version)) {}

std::vector<bool> Store::done(std::uint64_t points) {
    std::vector<bool> done(points, false);
    sqlite::Statement select = database_.prepare("SELECT id FROM points");
    while (select.step()) {
        const auto id = static_cast<std::uint64_t>(std::get<std::int64_t>(select.value(0)));
        if (id < points) done[id] = true;
    }
    return done;
}

void Store::add(std::span<const PointRow> rows) {
    database_.execute("BEGIN IMMEDIATE");
    sqlite::Statement point =
        database_.prepare("INSERT OR IGNORE INTO points VALUES (" + parameters(settings_.size() + 3) + ")");
    sqlite::Statement metrics =
        database_.prepare("INSERT OR IGNORE INTO metrics VALUES (" + parameters(figures_.size() + 1) + ")");
    for (const PointRow& row : rows) {
        point.bind(1, static_cast<std::int64_t>(row.id));
        point.bind(2, std::string(to_string(row.status)));
        point.bind(3, row.reason.empty() ? sqlite::Value() : sqlite::Value(row.reason));
        for (std::size_t i = 0; i < row.settings.size(); ++i)
            point.bind(static_cast<int>(i) + 4, row.settings[i]);
        point.step();
        point.reset();
        if (row.figures.empty()) continue;
        metrics.bind(1, static_cast<std::int64_t>(row.id));
        for (std::size_t i = 0; i < row.figures.size(); ++i)
            metrics.bind(static_cast<int>(i) + 2, row.figures[i]);
        metrics.step();
        metrics.reset();
    }
    database_.execute("COMMIT");
}

void Store::absorb(const std::filesystem::path& file, const Study& study, const std::string& version) {
    const Store other(file, study, version);  // checks it, and ends what its writer left half done
    sqlite::Statement attach = database_.prepare("ATTACH ? AS other");
    attach.bind(1, file.string());
    attach.step();
    attach.reset();
    database_.execute(
        "BEGIN IMMEDIATE; INSERT OR IGNORE INTO points SELECT * FROM other.points;"
        "INSERT OR IGNORE INTO metrics SELECT * FROM other.metrics; COMMIT; DETACH other");
}

void Store::write_front(std::span<const std::uint64_t> points) {
    database_.execute("BEGIN IMMEDIATE; DELETE FROM front");
    sqlite::Statement insert = database_.prepare("INSERT INTO front(place, point) VALUES (?, ?)");
    std::int64_t place = 0;
    for (const std::uint64_t point : points) {
        insert.bind(1, ++place);
        insert.bind(2, static_cast<std::int64_t>(point));
        insert.step();
        insert.reset();
    }
    database_.execute("COMMIT");
}

std::vector<Store::Found> Store::find(PointStatus status, const std::vector<Expression>& expressions) {
    std::string list = "\"point\".id";
    for (const Expression& expression : expressions) list += ", (" + expression.text + "\n)";
    sqlite::Statement select =
        database_.prepare("SELECT " + list + " FROM " + store_from_clause(settings_, figures_) +
                          " WHERE \"point\".status = ? ORDER BY \"point\".id");
    select.bind(1, std::string(to_string(status)));
    std::vector<Found> found;
    while (select.step()) {
        Found one{static_cast<std::uint64_t>(std::get<std::int64_t>(select.value(0))), {}};
        for (int i = 1; i < select.columns(); ++i) one.values.push_back(select.value(i));
        found.push_back(std::move(one));
    }
    return found;
}

std::vector<Store::Count> Store::counts() {
    std::vector<Count> counts;
    for (const PointStatus status : kStatuses) {
        sqlite::Statement select = database_.prepare(
            "SELECT coalesce(reason, ''), count(*) FROM points WHERE status = ? GROUP BY 1 ORDER BY 2 DESC, "
            "1");
        select.bind(1, std::string(to_string(status)));
        while (select.step()) {
            counts.push_back({status, std::get<std::string>(select.value(0)),
                              static_cast<std::uint64_t>(std::get<std::int64_t>(select.value(1)))});
        }
    }
    return counts;
}

std::string Store::csv() {
    std::string text = "id,status,reason";
    for (const std::string& column : strings(settings_, figures_)) text += "," + csv_cell(column);
    text += "\n";
    std::string list = "points.id, points.status, points.reason";
    for (const std::string& column : settings_) list += ", points." + sqlite::quoted(column);
    for (const std::string& column : figures_) list += ", metrics." + sqlite::quoted(column);
    sqlite::Statement select =
        database_.prepare("SELECT " + list +
                          " FROM points LEFT JOIN metrics ON metrics.point = points.id "
                          "ORDER BY points.id");
    while (select.step()) {
        for (int i = 0; i < select.columns(); ++i) {
            if (i != 0) text += ',';
            text += csv_cell(select.value(i));
        }
        text += '\n';
    }
    return text;
}

std::string store_from_clause(const Columns& settings, const Columns& figures, bool simulated) {
    // One flat row a point, then a view of it for each group, tied by the point's number.
    const Columns all = strings(settings, figures);
    std::string text = "(SELECT id, status, reason FROM points";
    if (simulated) text += " WHERE id IN (SELECT point FROM metrics)";
    text += ") AS \"point\"";
    for (const std::string& group : groups_of(all)) {
        std::string inner = "points.id AS \"of point\"";
        for (std::size_t i = 0; i < all.size(); ++i) {
            const ColumnName column = split_column(all[i]);
            if (column.group != group) continue;
            inner += fmt::format(", {}.{} AS {}", i < settings.size() ? "points" : "metrics",
                                 sqlite::quoted(all[i]), sqlite::quoted(column.name));
        }
        const std::string alias = sqlite::quoted(group.empty() ? "result" : group);
        text += fmt::format(
            " JOIN (SELECT {} FROM points LEFT JOIN metrics ON metrics.point = points.id) AS {} ON {}.\"of "
            "point\" = "
            "\"point\".id",
            inner, alias, alias);
    }
    return text;
}

}  // namespace orrery::study
