// orrery help [TOPIC]: commands, topics that span several commands, and the keys of an experiment.
// orrery man: the manual page, which installation writes.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/exit_status.hpp"
#include "cli/help_topics.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"

namespace orrery::cli {
namespace {

int print_topics() {
    fmt::print("orrery help TOPIC, where TOPIC is one of\n\n");
    for (const HelpTopic& topic : help_topics()) fmt::print("  {:<12}  {}\n", topic.name, topic.summary);
    fmt::print("  {:<12}  {}\n", "keys [KEY]", "every key of an experiment, or those below one");
    fmt::print("\nor a command, as in orrery help run. orrery --help lists the commands.\n");
    return kDone;
}

int print_help(const CLI::App& app, const std::string& topic, const std::string& below) {
    if (topic.empty()) return print_topics();
    if (topic == "keys") {
        fmt::print("{}", help_of_keys(below));
        return kDone;
    }
    std::vector<std::string> names{"keys"};
    for (const HelpTopic& each : help_topics()) {
        if (each.name == topic) {
            fmt::print("{}: {}\n\n{}", each.name, each.summary, each.text);
            return kDone;
        }
        names.emplace_back(each.name);
    }
    for (const CLI::App* command : shown_commands(app)) names.push_back(command->get_name());
    throw InputError({}, "", unknown_name("topic", topic, names));
}

}  // namespace

Command add_help(CLI::App& app) {
    struct Options {
        std::string topic;
        std::string below;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("help", "What spans several commands; the keys of an experiment");
    command->add_option("topic", options->topic, "A topic, a command, or keys")->type_name("TOPIC");
    command->add_option("key", options->below, "help keys: only those at or below it")->type_name("KEY");
    return {command, [options, &app] { return print_help(app, options->topic, options->below); }};
}

Command add_man(CLI::App& app) {
    CLI::App* command = app.add_subcommand("man", "The manual page, in man's macros")->group("");
    return {command, [&app] {
                fmt::print("{}", man_page(app));
                return int{kDone};
            }};
}

}  // namespace orrery::cli
