#include "report/write_report.hpp"

#include <string>
#include <vector>

#include "core/atomic_file.hpp"
#include "report/json.hpp"
#include "report/trace.hpp"

namespace orrery::report {

void write_report(const std::filesystem::path& dir, const Result& result, const sim::Program& program,
                  const sim::Timeline& timeline) {
    const std::string json = to_text(to_json(result));
    const std::string html = run_page(result, make_gantt(program, timeline),
                                      memory_over_time(program, timeline, result.memory.capacity_bytes));
    const std::string trace = trace_json_gz(program, timeline);
    write_file_atomically(dir / "trace.json.gz", trace);
    write_file_atomically(dir / "report.html", html);
    write_file_atomically(dir / "result.json", json);
}

void write_comparison(const std::filesystem::path& dir, std::span<const ComparedRun> runs) {
    std::vector<Result> results;
    for (const ComparedRun& run : runs) results.push_back(run.result);
    const std::string json = to_text(to_json(results));
    const std::string html = comparison_page(runs);
    write_file_atomically(dir / "report.html", html);
    write_file_atomically(dir / "result.json", json);
}

void write_validation(const std::filesystem::path& dir, const Validation& validation) {
    const std::string json = to_text(to_json(validation));
    const std::string html = validation_page(validation);
    write_file_atomically(dir / "report.html", html);
    write_file_atomically(dir / "result.json", json);
}

}  // namespace orrery::report
