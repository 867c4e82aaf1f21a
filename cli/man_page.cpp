#include <fmt/format.h>

#include <string>

#include "cli/help_topics.hpp"

namespace orrery::cli {
namespace {

/// Text as roff takes it: a backslash, a minus, and a dot or quote at a line's start mean something there.
std::string escaped(std::string_view text) {
    std::string out;
    bool begins_line = true;
    for (const char c : text) {
        if (begins_line && (c == '.' || c == '\'')) out += "\\&";
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
        begins_line = c == '\n';
    }
    return out;
}

std::string paragraph(std::string_view head, std::string_view text) {
    return fmt::format(".TP\n\\fB{}\\fR\n{}\n", escaped(head), escaped(text));
}

std::string usage_of(const CLI::App& command) {
    std::string usage = "orrery " + command.get_name();
    for (const CLI::Option* option : command.get_options())
        if (option->get_positional())
            usage +=
                option->get_required() ? " " + option->get_name(true) : " [" + option->get_name(true) + "]";
    return usage + " [OPTION]...";
}

std::string options_of(const CLI::App& command) {
    std::string text;
    for (const CLI::Option* option : command.get_options()) {
        if (option->get_group().empty()) continue;
        std::string name = option->get_name(option->get_positional(), true);
        if (const std::string type = option->get_type_name();
            !type.empty() && option->get_items_expected_max() > 0)
            name += " " + type;
        text += paragraph(name, option->get_description());
    }
    return text;
}

}  // namespace

std::string man_page(const CLI::App& app) {
    std::string page = fmt::format(".TH ORRERY 1 \"\" \"orrery {}\" \"User Commands\"\n", ORRERY_VERSION);
    page += ".SH NAME\norrery \\- simulate and predict the parallel training of large models\n";
    page += ".SH SYNOPSIS\n\\fBorrery\\fR COMMAND [OPTION]...\n";
    page += ".SH DESCRIPTION\n" + escaped(app.get_description()) + "\n";
    page += ".SH COMMANDS\n";
    for (const CLI::App* command : shown_commands(app)) {
        page +=
            fmt::format(".SS {}\n{}.\n", escaped(usage_of(*command)), escaped(command->get_description()));
        page += options_of(*command);
    }
    for (const HelpTopic& topic : help_topics()) {
        std::string title(topic.name);
        for (char& c : title) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        page += fmt::format(".SH {}\n.nf\n{}.fi\n", title, escaped(topic.text));
    }
    return page;
}

}  // namespace orrery::cli
