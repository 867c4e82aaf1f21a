#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"

namespace orrery::cli {

// One line a subcommand, in the order of orrery --help; each is defined in cli/<name>.cpp.
Command add_run(CLI::App& app);
Command add_compare(CLI::App& app);
Command add_sweep(CLI::App& app);
Command add_query(CLI::App& app);
Command add_serve(CLI::App& app);
Command add_schedule(CLI::App& app);
Command add_collective(CLI::App& app);
Command add_export(CLI::App& app);
Command add_replay(CLI::App& app);
Command add_profile(CLI::App& app);
Command add_calibrate(CLI::App& app);
Command add_validate(CLI::App& app);
Command add_show(CLI::App& app);
Command add_list(CLI::App& app);
Command add_completion(CLI::App& app);
Command add_help(CLI::App& app);
Command add_man(CLI::App& app);
Command add_schema(CLI::App& app);
Command add_execute_rank(CLI::App& app);

const std::vector<AddCommand>& commands() {
    static const std::vector<AddCommand> all = {
        // clang-format off
        add_run,
        add_compare,
        add_sweep,
        add_query,
        add_serve,
        add_schedule,
        add_collective,
        add_export,
        add_replay,
        add_profile,
        add_calibrate,
        add_validate,
        add_show,
        add_list,
        add_completion,
        add_help,
        add_man,
        add_schema,
        add_execute_rank,
        // clang-format on
    };
    return all;
}

namespace {

std::vector<std::string> subcommand_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* sub :
         app.get_subcommands([](const CLI::App* each) { return !each->get_group().empty(); })) {
        names.push_back(sub->get_name());
    }
    return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    return names;
}

/// The subcommand that was parsed, or the app itself.
const CLI::App& innermost(const CLI::App& app) {
    const auto parsed = app.get_subcommands();
    return parsed.empty() ? app : *parsed.front();
}

/// What CLI11 did not take: an unknown command, an unknown option, or one argument too many.
InputError unexpected(const CLI::App& app, const std::string& argument) {
    const CLI::App& place = innermost(app);
    if (argument.starts_with("-")) {
        return {{}, "", unknown_name("option", argument.substr(0, argument.find('=')), option_names(place))};
    }
    if (&place == &app) return {{}, "", unknown_name("command", argument, subcommand_names(app))};
    return {
        {}, "", fmt::format("unexpected argument '{}'; see orrery {} --help", argument, place.get_name())};
}

/// The arguments, the last first. "help COMMAND" is "COMMAND --help": CLI11 would take the command's name for
/// the command.
std::vector<std::string> arguments_of(const CLI::App& app, int argc, const char* const* argv) {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    const std::vector<std::string> names = subcommand_names(app);
    if (arguments.size() == 2 && arguments[0] == "help" && arguments[1] != "help" &&
        std::find(names.begin(), names.end(), arguments[1]) != names.end())
        arguments = {arguments[1], "--help"};
    std::reverse(arguments.begin(), arguments.end());
    return arguments;
}

/// Parses. Throws InputError, or CLI::Success for --help and --version.
void parse(CLI::App& app, int argc, const char* const* argv) {
    try {
        app.parse(arguments_of(app, argc, argv));
    } catch (const CLI::Success&) {
        throw;
    } catch (const CLI::ExtrasError& error) {
        const std::vector<std::string> left = app.remaining(true);
        throw unexpected(app, left.empty() ? error.what() : left.front());
    } catch (const CLI::ParseError& error) {
        const std::vector<std::string> left = app.remaining(true);
        // A misspelt option also leaves a required one unset: name the cause.
        if (!left.empty()) throw unexpected(app, left.front());
        throw InputError({}, "", error.what());
    }
}

void log_to_standard_error(bool verbose, bool quiet) {
    auto logger = spdlog::get("orrery");
    if (!logger) logger = spdlog::stderr_color_mt("orrery");
    logger->set_pattern("orrery: %^%l%$: %v");
    logger->set_level(verbose ? spdlog::level::debug : quiet ? spdlog::level::err : spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}

int parse_and_run(int argc, const char* const* argv) {
    CLI::App app("Orrery replays one training step of a parallel plan on a modelled cluster.", "orrery");
    bool verbose = false;
    bool quiet = false;
    app.set_version_flag("--version", "orrery " ORRERY_VERSION);
    app.add_flag("-v,--verbose", verbose, "Tell what is done, on standard error");
    app.add_flag("-q,--quiet", quiet, "Tell only errors");
    app.fallthrough();
    app.footer(
        "Exit status: 0 done, 1 the experiment cannot run, 2 bad input, 3 this machine lacks what was "
        "asked.");
    std::vector<Command> added;
    for (const AddCommand add : commands()) added.push_back(add(app));

    try {
        parse(app, argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help);
    }
    log_to_standard_error(verbose, quiet);
    for (const Command& command : added) {
        if (command.app->parsed()) return command.run();
    }
    throw InputError({}, "",
                     fmt::format("no command given (allowed: {}); see orrery --help",
                                 fmt::join(subcommand_names(app), ", ")));
}

}  // namespace

int run(int argc, const char* const* argv) {
    return exit_status_of([argc, argv] { return parse_and_run(argc, argv); });
}

void print_json(const nlohmann::ordered_json& object) {
    fmt::print("{}\n", object.dump(2));
}

}  // namespace orrery::cli
