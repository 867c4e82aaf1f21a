// orrery query FILE ['where ...']: questions to the results of a sweep.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/csv.hpp"
#include "report/study_summary.hpp"
#include "study/sweep/query.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::string file;
    std::string select;
    std::string rest;
    bool json = false;
};

nlohmann::ordered_json to_json(const sqlite::Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
    if (const auto* number = std::get_if<double>(&value)) return *number;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return nullptr;
}

int query(const Options& options) {
    const study::QueryRows found = study::query(options.file, options.select, options.rest);
    if (!options.json) {
        fmt::print("{}", report::rows_table(found.columns, found.rows));
        return kDone;
    }
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const auto& row : found.rows) {
        nlohmann::ordered_json object = nlohmann::ordered_json::object();
        for (std::size_t i = 0; i < row.size(); ++i) object[found.columns[i]] = to_json(row[i]);
        rows.push_back(std::move(object));
    }
    print_json({{"columns", found.columns}, {"rows", std::move(rows)}});
    return kDone;
}

}  // namespace

Command add_query(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("query", "Ask the results of a sweep");
    command->add_option("file", options->file, "The study.sqlite of a sweep")->type_name("FILE")->required();
    command
        ->add_option("question", options->rest,
                     "SQL after the columns: 'where tp = 8 and mfu > 0.4 order by step_time_s limit 5'")
        ->type_name("SQL");
    command->add_option("--select", options->select, "The columns: 'tp, pp, min(step_time_s)'")
        ->type_name("SQL");
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return query(*options); }};
}

}  // namespace orrery::cli
