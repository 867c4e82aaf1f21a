// orrery execute-rank FOLDER: one process of an execution; started by validate --on mpi, not by users.
#include <memory>
#include <string>

#include "cli/command.hpp"
#include "profiler/execute/execution.hpp"

namespace orrery::cli {

Command add_execute_rank(CLI::App& app) {
    auto folder = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("execute-rank", "One process of orrery validate --on mpi");
    command->group("");  // not shown
    command->add_option("folder", *folder, "The execution's files")->type_name("FOLDER")->required();
    return {command, [folder] { return profiler::run_rank(*folder); }};
}

}  // namespace orrery::cli
