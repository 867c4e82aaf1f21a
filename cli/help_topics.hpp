// cli/help_topics.hpp
//
// The texts behind `orrery help TOPIC`: what is spread over several commands, told once.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.hpp"

namespace orrery::cli {

struct HelpTopic {
    std::string_view name;
    std::string_view summary;  ///< one line
    std::string_view text;     ///< lines of at most 78 characters
};

/// In the order `orrery help` prints them; "keys" is not among them (help_of_keys).
std::span<const HelpTopic> help_topics();

/// The keys of an experiment at or below a dotted key ("" for all): type, default, allowed values, meaning;
/// made from the table that checks them. Throws InputError naming the nearest key.
std::string help_of_keys(const std::string& below);

/// The manual page of the command, in man's macros, made from its commands, options and topics.
std::string man_page(const CLI::App& app);

/// The commands that --help lists.
std::vector<const CLI::App*> shown_commands(const CLI::App& app);

}  // namespace orrery::cli
