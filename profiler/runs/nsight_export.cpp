// Nsight Systems' SQLite export (nsys export --type sqlite): tables CUPTI_ACTIVITY_KIND_KERNEL, _MEMCPY and
// _MEMSET in nanoseconds, names in StringIds (NVIDIA, Nsight Systems User Guide, "SQLite Schema Reference").
#include <sqlite3.h>

#include <memory>
#include <unordered_map>

#include "core/error.hpp"
#include "profiler/runs/measured_run.hpp"

namespace orrery::profiler {

namespace {

struct CloseDatabase {
    void operator()(sqlite3* database) const { (void)sqlite3_close(database); }
};
struct FinishStatement {
    void operator()(sqlite3_stmt* statement) const { (void)sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

class Export {
  public:
    explicit Export(const std::string& path) : path_(path) {
        sqlite3* raw = nullptr;
        const int status = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
        database_.reset(raw);
        if (status != SQLITE_OK) fail();
    }

    [[nodiscard]] bool has(const std::string& table) {
        const Statement found = prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1");
        (void)sqlite3_bind_text(found.get(), 1, table.c_str(), -1, SQLITE_TRANSIENT);
        return step(found.get());
    }

    Statement prepare(const std::string& query) {
        sqlite3_stmt* raw = nullptr;
        if (sqlite3_prepare_v2(database_.get(), query.c_str(), -1, &raw, nullptr) != SQLITE_OK) fail();
        return Statement(raw);
    }

    bool step(sqlite3_stmt* statement) {
        const int status = sqlite3_step(statement);
        if (status != SQLITE_ROW && status != SQLITE_DONE) fail();
        return status == SQLITE_ROW;
    }

    [[noreturn]] void fail() const {
        throw InputError(
            {path_, 0, 0}, "",
            std::string("is no readable export of Nsight Systems: ") + sqlite3_errmsg(database_.get()));
    }

  private:
    std::string path_;
    Database database_;
};

class Reader {
  public:
    Reader(const std::string& path, MeasuredRun& run) : export_(path), run_(run), path_(path) {}

    void kernels() {
        if (!export_.has("CUPTI_ACTIVITY_KIND_KERNEL") || !export_.has("StringIds")) {
            throw InputError({path_, 0, 0}, "",
                             "holds no table CUPTI_ACTIVITY_KIND_KERNEL: export a report that traced CUDA");
        }
        const Statement rows = export_.prepare(
            "SELECT k.start, k.end, k.streamId, s.value FROM CUPTI_ACTIVITY_KIND_KERNEL k "
            "LEFT JOIN StringIds s ON s.id = k.demangledName ORDER BY k.start");
        while (export_.step(rows.get())) {
            const unsigned char* text = sqlite3_column_text(rows.get(), 3);
            const std::string name = text == nullptr ? "unnamed" : reinterpret_cast<const char*>(text);
            add(rows.get(), name, family_of(name));
        }
    }

    void others(const char* table, const char* name, RunFamily family) {
        if (!export_.has(table)) return;
        const Statement rows =
            export_.prepare(std::string("SELECT start, end, streamId FROM ") + table + " ORDER BY start");
        while (export_.step(rows.get())) add(rows.get(), name, family);
    }

  private:
    void add(sqlite3_stmt* row, const std::string& name, RunFamily family) {
        for (const int column : {0, 1, 2}) {
            if (sqlite3_column_type(row, column) != SQLITE_INTEGER) {
                throw InputError({path_, 0, 0}, "", "a kernel's start, end or stream is no whole number");
            }
        }
        const std::int64_t start = sqlite3_column_int64(row, 0);
        const std::int64_t end = sqlite3_column_int64(row, 1);
        if (end < start || start < 0) throw InputError({path_, 0, 0}, "", "a kernel ends before it starts");
        const auto [found, added] = names_.emplace(name, static_cast<std::int32_t>(run_.names.size()));
        if (added) run_.names.push_back(name);
        run_.tasks.push_back({found->second, family, sqlite3_column_int64(row, 2),
                              static_cast<double>(start) * 1e-9, static_cast<double>(end) * 1e-9});
    }

    Export export_;
    MeasuredRun& run_;
    std::string path_;
    std::unordered_map<std::string, std::int32_t> names_;
};

}  // namespace

MeasuredRun read_nsight_export(const std::string& path) {
    MeasuredRun run;
    run.source = path;
    run.format = "nsight-systems";
    Reader reader(path, run);
    reader.kernels();
    reader.others("CUPTI_ACTIVITY_KIND_MEMCPY", "memcpy", RunFamily::copy);
    reader.others("CUPTI_ACTIVITY_KIND_MEMSET", "memset", RunFamily::fill);
    complete(run);
    return run;
}

}  // namespace orrery::profiler
