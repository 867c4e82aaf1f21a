// orrery schema KIND: the JSON Schema of a kind of file, for editors. Hidden from --help: docs/ holds its
// output.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "study/experiment.hpp"

namespace orrery::cli {
namespace {

int print_schema(const std::string& kind) {
    if (kind != "experiment") {
        throw InputError({}, "", unknown_name("kind", kind, std::vector<std::string>{"experiment"}));
    }
    fmt::print("{}", study::experiment_json_schema());
    return kDone;
}

}  // namespace

Command add_schema(CLI::App& app) {
    const auto kind = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("schema", "JSON Schema of a kind of file")->group("");
    command->add_option("kind", *kind, "experiment")->required();
    return {command, [kind] { return print_schema(*kind); }};
}

}  // namespace orrery::cli
